// Stage 1: score the keys by the attention of the last queries, order them inside each segment, and gather keys and
// values in that order.
#ifndef PBS_ATTN_CPU_PERMUTE_H_
#define PBS_ATTN_CPU_PERMUTE_H_

#include <cstdint>
#include <vector>

#include "aligned_buffer.h"
#include "head_group.h"
#include "key_scorer.h"
#include "rank_sort.h"

namespace pbs_attn {

struct KeyOrders {
  std::vector<std::vector<KeyScore>> scores;  // for each query head (complete_keys)
  std::vector<std::vector<int32_t>> orders;   // for each query head (seqlen_k): original position of each permuted key
};

// Keys and values of one key order, ready for the engine.
struct PackedKeys {
  AlignedBuffer<char> keys;          // (k_blocks, padded block, padded dim) elements of the engine
  AlignedBuffer<char> values;        // the same size
  AlignedBuffer<int32_t> positions;  // (k_blocks, padded block): original position, INT32_MAX for padding
  std::vector<KeyBlock> blocks;      // (k_blocks): where each lies in these
  AlignedBuffer<float> key_sums;     // (k_blocks, padded dim): of the keys of a block
  int64_t first_block = 0;           // that has the first key of the sequence
};

// Every key where it is.
void keep_order(const HeadGroup& group, KeyOrders& keys);

// By falling score inside each complete segment. spare has memory for each thread.
void order_keys(const HeadGroup& group, KeyScorer& scorer, KeyOrders& keys, std::vector<RankSpace>& spare);

// Gathers the keys and values that a query sees, in the order of head g. Query heads that share an order share what is
// packed. Answers whether all are finite; rows are looked at for g = 0, and not again in another order.
bool pack_keys(const HeadGroup& group, const KeyOrders& keys, int64_t g, PackedKeys& packed);

}  // namespace pbs_attn

#endif  // PBS_ATTN_CPU_PERMUTE_H_
