/**
 * Decoder models of Hugging Face in DJL. The rooms are {@code checkpoint}, {@code model}, {@code
 * text}, {@code generate}, {@code djl}, {@code hub} and {@code jinja}; this package keeps the names
 * that {@code serving.properties} of users have.
 */
package io.pbsattn.zoo;
