// The kernels, written once; each isa_*.cc includes this file inside a namespace of its own and compiles it for its
// instruction set. It needs, defined before: kWidth (floats in a vector), kMr (rows of the register tile), kNv (its vectors).
//
// No header with inline functions may be included from here on: the linker would keep one copy for all instruction sets.

constexpr int kDoubles = kWidth / 2;

typedef float VecF __attribute__((vector_size(kWidth * 4)));
typedef int32_t VecI __attribute__((vector_size(kWidth * 4)));
typedef double VecD __attribute__((vector_size(kWidth * 4)));
typedef float HalfF __attribute__((vector_size(kWidth * 2)));

template <typename V, typename T>
inline V load(const T* p) {
  V v;
  __builtin_memcpy(&v, p, sizeof(V));
  return v;
}

template <typename V, typename T>
inline void store(T* p, V v) {
  __builtin_memcpy(p, &v, sizeof(V));
}

template <typename V, typename T>
inline V broadcast(T x) {
  return x - V{};
}

// e^x to about one unit in the last place; 0 below the smallest normal number. n comes from rounding x / ln 2, e^(x - n ln 2)
// from a polynomial, and 2^n from the bits of its exponent.
inline VecF exp_f32(VecF x) {
  const VecF lowest = broadcast<VecF>(-87.0f);
  const VecI is_zero = x < lowest;
  x = is_zero ? lowest : x;
  const float rounder = 12582912.0f;  // 1.5 * 2^23: adding it leaves the rounded integer in the low bits
  const VecF shifted = x * 1.44269504f + rounder;
  const VecF n = shifted - rounder;
  const VecF r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  VecF p = broadcast<VecF>(1.9875691500e-4f);
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1.0f;
  const VecI exponent = (__builtin_convertvector(n, VecI) + 127) << 23;
  VecF power;
  __builtin_memcpy(&power, &exponent, sizeof(power));
  const VecF result = p * power;
  return is_zero ? VecF{} : result;
}

inline float max_of(VecF v) {
  float best = v[0];
  for (int i = 1; i < kWidth; ++i) best = v[i] > best ? v[i] : best;
  return best;
}

inline double sum_of(VecD v) {
  double sum = 0;
  for (int i = 0; i < kDoubles; ++i) sum += v[i];
  return sum;
}

// One register tile: kRows rows by kVecs vectors of c.
template <typename T, typename V, int kRows, int kVecs>
inline void gemm_tile(int64_t k, const T* a, int64_t lda, const T* b, int64_t ldb, T* c, int64_t ldc, bool accumulate) {
  constexpr int kLane = sizeof(V) / sizeof(T);
  V acc[kRows][kVecs];
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < kVecs; ++v) acc[r][v] = accumulate ? load<V>(c + r * ldc + v * kLane) : V{};
  }
  for (int64_t i = 0; i < k; ++i) {
    V row[kVecs];
#pragma GCC unroll 8
    for (int v = 0; v < kVecs; ++v) row[v] = load<V>(b + i * ldb + v * kLane);
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      const V x = broadcast<V>(a[r * lda + i]);
#pragma GCC unroll 8
      for (int v = 0; v < kVecs; ++v) acc[r][v] += x * row[v];
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < kVecs; ++v) store(c + r * ldc + v * kLane, acc[r][v]);
  }
}

template <typename T, typename V>
void gemm(int64_t m, int64_t n, int64_t k, const T* a, int64_t lda, const T* b, int64_t ldb, T* c, int64_t ldc,
          bool accumulate) {
  constexpr int64_t kLane = sizeof(V) / sizeof(T);
  int64_t j = 0;
  for (; j + kNv * kLane <= n; j += kNv * kLane) {
    for (int64_t i = 0; i < m; i += kMr) {
      gemm_tile<T, V, kMr, kNv>(k, a + i * lda, lda, b + j, ldb, c + i * ldc + j, ldc, accumulate);
    }
  }
  for (; j < n; j += kLane) {
    for (int64_t i = 0; i < m; i += kMr) {
      gemm_tile<T, V, kMr, 1>(k, a + i * lda, lda, b + j, ldb, c + i * ldc + j, ldc, accumulate);
    }
  }
}

