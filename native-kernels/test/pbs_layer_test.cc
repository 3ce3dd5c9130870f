// Tests of pbs_layer.h on one instruction set, against float64.
//
//   pbs_layer_test ISA   (not run, and said so, where this CPU lacks it)
#include "pbs_layer.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace {

constexpr int kSkipped = 77;
constexpr float kUntouched = 12345;

int failures = 0;

void expect(bool holds, const std::string& what) {
  if (holds) return;
  std::printf("FAILED: %s\n", what.c_str());
  ++failures;
}

uint16_t to_bfloat16(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof(bits));
  return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

float to_float(uint16_t x) {
  const uint32_t bits = static_cast<uint32_t>(x) << 16;
  float result;
  std::memcpy(&result, &bits, sizeof(result));
  return result;
}

// Rows of a type with two elements behind each that nobody may touch.
class Matrix {
 public:
  Matrix(int32_t dtype, int64_t rows, int64_t cols)
      : dtype_(dtype),
        rows_(rows),
        cols_(cols),
        bytes_(static_cast<size_t>(rows * (cols + 2)) * (dtype == PBS_ATTN_FLOAT32 ? 4 : 2)) {
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t c = 0; c < cols + 2; ++c) set(r, c, kUntouched);
    }
  }

  Matrix& fill(std::mt19937& random, float spread) {
    std::normal_distribution<float> normal(0, spread);
    for (int64_t r = 0; r < rows_; ++r) {
      for (int64_t c = 0; c < cols_; ++c) set(r, c, normal(random));
    }
    return *this;
  }

  double at(int64_t r, int64_t c) const {
    const size_t i = static_cast<size_t>(r * (cols_ + 2) + c);
    if (dtype_ == PBS_ATTN_BFLOAT16) {
      uint16_t half;
      std::memcpy(&half, &bytes_[2 * i], 2);
      return static_cast<double>(to_float(half));
    }
    float x;
    std::memcpy(&x, &bytes_[4 * i], 4);
    return static_cast<double>(x);
  }

  void set(int64_t r, int64_t c, float x) {
    const size_t i = static_cast<size_t>(r * (cols_ + 2) + c);
    const uint16_t half = to_bfloat16(x);
    if (dtype_ == PBS_ATTN_BFLOAT16) {
      std::memcpy(&bytes_[2 * i], &half, 2);
    } else {
      std::memcpy(&bytes_[4 * i], &x, 4);
    }
  }

  bool is_untouched_behind_rows() const {
    const double untouched =
        static_cast<double>(dtype_ == PBS_ATTN_BFLOAT16 ? to_float(to_bfloat16(kUntouched)) : kUntouched);
    for (int64_t r = 0; r < rows_; ++r) {
      if (at(r, cols_) != untouched || at(r, cols_ + 1) != untouched) return false;
    }
    return true;
  }

  pbs_layer_matrix c() { return {bytes_.data(), rows_, cols_, cols_ + 2, dtype_}; }
  void* data() { return bytes_.data(); }

 private:
  int32_t dtype_;
  int64_t rows_, cols_;
  std::vector<char> bytes_;
};

// bfloat16 has 8 binary digits; a sum of n products in float32 errs by far less.
double tolerance(int32_t dtype, double expected, double magnitude) {
  return (dtype == PBS_ATTN_BFLOAT16 ? std::abs(expected) / 256 : 0) + magnitude * 1e-6 + 1e-30;
}

double silu(double x) { return x / (1 + std::exp(-x)); }

