// Stage 1: score the keys by the attention of the last queries, and order them inside each segment.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "element.h"
#include "head_group.h"

namespace pbs_attn {
namespace {

constexpr int64_t kTileKeys = 256;

int64_t round_up(int64_t n, int64_t multiple) { return (n + multiple - 1) / multiple * multiple; }

}  // namespace

// Two passes over the keys, in tiles: the first for each query's log-sum-exp, the second for each key's score. In float64 and
// as logarithms: where logits are in the hundreds most scores lie below float32's smallest number, and their order counts.
void HeadGroup::score_keys(int64_t g) {
  const int64_t keys = grid_.complete_keys();
  const int64_t queries = std::min(grid_.block_size, grid_.seqlen_q);
  const int64_t padded_queries = round_up(queries, kernels_.row_multiple);
  const int64_t tiles = (keys + kTileKeys - 1) / kTileKeys;

  std::vector<double> q(static_cast<size_t>(padded_queries * head_dim_));
  std::vector<float> row(static_cast<size_t>(head_dim_));
  for (int64_t r = 0; r < queries; ++r) {
    load_row(call_.dtype, q_row(g, grid_.seqlen_q - queries + r), head_dim_, row.data());
    for (int64_t d = 0; d < head_dim_; ++d) q[static_cast<size_t>(r * head_dim_ + d)] = row[static_cast<size_t>(d)] * call_.softmax_scale;
  }

  struct TileScratch {
    std::vector<double> keys = {};
    std::vector<double> logits = {};
    std::vector<float> row = {};
  };
  std::vector<TileScratch> scratch(static_cast<size_t>(team_.size()));
  for (TileScratch& s : scratch) {
    s.keys.resize(static_cast<size_t>(head_dim_ * kTileKeys));
    s.logits.resize(static_cast<size_t>(padded_queries * kTileKeys));
    s.row.resize(static_cast<size_t>(head_dim_));
  }
  const auto compute_logits = [&](int64_t tile, TileScratch& s) {
    const int64_t begin = tile * kTileKeys;
    const int64_t count = std::min(kTileKeys, keys - begin);
    std::fill(s.keys.begin(), s.keys.end(), 0.0);
    for (int64_t j = 0; j < count; ++j) {
      load_row(call_.dtype, k_row(begin + j), head_dim_, s.row.data());
      for (int64_t d = 0; d < head_dim_; ++d) s.keys[static_cast<size_t>(d * kTileKeys + j)] = s.row[static_cast<size_t>(d)];
    }
    kernels_.gemm_f64(padded_queries, kTileKeys, head_dim_, q.data(), head_dim_, s.keys.data(), kTileKeys, s.logits.data(),
                      kTileKeys, false);
    return count;
  };

  std::vector<double> tile_max(static_cast<size_t>(tiles * queries));
  std::vector<double> tile_sum(static_cast<size_t>(tiles * queries));
  team_.run(tiles, [&](int64_t tile, int thread) {
    TileScratch& s = scratch[static_cast<size_t>(thread)];
    const int64_t count = compute_logits(tile, s);
    for (int64_t r = 0; r < queries; ++r) {
      double* logits = &s.logits[static_cast<size_t>(r * kTileKeys)];
      std::fill(logits + count, logits + kTileKeys, -std::numeric_limits<double>::infinity());
      const double max = *std::max_element(logits, logits + count);
      tile_max[static_cast<size_t>(tile * queries + r)] = max;
      tile_sum[static_cast<size_t>(tile * queries + r)] = kernels_.sum_exp(kTileKeys, logits, max);
    }
  });

  std::vector<double> lse(static_cast<size_t>(queries));
  for (int64_t r = 0; r < queries; ++r) {
    double max = -std::numeric_limits<double>::infinity();
    for (int64_t t = 0; t < tiles; ++t) max = std::max(max, tile_max[static_cast<size_t>(t * queries + r)]);
    double sum = 0;
    for (int64_t t = 0; t < tiles; ++t) {
      sum += tile_sum[static_cast<size_t>(t * queries + r)] * std::exp(tile_max[static_cast<size_t>(t * queries + r)] - max);
    }
    lse[static_cast<size_t>(r)] = max + std::log(sum);
  }

  std::vector<double>& scores = log_scores_[static_cast<size_t>(g)];
  scores.resize(static_cast<size_t>(keys));
  const double log_queries = std::log(static_cast<double>(queries));
  team_.run(tiles, [&](int64_t tile, int thread) {
    TileScratch& s = scratch[static_cast<size_t>(thread)];
    const int64_t count = compute_logits(tile, s);
    double max[kTileKeys];
    double sum[kTileKeys];
    kernels_.column_log_sums(queries, kTileKeys, s.logits.data(), kTileKeys, lse.data(), max, sum);
    for (int64_t j = 0; j < count; ++j) {
      scores[static_cast<size_t>(tile * kTileKeys + j)] = max[j] + std::log(sum[j]) - log_queries;
    }
  });
}

void HeadGroup::permute() {
  const int64_t keys = grid_.complete_keys();
  for (int64_t g = 0; g < group_size_; ++g) score_keys(g);
  if (call_.key_order == PBS_ATTN_PER_KV_HEAD) {
    std::vector<double>& shared = log_scores_[0];
    for (int64_t j = 0; j < keys; ++j) {
      double max = -std::numeric_limits<double>::infinity();
      for (const std::vector<double>& scores : log_scores_) max = std::max(max, scores[static_cast<size_t>(j)]);
      double sum = 0;
      for (const std::vector<double>& scores : log_scores_) sum += std::exp(scores[static_cast<size_t>(j)] - max);
      shared[static_cast<size_t>(j)] = max + std::log(sum / static_cast<double>(group_size_));
    }
    for (int64_t g = 1; g < group_size_; ++g) log_scores_[static_cast<size_t>(g)] = shared;
  }
  const int64_t segments = keys / grid_.segment_size;
  team_.run(segments * group_size_, [&](int64_t task, int) {
    const std::vector<double>& scores = log_scores_[static_cast<size_t>(task / segments)];
    const auto begin = orders_[static_cast<size_t>(task / segments)].begin() + task % segments * grid_.segment_size;
    std::stable_sort(begin, begin + grid_.segment_size, [&](int32_t a, int32_t b) {
      return scores[static_cast<size_t>(a)] > scores[static_cast<size_t>(b)];
    });
  });
}

}  // namespace pbs_attn
