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

  // Chunks swizzle in groups: rows of 128 bytes and their multiples start in the same bank, so eight rows take turns in
  // eight chunks; rows of 192 bytes start in every second half of the banks, there pairs of rows take turns in four.
  static constexpr int kGroup = kChunks % 8 == 0 ? 8 : 4;
  __device__ static __forceinline__ int turn(int row) { return kGroup == 8 ? row % 8 : row / 2 % 4; }

  // Address of a chunk.
  __device__ __forceinline__ uint32_t at(int row, int chunk) const {
    return base + static_cast<uint32_t>(row * kRowBytes + (chunk ^ turn(row)) * kChunkBytes);
  }

  // From the address of a chunk the address `chunks` further (which the chunk's number must not have bits of) and
  // `rows` further (a multiple of 8): little to compute, so that few addresses are kept in registers.
  __device__ static __forceinline__ uint32_t move(uint32_t address, int rows, int chunks) {
    return (address ^ static_cast<uint32_t>(chunks % kGroup * kChunkBytes)) +
           static_cast<uint32_t>(chunks / kGroup * kGroup * kChunkBytes + rows * kRowBytes);
  }

  // Starts copying rows 0..kRows-1. source(row) is the row's first byte or null for zeros.
  template <int kRows, int kThreads, typename Source>
  __device__ __forceinline__ void copy_rows(const Source& source) const {
    static_assert(kRows * kChunks % kThreads == 0, "every thread copies as many chunks");
#pragma unroll
    for (int n = 0; n < kRows * kChunks / kThreads; ++n) {
      const int item = static_cast<int>(threadIdx.x) + n * kThreads;
      const int row = item / kChunks;
      const int chunk = item % kChunks;
      const char* from = source(row);
      copy_async(at(row, chunk), from == nullptr ? nullptr : from + chunk * kChunkBytes, from != nullptr);
    }
  }

  // Where a lane begins to load: rows row..row+15 and chunks 0 and 1 as the operand A of a product.
  __device__ __forceinline__ uint32_t begin_a(int row) const {
    const int lane = static_cast<int>(threadIdx.x) % kWarpThreads;
    return at(row + lane % 16, lane / 16);
  }
  // The same rows and columns, transposed, as two operands B of 8 columns each: rows are columns of B.
  __device__ __forceinline__ uint32_t begin_b() const {
    const int lane = static_cast<int>(threadIdx.x) % kWarpThreads;
    return at(lane / 16 * 8 + lane % 8, lane / 8 % 2);
  }
  // Rows are rows of B, chunks 0 and 1 the columns of two operands; load_matrices_transposed loads them.
  __device__ __forceinline__ uint32_t begin_b_rows() const {
    const int lane = static_cast<int>(threadIdx.x) % kWarpThreads;
    return at(lane % 16, lane / 16);
  }
};

// acc (kRowTiles of 16 rows, kColumns) += A B^T, with kRowTiles * 16 rows of A from first_row on and kColumns rows of
// B. acc[r][4 n + e] is element e of the fragment of columns 8 n..8 n + 7.
template <typename T, int kRowTiles, int kColumns, int kDim>
__device__ __forceinline__ void multiply_transposed(float (&acc)[kRowTiles][kColumns / 2], const MatrixTile<kDim>& a,
                                                    int first_row, const MatrixTile<kDim>& b) {
  using Tile = MatrixTile<kDim>;
  const uint32_t a_begin = a.begin_a(first_row);
  const uint32_t b_begin = b.begin_b();
#pragma unroll
  for (int chunk = 0; chunk < kDim / kChunkElements; chunk += 2) {
    uint32_t a_fragment[kRowTiles][4];
#pragma unroll
    for (int r = 0; r < kRowTiles; ++r) load_matrices(a_fragment[r], Tile::move(a_begin, r * 16, chunk));
#pragma unroll
    for (int n = 0; n < kColumns / 16; ++n) {
      uint32_t b_fragment[4];
      load_matrices(b_fragment, Tile::move(b_begin, n * 16, chunk));
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
