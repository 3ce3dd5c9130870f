// The query heads that read one KV head of one sequence: what all stages read. The stages are in permute.h, select.h
// and attend.h; prefill.h runs them one after the other.
#ifndef PBS_ATTN_CPU_HEAD_GROUP_H_
#define PBS_ATTN_CPU_HEAD_GROUP_H_

#include <cstdint>

#include "arithmetic.h"
#include "block_grid.h"
#include "element.h"
#include "kernels.h"
#include "pbs_attn.h"
#include "thread_pool.h"

namespace pbs_attn {

// Query heads are counted inside the group: g = 0..size()-1.
struct HeadGroup {
  const Kernels& kernels;
  const Engine& engine;
  const pbs_attn_call& call;
  ThreadPool& pool;
  int64_t batch;
  int64_t kv_head;
  BlockGrid grid;

  int64_t size() const { return call.num_q_heads / call.num_kv_heads; }

  // What is packed is padded with zeros to these.
  int64_t padded_dim() const { return round_up(call.head_dim, kPadding); }
  int64_t padded_block() const { return round_up(grid.block_size, kPadding); }
  int64_t packed_row_bytes() const { return padded_dim() * element_size(engine.dtype); }

  // Rows of q, k, v and o from first_row on.
  Rows q_rows(int64_t g, int64_t first_row) const { return rows_of(call.q, kv_head * size() + g, first_row); }
  Rows k_rows() const { return rows_of(call.k, kv_head, 0); }
  Rows v_rows() const { return rows_of(call.v, kv_head, 0); }
  Rows o_rows(int64_t g, int64_t first_row) const { return rows_of(call.o, kv_head * size() + g, first_row); }

  TileShape tile_shape() const {
    return {padded_block(), padded_dim(), static_cast<float>(call.softmax_scale), call.lse != nullptr};
  }

  // Where a head, and a row of its blocks, begin in arrays over all sequences and query heads.
  int64_t head_index(int64_t g) const { return batch * call.num_q_heads + kv_head * size() + g; }
  int64_t block_row_index(int64_t g, int64_t i) const {
    const int64_t block_rows = divide_up(call.max_seqlen_q, grid.block_size);
    return (head_index(g) * block_rows + i) * divide_up(call.max_seqlen_k, grid.block_size);
  }

  // Then neither the order of the keys nor the scores of the blocks change the result, and only a trace asks for them.
  bool keeps_everything() const { return grid.is_dense() || (call.threshold >= 1 && !has_trace()); }

 private:
  bool has_trace() const {
    return call.trace.indices != nullptr || call.trace.key_scores != nullptr || call.trace.block_scores != nullptr ||
           call.trace.block_mask != nullptr;
  }
  Rows rows_of(const pbs_attn_tensor& tensor, int64_t head, int64_t first_row) const {
    return {call.dtype, row_of(tensor, call.dtype, batch, head, first_row),
            tensor.row_stride * element_size(call.dtype), call.head_dim};
  }
};

// Blocks of queries of some heads.
struct QueryRange {
  int64_t first_head;
  int64_t heads;
  int64_t first_block;
  int64_t blocks;
};

// Calls f(head, block) for each block of queries of each head.
template <typename F>
void for_each_block(const QueryRange& range, const F& f) {
  for (int64_t g = range.first_head; g < range.first_head + range.heads; ++g) {
    for (int64_t i = range.first_block; i < range.first_block + range.blocks; ++i) f(g, i);
  }
}

}  // namespace pbs_attn

#endif  // PBS_ATTN_CPU_HEAD_GROUP_H_
