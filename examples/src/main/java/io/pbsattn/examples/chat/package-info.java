/** A conversation in the terminal. */
package io.pbsattn.examples.chat;
