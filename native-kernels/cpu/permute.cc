// Stage 1: score the keys by the attention of the last queries, order them inside each segment, and gather them in that
// order.
#include <algorithm>
#include <cmath>
#include <limits>

#include "arithmetic.h"
#include "element.h"
#include "head_group.h"

namespace pbs_attn {
namespace {

constexpr int64_t kKeysPerTask = 2048;

}  // namespace

void HeadGroup::permute() {
  const int64_t queries = std::min(grid_.block_size, grid_.seqlen_q);
  std::vector<Rows> last_queries;
  for (int64_t g = 0; g < group_size_; ++g) last_queries.push_back(q_rows(g, grid_.seqlen_q - queries));
  key_scorer_.run(k_rows(), grid_.complete_keys(), last_queries, queries, scores_);
  if (call_.key_order == PBS_ATTN_PER_KV_HEAD) share_scores();
  const int64_t segments = grid_.complete_keys() / grid_.segment_size;
  pool_.run(segments * group_size_, [&](int64_t task, int thread) {
    order_segment(task / segments, task % segments, scratch_[static_cast<size_t>(thread)]);
  });
}

// One score for all query heads: the mean of theirs.
void HeadGroup::share_scores() {
  const int64_t keys = grid_.complete_keys();
  pool_.run(divide_up(keys, kKeysPerTask), [&](int64_t task, int) {
    for (int64_t j = task * kKeysPerTask; j < std::min(keys, (task + 1) * kKeysPerTask); ++j) {
      const size_t key = static_cast<size_t>(j);
      float max = scores_[0][key].log();
      for (const std::vector<KeyScore>& scores : scores_) max = std::max(max, scores[key].log());
      float sum = 0;
      for (const std::vector<KeyScore>& scores : scores_) sum += std::exp(scores[key].log() - max);
      const KeyScore mean = KeyScore::of_log(max + std::log(sum / static_cast<float>(group_size_)));
      for (std::vector<KeyScore>& scores : scores_) scores[key] = mean;
    }
  });
}

// By falling score; keys of equal score stay in their order.
void HeadGroup::order_segment(int64_t g, int64_t segment, Scratch& scratch) {
  const std::vector<KeyScore>& scores = scores_[static_cast<size_t>(g)];
  const int64_t begin = segment * grid_.segment_size;
  std::vector<Ranked>& ranked = scratch.ranked;
  ranked.resize(static_cast<size_t>(grid_.segment_size));
  for (int64_t n = 0; n < grid_.segment_size; ++n) {
    ranked[static_cast<size_t>(n)] = {scores[static_cast<size_t>(begin + n)].rank(), static_cast<int32_t>(begin + n)};
  }
  sort_by_rank(ranked, scratch.spare);
  std::transform(ranked.begin(), ranked.end(), orders_[static_cast<size_t>(g)].begin() + begin,
                 [](const Ranked& item) { return item.index; });
}

// Gathers keys and values in a head's order: those that a query sees. Query heads that share an order share what is
// packed. The blocks of a segment are one thread's, since each has some of the rows that lie side by side.
void HeadGroup::pack(int64_t g) {
  const int64_t first = grid_.first(0);
  const int64_t blocks_per_task = grid_.segment_size / grid_.block_size;
  pool_.run(divide_up(grid_.k_blocks() - first, blocks_per_task), [&](int64_t n, int) {
    const int64_t begin = first + n * blocks_per_task;
    for (int64_t j = begin; j < std::min(begin + blocks_per_task, grid_.k_blocks()); ++j) {
      pack_block(orders_[static_cast<size_t>(g)], j, g == 0);
    }
  });
}

// is_new: the rows were not packed before, in another order.
void HeadGroup::pack_block(const std::vector<int32_t>& order, int64_t j, bool is_new) {
  const int64_t count = grid_.keys(j);
  const int32_t* indices = &order[static_cast<size_t>(j * grid_.block_size)];
  int32_t* positions = packed_.positions.data() + j * padded_block_;
  std::copy(indices, indices + count, positions);
  std::fill(positions + count, positions + padded_block_, std::numeric_limits<int32_t>::max());

  char* keys = packed_.keys.data() + j * padded_block_ * row_bytes_;
  char* values = packed_.values.data() + j * padded_block_ * row_bytes_;
  float* sums = keeps_everything() ? nullptr : packed_.key_sums.data() + j * padded_dim_;
  engine_.gather_keys(k_rows(), indices, count, padded_block_, padded_dim_, keys, sums);
  engine_.gather_values(v_rows(), indices, count, padded_block_, padded_dim_, values);
  if (is_new) {
    check_packed(keys, padded_block_);
    check_packed(values, padded_block_);
  }
  packed_.blocks[static_cast<size_t>(j)] = {keys, values, positions, *std::min_element(indices, indices + count),
                                            *std::max_element(positions, positions + padded_block_)};
}

}  // namespace pbs_attn
