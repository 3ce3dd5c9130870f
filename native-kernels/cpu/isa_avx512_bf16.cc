// AVX-512 with BF16: vdpbf16ps multiplies and adds pairs of bfloat16.
#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "kernels.h"
#include "layer_kernels.h"
#include "pbs_attn.h"

namespace pbs_attn {
namespace isa_avx512_bf16 {

constexpr int kWidth = 16;
constexpr int kMr = 8;
constexpr int kNv = 2;

#include "kernels-inl.h"

#include "bfloat16_rows-inl.h"
#include "weigher-inl.h"

struct Bfloat16Unit {
  typedef uint32_t Unit;
  static VecF multiply_add(VecF sum, Unit a, VecF b) {
    return (VecF)_mm512_dpbf16_ps((__m512)sum, (__m512bh)_mm512_set1_epi32(static_cast<int>(a)), (__m512bh)b);
  }
};

// Calls pack(first key, its rows) for every kKeys keys; their rows stay in L1 meanwhile.
template <int kKeys, typename F>
inline void gather_in_chunks(const Rows& rows, const int32_t* indices, int64_t count, int64_t padded_count,
                             int64_t padded_dim, const F& pack) {
  alignas(64) uint16_t chunk[kKeys * kMaxDim];
  for (int64_t j = 0; j < padded_count; j += kKeys) {
    const int64_t there = count - j < 0 ? 0 : count - j < kKeys ? count - j : kKeys;
    for (int64_t next = j + kKeys; next < j + 2 * kKeys && next < count; ++next) fetch_row(rows, indices[next]);
    gather_bfloat16(rows, indices + j, there, kKeys, padded_dim, chunk);
    pack(j, chunk);
  }
}

// rows (keys, dim) to units of one element of an even and one of the odd key after it; row_ld and chunk_ld are
// units from one pair of keys, and from kPadding columns, to the next.
inline void pair_keys(int64_t keys, int64_t dim, const uint16_t* rows, int64_t row_ld, int64_t chunk_ld,
                      uint32_t* pairs) {
  for (int64_t j = 0; j < keys; j += 2) {
    for (int64_t c = 0; c < dim / kPadding; ++c) {
      const uint16_t* even = rows + j * dim + c * kPadding;
      uint32_t* to = pairs + j / 2 * row_ld + c * chunk_ld;
      for (int64_t d = 0; d < kPadding; ++d) to[d] = even[d] | static_cast<uint32_t>(even[dim + d]) << 16;
    }
  }
}

struct Bfloat16Engine {
  static constexpr int64_t kElementSize = sizeof(uint16_t);

  static void gather_keys(const Rows& rows, const int32_t* indices, int64_t count, int64_t padded_count,
                          int64_t padded_dim, void* packed, float* sums) {
    gather_bfloat16(rows, indices, count, padded_count, padded_dim, packed);
    sum_gathered(rows, indices, count, padded_dim, sums);
  }

  // Values as (dim / kPadding, keys / 2, kPadding) units.
  static void gather_values(const Rows& rows, const int32_t* indices, int64_t count, int64_t padded_count,
                            int64_t padded_dim, void* packed) {
    gather_in_chunks<8>(rows, indices, count, padded_count, padded_dim, [&](int64_t j, const uint16_t* chunk) {
      pair_keys(8, padded_dim, chunk, kPadding, kPadding * padded_count / 2,
                static_cast<uint32_t*>(packed) + j / 2 * kPadding);
    });
  }

  static void multiply_keys(const TileShape& shape, const void* keys, int64_t key_stride_bytes, const void* q,
                            float* result, const char* ahead) {
    gemm_strip<Bfloat16Unit>(shape.keys, shape.dim / 2, static_cast<const uint32_t*>(keys),
                             key_stride_bytes / static_cast<int64_t>(sizeof(uint32_t)), 1, static_cast<const float*>(q),
                             kStripWidth, result, kStripWidth, nullptr, ahead);
  }

  static void weigh_keys(const TileShape& shape, const VecF* max, float* logits, VecF* total) {
    if (shape.exact_sums) {
      weigh_keys<FloatWeigher>(shape, max, logits, total);
    } else {
      weigh_keys<WordWeigher>(shape, max, logits, total);
    }
  }

  template <template <Range> class W>
  static void weigh_keys(const TileShape& shape, const VecF* max, float* logits, VecF* total) {
    if (are_near(max, shape.scale)) {
      weigh_keys(W<Range::kNear>(shape.scale, max), shape, logits, total);
    } else {
      weigh_keys(W<Range::kAny>(shape.scale, max), shape, logits, total);
    }
  }

  template <typename W>
  static void weigh_keys(W weigher, const TileShape& shape, float* logits, VecF* total) {
    weigh_all(weigher, NoMask{}, shape.keys, logits, logits);
    for (int v = 0; v < kNv; ++v) total[v] += weigher.total[v];
  }

  static void add_values(const TileShape& shape, const void* values, const float* weights, bool, const float* shrink,
                         float* o, const char* ahead) {
    multiply_values<Bfloat16Unit>(shape.dim, shape.keys / 2, values, weights, shrink, o, ahead);
  }
};

constexpr Engine kBfloat16Engine = {
    PBS_ATTN_BFLOAT16,      gather_bfloat16_queries, Bfloat16Engine::gather_keys, Bfloat16Engine::gather_values,
    logits<Bfloat16Engine>, attend<Bfloat16Engine>,  score_keys<Bfloat16Engine>};

constexpr LayerKernels kLayerKernels = make_layer_kernels(nullptr);

}  // namespace isa_avx512_bf16

constexpr Kernels kAvx512Bf16Kernels =
    isa_avx512_bf16::make_kernels("avx512_bf16", &isa_avx512_bf16::kBfloat16Engine, &isa_avx512_bf16::kLayerKernels);

}  // namespace pbs_attn
