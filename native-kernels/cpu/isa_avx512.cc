// AVX-512 F, BW, DQ and VL.
#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "kernels.h"
#include "pbs_attn.h"

namespace pbs_attn {
namespace isa_avx512 {

constexpr int kWidth = 16;
constexpr int kMr = 8;
constexpr int kNv = 2;

#include "kernels-inl.h"

}  // namespace isa_avx512

constexpr Kernels kAvx512Kernels = isa_avx512::make_kernels("avx512", nullptr);

}  // namespace pbs_attn
