// Element types: float32, bfloat16 and float16 to floats and back, rounded to nearest, ties to even.
#ifndef PBS_ATTN_CPU_ELEMENT_INL_H_
#define PBS_ATTN_CPU_ELEMENT_INL_H_

#include "vector-inl.h"

inline float float_of(uint32_t bits) {
  float x;
  __builtin_memcpy(&x, &bits, sizeof(x));
  return x;
}

inline uint32_t bits_of(float x) {
  uint32_t bits;
  __builtin_memcpy(&bits, &x, sizeof(bits));
  return bits;
}

// Rounding the bits of a NaN may carry into the sign, and leave a number.
inline bool is_nan(uint32_t bits) { return (bits & 0x7fffffff) > 0x7f800000; }

inline VecU widen(const uint16_t* x) {
#ifdef __AVX512F__
  return (VecU)_mm512_cvtepu16_epi32(load<__m256i>(x));  // GCC 12 makes four instructions of what stands below
#else
  return __builtin_convertvector(load<HalfU>(x), VecU);
#endif
}

struct Float32 {
  typedef uint32_t Bits;
  static constexpr Bits kExponent = 0x7f800000;
  static float to_float(Bits x) { return float_of(x); }
  static VecF to_floats(const Bits* x) { return load<VecF>(x); }
  static Bits from_float(float x) { return bits_of(x); }
};

struct Bfloat16 {
  typedef uint16_t Bits;
  static constexpr Bits kExponent = 0x7f80, kNan = 0x7fc0;
  static float to_float(Bits x) { return float_of(static_cast<uint32_t>(x) << 16); }
  static VecF to_floats(const Bits* x) { return (VecF)(widen(x) << 16); }
  static Bits from_float(float x) {
    const uint32_t bits = bits_of(x);
    const uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    return static_cast<Bits>(is_nan(bits) ? kNan : rounded);
  }
};

struct Float16 {
  typedef uint16_t Bits;
  static constexpr Bits kExponent = 0x7c00, kNan = 0x7e00;
  // Moves exponent and fraction to where float32 has them; the product corrects the bias, for subnormal numbers too.
  static float to_float(Bits x) {
    const float magnitude = float_of(static_cast<uint32_t>(x & 0x7fff) << 13) * float_of(0x77800000);  // * 2^112
    const uint32_t special = (x & kExponent) == kExponent ? 0x7f800000 : 0;  // infinity and NaN stay what they are
    return float_of(bits_of(magnitude) | special | static_cast<uint32_t>(x & 0x8000) << 16);
  }
  static VecF to_floats(const Bits* x) {
    const VecU bits = widen(x);
    const VecF magnitude = (VecF)((bits & 0x7fff) << 13) * float_of(0x77800000);
    const VecU special = (VecU)((bits & kExponent) == kExponent) & 0x7f800000;
    return (VecF)((VecU)magnitude | special | (bits & 0x8000) << 16);
  }
  static Bits from_float(float x) {
    const uint32_t bits = bits_of(x);
    const uint32_t sign = (bits >> 16) & 0x8000;
    const uint32_t magnitude = bits & 0x7fffffff;
    const uint32_t small = bits_of(float_of(magnitude) + 0.5f) - bits_of(0.5f);  // below 2^-14: in steps of 2^-24
    const uint32_t rebased = magnitude - (112u << 23);
    const uint32_t normal = (rebased + 0xfff + ((rebased >> 13) & 1)) >> 13;
    const uint32_t finite = magnitude < 0x38800000 ? small : normal;
    const uint32_t rounded = magnitude >= 0x477ff000 ? 0x7c00 : finite;  // 65520 and more round to infinity
    return static_cast<Bits>(is_nan(bits) ? kNan : sign | rounded);
  }
};

// Calls f with the type that a pbs_attn_dtype stands for.
template <typename F>
inline auto with_type(int32_t dtype, const F& f) {
  if (dtype == PBS_ATTN_FLOAT32) return f(Float32{});
  if (dtype == PBS_ATTN_BFLOAT16) return f(Bfloat16{});
  return f(Float16{});
}

inline bool all_finite(int32_t dtype, const void* row, int64_t n) {
  return with_type(dtype, [&](auto type) {
    typedef typename decltype(type)::Bits Bits;
    Bits bad = 0;
    for (int64_t i = 0; i < n; ++i) {
      const Bits exponent = load<Bits>(static_cast<const Bits*>(row) + i) & type.kExponent;
      bad |= exponent == type.kExponent ? 1 : 0;
    }
    return bad == 0;
  });
}

inline void store_row(int32_t dtype, const float* __restrict values, int64_t n, void* __restrict row) {
  with_type(dtype, [&](auto type) {
    typedef typename decltype(type)::Bits Bits;
    Bits* __restrict to = static_cast<Bits*>(row);
    for (int64_t i = 0; i < n; ++i) to[i] = type.from_float(values[i]);
  });
}

#endif  // PBS_ATTN_CPU_ELEMENT_INL_H_
