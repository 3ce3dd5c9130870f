/** The algorithm in plain array operations, as the paper has it: the oracle of other backends. */
package io.pbsattn.backend.reference;
