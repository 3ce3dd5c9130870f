// Runs the stages for one KV head after the other: permute, select, attend. The last two go together: blocks of queries
// are chosen for, then attended to, while a cache has them.
//
// What a call holds is bounded by one KV head: packed keys and values of one key order, the orders and scores of its
// query heads, and one bit for each block. Nothing has the size seqlen_q x seqlen_k.
#ifndef PBS_ATTN_CPU_PREFILL_H_
#define PBS_ATTN_CPU_PREFILL_H_

#include <cstdint>
#include <vector>

#include "attend.h"
#include "head_group.h"
#include "key_scorer.h"
#include "permute.h"
#include "select.h"

namespace pbs_attn {

class Prefill {
 public:
  // Memory that calls use one after the other: what is fresh from the system has to be cleared by it first.
  struct Workspace {
    KeyOrders keys;
    PackedKeys packed;
    MeanKeys mean_keys;
    BlockMask mask;
    // For each thread:
    std::vector<RankSpace> ranks;
    std::vector<SelectScratch> select;
    std::vector<AttendScratch> attend;
  };

  Prefill(const Kernels& kernels, pbs_attn_call& call, ThreadPool& pool, Workspace& workspace);
  // Frees the workspace if it is larger than most calls need.
  ~Prefill();
  Prefill(const Prefill&) = delete;
  Prefill& operator=(const Prefill&) = delete;

  // Runs all stages for a KV head of a sequence; adds blocks and seconds to the call. Throws CallError with
  // PBS_ATTN_NOT_FINITE.
  void run(int64_t batch, int64_t kv_head);

 private:
  void order(const HeadGroup& group);
  void pack(const HeadGroup& group, int64_t g);
  void select_and_attend(const HeadGroup& group, int64_t first_head, int64_t heads);
  void record(const HeadGroup& group, int64_t g);

  const Kernels& kernels_;
  const Engine& engine_;
  pbs_attn_call& call_;
  ThreadPool& pool_;
  KeyScorer key_scorer_;
  Workspace& workspace_;
};

}  // namespace pbs_attn

#endif  // PBS_ATTN_CPU_PREFILL_H_
