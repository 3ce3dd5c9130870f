/**
 * libtorch by its C functions, which DJL's engine has inside and does not show: addresses,
 * bfloat16, arrays on foreign memory, any operator.
 */
package io.pbsattn.torch;
