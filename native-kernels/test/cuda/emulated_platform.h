// The emulation's side of cuda/platform.cuh and cuda/hopper.cuh.
#ifndef PBS_ATTN_TEST_EMULATED_PLATFORM_H_
#define PBS_ATTN_TEST_EMULATED_PLATFORM_H_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#include "emulation.h"
#include "tile_sizes.h"

namespace pbs {

static_assert(kWarpThreads == emulation::kWarp, "the emulation has warps of the GPU's size");

inline float bits_to_float(uint32_t bits) {
  float x;
  std::memcpy(&x, &bits, 4);
  return x;
}

inline uint32_t float_to_bits(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, 4);
  return bits;
}

inline float half_to_float(uint32_t half) {
  const uint32_t exponent = half >> 10 & 31;
  const uint32_t sign = (half & 0x8000u) << 16;
  const uint32_t fraction = half & 1023;
  if (exponent == 31) return bits_to_float(sign | 0x7f800000u | fraction << 13);
  if (exponent != 0) return bits_to_float(sign | (exponent + 112) << 23 | fraction << 13);
  return std::copysign(std::ldexp(static_cast<float>(fraction), -24), bits_to_float(sign | 0x3f800000u));
}

inline uint32_t float_to_bf16(float x) {
  const uint32_t bits = float_to_bits(x);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return 0x7fff;
  return (bits + 0x7fffu + (bits >> 16 & 1)) >> 16;
}

inline uint32_t float_to_half(float x) {
  const uint32_t sign = float_to_bits(x) >> 16 & 0x8000u;
  const float size = std::abs(x);
  if (!(size == size)) return 0x7fff;
  if (size >= 65520.0f) return sign | 0x7c00;
  if (size < 0x1p-14f) return sign | static_cast<uint32_t>(std::nearbyint(std::ldexp(size, 24)));
  const uint32_t bits = float_to_bits(size);
  return sign | (((bits + 0xfffu + (bits >> 13 & 1)) >> 13) - (112u << 10));
}

inline uint32_t pack_bf16(float low, float high) { return float_to_bf16(low) | float_to_bf16(high) << 16; }
inline uint32_t pack_f16(float low, float high) { return float_to_half(low) | float_to_half(high) << 16; }

inline float exp2_approx(float x) { return std::exp2(x); }

inline int highest_bit(unsigned long long bits) { return 63 - __builtin_clzll(bits); }
inline int count_bits(unsigned long long bits) { return __builtin_popcountll(bits); }

// Each lane gets the number of the lane that from(lane) names.
template <typename N, typename From>
N shuffle(const char* name, N x, const From& from) {
  struct Lane {
    N in;
    N out;
    int from;
  } lane{x, x, from(emulation::lane())};
  emulation::with_warp(name, &lane, [](void* const* all) {
    for (int n = 0; n < kWarpThreads; ++n) {
      Lane& to = *static_cast<Lane*>(all[n]);
      to.out = static_cast<Lane*>(all[to.from])->in;
    }
  });
  return lane.out;
}

inline float shuffle_xor(float x, int lanes) {
  return shuffle("shuffle", x, [lanes](int lane) { return lane ^ lanes; });
}
inline bool holds_for_any(bool x) {
  struct Lane {
    bool x;
  } lane{x};
  emulation::with_warp("vote", &lane, [](void* const* all) {
    bool any = false;
    for (int n = 0; n < kWarpThreads; ++n) any = any || static_cast<Lane*>(all[n])->x;
    for (int n = 0; n < kWarpThreads; ++n) static_cast<Lane*>(all[n])->x = any;
  });
  return lane.x;
}
inline int uniform(int x) {
  return shuffle("uniform", x, [](int) { return 0; });
}
inline double shuffle_up(double x, int lanes) {
  return shuffle("shuffle up", x, [lanes](int lane) { return lane >= lanes ? lane - lanes : lane; });
}

inline unsigned char* shared_memory() { return emulation::shared_memory(); }
inline uint32_t shared_address(const void* pointer) { return emulation::shared_address(pointer); }

