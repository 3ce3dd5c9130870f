// Tiles of 16-bit elements in shared memory for ldmatrix and mma.sync: rows of kDim elements, whose 16-byte chunks are
// swizzled so that the eight rows of a matrix lie in different banks.
#ifndef PBS_ATTN_CUDA_MATRIX_TILE_CUH_
#define PBS_ATTN_CUDA_MATRIX_TILE_CUH_

#include "element.cuh"
#include "platform.cuh"

namespace pbs {

constexpr int kChunkBytes = 16;
constexpr int kChunkElements = 8;

template <int kDim>
struct MatrixTile {
  static constexpr int kChunks = kDim / kChunkElements;
  static constexpr int kRowBytes = kDim * 2;

  uint32_t base;

  // Address of a chunk. Rows of 192 bytes start in every second half of the banks, and have 12 chunks: there pairs of
  // rows take turns inside groups of four chunks.
  __device__ __forceinline__ uint32_t at(int row, int chunk) const {
    const int swizzled = kChunks % 8 == 0 ? chunk ^ (row % 8) : chunk ^ (row / 2 % 4);
    return base + static_cast<uint32_t>(row * kRowBytes + swizzled * kChunkBytes);
  }

  // Starts copying rows 0..kRows-1. source(row, n) is the row's first byte or null for zeros; n counts the calls of a
  // thread.
  template <int kRows, int kThreads, typename Source>
  __device__ __forceinline__ void copy_rows(const Source& source) const {
    static_assert(kRows * kChunks % kThreads == 0, "every thread copies as many chunks");
#pragma unroll
    for (int n = 0; n < kRows * kChunks / kThreads; ++n) {
      const int item = static_cast<int>(threadIdx.x) + n * kThreads;
      const int row = item / kChunks;
      const int chunk = item % kChunks;
      const char* from = source(row, n);
      copy_async(at(row, chunk), from == nullptr ? nullptr : from + chunk * kChunkBytes, from != nullptr);
    }
  }

  // Rows row..row+15, columns of chunks chunk and chunk + 1, as the operand A of a product.
  __device__ __forceinline__ void load_a(uint32_t (&a)[4], int row, int chunk) const {
    const int lane = static_cast<int>(threadIdx.x) % kWarpThreads;
    load_matrices(a, at(row + lane % 16, chunk + lane / 16));
  }

  // The same rows and columns, transposed, as two operands B of 8 columns each: rows are columns of B.
  __device__ __forceinline__ void load_b(uint32_t (&b)[4], int row, int chunk) const {
    const int lane = static_cast<int>(threadIdx.x) % kWarpThreads;
    load_matrices(b, at(row + lane / 16 * 8 + lane % 8, chunk + lane / 8 % 2));
  }

  // Rows row..row+15 are rows of B, chunks chunk and chunk + 1 the columns of two operands.
  __device__ __forceinline__ void load_b_rows(uint32_t (&b)[4], int row, int chunk) const {
    const int lane = static_cast<int>(threadIdx.x) % kWarpThreads;
    load_matrices_transposed(b, at(row + lane % 16, chunk + lane / 16));
  }
};

// acc (kRowTiles of 16 rows, kColumns) += A B^T, with kRowTiles * 16 rows of A from first_row on and kColumns rows of
// B. acc[r][4 n + e] is element e of the fragment of columns 8 n..8 n + 7.
template <typename T, int kRowTiles, int kColumns, int kDim>
__device__ __forceinline__ void multiply_transposed(float (&acc)[kRowTiles][kColumns / 2], const MatrixTile<kDim>& a,
                                                    int first_row, const MatrixTile<kDim>& b) {
#pragma unroll
  for (int chunk = 0; chunk < kDim / kChunkElements; chunk += 2) {
    uint32_t a_fragment[kRowTiles][4];
#pragma unroll
    for (int r = 0; r < kRowTiles; ++r) a.load_a(a_fragment[r], first_row + r * 16, chunk);
#pragma unroll
    for (int n = 0; n < kColumns / 16; ++n) {
      uint32_t b_fragment[4];
      b.load_b(b_fragment, n * 16, chunk);
#pragma unroll
      for (int r = 0; r < kRowTiles; ++r) {
        multiply_add<T::kIsBf16>(&acc[r][8 * n], a_fragment[r], b_fragment[0], b_fragment[1]);
        multiply_add<T::kIsBf16>(&acc[r][8 * n + 4], a_fragment[r], b_fragment[2], b_fragment[3]);
      }
    }
  }
}

}  // namespace pbs

#endif  // PBS_ATTN_CUDA_MATRIX_TILE_CUH_
