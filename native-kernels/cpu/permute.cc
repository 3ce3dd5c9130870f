// Stage 1: score the keys by the attention of the last queries, order them inside each segment, and gather them in that
// order.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "element.h"
#include "head_group.h"

namespace pbs_attn {
namespace {

constexpr int64_t kTileKeys = 128;
constexpr int64_t kTilesPerTask = 16;
constexpr float kSmallestSum = 1e-30f;  // below it a sum of weights has lost digits, or is 0

float log_of_score(float score) { return score > 0 ? std::log(score) : score; }

int64_t divide_up(int64_t n, int64_t by) { return (n + by - 1) / by; }

// Bits that order as the negated floats do.
uint32_t descending_bits(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof(bits));
  return (bits & 0x80000000u) != 0 ? bits : ~bits & 0x7fffffffu;
}

}  // namespace

void HeadGroup::permute() {
  for (int64_t g = 0; g < group_size_; ++g) score_keys(g);
  if (call_.key_order == PBS_ATTN_PER_KV_HEAD) share_scores();
  const int64_t segments = grid_.complete_keys() / grid_.segment_size;
  team_.run(segments * group_size_, [&](int64_t task, int thread) {
    order_segment(task / segments, task % segments, scratch_[static_cast<size_t>(thread)]);
  });
}

// Two passes over the keys: the first for each query's largest logit and sum of weights, the second for each key's
// score. Scores are kept as logarithms: where logits are in the hundreds most lie below float's smallest number, and
// their order counts.
void HeadGroup::score_keys(int64_t g) {
  const int64_t keys = grid_.complete_keys();
  const int64_t queries = std::min(grid_.block_size, grid_.seqlen_q);
  const int64_t width = kernels_.width;
  const int64_t strips = divide_up(queries, width);
  const int64_t lanes = strips * width;
  const int64_t tiles = divide_up(keys, kTileKeys);
  const int64_t tasks = divide_up(tiles, kTilesPerTask);
  const float scale = static_cast<float>(call_.softmax_scale);
  // Whether the engine can read the keys where they are.
  const bool is_packed = engine_.element_size == element_size(call_.dtype) && padded_dim_ == head_dim_ &&
                         call_.k.row_stride * element_size(call_.dtype) % 4 == 0;

  AlignedBuffer<char> q;
  q.reserve(lanes * row_bytes_);
  Scratch& mine = scratch_[0];
  mine.q.reserve(lanes * row_bytes_);
  pack_queries(g, grid_.seqlen_q - queries, queries, 0, mine);
  std::memcpy(q.data(), mine.q.data(), static_cast<size_t>(lanes * row_bytes_));

  // Logits (strips, keys, width) of a tile's keys, whose number is returned; the last tile is padded with zero keys.
  const auto compute_logits = [&](int64_t tile, Scratch& s) {
    const int64_t begin = tile * kTileKeys;
    const int64_t count = std::min(kTileKeys, keys - begin);
    s.logits.reserve(lanes * kTileKeys);
    const char* rows = k_row(begin);
    int64_t stride = call_.k.row_stride * element_size(call_.dtype);
    if (!is_packed || count < kTileKeys) {
      s.rows.reserve(kTileKeys * row_bytes_);
      load_rows(rows, call_.k.row_stride, count, kTileKeys, s.rows.data());
      rows = s.rows.data();
      stride = row_bytes_;
    }
    for (int64_t strip = 0; strip < strips; ++strip) {
      engine_.logits(tile_shape(kTileKeys), rows, stride, q.data() + strip * width * row_bytes_,
                     s.logits.data() + strip * kTileKeys * width);
    }
    return count;
  };

  std::vector<float> task_max(static_cast<size_t>(tasks * lanes), -std::numeric_limits<float>::infinity());
  std::vector<double> task_sum(static_cast<size_t>(tasks * lanes));
  team_.run(tasks, [&](int64_t task, int thread) {
    Scratch& s = scratch_[static_cast<size_t>(thread)];
    for (int64_t tile = task * kTilesPerTask; tile < std::min(tiles, (task + 1) * kTilesPerTask); ++tile) {
      const int64_t count = compute_logits(tile, s);
      for (int64_t strip = 0; strip < strips; ++strip) {
        const size_t at = static_cast<size_t>(task * lanes + strip * width);
        kernels_.update_sums(count, scale, s.logits.data() + strip * kTileKeys * width, &task_max[at], &task_sum[at]);
      }
    }
  });

  AlignedBuffer<float> max, weight;
  max.reserve(lanes);
  weight.reserve(lanes);
  std::vector<double> log_sum(static_cast<size_t>(lanes));
  for (int64_t r = 0; r < lanes; ++r) {
    max[r] = -std::numeric_limits<float>::infinity();
    for (int64_t t = 0; t < tasks; ++t) max[r] = std::max(max[r], task_max[static_cast<size_t>(t * lanes + r)]);
    double sum = 0;
    for (int64_t t = 0; t < tasks; ++t) {
      const size_t at = static_cast<size_t>(t * lanes + r);
      sum += task_sum[at] * std::exp((static_cast<double>(task_max[at]) - max[r]) * call_.softmax_scale);
    }
    const bool is_query = r < queries;  // the others are padding
    log_sum[static_cast<size_t>(r)] = std::log(sum);
    weight[r] = is_query ? static_cast<float>(1 / (sum * static_cast<double>(queries))) : 0;
  }

  std::vector<float>& scores = scores_[static_cast<size_t>(g)];
  scores.resize(static_cast<size_t>(keys));
  // The log of a key's score from its largest term on, for scores that a sum of floats cannot hold.
  const auto log_score = [&](const float* logits, int64_t key) {
    double best = -std::numeric_limits<double>::infinity();
    double sum = 0;
    for (const bool summing : {false, true}) {
      for (int64_t r = 0; r < queries; ++r) {
        const double logit = logits[(r / width * kTileKeys + key) * width + r % width];
        const double term = (logit - max[r]) * call_.softmax_scale - log_sum[static_cast<size_t>(r)];
        if (summing) {
          sum += std::exp(term - best);
        } else {
          best = std::max(best, term);
        }
      }
    }
    return static_cast<float>(best + std::log(sum / static_cast<double>(queries)));
  };
  team_.run(tasks, [&](int64_t task, int thread) {
    Scratch& s = scratch_[static_cast<size_t>(thread)];
    for (int64_t tile = task * kTilesPerTask; tile < std::min(tiles, (task + 1) * kTilesPerTask); ++tile) {
      const int64_t count = compute_logits(tile, s);
      float sums[kTileKeys];
      kernels_.column_sums(strips, kTileKeys, scale, s.logits.data(), max.data(), weight.data(), sums);
      for (int64_t j = 0; j < count; ++j) {
        scores[static_cast<size_t>(tile * kTileKeys + j)] =
            sums[j] >= kSmallestSum ? sums[j] : log_score(s.logits.data(), j);
      }
    }
  });
}

