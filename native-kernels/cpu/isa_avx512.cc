// AVX-512 F, BW, DQ and VL.
#include "kernels.h"

namespace pbs_attn {
namespace isa_avx512 {

constexpr int kWidth = 16;
constexpr int kMr = 6;
constexpr int kNv = 4;

#include "kernels-inl.h"

}  // namespace isa_avx512

constexpr Kernels kAvx512Kernels = isa_avx512::make_kernels("avx512");

}  // namespace pbs_attn
