// NEON, which every 64-bit ARM has.
#include <cstddef>
#include <cstdint>

#include "kernels.h"
#include "pbs_attn.h"

namespace pbs_attn {
namespace isa_neon {

constexpr int kWidth = 4;
constexpr int kMr = 4;
constexpr int kNv = 4;

#include "kernels-inl.h"

}  // namespace isa_neon

constexpr Kernels kNeonKernels = isa_neon::make_kernels("neon", nullptr);

}  // namespace pbs_attn
