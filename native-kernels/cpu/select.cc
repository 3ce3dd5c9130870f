// Stage 2: score the blocks by the means of their queries and permuted keys, and keep those that hold most of the mass.
#include <algorithm>
#include <cstring>

#include "arithmetic.h"
#include "block_mask.h"
#include "head_group.h"

namespace pbs_attn {
namespace {

constexpr int64_t kRowsAtOnce = 8;
constexpr int64_t kMeansPerTask = 16;  // a cache line of floats: no two threads write to the same

}  // namespace

void HeadGroup::prepare_selection(int64_t first_head) {
  if (!keeps_everything()) average_keys();
  const std::vector<int32_t>& order = orders_[static_cast<size_t>(first_head)];
  first_block_ = (std::find(order.begin(), order.end(), 0) - order.begin()) / grid_.block_size;
}

void HeadGroup::select(const QueryRange& range, Scratch& scratch) {
  const int64_t end = range.first_block + range.blocks;
  for (int64_t g = range.first_head; g < range.first_head + range.heads; ++g) {
    for (int64_t i = range.first_block; i < end; i += kRowsAtOnce) {
      select_rows(g, i, std::min(end, i + kRowsAtOnce), scratch);
    }
  }
}

// From sums of blocks to means, transposed. Every block is divided by the same number, as if padded with zeros.
void HeadGroup::average_keys() {
  const int64_t blocks = grid_.k_blocks();
  const int64_t padded_blocks = round_up(blocks, kPadding);
  pool_.run(divide_up(blocks, kMeansPerTask), [&](int64_t n, int) {
    const int64_t begin = n * kMeansPerTask;
    const int64_t end = std::min(blocks, begin + kMeansPerTask);
    for (int64_t d = 0; d < padded_dim_; ++d) {
      for (int64_t j = begin; j < end; ++j) {
        packed_.mean_keys[d * padded_blocks + j] =
            packed_.key_sums[j * padded_dim_ + d] / static_cast<float>(grid_.block_size);
      }
    }
  });
}

void HeadGroup::select_rows(int64_t g, int64_t begin, int64_t end, Scratch& scratch) {
  const int64_t padded_blocks = round_up(grid_.k_blocks(), kPadding);
  const int64_t columns = round_up(grid_.candidates(end - 1), kPadding);
  scratch.floats.reserve(kRowsAtOnce * (padded_dim_ + padded_blocks));
  float* means = scratch.floats.data();
  float* scores = means + kRowsAtOnce * padded_dim_;
  if (!keeps_everything() && columns > 0) {
    std::fill(means, means + kRowsAtOnce * padded_dim_, 0.0f);
    for (int64_t i = begin; i < end; ++i) {
      float* mean = means + (i - begin) * padded_dim_;
      kernels_.sum_rows(q_rows(g, i * grid_.block_size), grid_.rows(i), mean);
      for (int64_t d = 0; d < head_dim_; ++d) mean[d] /= static_cast<float>(grid_.block_size);
    }
    kernels_.gemm(end - begin, columns, padded_dim_, means, padded_dim_, packed_.mean_keys.data(), padded_blocks,
                  scores, padded_blocks);
  }
  for (int64_t i = begin; i < end; ++i) {
    uint64_t* mask = mask_row(g, i);
    const int64_t candidates = grid_.candidates(i);
    float* row = scores + (i - begin) * padded_blocks;
    double total = 1;
    if (keeps_everything()) {
      for (int64_t j = grid_.first(i); j < candidates; ++j) keep(mask, j);
    } else if (candidates > 0) {
      const float max = *std::max_element(row, row + candidates);
      total = kernels_.exp_row(candidates, row, max, static_cast<float>(call_.softmax_scale));
      keep_by_score(row, candidates, total, mask, scratch);
      if (call_.force_first_block != 0 && first_block_ < candidates) keep(mask, first_block_);
    }
    for (int64_t j = candidates; j < grid_.visible(i); ++j) keep(mask, j);
    if (call_.trace.block_scores != nullptr) {
      float* traced = call_.trace.block_scores + block_row_index(g, i);
      for (int64_t j = grid_.first(i); j < candidates; ++j)
        traced[j] = keeps_everything() ? 0 : static_cast<float>(row[j] / total);
    }
  }
}

// The shortest prefix of the falling scores whose sum reaches the threshold's share of the total; nothing if none does.
void HeadGroup::keep_by_score(const float* scores, int64_t count, double total, uint64_t* mask, Scratch& scratch) {
  if (call_.threshold >= 1) {
    for (int64_t j = 0; j < count; ++j) keep(mask, j);
    return;
  }
  std::vector<Ranked>& ranked = scratch.ranked;
  ranked.resize(static_cast<size_t>(count));
  for (int64_t j = 0; j < count; ++j) {
    uint32_t bits;  // scores are not negative, so their bits order as they do
    std::memcpy(&bits, &scores[j], sizeof(bits));
    ranked[static_cast<size_t>(j)] = {~bits, static_cast<int32_t>(j)};
  }
  sort_by_rank(ranked, scratch.spare);
  double sum = 0;
  for (size_t n = 0; n < ranked.size(); ++n) {
    sum += scores[ranked[n].index];
    if (sum >= call_.threshold * total) {
      for (size_t m = 0; m <= n; ++m) keep(mask, ranked[m].index);
      return;
    }
  }
}

}  // namespace pbs_attn
