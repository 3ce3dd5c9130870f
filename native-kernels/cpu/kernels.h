// The vector code that the stages are made of, as one table of functions for each instruction set.
//
// Matrices are row-major. Columns are padded to a multiple of kLanes and rows to a multiple of row_multiple, so that no
// kernel has a tail.
#ifndef PBS_ATTN_CPU_KERNELS_H_
#define PBS_ATTN_CPU_KERNELS_H_

#include <cstdint>

namespace pbs_attn {

constexpr int64_t kLanes = 16;

// The running state of a tile of query rows in the online softmax.
struct SoftmaxRows {
  float* max;    // (rows) largest logit so far
  double* sum;   // (rows) sum of exp(logit - max)
  float* scale;  // (rows) out: by how much what was summed before has to shrink
};

struct Kernels {
  const char* name;
  int64_t row_multiple;

  // c (m, n) = a (m, k) b (k, n), added to c where accumulate is set. n is a multiple of kLanes, m of row_multiple.
  void (*gemm_f32)(int64_t m, int64_t n, int64_t k, const float* a, int64_t lda, const float* b, int64_t ldb, float* c,
                   int64_t ldc, bool accumulate);
  void (*gemm_f64)(int64_t m, int64_t n, int64_t k, const double* a, int64_t lda, const double* b, int64_t ldb,
                   double* c, int64_t ldc, bool accumulate);

  // Turns logits (rows, cols) into exp(logit - max) in place and moves the running state on. A key is visible to row r when
  // key_positions[col] <= first_position + r; key_positions null: all are.
  void (*softmax_tile)(int64_t rows, int64_t cols, float* logits, int64_t ld, const int32_t* key_positions,
                       int32_t first_position, const SoftmaxRows& state);

  // Multiplies each row (rows, cols) by its factor.
  void (*scale_rows)(int64_t rows, int64_t cols, float* x, int64_t ld, const float* factors);

  // Sum of exp(x[i] - shift) over n values, n a multiple of kLanes.
  double (*sum_exp)(int64_t n, const double* x, double shift);

  // For each of n columns of logits (rows, n): log of the sum over the rows of exp(logit - row_lse[row]). n is a multiple of
  // kLanes. Computed from the column's largest term, so that it holds far below float's smallest number.
  void (*column_log_sums)(int64_t rows, int64_t n, const double* logits, int64_t ld, const double* row_lse, double* max,
                          double* sum);
};

extern const Kernels kScalarKernels;
#if defined(__x86_64__) || defined(_M_X64)
extern const Kernels kAvx2Kernels;
extern const Kernels kAvx512Kernels;
#endif

}  // namespace pbs_attn

#endif  // PBS_ATTN_CPU_KERNELS_H_
