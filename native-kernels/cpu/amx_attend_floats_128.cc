// Attention on AMX with weights in float32: heads of 128, and of dimensions without a schedule.
#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "kernels.h"
#include "pbs_attn.h"

namespace pbs_attn {
namespace isa_amx_bf16 {

#include "amx_constants-inl.h"

#include "amx_steps-inl.h"

template void attend_by_schedule<FloatWeigher, 128, 128>(const TileShape&, const Visit*, int64_t, float*);
template void attend_in_sequence<FloatWeigher>(const TileShape&, int64_t, const Visit*, int64_t, float*);

}  // namespace isa_amx_bf16
}  // namespace pbs_attn
