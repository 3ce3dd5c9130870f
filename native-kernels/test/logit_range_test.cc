// Softmax over logits of every size, from 1e-3 to 1e30 and to the end of float32's range, against float64.
//
//   logit_range_test ISA [STEP]   all cases, or each STEP-th
//
// Queries and keys are small whole numbers times powers of 2, so that every logit and every difference of two logits is
// exact in float32. What differs from float64 is then an error of the softmax alone, however large the logits are.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "oracle.h"

namespace {

using oracle::Arrays;
using oracle::Case;
using oracle::Elements;
using oracle::Oracle;

int failures = 0;

void expect(bool holds, const std::string& what) {
  if (holds) return;
  std::printf("FAILED: %s\n", what.c_str());
  ++failures;
}

enum class Shape {
  kDots,    // products of whole numbers: many equal ones
  kSpread,  // each row of queries and keys with a power of 2 of its own
  kOffset,  // all logits are close to the same large number
  kColumn,  // one column of any size and sign, so that differences reach the end of float32's range
};

const char* name_of(Shape shape) {
  const char* const names[] = {"dots", "spread", "offset", "column"};
  return names[static_cast<int>(shape)];
}

struct Range {
  Shape shape;
  int exponent;   // the largest scaled logits are about 2^exponent
  bool in_scale;  // whether the softmax scale makes them so large, and not the elements
};

class Filler {
 public:
  Filler(const Range& range, Case& c, uint32_t seed) : range_(range), random_(seed) {
    const int octaves = range.exponent - size_of_unscaled(c);
    const bool in_scale = range.in_scale || c.dtype == PBS_ATTN_FLOAT16;
    c.softmax_scale = std::ldexp(1.0, in_scale ? octaves : 0);
    q_octaves_ = in_scale ? 0 : octaves / 2;
    k_octaves_ = in_scale ? 0 : octaves - octaves / 2;
  }

  void fill(const Case& c, Arrays& a) {
    fill_rows(c, a.row, a.q, c.q_heads * c.seqlen_q, q_octaves_, true);
    fill_rows(c, a.row, a.k, c.kv_heads * c.seqlen_k, k_octaves_, false);
  }

 private:
  // The exponent of usual logits before they are scaled.
  int size_of_unscaled(const Case& c) const {
    if (range_.shape == Shape::kOffset) return 20;
    if (range_.shape == Shape::kColumn) return 0;
    return static_cast<int>(std::log2(6 * std::sqrt(static_cast<double>(c.head_dim))));
  }

  int pick(int low, int high) { return std::uniform_int_distribution<int>(low, high)(random_); }

  void fill_rows(const Case& c, int64_t row, Elements& x, int64_t rows, int octaves, bool is_q) {
    for (int64_t r = 0; r < rows; ++r) {
      const int own = range_.shape == Shape::kSpread ? -pick(0, 12) : 0;
      for (int64_t d = 0; d < c.head_dim; ++d) {
        const double value = std::ldexp(element(d, is_q), octaves + own);
        x.set(static_cast<size_t>(r * row + d), static_cast<float>(value));
      }
    }
  }

  double element(int64_t d, bool is_q) {
    if (range_.shape == Shape::kColumn) {
      if (d > 0) return 0;
      const double sign = pick(0, 1) == 0 ? -1 : 1;
      return is_q ? sign : sign * std::ldexp(pick(4, 7) / 4.0, -1 - pick(0, 12));
    }
    if (range_.shape == Shape::kOffset && d == 0) return is_q ? 256 : 4096;
    return is_q ? pick(-2, 2) : pick(-3, 3);
  }

