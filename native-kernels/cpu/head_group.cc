#include "head_group.h"

#include <algorithm>
#include <chrono>
#include <numeric>

#include "arithmetic.h"
#include "block_mask.h"
#include "check_call.h"
#include "element.h"

namespace pbs_attn {
namespace {

constexpr int64_t kMostKept = int64_t{128} << 20;  // bytes: 256K tokens in bfloat16, heads of 128

// Adds the wall time of a stage to a field of the call.
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

HeadGroup::HeadGroup(const Kernels& kernels, pbs_attn_call& call, ThreadPool& pool, Workspace& workspace)
    : kernels_(kernels),
      engine_(call.dtype == PBS_ATTN_BFLOAT16 && kernels.bfloat16 != nullptr ? *kernels.bfloat16 : *kernels.float32),
      call_(call),
      pool_(pool),
      group_size_(call.num_q_heads / call.num_kv_heads),
      head_dim_(call.head_dim),
      padded_dim_(round_up(call.head_dim, kPadding)),
      padded_block_(round_up(call.block_size, kPadding)),
      row_bytes_(padded_dim_ * element_size(engine_.dtype)),
      key_scorer_(kernels, engine_, pool, padded_dim_, call.softmax_scale),
      workspace_(workspace),
      packed_(workspace.packed),
      scratch_(workspace.threads),
      scores_(workspace.scores),
      orders_(workspace.orders),
      mask_(workspace.mask) {
  if (scratch_.size() < static_cast<size_t>(pool.size())) scratch_.resize(static_cast<size_t>(pool.size()));
  scores_.resize(static_cast<size_t>(group_size_));
  orders_.resize(static_cast<size_t>(group_size_));
}

HeadGroup::~HeadGroup() {
  if (packed_.keys.bytes() + packed_.values.bytes() > kMostKept) workspace_ = {};
}

void HeadGroup::run(int64_t batch, int64_t kv_head) {
  batch_ = batch;
  kv_head_ = kv_head;
  grid_ = {call_.seqlens_q != nullptr ? call_.seqlens_q[batch] : call_.max_seqlen_q,
           call_.seqlens_k != nullptr ? call_.seqlens_k[batch] : call_.max_seqlen_k,
           call_.block_size,
           call_.segment_size,
           call_.min_length,
           call_.window};
  const int64_t blocks = grid_.k_blocks();
  mask_words_ = divide_up(blocks, 64);
  mask_.assign(static_cast<size_t>(group_size_ * grid_.q_blocks() * mask_words_), 0);
  const int64_t packed_bytes = blocks * padded_block_ * row_bytes_;
  const Pages pages = packed_bytes >= kHugePage ? Pages::kHuge : Pages::kUsual;
  packed_.keys.reserve(packed_bytes, pages);
  packed_.values.reserve(packed_bytes, pages);
  packed_.positions.reserve(blocks * padded_block_);
  packed_.blocks.resize(static_cast<size_t>(blocks));
  packed_.key_sums.reserve(blocks * padded_dim_);
  packed_.mean_keys.reserve(padded_dim_ * round_up(blocks, kPadding));
  for (std::vector<int32_t>& order : orders_) {
    order.resize(static_cast<size_t>(grid_.seqlen_k));
    std::iota(order.begin(), order.end(), 0);
  }
  const bool dense = keeps_everything();
  if (!dense) {
    StageTimer timer(call_.permute_seconds);
    permute();
  }
  const bool shared_order = dense || call_.key_order == PBS_ATTN_PER_KV_HEAD;
  const int64_t heads_at_once = shared_order ? group_size_ : 1;
  for (int64_t first = 0; first < group_size_; first += heads_at_once) {
    {
      StageTimer timer(call_.permute_seconds);
      pack(first);
    }
    require_finite();  // before anything is written: the output may be where the queries are
    {
      StageTimer timer(call_.select_seconds);
      prepare_selection(first);
    }
    {
      StageTimer timer(call_.attend_seconds);
      select_and_attend(first, heads_at_once);
    }
    require_finite();
  }
  for (int64_t g = 0; g < group_size_; ++g) record(g);
}

// What threads take to select, on average, counts as such.
void HeadGroup::select_and_attend(int64_t first_head, int64_t heads) {
  const std::vector<QueryRange> all = ranges(first_head, heads);
  pool_.run(static_cast<int64_t>(all.size()), [&](int64_t n, int thread) {
    Scratch& scratch = scratch_[static_cast<size_t>(thread)];
    {
      StageTimer timer(scratch.select_seconds);
      select(all[static_cast<size_t>(n)], scratch);
    }
    attend(all[static_cast<size_t>(n)], scratch);
  });
  for (Scratch& scratch : scratch_) {
    const double seconds = scratch.select_seconds / pool_.size();
    call_.select_seconds += seconds;
    call_.attend_seconds -= seconds;
    scratch.select_seconds = 0;
  }
}

// Whether rows are finite that were packed just now, and lie in a cache still: a check before the work would read
// everything from memory once more.
bool HeadGroup::check_packed(const void* rows, int64_t count) {
  const bool is_finite = kernels_.all_finite(engine_.dtype, rows, count * padded_dim_);
  if (!is_finite) is_finite_ = false;
  return is_finite;
}

void HeadGroup::require_finite() const {
  if (!is_finite_) refuse_values(call_, kernels_, pool_);
}

void HeadGroup::record(int64_t g) {
  const int64_t head = head_index(g);
  for (int64_t i = 0; i < grid_.q_blocks(); ++i) {
    const uint64_t* mask = mask_row(g, i);
    for (int64_t j = grid_.first(i); j < grid_.visible(i); ++j) {
      const bool kept = is_kept(mask, j);
      call_.kept_blocks += kept;
      if (call_.trace.block_mask != nullptr) {
        call_.trace.block_mask[block_row_index(g, i) + j] = kept;
      }
    }
    call_.causal_blocks += grid_.causal_blocks(i);
  }
  if (call_.trace.indices != nullptr) {
    std::copy(orders_[static_cast<size_t>(g)].begin(), orders_[static_cast<size_t>(g)].end(),
              call_.trace.indices + head * call_.max_seqlen_k);
  }
  if (call_.trace.key_scores != nullptr) {
    const int64_t keys = grid_.complete_keys();
    for (int64_t j = 0; j < keys; ++j) {
      call_.trace.key_scores[head * call_.max_seqlen_k + j] =
          scores_[static_cast<size_t>(g)][static_cast<size_t>(j)].value();
    }
  }
}

int64_t HeadGroup::head_index(int64_t g) const { return batch_ * call_.num_q_heads + kv_head_ * group_size_ + g; }

int64_t HeadGroup::block_row_index(int64_t g, int64_t i) const {
  const int64_t rows = divide_up(call_.max_seqlen_q, grid_.block_size);
  return (head_index(g) * rows + i) * divide_up(call_.max_seqlen_k, grid_.block_size);
}

bool HeadGroup::has_trace() const {
  return call_.trace.indices != nullptr || call_.trace.key_scores != nullptr || call_.trace.block_scores != nullptr ||
         call_.trace.block_mask != nullptr;
}

// Then neither the order of the keys nor the scores of the blocks change the result, and only a trace asks for them.
bool HeadGroup::keeps_everything() const { return grid_.is_dense() || (call_.threshold >= 1 && !has_trace()); }

Rows HeadGroup::rows_of(const pbs_attn_tensor& tensor, int64_t head, int64_t first_row) const {
  return {call_.dtype, row_of(tensor, call_.dtype, batch_, head, first_row),
          tensor.row_stride * element_size(call_.dtype), head_dim_};
}

}  // namespace pbs_attn
