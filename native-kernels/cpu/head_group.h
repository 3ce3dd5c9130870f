// The work of the query heads that read one KV head of one sequence, in three stages: permute, select, attend. The last
// two go together: blocks of queries are chosen for, then attended to, while a cache has them.
//
// What a group holds is bounded by one KV head: packed keys and values of one key order, the orders and scores of its
// query heads, and one bit for each block. Nothing has the size seqlen_q x seqlen_k.
#ifndef PBS_ATTN_CPU_HEAD_GROUP_H_
#define PBS_ATTN_CPU_HEAD_GROUP_H_

#include <atomic>
#include <cstdint>
#include <vector>

#include "aligned_buffer.h"
#include "block_grid.h"
#include "kernels.h"
#include "key_scorer.h"
#include "pbs_attn.h"
#include "rank_sort.h"
#include "thread_pool.h"

namespace pbs_attn {

class HeadGroup {
 public:
  // Keys and values of one key order, ready for the engine.
  struct Packed {
    AlignedBuffer<char> keys;          // (k_blocks, padded block, padded dim) elements of the engine
    AlignedBuffer<char> values;        // the same size
    AlignedBuffer<int32_t> positions;  // (k_blocks, padded block): original position, INT32_MAX for padding
    std::vector<KeyBlock> blocks;      // (k_blocks): where each lies in these
    AlignedBuffer<float> key_sums;     // (k_blocks, padded dim)
    AlignedBuffer<float> mean_keys;    // (padded dim, padded k_blocks)
  };

  // The rows of a strip.
  struct StripRows {
    int64_t head;
    int64_t block;  // which they are in
    int64_t first;
    int64_t count;
  };

  // What one thread works with.
  struct Scratch {
    AlignedBuffer<char> q;        // (strips, padded dim, width)
    AlignedBuffer<float> logits;  // what Engine::attend works with
    AlignedBuffer<float> o;       // (strips, padded dim, width)
    AlignedBuffer<float> max;     // (strips, width)
    AlignedBuffer<double> sum;    // (strips, width)
    AlignedBuffer<float> floats;  // rows of floats
    std::vector<QueryStrip> strips;
    std::vector<StripRows> rows;  // (strips)
    std::vector<uint64_t> any;    // (mask_words): blocks that any of the strips keeps
    std::vector<int64_t> kept;    // the same, one after the other
    std::vector<Visit> visits;
    std::vector<Ranked> ranked;  // blocks of a row or keys of a segment, to be sorted
    std::vector<Ranked> spare;
    double select_seconds = 0;
  };

  // Memory that calls use one after the other: what is fresh from the system has to be cleared by it first.
  struct Workspace {
    Packed packed;
    std::vector<Scratch> threads;               // one for each thread
    std::vector<std::vector<KeyScore>> scores;  // for each query head (complete_keys)
    std::vector<std::vector<int32_t>>
        orders;                  // for each query head (seqlen_k): original position of the key at each index
    std::vector<uint64_t> mask;  // (group_size, q_blocks, mask_words): a bit for each key block
  };

  HeadGroup(const Kernels& kernels, pbs_attn_call& call, ThreadPool& pool, Workspace& workspace);
  // Frees the workspace if it is larger than most calls need.
  ~HeadGroup();
  HeadGroup(const HeadGroup&) = delete;
  HeadGroup& operator=(const HeadGroup&) = delete;

  // Runs all stages for a KV head; adds blocks and seconds to the call. Throws CallError with PBS_ATTN_NOT_FINITE.
  void run(int64_t batch, int64_t kv_head);

 private:
  // Blocks of queries of some heads.
  struct QueryRange {
    int64_t first_head;
    int64_t heads;
    int64_t first_block;
    int64_t blocks;
  };

  void permute();
  void share_scores();
  void order_segment(int64_t g, int64_t segment, Scratch& scratch);
  void pack(int64_t g);
  void pack_block(const std::vector<int32_t>& order, int64_t j, bool is_new);
  void prepare_selection(int64_t first_head);
  void average_keys();
  void select(const QueryRange& range, Scratch& scratch);
  void select_rows(int64_t g, int64_t begin, int64_t end, Scratch& scratch);
  void keep_by_score(const float* scores, int64_t count, double total, uint64_t* mask, Scratch& scratch);
  std::vector<QueryRange> ranges(int64_t first_head, int64_t heads) const;
  void select_and_attend(int64_t first_head, int64_t heads);
  void attend(const QueryRange& range, Scratch& scratch);
  void go_through_blocks(Scratch& scratch);
  void list_kept_blocks(Scratch& scratch);
  bool check_packed(const void* rows, int64_t count);
  void require_finite() const;
  void finish_strip(const QueryStrip& strip, const StripRows& rows, Scratch& scratch);
  void record(int64_t g);

  // Calls f(head, block) for each block of queries of each head.
  template <typename F>
  static void for_each_row(const QueryRange& range, const F& f) {
    for (int64_t g = range.first_head; g < range.first_head + range.heads; ++g) {
      for (int64_t i = range.first_block; i < range.first_block + range.blocks; ++i) f(g, i);
    }
  }

  bool keeps_everything() const;
  bool has_trace() const;
  // Places of a head, and of a row of its blocks, in arrays over all sequences and query heads.
  int64_t head_index(int64_t g) const;
  int64_t block_row_index(int64_t g, int64_t i) const;
  uint64_t* mask_row(int64_t g, int64_t i) {
    return &mask_[static_cast<size_t>((g * grid_.q_blocks() + i) * mask_words_)];
  }
  Rows rows_of(const pbs_attn_tensor& tensor, int64_t head, int64_t first_row) const;
  Rows q_rows(int64_t g, int64_t first_row) const { return rows_of(call_.q, kv_head_ * group_size_ + g, first_row); }
  Rows k_rows() const { return rows_of(call_.k, kv_head_, 0); }
  Rows v_rows() const { return rows_of(call_.v, kv_head_, 0); }
  TileShape tile_shape(int64_t keys) const {
    return {keys, padded_dim_, static_cast<float>(call_.softmax_scale), call_.lse != nullptr};
  }

  const Kernels& kernels_;
  const Engine& engine_;
  pbs_attn_call& call_;
  ThreadPool& pool_;
  const int64_t group_size_;
  const int64_t head_dim_;
  const int64_t padded_dim_;
  const int64_t padded_block_;
  const int64_t row_bytes_;  // of a packed row
  int64_t batch_ = 0;
  int64_t kv_head_ = 0;
  BlockGrid grid_{};
  int64_t mask_words_ = 0;
  int64_t first_block_ = 0;  // that has the first key of the sequence, in the order of these heads
  KeyScorer key_scorer_;
  Workspace& workspace_;
  Packed& packed_;
  std::vector<Scratch>& scratch_;
  std::vector<std::vector<KeyScore>>& scores_;
  std::vector<std::vector<int32_t>>& orders_;
  std::vector<uint64_t>& mask_;
  std::atomic<bool> is_finite_{true};  // whether all rows are that were packed so far
};

}  // namespace pbs_attn

#endif  // PBS_ATTN_CPU_HEAD_GROUP_H_
