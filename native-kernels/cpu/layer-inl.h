// The vector code around attention, compiled with kernels-inl.h for each instruction set.

constexpr int64_t kChunk = kPadding;  // elements that are in registers as floats

// Calls f(first, count) for chunks of at most kChunk of n elements; count is a constant in all but the last.
template <typename F>
inline void for_chunks(int64_t n, const F& f) {
  int64_t i = 0;
  for (; i + kChunk <= n; i += kChunk) f(i, kChunk);
  if (i < n) f(i, n - i);
}

template <typename T>
inline void load_floats(T type, const void* x, int64_t first, int64_t count, float* to) {
  typedef typename T::Bits Bits;
  for (int64_t i = 0; i < count; ++i) to[i] = type.to_float(load<Bits>(static_cast<const Bits*>(x) + first + i));
}

template <typename T>
inline void store_floats(T type, const float* from, int64_t first, int64_t count, void* y) {
  typedef typename T::Bits Bits;
  for (int64_t i = 0; i < count; ++i) store(static_cast<Bits*>(y) + first + i, type.from_float(from[i]));
}

void rms_norm(int64_t n, const float* x, const float* weight, float eps, int32_t dtype, void* y) {
  VecF sums[4] = {};
  int64_t i = 0;
  for (; i + 4 * kWidth <= n; i += 4 * kWidth) {
    for (int v = 0; v < 4; ++v) {
      const VecF a = load<VecF>(x + i + v * kWidth);
      sums[v] += a * a;
    }
  }
  float sum = sum_lanes((sums[0] + sums[1]) + (sums[2] + sums[3]));
  for (; i < n; ++i) sum += x[i] * x[i];
  const float factor = 1 / __builtin_sqrtf(sum / static_cast<float>(n) + eps);
  with_type(dtype, [&](auto type) {
    for_chunks(n, [&](int64_t first, int64_t count) {
      float chunk[kChunk];
      for (int64_t j = 0; j < count; ++j) chunk[j] = x[first + j] * factor * weight[first + j];
      store_floats(type, chunk, first, count, y);
    });
  });
}

void rotate(int32_t dtype, int64_t half, const void* x, const float* cosines, const float* sines, void* y) {
  with_type(dtype, [&](auto type) {
    for_chunks(half, [&](int64_t first, int64_t count) {
      float a[kChunk], b[kChunk];
      load_floats(type, x, first, count, a);
      load_floats(type, x, half + first, count, b);
      for (int64_t i = 0; i < count; ++i) {
        const float c = cosines[first + i], s = sines[first + i];
        const float turned = a[i] * c - b[i] * s;
        b[i] = b[i] * c + a[i] * s;
        a[i] = turned;
      }
      store_floats(type, a, first, count, y);
      store_floats(type, b, half + first, count, y);
    });
  });
}

void split(int64_t n, const void* x, float* even, float* odd) {
  const uint16_t* from = static_cast<const uint16_t*>(x);
  for (int64_t i = 0; i < n; ++i) (i % 2 == 0 ? even : odd)[i / 2] = Bfloat16::to_float(load<uint16_t>(from + i));
}

// Two bfloat16 lie in a word: the lower becomes a float by a shift, the upper by a mask.
void dot_rows(const Rows& weights, int64_t count, const float* even, const float* odd, float* out) {
  const int64_t words = weights.dim / 2;
  for (int64_t r = 0; r < count; ++r) {
    const char* row = row_at(weights, r);
    VecF sums[4] = {};
    int64_t i = 0;
    for (; i + 2 * kWidth <= words; i += 2 * kWidth) {
      for (int v = 0; v < 2; ++v) {
        const int64_t at = i + v * kWidth;
        const VecI pair = load<VecI>(row + at * 4);
        sums[v] += (VecF)(pair << 16) * load<VecF>(even + at);
        sums[2 + v] += (VecF)(pair & ~0xffff) * load<VecF>(odd + at);
      }
    }
    float sum = sum_lanes((sums[0] + sums[1]) + (sums[2] + sums[3]));
    for (int64_t n = 2 * i; n < weights.dim; ++n) {
      const float w = Bfloat16::to_float(load<uint16_t>(reinterpret_cast<const uint16_t*>(row) + n));
      sum += w * (n % 2 == 0 ? even : odd)[n / 2];
    }
    out[r] = sum;
  }
}

// Columns in chunks, whose sums stay in registers.
void add_rows(const Rows& rows, int64_t count, const float* weights, float* sums) {
  for_chunks(rows.dim, [&](int64_t first, int64_t n) {
    float chunk[kChunk] = {}, row[kChunk] = {};
    for (int64_t r = 0; r < count; ++r) {
      load_floats(Bfloat16{}, row_at(rows, r), first, n, row);
      for (int64_t i = 0; i < kChunk; ++i) chunk[i] += weights[r] * row[i];
    }
    for (int64_t i = 0; i < n; ++i) sums[first + i] += chunk[i];
  });
}

void combine(int64_t n, const float* x, const float* bias, bool add, int32_t dtype, void* y) {
  with_type(dtype, [&](auto type) {
    for_chunks(n, [&](int64_t first, int64_t count) {
      float chunk[kChunk], old[kChunk];
      for (int64_t i = 0; i < count; ++i) chunk[i] = x[first + i] + (bias == nullptr ? 0 : bias[first + i]);
      if (add) {
        load_floats(type, y, first, count, old);
        for (int64_t i = 0; i < count; ++i) chunk[i] += old[i];
      }
      store_floats(type, chunk, first, count, y);
    });
  });
}

void gate(int64_t n, const float* gates, const float* gate_bias, const float* ups, const float* up_bias, int32_t dtype,
          void* y) {
  with_type(dtype, [&](auto type) {
    for_chunks(n, [&](int64_t first, int64_t count) {
      float chunk[kChunk] = {};
      for (int64_t i = 0; i < count; ++i) {
        chunk[i] = gates[first + i] + (gate_bias == nullptr ? 0 : gate_bias[first + i]);
      }
      for (int64_t v = 0; v < kChunk; v += kWidth) {
        const VecF g = load<VecF>(chunk + v);
        const VecF y2 = g * -kLog2E;
        // e^-g, with an end to what a float would not hold; silu is 0 there.
        store(chunk + v, g / (1 + exp2(y2 > 126.0f ? broadcast(126) : y2)));
      }
      for (int64_t i = 0; i < count; ++i) {
        chunk[i] *= ups[first + i] + (up_bias == nullptr ? 0 : up_bias[first + i]);
      }
      store_floats(type, chunk, first, count, y);
    });
  });
}

void to_floats(int64_t n, const void* x, float* y) {
  for_chunks(n, [&](int64_t first, int64_t count) { load_floats(Bfloat16{}, x, first, count, y + first); });
}

constexpr LayerKernels make_layer_kernels(const MatrixUnit* matrix_unit) {
  return {matrix_unit, rms_norm, rotate, split, dot_rows, add_rows, combine, gate, to_floats};
}