void softmax_tile(int64_t rows, int64_t cols, float* logits, int64_t ld, const int32_t* key_positions,
                  int32_t first_position, const SoftmaxRows& state) {
  const float infinity = __builtin_inff();
  for (int64_t r = 0; r < rows; ++r) {
    float* x = logits + r * ld;
    VecF best = broadcast<VecF>(-infinity);
    for (int64_t j = 0; j < cols; j += kWidth) {
      VecF v = load<VecF>(x + j);
      if (key_positions != nullptr) {
        const VecI hidden = load<VecI>(key_positions + j) > broadcast<VecI>(first_position + static_cast<int32_t>(r));
        v = hidden ? broadcast<VecF>(-infinity) : v;
        store(x + j, v);
      }
      best = v > best ? v : best;
    }
    const float tile_max = max_of(best);
    const float old_max = state.max[r];
    const float new_max = tile_max > old_max ? tile_max : old_max;
    if (new_max == -infinity) {  // this row has not seen a key yet
      for (int64_t j = 0; j < cols; j += kWidth) store(x + j, VecF{});
      state.scale[r] = 1;
      continue;
    }
    const float shrink = exp_f32(broadcast<VecF>(old_max - new_max))[0];
    VecD sum = {};
    for (int64_t j = 0; j < cols; j += kWidth) {
      const VecF p = exp_f32(load<VecF>(x + j) - new_max);
      store(x + j, p);
      HalfF low, high;
      __builtin_memcpy(&low, &p, sizeof(low));
      __builtin_memcpy(&high, reinterpret_cast<const char*>(&p) + sizeof(low), sizeof(high));
      sum += __builtin_convertvector(low, VecD) + __builtin_convertvector(high, VecD);
    }
    state.sum[r] = state.sum[r] * shrink + sum_of(sum);
    state.max[r] = new_max;
    state.scale[r] = shrink;
  }
}

void scale_rows(int64_t rows, int64_t cols, float* x, int64_t ld, const float* factors) {
  for (int64_t r = 0; r < rows; ++r) {
    if (factors[r] == 1) continue;
    for (int64_t j = 0; j < cols; j += kWidth) store(x + r * ld + j, load<VecF>(x + r * ld + j) * factors[r]);
  }
}

// The next kWidth values of x less a shift, rounded to float: differences are small where they count.
inline VecF float_difference(const double* x, const double* shift, int64_t shift_step) {
  VecF result;
  for (int half = 0; half < 2; ++half) {
    const VecD d = load<VecD>(x + half * kDoubles) -
                   (shift_step == 0 ? broadcast<VecD>(*shift) : load<VecD>(shift + half * kDoubles));
    const HalfF f = __builtin_convertvector(d, HalfF);
    __builtin_memcpy(reinterpret_cast<char*>(&result) + half * sizeof(f), &f, sizeof(f));
  }
  return result;
}

double sum_exp(int64_t n, const double* x, double shift) {
  double total = 0;
  for (int64_t i = 0; i < n; i += kWidth) {
    const VecF e = exp_f32(float_difference(x + i, &shift, 0));
    for (int l = 0; l < kWidth; ++l) total += e[l];
  }
  return total;
}

void column_log_sums(int64_t rows, int64_t n, const double* logits, int64_t ld, const double* row_lse, double* max,
                     double* sum) {
  for (int64_t j = 0; j < n; j += kDoubles) {
    VecD best = broadcast<VecD>(-__builtin_inf());
    for (int64_t r = 0; r < rows; ++r) {
      const VecD d = load<VecD>(logits + r * ld + j) - row_lse[r];
      best = d > best ? d : best;
    }
    store(max + j, best);
    store(sum + j, VecD{});
  }
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t j = 0; j < n; j += kWidth) {
      double shift[kWidth];
      for (int l = 0; l < kWidth; ++l) shift[l] = max[j + l] + row_lse[r];
      const VecF e = exp_f32(float_difference(logits + r * ld + j, shift, 1));
      for (int l = 0; l < kWidth; ++l) sum[j + l] += e[l];
    }
  }
}

// A constant expression: nothing of an instruction set runs before dispatch has chosen it.
constexpr Kernels make_kernels(const char* name) {
  return {name,       kMr,     gemm<float, VecF>, gemm<double, VecD>, softmax_tile,
          scale_rows, sum_exp, column_log_sums};
}
