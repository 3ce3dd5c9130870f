#include "select.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace pbs_attn {
namespace {

constexpr int64_t kRowsAtOnce = 8;
constexpr int64_t kMeansPerTask = 16;  // a cache line of floats: no two threads write to the same

// The shortest prefix of the falling scores whose sum reaches the threshold's share of the total; nothing if none does.
void keep_by_score(const float* scores, int64_t count, double total, double threshold, uint64_t* mask,
                   RankSpace& ranks) {
  if (threshold >= 1) {
    for (int64_t j = 0; j < count; ++j) keep(mask, j);
    return;
  }
  ranks.items.resize(static_cast<size_t>(count));
  for (int64_t j = 0; j < count; ++j) {
    uint32_t bits;  // scores are not negative, so their bits order as they do
    std::memcpy(&bits, &scores[j], sizeof(bits));
    ranks.items[static_cast<size_t>(j)] = {~bits, static_cast<int32_t>(j)};
  }
  sort_by_rank(ranks);
  double sum = 0;
  for (size_t n = 0; n < ranks.items.size(); ++n) {
    sum += scores[ranks.items[n].index];
    if (sum >= threshold * total) {
      for (size_t m = 0; m <= n; ++m) keep(mask, ranks.items[m].index);
      return;
    }
  }
}

// scores (end - begin, padded k_blocks) = the products of mean queries and mean keys.
void score_blocks(const HeadGroup& group, const MeanKeys& mean_keys, int64_t g, int64_t begin, int64_t end,
                  SelectScratch& scratch) {
  const BlockGrid& grid = group.grid;
  const int64_t padded_dim = group.padded_dim(), padded_blocks = round_up(grid.k_blocks(), kPadding);
  const int64_t columns = round_up(grid.candidates(end - 1), kPadding);
  if (columns == 0) return;
  std::fill(scratch.means.data(), scratch.means.data() + kRowsAtOnce * padded_dim, 0.0f);
  for (int64_t i = begin; i < end; ++i) {
    float* mean = scratch.means.data() + (i - begin) * padded_dim;
    group.kernels.sum_rows(group.q_rows(g, i * grid.block_size), grid.rows(i), mean);
    for (int64_t d = 0; d < group.call.head_dim; ++d) mean[d] /= static_cast<float>(grid.block_size);
  }
  group.kernels.gemm(end - begin, columns, padded_dim, scratch.means.data(), padded_dim, mean_keys.data(),
                     padded_blocks, scratch.scores.data(), padded_blocks);
}

void select_row(const HeadGroup& group, int64_t first_block, int64_t g, int64_t i, float* row, RankSpace& ranks,
                uint64_t* mask) {
  const BlockGrid& grid = group.grid;
  const int64_t candidates = grid.candidates(i);
  double total = 1;
  if (group.keeps_everything()) {
    for (int64_t j = grid.first(i); j < candidates; ++j) keep(mask, j);
  } else if (candidates > 0) {
    const float max = *std::max_element(row, row + candidates);
    total = group.kernels.exp_row(candidates, row, max, static_cast<float>(group.call.softmax_scale));
    // Where sums of q or k overflow float32, scores tell nothing: every candidate is kept.
    const double threshold = std::isfinite(total) ? group.call.threshold : 1;
    keep_by_score(row, candidates, total, threshold, mask, ranks);
    if (group.call.force_first_block != 0 && first_block < candidates) keep(mask, first_block);
  }
  for (int64_t j = candidates; j < grid.visible(i); ++j) keep(mask, j);
  if (group.call.trace.block_scores == nullptr) return;
  float* traced = group.call.trace.block_scores + group.block_row_index(g, i);
  for (int64_t j = grid.first(i); j < candidates; ++j) {
    traced[j] = group.keeps_everything() ? 0 : static_cast<float>(row[j] / total);
  }
}

}  // namespace

// Every block is divided by the same number, as if padded with zeros.
void average_keys(const HeadGroup& group, const PackedKeys& packed, MeanKeys& means) {
  const int64_t blocks = group.grid.k_blocks();
  const int64_t padded_blocks = round_up(blocks, kPadding), padded_dim = group.padded_dim();
  means.reserve(padded_dim * padded_blocks);
  group.pool.run(divide_up(blocks, kMeansPerTask), [&](int64_t n, int) {
    const int64_t begin = n * kMeansPerTask;
    const int64_t end = std::min(blocks, begin + kMeansPerTask);
    for (int64_t d = 0; d < padded_dim; ++d) {
      for (int64_t j = begin; j < end; ++j) {
        means[d * padded_blocks + j] = packed.key_sums[j * padded_dim + d] / static_cast<float>(group.grid.block_size);
      }
    }
  });
}

void select_blocks(const HeadGroup& group, const PackedKeys& packed, const MeanKeys& mean_keys, const QueryRange& range,
                   SelectScratch& scratch, BlockMask& mask) {
  const int64_t padded_blocks = round_up(group.grid.k_blocks(), kPadding);
  scratch.means.reserve(kRowsAtOnce * group.padded_dim());
  scratch.scores.reserve(kRowsAtOnce * padded_blocks);
  const int64_t last = range.first_block + range.blocks;
  for (int64_t g = range.first_head; g < range.first_head + range.heads; ++g) {
    for (int64_t begin = range.first_block; begin < last; begin += kRowsAtOnce) {
      const int64_t end = std::min(last, begin + kRowsAtOnce);
      if (!group.keeps_everything()) score_blocks(group, mean_keys, g, begin, end, scratch);
      for (int64_t i = begin; i < end; ++i) {
        select_row(group, packed.first_block, g, i, scratch.scores.data() + (i - begin) * padded_blocks, scratch.ranks,
                   mask.row(g, i));
      }
    }
  }
}

}  // namespace pbs_attn
