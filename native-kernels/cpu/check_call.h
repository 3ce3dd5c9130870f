// What a call must be like.
#ifndef PBS_ATTN_CPU_CHECK_CALL_H_
#define PBS_ATTN_CPU_CHECK_CALL_H_

#include "kernels.h"
#include "pbs_attn.h"
#include "status.h"
#include "thread_pool.h"

namespace pbs_attn {

// Throws CallError with PBS_ATTN_INVALID_ARGUMENT, naming the field, its value and what was expected.
void check_arguments(const pbs_attn_call& call);

// Throws CallError with PBS_ATTN_NOT_FINITE, naming the first row of q, k or v that it finds with NaN or infinity. For
// when there is one.
[[noreturn]] void refuse_values(const pbs_attn_call& call, const Kernels& kernels, ThreadPool& pool);

}  // namespace pbs_attn

#endif  // PBS_ATTN_CPU_CHECK_CALL_H_
