// Attention over the kept blocks with an online softmax, on every GPU from sm_80 on: mma.sync, and keys and values
// gathered row by row with cp.async in the order of the keys.
#ifndef PBS_ATTN_CUDA_ATTEND_CUH_
#define PBS_ATTN_CUDA_ATTEND_CUH_

#include "call.cuh"
#include "kept_blocks.cuh"
#include "mask.cuh"
#include "matrix_tile.cuh"
#include "softmax.cuh"
#include "tile_sizes.h"

namespace pbs {

// A block of queries of one head.
struct WorkItem {
  int b;
  int h;
  int i;  // -1: padding

  __device__ WorkItem(int b_, int h_, int i_) : b(b_), h(h_), i(i_) {}
  // The n-th of a call: one head after the other, its rows by falling work.
  __device__ WorkItem(const Call& call, int64_t n) {
    const int rows = max_q_blocks(call);
    const int64_t head = n / rows;
    b = static_cast<int>(head / call.head_count);
    h = static_cast<int>(head % call.head_count);
    i = work_rows(call, b, h)[n % rows];
  }
  // For a warp that has the same item in all lanes.
  __device__ __forceinline__ WorkItem uniform_item() const { return {uniform(b), uniform(h), uniform(i)}; }
  __device__ static int64_t count(const Call& call) { return call.batch * call.head_count * max_q_blocks(call); }
};

// Writes 16 rows of o and their log-sum-exp from fragments. row: the lane's first row, its second is 8 further.
template <typename T, int kDim>
__device__ __forceinline__ void store_rows(const Call& call, const WorkItem& item, const float* o, int row, int end_row,
                                           const float (&inverse)[2], const float (&lse)[2]) {
  const int column = static_cast<int>(threadIdx.x) % 4 * 2;
#pragma unroll
  for (int slot = 0; slot < 2; ++slot) {
    const int r = row + 8 * slot;
    if (r >= end_row) continue;
    uint32_t* to = reinterpret_cast<uint32_t*>(o_row(call, item.b, item.h, r));
#pragma unroll
    for (int n = 0; n < kDim / 8; ++n) {
      to[(8 * n + column) / 2] = pack<T>(o[4 * n + 2 * slot] * inverse[slot], o[4 * n + 2 * slot + 1] * inverse[slot]);
    }
    float* to_lse = lse_row(call, item.b, item.h, r);
    if (to_lse != nullptr && column == 0) *to_lse = lse[slot];
  }
}

template <typename T, int kDim>
class Attend {
  using Tiles = AttendTiles<kDim>;
  static constexpr int kThreads = Tiles::kThreads;
  static constexpr int kRowTiles = Tiles::kRowTiles;
  static constexpr int kKeys = Tiles::kKeys;

 public:
  __device__ __forceinline__ Attend(const Call& call, const WorkItem& item)
      : call_(call),
        item_(item.uniform_item()),
        grid_(uniform_grid(call, item_.b)),
        kv_(kv_head(call, item_.h)),
        order_(order(call, item_.b, order_head(call, item_.h))),
        mask_(mask_row(call, item_.b, item_.h, item_.i)),
        q_{shared_address(shared_memory())},
        keys_{q_.base + kBlockSize * kDim * 2},
        values_{keys_.base + Tiles::kTileBytes},
        positions_(reinterpret_cast<int*>(shared_memory() + kBlockSize * kDim * 2 + 2 * Tiles::kTileBytes)),
        warp_row_(static_cast<int>(threadIdx.x) / kWarpThreads * kRowTiles * 16) {}

  __device__ __forceinline__ void run() {
    int tile = tile_before(grid_.visible(item_.i) * Tiles::kTilesPerBlock);
    int slot = 0;  // which half of positions_ has this tile's
    copy_queries();
    copy_positions(tile, slot);
    commit_copies();
    wait_for_copies<0>();
    __syncthreads();
    copy_keys(slot);
    commit_copies();
#pragma unroll
    for (int r = 0; r < kRowTiles; ++r) softmax_[r].reset();
    const int first_masked = grid_.candidates(item_.i) * Tiles::kTilesPerBlock;
    while (tile >= 0) {
      const int next = tile_before(tile);
      wait_for_copies<0>();
      __syncthreads();
      copy_values(slot);
      if (next >= 0) copy_positions(next, slot ^ 1);
      commit_copies();
      float logits[kRowTiles][kKeys / 2] = {};
      multiply_transposed<T, kRowTiles, kKeys>(logits, q_, warp_row_, keys_);
      if (tile >= first_masked) hide_future(logits, slot);
      wait_for_copies<0>();
      __syncthreads();
      if (next >= 0) copy_keys(slot ^ 1);
      commit_copies();
      update_softmax(logits);
      add_values(logits);
      tile = next;
      slot ^= 1;
    }
    store();
  }

