// Sorting by rank.
#ifndef PBS_ATTN_CPU_RANK_SORT_H_
#define PBS_ATTN_CPU_RANK_SORT_H_

#include <cstdint>
#include <vector>

namespace pbs_attn {

// An index, and the rank by which it is sorted.
struct Ranked {
  uint32_t rank;
  int32_t index;
};

// Items to be sorted, and as much memory to sort them in.
struct RankSpace {
  std::vector<Ranked> items;
  std::vector<Ranked> spare;
};

// Sorts the items by rising rank, those of equal rank as they were.
void sort_by_rank(RankSpace& space);

}  // namespace pbs_attn

#endif  // PBS_ATTN_CPU_RANK_SORT_H_
