// Attention over the kept blocks on Hopper: a producer warp brings tiles with bulk tensor copies, two warpgroups of 64
// query rows each consume them with wgmma, and blocks of threads stay and take the next rows as they become free.
#ifndef PBS_ATTN_CUDA_ATTEND_WGMMA_CUH_
#define PBS_ATTN_CUDA_ATTEND_WGMMA_CUH_

#include "attend.cuh"
#include "hopper.cuh"
#include "tile_sizes.h"

namespace pbs {

#ifdef PBS_HAS_WGMMA

// The parts of the block's shared memory.
template <int kDim>
struct WgmmaShared {
  using Tiles = WgmmaTiles<kDim>;

  uint32_t base;

  __device__ WgmmaShared() : base(shared_address(shared_memory())) {}
  __device__ __forceinline__ uint32_t queries() const { return base; }
  __device__ __forceinline__ uint32_t keys(int stage) const {
    return base + Tiles::kQueryBytes + static_cast<uint32_t>(stage * Tiles::kTileBytes);
  }
  __device__ __forceinline__ uint32_t values(int stage) const { return keys(Tiles::kStages + stage); }
  // A tile is full when its bytes have come, empty when both consumers have read it.
  __device__ __forceinline__ uint32_t queries_full() const { return keys(2 * Tiles::kStages); }
  __device__ __forceinline__ uint32_t queries_empty() const { return queries_full() + 8; }
  __device__ __forceinline__ uint32_t keys_full(int stage) const { return queries_full() + 16 + stage * 8u; }
  __device__ __forceinline__ uint32_t keys_empty(int stage) const { return keys_full(Tiles::kStages + stage); }
  __device__ __forceinline__ uint32_t values_full(int stage) const { return keys_full(2 * Tiles::kStages + stage); }
  __device__ __forceinline__ uint32_t values_empty(int stage) const { return keys_full(3 * Tiles::kStages + stage); }
  // Number of the work that the queries belong to; full and empty as they are. -1: there is no more.
  __device__ __forceinline__ int* work() const {
    return reinterpret_cast<int*>(shared_memory() + (keys_full(4 * Tiles::kStages) - base));
  }

  __device__ void init() const {
    constexpr int kReaders = kConsumers * kWarpgroupThreads / kWarpThreads;  // a warp reads, a lane of it says so
    init_barrier(queries_full(), 1);
    init_barrier(queries_empty(), kReaders);
    for (int stage = 0; stage < Tiles::kStages; ++stage) {
      init_barrier(keys_full(stage), 1);
      init_barrier(keys_empty(stage), kReaders);
      init_barrier(values_full(stage), 1);
      init_barrier(values_empty(stage), kReaders);
    }
    publish_barriers();
  }
};

// An index in a ring of stages, and the parity of the round.
template <int kStages>
struct Ring {
  int stage = 0;
  int parity = 0;

  __device__ __forceinline__ void advance() {
    if (++stage == kStages) {
      stage = 0;
      parity ^= 1;
    }
  }
};

// Takes rows as they come and has their tiles copied. One thread.
template <int kDim>
__device__ __forceinline__ void produce(const Call& call, const TensorMap& q_map, const TensorMap& k_map,
                                        const TensorMap& v_map) {
  using Tiles = WgmmaTiles<kDim>;
  const WgmmaShared<kDim> shared;
  const int work_count = static_cast<int>(WorkItem::count(call));
  Ring<1> queries;
  Ring<Tiles::kStages> ring;  // keys and values come in step
  for (;;) {
    const int work = static_cast<int>(atomicAdd(&counters(call)[PBS_CUDA_NEXT_WORK], 1ull));
    const bool is_over = work >= work_count;
    const WorkItem item(call, is_over ? 0 : work);
    if (!is_over && item.i < 0) continue;
    wait_for(shared.queries_empty(), queries.parity ^ 1);
    *shared.work() = is_over ? -1 : work;
    if (is_over) {
      arrive(shared.queries_full());
      return;
    }
    arrive_expecting(shared.queries_full(), Tiles::kQueryBytes);
    for (int chunk = 0; chunk < Tiles::kChunks; ++chunk) {
      copy_box(shared.queries() + static_cast<uint32_t>(chunk * kBlockSize * Tiles::kSwizzle), q_map,
               chunk * Tiles::kColumns, item.i * kBlockSize, static_cast<int>(call.head_begin) + item.h, item.b,
               shared.queries_full());
    }
    queries.advance();
    const int head = call.kv_is_packed != 0 ? order_head(call, item.h) : kv_head(call, item.h);
    const auto copy_tile = [&](uint32_t to, const TensorMap& map, int tile, uint32_t full) {
      arrive_expecting(full, Tiles::kTileBytes);
      for (int chunk = 0; chunk < Tiles::kChunks; ++chunk) {
        copy_box(to + static_cast<uint32_t>(chunk * Tiles::kKeys * Tiles::kSwizzle), map, chunk * Tiles::kColumns,
                 tile * Tiles::kKeys, head, item.b, full);
      }
    };
    const unsigned long long* mask = mask_row(call, item.b, item.h, item.i);
    int tile = grid_of(call, item.b).visible(item.i) * Tiles::kTilesPerBlock;
    while ((tile = kept_tile_before<Tiles::kTilesPerBlock>(mask, tile)) >= 0) {
      wait_for(shared.keys_empty(ring.stage), ring.parity ^ 1);
      copy_tile(shared.keys(ring.stage), k_map, tile, shared.keys_full(ring.stage));
      wait_for(shared.values_empty(ring.stage), ring.parity ^ 1);
      copy_tile(shared.values(ring.stage), v_map, tile, shared.values_full(ring.stage));
      ring.advance();
    }
  }
}

// A warpgroup with 64 of the 128 query rows. Products with the next keys and with the values run while the weights of
// other tiles are computed: the warpgroup's own, and those of the other one, with which it takes turns.
template <typename T, int kDim>
class Consumer {
  using Tiles = WgmmaTiles<kDim>;
  static constexpr int kKeys = Tiles::kKeys;
  static constexpr int kParts = kDim <= 128 ? 1 : 2;  // products that make the output's columns
  static constexpr int kPartElements = kDim / kParts / 2;

