// AVX2 and FMA.
#include <cstddef>
#include <cstdint>

#include "kernels.h"
#include "layer_kernels.h"
#include "pbs_attn.h"

namespace pbs_attn {
namespace isa_avx2 {

constexpr int kWidth = 8;
constexpr int kMr = 6;
constexpr int kNv = 2;

#include "kernels-inl.h"

constexpr LayerKernels kLayerKernels = make_layer_kernels(nullptr);

}  // namespace isa_avx2

constexpr Kernels kAvx2Kernels = isa_avx2::make_kernels("avx2", nullptr, &isa_avx2::kLayerKernels);

}  // namespace pbs_attn
