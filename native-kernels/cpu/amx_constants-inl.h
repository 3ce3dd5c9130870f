// What every file for AMX compiles the kernels with.
#ifndef PBS_ATTN_CPU_AMX_CONSTANTS_INL_H_
#define PBS_ATTN_CPU_AMX_CONSTANTS_INL_H_

constexpr int kWidth = 16;
constexpr int kMr = 8;
constexpr int kNv = 2;

#endif  // PBS_ATTN_CPU_AMX_CONSTANTS_INL_H_
