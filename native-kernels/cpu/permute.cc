#include "permute.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <numeric>

namespace pbs_attn {
namespace {

constexpr int64_t kKeysPerTask = 2048;

// One score for all query heads: the mean of theirs.
void share_scores(const HeadGroup& group, std::vector<std::vector<KeyScore>>& scores) {
  const int64_t keys = group.grid.complete_keys();
  group.pool.run(divide_up(keys, kKeysPerTask), [&](int64_t task, int) {
    for (int64_t j = task * kKeysPerTask; j < std::min(keys, (task + 1) * kKeysPerTask); ++j) {
      const size_t key = static_cast<size_t>(j);
      float max = scores[0][key].log();
      for (const std::vector<KeyScore>& of_head : scores) max = std::max(max, of_head[key].log());
      float sum = 0;
      for (const std::vector<KeyScore>& of_head : scores) sum += std::exp(of_head[key].log() - max);
      const KeyScore mean = KeyScore::of_log(max + std::log(sum / static_cast<float>(group.size())));
      for (std::vector<KeyScore>& of_head : scores) of_head[key] = mean;
    }
  });
}

// By falling score; keys of equal score stay in their order.
void order_segment(const std::vector<KeyScore>& scores, int64_t begin, int64_t count, std::vector<int32_t>& order,
                   RankSpace& space) {
  space.items.resize(static_cast<size_t>(count));
  for (int64_t n = 0; n < count; ++n) {
    space.items[static_cast<size_t>(n)] = {scores[static_cast<size_t>(begin + n)].rank(),
                                           static_cast<int32_t>(begin + n)};
  }
  sort_by_rank(space);
  std::transform(space.items.begin(), space.items.end(), order.begin() + begin,
                 [](const Ranked& item) { return item.index; });
}

void reserve(const HeadGroup& group, PackedKeys& packed) {
  const int64_t blocks = group.grid.k_blocks();
  const int64_t bytes = blocks * group.padded_block() * group.packed_row_bytes();
  const Pages pages = bytes >= kHugePage ? Pages::kHuge : Pages::kUsual;
  packed.keys.reserve(bytes, pages);
  packed.values.reserve(bytes, pages);
  packed.positions.reserve(blocks * group.padded_block());
  packed.blocks.resize(static_cast<size_t>(blocks));
  packed.key_sums.reserve(blocks * group.padded_dim());
}

void pack_block(const HeadGroup& group, const std::vector<int32_t>& order, int64_t j, PackedKeys& packed) {
  const int64_t count = group.grid.keys(j);
  const int64_t padded_block = group.padded_block(), padded_dim = group.padded_dim();
  const int32_t* indices = &order[static_cast<size_t>(j * group.grid.block_size)];
  int32_t* positions = packed.positions.data() + j * padded_block;
  std::copy(indices, indices + count, positions);
  std::fill(positions + count, positions + padded_block, std::numeric_limits<int32_t>::max());

  const int64_t first_byte = j * padded_block * group.packed_row_bytes();
  char* keys = packed.keys.data() + first_byte;
  char* values = packed.values.data() + first_byte;
  float* sums = group.keeps_everything() ? nullptr : packed.key_sums.data() + j * padded_dim;
  group.engine.gather_keys(group.k_rows(), indices, count, padded_block, padded_dim, keys, sums);
  group.engine.gather_values(group.v_rows(), indices, count, padded_block, padded_dim, values);
  packed.blocks[static_cast<size_t>(j)] = {keys, values, positions, *std::min_element(indices, indices + count),
                                           *std::max_element(positions, positions + padded_block)};
}

// While they lie in a cache still: a check before the work would read everything from memory once more.
bool is_finite(const HeadGroup& group, const KeyBlock& block) {
  const int64_t elements = group.padded_block() * group.padded_dim();
  return group.kernels.all_finite(group.engine.dtype, block.keys, elements) &&
         group.kernels.all_finite(group.engine.dtype, block.values, elements);
}

}  // namespace

void keep_order(const HeadGroup& group, KeyOrders& keys) {
  keys.orders.resize(static_cast<size_t>(group.size()));
  for (std::vector<int32_t>& order : keys.orders) {
    order.resize(static_cast<size_t>(group.grid.seqlen_k));
    std::iota(order.begin(), order.end(), 0);
  }
}

void order_keys(const HeadGroup& group, KeyScorer& scorer, KeyOrders& keys, std::vector<RankSpace>& spare) {
  keep_order(group, keys);  // for the keys after the last complete segment
  keys.scores.resize(static_cast<size_t>(group.size()));
  const BlockGrid& grid = group.grid;
  const int64_t queries = std::min(grid.block_size, grid.seqlen_q);
  std::vector<Rows> last_queries;
  for (int64_t g = 0; g < group.size(); ++g) last_queries.push_back(group.q_rows(g, grid.seqlen_q - queries));
  scorer.run(group.k_rows(), grid.complete_keys(), last_queries, queries, keys.scores);
  if (group.call.key_order == PBS_ATTN_PER_KV_HEAD) share_scores(group, keys.scores);
  const int64_t segments = grid.complete_keys() / grid.segment_size;
  group.pool.run(segments * group.size(), [&](int64_t task, int thread) {
    const size_t g = static_cast<size_t>(task / segments);
    order_segment(keys.scores[g], task % segments * grid.segment_size, grid.segment_size, keys.orders[g],
                  spare[static_cast<size_t>(thread)]);
  });
}

// The blocks of a segment are one thread's, since each has some of the rows that lie side by side.
bool pack_keys(const HeadGroup& group, const KeyOrders& keys, int64_t g, PackedKeys& packed) {
  reserve(group, packed);
  const std::vector<int32_t>& order = keys.orders[static_cast<size_t>(g)];
  const BlockGrid& grid = group.grid;
  const int64_t first = grid.first(0);
  const int64_t blocks_per_task = grid.segment_size / grid.block_size;
  std::atomic<bool> all_finite{true};
  group.pool.run(divide_up(grid.k_blocks() - first, blocks_per_task), [&](int64_t n, int) {
    const int64_t begin = first + n * blocks_per_task;
    for (int64_t j = begin; j < std::min(begin + blocks_per_task, grid.k_blocks()); ++j) {
      pack_block(group, order, j, packed);
      if (g == 0 && !is_finite(group, packed.blocks[static_cast<size_t>(j)])) all_finite = false;
    }
  });
  packed.first_block = (std::find(order.begin(), order.end(), 0) - order.begin()) / grid.block_size;
  return all_finite;
}

}  // namespace pbs_attn
