// A radix sort: segments and rows of blocks are hundreds of items, several times faster to sort so than by comparisons.
#include "rank_sort.h"

#include <cstddef>

namespace pbs_attn {
namespace {

constexpr int kDigits = 4;
constexpr int kDigitBits = 8;
constexpr size_t kDigitValues = size_t{1} << kDigitBits;

size_t digit(uint32_t rank, int d) { return (rank >> (d * kDigitBits)) & (kDigitValues - 1); }

}  // namespace

void sort_by_rank(RankSpace& space) {
  std::vector<Ranked>& items = space.items;
  std::vector<Ranked>& spare = space.spare;
  uint32_t counts[kDigits][kDigitValues] = {};
  for (const Ranked& item : items) {
    for (int d = 0; d < kDigits; ++d) ++counts[d][digit(item.rank, d)];
  }
  spare.resize(items.size());
  for (int d = 0; d < kDigits; ++d) {
    uint32_t* next = counts[d];  // becomes the index of the next item with each value of the digit
    uint32_t before = 0;
    for (size_t value = 0; value < kDigitValues; ++value) {
      const uint32_t count = next[value];
      next[value] = before;
      before += count;
    }
    for (const Ranked& item : items) spare[next[digit(item.rank, d)]++] = item;
    items.swap(spare);
  }
}

}  // namespace pbs_attn
