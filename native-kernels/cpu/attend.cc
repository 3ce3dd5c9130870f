#include "attend.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "status.h"

namespace pbs_attn {
namespace {

constexpr int64_t kRangesPerThread = 8;    // fewer leave a thread idle at the end
constexpr int64_t kStripsAtOnce = 32;      // which share what is fetched of keys and values
constexpr int64_t kCachedBytes = 1 << 19;  // of keys and values that strips go through one after the other
constexpr int64_t kVisitsAtOnce = 256;  // so that the list of them stays short; the first and last overlap with nothing

void list_rows(const HeadGroup& group, const QueryRange& range, std::vector<StripRows>& rows) {
  const int64_t width = group.kernels.width;
  rows.clear();
  for_each_block(range, [&](int64_t g, int64_t i) {
    const int64_t count = group.grid.rows(i);
    for (int64_t first = 0; first < count; first += width) {
      rows.push_back({g, i, i * group.grid.block_size + first, std::min(width, count - first)});
    }
  });
}

void gather_strips(const HeadGroup& group, AttendScratch& s) {
  const int64_t width = group.kernels.width, padded_dim = group.padded_dim();
  const int64_t lanes = static_cast<int64_t>(s.rows.size()) * width;
  s.q.reserve(lanes * group.packed_row_bytes());
  s.o.reserve(lanes * padded_dim);
  s.max.reserve(lanes);
  s.sum.reserve(lanes);
  std::fill(s.o.data(), s.o.data() + lanes * padded_dim, 0.0f);
  std::fill(s.max.data(), s.max.data() + lanes, -std::numeric_limits<float>::infinity());
  std::fill(s.sum.data(), s.sum.data() + lanes, 0.0);
  s.strips.clear();
  for (const StripRows& rows : s.rows) {
    const int64_t lane = static_cast<int64_t>(s.strips.size()) * width;
    const int64_t position = group.grid.first_position(0) + rows.first;
    char* q = s.q.data() + lane * group.packed_row_bytes();
    group.engine.gather_queries(group.q_rows(rows.head, rows.first), rows.count, padded_dim, q);
    s.strips.push_back({q, s.o.data() + lane * padded_dim, s.max.data() + lane, s.sum.data() + lane,
                        static_cast<int32_t>(position), static_cast<int32_t>(position + rows.count - 1),
                        group.grid.is_windowed() ? group.call.window : std::numeric_limits<int32_t>::max()});
  }
}

// The blocks that any of the strips keeps.
void list_kept_blocks(const HeadGroup& group, const BlockMask& mask, AttendScratch& s) {
  s.any.assign(static_cast<size_t>(mask.words()), 0);
  for (const StripRows& rows : s.rows) {
    const uint64_t* row = mask.row(rows.head, rows.block);
    for (int64_t w = 0; w < mask.words(); ++w) s.any[static_cast<size_t>(w)] |= row[w];
  }
  s.kept.clear();
  for (int64_t j = 0; j < group.grid.k_blocks(); ++j) {
    if (is_kept(s.any.data(), j)) s.kept.push_back(j);
  }
}

// In batches of kept blocks that a cache holds: each strip goes through all of a batch before the next strip does. The
// first visits fetch the next batch, a part of a block each.
void go_through_blocks(const HeadGroup& group, const PackedKeys& packed, const BlockMask& mask, AttendScratch& s) {
  s.tiles.reserve(kScratchTiles * group.padded_block() * group.kernels.width);
  const int64_t count = static_cast<int64_t>(s.kept.size());
  const int64_t block_bytes = group.padded_block() * group.packed_row_bytes();
  const int64_t batch = std::max<int64_t>(1, kCachedBytes / (2 * block_bytes));
  s.visits.clear();
  for (int64_t begin = 0; begin < count; begin += batch) {
    const int64_t end = std::min(begin + batch, count);
    const int64_t parts = (std::min(end + batch, count) - end) * kParts;
    int64_t part = 0;
    for (size_t n = 0; n < s.strips.size(); ++n) {
      const QueryStrip& strip = s.strips[n];
      const uint64_t* row = mask.row(s.rows[n].head, s.rows[n].block);
      const int64_t first_seen = group.grid.first_seen(strip.first_position);
      for (int64_t k = begin; k < end; ++k) {
        const int64_t j = s.kept[static_cast<size_t>(k)];
        const KeyBlock& block = packed.blocks[static_cast<size_t>(j)];
        // A block of the own segment may come after these queries, and one that a window reaches before theirs.
        if (!is_kept(row, j) || block.first > strip.last_position || j < first_seen) continue;
        s.visits.push_back({&block, &strip, nullptr, nullptr});
        if (part == parts) continue;
        const int64_t next = s.kept[static_cast<size_t>(end + part / kParts)];
        const int64_t offset = next * block_bytes + part % kParts * block_bytes / kParts;
        s.visits.back().next_keys = packed.keys.data() + offset;
        s.visits.back().next_values = packed.values.data() + offset;
        ++part;
      }
    }
    if (end == count || static_cast<int64_t>(s.visits.size()) >= kVisitsAtOnce) {
      group.engine.attend(group.tile_shape(), s.visits.data(), static_cast<int64_t>(s.visits.size()), s.tiles.data());
      s.visits.clear();
    }
  }
}

// q, k and v are finite, but their products and sums may be more than float32 holds.
void require_finite(const HeadGroup& group, const QueryStrip& strip, const StripRows& rows, const Rows& o) {
  for (int64_t r = 0; r < rows.count; ++r) {
    if (std::isfinite(strip.max[r]) && group.kernels.all_finite(o.dtype, rows_from(o, r).first, o.dim)) {
      continue;
    }
    throw CallError(PBS_ATTN_NOT_FINITE, "o: products of q and k or sums of v overflow float32 in sequence " +
                                             std::to_string(group.batch) + ", head " +
                                             std::to_string(group.kv_head * group.size() + rows.head) + ", row " +
                                             std::to_string(rows.first + r));
  }
}

void finish_strip(const HeadGroup& group, const QueryStrip& strip, const StripRows& rows, float* factors) {
  for (int64_t r = 0; r < group.kernels.width; ++r) {
    factors[r] = r < rows.count ? static_cast<float>(1 / strip.sum[r]) : 0;
  }
  const Rows o = group.o_rows(rows.head, rows.first);
  group.kernels.store_output(strip.o, factors, o, rows.count);
  require_finite(group, strip, rows, o);
  if (group.call.lse == nullptr) return;
  float* lse = group.call.lse + group.head_index(rows.head) * group.call.max_seqlen_q + rows.first;
  for (int64_t r = 0; r < rows.count; ++r) {
    lse[r] = static_cast<float>(strip.max[r] * group.call.softmax_scale + std::log(strip.sum[r]));
  }
}

}  // namespace

// A range is a few blocks of queries, of all heads that share packed keys: as many as use a key block while a cache
// holds it, and so few that there are ranges for all threads. Those that may see most come first, so that no thread is
// left with a long one at the end.
std::vector<QueryRange> query_ranges(const HeadGroup& group, int64_t first_head, int64_t heads) {
  const int64_t blocks = group.grid.q_blocks();
  const int64_t most_blocks = blocks / (kRangesPerThread * group.pool.size());
  const int64_t heads_at_once = most_blocks > 0 ? heads : 1;
  const int64_t strips = heads_at_once * divide_up(group.grid.block_size, group.kernels.width);
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

bool attend(const HeadGroup& group, const PackedKeys& packed, const BlockMask& mask, const QueryRange& range,
            AttendScratch& scratch) {
  list_rows(group, range, scratch.rows);
  gather_strips(group, scratch);
  const int64_t lanes = static_cast<int64_t>(scratch.rows.size()) * group.kernels.width;
  if (!group.kernels.all_finite(group.engine.dtype, scratch.q.data(), lanes * group.padded_dim())) return false;
  list_kept_blocks(group, mask, scratch);
  go_through_blocks(group, packed, mask, scratch);
  scratch.factors.reserve(group.kernels.width);
  for (size_t n = 0; n < scratch.strips.size(); ++n) {
    finish_strip(group, scratch.strips[n], scratch.rows[n], scratch.factors.data());
  }
  return true;
}

}  // namespace pbs_attn