 public:
  __device__ __forceinline__ Consumer(const Call& call, int group) : call_(call), group_(group) {}

  __device__ __forceinline__ void run() {
    if (group_ == 1) end_turn();
    Ring<1> queries;
    for (;;) {
      wait_for(shared_.queries_full(), queries.parity);
      queries.advance();
      const int work = *shared_.work();
      if (work < 0) break;
      attend_rows(work);
    }
    if (group_ == 0) begin_turn();  // so that no arrival is left over
  }

 private:
  __device__ __forceinline__ void attend_rows(int work) {
    const int thread = static_cast<int>(threadIdx.x) % kWarpgroupThreads;
    const int row = group_ * 64 + thread / kWarpThreads * 16 + thread % kWarpThreads / 4;  // and row + 8
    go_through_tiles(WorkItem(call_, work).uniform_item(), row);
    if (thread % kWarpThreads == 0) arrive(shared_.queries_empty());
    add_values();
    wait_for_products<0>();
    fence_output();
    release(values_, &WgmmaShared<kDim>::values_empty);

    // Looked up again, so that nothing of it stays in registers all the time.
    const WorkItem item(call_, work);
    float inverse[2], lse[2];
    softmax_.finish(static_cast<float>(call_.softmax_scale), inverse, lse);
    const int first = item.i * kBlockSize;
    store_rows<T, kDim>(call_, item, &output_[0][0], first + row, first + grid_of(call_, item.b).rows(item.i), inverse,
                        lse);
  }

  // All but the product with the last tile of values.
  __device__ __forceinline__ void go_through_tiles(const WorkItem& item, int row) {
    const BlockGrid grid = uniform_grid(call_, item.b);
    const unsigned long long* mask = mask_row(call_, item.b, item.h, item.i);
    const int* positions = order(call_, item.b, order_head(call_, item.h));
    const int first_masked = grid.candidates(item.i) * Tiles::kTilesPerBlock;
    const int position = grid.first_position(item.i) + row;
    const float scale_log2 = static_cast<float>(call_.softmax_scale) * kLog2e;
    softmax_.reset();
    has_output_ = 0;

    int tile = uniform(kept_tile_before<Tiles::kTilesPerBlock>(mask, grid.visible(item.i) * Tiles::kTilesPerBlock));
    begin_turn();
    compute_logits();
    end_turn();
    int next = uniform(kept_tile_before<Tiles::kTilesPerBlock>(mask, tile));
    wait_for_products<0>();
    fence_registers(logits_);
    release(keys_, &WgmmaShared<kDim>::keys_empty);
    float factor[2];
    if (tile >= first_masked) mask_future(logits_, positions + tile * kKeys, position);
    softmax_.update(logits_, scale_log2, factor);
    round_weights();
    while (next >= 0) {
      tile = next;
      begin_turn();
      compute_logits();
      add_values();
      end_turn();
      next = uniform(kept_tile_before<Tiles::kTilesPerBlock>(mask, tile));
      wait_for_products<1>();
      fence_registers(logits_);
      release(keys_, &WgmmaShared<kDim>::keys_empty);
      if (tile >= first_masked) mask_future(logits_, positions + tile * kKeys, position);
      softmax_.update(logits_, scale_log2, factor);
      wait_for_products<0>();
      fence_output();
      release(values_, &WgmmaShared<kDim>::values_empty);
#pragma unroll
      for (int part = 0; part < kParts; ++part) scale_rows(output_[part], factor);
      round_weights();
    }
  }

