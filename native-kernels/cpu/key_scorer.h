// Scores keys by the attention that the last queries pay them: the mean over these queries of the softmax over the
// keys.
#ifndef PBS_ATTN_CPU_KEY_SCORER_H_
#define PBS_ATTN_CPU_KEY_SCORER_H_

#include <cstdint>
#include <vector>

#include "aligned_buffer.h"
#include "kernels.h"
#include "team.h"

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
  KeyScorer(const Kernels& kernels, const Engine& engine, Team& team, int64_t padded_dim, double scale);

  // Scores the first key_count keys for several heads that read them. queries has for each head its last ones, of which
  // there are query_count; scores gets for each head one score for each key.
  void run(const Rows& keys, int64_t key_count, const std::vector<Rows>& queries, int64_t query_count,
           std::vector<std::vector<KeyScore>>& scores);

 private:
  struct Scratch {
    AlignedBuffer<char> rows;     // (kTileKeys, padded dim) elements of the engine
    AlignedBuffer<float> logits;  // (strips, kTileKeys, width)
  };

  // What the keys weigh in a head's queries.
  struct Head {
    AlignedBuffer<char> q;        // (strips, padded dim, width), packed
    AlignedBuffer<float> max;     // (lanes): the largest logit
    AlignedBuffer<float> weight;  // (lanes): 1 / (sum of the keys' exp * queries); 0 for padding
    std::vector<double> log_sum;  // (lanes): log of the sum of the keys' exp
  };

  void pack_queries(const Rows& queries, Head& head);
  void sum_weights(const Rows& keys);
  float* compute_logits(const Rows& rows, const Head& head, Scratch& scratch) const;
  KeyScore score_from_logs(const Head& head, const float* logits, int64_t key) const;

  // Calls work(task, tile's first key, its number of keys, its rows, scratch) for every tile of kTileKeys keys.
  template <typename F>
  void for_each_tile(const Rows& keys, const F& work);

  const Kernels& kernels_;
  const Engine& engine_;
  Team& team_;
  const int64_t padded_dim_;
  const double scale_;
  std::vector<Scratch> scratch_;  // one for each thread
  std::vector<Head> heads_;
  int64_t key_count_ = 0;
  int64_t query_count_ = 0;
  int64_t strips_ = 0;
  int64_t lanes_ = 0;  // queries, padded to whole strips
  int64_t tiles_per_task_ = 0;
};

}  // namespace pbs_attn

#endif  // PBS_ATTN_CPU_KEY_SCORER_H_
