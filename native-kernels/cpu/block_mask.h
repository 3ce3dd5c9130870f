// A row of the block mask: a bit for each key block.
#ifndef PBS_ATTN_CPU_BLOCK_MASK_H_
#define PBS_ATTN_CPU_BLOCK_MASK_H_

#include <cstdint>

namespace pbs_attn {

inline bool is_kept(const uint64_t* mask, int64_t block) { return (mask[block / 64] >> (block % 64)) & 1; }
inline void keep(uint64_t* mask, int64_t block) { mask[block / 64] |= uint64_t{1} << (block % 64); }

}  // namespace pbs_attn

#endif  // PBS_ATTN_CPU_BLOCK_MASK_H_