  // logits = Q K^T of the next tile of keys.
  __device__ __forceinline__ void compute_logits() {
    wait_for(shared_.keys_full(keys_.stage), keys_.parity);
    constexpr int kStepsPerChunk = Tiles::kColumns / 16;
    const uint64_t q = matrix_descriptor(shared_.queries() + static_cast<uint32_t>(group_ * 64 * Tiles::kSwizzle), 16,
                                         8 * Tiles::kSwizzle, Tiles::kSwizzle);
    const uint64_t k = matrix_descriptor(shared_.keys(keys_.stage), 16, 8 * Tiles::kSwizzle, Tiles::kSwizzle);
    fence_registers(logits_);
    begin_products();
#pragma unroll
    for (int step = 0; step < kDim / 16; ++step) {
      const int chunk = step / kStepsPerChunk;
      const int within = step % kStepsPerChunk * 32;
      WarpgroupProduct<T::kIsBf16, kKeys / 2>::from_shared(
          logits_, move_matrix(q, chunk * kBlockSize * Tiles::kSwizzle + within),
          move_matrix(k, chunk * kKeys * Tiles::kSwizzle + within), step > 0 ? 1 : 0);
    }
    commit_products();
  }

  // output += weights * the next tile of values.
  __device__ __forceinline__ void add_values() {
    wait_for(shared_.values_full(values_.stage), values_.parity);
    constexpr int kChunkBytes = kKeys * Tiles::kSwizzle;
    const uint64_t v =
        matrix_descriptor(shared_.values(values_.stage), kChunkBytes, 8 * Tiles::kSwizzle, Tiles::kSwizzle);
    fence_output();
    begin_products();
#pragma unroll
    for (int step = 0; step < kKeys / 16; ++step) {
#pragma unroll
      for (int part = 0; part < kParts; ++part) {
        WarpgroupProduct<T::kIsBf16, kPartElements>::from_registers(
            output_[part], weights_[step],
            move_matrix(v, step * 16 * Tiles::kSwizzle + part * (Tiles::kChunks / kParts) * kChunkBytes),
            step > 0 ? 1 : has_output_);
      }
    }
    commit_products();
    has_output_ = 1;
  }

  // The softmax's weights as the left operand of the product with the values.
  __device__ __forceinline__ void round_weights() {
#pragma unroll
    for (int step = 0; step < kKeys / 16; ++step) {
#pragma unroll
      for (int p = 0; p < 4; ++p) {
        weights_[step][p] = pack<T>(logits_[8 * step + 2 * p], logits_[8 * step + 2 * p + 1]);
      }
    }
  }

  __device__ __forceinline__ void fence_output() {
#pragma unroll
    for (int part = 0; part < kParts; ++part) fence_registers(output_[part]);
  }

  __device__ __forceinline__ void release(Ring<Tiles::kStages>& ring,
                                          uint32_t (WgmmaShared<kDim>::*empty)(int stage) const) {
    if (threadIdx.x % kWarpThreads == 0) arrive((shared_.*empty)(ring.stage));
    ring.advance();
  }

  // One warpgroup issues its products while the other computes weights.
  __device__ __forceinline__ void begin_turn() {
    if (group_ == 0) {
      named_barrier_wait<1, kConsumers * kWarpgroupThreads>();
    } else {
      named_barrier_wait<2, kConsumers * kWarpgroupThreads>();
    }
  }
  __device__ __forceinline__ void end_turn() {
    if (group_ == 0) {
      named_barrier_arrive<2, kConsumers * kWarpgroupThreads>();
    } else {
      named_barrier_arrive<1, kConsumers * kWarpgroupThreads>();
    }
  }

  const Call& call_;
  const int group_;
  const WgmmaShared<kDim> shared_;
  Ring<Tiles::kStages> keys_;
  Ring<Tiles::kStages> values_;
  SoftmaxRows softmax_;
  int has_output_ = 0;
  float logits_[kKeys / 2];
  uint32_t weights_[kKeys / 16][4];
  float output_[kParts][kPartElements];
};

template <typename T, int kDim>
__device__ __forceinline__ void attend_wgmma(const Call& call, const TensorMap& q, const TensorMap& k,
                                             const TensorMap& v) {
  if (threadIdx.x == 0) {
    prefetch_map(q);
    prefetch_map(k);
    prefetch_map(v);
    WgmmaShared<kDim>().init();
  }
  __syncthreads();
  const int group = static_cast<int>(threadIdx.x) / kWarpgroupThreads;
  if (group == 0) {
    release_registers<40>();
    if (threadIdx.x == 0) produce<kDim>(call, q, k, v);
  } else {
    take_registers<232>();
    Consumer<T, kDim>(call, group - 1).run();
  }
}

#endif  // PBS_HAS_WGMMA

}  // namespace pbs

#endif  // PBS_ATTN_CUDA_ATTEND_WGMMA_CUH_