void test_linear(int64_t rows, int64_t in, int64_t out, int32_t combine, int32_t num_weights, bool has_bias,
                 int32_t out_dtype, int32_t threads) {
  const std::string name = "linear " + std::to_string(rows) + " x " + std::to_string(in) + " x " + std::to_string(out) +
                           ", combine " + std::to_string(combine) + ", threads " + std::to_string(threads);
  std::mt19937 random(7);
  Matrix x(PBS_ATTN_BFLOAT16, rows, in);
  x.fill(random, 1);
  std::vector<Matrix> weights, outputs, before, biases;
  pbs_layer_linear_call call{};
  call.struct_size = sizeof(call);
  call.combine = combine;
  call.num_weights = num_weights;
  call.num_threads = threads;
  call.x = x.c();
  for (int32_t w = 0; w < num_weights; ++w) {
    // Different numbers of outputs, where they may differ.
    const int64_t width = combine == PBS_LAYER_GATE ? out : out + w;
    weights.emplace_back(PBS_ATTN_BFLOAT16, width, in).fill(random, 0.1f);
    biases.emplace_back(PBS_ATTN_BFLOAT16, 1, width).fill(random, 1);
    outputs.emplace_back(out_dtype, rows, width).fill(random, 1);
  }
  before = outputs;
  for (int32_t w = 0; w < num_weights; ++w) {
    const size_t i = static_cast<size_t>(w);
    call.weights[w] = weights[i].c();
    call.outputs[w] = outputs[i].c();
    call.biases[w] = has_bias ? biases[i].data() : nullptr;
  }
  char message[256] = "";
  const int32_t status = pbs_layer_linear(&call, message, sizeof(message));
  if (rows > pbs_layer_max_linear_rows()) {
    expect(status == PBS_ATTN_UNSUPPORTED, name + ": too many rows answer " + std::to_string(status));
    return;
  }
  expect(status == PBS_ATTN_OK, name + ": " + message);
  const auto product = [&](size_t w, int64_t r, int64_t n, double* magnitude) {
    double sum = has_bias ? biases[w].at(0, n) : 0;
    for (int64_t k = 0; k < in; ++k) {
      sum += x.at(r, k) * weights[w].at(n, k);
      *magnitude += std::abs(x.at(r, k) * weights[w].at(n, k));
    }
    return sum;
  };
  int wrong = 0;
  const size_t written = combine == PBS_LAYER_GATE ? 1 : static_cast<size_t>(num_weights);
  for (size_t w = 0; w < written; ++w) {
    expect(outputs[w].is_untouched_behind_rows(), name + ": wrote behind a row");
    const int64_t width = call.outputs[w].cols;
    for (int64_t r = 0; r < rows; r += 1 + rows / 37) {
      for (int64_t n = 0; n < width; n += 1 + width / 41) {
        double magnitude = 1;
        double expected = product(w, r, n, &magnitude);
        if (combine == PBS_LAYER_GATE) {
          const double up = product(1, r, n, &magnitude);
          expected = silu(expected) * up;
          magnitude *= 4 + std::abs(up);
        }
        if (combine == PBS_LAYER_ADD) expected += before[w].at(r, n);
        if (!(std::abs(outputs[w].at(r, n) - expected) <= tolerance(out_dtype, expected, magnitude))) ++wrong;
      }
    }
  }
  expect(wrong == 0, name + ": " + std::to_string(wrong) + " wrong");
}

// Rows that are read where they lie give the same bits as packed ones, and what is behind them does not count.
void test_rows_in_place(int64_t rows, int64_t in, int64_t out, int32_t threads) {
  if (rows > pbs_layer_max_linear_rows()) return;
  constexpr int64_t kStep = 512;
  const int64_t steps = (in + kStep) / kStep;
  const int64_t stride = (steps % 2 == 0 ? steps + 1 : steps) * kStep;
  std::mt19937 random(8);
  Matrix x(PBS_ATTN_BFLOAT16, rows, in), weight(PBS_ATTN_BFLOAT16, out, in);
  x.fill(random, 1);
  weight.fill(random, 0.1f);
  const std::unique_ptr<uint16_t, void (*)(void*)> apart(
      static_cast<uint16_t*>(std::aligned_alloc(64, static_cast<size_t>(rows * stride) * 2)), std::free);
  std::fill(apart.get(), apart.get() + rows * stride, to_bfloat16(std::nanf("")));
  const char* from = static_cast<const char*>(x.data());
  for (int64_t r = 0; r < rows; ++r) {
    std::memcpy(apart.get() + r * stride, from + r * x.c().row_stride * 2, static_cast<size_t>(in) * 2);
  }
  Matrix expected(PBS_ATTN_FLOAT32, rows, out), found(PBS_ATTN_FLOAT32, rows, out);
  pbs_layer_linear_call call{};
  call.struct_size = sizeof(call);
  call.num_weights = 1;
  call.num_threads = threads;
  call.weights[0] = weight.c();
  char message[256] = "";
  for (Matrix* y : {&expected, &found}) {
    call.x = y == &expected ? x.c() : pbs_layer_matrix{apart.get(), rows, in, stride, PBS_ATTN_BFLOAT16};
    call.outputs[0] = y->c();
    expect(pbs_layer_linear(&call, message, sizeof(message)) == PBS_ATTN_OK, message);
  }
  int wrong = 0;
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t n = 0; n < out; ++n) wrong += expected.at(r, n) != found.at(r, n);
  }
  expect(wrong == 0, "rows in place, " + std::to_string(rows) + " x " + std::to_string(in) + ": " +
                         std::to_string(wrong) + " wrong");
}

