#include "dispatch.h"

#include <cstdlib>
#include <vector>

namespace pbs_attn {
namespace {

// What this CPU and its operating system can run, best first.
std::vector<const Kernels*> usable_kernels() {
  std::vector<const Kernels*> usable;
#if defined(__x86_64__) || defined(_M_X64)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl")) {
    usable.push_back(&kAvx512Kernels);
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) usable.push_back(&kAvx2Kernels);
#endif
  usable.push_back(&kScalarKernels);
  return usable;
}

const Kernels* choose() {
  const std::vector<const Kernels*> usable = usable_kernels();
  const char* forced = std::getenv("PBS_ATTN_ISA");
  if (forced == nullptr || *forced == '\0') return usable.front();
  for (const Kernels* kernels : usable) {
    if (std::string(kernels->name) == forced) return kernels;
  }
  return nullptr;
}

std::string join_names() {
  std::string names;
  for (const Kernels* kernels : usable_kernels()) names += (names.empty() ? "" : ",") + std::string(kernels->name);
  return names;
}

}  // namespace

const Kernels* chosen_kernels() {
  static const Kernels* const kernels = choose();
  return kernels;
}

const std::string& available_isas() {
  static const std::string names = join_names();
  return names;
}

}  // namespace pbs_attn
