// The work of the query heads that read one KV head of one sequence, in three stages: permute, select, attend.
//
// What a group holds is bounded by one KV head: packed keys and values of one key order, the orders and scores of its query
// heads, and one bit for each block. Nothing has the size seqlen_q x seqlen_k.
#ifndef PBS_ATTN_CPU_HEAD_GROUP_H_
#define PBS_ATTN_CPU_HEAD_GROUP_H_

#include <cstdint>
#include <vector>

#include "block_grid.h"
#include "kernels.h"
#include "pbs_attn.h"
#include "team.h"

namespace pbs_attn {

class HeadGroup {
 public:
  HeadGroup(const Kernels& kernels, pbs_attn_call& call, Team& team);

  // Runs all stages for a KV head; adds blocks and seconds to the call.
  void run(int64_t batch, int64_t kv_head);

 private:
  // Keys and values of one key order, ready for the kernels.
  struct Packed {
    std::vector<float> keys;         // (k_blocks, head_dim, padded block): each block transposed
    std::vector<float> values;       // (k_blocks, padded block, padded head_dim)
    std::vector<int32_t> positions;  // (k_blocks, padded block): original position, INT32_MAX for padding
    std::vector<int32_t> first;      // (k_blocks): smallest original position
    std::vector<int32_t> last;       // (k_blocks): largest
    std::vector<float> key_sums;     // (k_blocks, head_dim)
  };

  // What one thread needs to attend with.
  struct Scratch {
    std::vector<float> q;       // (padded rows, head_dim)
    std::vector<float> logits;  // (padded rows, padded block)
    std::vector<float> o;       // (padded rows, padded head_dim)
    std::vector<float> max;
    std::vector<double> sum;
    std::vector<float> scale;
  };

  void score_keys(int64_t g);
  void permute();
  void pack(int64_t g);
  void select(int64_t g);
  void select_row(int64_t g, int64_t i, int64_t first_block, const std::vector<double>& key_means);
  void attend(int64_t first_head, int64_t heads);
  void attend_block(int64_t g, int64_t i, Scratch& scratch);
  void record(int64_t g);

  bool keeps_everything() const;
  bool has_trace() const;
  uint64_t* mask_row(int64_t g, int64_t i) { return &mask_[static_cast<size_t>((g * grid_.q_blocks() + i) * mask_words_)]; }
  const char* q_row(int64_t g, int64_t row) const;
  const char* k_row(int64_t row) const;
  const char* v_row(int64_t row) const;

  const Kernels& kernels_;
  pbs_attn_call& call_;
  Team& team_;
  const int64_t group_size_;
  const int64_t head_dim_;
  const int64_t padded_dim_;
  const int64_t padded_block_;
  const int64_t padded_rows_;
  int64_t batch_ = 0;
  int64_t kv_head_ = 0;
  BlockGrid grid_{};
  int64_t mask_words_ = 0;
  Packed packed_;
  std::vector<Scratch> scratch_;
  std::vector<std::vector<double>> log_scores_;  // for each query head (complete_keys): log of the key's score
  std::vector<std::vector<int32_t>> orders_;     // for each query head (seqlen_k): original position at each place
  std::vector<uint64_t> mask_;                   // (group_size, q_blocks, mask_words): a bit for each key block
};

}  // namespace pbs_attn

#endif  // PBS_ATTN_CPU_HEAD_GROUP_H_