void test_norm(int64_t rows, int64_t cols, int32_t dtype) {
  std::mt19937 random(9);
  Matrix x(PBS_ATTN_FLOAT32, rows, cols), weight(PBS_ATTN_FLOAT32, 1, cols), y(dtype, rows, cols);
  x.fill(random, 3);
  weight.fill(random, 1);
  const pbs_layer_matrix in = x.c(), out = y.c();
  char message[256] = "";
  const int32_t status =
      pbs_layer_rms_norm(&in, static_cast<const float*>(weight.data()), 1e-5, &out, 2, message, sizeof(message));
  expect(status == PBS_ATTN_OK, std::string("norm: ") + message);
  int wrong = 0;
  for (int64_t r = 0; r < rows; ++r) {
    double square = 0;
    for (int64_t c = 0; c < cols; ++c) square += x.at(r, c) * x.at(r, c);
    const double factor = 1 / std::sqrt(square / static_cast<double>(cols) + 1e-5);
    for (int64_t c = 0; c < cols; ++c) {
      const double expected = x.at(r, c) * factor * weight.at(0, c);
      if (!(std::abs(y.at(r, c) - expected) <= tolerance(dtype, expected, std::abs(expected)))) ++wrong;
    }
  }
  expect(wrong == 0 && y.is_untouched_behind_rows(), "norm of " + std::to_string(cols) + " columns");
}

// Heads lie side by side in a row of x, and behind each other in y; then x is rotated in place.
// Every NaN stays one when it is rounded: its bits may be all ones, where a carry would leave 0.
void test_nan() {
  for (const uint32_t bits : {0x7fc00000u, 0x7fffffffu, 0xffffffffu, 0x7f800001u}) {
    Matrix x(PBS_ATTN_FLOAT32, 1, 40), y(PBS_ATTN_BFLOAT16, 1, 40);
    float nan;
    std::memcpy(&nan, &bits, sizeof(nan));
    for (int64_t c = 0; c < 40; ++c) x.set(0, c, nan);
    const std::vector<float> weight(40, 1);
    const pbs_layer_matrix a = x.c(), b = y.c();
    char message[256] = "";
    expect(pbs_layer_rms_norm(&a, weight.data(), 1e-5, &b, 1, message, sizeof(message)) == PBS_ATTN_OK, message);
    int numbers = 0;
    for (int64_t c = 0; c < 40; ++c) numbers += std::isnan(y.at(0, c)) ? 0 : 1;
    expect(numbers == 0,
           "NaN of bits " + std::to_string(bits) + " became a number " + std::to_string(numbers) + " times");
  }
}

