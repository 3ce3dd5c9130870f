#include "dispatch.h"

#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include <cstdlib>
#include <vector>

namespace pbs_attn {
namespace {

#if defined(__x86_64__) || defined(_M_X64)

bool has_avx512() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

// The tile registers are large, so Linux wants a process to ask for them.
bool has_amx() {
#if defined(PBS_ATTN_EMULATED_TILES)
  return true;
#elif defined(__linux__)
  constexpr long kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM
  constexpr long kTileData = 18;
  return __builtin_cpu_supports("amx-tile") && __builtin_cpu_supports("amx-bf16") &&
         syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

#endif

// What this CPU and its operating system can run, best first.
std::vector<const Kernels*> usable_kernels() {
  std::vector<const Kernels*> usable;
#if defined(__x86_64__) || defined(_M_X64)
  __builtin_cpu_init();
  if (has_avx512()) {
    const bool has_bf16 = __builtin_cpu_supports("avx512bf16");
    if (has_bf16 && has_amx()) usable.push_back(&kAmxBf16Kernels);
    // On Intel's cores products by vdpbf16ps are no faster than float32's (measured on Emerald Rapids).
    const bool is_intel = __builtin_cpu_is("intel");
    if (has_bf16 && !is_intel) usable.push_back(&kAvx512Bf16Kernels);
    usable.push_back(&kAvx512Kernels);
    if (has_bf16 && is_intel) usable.push_back(&kAvx512Bf16Kernels);
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) usable.push_back(&kAvx2Kernels);
#elif defined(__aarch64__)
  usable.push_back(&kNeonKernels);
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
