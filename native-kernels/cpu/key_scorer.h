// Scores keys by the attention that the last queries pay them: the mean over these queries of the softmax over the
// keys.
#ifndef PBS_ATTN_CPU_KEY_SCORER_H_
#define PBS_ATTN_CPU_KEY_SCORER_H_

#include <cstdint>
#include <vector>

#include "aligned_buffer.h"
#include "kernels.h"
#include "thread_pool.h"

namespace pbs_attn {

// A key's score; or its logarithm, which is negative, where the score is below 1e-30. Where logits are in the hundreds
// most scores are too small for a float, and their order counts.
class KeyScore {
 public:
  KeyScore() = default;
  static KeyScore of_log(double log_score);

  float value() const;
  float log() const;

  // A number that is the smaller the higher the score.
  uint32_t rank() const;

 private:
  explicit KeyScore(float kept) : kept_(kept) {}
  friend class KeyScorer;

  float kept_ = 0;
};

class KeyScorer {
 public:
  KeyScorer(const Kernels& kernels, const Engine& engine, ThreadPool& pool, int64_t padded_dim, double scale);

  // Scores the first key_count keys for several heads that read them. queries has for each head its last ones, of which
  // there are query_count; scores gets for each head one score for each key.
  void run(const Rows& keys, int64_t key_count, const std::vector<Rows>& queries, int64_t query_count,
           std::vector<std::vector<KeyScore>>& scores);

 private:
  struct Scratch {
    AlignedBuffer<char> keys;     // (kTileKeys, padded dim), packed
    AlignedBuffer<float> floats;  // what the engine works with
    AlignedBuffer<float> logits;  // (strips of a head, kTileKeys, width)
    std::vector<Visit> visits;
  };

  // Keys that lie one after the other, packed.
  struct Tile {
    int64_t task;
    int64_t first_key;
    int64_t count;   // keys
    int64_t padded;  // with padding after them
    const void* keys;
  };

  void pack_queries(const std::vector<Rows>& queries);
  void sum_weights(const Rows& keys);
  Tile pack_tile(const Rows& keys, int64_t task, int64_t first_key, int64_t padded, Scratch& scratch) const;
  void add_weights(const Tile& tile, float* max, double* sum, Scratch& scratch) const;
  void score_tile(const Tile& tile, Scratch& scratch, std::vector<std::vector<KeyScore>>& scores) const;
  const float* compute_logits(const Tile& tile, int64_t first_strip, Scratch& scratch) const;
  KeyScore score_from_logs(int64_t first_lane, const float* logits, int64_t key) const;

  // Calls work(tile, scratch) for every tile of kTileKeys keys.
  template <typename F>
  void for_each_tile(const Rows& keys, const F& work);

  const Kernels& kernels_;
  const Engine& engine_;
  ThreadPool& pool_;
  const int64_t padded_dim_;
  const double scale_;
  const TileShape shape_;
  std::vector<int32_t> indices_;  // of a tile's keys in it
  std::vector<Scratch> scratch_;  // one for each thread
  int64_t key_count_ = 0;
  int64_t query_count_ = 0;
  int64_t tiles_per_task_ = 0;
  int64_t strips_ = 0;  // of a head
  // Queries of all heads, each padded to whole strips: a lane for each.
  std::vector<QueryStrip> all_strips_;
  AlignedBuffer<char> q_;        // (all strips, padded dim, width), packed
  AlignedBuffer<float> max_;     // (lanes): what weights are relative to
  AlignedBuffer<float> weight_;  // (lanes): 1 / (sum of the keys' exp * queries); 0 for padding
  std::vector<double> log_sum_;  // (lanes): log of the sum of the keys' exp
};

}  // namespace pbs_attn

#endif  // PBS_ATTN_CPU_KEY_SCORER_H_
