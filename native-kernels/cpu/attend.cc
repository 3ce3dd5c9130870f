// Stage 3: attention over the kept blocks with an online softmax.
#include <algorithm>
#include <cmath>
#include <limits>

#include "arithmetic.h"
#include "block_mask.h"
#include "element.h"
#include "head_group.h"

namespace pbs_attn {
namespace {

constexpr int64_t kRangesPerThread = 8;    // fewer leave a thread idle at the end
constexpr int64_t kStripsAtOnce = 32;      // which share what is fetched of keys and values
constexpr int64_t kCachedBytes = 1 << 19;  // of keys and values that strips go through one after the other
constexpr int64_t kVisitsAtOnce = 256;  // so that the list of them stays short; the first and last overlap with nothing

}  // namespace

// A range is a few blocks of queries, of all heads that share packed keys: as many as use a key block while a cache
// holds it, and so few that there are ranges for all threads. Those that may see most come first, so that no thread is
// left with a long one at the end.
std::vector<HeadGroup::QueryRange> HeadGroup::ranges(int64_t first_head, int64_t heads) const {
  const int64_t blocks = grid_.q_blocks();
  const int64_t most_blocks = blocks / (kRangesPerThread * pool_.size());
  const int64_t heads_at_once = most_blocks > 0 ? heads : 1;
  const int64_t strips = heads_at_once * divide_up(grid_.block_size, kernels_.width);
  const int64_t blocks_at_once = std::max<int64_t>(1, std::min(most_blocks, kStripsAtOnce / strips));
  std::vector<QueryRange> ranges;
  for (int64_t end = blocks; end > 0; end -= blocks_at_once) {
    const int64_t begin = std::max<int64_t>(0, end - blocks_at_once);
    for (int64_t head = first_head; head < first_head + heads; head += heads_at_once) {
      ranges.push_back({head, heads_at_once, begin, end - begin});
    }
  }
  return ranges;
}

void HeadGroup::attend(const QueryRange& range, Scratch& s) {
  const int64_t width = kernels_.width;
  s.rows.clear();
  for_each_row(range, [&](int64_t g, int64_t i) {
    for (int64_t first = 0; first < grid_.rows(i); first += width) {
      s.rows.push_back({g, i, i * grid_.block_size + first, std::min(width, grid_.rows(i) - first)});
    }
  });
  const int64_t strips = static_cast<int64_t>(s.rows.size());
  const int64_t lanes = strips * width;
  s.q.reserve(lanes * row_bytes_);
  s.o.reserve(lanes * padded_dim_);
  s.max.reserve(lanes);
  s.sum.reserve(lanes);
  s.logits.reserve(kScratchTiles * padded_block_ * width);
  std::fill(s.o.data(), s.o.data() + lanes * padded_dim_, 0.0f);
  std::fill(s.max.data(), s.max.data() + lanes, -std::numeric_limits<float>::infinity());
  std::fill(s.sum.data(), s.sum.data() + lanes, 0.0);
  s.strips.clear();
  for (int64_t n = 0; n < strips; ++n) {
    const StripRows& rows = s.rows[static_cast<size_t>(n)];
    const int64_t position = grid_.first_position(0) + rows.first;
    char* q = s.q.data() + n * width * row_bytes_;
    engine_.gather_queries(q_rows(rows.head, rows.first), rows.count, padded_dim_, q);
    s.strips.push_back({q, s.o.data() + n * width * padded_dim_, s.max.data() + n * width, s.sum.data() + n * width,
                        static_cast<int32_t>(position), static_cast<int32_t>(position + rows.count - 1),
                        grid_.is_windowed() ? call_.window : std::numeric_limits<int32_t>::max()});
  }
  if (!check_packed(s.q.data(), lanes)) return;
  go_through_blocks(s);
  for (int64_t n = 0; n < strips; ++n)
    finish_strip(s.strips[static_cast<size_t>(n)], s.rows[static_cast<size_t>(n)], s);
}

// In groups of kept blocks that a cache holds: each strip goes through all of a group before the next strip does. The
// first visits fetch the next group, a part of a block each.
void HeadGroup::go_through_blocks(Scratch& s) {
  list_kept_blocks(s);
  const int64_t count = static_cast<int64_t>(s.kept.size());
  const int64_t block_bytes = padded_block_ * row_bytes_;
  const int64_t group = std::max<int64_t>(1, kCachedBytes / (2 * block_bytes));
  s.visits.clear();
  for (int64_t begin = 0; begin < count; begin += group) {
    const int64_t end = std::min(begin + group, count);
    const int64_t parts = (std::min(end + group, count) - end) * kParts;
    int64_t part = 0;
    for (size_t n = 0; n < s.strips.size(); ++n) {
      const QueryStrip& strip = s.strips[n];
      const uint64_t* mask = mask_row(s.rows[n].head, s.rows[n].block);
      const int64_t first_seen = grid_.first_seen(strip.first_position);
      for (int64_t k = begin; k < end; ++k) {
        const int64_t j = s.kept[static_cast<size_t>(k)];
        const KeyBlock& block = packed_.blocks[static_cast<size_t>(j)];
        // A block of the own segment may come after these queries, and one that a window reaches before theirs.
        if (!is_kept(mask, j) || block.first > strip.last_position || j < first_seen) continue;
        s.visits.push_back({&block, &strip, nullptr, nullptr});
        if (part == parts) continue;
        const int64_t next = s.kept[static_cast<size_t>(end + part / kParts)];
        const int64_t offset = next * block_bytes + part % kParts * block_bytes / kParts;
        s.visits.back().next_keys = packed_.keys.data() + offset;
        s.visits.back().next_values = packed_.values.data() + offset;
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

// The blocks that any of the strips keeps.
void HeadGroup::list_kept_blocks(Scratch& s) {
  s.any.assign(static_cast<size_t>(mask_words_), 0);
  for (const StripRows& rows : s.rows) {
    const uint64_t* mask = mask_row(rows.head, rows.block);
    for (int64_t w = 0; w < mask_words_; ++w) s.any[static_cast<size_t>(w)] |= mask[w];
  }
  s.kept.clear();
  for (int64_t j = 0; j < grid_.k_blocks(); ++j) {
    if (is_kept(s.any.data(), j)) s.kept.push_back(j);
  }
}

void HeadGroup::finish_strip(const QueryStrip& strip, const StripRows& rows, Scratch& s) {
  const int64_t width = kernels_.width;
  s.floats.reserve(width);
  for (int64_t r = 0; r < width; ++r) s.floats.data()[r] = r < rows.count ? static_cast<float>(1 / strip.sum[r]) : 0;
  kernels_.store_output(strip.o, s.floats.data(), rows_of(call_.o, kv_head_ * group_size_ + rows.head, rows.first),
                        rows.count);
  if (call_.lse == nullptr) return;
  for (int64_t r = 0; r < rows.count; ++r) {
    call_.lse[head_index(rows.head) * call_.max_seqlen_q + rows.first + r] =
        static_cast<float>(strip.max[r] * call_.softmax_scale + std::log(strip.sum[r]));
  }
}

}  // namespace pbs_attn
