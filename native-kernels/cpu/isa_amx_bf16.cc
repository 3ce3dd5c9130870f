// AMX with BF16: tiles of 16 rows by 64 bytes, multiplied 16 x 16 x 32 at a time.
#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "kernels.h"
#include "layer_kernels.h"
#include "pbs_attn.h"

namespace pbs_attn {
namespace isa_amx_bf16 {

#include "amx_constants-inl.h"

#include "kernels-inl.h"

#include "amx_linear-inl.h"
#include "amx_logits-inl.h"
#include "amx_rows-inl.h"
#include "bfloat16_rows-inl.h"
#include "weigher-inl.h"

// In amx_attend_*.cc.
template <template <Range> class W, int kDim, int kStepKeys>
void attend_by_schedule(const TileShape& shape, const Visit* visits, int64_t count, float* scratch);
template <template <Range> class W>
void attend_in_sequence(const TileShape& shape, int64_t step_keys, const Visit* visits, int64_t count, float* scratch);

// In amx_scores.cc. Without values a visit only adds up weights.
void sum_weights(const TileShape& shape, const Visit* visits, int64_t count, float* scratch);
void score_keys_on_tiles(const TileShape& shape, const void* keys, const QueryStrip* strips, const float* weights,
                         int64_t strip_count, float* scratch, float* scores);

// What has a schedule: head dimensions, and keys of a step.
struct Scheduled {
  int64_t dim;
  int64_t step_keys;
  void (*attend)(const TileShape& shape, const Visit* visits, int64_t count, float* scratch);
};

constexpr Scheduled kFloatSchedules[] = {{128, 128, attend_by_schedule<FloatWeigher, 128, 128>},
                                         {64, 128, attend_by_schedule<FloatWeigher, 64, 128>}};
constexpr Scheduled kWordSchedules[] = {
    {128, 128, attend_by_schedule<WordWeigher, 128, 128>}, {64, 128, attend_by_schedule<WordWeigher, 64, 128>},
    {96, 128, attend_by_schedule<WordWeigher, 96, 128>},   {256, 128, attend_by_schedule<WordWeigher, 256, 128>},
    {128, 64, attend_by_schedule<WordWeigher, 128, 64>},   {64, 64, attend_by_schedule<WordWeigher, 64, 64>},
    {32, 64, attend_by_schedule<WordWeigher, 32, 64>}};

// The first schedule that fits, or none.
template <template <Range> class W, size_t kCount>
inline void attend_with(const Scheduled (&schedules)[kCount], const TileShape& shape, const Visit* visits,
                        int64_t count, float* scratch) {
  for (const Scheduled& schedule : schedules) {
    if (shape.dim != schedule.dim || shape.keys % schedule.step_keys != 0) continue;
    return schedule.attend(shape, visits, count, scratch);
  }
  int64_t step_keys = 128;
  while (shape.keys % step_keys != 0) step_keys -= kGroupKeys;
  attend_in_sequence<W>(shape, step_keys, visits, count, scratch);
}

inline void attend_on_tiles(const TileShape& shape, const Visit* visits, int64_t count, float* scratch) {
  [[maybe_unused]] const Session session;
  if (count > 0 && visits->block->values == nullptr) {
    sum_weights(shape, visits, count, scratch);
  } else if (shape.exact_sums) {
    attend_with<FloatWeigher>(kFloatSchedules, shape, visits, count, scratch);
  } else {
    attend_with<WordWeigher>(kWordSchedules, shape, visits, count, scratch);
  }
}

inline void logits_on_tiles(const TileShape& shape, const void* keys, const void* q, float* result) {
  [[maybe_unused]] const Session session;
  compute_logits(shape, static_cast<const char*>(keys), q, result);
}

constexpr Engine kBfloat16Engine = {PBS_ATTN_BFLOAT16, gather_bfloat16_queries, gather_keys,        gather_values,
                                    logits_on_tiles,   attend_on_tiles,         score_keys_on_tiles};

constexpr MatrixUnit kMatrixUnit = {pack_row_panel, pack_weight_panel, multiply_panel};

constexpr LayerKernels kLayerKernels = make_layer_kernels(&kMatrixUnit);

}  // namespace isa_amx_bf16

constexpr Kernels kAmxBf16Kernels =
    isa_amx_bf16::make_kernels("amx_bf16", &isa_amx_bf16::kBfloat16Engine, &isa_amx_bf16::kLayerKernels);

}  // namespace pbs_attn
