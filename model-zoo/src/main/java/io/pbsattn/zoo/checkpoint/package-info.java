/** Files of a model's folder and the tensors in them, by name. */
package io.pbsattn.zoo.checkpoint;
