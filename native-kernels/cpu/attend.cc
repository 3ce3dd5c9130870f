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

constexpr int64_t kTasksPerThread = 8;     // fewer leave a thread idle at the end
constexpr int64_t kCachedBytes = 1 << 18;  // of keys and values that strips go through one after the other
constexpr int64_t kVisitsAtOnce = 256;  // so that the list of them stays short; the first and last overlap with nothing

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
  s.logits.reserve(kScratchTiles * padded_block_ * width);
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
                                          static_cast<int32_t>(std::min(first + width - 1, grid_.last_position(i))),
                                          grid_.is_windowed() ? call_.window : std::numeric_limits<int32_t>::max()};
    }
  }
  go_through_blocks(first_head, heads, i, s);
  for (int64_t n = 0; n < heads * strips; ++n) {
    const int64_t first = n % strips * width;
    finish_strip(s.strips[static_cast<size_t>(n)], first_head + n / strips, i * grid_.block_size + first,
                 std::min(width, rows - first), s);
  }
}

// In groups of kept blocks that a cache holds: each strip goes through all of a group before the next strip does. Each
// visit fetches a part of a block of the next group.
void HeadGroup::go_through_blocks(int64_t first_head, int64_t heads, int64_t i, Scratch& s) {
  const auto keeps = [&](int64_t h, int64_t j) { return is_kept(mask_row(first_head + h, i), j); };
  s.kept.clear();
  for (int64_t j = grid_.first(i); j < grid_.visible(i); ++j) {
    bool kept = false;
    for (int64_t h = 0; h < heads; ++h) kept = kept || keeps(h, j);
    if (kept) s.kept.push_back(j);
  }
  const int64_t count = static_cast<int64_t>(s.kept.size());
  const int64_t strips = static_cast<int64_t>(s.strips.size());
  const int64_t block_bytes = padded_block_ * row_bytes_;
  const int64_t group = std::max<int64_t>(1, kCachedBytes / (2 * block_bytes));
  s.visits.clear();
  s.visits.reserve(static_cast<size_t>(kVisitsAtOnce + strips * group));
  for (int64_t begin = 0; begin < count; begin += group) {
    const int64_t end = std::min(begin + group, count);
    int64_t part = 0;
    for (int64_t n = 0; n < strips; ++n) {
      const QueryStrip& strip = s.strips[static_cast<size_t>(n)];
      const int64_t first_seen = grid_.first_seen(strip.first_position);
      for (int64_t k = begin; k < end; ++k) {
        const int64_t j = s.kept[static_cast<size_t>(k)];
        const KeyBlock& block = packed_.blocks[static_cast<size_t>(j)];
        // A block of the own segment may come after these queries, and one that a window reaches before theirs.
        if (!keeps(n / (strips / heads), j) || block.first > strip.last_position || j < first_seen) continue;
        const int64_t next = s.kept[static_cast<size_t>(std::min(end + part / kParts, count - 1))];
        const int64_t offset = next * block_bytes + part % kParts * block_bytes / kParts;
        s.visits.push_back({&block, &strip, packed_.keys.data() + offset, packed_.values.data() + offset});
        ++part;
      }
    }
    if (end == count || static_cast<int64_t>(s.visits.size()) >= kVisitsAtOnce) {
      engine_.attend(tile_shape(padded_block_), s.visits.data(), static_cast<int64_t>(s.visits.size()),
                     s.logits.data());
      s.visits.clear();
    }
  }
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
