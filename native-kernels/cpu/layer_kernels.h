// The vector code of what stands around attention in a layer, as one table of functions for each instruction set.
#ifndef PBS_ATTN_CPU_LAYER_KERNELS_H_
#define PBS_ATTN_CPU_LAYER_KERNELS_H_

#include <cstdint>

#include "kernels.h"

namespace pbs_attn {

// Products of bfloat16 matrices by matrix units. Rows and weights come in panels of kPanel rows, packed in steps of
// kStep columns.
constexpr int64_t kPanel = 32;
constexpr int64_t kStep = 32;
constexpr int64_t kPanelStepBytes = kPanel * kStep * 2;  // of a packed panel, for a step

// A panel of rows as matrix units read it: packed, or where it lies.
struct RowPanel {
  const char* first;
  int64_t row;   // bytes from a row to the next
  int64_t step;  // bytes from a step to the next
};

struct MatrixUnit {
  // Packs `count` rows (at most kPanel) from a column on, `steps` steps; what is past the rows or columns is zero.
  void (*pack_rows)(const Rows& rows, int64_t count, int64_t first_column, int64_t steps, char* packed);
  // The same for weights, of which a row belongs to an output.
  void (*pack_weights)(const Rows& rows, int64_t count, int64_t first_column, int64_t steps, char* packed);
  // c [+]= x w^T for a panel of rows and several of weights, which lie panel_bytes apart. c holds a (kPanel, kPanel)
  // float tile for each of them. On the way it fetches what comes after: as many steps of next_x, and next_c.
  void (*multiply)(int64_t steps, const RowPanel& x, const char* w, int64_t panel_bytes, int64_t panels,
                   bool accumulate, float* c, const RowPanel& next_x, const float* next_c);
};

// Rows as floats: of each the elements of even place, `half` of them, and then those of odd place.
struct SplitRows {
  const float* first;
  int64_t count;
  int64_t half;
};

// Sums of products, row by row.
struct SumRows {
  const float* first;
  int64_t count;
  int64_t stride;  // floats
};

// Where rows of results go.
struct OutRows {
  int32_t dtype;
  void* first;
  int64_t stride;  // bytes
  int64_t dim;
};

struct LayerKernels {
  const MatrixUnit* matrix_unit;  // null: there is none

  // y (n) in dtype = x * factor * weight, factor = 1 / sqrt(mean(x^2) + eps).
  void (*rms_norm)(int64_t n, const float* x, const float* weight, float eps, int32_t dtype, void* y);
  // Turns one row: pairs (i, i + half).
  void (*rotate)(int32_t dtype, int64_t half, const void* x, const float* cosines, const float* sines, void* y);
  // Splits n bfloat16 into floats: those of even and those of odd place.
  void (*split)(int64_t n, const void* x, float* even, float* odd);
  // out[n * out_stride + r] = the product of row r of `count` rows of bfloat16 with row n of x.
  void (*dot_rows)(const Rows& rows, int64_t count, const SplitRows& x, float* out, int64_t out_stride);
  // sums (dim) += the rows, of bfloat16, each times its weight.
  void (*add_rows)(const Rows& rows, int64_t count, const float* weights, float* sums);
  // y = x + bias, or y + x + bias if `add` (y in float32 then). A bias may be null.
  void (*combine)(const SumRows& x, const float* bias, bool add, const OutRows& y);
  // y = silu(gate + gate_bias) * (up + up_bias).
  void (*gate)(const SumRows& gate, const float* gate_bias, const SumRows& up, const float* up_bias, const OutRows& y);
  // n bfloat16 to floats.
  void (*to_floats)(int64_t n, const void* x, float* y);
};

}  // namespace pbs_attn

#endif  // PBS_ATTN_CPU_LAYER_KERNELS_H_
