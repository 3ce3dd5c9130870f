// A call's arrays by batch b, query head h of the head range (0..H-1), and head with an order of its own (0..OH-1).
#ifndef PBS_ATTN_CUDA_CALL_CUH_
#define PBS_ATTN_CUDA_CALL_CUH_

#include "block_grid.cuh"
#include "platform.cuh"

namespace pbs {

using Call = pbs_cuda_call;

constexpr int kKeysPerSplit = PBS_CUDA_KEYS_PER_SPLIT;
constexpr int kNoPosition = 0x7fffffff;  // past the last key

template <typename E>
__device__ __forceinline__ E* pointer(uint64_t address) {
  return reinterpret_cast<E*>(address);
}

__device__ __forceinline__ int max_q_blocks(const Call& call) {
  return divide_up(static_cast<int>(call.max_seqlen_q), kBlockSize);
}
__device__ __forceinline__ int max_k_blocks(const Call& call) {
  return divide_up(static_cast<int>(call.max_seqlen_k), kBlockSize);
}
__device__ __forceinline__ int score_splits(const Call& call) {
  return divide_up(static_cast<int>(call.max_seqlen_k), kKeysPerSplit);
}

__device__ __forceinline__ BlockGrid grid_of(const Call& call, int b) {
  const int seqlen_q =
      call.seqlens_q != 0 ? pointer<const int>(call.seqlens_q)[b] : static_cast<int>(call.max_seqlen_q);
  const int seqlen_k =
      call.seqlens_k != 0 ? pointer<const int>(call.seqlens_k)[b] : static_cast<int>(call.max_seqlen_k);
  return {seqlen_q, seqlen_k, static_cast<int>(call.segment_size), static_cast<int>(call.min_length)};
}

// For a warp with the same b in all lanes.
__device__ __forceinline__ BlockGrid uniform_grid(const Call& call, int b) {
  const BlockGrid grid = grid_of(call, b);
  return {uniform(grid.seqlen_q), uniform(grid.seqlen_k), grid.segment_size, grid.min_length};
}

// ---- Heads ----

__device__ __forceinline__ int group_size(const Call& call) {
  return static_cast<int>(call.num_q_heads / call.num_kv_heads);
}
// Query heads that share an order of the keys.
__device__ __forceinline__ int heads_per_order(const Call& call) {
  return call.key_order == PBS_CUDA_PER_KV_HEAD ? group_size(call) : 1;
}
__device__ __forceinline__ int order_heads(const Call& call) {
  return static_cast<int>(call.head_count) / heads_per_order(call);
}
__device__ __forceinline__ int order_head(const Call& call, int h) { return h / heads_per_order(call); }
__device__ __forceinline__ int kv_head(const Call& call, int h) {
  return (static_cast<int>(call.head_begin) + h) / group_size(call);
}

// ---- Tensors: bytes of a row ----

constexpr int64_t kElementBytes = 2;

__device__ __forceinline__ const char* q_row(const Call& call, int b, int h, int row) {
  return pointer<const char>(call.q) +
         kElementBytes *
             (b * call.q_batch_stride + (call.head_begin + h) * call.q_head_stride + row * call.q_row_stride);
}
__device__ __forceinline__ const char* k_row(const Call& call, int b, int kv, int64_t row) {
  return pointer<const char>(call.k) +
         kElementBytes * (b * call.k_batch_stride + kv * call.k_head_stride + row * call.k_row_stride);
}
__device__ __forceinline__ const char* v_row(const Call& call, int b, int kv, int64_t row) {
  return pointer<const char>(call.v) +
         kElementBytes * (b * call.v_batch_stride + kv * call.v_head_stride + row * call.v_row_stride);
}
__device__ __forceinline__ char* o_row(const Call& call, int b, int h, int row) {
  return pointer<char>(call.o) + kElementBytes * (b * call.o_batch_stride + (call.head_begin + h) * call.o_head_stride +
                                                  row * call.o_row_stride);
}
__device__ __forceinline__ float* lse_row(const Call& call, int b, int h, int row) {
  if (call.lse == 0) return nullptr;
  return pointer<float>(call.lse) + (b * call.num_q_heads + call.head_begin + h) * call.max_seqlen_q + row;
}

// ---- Workspace ----

__device__ __forceinline__ int64_t head_index(const Call& call, int b, int h) { return b * call.head_count + h; }
__device__ __forceinline__ int64_t order_index(const Call& call, int b, int oh) {
  return static_cast<int64_t>(b) * order_heads(call) + oh;
}
__device__ __forceinline__ int64_t padded_keys(const Call& call) { return int64_t{max_k_blocks(call)} * kBlockSize; }

__device__ __forceinline__ unsigned long long* counters(const Call& call) {
  return pointer<unsigned long long>(call.counters);
}

__device__ __forceinline__ float* key_scores(const Call& call, int b, int h) {
  return pointer<float>(call.key_scores) + head_index(call, b, h) * padded_keys(call);
}
// What one split of the keys gives for each of the last queries.
__device__ __forceinline__ int64_t partial_index(const Call& call, int b, int h, int split) {
  return (head_index(call, b, h) * score_splits(call) + split) * kBlockSize;
}
__device__ __forceinline__ int* order(const Call& call, int b, int oh) {
  return pointer<int>(call.order) + order_index(call, b, oh) * padded_keys(call);
}
__device__ __forceinline__ int* first_block(const Call& call, int b, int oh) {
  return pointer<int>(call.first_block) + order_index(call, b, oh);
}
__device__ __forceinline__ float* mean_query(const Call& call, int b, int h, int i) {
  return pointer<float>(call.mean_queries) + (head_index(call, b, h) * max_q_blocks(call) + i) * call.head_dim;
}
__device__ __forceinline__ float* mean_key(const Call& call, int b, int oh, int j) {
  return pointer<float>(call.mean_keys) + (order_index(call, b, oh) * max_k_blocks(call) + j) * call.head_dim;
}
__device__ __forceinline__ int64_t row_index(const Call& call, int b, int h, int i) {
  return head_index(call, b, h) * max_q_blocks(call) + i;
}
__device__ __forceinline__ int mask_words(const Call& call) { return divide_up(max_k_blocks(call), 64); }
__device__ __forceinline__ unsigned long long* mask_row(const Call& call, int b, int h, int i) {
  return pointer<unsigned long long>(call.block_mask) + row_index(call, b, h, i) * mask_words(call);
}
__device__ __forceinline__ int* kept_counts(const Call& call, int b, int h) {
  return pointer<int>(call.kept_counts) + row_index(call, b, h, 0);
}
__device__ __forceinline__ int* work_rows(const Call& call, int b, int h) {
  return pointer<int>(call.rows) + row_index(call, b, h, 0);
}
__device__ __forceinline__ float* block_scores(const Call& call, int b, int h, int i) {
  if (call.block_scores == 0) return nullptr;
  return pointer<float>(call.block_scores) + row_index(call, b, h, i) * max_k_blocks(call);
}
// A row of packed keys or values.
__device__ __forceinline__ char* packed_row(const Call& call, uint64_t packed, int b, int oh, int index) {
  return pointer<char>(packed) + kElementBytes * (order_index(call, b, oh) * padded_keys(call) + index) * call.head_dim;
}

}  // namespace pbs

#endif  // PBS_ATTN_CUDA_CALL_CUH_
