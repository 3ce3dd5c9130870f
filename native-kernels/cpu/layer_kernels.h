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
constexpr int64_t kL1Steps = 16;                         // a panel of rows in them is 32 KiB: two thirds of L1

// A panel of rows as matrix units read it: packed, or where it lies.
struct RowPanel {
  const char* first;
  int64_t row_stride_bytes;
  int64_t step_stride_bytes;
};

// Where rows of results go.
struct OutRows {
  int32_t dtype;
  void* first;
  int64_t stride_bytes;
  int64_t dim;
};

// What becomes of sums of products: y = sums + bias, y + sums + bias, or silu(sums + bias) * (ups + up_bias).
struct Result {
  const float* sums;
  const float* ups;  // null: no gate
  int64_t ld;        // of both: floats from a row to the next
  int64_t rows;
  const float* bias;  // null: none
  const float* up_bias;
  bool add;  // to y, in float32
  OutRows y;
};

// sums [+]= x w^T for a panel of rows and several of weights.
struct PanelProduct {
  int64_t steps;
  RowPanel x;
  const char* weights;  // packed
  int64_t panel_stride_bytes;
  int64_t panels;  // of weights
  bool accumulate;
  float* sums;  // (panels, kPanel, kPanel)
  // Done on the way:
  RowPanel next_x;  // its steps are fetched
  const Result* results;
  int64_t num_results;  // with as many rows each; they are finished
};

struct MatrixUnit {
  // Packs `count` rows (at most kPanel) from a column on, `steps` steps; what is past the rows or columns is zero.
  void (*pack_rows)(const Rows& rows, int64_t count, int64_t first_column, int64_t steps, char* packed);
  // The same for weights, of which a row belongs to an output.
  void (*pack_weights)(const Rows& rows, int64_t count, int64_t first_column, int64_t steps, char* packed);
  void (*multiply)(const PanelProduct& product);
};

// Rows as floats: of each the elements with even index, `half` of them, and then those with odd index.
struct SplitRows {
  const float* first;
  int64_t count;
  int64_t half;
};

struct LayerKernels {
  const MatrixUnit* matrix_unit;  // null: there is none

  // y (n) in dtype = x * factor * weight, factor = 1 / sqrt(mean(x^2) + eps).
  void (*rms_norm)(int64_t n, const float* x, const float* weight, float eps, int32_t dtype, void* y);
  // Rotates one row: pairs (i, i + half).
  void (*rotate)(int32_t dtype, int64_t half, const void* x, const float* cosines, const float* sines, void* y);
  // Splits n bfloat16 into floats: those with even and those with odd index.
  void (*split)(int64_t n, const void* x, float* even, float* odd);
  // out[n * out_ld + r] = the product of row r of `count` rows of bfloat16 with row n of x.
  void (*dot_rows)(const Rows& rows, int64_t count, const SplitRows& x, float* out, int64_t out_ld);
  // sums (dim) += the rows, of bfloat16, each times its weight.
  void (*add_rows)(const Rows& rows, int64_t count, const float* weights, float* sums);
  // Of so many results, of as many rows each.
  void (*finish)(const Result* results, int64_t count);
  // n bfloat16 to floats.
  void (*to_floats)(int64_t n, const void* x, float* y);
};

}  // namespace pbs_attn

#endif  // PBS_ATTN_CPU_LAYER_KERNELS_H_
