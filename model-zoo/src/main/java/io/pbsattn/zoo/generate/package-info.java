/** Answers, token by token: how each is chosen, when an answer ends, and several at once. */
package io.pbsattn.zoo.generate;
