// The block mask: for each row of blocks a bit for each key block.
#ifndef PBS_ATTN_CPU_BLOCK_MASK_H_
#define PBS_ATTN_CPU_BLOCK_MASK_H_

#include <cstdint>
#include <vector>

#include "arithmetic.h"

namespace pbs_attn {

inline bool is_kept(const uint64_t* mask, int64_t block) { return (mask[block / 64] >> (block % 64)) & 1; }
inline void keep(uint64_t* mask, int64_t block) { mask[block / 64] |= uint64_t{1} << (block % 64); }

class BlockMask {
 public:
  // Keeps no block of heads (heads, q_blocks, k_blocks).
  void clear(int64_t heads, int64_t q_blocks, int64_t k_blocks) {
    q_blocks_ = q_blocks;
    words_ = divide_up(k_blocks, 64);
    bits_.assign(static_cast<size_t>(heads * q_blocks * words_), 0);
  }

  int64_t words() const { return words_; }  // of a row

  uint64_t* row(int64_t head, int64_t q_block) {
    return &bits_[static_cast<size_t>((head * q_blocks_ + q_block) * words_)];
  }
  const uint64_t* row(int64_t head, int64_t q_block) const {
    return &bits_[static_cast<size_t>((head * q_blocks_ + q_block) * words_)];
  }

 private:
  int64_t q_blocks_ = 0;
  int64_t words_ = 0;
  std::vector<uint64_t> bits_;
};

}  // namespace pbs_attn

#endif  // PBS_ATTN_CPU_BLOCK_MASK_H_