inline void copy_async(uint32_t to, const void* from, bool valid) {
  if (to % 16 != 0 || reinterpret_cast<uintptr_t>(from) % 16 != 0) emulation::fail("a copy that is not aligned");
  unsigned char* target = emulation::shared_at(to, 16);
  emulation::defer([=] {
    if (valid) {
      std::memcpy(target, from, 16);
    } else {
      std::memset(target, 0, 16);
    }
  });
}

inline void commit_copies() { emulation::commit_group(); }

template <int kPending>
void wait_for_copies() {
  emulation::wait_groups(kPending);
}

struct MatrixLane {
  uint32_t* r;
  uint32_t address;
};

inline uint16_t shared_element(uint32_t address) {
  uint16_t x;
  std::memcpy(&x, emulation::shared_at(address, 2), 2);
  return x;
}

inline void load_matrices_as(const char* name, uint32_t (&r)[4], uint32_t address, bool transposed) {
  MatrixLane lane{r, address};
  if (address % 16 != 0) emulation::fail("a row of a matrix that is not aligned");
  emulation::with_warp(name, &lane, [transposed](void* const* all) {
    for (int n = 0; n < kWarpThreads; ++n) {
      for (int m = 0; m < 4; ++m) {
        uint32_t pair = 0;
        for (int e = 0; e < 2; ++e) {
          const int row = transposed ? n % 4 * 2 + e : n / 4;
          const int column = transposed ? n / 4 : n % 4 * 2 + e;
          const uint32_t begin = static_cast<MatrixLane*>(all[m * 8 + row])->address;
          pair |= static_cast<uint32_t>(shared_element(begin + static_cast<uint32_t>(column) * 2)) << (16 * e);
        }
        static_cast<MatrixLane*>(all[n])->r[m] = pair;
      }
    }
  });
}

inline void load_matrices(uint32_t (&r)[4], uint32_t address) { load_matrices_as("ldmatrix", r, address, false); }
inline void load_matrices_transposed(uint32_t (&r)[4], uint32_t address) {
  load_matrices_as("ldmatrix.trans", r, address, true);
}

template <bool kIsBf16>
float element_to_float(uint32_t bits) {
  return kIsBf16 ? bits_to_float(bits << 16) : half_to_float(bits);
}

// Element (row, k) of a 16 x 16 matrix A that is spread over the lanes' registers.
template <bool kIsBf16, typename GetRegister>
float fragment_a(int row, int k, const GetRegister& get) {
  const int lane = row % 8 * 4 + k % 8 / 2;
  const int index = row / 8 + k / 8 * 2;
  return element_to_float<kIsBf16>(get(lane, index) >> (16 * (k % 2)) & 0xffff);
}

template <bool kIsBf16>
void multiply_add(float* c, const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  struct Lane {
    float* c;
    const uint32_t* a;
    uint32_t b[2];
  } lane{c, a, {b0, b1}};
  emulation::with_warp("mma", &lane, [](void* const* all) {
    const auto at = [all](int n) -> Lane& { return *static_cast<Lane*>(all[n]); };
    float a_values[16][16], b_values[16][8];
    for (int k = 0; k < 16; ++k) {
      for (int row = 0; row < 16; ++row) {
        a_values[row][k] = fragment_a<kIsBf16>(row, k, [&](int n, int index) { return at(n).a[index]; });
      }
      for (int n = 0; n < 8; ++n) {
        b_values[k][n] = element_to_float<kIsBf16>(at(n * 4 + k % 8 / 2).b[k / 8] >> (16 * (k % 2)) & 0xffff);
      }
    }
    for (int row = 0; row < 16; ++row) {
      float sums[8] = {};
      for (int k = 0; k < 16; ++k) {
        for (int n = 0; n < 8; ++n) sums[n] += a_values[row][k] * b_values[k][n];
      }
      for (int n = 0; n < 8; ++n) at(row % 8 * 4 + n / 2).c[row / 8 * 2 + n % 2] += sums[n];
    }
  });
}

}  // namespace pbs

#endif  // PBS_ATTN_TEST_EMULATED_PLATFORM_H_
