/** What the operator asks of a backend, which knows one kind of machine. */
package io.pbsattn.backend;
