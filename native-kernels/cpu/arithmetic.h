// Division and rounding of sizes, which are not negative.
#ifndef PBS_ATTN_CPU_ARITHMETIC_H_
#define PBS_ATTN_CPU_ARITHMETIC_H_

#include <cstdint>

namespace pbs_attn {

inline int64_t divide_up(int64_t n, int64_t by) { return (n + by - 1) / by; }
inline int64_t round_up(int64_t n, int64_t multiple) { return divide_up(n, multiple) * multiple; }

}  // namespace pbs_attn

#endif  // PBS_ATTN_CPU_ARITHMETIC_H_
