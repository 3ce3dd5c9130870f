// How the blocks of one sequence lie: which key blocks a query block may look at, and which of them it must.
#ifndef PBS_ATTN_CPU_BLOCK_GRID_H_
#define PBS_ATTN_CPU_BLOCK_GRID_H_

#include <algorithm>
#include <cstdint>

#include "arithmetic.h"

namespace pbs_attn {

struct BlockGrid {
  int64_t seqlen_q;
  int64_t seqlen_k;
  int64_t block_size;
  int64_t segment_size;
  int64_t min_length;
  int64_t window;  // keys that a query sees; 0: all up to its own

  int64_t q_blocks() const { return divide_up(seqlen_q, block_size); }
  int64_t k_blocks() const { return divide_up(seqlen_k, block_size); }

  // Keys in complete segments, which are reordered; none where every block is kept anyway.
  int64_t complete_keys() const { return is_dense() ? 0 : seqlen_k / segment_size * segment_size; }
  bool is_single_segment() const { return seqlen_k <= segment_size; }
  bool is_windowed() const { return window > 0 && window < seqlen_k; }
  bool is_dense() const { return is_single_segment() || seqlen_k < min_length || is_windowed(); }

  // Query rows of block i, and the positions of the first and the last of them.
  int64_t rows(int64_t i) const { return std::min(block_size, seqlen_q - i * block_size); }
  int64_t first_position(int64_t i) const { return seqlen_k - seqlen_q + i * block_size; }
  int64_t last_position(int64_t i) const { return first_position(i) + rows(i) - 1; }

  int64_t keys(int64_t j) const { return std::min(block_size, seqlen_k - j * block_size); }

  // The block of the first key that the query at a position sees.
  int64_t first_seen(int64_t position) const {
    return is_windowed() ? std::max<int64_t>(0, position - window + 1) / block_size : 0;
  }

  // Key blocks first(i)..candidates(i)-1 lie in segments that end before query block i begins: the block scores decide
  // about them. Key blocks candidates(i)..visible(i)-1 lie in the row's own segments and are kept. In a window all are
  // kept.
  int64_t first(int64_t i) const { return first_seen(first_position(i)); }
  int64_t candidates(int64_t i) const {
    if (is_windowed()) return first(i);
    return is_single_segment() ? 0 : first_position(i) / segment_size * (segment_size / block_size);
  }
  int64_t visible(int64_t i) const {
    if (is_windowed()) return last_position(i) / block_size + 1;
    if (is_single_segment()) return k_blocks();
    return std::min(k_blocks(), (last_position(i) / segment_size + 1) * (segment_size / block_size));
  }
  // Key blocks that query block i computes in dense attention.
  int64_t causal_blocks(int64_t i) const { return visible(i) - first(i); }
};

}  // namespace pbs_attn

#endif  // PBS_ATTN_CPU_BLOCK_GRID_H_
