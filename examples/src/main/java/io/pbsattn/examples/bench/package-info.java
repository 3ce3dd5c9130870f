/** What the benchmarks measure, and with what. */
package io.pbsattn.examples.bench;
