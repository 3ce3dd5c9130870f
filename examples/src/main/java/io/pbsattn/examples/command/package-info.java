/** One class a command: what it takes, what it prints. */
package io.pbsattn.examples.command;
