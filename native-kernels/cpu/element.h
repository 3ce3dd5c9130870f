// Rows of any element type, read and written as float32.
#ifndef PBS_ATTN_CPU_ELEMENT_H_
#define PBS_ATTN_CPU_ELEMENT_H_

#include <cstddef>
#include <cstdint>

namespace pbs_attn {

size_t element_size(int32_t dtype);

// Whether all n elements are finite.
bool all_finite(int32_t dtype, const void* row, int64_t n);

void load_row(int32_t dtype, const void* row, int64_t n, float* result);

// Rounds to nearest, ties to even.
void store_row(int32_t dtype, const float* row, int64_t n, void* result);

}  // namespace pbs_attn

#endif  // PBS_ATTN_CPU_ELEMENT_H_
