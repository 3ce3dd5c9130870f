// No instruction beyond the platform's baseline (SSE2 on x86-64, NEON on aarch64).
#include "kernels.h"

namespace pbs_attn {
namespace isa_scalar {

constexpr int kWidth = 4;
constexpr int kMr = 4;
constexpr int kNv = 2;

#include "kernels-inl.h"

}  // namespace isa_scalar

constexpr Kernels kScalarKernels = isa_scalar::make_kernels("scalar");

}  // namespace pbs_attn
