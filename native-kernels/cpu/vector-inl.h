// Vectors of kWidth floats: loads, stores, sums of lanes, powers of 2.
#ifndef PBS_ATTN_CPU_VECTOR_INL_H_
#define PBS_ATTN_CPU_VECTOR_INL_H_

// What has to be inlined for vectors to stay in registers, functions and lambdas; compilers tire of it in long ones.
#define PBS_ATTN_INLINED __attribute__((always_inline))

typedef float VecF __attribute__((vector_size(kWidth * 4)));
typedef int32_t VecI __attribute__((vector_size(kWidth * 4)));
typedef uint32_t VecU __attribute__((vector_size(kWidth * 4)));
typedef double HalfD __attribute__((vector_size(kWidth * 4)));  // half as many doubles
typedef float HalfF __attribute__((vector_size(kWidth * 2)));
typedef uint16_t HalfU __attribute__((vector_size(kWidth * 2)));
typedef uint32_t Vec4 __attribute__((vector_size(16)));

constexpr int64_t kStripWidth = kNv * kWidth;  // queries of a strip

template <typename V, typename T>
PBS_ATTN_INLINED inline V load(const T* p) {
  V v;
  __builtin_memcpy(&v, p, sizeof(V));
  return v;
}

template <typename V, typename T>
PBS_ATTN_INLINED inline void store(T* p, V v) {
  __builtin_memcpy(p, &v, sizeof(V));
}

// Brings memory nearer that is needed soon; any address will do.
inline void fetch(const char* p) { __builtin_prefetch(p, 0, 2); }

PBS_ATTN_INLINED inline VecF broadcast(float x) { return x - VecF{}; }

constexpr float kLog2E = 1.44269504f;

// 2^y with a relative error of 6e-8, and 2^0 is 1; 0 where a float's range ends. y < 128.
inline VecF exp2(VecF y) {
#ifdef __AVX512F__
  const VecF f = (VecF)_mm512_reduce_ps((__m512)y, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
#else
  const float rounder = 12582912.0f;  // 1.5 * 2^23: adding it leaves the rounded integer in the low bits
  const VecF shifted = (y - 0.5f) + rounder;
  const VecF f = y - (shifted - rounder);
#endif
  VecF p = f * 0.000217022549f + 0.00124396884f;  // 2^f for 0 <= f <= 1
  p = p * f + 0.00967884064f;
  p = p * f + 0.0554833412f;
  p = p * f + 0.24022983f;
  p = p * f + 0.693147004f;
  p = p * f + 1.0f;
#ifdef __AVX512F__
  // Times 2^floor(y). GCC 12 warns of the intrinsic without a mask.
  return (VecF)_mm512_maskz_scalef_ps(0xffff, (__m512)p, (__m512)y);
#else
  VecU bits, exponent;  // unsigned: what is out of range overflows here, and becomes 0 below
  __builtin_memcpy(&bits, &p, sizeof(bits));
  __builtin_memcpy(&exponent, &shifted, sizeof(exponent));
  bits += exponent << 23;
  VecF result;
  __builtin_memcpy(&result, &bits, sizeof(result));
  return y < -125.0f ? VecF{} : result;
#endif
}

// e^(scale (x - max)) as precise as floats are, for max and x of hundreds too.
inline VecF exp_from(VecF x, VecF max, float scale) { return exp2((x - max) * (scale * kLog2E)); }

inline float sum_lanes(VecF v) {
  float lanes[kWidth];
  store(lanes, v);
#pragma GCC unroll 4
  for (int n = kWidth / 2; n >= 1; n /= 2) {
    for (int i = 0; i < n; ++i) lanes[i] += lanes[i + n];
  }
  return lanes[0];
}

// Sums (count, kWidth), and what is in their lanes together.
inline void clear_sums(int64_t count, float* sums) {
  for (int64_t j = 0; j < count; ++j) store(sums + j * kWidth, VecF{});
}

inline void add_lanes(int64_t count, const float* sums, float* totals) {
  for (int64_t j = 0; j < count; ++j) totals[j] = sum_lanes(load<VecF>(sums + j * kWidth));
}

inline bool any_lane(VecI v) {
#ifdef __AVX512F__
  return _mm512_test_epi32_mask((__m512i)v, (__m512i)v) != 0;
#else
  uint64_t words[kWidth / 2];
  store(words, v);
  uint64_t all = 0;
  for (int i = 0; i < kWidth / 2; ++i) all |= words[i];
  return all != 0;
#endif
}

// Adds the lanes of v to doubles.
inline void add_to_doubles(VecF v, double* sums) {
  HalfF low, high;
  __builtin_memcpy(&low, &v, sizeof(low));
  __builtin_memcpy(&high, reinterpret_cast<const char*>(&v) + sizeof(low), sizeof(high));
  store(sums, load<HalfD>(sums) + __builtin_convertvector(low, HalfD));
  store(sums + kWidth / 2, load<HalfD>(sums + kWidth / 2) + __builtin_convertvector(high, HalfD));
}

#endif  // PBS_ATTN_CPU_VECTOR_INL_H_
