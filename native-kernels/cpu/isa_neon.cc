// NEON, which every 64-bit ARM has.
#include <cstddef>
#include <cstdint>

#include "kernels.h"
#include "layer_kernels.h"
#include "pbs_attn.h"

namespace pbs_attn {
namespace isa_neon {

constexpr int kWidth = 4;
constexpr int kMr = 4;
constexpr int kNv = 4;

#include "kernels-inl.h"

constexpr LayerKernels kLayerKernels = make_layer_kernels(nullptr);

}  // namespace isa_neon

constexpr Kernels kNeonKernels = isa_neon::make_kernels("neon", nullptr, &isa_neon::kLayerKernels);

}  // namespace pbs_attn
