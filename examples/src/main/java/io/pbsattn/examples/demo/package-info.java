/** The document and the questions of the demo. */
package io.pbsattn.examples.demo;
