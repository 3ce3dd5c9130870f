#include "key_scorer.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

#include "arithmetic.h"
#include "element.h"

namespace pbs_attn {
namespace {

constexpr int64_t kTileKeys = 128;
constexpr int64_t kFirstKeys = 32;
constexpr int64_t kMaxTilesPerTask = 16;
constexpr int64_t kMinTasks = 32;         // for few keys; not by the number of threads, on which no result may depend
constexpr float kSmallestScore = 1e-30f;  // below it a sum of floats has lost digits, or is 0
constexpr double kInfinity = std::numeric_limits<double>::infinity();

}  // namespace

KeyScore KeyScore::of_log(double log_score) {
  const double score = std::exp(log_score);
  log_score = std::max(log_score, -static_cast<double>(std::numeric_limits<float>::max()));
  return KeyScore(static_cast<float>(score >= kSmallestScore ? score : log_score));
}

float KeyScore::value() const { return kept_ > 0 ? kept_ : std::exp(kept_); }

float KeyScore::log() const { return kept_ > 0 ? std::log(kept_) : kept_; }

uint32_t KeyScore::rank() const {
  uint32_t bits;
  std::memcpy(&bits, &kept_, sizeof(bits));
  return (bits & 0x80000000u) != 0 ? bits : ~bits & 0x7fffffffu;
}

KeyScorer::KeyScorer(const Kernels& kernels, const Engine& engine, ThreadPool& pool, int64_t padded_dim, double scale)
    : kernels_(kernels),
      engine_(engine),
      pool_(pool),
      padded_dim_(padded_dim),
      scale_(scale),
      shape_{kTileKeys, padded_dim, static_cast<float>(scale), true},
      indices_(kTileKeys),
      scratch_(static_cast<size_t>(pool.size())) {
  std::iota(indices_.begin(), indices_.end(), 0);
}

// Two passes over the keys: the first for the sum of each query's weights, the second for the scores.
void KeyScorer::run(const Rows& keys, int64_t key_count, const std::vector<Rows>& queries, int64_t query_count,
                    std::vector<std::vector<KeyScore>>& scores) {
  key_count_ = key_count;
  query_count_ = query_count;
  strips_ = divide_up(query_count, kernels_.width);
  tiles_per_task_ = std::min(kMaxTilesPerTask, divide_up(divide_up(key_count, kTileKeys), kMinTasks));
  pack_queries(queries);
  sum_weights(keys);
  for (std::vector<KeyScore>& of_head : scores) of_head.resize(static_cast<size_t>(key_count));
  for_each_tile(keys, [&](const Tile& tile, Scratch& scratch) { score_tile(tile, scratch, scores); });
}

void KeyScorer::pack_queries(const std::vector<Rows>& queries) {
  const int64_t width = kernels_.width;
  const int64_t strip_bytes = width * padded_dim_ * element_size(engine_.dtype);
  const int64_t strips = static_cast<int64_t>(queries.size()) * strips_;
  q_.reserve(strips * strip_bytes);
  max_.reserve(strips * width);
  weight_.reserve(strips * width);
  log_sum_.resize(static_cast<size_t>(strips * width));
  all_strips_.clear();
  for (int64_t n = 0; n < strips; ++n) {
    const int64_t first = n % strips_ * width;
    char* q = q_.data() + n * strip_bytes;
    engine_.gather_queries(rows_from(queries[static_cast<size_t>(n / strips_)], first),
                           std::min(width, query_count_ - first), padded_dim_, q);
    // All of them come after all keys but those that are padding.
    all_strips_.push_back({q, nullptr, max_.data() + n * width, nullptr, 0, 0, std::numeric_limits<int32_t>::max()});
  }
}

// Each task has sums of its own, relative to maxima of its own. These begin with those of the first keys: engines are
// faster with queries that have seen a key.
void KeyScorer::sum_weights(const Rows& keys) {
  const int64_t tasks = divide_up(divide_up(key_count_, kTileKeys), tiles_per_task_);
  const int64_t lanes = static_cast<int64_t>(log_sum_.size());
  std::vector<float> task_max(static_cast<size_t>(tasks * lanes), -std::numeric_limits<float>::infinity());
  std::vector<double> task_sum(task_max.size());
  add_weights(pack_tile(keys, 0, 0, kFirstKeys, scratch_.front()), task_max.data(), task_sum.data(), scratch_.front());
  for (int64_t t = 1; t < tasks; ++t) std::copy_n(task_max.begin(), lanes, task_max.begin() + t * lanes);
  std::fill_n(task_sum.begin(), lanes, 0.0);
  for_each_tile(keys, [&](const Tile& tile, Scratch& scratch) {
    const size_t first_lane = static_cast<size_t>(tile.task * lanes);
    add_weights(tile, &task_max[first_lane], &task_sum[first_lane], scratch);
  });
  for (int64_t lane = 0; lane < lanes; ++lane) {
    const auto at = [&](int64_t task) { return static_cast<size_t>(task * lanes + lane); };
    float max = task_max[at(0)];
    for (int64_t t = 1; t < tasks; ++t) max = std::max(max, task_max[at(t)]);
    double sum = 0;
    for (int64_t t = 0; t < tasks; ++t) {
      sum += task_sum[at(t)] * std::exp((static_cast<double>(task_max[at(t)]) - max) * scale_);
    }
    const bool is_query = lane % (strips_ * kernels_.width) < query_count_;
    max_[lane] = max;
    weight_[lane] = is_query ? static_cast<float>(1 / (sum * static_cast<double>(query_count_))) : 0;
    log_sum_[static_cast<size_t>(lane)] = std::log(sum);
  }
}

// The first `padded` keys from first_key on, or as many as there are.
KeyScorer::Tile KeyScorer::pack_tile(const Rows& keys, int64_t task, int64_t first_key, int64_t padded,
                                     Scratch& scratch) const {
  scratch.keys.reserve(kTileKeys * padded_dim_ * element_size(engine_.dtype));
  scratch.floats.reserve(kScratchTiles * kTileKeys * kernels_.width);
  const int64_t count = std::min(padded, key_count_ - first_key);
  engine_.gather_keys(rows_from(keys, first_key), indices_.data(), count, padded, padded_dim_, scratch.keys.data(),
                      nullptr);
  return {task, first_key, count, padded, scratch.keys.data()};
}

// max and sum (lanes)
void KeyScorer::add_weights(const Tile& tile, float* max, double* sum, Scratch& scratch) const {
  int32_t positions[kTileKeys];
  std::fill_n(positions, kTileKeys, std::numeric_limits<int32_t>::max());
  std::fill_n(positions, tile.count, 0);
  const KeyBlock block{tile.keys, nullptr, positions, 0, positions[tile.padded - 1]};
  std::vector<QueryStrip> strips = all_strips_;
  scratch.visits.clear();
  for (size_t n = 0; n < strips.size(); ++n) {
    const int64_t lane = static_cast<int64_t>(n) * kernels_.width;
    strips[n].max = max + lane;
    strips[n].sum = sum + lane;
    const char* nothing_else = static_cast<const char*>(tile.keys);
    scratch.visits.push_back({&block, &strips[n], nothing_else, nothing_else});
  }
  TileShape shape = shape_;
  shape.keys = tile.padded;
  engine_.attend(shape, scratch.visits.data(), static_cast<int64_t>(scratch.visits.size()), scratch.floats.data());
}

void KeyScorer::score_tile(const Tile& tile, Scratch& scratch, std::vector<std::vector<KeyScore>>& scores) const {
  for (size_t h = 0; h < scores.size(); ++h) {
    const int64_t first_strip = static_cast<int64_t>(h) * strips_;
    float sums[kTileKeys];
    engine_.score_keys(shape_, tile.keys, &all_strips_[static_cast<size_t>(first_strip)],
                       weight_.data() + first_strip * kernels_.width, strips_, scratch.floats.data(), sums);
    const float* logits = nullptr;
    for (int64_t j = 0; j < tile.count; ++j) {
      KeyScore& score = scores[h][static_cast<size_t>(tile.first_key + j)];
      if (sums[j] >= kSmallestScore) {
        score = KeyScore(sums[j]);
        continue;
      }
      if (logits == nullptr) logits = compute_logits(tile, first_strip, scratch);
      score = score_from_logs(first_strip * kernels_.width, logits, j);
    }
  }
}

// (strips of a head, kTileKeys, width)
const float* KeyScorer::compute_logits(const Tile& tile, int64_t first_strip, Scratch& scratch) const {
  scratch.logits.reserve(strips_ * kTileKeys * kernels_.width);
  for (int64_t s = 0; s < strips_; ++s) {
    engine_.logits(shape_, tile.keys, all_strips_[static_cast<size_t>(first_strip + s)].q,
                   scratch.logits.data() + s * kTileKeys * kernels_.width);
  }
  return scratch.logits.data();
}

// From the largest term on, for a score that a sum of floats cannot hold.
KeyScore KeyScorer::score_from_logs(int64_t first_lane, const float* logits, int64_t key) const {
  const auto term = [&](int64_t r) {
    const double logit = logits[(r / kernels_.width * kTileKeys + key) * kernels_.width + r % kernels_.width];
    return (logit - max_[first_lane + r]) * scale_ - log_sum_[static_cast<size_t>(first_lane + r)];
  };
  double best = -kInfinity;
  for (int64_t r = 0; r < query_count_; ++r) best = std::max(best, term(r));
  double sum = 0;
  for (int64_t r = 0; r < query_count_; ++r) sum += std::exp(term(r) - best);
  return KeyScore::of_log(best + std::log(sum / static_cast<double>(query_count_)));
}

template <typename F>
void KeyScorer::for_each_tile(const Rows& keys, const F& work) {
  const int64_t tiles = divide_up(key_count_, kTileKeys);
  pool_.run(divide_up(tiles, tiles_per_task_), [&](int64_t task, int thread) {
    Scratch& scratch = scratch_[static_cast<size_t>(thread)];
    for (int64_t tile = task * tiles_per_task_; tile < std::min(tiles, (task + 1) * tiles_per_task_); ++tile) {
      work(pack_tile(keys, task, tile * kTileKeys, kTileKeys, scratch), scratch);
    }
  });
}

}  // namespace pbs_attn
