// Attention of single query rows: decoding.
#ifndef PBS_ATTN_CPU_ROW_ATTENTION_H_
#define PBS_ATTN_CPU_ROW_ATTENTION_H_

#include <cstdint>
#include <vector>

#include "kernels.h"
#include "layer_kernels.h"
#include "thread_pool.h"

namespace pbs_attn {

// One query row for each of the heads that read a KV head. The keys are taken in parts, so that threads can share
// them; each part has a softmax of its own, and these are merged in the end.
class RowAttention {
 public:
  RowAttention(const Kernels& kernels, ThreadPool& pool, int64_t group_size, double softmax_scale)
      : kernels_(kernels), pool_(pool), group_size_(group_size), softmax_scale_(softmax_scale) {}

  // keys and values have key_count rows for each KV head; q and o have a row for each query head.
  void run(const std::vector<Rows>& keys, const std::vector<Rows>& values, int64_t key_count, const Rows& q, Rows o);

 private:
  // What a part of the keys gives for a head.
  struct Part {
    float max;
    double sum;
    std::vector<float> output;  // (dim): sum of the values, weighted by exp(scale (logit - max))
  };

  void attend_part(const Rows& keys, const Rows& values, int64_t count, const float* split_q, Part* parts,
                   int64_t part_ld) const;

  const Kernels& kernels_;
  ThreadPool& pool_;
  const int64_t group_size_;
  const double softmax_scale_;
};

}  // namespace pbs_attn

#endif  // PBS_ATTN_CPU_ROW_ATTENTION_H_