 private:
  // Tiles of kKeys keys, from the last one down.
  __device__ __forceinline__ int tile_before(int tile) const {
    return uniform(kept_tile_before<Tiles::kTilesPerBlock>(mask_, tile));
  }

  __device__ __forceinline__ void copy_queries() {
    const int first = item_.i * kBlockSize;
    const int rows = grid_.rows(item_.i);
    q_.template copy_rows<kBlockSize, kThreads>(
        [&](int row) { return row < rows ? q_row(call_, item_.b, item_.h, first + row) : nullptr; });
  }

  // Original positions of a tile's keys, which say where to read them.
  __device__ __forceinline__ void copy_positions(int tile, int slot) {
    const int chunk = static_cast<int>(threadIdx.x);
    if (chunk >= Tiles::kPositionsBytes / kChunkBytes) return;
    copy_async(shared_address(positions_ + slot * kKeys) + static_cast<uint32_t>(chunk * kChunkBytes),
               order_ + int64_t{tile} * kKeys + chunk * kChunkBytes / 4, true);
  }

  __device__ __forceinline__ void copy_keys(int slot) {
    keys_.template copy_rows<kKeys, kThreads>([&](int row) {
      const int position = positions_[slot * kKeys + row];
      return position != kNoPosition ? k_row(call_, item_.b, kv_, position) : nullptr;
    });
  }

  __device__ __forceinline__ void copy_values(int slot) {
    values_.template copy_rows<kKeys, kThreads>([&](int row) {
      const int position = positions_[slot * kKeys + row];
      return position != kNoPosition ? v_row(call_, item_.b, kv_, position) : nullptr;
    });
  }

  __device__ __forceinline__ void hide_future(float (&logits)[kRowTiles][kKeys / 2], int slot) const {
    const int lane = static_cast<int>(threadIdx.x) % kWarpThreads;
#pragma unroll
    for (int r = 0; r < kRowTiles; ++r) {
      mask_future(logits[r], positions_ + slot * kKeys, grid_.first_position(item_.i) + warp_row_ + r * 16 + lane / 4);
    }
  }

  __device__ __forceinline__ void update_softmax(float (&logits)[kRowTiles][kKeys / 2]) {
    const float scale_log2 = static_cast<float>(call_.softmax_scale) * kLog2e;
#pragma unroll
    for (int r = 0; r < kRowTiles; ++r) {
      float factor[2];
      softmax_[r].update(logits[r], scale_log2, factor);
      scale_rows(o_[r], factor);
    }
  }

  // o += weights * values.
  __device__ __forceinline__ void add_values(const float (&weights)[kRowTiles][kKeys / 2]) {
    const uint32_t begin = values_.begin_b_rows();
#pragma unroll
    for (int k = 0; k < kKeys / 16; ++k) {
      uint32_t a[kRowTiles][4];
#pragma unroll
      for (int r = 0; r < kRowTiles; ++r) {
#pragma unroll
        for (int p = 0; p < 4; ++p) a[r][p] = pack<T>(weights[r][8 * k + 2 * p], weights[r][8 * k + 2 * p + 1]);
      }
#pragma unroll
      for (int n = 0; n < kDim / 16; ++n) {
        uint32_t b[4];
        load_matrices_transposed(b, MatrixTile<kDim>::move(begin, k * 16, 2 * n));
#pragma unroll
        for (int r = 0; r < kRowTiles; ++r) {
          multiply_add<T::kIsBf16>(&o_[r][8 * n], a[r], b[0], b[1]);
          multiply_add<T::kIsBf16>(&o_[r][8 * n + 4], a[r], b[2], b[3]);
        }
      }
    }
  }

  __device__ __forceinline__ void store() {
    const int lane = static_cast<int>(threadIdx.x) % kWarpThreads;
    const int first = item_.i * kBlockSize;
#pragma unroll
    for (int r = 0; r < kRowTiles; ++r) {
      float inverse[2], lse[2];
      softmax_[r].finish(static_cast<float>(call_.softmax_scale), inverse, lse);
      store_rows<T, kDim>(call_, item_, o_[r], first + warp_row_ + r * 16 + lane / 4, first + grid_.rows(item_.i),
                          inverse, lse);
    }
  }

  const Call& call_;
  const WorkItem item_;
  const BlockGrid grid_;
  const int kv_;
  const int* const order_;
  const unsigned long long* const mask_;
  const MatrixTile<kDim> q_;
  const MatrixTile<kDim> keys_;
  const MatrixTile<kDim> values_;
  int* const positions_;  // (2, kKeys), in shared memory
  const int warp_row_;
  SoftmaxRows softmax_[kRowTiles];
  float o_[kRowTiles][kDim / 2] = {};
};

template <typename T, int kDim>
__device__ __forceinline__ void attend(const Call& call) {
  const WorkItem item(call, blockIdx.x);
  if (item.i < 0) return;
  Attend<T, kDim>(call, item).run();
}

}  // namespace pbs

#endif  // PBS_ATTN_CUDA_ATTEND_CUH_
