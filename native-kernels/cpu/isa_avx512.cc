// AVX-512 F, BW, DQ and VL.
#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "kernels.h"
#include "layer_kernels.h"
#include "pbs_attn.h"

namespace pbs_attn {
namespace isa_avx512 {

constexpr int kWidth = 16;
constexpr int kMr = 8;
constexpr int kNv = 2;

#include "kernels-inl.h"

constexpr LayerKernels kLayerKernels = make_layer_kernels(nullptr);

}  // namespace isa_avx512

constexpr Kernels kAvx512Kernels = isa_avx512::make_kernels("avx512", nullptr, &isa_avx512::kLayerKernels);

}  // namespace pbs_attn
