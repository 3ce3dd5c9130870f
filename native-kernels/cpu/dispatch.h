// The choice of an instruction set.
#ifndef PBS_ATTN_CPU_DISPATCH_H_
#define PBS_ATTN_CPU_DISPATCH_H_

#include <string>

#include "kernels.h"

namespace pbs_attn {

// The kernels to use: the best that this CPU runs, or those that PBS_ATTN_ISA names; null if it cannot have them.
const Kernels* chosen_kernels();

// Names of the instruction sets of this build that this CPU runs, best first, separated by commas.
const std::string& available_isas();

}  // namespace pbs_attn

#endif  // PBS_ATTN_CPU_DISPATCH_H_
