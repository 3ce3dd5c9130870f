// The baseline of the processor family: SSE2, or plain C++.
#include <cstddef>
#include <cstdint>

#include "kernels.h"
#include "layer_kernels.h"
#include "pbs_attn.h"

namespace pbs_attn {
namespace isa_scalar {

constexpr int kWidth = 4;
constexpr int kMr = 2;
constexpr int kNv = 4;

#include "kernels-inl.h"

constexpr LayerKernels kLayerKernels = make_layer_kernels(nullptr);

}  // namespace isa_scalar

constexpr Kernels kScalarKernels = isa_scalar::make_kernels("scalar", nullptr, &isa_scalar::kLayerKernels);

}  // namespace pbs_attn
