// How the blocks of one sequence lie: which key blocks a query block may look at, and which of them it must.
#ifndef PBS_ATTN_CUDA_BLOCK_GRID_CUH_
#define PBS_ATTN_CUDA_BLOCK_GRID_CUH_

#include "platform.cuh"
#include "tile_sizes.h"

namespace pbs {

__device__ __forceinline__ int divide_up(int n, int by) { return (n + by - 1) / by; }
__device__ __forceinline__ int smaller(int a, int b) { return a < b ? a : b; }
__device__ __forceinline__ int larger(int a, int b) { return a > b ? a : b; }

struct BlockGrid {
  int seqlen_q;
  int seqlen_k;
  int segment_size;
  int min_length;

  __device__ int q_blocks() const { return divide_up(seqlen_q, kBlockSize); }
  __device__ int k_blocks() const { return divide_up(seqlen_k, kBlockSize); }

  __device__ bool is_single_segment() const { return seqlen_k <= segment_size; }
  // Then every block is kept.
  __device__ bool is_dense() const { return is_single_segment() || seqlen_k < min_length; }
  // Keys in complete segments, which are reordered.
  __device__ int complete_keys() const { return is_dense() ? 0 : seqlen_k / segment_size * segment_size; }

  // Query rows of block i, and the positions of the first and the last of them.
  __device__ int rows(int i) const { return smaller(kBlockSize, seqlen_q - i * kBlockSize); }
  __device__ int first_position(int i) const { return seqlen_k - seqlen_q + i * kBlockSize; }
  __device__ int last_position(int i) const { return first_position(i) + rows(i) - 1; }

  // Key blocks 0..candidates(i)-1 lie in segments that end before query block i begins: the block scores decide about
  // them. Key blocks candidates(i)..visible(i)-1 lie in the row's own segments and are kept.
  __device__ int candidates(int i) const {
    return is_single_segment() ? 0 : first_position(i) / segment_size * (segment_size / kBlockSize);
  }
  __device__ int visible(int i) const {
    if (is_single_segment()) return k_blocks();
    return smaller(k_blocks(), (last_position(i) / segment_size + 1) * (segment_size / kBlockSize));
  }
};

}  // namespace pbs

#endif  // PBS_ATTN_CUDA_BLOCK_GRID_CUH_