  const Range range_;
  std::mt19937 random_;
  int q_octaves_;
  int k_octaves_;
};

std::string describe(const Range& range, const Case& c) {
  return std::string(name_of(range.shape)) + " of 2^" + std::to_string(range.exponent) +
         (range.in_scale ? " by the scale, " : ", ") + c.name();
}

void run(pbs_attn_call& call, const std::string& name) {
  char message[256] = "";
  expect(pbs_attn_prefill(&call, message, sizeof(message)) == PBS_ATTN_OK, name + ": " + message);
}

void check_outputs(const Range& range, Case c, uint32_t seed) {
  Filler filler(range, c, seed);
  Arrays a(c, seed);
  filler.fill(c, a);
  Oracle oracle(c, a);
  for (const bool wants_lse : {true, false}) {
    const std::string name = describe(range, c) + (wants_lse ? "" : ", no lse");
    pbs_attn_call call = oracle::make_call(c, a);
    if (!wants_lse) call.lse = nullptr;
    run(call, name);
    Oracle::Errors errors;
    int64_t kept;
    oracle.compare(a, errors, kept);
    // As in pbs_attn_test: values are below 5, and weights or outputs may be rounded.
    const double bound = c.dtype == PBS_ATTN_FLOAT32    ? 2e-5
                         : c.dtype == PBS_ATTN_BFLOAT16 ? 2 * 5 * 0x1p-9
                                                        : 5 * 0x1p-11;
    expect(errors.o <= bound, name + ": output error " + std::to_string(errors.o));
    if (wants_lse) expect(errors.lse_share <= 3e-6, name + ": lse error " + std::to_string(errors.lse_share));
  }
}

// Sparse, with values of 1: whichever blocks are kept, a mean of ones is 1. Scores of keys are compared as such.
void check_sparse(const Range& range, Case c, uint32_t seed) {
  c.threshold = 0.9;
  Filler filler(range, c, seed);
  Arrays a(c, seed);
  filler.fill(c, a);
  for (size_t i = 0; i < a.v.size(); ++i) a.v.set(i, 1);
  const std::string name = "sparse " + describe(range, c);
  std::vector<float> scores(static_cast<size_t>(c.q_heads * c.seqlen_k));
  for (const bool wants_lse : {true, false}) {
    pbs_attn_call call = oracle::make_call(c, a);
    if (!wants_lse) call.lse = nullptr;
    call.trace.key_scores = scores.data();
    run(call, name);
    double worst = 0;
    for (int64_t i = 0; i < c.q_heads * c.seqlen_q; ++i) {
      for (int64_t d = 0; d < c.head_dim; ++d) {
        const double error = std::abs(a.o[static_cast<size_t>(i * a.row + d)] - 1.0);
        if (!(error <= worst)) worst = error;  // so that NaN counts
      }
    }
    expect(worst <= (c.dtype == PBS_ATTN_BFLOAT16 ? 0x1p-8 : 2e-5),
           name + ": a mean of ones is off by " + std::to_string(worst));
  }
  double worst = 0;
  const Oracle oracle(c, a);
  for (int64_t h = 0; h < c.q_heads; ++h) {
    const std::vector<double> expected = oracle.key_scores(h, h / (c.q_heads / c.kv_heads));
    for (size_t j = 0; j < expected.size(); ++j) {
      const double found = scores[static_cast<size_t>(h * c.seqlen_k) + j];
      const double error = std::abs(found - expected[j]) / (expected[j] + 1e-37);
      if (!(error <= worst)) worst = error;
    }
  }
  // Where maxima are near 0, bfloat16 engines round maximum and scale to one float32, as float32 rounds inexact logits.
  const bool may_round = c.dtype == PBS_ATTN_BFLOAT16 && range.exponent <= 17;
  const double rounding = may_round ? std::ldexp(1.0, range.exponent - 22) : 0;
  expect(worst <= 5e-5 + rounding, name + ": error of key scores " + std::to_string(worst));
}

void check_all(int32_t dtype, uint32_t step) {
  const std::vector<int> exponents = {-10, -5, 0,  3,  6,  8,  10, 11, 12, 13, 14, 15, 16, 17,
                                      18,  19, 20, 22, 24, 27, 30, 33, 36, 40, 50, 64, 80, 100};
  const std::vector<int64_t> dims = {64, 128, 96, 32, 256, 33};
  uint32_t seed = 0;
  for (const Shape shape : {Shape::kDots, Shape::kSpread, Shape::kOffset, Shape::kColumn}) {
    for (const int exponent : exponents) {
      if (seed++ % step != 0) continue;
      const Range range{shape, exponent, seed % 2 == 1};
      const int64_t block = seed % 3 == 2 ? 64 : 128;
      const Case c{dtype, 290, 290, dims[seed % dims.size()], 1, 1, block, block, 1.0, PBS_ATTN_PER_QUERY_HEAD, 1};
      check_outputs(range, c, seed);
      check_sparse(range, c, seed);
    }
  }
  if (dtype == PBS_ATTN_FLOAT16) return;        // has no numbers of such size
  for (const int exponent : {126, 127, 128}) {  // differences that float32 does not hold
    for (const int64_t dim : {64, 128, 32}) {
      const Case c{dtype, 290, 290, dim, 1, 1, 128, 128, 1.0, PBS_ATTN_PER_QUERY_HEAD, 1};
      if (seed++ % step == 0) check_outputs({Shape::kColumn, exponent, false}, c, seed);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  const int step = argc == 3 ? std::atoi(argv[2]) : 1;
  if (argc < 2 || argc > 3 || step < 1) {
    std::printf("usage: logit_range_test ISA [STEP]\n");
    return 2;
  }
  if (!oracle::use_isa(argv[1])) return 77;
  for (const int32_t dtype : {PBS_ATTN_FLOAT32, PBS_ATTN_BFLOAT16, PBS_ATTN_FLOAT16})
    check_all(dtype, static_cast<uint32_t>(step));
  return failures == 0 ? 0 : 1;
}
