/** The command line behind {@code ./pbs}. */
package io.pbsattn.examples;
