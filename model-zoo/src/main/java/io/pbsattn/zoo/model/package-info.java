/**
 * A decoder model: ids and tensors in, logits out. It knows nothing of text or of DJL's
 * translators.
 */
package io.pbsattn.zoo.model;
