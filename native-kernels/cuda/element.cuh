// The two element types: 16 bits each, handled in pairs.
#ifndef PBS_ATTN_CUDA_ELEMENT_CUH_
#define PBS_ATTN_CUDA_ELEMENT_CUH_

#include "platform.cuh"

namespace pbs {

struct Bf16 {
  static constexpr bool kIsBf16 = true;
};

struct F16 {
  static constexpr bool kIsBf16 = false;
};

// The element in the low half of a pair, and the one in the high half.
template <typename T>
__device__ __forceinline__ float2 unpack(uint32_t pair) {
  if constexpr (T::kIsBf16) {
    return {bits_to_float(pair << 16), bits_to_float(pair & 0xffff0000u)};
  } else {
    return {half_to_float(pair & 0xffffu), half_to_float(pair >> 16)};
  }
}

// Both rounded to the nearest; low comes first in memory.
template <typename T>
__device__ __forceinline__ uint32_t pack(float low, float high) {
  if constexpr (T::kIsBf16) {
    return pack_bf16(low, high);
  } else {
    return pack_f16(low, high);
  }
}

}  // namespace pbs

#endif  // PBS_ATTN_CUDA_ELEMENT_CUH_
