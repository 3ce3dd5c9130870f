// Sorts numbers in shared memory, ascending. Equal numbers are told apart by their low bits, so the result is the same
// whatever the order of the comparisons.
#ifndef PBS_ATTN_CUDA_BITONIC_SORT_CUH_
#define PBS_ATTN_CUDA_BITONIC_SORT_CUH_

#include "platform.cuh"

namespace pbs {

__device__ __forceinline__ int power_of_two_from(int n) {
  int power = 1;
  while (power < n) power *= 2;
  return power;
}

// All threads of the block come with the same arguments; count is a power of two.
template <typename N>
__device__ void bitonic_sort(N* numbers, int count) {
  for (int run = 2; run <= count; run *= 2) {
    for (int distance = run / 2; distance > 0; distance /= 2) {
      __syncthreads();
      for (int n = threadIdx.x; n < count / 2; n += blockDim.x) {
        const int low = n / distance * 2 * distance + n % distance;
        const int high = low + distance;
        const bool ascending = (low & run) == 0;
        const N a = numbers[low];
        const N b = numbers[high];
        if ((a > b) == ascending) {
          numbers[low] = b;
          numbers[high] = a;
        }
      }
    }
  }
  __syncthreads();
}

}  // namespace pbs

#endif  // PBS_ATTN_CUDA_BITONIC_SORT_CUH_