void test_rotate(int64_t heads, int64_t rows, int64_t dim, int32_t dtype) {
  std::mt19937 random(11);
  Matrix x(dtype, rows, heads * dim), y(dtype, heads * rows, dim);
  x.fill(random, 1);
  const Matrix before = x;
  std::vector<float> cosines, sines;
  for (int64_t i = 0; i < rows * dim / 2; ++i) {
    cosines.push_back(std::cos(static_cast<float>(i)));
    sines.push_back(std::sin(static_cast<float>(i)));
  }
  const pbs_attn_tensor from{x.data(), 0, dim, heads * dim + 2};
  const pbs_attn_tensor to{y.data(), 0, rows * (dim + 2), dim + 2};
  char message[256] = "";
  expect(pbs_layer_rotate(dtype, heads, rows, dim, &from, cosines.data(), sines.data(), &to, 2, message,
                          sizeof(message)) == PBS_ATTN_OK,
         std::string("rotate: ") + message);
  expect(pbs_layer_rotate(dtype, heads, rows, dim, &from, cosines.data(), sines.data(), &from, 1, message,
                          sizeof(message)) == PBS_ATTN_OK,
         std::string("rotate in place: ") + message);
  int wrong = 0;
  const int64_t half = dim / 2;
  for (int64_t h = 0; h < heads; ++h) {
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t i = 0; i < half; ++i) {
        const double a = before.at(r, h * dim + i), b = before.at(r, h * dim + half + i);
        const double c = static_cast<double>(cosines[static_cast<size_t>(r * half + i)]);
        const double s = static_cast<double>(sines[static_cast<size_t>(r * half + i)]);
        const double first = a * c - b * s, second = b * c + a * s;
        const double magnitude = std::abs(a) + std::abs(b);
        const auto is_near = [&](double found, double expected) {
          return std::abs(found - expected) <= tolerance(dtype, expected, magnitude);
        };
        wrong += !is_near(y.at(h * rows + r, i), first) || !is_near(y.at(h * rows + r, half + i), second) ||
                 !is_near(x.at(r, h * dim + i), first) || !is_near(x.at(r, h * dim + half + i), second);
      }
    }
  }
  expect(wrong == 0 && x.is_untouched_behind_rows() && y.is_untouched_behind_rows(),
         "rotate of head dim " + std::to_string(dim));
}

void test_gate(int64_t rows, int64_t cols) {
  std::mt19937 random(13);
  Matrix gate(PBS_ATTN_BFLOAT16, rows, cols), up(PBS_ATTN_BFLOAT16, rows, cols), y(PBS_ATTN_BFLOAT16, rows, cols);
  gate.fill(random, 30);  // to where e^-x does not fit into a float
  gate.set(0, 0, -1000);
  gate.set(1, 0, -3e38f);
  up.fill(random, 1);
  const pbs_layer_matrix a = gate.c(), b = up.c(), c = y.c();
  char message[256] = "";
  expect(pbs_layer_gate(&a, &b, &c, 2, message, sizeof(message)) == PBS_ATTN_OK, std::string("gate: ") + message);
  int wrong = 0;
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t n = 0; n < cols; ++n) {
      const double expected = silu(gate.at(r, n)) * up.at(r, n);
      wrong += !(std::abs(y.at(r, n) - expected) <= tolerance(PBS_ATTN_BFLOAT16, expected, std::abs(expected)) + 1e-30);
    }
  }
  expect(wrong == 0 && y.is_untouched_behind_rows(), "gate of " + std::to_string(cols) + " columns");
}

void test_attend_row(int64_t kv_heads, int64_t group, int64_t keys, int64_t dim, float spread) {
  std::mt19937 random(17);
  const int64_t heads = kv_heads * group;
  Matrix q(PBS_ATTN_BFLOAT16, heads, dim), o(PBS_ATTN_BFLOAT16, heads, dim);
  Matrix k(PBS_ATTN_BFLOAT16, kv_heads * keys, dim), v(PBS_ATTN_BFLOAT16, kv_heads * keys, dim);
  q.fill(random, spread);
  k.fill(random, spread);
  v.fill(random, 1);
  const pbs_layer_matrix in = q.c(), out = o.c();
  const pbs_attn_tensor ks{k.data(), 0, keys * (dim + 2), dim + 2}, vs{v.data(), 0, keys * (dim + 2), dim + 2};
  const double scale = 1 / std::sqrt(static_cast<double>(dim));
  char message[256] = "";
  expect(pbs_layer_attend_row(heads, kv_heads, keys, dim, scale, &in, &ks, &vs, &out, 3, message, sizeof(message)) ==
             PBS_ATTN_OK,
         std::string("attend_row: ") + message);
  int wrong = 0;
  for (int64_t h = 0; h < heads; ++h) {
    const int64_t first = h / group * keys;
    std::vector<double> logits;
    double max = -1e300, sum = 0, magnitude = 0;
    for (int64_t j = 0; j < keys; ++j) {
      double logit = 0;
      for (int64_t d = 0; d < dim; ++d) logit += q.at(h, d) * k.at(first + j, d);
      logits.push_back(logit * scale);
      max = std::max(max, logits.back());
      magnitude = std::max(magnitude, std::abs(logit * scale));
    }
    for (double& x : logits) sum += x = std::exp(x - max);
    for (int64_t d = 0; d < dim; ++d) {
      double expected = 0, size = 0;
      for (int64_t j = 0; j < keys; ++j) {
        expected += logits[static_cast<size_t>(j)] / sum * v.at(first + j, d);
        size += logits[static_cast<size_t>(j)] / sum * std::abs(v.at(first + j, d));
      }
      wrong += !(std::abs(o.at(h, d) - expected) <= tolerance(PBS_ATTN_BFLOAT16, expected, size * (10 + magnitude)));
    }
  }
  expect(wrong == 0 && o.is_untouched_behind_rows(),
         "attend_row of " + std::to_string(keys) + " keys: " + std::to_string(wrong) + " wrong");
}

