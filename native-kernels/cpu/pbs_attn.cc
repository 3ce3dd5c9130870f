// The C interface: checks, the loop over sequences and KV heads, and exceptions turned into statuses.
#include "pbs_attn.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <string>

#include "check_call.h"
#include "dispatch.h"
#include "element.h"
#include "prefill.h"
#include "status.h"
#include "thread_pool.h"

namespace pbs_attn {
namespace {

// Rows past a sequence's own length hold nothing: output 0, log-sum-exp negative infinity.
void clear_padding(const pbs_attn_call& call, int64_t batch) {
  if (call.seqlens_q == nullptr) return;
  const size_t bytes = static_cast<size_t>(call.head_dim * element_size(call.dtype));
  for (int64_t head = 0; head < call.num_q_heads; ++head) {
    for (int64_t row = call.seqlens_q[batch]; row < call.max_seqlen_q; ++row) {
      std::memset(row_of(call.o, call.dtype, batch, head, row), 0, bytes);
      if (call.lse != nullptr) {
        call.lse[(batch * call.num_q_heads + head) * call.max_seqlen_q + row] = -std::numeric_limits<float>::infinity();
      }
    }
  }
}

void run(pbs_attn_call& call) {
  const Kernels* kernels = chosen_kernels();
  if (kernels == nullptr) {
    throw CallError(PBS_ATTN_UNSUPPORTED, "PBS_ATTN_ISA: expected one of " + available_isas());
  }
  check_arguments(call);
  ThreadPool pool(call.num_threads > 0 ? call.num_threads : available_cores());
  call.kept_blocks = 0;
  call.causal_blocks = 0;
  call.permute_seconds = 0;
  call.select_seconds = 0;
  call.attend_seconds = 0;
  thread_local Prefill::Workspace workspace;
  Prefill prefill(*kernels, call, pool, workspace);
  for (int64_t b = 0; b < call.batch; ++b) {
    clear_padding(call, b);
    for (int64_t kv_head = 0; kv_head < call.num_kv_heads; ++kv_head) prefill.run(b, kv_head);
  }
}

}  // namespace
}  // namespace pbs_attn

uint32_t pbs_attn_abi_version(void) { return PBS_ATTN_ABI_VERSION; }

const char* pbs_attn_isa(void) {
  const pbs_attn::Kernels* kernels = pbs_attn::chosen_kernels();
  return kernels == nullptr ? nullptr : kernels->name;
}

const char* pbs_attn_available_isas(void) { return pbs_attn::available_isas().c_str(); }

int32_t pbs_attn_default_threads(void) { return pbs_attn::available_cores(); }

int32_t pbs_attn_prefill(pbs_attn_call* call, char* message, size_t message_size) {
  return pbs_attn::status_of(message, message_size, [&] {
    if (call == nullptr || call->struct_size != sizeof(pbs_attn_call)) {
      throw pbs_attn::CallError(PBS_ATTN_INVALID_ARGUMENT,
                                "struct_size: expected " + std::to_string(sizeof(pbs_attn_call)) + ", found " +
                                    (call == nullptr ? "no call" : std::to_string(call->struct_size)));
    }
    pbs_attn::run(*call);
  });
}
