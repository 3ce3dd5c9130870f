// Stage 2: score the blocks by the means of their queries and permuted keys, and keep those that hold most of the mass.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "element.h"
#include "head_group.h"

namespace pbs_attn {
namespace {

void keep(uint64_t* mask, int64_t block) { mask[block / 64] |= uint64_t{1} << (block % 64); }

// The shortest prefix of the falling scores whose sum reaches the threshold; nothing if none does.
void keep_by_score(const std::vector<double>& scores, double threshold, uint64_t* mask) {
  std::vector<int32_t> falling(scores.size());
  std::iota(falling.begin(), falling.end(), 0);
  std::stable_sort(falling.begin(), falling.end(), [&](int32_t a, int32_t b) {
    return scores[static_cast<size_t>(a)] > scores[static_cast<size_t>(b)];
  });
  double sum = 0;
  for (size_t n = 0; n < falling.size(); ++n) {
    sum += scores[static_cast<size_t>(falling[n])];
    if (sum >= threshold) {
      for (size_t m = 0; m <= n; ++m) keep(mask, falling[m]);
      return;
    }
  }
}

void softmax(std::vector<double>& x) {
  if (x.empty()) return;
  const double max = *std::max_element(x.begin(), x.end());
  double sum = 0;
  for (double& value : x) sum += value = std::exp(value - max);
  for (double& value : x) value /= sum;
}

}  // namespace

void HeadGroup::select(int64_t g) {
  const std::vector<int32_t>& order = orders_[static_cast<size_t>(g)];
  const int64_t first_block = (std::find(order.begin(), order.end(), 0) - order.begin()) / grid_.block_size;
  const int64_t blocks = grid_.k_blocks();
  std::vector<double> key_means(static_cast<size_t>(head_dim_ * blocks));  // (head_dim, k_blocks)
  for (int64_t j = 0; j < blocks; ++j) {
    for (int64_t d = 0; d < head_dim_; ++d) {
      key_means[static_cast<size_t>(d * blocks + j)] =
          static_cast<double>(packed_.key_sums[static_cast<size_t>(j * head_dim_ + d)]) / static_cast<double>(grid_.block_size);
    }
  }
  team_.run(grid_.q_blocks(), [&](int64_t i, int) { select_row(g, i, first_block, key_means); });
}

void HeadGroup::select_row(int64_t g, int64_t i, int64_t first_block, const std::vector<double>& key_means) {
  const int64_t candidates = grid_.candidates(i);
  const int64_t blocks = grid_.k_blocks();
  uint64_t* mask = mask_row(g, i);
  std::vector<double> scores(static_cast<size_t>(candidates));
  if (keeps_everything()) {
    for (int64_t j = 0; j < candidates; ++j) keep(mask, j);
  } else if (candidates > 0) {
    std::vector<float> row(static_cast<size_t>(head_dim_));
    std::vector<double> sums(static_cast<size_t>(head_dim_));
    for (int64_t r = 0; r < grid_.rows(i); ++r) {
      load_row(call_.dtype, q_row(g, i * grid_.block_size + r), head_dim_, row.data());
      for (size_t d = 0; d < row.size(); ++d) sums[d] += row[d];
    }
    for (int64_t d = 0; d < head_dim_; ++d) {
      const double factor = sums[static_cast<size_t>(d)] * call_.softmax_scale / static_cast<double>(grid_.block_size);
      const double* means = &key_means[static_cast<size_t>(d * blocks)];
      for (int64_t j = 0; j < candidates; ++j) scores[static_cast<size_t>(j)] += factor * means[j];
    }
    softmax(scores);
    if (call_.threshold >= 1) {
      for (int64_t j = 0; j < candidates; ++j) keep(mask, j);
    } else {
      keep_by_score(scores, call_.threshold, mask);
    }
    if (call_.force_first_block != 0 && first_block < candidates) keep(mask, first_block);
  }
  for (int64_t j = candidates; j < grid_.visible(i); ++j) keep(mask, j);
  if (call_.trace.block_scores != nullptr) {
    const int64_t max_q_blocks = (call_.max_seqlen_q + grid_.block_size - 1) / grid_.block_size;
    const int64_t max_k_blocks = (call_.max_seqlen_k + grid_.block_size - 1) / grid_.block_size;
    const int64_t head = batch_ * call_.num_q_heads + kv_head_ * group_size_ + g;
    float* traced = call_.trace.block_scores + (head * max_q_blocks + i) * max_k_blocks;
    for (int64_t j = 0; j < candidates; ++j) traced[j] = static_cast<float>(scores[static_cast<size_t>(j)]);
  }
}

}  // namespace pbs_attn
