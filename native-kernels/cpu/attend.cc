// Stage 3: attention over the kept blocks with an online softmax.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "arithmetic.h"
#include "block_mask.h"
#include "element.h"
#include "head_group.h"

namespace pbs_attn {
namespace {

constexpr int64_t kTasksPerThread = 8;  // fewer leave a thread idle at the end

}  // namespace

// Heads that share packed keys go through them together, block by block, where there are rows enough to go round.
void HeadGroup::attend(int64_t first_head, int64_t heads) {
  const int64_t blocks = grid_.q_blocks();
  const int64_t heads_per_task = blocks >= kTasksPerThread * team_.size() ? heads : 1;
  const int64_t tasks = heads / heads_per_task * blocks;
  // The rows with most blocks first, so that no thread is left with a long one at the end.
  std::vector<int64_t> order(static_cast<size_t>(tasks));
  std::vector<int64_t> work(order.size());
  std::iota(order.begin(), order.end(), 0);
  for (int64_t task = 0; task < tasks; ++task) {
    for (int64_t h = 0; h < heads_per_task; ++h) {
      const uint64_t* mask = mask_row(first_head + task / blocks * heads_per_task + h, task % blocks);
      for (int64_t w = 0; w < mask_words_; ++w) work[static_cast<size_t>(task)] += __builtin_popcountll(mask[w]);
    }
  }
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return work[static_cast<size_t>(a)] > work[static_cast<size_t>(b)]; });
  team_.run(tasks, [&](int64_t n, int thread) {
    const int64_t task = order[static_cast<size_t>(n)];
    attend_block(first_head + task / blocks * heads_per_task, heads_per_task, task % blocks,
                 scratch_[static_cast<size_t>(thread)]);
  });
}

void HeadGroup::attend_block(int64_t first_head, int64_t heads, int64_t i, Scratch& s) {
  const int64_t width = kernels_.width;
  const int64_t rows = grid_.rows(i);
  const int64_t strips = divide_up(rows, width);
  const int64_t lanes = heads * strips * width;
  s.q.reserve(lanes * row_bytes_);
  s.o.reserve(lanes * padded_dim_);
  s.max.reserve(lanes);
  s.sum.reserve(lanes);
  s.logits.reserve(padded_block_ * width);
  std::fill(s.o.data(), s.o.data() + lanes * padded_dim_, 0.0f);
  std::fill(s.max.data(), s.max.data() + lanes, -std::numeric_limits<float>::infinity());
  std::fill(s.sum.data(), s.sum.data() + lanes, 0.0);
  s.strips.resize(static_cast<size_t>(heads * strips));
  for (int64_t h = 0; h < heads; ++h) {
    const Rows queries = q_rows(first_head + h, i * grid_.block_size);
    for (int64_t strip = 0; strip < strips; ++strip) {
      const int64_t n = h * strips + strip;
      engine_.gather_queries(rows_from(queries, strip * width), std::min(width, rows - strip * width), padded_dim_,
                             s.q.data() + n * width * row_bytes_);
      const int64_t first = grid_.first_position(i) + strip * width;
      s.strips[static_cast<size_t>(n)] = {s.q.data() + n * width * row_bytes_,
                                          s.o.data() + n * width * padded_dim_,
                                          s.max.data() + n * width,
                                          s.sum.data() + n * width,
                                          static_cast<int32_t>(first),
                                          static_cast<int32_t>(std::min(first + width - 1, grid_.last_position(i)))};
    }
  }
  s.visits.clear();
  for (int64_t j = 0; j < grid_.visible(i); ++j) {
    for (int64_t h = 0; h < heads; ++h) {
      if (is_kept(mask_row(first_head + h, i), j)) s.visits.push_back({h, j});
    }
  }
  for (size_t n = 0; n < s.visits.size(); ++n) {
    const Visit& visit = s.visits[n];
    const Visit& next = s.visits[std::min(n + 1, s.visits.size() - 1)];
    engine_.attend(tile_shape(padded_block_), key_block(visit.block), key_block(next.block),
                   &s.strips[static_cast<size_t>(visit.head * strips)], strips, s.logits.data());
  }
  for (int64_t n = 0; n < heads * strips; ++n) {
    const int64_t first = n % strips * width;
    finish_strip(s.strips[static_cast<size_t>(n)], first_head + n / strips, i * grid_.block_size + first,
                 std::min(width, rows - first), s);
  }
}

KeyBlock HeadGroup::key_block(int64_t j) const {
  const int64_t at = j * padded_block_ * row_bytes_;
  return {packed_.keys.data() + at, packed_.values.data() + at, packed_.positions.data() + j * padded_block_,
          packed_.first[j], packed_.last[j]};
}

void HeadGroup::finish_strip(const QueryStrip& strip, int64_t g, int64_t first_row, int64_t rows, Scratch& s) {
  const int64_t width = kernels_.width;
  s.floats.reserve(width * (padded_dim_ + 1));
  float* factor = s.floats.data() + width * padded_dim_;
  for (int64_t r = 0; r < width; ++r) factor[r] = r < rows ? static_cast<float>(1 / strip.sum[r]) : 0;
  kernels_.unpack_output(padded_dim_, strip.o, factor, s.floats.data());
  for (int64_t r = 0; r < rows; ++r) {
    kernels_.store_row(call_.dtype, s.floats.data() + r * padded_dim_, head_dim_,
                       row_of(call_.o, call_.dtype, batch_, kv_head_ * group_size_ + g, first_row + r));
    if (call_.lse != nullptr) {
      call_.lse[head_index(g) * call_.max_seqlen_q + first_row + r] =
          static_cast<float>(strip.max[r] * call_.softmax_scale + std::log(strip.sum[r]));
    }
  }
}

}  // namespace pbs_attn
