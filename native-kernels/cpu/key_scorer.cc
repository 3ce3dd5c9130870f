#include "key_scorer.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "arithmetic.h"
#include "element.h"

namespace pbs_attn {
namespace {

constexpr int64_t kTileKeys = 128;
constexpr int64_t kMaxTilesPerTask = 16;
constexpr int64_t kMinTasks = 32;         // for few keys; not by the number of threads, on which no result may depend
constexpr float kSmallestScore = 1e-30f;  // below it a sum of floats has lost digits, or is 0
constexpr double kInfinity = std::numeric_limits<double>::infinity();

}  // namespace

KeyScore KeyScore::of_log(double log_score) {
  const double score = std::exp(log_score);
  return KeyScore(static_cast<float>(score >= kSmallestScore ? score : log_score));
}

float KeyScore::value() const { return kept_ > 0 ? kept_ : std::exp(kept_); }

float KeyScore::log() const { return kept_ > 0 ? std::log(kept_) : kept_; }

uint32_t KeyScore::rank() const {
  uint32_t bits;
  std::memcpy(&bits, &kept_, sizeof(bits));
  return (bits & 0x80000000u) != 0 ? bits : ~bits & 0x7fffffffu;
}

KeyScorer::KeyScorer(const Kernels& kernels, const Engine& engine, Team& team, int64_t padded_dim, double scale)
    : kernels_(kernels),
      engine_(engine),
      team_(team),
      padded_dim_(padded_dim),
      scale_(scale),
      scratch_(static_cast<size_t>(team.size())) {}

// Two passes over the keys: the first for each query's largest logit and sum of weights, the second for the scores.
void KeyScorer::run(const Rows& keys, int64_t key_count, const std::vector<Rows>& queries, int64_t query_count,
                    std::vector<std::vector<KeyScore>>& scores) {
  key_count_ = key_count;
  query_count_ = query_count;
  strips_ = divide_up(query_count, kernels_.width);
  lanes_ = strips_ * kernels_.width;
  const int64_t tiles = divide_up(key_count, kTileKeys);
  tiles_per_task_ = std::min(kMaxTilesPerTask, divide_up(tiles, kMinTasks));
  heads_.resize(queries.size());
  for (size_t h = 0; h < heads_.size(); ++h) {
    pack_queries(queries[h], heads_[h]);
    scores[h].resize(static_cast<size_t>(key_count));
  }
  sum_weights(keys);
  for_each_tile(keys, [&](int64_t, int64_t first_key, int64_t count, const Rows& rows, Scratch& scratch) {
    for (size_t h = 0; h < heads_.size(); ++h) {
      const Head& head = heads_[h];
      const float* logits = compute_logits(rows, head, scratch);
      float sums[kTileKeys];
      kernels_.column_sums(strips_, kTileKeys, static_cast<float>(scale_), logits, head.max.data(), head.weight.data(),
                           sums);
      KeyScore* to = &scores[h][static_cast<size_t>(first_key)];
      for (int64_t j = 0; j < count; ++j) {
        to[j] = sums[j] >= kSmallestScore ? KeyScore(sums[j]) : score_from_logs(head, logits, j);
      }
    }
  });
}

void KeyScorer::pack_queries(const Rows& queries, Head& head) {
  const int64_t width = kernels_.width;
  const int64_t strip_bytes = width * padded_dim_ * element_size(engine_.dtype);
  head.q.reserve(strips_ * strip_bytes);
  for (int64_t s = 0; s < strips_; ++s) {
    engine_.gather_queries(rows_from(queries, s * width), std::min(width, query_count_ - s * width), padded_dim_,
                           head.q.data() + s * strip_bytes);
  }
}

void KeyScorer::sum_weights(const Rows& keys) {
  const int64_t tasks = divide_up(divide_up(key_count_, kTileKeys), tiles_per_task_);
  const int64_t lanes = static_cast<int64_t>(heads_.size()) * lanes_;
  std::vector<float> task_max(static_cast<size_t>(tasks * lanes), -std::numeric_limits<float>::infinity());
  std::vector<double> task_sum(task_max.size());
  for_each_tile(keys, [&](int64_t task, int64_t, int64_t count, const Rows& rows, Scratch& scratch) {
    for (size_t h = 0; h < heads_.size(); ++h) {
      float* logits = compute_logits(rows, heads_[h], scratch);
      for (int64_t s = 0; s < strips_; ++s) {
        const size_t at = static_cast<size_t>(task * lanes + s * kernels_.width) + h * static_cast<size_t>(lanes_);
        kernels_.update_sums(count, static_cast<float>(scale_), logits + s * kTileKeys * kernels_.width, &task_max[at],
                             &task_sum[at]);
      }
    }
  });
  for (size_t h = 0; h < heads_.size(); ++h) {
    Head& head = heads_[h];
    head.max.reserve(lanes_);
    head.weight.reserve(lanes_);
    head.log_sum.resize(static_cast<size_t>(lanes_));
    for (int64_t lane = 0; lane < lanes_; ++lane) {
      const auto at = [&](int64_t task) {
        return static_cast<size_t>(task * lanes + lane) + h * static_cast<size_t>(lanes_);
      };
      float max = task_max[at(0)];
      for (int64_t t = 1; t < tasks; ++t) max = std::max(max, task_max[at(t)]);
      double sum = 0;
      for (int64_t t = 0; t < tasks; ++t) {
        sum += task_sum[at(t)] * std::exp((static_cast<double>(task_max[at(t)]) - max) * scale_);
      }
      head.max[lane] = max;
      head.weight[lane] = lane < query_count_ ? static_cast<float>(1 / (sum * static_cast<double>(query_count_))) : 0;
      head.log_sum[static_cast<size_t>(lane)] = std::log(sum);
    }
  }
}

float* KeyScorer::compute_logits(const Rows& rows, const Head& head, Scratch& scratch) const {
  scratch.logits.reserve(lanes_ * kTileKeys);
  const TileShape shape{kTileKeys, padded_dim_, static_cast<float>(scale_)};
  for (int64_t s = 0; s < strips_; ++s) {
    engine_.logits(shape, rows.first, rows.stride,
                   head.q.data() + s * kernels_.width * padded_dim_ * element_size(engine_.dtype),
                   scratch.logits.data() + s * kTileKeys * kernels_.width);
  }
  return scratch.logits.data();
}

// From the largest term on, for a score that a sum of floats cannot hold.
KeyScore KeyScorer::score_from_logs(const Head& head, const float* logits, int64_t key) const {
  const auto term = [&](int64_t r) {
    const double logit = logits[(r / kernels_.width * kTileKeys + key) * kernels_.width + r % kernels_.width];
    return (logit - head.max[r]) * scale_ - head.log_sum[static_cast<size_t>(r)];
  };
  double best = -kInfinity;
  for (int64_t r = 0; r < query_count_; ++r) best = std::max(best, term(r));
  double sum = 0;
  for (int64_t r = 0; r < query_count_; ++r) sum += std::exp(term(r) - best);
  return KeyScore::of_log(best + std::log(sum / static_cast<double>(query_count_)));
}

template <typename F>
void KeyScorer::for_each_tile(const Rows& keys, const F& work) {
  // Whether the engine can read the keys where they are.
  const bool is_packed = keys.dtype == engine_.dtype && keys.dim == padded_dim_ && keys.stride % 4 == 0 &&
                         reinterpret_cast<uintptr_t>(keys.first) % 4 == 0;
  const int64_t row_bytes = padded_dim_ * element_size(engine_.dtype);
  const int64_t tiles = divide_up(key_count_, kTileKeys);
  team_.run(divide_up(tiles, tiles_per_task_), [&](int64_t task, int thread) {
    Scratch& scratch = scratch_[static_cast<size_t>(thread)];
    for (int64_t tile = task * tiles_per_task_; tile < std::min(tiles, (task + 1) * tiles_per_task_); ++tile) {
      const int64_t first = tile * kTileKeys;
      const int64_t count = std::min(kTileKeys, key_count_ - first);
      Rows rows = rows_from(keys, first);
      if (!is_packed || count < kTileKeys) {
        scratch.rows.reserve(kTileKeys * row_bytes);
        engine_.gather_rows(rows, nullptr, count, kTileKeys, padded_dim_, scratch.rows.data());
        rows = {engine_.dtype, scratch.rows.data(), row_bytes, padded_dim_};
      }
      work(task, first, count, rows, scratch);
    }
  });
}

}  // namespace pbs_attn
