/**
 * Models of the Hugging Face hub, by {@code hf://org/model}, and the cache that they are kept in.
 */
package io.pbsattn.zoo.hub;
