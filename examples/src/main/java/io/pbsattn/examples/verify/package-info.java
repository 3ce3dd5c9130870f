/** Checks against reference data. */
package io.pbsattn.examples.verify;
