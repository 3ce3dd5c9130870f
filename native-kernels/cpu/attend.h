// Stage 3: attention over the kept blocks with an online softmax.
#ifndef PBS_ATTN_CPU_ATTEND_H_
#define PBS_ATTN_CPU_ATTEND_H_

#include <cstdint>
#include <vector>

#include "aligned_buffer.h"
#include "block_mask.h"
#include "head_group.h"
#include "permute.h"

namespace pbs_attn {

// The rows of a strip.
struct StripRows {
  int64_t head;
  int64_t block;  // which they are in
  int64_t first;
  int64_t count;
};

// What one thread works with.
struct AttendScratch {
  AlignedBuffer<char> q;         // (strips, padded dim, width)
  AlignedBuffer<float> tiles;    // what Engine::attend works with
  AlignedBuffer<float> o;        // (strips, padded dim, width)
  AlignedBuffer<float> max;      // (strips, width)
  AlignedBuffer<double> sum;     // (strips, width)
  AlignedBuffer<float> factors;  // (width)
  std::vector<QueryStrip> strips;
  std::vector<StripRows> rows;  // (strips)
  std::vector<uint64_t> any;    // (words of the mask): blocks that any of the strips keeps
  std::vector<int64_t> kept;    // the same, one after the other
  std::vector<Visit> visits;
};

// The ranges of queries that threads take, all of `heads` heads from first_head on, which share packed keys.
std::vector<QueryRange> query_ranges(const HeadGroup& group, int64_t first_head, int64_t heads);

// Writes the outputs of a range. Answers whether its queries are finite; if not, nothing is written. Throws CallError
// with PBS_ATTN_NOT_FINITE if float32 overflows on the way.
bool attend(const HeadGroup& group, const PackedKeys& packed, const BlockMask& mask, const QueryRange& range,
            AttendScratch& scratch);

}  // namespace pbs_attn

#endif  // PBS_ATTN_CPU_ATTEND_H_
