// Checks a call's arguments and values before any work begins.
#ifndef PBS_ATTN_CPU_CHECK_CALL_H_
#define PBS_ATTN_CPU_CHECK_CALL_H_

#include <stdexcept>
#include <string>

#include "kernels.h"
#include "pbs_attn.h"
#include "team.h"

namespace pbs_attn {

// A failure with the status that the C interface answers.
class CallError : public std::runtime_error {
 public:
  CallError(pbs_attn_status status, const std::string& message) : std::runtime_error(message), status_(status) {}
  pbs_attn_status status() const { return status_; }

 private:
  pbs_attn_status status_;
};

// Throws CallError with PBS_ATTN_INVALID_ARGUMENT, naming the field, its value and what was expected.
void check_arguments(const pbs_attn_call& call);

// Throws CallError with PBS_ATTN_NOT_FINITE if a valid row of q, k or v holds NaN or infinity.
void check_values(const pbs_attn_call& call, const Kernels& kernels, Team& team);

}  // namespace pbs_attn

#endif  // PBS_ATTN_CPU_CHECK_CALL_H_
