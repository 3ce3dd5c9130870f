#include "prefill.h"

#include <algorithm>
#include <atomic>
#include <chrono>

#include "check_call.h"

namespace pbs_attn {
namespace {

constexpr int64_t kMostKept = int64_t{128} << 20;  // bytes: 256K tokens in bfloat16, heads of 128

// Adds the wall time of a stage to a number of seconds.
class StageTimer {
 public:
  explicit StageTimer(double& seconds) : seconds_(seconds) {}
  ~StageTimer() { seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }
  StageTimer(const StageTimer&) = delete;
  StageTimer& operator=(const StageTimer&) = delete;

 private:
  double& seconds_;
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace

Prefill::Prefill(const Kernels& kernels, pbs_attn_call& call, ThreadPool& pool, Workspace& workspace)
    : kernels_(kernels),
      engine_(call.dtype == PBS_ATTN_BFLOAT16 && kernels.bfloat16 != nullptr ? *kernels.bfloat16 : *kernels.float32),
      call_(call),
      pool_(pool),
      key_scorer_(kernels, engine_, pool, round_up(call.head_dim, kPadding), call.softmax_scale),
      workspace_(workspace) {
  const size_t threads = static_cast<size_t>(pool.size());
  workspace.ranks.resize(std::max(workspace.ranks.size(), threads));
  workspace.select.resize(std::max(workspace.select.size(), threads));
  workspace.attend.resize(std::max(workspace.attend.size(), threads));
}

Prefill::~Prefill() {
  if (workspace_.packed.keys.bytes() + workspace_.packed.values.bytes() > kMostKept) workspace_ = {};
}

void Prefill::run(int64_t batch, int64_t kv_head) {
  const BlockGrid grid{call_.seqlens_q != nullptr ? call_.seqlens_q[batch] : call_.max_seqlen_q,
                       call_.seqlens_k != nullptr ? call_.seqlens_k[batch] : call_.max_seqlen_k,
                       call_.block_size,
                       call_.segment_size,
                       call_.min_length,
                       call_.window};
  const HeadGroup group{kernels_, engine_, call_, pool_, batch, kv_head, grid};
  workspace_.mask.clear(group.size(), grid.q_blocks(), grid.k_blocks());
  order(group);
  const bool shares_order = group.keeps_everything() || call_.key_order == PBS_ATTN_PER_KV_HEAD;
  const int64_t heads_at_once = shares_order ? group.size() : 1;
  for (int64_t first = 0; first < group.size(); first += heads_at_once) {
    pack(group, first);
    select_and_attend(group, first, heads_at_once);
  }
  for (int64_t g = 0; g < group.size(); ++g) record(group, g);
}

void Prefill::order(const HeadGroup& group) {
  if (group.keeps_everything()) {
    keep_order(group, workspace_.keys);
  } else {
    StageTimer timer(call_.permute_seconds);
    order_keys(group, key_scorer_, workspace_.keys, workspace_.ranks);
  }
}

// Values are refused before anything is written: the output may be where the queries are.
void Prefill::pack(const HeadGroup& group, int64_t g) {
  StageTimer timer(call_.permute_seconds);
  if (!pack_keys(group, workspace_.keys, g, workspace_.packed)) refuse_values(call_, kernels_, pool_);
}

// What threads take to select, on average, counts as such.
void Prefill::select_and_attend(const HeadGroup& group, int64_t first_head, int64_t heads) {
  if (!group.keeps_everything()) {
    StageTimer timer(call_.select_seconds);
    average_keys(group, workspace_.packed, workspace_.mean_keys);
  }
  const std::vector<QueryRange> ranges = query_ranges(group, first_head, heads);
  std::vector<double> select_seconds(static_cast<size_t>(pool_.size()));
  std::atomic<bool> all_finite{true};
  {
    StageTimer timer(call_.attend_seconds);
    pool_.run(static_cast<int64_t>(ranges.size()), [&](int64_t n, int thread) {
      const QueryRange& range = ranges[static_cast<size_t>(n)];
      const size_t t = static_cast<size_t>(thread);
      {
        StageTimer select_timer(select_seconds[t]);
        select_blocks(group, workspace_.packed, workspace_.mean_keys, range, workspace_.select[t], workspace_.mask);
      }
      if (!attend(group, workspace_.packed, workspace_.mask, range, workspace_.attend[t])) all_finite = false;
    });
  }
  for (const double seconds : select_seconds) {
    call_.select_seconds += seconds / pool_.size();
    call_.attend_seconds -= seconds / pool_.size();
  }
  if (!all_finite) refuse_values(call_, kernels_, pool_);
}

void Prefill::record(const HeadGroup& group, int64_t g) {
  const BlockGrid& grid = group.grid;
  for (int64_t i = 0; i < grid.q_blocks(); ++i) {
    const uint64_t* mask = workspace_.mask.row(g, i);
    for (int64_t j = grid.first(i); j < grid.visible(i); ++j) {
      const bool kept = is_kept(mask, j);
      call_.kept_blocks += kept;
      if (call_.trace.block_mask != nullptr) call_.trace.block_mask[group.block_row_index(g, i) + j] = kept;
    }
    call_.causal_blocks += grid.causal_blocks(i);
  }
  const int64_t first_key = group.head_index(g) * call_.max_seqlen_k;
  if (call_.trace.indices != nullptr) {
    const std::vector<int32_t>& order = workspace_.keys.orders[static_cast<size_t>(g)];
    std::copy(order.begin(), order.end(), call_.trace.indices + first_key);
  }
  if (call_.trace.key_scores != nullptr) {
    for (int64_t j = 0; j < grid.complete_keys(); ++j) {
      call_.trace.key_scores[first_key + j] =
          workspace_.keys.scores[static_cast<size_t>(g)][static_cast<size_t>(j)].value();
    }
  }
}

}  // namespace pbs_attn
