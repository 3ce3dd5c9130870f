// Sizes of the element types, and where rows lie.
#ifndef PBS_ATTN_CPU_ELEMENT_H_
#define PBS_ATTN_CPU_ELEMENT_H_

#include <cstdint>

#include "kernels.h"
#include "pbs_attn.h"

namespace pbs_attn {

inline int64_t element_size(int32_t dtype) { return dtype == PBS_ATTN_FLOAT32 ? 4 : 2; }

// The rows from one on.
inline Rows rows_from(const Rows& rows, int64_t row) {
  return {rows.dtype, static_cast<const char*>(rows.first) + row * rows.stride_bytes, rows.stride_bytes, rows.dim};
}

// Address of a row of a strided array.
inline char* row_of(const pbs_attn_tensor& tensor, int32_t dtype, int64_t batch, int64_t head, int64_t row) {
  const int64_t element = batch * tensor.batch_stride + head * tensor.head_stride + row * tensor.row_stride;
  return static_cast<char*>(tensor.data) + element * element_size(dtype);
}

}  // namespace pbs_attn

#endif  // PBS_ATTN_CPU_ELEMENT_H_
