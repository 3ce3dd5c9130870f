// Stage 2: score the blocks by the means of their queries and permuted keys, and keep those that hold most of the mass.
#ifndef PBS_ATTN_CPU_SELECT_H_
#define PBS_ATTN_CPU_SELECT_H_

#include <cstdint>

#include "aligned_buffer.h"
#include "block_mask.h"
#include "head_group.h"
#include "permute.h"
#include "rank_sort.h"

namespace pbs_attn {

// (padded dim, padded k_blocks): the mean of each block's keys, a column each.
typedef AlignedBuffer<float> MeanKeys;

// What one thread works with.
struct SelectScratch {
  AlignedBuffer<float> means;   // (rows at once, padded dim)
  AlignedBuffer<float> scores;  // (rows at once, padded k_blocks)
  RankSpace ranks;              // blocks of a row, to be sorted
};

void average_keys(const HeadGroup& group, const PackedKeys& packed, MeanKeys& means);

// Sets the bits of the blocks that the rows of a range keep.
void select_blocks(const HeadGroup& group, const PackedKeys& packed, const MeanKeys& mean_keys, const QueryRange& range,
                   SelectScratch& scratch, BlockMask& mask);

}  // namespace pbs_attn

#endif  // PBS_ATTN_CPU_SELECT_H_
