// The kernels, written once, a concept in each *-inl.h; each isa_*.cc includes them inside a namespace of its own and
// compiles them for its instruction set. They need, defined before: for AVX-512 its intrinsics, kWidth (floats in a
// vector), kMr (rows of a register tile), kNv (its vectors). A file has one instruction set, so guards are enough.
//
// No other header with inline functions may be included inside: the linker would keep one copy for all instruction
// sets.
#ifndef PBS_ATTN_CPU_KERNELS_INL_H_
#define PBS_ATTN_CPU_KERNELS_INL_H_

#include "element-inl.h"
#include "float_engine-inl.h"
#include "gemm-inl.h"
#include "layer-inl.h"
#include "rows-inl.h"
#include "softmax-inl.h"

// A constant expression: nothing of an instruction set runs before dispatch has chosen it.
constexpr Kernels make_kernels(const char* name, const Engine* bfloat16, const LayerKernels* layer) {
  return {name,     kStripWidth, &kFloatEngine, bfloat16, layer,       all_finite,
          sum_rows, store_row,   gemm,          exp_row,  store_output};
}

#endif  // PBS_ATTN_CPU_KERNELS_INL_H_
