// The kernels, written once; each isa_*.cc includes this file inside a namespace of its own and compiles it for its
// instruction set. It needs, defined before: for AVX-512 its intrinsics, kWidth (floats in a vector), kMr (rows of a
// register tile), kNv (its vectors).
//
// No header with inline functions may be included from here on: the linker would keep one copy for all instruction
// sets.

// What has to be inlined for vectors to stay in registers, functions and lambdas; compilers tire of it in long ones.
#define PBS_ATTN_INLINED __attribute__((always_inline))

typedef float VecF __attribute__((vector_size(kWidth * 4)));
typedef int32_t VecI __attribute__((vector_size(kWidth * 4)));
typedef uint32_t VecU __attribute__((vector_size(kWidth * 4)));
typedef double HalfD __attribute__((vector_size(kWidth * 4)));  // half as many doubles
typedef float HalfF __attribute__((vector_size(kWidth * 2)));
typedef uint16_t HalfU __attribute__((vector_size(kWidth * 2)));
typedef uint32_t Vec4 __attribute__((vector_size(16)));

constexpr int64_t kStripWidth = kNv * kWidth;

// How much larger than `max` a scaled logit may be before the sums are rescaled: e^6 does no harm to a float, and
// rescaling is rare then.
constexpr float kMaxLag = 6;
constexpr float kMaxWeight = 403.4288f;  // e^kMaxLag

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

// ---- Element types

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
  static constexpr Bits kExponent = 0x7f80;
  static float to_float(Bits x) { return float_of(static_cast<uint32_t>(x) << 16); }
  static VecF to_floats(const Bits* x) { return (VecF)(widen(x) << 16); }
  static Bits from_float(float x) {
    const uint32_t bits = bits_of(x);
    return static_cast<Bits>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
  }
};

struct Float16 {
  typedef uint16_t Bits;
  static constexpr Bits kExponent = 0x7c00;
  // Moves exponent and fraction into float32's places; the product corrects the bias, for subnormal numbers too.
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
    return static_cast<Bits>(sign | (magnitude >= 0x477ff000 ? 0x7c00 : finite));  // 65520 and more round to infinity
  }
};

// Calls f with the type that a pbs_attn_dtype stands for.
template <typename F>
inline auto with_type(int32_t dtype, const F& f) {
  if (dtype == PBS_ATTN_FLOAT32) return f(Float32{});
  if (dtype == PBS_ATTN_BFLOAT16) return f(Bfloat16{});
  return f(Float16{});
}

