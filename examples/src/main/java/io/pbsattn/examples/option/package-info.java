/** Options that several commands share. */
package io.pbsattn.examples.option;