// One score for all query heads: the mean of theirs.
void HeadGroup::share_scores() {
  const int64_t keys = grid_.complete_keys();
  team_.run(divide_up(keys, kTileKeys), [&](int64_t tile, int) {
    for (int64_t j = tile * kTileKeys; j < std::min(keys, (tile + 1) * kTileKeys); ++j) {
      const size_t key = static_cast<size_t>(j);
      float max = log_of_score(scores_[0][key]);
      for (const std::vector<float>& scores : scores_) max = std::max(max, log_of_score(scores[key]));
      float sum = 0;
      for (const std::vector<float>& scores : scores_) sum += std::exp(log_of_score(scores[key]) - max);
      const float log_mean = max + std::log(sum / static_cast<float>(group_size_));
      const float mean = std::exp(log_mean);
      for (std::vector<float>& scores : scores_) scores[key] = mean >= kSmallestSum ? mean : log_mean;
    }
  });
}

// By falling score; keys of equal score stay in their order.
void HeadGroup::order_segment(int64_t g, int64_t segment, Scratch& scratch) {
  const std::vector<float>& scores = scores_[static_cast<size_t>(g)];
  const int64_t begin = segment * grid_.segment_size;
  std::vector<uint64_t>& ranked = scratch.ranked;
  ranked.resize(static_cast<size_t>(grid_.segment_size));
  for (int64_t n = 0; n < grid_.segment_size; ++n) {
    const uint64_t rank = descending_bits(scores[static_cast<size_t>(begin + n)]);
    ranked[static_cast<size_t>(n)] = rank << 32 | static_cast<uint64_t>(begin + n);
  }
  std::sort(ranked.begin(), ranked.end());
  std::transform(ranked.begin(), ranked.end(), orders_[static_cast<size_t>(g)].begin() + begin,
                 [](uint64_t x) { return static_cast<int32_t>(x & 0xffffffffu); });
}

// Gathers keys and values in a head's order. Query heads that share an order share what is packed.
void HeadGroup::pack(int64_t g) {
  team_.run(grid_.k_blocks(), [&](int64_t j, int thread) {
    pack_block(orders_[static_cast<size_t>(g)], j, scratch_[static_cast<size_t>(thread)]);
  });
}

void HeadGroup::pack_block(const std::vector<int32_t>& order, int64_t j, Scratch& scratch) {
  const int64_t count = grid_.keys(j);
  const int32_t* places = &order[static_cast<size_t>(j * grid_.block_size)];
  int32_t* positions = packed_.positions.data() + j * padded_block_;
  std::copy(places, places + count, positions);
  std::fill(positions + count, positions + padded_block_, std::numeric_limits<int32_t>::max());
  packed_.first[j] = *std::min_element(places, places + count);
  packed_.last[j] = *std::max_element(positions, positions + padded_block_);

  char* keys = packed_.keys.data() + j * padded_block_ * row_bytes_;
  scratch.rows.reserve(padded_block_ * row_bytes_);
  scratch.floats.reserve(padded_dim_);
  float* sums = scratch.floats.data();
  std::fill(sums, sums + padded_dim_, 0.0f);
  for (int64_t t = 0; t < count; ++t) {
    load_rows(k_row(places[t]), 0, 1, 1, keys + t * row_bytes_);
    load_rows(v_row(places[t]), 0, 1, 1, scratch.rows.data() + t * row_bytes_);
    kernels_.add_row(call_.dtype, k_row(places[t]), head_dim_, sums);
  }
  const size_t padding = static_cast<size_t>((padded_block_ - count) * row_bytes_);
  std::memset(keys + count * row_bytes_, 0, padding);
  std::memset(scratch.rows.data() + count * row_bytes_, 0, padding);
  engine_.pack_values(padded_block_, padded_dim_, scratch.rows.data(),
                      packed_.values.data() + j * padded_block_ * row_bytes_);
  const int64_t padded_blocks = divide_up(grid_.k_blocks(), kPadding) * kPadding;
  for (int64_t d = 0; d < padded_dim_; ++d) {
    packed_.mean_keys[d * padded_blocks + j] = sums[d] / static_cast<float>(grid_.block_size);
  }
}

}  // namespace pbs_attn
