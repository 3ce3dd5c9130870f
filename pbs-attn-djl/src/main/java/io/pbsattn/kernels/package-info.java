/**
 * The native library: unpacked, checked, loaded and bound once for the whole process.
 *
 * <p>{@link io.pbsattn.kernels.NativeKernels} is its door. It takes arrays of the CPU, hands their
 * addresses and strides to C, and makes an exception of each status. {@code layer} and {@code
 * backend.cpu} stand above it.
 */
package io.pbsattn.kernels;
