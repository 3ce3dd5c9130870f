// Attention on AMX with weights in words: heads of 64.
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

template void attend_by_schedule<WordWeigher, 64, 128>(const TileShape&, const Visit*, int64_t, float*);
template void attend_by_schedule<WordWeigher, 64, 64>(const TileShape&, const Visit*, int64_t, float*);

}  // namespace isa_amx_bf16
}  // namespace pbs_attn