void refused(int32_t status, const char* message, const std::string& word) {
  expect(status == PBS_ATTN_INVALID_ARGUMENT && std::strstr(message, word.c_str()) != nullptr,
         "expected a refusal with '" + word + "', found " + std::to_string(status) + " '" + message + "'");
}

void test_refusals() {
  Matrix x(PBS_ATTN_BFLOAT16, 2, 8), weight(PBS_ATTN_BFLOAT16, 4, 8), y(PBS_ATTN_BFLOAT16, 2, 4);
  pbs_layer_linear_call good{};
  good.struct_size = sizeof(good);
  good.num_weights = 1;
  good.x = x.c();
  good.weights[0] = weight.c();
  good.outputs[0] = y.c();
  char message[256] = "";
  const auto with = [&](const auto& change, const std::string& word) {
    pbs_layer_linear_call call = good;
    change(call);
    refused(pbs_layer_linear(&call, message, sizeof(message)), message, word);
  };
  expect(pbs_layer_linear(&good, message, sizeof(message)) == PBS_ATTN_OK, message);
  refused(pbs_layer_linear(nullptr, message, sizeof(message)), message, "call");
  with([](auto& c) { c.struct_size = 1; }, "struct_size");
  with([](auto& c) { c.combine = 3; }, "combine");
  with([](auto& c) { c.num_weights = 4; }, "num_weights");
  with([](auto& c) { c.combine = PBS_LAYER_GATE; }, "num_weights");
  with([](auto& c) { c.num_threads = -1; }, "num_threads");
  with([](auto& c) { c.x.data = nullptr; }, "x");
  with([](auto& c) { c.x.dtype = PBS_ATTN_FLOAT32; }, "x");
  with([](auto& c) { c.x.row_stride = 7; }, "row_stride");
  with([](auto& c) { c.weights[0].cols = 7; }, "weights[0].cols");
  with([](auto& c) { c.outputs[0].rows = 1; }, "outputs[0].rows");
  with([](auto& c) { c.outputs[0].cols = 3; }, "outputs[0].cols");
  with([](auto& c) { c.combine = PBS_LAYER_ADD; }, "outputs[0]");
  const pbs_layer_matrix in = x.c(), out = y.c();
  refused(pbs_layer_gate(&in, &out, &out, 1, message, sizeof(message)), message, "up.cols");
  refused(pbs_layer_rms_norm(&in, nullptr, 1e-5, &out, 1, message, sizeof(message)), message, "weight");
  const pbs_attn_tensor keys{weight.data(), 0, 10, 10};
  refused(pbs_layer_attend_row(3, 2, 1, 8, 1, &in, &keys, &keys, &in, 1, message, sizeof(message)), message,
          "num_q_heads");
  refused(pbs_layer_attend_row(2, 1, 1, 8, 0, &in, &keys, &keys, &in, 1, message, sizeof(message)), message,
          "softmax_scale");
  refused(pbs_layer_attend_row(2, 1, 1, 4, 1, &in, &keys, &keys, &in, 1, message, sizeof(message)), message, "q.cols");
  const pbs_attn_tensor heads{x.data(), 0, 3, 3};
  const float angle[2] = {};
  refused(pbs_layer_rotate(PBS_ATTN_BFLOAT16, 1, 1, 3, &heads, angle, angle, &heads, 1, message, sizeof(message)),
          message, "head_dim");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::printf("usage: pbs_layer_test ISA\n");
    return 2;
  }
  setenv("PBS_ATTN_ISA", argv[1], 1);
  if (pbs_attn_isa() == nullptr) {
    std::printf("NOT RUN: this build and CPU have %s\n", pbs_attn_available_isas());
    return kSkipped;
  }
  for (const int64_t rows : {1, 2, 3, 4, 5, 8, 9, 31, 32, 33, 64, 65, 127, 257}) {
    for (const int64_t in : {32, 77, 128}) test_linear(rows, in, 100, PBS_LAYER_STORE, 1, false, PBS_ATTN_BFLOAT16, 0);
  }
  for (const int32_t threads : {1, 2, 5}) {
    for (const int64_t rows : {3, 70}) {
      test_linear(rows, 96, 64, PBS_LAYER_STORE, 3, true, PBS_ATTN_BFLOAT16, threads);
      test_linear(rows, 96, 63, PBS_LAYER_STORE, 2, false, PBS_ATTN_FLOAT32, threads);
      test_linear(rows, 96, 65, PBS_LAYER_ADD, 1, true, PBS_ATTN_FLOAT32, threads);
      test_linear(rows, 96, 65, PBS_LAYER_GATE, 2, true, PBS_ATTN_BFLOAT16, threads);
      test_linear(rows, 96, 300, PBS_LAYER_GATE, 2, false, PBS_ATTN_BFLOAT16, threads);
    }
  }
  for (const int64_t rows : {31, 32, 100, 192}) {
    for (const int64_t in : {32, 77, 96, 512, 1024, 2048, 2080}) test_rows_in_place(rows, in, 70, 2);
  }
  // As many columns as a block holds, and groups of weights after the first.
  for (const int32_t threads : {1, 3}) {
    test_linear(100, 2048, 500, PBS_LAYER_GATE, 2, true, PBS_ATTN_BFLOAT16, threads);
    test_linear(257, 500, 1000, PBS_LAYER_ADD, 1, false, PBS_ATTN_FLOAT32, threads);
  }
  // More of them.
  for (const int32_t combine : {PBS_LAYER_STORE, PBS_LAYER_ADD, PBS_LAYER_GATE}) {
    const int32_t weights = combine == PBS_LAYER_GATE ? 2 : 1;
    const int32_t dtype = combine == PBS_LAYER_ADD ? PBS_ATTN_FLOAT32 : PBS_ATTN_BFLOAT16;
    test_linear(130, 5001, 70, combine, weights, true, dtype, 2);
    test_linear(100, 2080, combine == PBS_LAYER_GATE ? 230 : 450, combine, weights, false, dtype, 2);
  }
  for (const int64_t cols : {1, 31, 64, 1000}) {
    test_norm(65, cols, PBS_ATTN_BFLOAT16);
    test_norm(3, cols, PBS_ATTN_FLOAT32);
    test_gate(66, cols);
  }
  for (const int64_t dim : {2, 6, 64, 128, 256}) {
    test_rotate(3, 65, dim, PBS_ATTN_BFLOAT16);
    test_rotate(2, 5, dim, PBS_ATTN_FLOAT32);
  }
  for (const int64_t keys : {1, 2, 63, 64, 65, 1000, 1024, 1025, 3000}) {
    test_attend_row(2, 4, keys, 64, 1);
    test_attend_row(1, 1, keys, 7, 3);
  }
  test_attend_row(2, 3, 700, 128, 12);  // logits in the hundreds
  test_nan();
  test_refusals();
  if (failures == 0) std::printf("ok on %s\n", pbs_attn_isa());
  return failures == 0 ? 0 : 1;
}