bool all_finite(int32_t dtype, const void* row, int64_t n) {
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

inline const char* row_at(const Rows& rows, int64_t r) {
  return static_cast<const char*>(rows.first) + r * rows.stride;
}

// Sums of kVecs vectors of columns from `first` on, which stay in registers. place(r) is that of the r-th row.
template <int kVecs, typename T, typename P>
inline void sum_columns(const T& type, const Rows& rows, int64_t count, const P& place, int64_t first, float* sums) {
  VecF total[kVecs] = {};
  for (int64_t r = 0; r < count; ++r) {
    const auto* row = reinterpret_cast<const typename T::Bits*>(row_at(rows, place(r))) + first;
#pragma GCC unroll 8
    for (int v = 0; v < kVecs; ++v) total[v] += type.to_floats(row + v * kWidth);
  }
  for (int v = 0; v < kVecs; ++v) store(sums + first + v * kWidth, total[v]);
}

template <typename P>
inline void sum_rows_at(const Rows& rows, int64_t count, const P& place, float* sums) {
  with_type(rows.dtype, [&](auto type) {
    typedef typename decltype(type)::Bits Bits;
    int64_t i = 0;
    for (; i + 8 * kWidth <= rows.dim; i += 8 * kWidth) sum_columns<8>(type, rows, count, place, i, sums);
    for (; i + 4 * kWidth <= rows.dim; i += 4 * kWidth) sum_columns<4>(type, rows, count, place, i, sums);
    for (; i + kWidth <= rows.dim; i += kWidth) sum_columns<1>(type, rows, count, place, i, sums);
    for (; i < rows.dim; ++i) {
      sums[i] = 0;
      for (int64_t r = 0; r < count; ++r) {
        sums[i] += type.to_float(load<Bits>(reinterpret_cast<const Bits*>(row_at(rows, place(r))) + i));
      }
    }
  });
}

void sum_rows(const Rows& rows, int64_t count, float* sums) {
  sum_rows_at(
      rows, count, [](int64_t r) { return r; }, sums);
}

// The part of Engine::gather_keys that is the same for most.
inline void sum_gathered(const Rows& rows, const int32_t* places, int64_t count, int64_t padded_dim, float* sums) {
  if (sums == nullptr) return;
  sum_rows_at(
      rows, count, [&](int64_t r) { return places[r]; }, sums);
  for (int64_t i = rows.dim; i < padded_dim; ++i) sums[i] = 0;
}

// Reads rows in chunks of kPadding elements; row_step and chunk_step are floats from one to the next in `to`.
inline void gather_chunks(const Rows& rows, const int32_t* places, int64_t count, int64_t padded_count,
                          int64_t padded_dim, int64_t row_step, int64_t chunk_step, float* to) {
  with_type(rows.dtype, [&](auto type) {
    typedef typename decltype(type)::Bits Bits;
    for (int64_t r = 0; r < count; ++r) {
      const Bits* from = reinterpret_cast<const Bits*>(row_at(rows, places == nullptr ? r : places[r]));
      float* chunk = to + r * row_step;
      int64_t i = 0;
      for (; i + kPadding <= rows.dim; i += kPadding, chunk += chunk_step) {
        for (int64_t n = 0; n < kPadding; ++n) chunk[n] = type.to_float(load<Bits>(from + i + n));
      }
      for (int64_t n = i; n < rows.dim; ++n) chunk[n - i] = type.to_float(load<Bits>(from + n));
      for (int64_t n = rows.dim; n < padded_dim; ++n) chunk[n - i] = 0;
    }
  });
  for (int64_t r = count; r < padded_count; ++r) {
    for (int64_t c = 0; c < padded_dim / kPadding; ++c) {
      __builtin_memset(to + r * row_step + c * chunk_step, 0, kPadding * sizeof(float));
    }
  }
}

void gather_floats(const Rows& rows, const int32_t* places, int64_t count, int64_t padded_count, int64_t padded_dim,
                   void* packed) {
  gather_chunks(rows, places, count, padded_count, padded_dim, padded_dim, kPadding, static_cast<float*>(packed));
}

void store_row(int32_t dtype, const float* __restrict values, int64_t n, void* __restrict row) {
  with_type(dtype, [&](auto type) {
    typedef typename decltype(type)::Bits Bits;
    Bits* __restrict to = static_cast<Bits*>(row);
    for (int64_t i = 0; i < n; ++i) to[i] = type.from_float(values[i]);
  });
}

// ---- Transposition

#if defined(__clang__)
#define PBS_ATTN_SHUFFLE(a, b, i, j, k, l) __builtin_shufflevector(a, b, i, j, k, l)
#else
#define PBS_ATTN_SHUFFLE(a, b, i, j, k, l) __builtin_shuffle(a, b, Vec4{i, j, k, l})
#endif

#ifdef __AVX512F__
// to (16, 16) = from transposed: inside quarters of vectors first, then by quarters.
inline void transpose_16(const uint32_t* from, int64_t ld_from, uint32_t* to, int64_t ld_to) {
  const __mmask16 all = 0xffff;  // GCC 12 warns of the intrinsics without a mask
  __m512i x[16], pairs[16], fours[16];
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) x[i] = load<__m512i>(from + i * ld_from);
#pragma GCC unroll 8
  for (int i = 0; i < 16; i += 2) {
    pairs[i] = _mm512_maskz_unpacklo_epi32(all, x[i], x[i + 1]);
    pairs[i + 1] = _mm512_maskz_unpackhi_epi32(all, x[i], x[i + 1]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 16; i += 4) {
    fours[i] = _mm512_maskz_unpacklo_epi64(0xff, pairs[i], pairs[i + 2]);
    fours[i + 1] = _mm512_maskz_unpackhi_epi64(0xff, pairs[i], pairs[i + 2]);
    fours[i + 2] = _mm512_maskz_unpacklo_epi64(0xff, pairs[i + 1], pairs[i + 3]);
    fours[i + 3] = _mm512_maskz_unpackhi_epi64(0xff, pairs[i + 1], pairs[i + 3]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {  // columns i, 4 + i, 8 + i, 12 + i
    const __m512i even = _mm512_maskz_shuffle_i32x4(all, fours[i], fours[4 + i], 0x88);
    const __m512i odd = _mm512_maskz_shuffle_i32x4(all, fours[i], fours[4 + i], 0xdd);
    const __m512i later_even = _mm512_maskz_shuffle_i32x4(all, fours[8 + i], fours[12 + i], 0x88);
    const __m512i later_odd = _mm512_maskz_shuffle_i32x4(all, fours[8 + i], fours[12 + i], 0xdd);
    store(to + i * ld_to, _mm512_maskz_shuffle_i32x4(all, even, later_even, 0x88));
    store(to + (8 + i) * ld_to, _mm512_maskz_shuffle_i32x4(all, even, later_even, 0xdd));
    store(to + (4 + i) * ld_to, _mm512_maskz_shuffle_i32x4(all, odd, later_odd, 0x88));
    store(to + (12 + i) * ld_to, _mm512_maskz_shuffle_i32x4(all, odd, later_odd, 0xdd));
  }
}
#endif

// to (cols, rows) = from (rows, cols) transposed, elements of 4 bytes. rows and cols are multiples of 4.
void transpose(int64_t rows, int64_t cols, const uint32_t* from, int64_t ld_from, uint32_t* to, int64_t ld_to) {
#ifdef __AVX512F__
  if (rows % 16 == 0 && cols % 16 == 0) {
    for (int64_t i = 0; i < rows; i += 16) {
      for (int64_t j = 0; j < cols; j += 16) transpose_16(from + i * ld_from + j, ld_from, to + j * ld_to + i, ld_to);
    }
    return;
  }
#endif
  for (int64_t i = 0; i < rows; i += 4) {
    for (int64_t j = 0; j < cols; j += 4) {
      const uint32_t* x = from + i * ld_from + j;
      const Vec4 a = load<Vec4>(x), b = load<Vec4>(x + ld_from);
      const Vec4 c = load<Vec4>(x + 2 * ld_from), d = load<Vec4>(x + 3 * ld_from);
      const Vec4 ab_low = PBS_ATTN_SHUFFLE(a, b, 0, 4, 1, 5), ab_high = PBS_ATTN_SHUFFLE(a, b, 2, 6, 3, 7);
      const Vec4 cd_low = PBS_ATTN_SHUFFLE(c, d, 0, 4, 1, 5), cd_high = PBS_ATTN_SHUFFLE(c, d, 2, 6, 3, 7);
      uint32_t* y = to + j * ld_to + i;
      store(y, PBS_ATTN_SHUFFLE(ab_low, cd_low, 0, 1, 4, 5));
      store(y + ld_to, PBS_ATTN_SHUFFLE(ab_low, cd_low, 2, 3, 6, 7));
      store(y + 2 * ld_to, PBS_ATTN_SHUFFLE(ab_high, cd_high, 0, 1, 4, 5));
      store(y + 3 * ld_to, PBS_ATTN_SHUFFLE(ab_high, cd_high, 2, 3, 6, 7));
    }
  }
}

// Rows of elements from o (padded dim, kStripWidth) times factor (kStripWidth): elements that make a unit of 4 bytes
// stay together when units are transposed.
void store_output(const float* o, const float* factor, const Rows& rows, int64_t count) {
  constexpr int64_t kUnits = 16;
  with_type(rows.dtype, [&](auto type) {
    typedef typename decltype(type)::Bits Bits;
    constexpr int64_t kElements = sizeof(uint32_t) / sizeof(Bits), kColumns = kUnits * kElements;
    for (int64_t d = 0; d < rows.dim; d += kColumns) {
      uint32_t units[kUnits * kStripWidth] = {}, transposed[kStripWidth * kUnits];
      for (int64_t i = 0; i < kColumns; ++i) {
        uint32_t* to = units + i / kElements * kStripWidth;
        const int64_t shift = i % kElements * 8 * static_cast<int64_t>(sizeof(Bits));
        for (int64_t q = 0; q < kStripWidth; ++q) {
          to[q] |= static_cast<uint32_t>(type.from_float(o[(d + i) * kStripWidth + q] * factor[q])) << shift;
        }
      }
      transpose(kUnits, kStripWidth, units, kStripWidth, transposed, kUnits);
      const int64_t rest = (rows.dim - d) * static_cast<int64_t>(sizeof(Bits));
      char* to = const_cast<char*>(static_cast<const char*>(rows.first)) + d * static_cast<int64_t>(sizeof(Bits));
      for (int64_t q = 0; q < count; ++q, to += rows.stride) {
        if (rest >= kUnits * 4) {
          __builtin_memcpy(to, transposed + q * kUnits, kUnits * 4);
        } else {
          __builtin_memcpy(to, transposed + q * kUnits, static_cast<size_t>(rest));
        }
      }
    }
  });
}

// ---- Matrix products

// Units of 4 bytes: a float, or two bfloat16 that are multiplied and added at once.
struct FloatUnit {
  typedef float Unit;
  static VecF multiply_add(VecF sum, Unit a, VecF b) { return sum + broadcast(a) * b; }
};

// Steps of a product between two tests for its end. k is a multiple of it.
constexpr int64_t kUnroll = 8;

// Brings memory nearer that is needed soon; any address will do.
inline void fetch(const char* p) { __builtin_prefetch(p, 0, 2); }

// One register tile: kRows rows by kVecs vectors of a b, where a(r, i) = a[r * a_row + i * a_step]. Without `shrink` it
// replaces c; with it c (m, n) becomes c shrink(n) + a b. On the way it fetches one byte from `ahead` on for kParts
// bytes of a.
template <typename U, int kRows, int kVecs>
inline void gemm_tile(int64_t k, const typename U::Unit* a, int64_t a_row, int64_t a_step, const float* b, int64_t ldb,
                      float* c, int64_t ldc, const float* shrink, const char* ahead) {
  VecF acc[kRows][kVecs] = {};
  for (int64_t step = 0; step < k; step += kUnroll) {
    fetch(ahead + step * kRows * static_cast<int64_t>(sizeof(*a)) / kParts);
#pragma GCC unroll 8
    for (int64_t i = step; i < step + kUnroll; ++i) {
      VecF row[kVecs];
#pragma GCC unroll 8
      for (int v = 0; v < kVecs; ++v) row[v] = load<VecF>(b + i * ldb + v * kWidth);
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) {
        const typename U::Unit x = a[r * a_row + i * a_step];
#pragma GCC unroll 8
        for (int v = 0; v < kVecs; ++v) acc[r][v] = U::multiply_add(acc[r][v], x, row[v]);
      }
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < kVecs; ++v) {
      float* to = c + r * ldc + v * kWidth;
      store(to, shrink == nullptr ? acc[r][v] : load<VecF>(to) * load<VecF>(shrink + v * kWidth) + acc[r][v]);
    }
  }
}

// All rows of a tile that is kStripWidth wide.
template <typename U>
inline void gemm_strip(int64_t m, int64_t k, const typename U::Unit* a, int64_t a_row, int64_t a_step, const float* b,
                       int64_t ldb, float* c, int64_t ldc, const float* shrink, const char* ahead) {
  const int64_t ahead_row = k * static_cast<int64_t>(sizeof(*a)) / kParts;
  const int64_t whole = m / kMr * kMr;
  for (int64_t i = 0; i < whole; i += kMr) {
    gemm_tile<U, kMr, kNv>(k, a + i * a_row, a_row, a_step, b, ldb, c + i * ldc, ldc, shrink, ahead + i * ahead_row);
  }
  for (int64_t i = whole; i < m; ++i) {
    gemm_tile<U, 1, kNv>(k, a + i * a_row, a_row, a_step, b, ldb, c + i * ldc, ldc, shrink, ahead + i * ahead_row);
  }
}

// o (dim, kStripWidth) shrunk, plus the values, (dim / kPadding, units, kPadding), times the weights (units,
// kStripWidth).
template <typename U>
inline void multiply_values(int64_t dim, int64_t units, const void* values, const float* weights, const float* shrink,
                            float* o, const char* ahead) {
  typedef typename U::Unit Unit;
  for (int64_t d = 0; d < dim; d += kPadding) {
    gemm_strip<U>(kPadding, units, static_cast<const Unit*>(values) + d * units, 1, kPadding, weights, kStripWidth,
                  o + d * kStripWidth, kStripWidth, shrink,
                  ahead + d * units * static_cast<int64_t>(sizeof(Unit)) / kParts);
  }
}

void gemm(int64_t m, int64_t n, int64_t k, const float* a, int64_t lda, const float* b, int64_t ldb, float* c,
          int64_t ldc) {
  const char* nothing_else = reinterpret_cast<const char*>(a);
  for (int64_t j = 0; j < n; j += kStripWidth) {
    gemm_strip<FloatUnit>(m, k, a, lda, 1, b + j, ldb, c + j, ldc, nullptr, nothing_else);
  }
}

double exp_row(int64_t n, float* x, float max, float scale) {
  double sums[kWidth] = {};
  int64_t i = 0;
  for (; i + kWidth <= n; i += kWidth) {
    const VecF e = exp_from(load<VecF>(x + i), broadcast(max), scale);
    store(x + i, e);
    add_to_doubles(e, sums);
  }
  double sum = 0;
  for (const double s : sums) sum += s;
  for (; i < n; ++i) {
    x[i] = exp_from(broadcast(x[i]), broadcast(max), scale)[0];
    sum += x[i];
  }
  return sum;
}

// ---- Softmax

// What hides keys from queries: apply(key, v, x) is x, the logits of vector v, or -infinity where the key is hidden.
struct NoMask {
  static constexpr bool kHides = false;
  PBS_ATTN_INLINED VecF apply(int64_t, int, VecF x) const { return x; }
};

// Each query sees the `window` keys up to its own.
struct PositionMask {
  static constexpr bool kHides = true;
  const int32_t* positions;
  VecI queries[kNv];
  uint32_t window;

  PositionMask(const int32_t* key_positions, int32_t first_query, int32_t visible)
      : positions(key_positions), window(static_cast<uint32_t>(visible)) {
    int32_t query[kStripWidth];
    for (int q = 0; q < kStripWidth; ++q) query[q] = first_query + q;
    for (int v = 0; v < kNv; ++v) queries[v] = load<VecI>(query + v * kWidth);
  }

  PBS_ATTN_INLINED VecF apply(int64_t key, int v, VecF x) const {
    // How far the key lies back; as an unsigned number, that is very far for keys to come.
    const VecU distance = (VecU)(queries[v] - positions[key]);
    return distance < window ? x : broadcast(-__builtin_inff());
  }
};

// The largest logits of each query, no less than `best` was, over (keys, kStripWidth). Hidden ones become -infinity.
template <typename M>
inline void find_largest(const M& mask, int64_t keys, float* logits, VecF* best) {
  for (int64_t j = 0; j < keys; ++j) {
#pragma GCC unroll 8
    for (int v = 0; v < kNv; ++v) {
      float* at = logits + j * kStripWidth + v * kWidth;
      const VecF x = mask.apply(j, v, load<VecF>(at));
      if (M::kHides) store(at, x);
      best[v] = x > best[v] ? x : best[v];
    }
  }
}

// From the logits of a tile (keys, kStripWidth) to weights; max and sum move on. shrink (kStripWidth) says by how
// much what was summed before has to be multiplied; the result whether any of it is not 1. Positions null: every key is
// visible; else each query sees those of the `window` keys up to its own. weigh(shift, total) makes weights of the
// logits, relative to shift, and adds them up.
template <typename W>
inline bool softmax_tile(int64_t keys, float scale, const int32_t* positions, int32_t first_position, int32_t window,
                         float* logits, float* max, double* sum, float* shrink, const W& weigh) {
  const float infinity = __builtin_inff();
  VecF best[kNv], shift[kNv], total[kNv] = {};
  for (int v = 0; v < kNv; ++v) best[v] = broadcast(-infinity);
  if (positions == nullptr) {
    find_largest(NoMask{}, keys, logits, best);
  } else {
    find_largest(PositionMask(positions, first_position, window), keys, logits, best);
  }
  VecI changed = {};
  for (int v = 0; v < kNv; ++v) {
    const VecF old = load<VecF>(max + v * kWidth);
    // The difference, not old + kMaxLag / scale: large numbers would not change by so little.
    const VecF now = best[v] - old > kMaxLag / scale ? best[v] : old;
    shift[v] = now == -infinity ? VecF{} : now;  // no key seen yet: every weight is 0
    store(max + v * kWidth, now);
    store(shrink + v * kWidth, exp_from(old, shift[v], scale));
    changed |= now != old;
  }
  weigh(shift, total);
  const bool rescale = any_lane(changed);
  for (int v = 0; v < kNv; ++v) {
    if (rescale) {
      for (int l = 0; l < kWidth; ++l) sum[v * kWidth + l] *= shrink[v * kWidth + l];
    } else {
      store(shrink + v * kWidth, broadcast(1));
    }
    add_to_doubles(total[v], sum + v * kWidth);
  }
  return rescale;
}

// The key positions that a visit has to compare with its queries'; null if they see the whole block.
inline const int32_t* masked_positions(const Visit& visit) {
  const KeyBlock& block = *visit.block;
  const QueryStrip& strip = *visit.strip;
  const bool sees_all = block.last <= strip.first_position && strip.last_position - block.first < strip.window;
  return sees_all ? nullptr : block.positions;
}

// Takes strips through key blocks with the products of engine E, which fetch the next ones on the way.
template <typename E>
void attend(const TileShape& shape, const Visit* visits, int64_t count, float* scratch) {
  for (const Visit* visit = visits; visit < visits + count; ++visit) {
    const KeyBlock& block = *visit->block;
    const QueryStrip& strip = *visit->strip;
    const void* next_keys = visit->next_keys != nullptr ? visit->next_keys : block.keys;
    const void* next_values = visit->next_values != nullptr ? visit->next_values : block.values;
    float shrink[kStripWidth];
    E::multiply_keys(shape, block.keys, shape.dim * E::kElementSize, strip.q, scratch,
                     static_cast<const char*>(next_keys));
    const bool rescale = softmax_tile(
        shape.keys, shape.scale, masked_positions(*visit), strip.first_position, strip.window, scratch, strip.max,
        strip.sum, shrink, [&](const VecF* shift, VecF* total) { E::weigh_keys(shape, shift, scratch, total); });
    if (block.values == nullptr) continue;
    E::add_values(shape, block.values, scratch, rescale, shrink, strip.o, static_cast<const char*>(next_values));
  }
}

template <typename E>
void logits(const TileShape& shape, const void* keys, const void* q, float* result) {
  E::multiply_keys(shape, keys, shape.dim * E::kElementSize, q, result, static_cast<const char*>(keys));
}

// Adds up what the queries of a strip pay to each key, lane by lane: sums (keys, kWidth). power(y) is 2^y.
template <VecF (*power)(VecF)>
struct KeySums {
  float factor;
  VecF max[kNv];
  VecF weight[kNv];
  float* sums;

  KeySums(float scale, const QueryStrip& strip, const float* weights, float* to) : factor(scale * kLog2E), sums(to) {
    for (int v = 0; v < kNv; ++v) {
      max[v] = load<VecF>(strip.max + v * kWidth);
      weight[v] = load<VecF>(weights + v * kWidth);
    }
  }

  PBS_ATTN_INLINED void add(int64_t j, const float* logits) {
    VecF total = load<VecF>(sums + j * kWidth);
#pragma GCC unroll 8
    for (int v = 0; v < kNv; ++v) {
      total += power((load<VecF>(logits + j * kStripWidth + v * kWidth) - max[v]) * factor) * weight[v];
    }
    store(sums + j * kWidth, total);
  }
};

template <typename E>
void score_keys(const TileShape& shape, const void* keys, const QueryStrip* strips, const float* weights,
                int64_t strip_count, float* scratch, float* scores) {
  float* sums = scratch + shape.keys * kStripWidth;
  clear_sums(shape.keys, sums);
  for (int64_t s = 0; s < strip_count; ++s) {
    logits<E>(shape, keys, strips[s].q, scratch);
    KeySums<exp2> key_sums(shape.scale, strips[s], weights + s * kStripWidth, sums);
    for (int64_t j = 0; j < shape.keys; ++j) key_sums.add(j, scratch);
  }
  add_lanes(shape.keys, sums, scores);
}

// ---- The engine in float32

struct FloatEngine {
  static constexpr int64_t kElementSize = sizeof(float);

  static void gather_queries(const Rows& rows, int64_t count, int64_t padded_dim, void* packed) {
    float floats[kStripWidth * kMaxDim];
    gather_floats(rows, nullptr, count, kStripWidth, padded_dim, floats);
    transpose(kStripWidth, padded_dim, reinterpret_cast<const uint32_t*>(floats), padded_dim,
              static_cast<uint32_t*>(packed), kStripWidth);
  }

  static void gather_keys(const Rows& rows, const int32_t* places, int64_t count, int64_t padded_count,
                          int64_t padded_dim, void* packed, float* sums) {
    gather_floats(rows, places, count, padded_count, padded_dim, packed);
    sum_gathered(rows, places, count, padded_dim, sums);
  }

  // Values as (dim / kPadding, keys, kPadding), so that what add_values reads for a few columns lies close together.
  static void gather_values(const Rows& rows, const int32_t* places, int64_t count, int64_t padded_count,
                            int64_t padded_dim, void* packed) {
    gather_chunks(rows, places, count, padded_count, padded_dim, kPadding, kPadding * padded_count,
                  static_cast<float*>(packed));
  }

  static void multiply_keys(const TileShape& shape, const void* keys, int64_t key_stride, const void* q, float* result,
                            const char* ahead) {
    gemm_strip<FloatUnit>(shape.keys, shape.dim, static_cast<const float*>(keys), key_stride / kElementSize, 1,
                          static_cast<const float*>(q), kStripWidth, result, kStripWidth, nullptr, ahead);
  }

  static void weigh_keys(const TileShape& shape, const VecF* shift, float* logits, VecF* total) {
    VecF sum[kNv] = {};
    for (int64_t j = 0; j < shape.keys; ++j) {
#pragma GCC unroll 8
      for (int v = 0; v < kNv; ++v) {
        float* at = logits + j * kStripWidth + v * kWidth;
        const VecF e = exp_from(load<VecF>(at), shift[v], shape.scale);
        store(at, e);
        sum[v] += e;
      }
    }
    for (int v = 0; v < kNv; ++v) total[v] += sum[v];
  }

  static void add_values(const TileShape& shape, const void* values, const float* weights, bool, const float* shrink,
                         float* o, const char* ahead) {
    multiply_values<FloatUnit>(shape.dim, shape.keys, values, weights, shrink, o, ahead);
  }
};

constexpr Engine kFloatEngine = {PBS_ATTN_FLOAT32,           FloatEngine::gather_queries, FloatEngine::gather_keys,
                                 FloatEngine::gather_values, logits<FloatEngine>,         attend<FloatEngine>,
                                 score_keys<FloatEngine>};

#include "layer-inl.h"

// A constant expression: nothing of an instruction set runs before dispatch has chosen it.
constexpr Kernels make_kernels(const char* name, const Engine* bfloat16, const LayerKernels* layer) {
  return {name,     kStripWidth, &kFloatEngine, bfloat16, layer,       all_finite,
          sum_rows, store_row,   gemm,          exp_row,  store_output};
}
