#include "element.h"

#include <cstring>

#include "pbs_attn.h"

namespace pbs_attn {
namespace {

uint32_t bits_of(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof(bits));
  return bits;
}

float float_of(uint32_t bits) {
  float x;
  std::memcpy(&x, &bits, sizeof(x));
  return x;
}

float bfloat16_to_float(uint16_t x) { return float_of(static_cast<uint32_t>(x) << 16); }

uint16_t float_to_bfloat16(float x) {
  const uint32_t bits = bits_of(x);
  return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

// Moves exponent and fraction into float32's places; the product corrects the bias, for subnormal numbers too.
float float16_to_float(uint16_t x) {
  const float magnitude = float_of(static_cast<uint32_t>(x & 0x7fff) << 13) * float_of(0x77800000);  // * 2^112
  return float_of(bits_of(magnitude) | (static_cast<uint32_t>(x & 0x8000) << 16));
}

uint16_t float_to_float16(float x) {
  const uint32_t bits = bits_of(x);
  const uint16_t sign = static_cast<uint16_t>((bits >> 16) & 0x8000);
  const uint32_t magnitude = bits & 0x7fffffff;
  if (magnitude >= 0x477ff000) return sign | 0x7c00;  // 65520 and more round to infinity
  if (magnitude < 0x38800000) {                       // below 2^-14: adding 0.5 rounds to steps of 2^-24
    const float rounded = float_of(magnitude) + 0.5f;
    return static_cast<uint16_t>(sign | (bits_of(rounded) - bits_of(0.5f)));
  }
  const uint32_t rebased = magnitude - (112u << 23);
  return static_cast<uint16_t>(sign | ((rebased + 0xfff + ((rebased >> 13) & 1)) >> 13));
}

template <typename T, T kExponent>
bool finite_bits(const void* row, int64_t n) {
  const char* bytes = static_cast<const char*>(row);
  int bad = 0;
  for (int64_t i = 0; i < n; ++i) {
    T x;
    std::memcpy(&x, bytes + i * sizeof(T), sizeof(T));
    bad |= (x & kExponent) == kExponent;
  }
  return bad == 0;
}

}  // namespace

size_t element_size(int32_t dtype) { return dtype == PBS_ATTN_FLOAT32 ? 4 : 2; }

bool all_finite(int32_t dtype, const void* row, int64_t n) {
  switch (dtype) {
    case PBS_ATTN_FLOAT32:
      return finite_bits<uint32_t, 0x7f800000>(row, n);
    case PBS_ATTN_BFLOAT16:
      return finite_bits<uint16_t, 0x7f80>(row, n);
    default:
      return finite_bits<uint16_t, 0x7c00>(row, n);
  }
}

void load_row(int32_t dtype, const void* row, int64_t n, float* result) {
  if (dtype == PBS_ATTN_FLOAT32) {
    std::memcpy(result, row, static_cast<size_t>(n) * sizeof(float));
    return;
  }
  const uint16_t* half = static_cast<const uint16_t*>(row);
  for (int64_t i = 0; i < n; ++i) {
    result[i] = dtype == PBS_ATTN_BFLOAT16 ? bfloat16_to_float(half[i]) : float16_to_float(half[i]);
  }
}

void store_row(int32_t dtype, const float* row, int64_t n, void* result) {
  if (dtype == PBS_ATTN_FLOAT32) {
    std::memcpy(result, row, static_cast<size_t>(n) * sizeof(float));
    return;
  }
  uint16_t* half = static_cast<uint16_t*>(result);
  for (int64_t i = 0; i < n; ++i) {
    half[i] = dtype == PBS_ATTN_BFLOAT16 ? float_to_bfloat16(row[i]) : float_to_float16(row[i]);
  }
}

}  // namespace pbs_attn
