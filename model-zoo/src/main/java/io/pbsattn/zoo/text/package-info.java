/** Between text and ids: messages, chat templates, special tokens, stop strings. */
package io.pbsattn.zoo.text;
