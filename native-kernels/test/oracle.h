// Calls of the C interface with random operands, and the algorithm in float64, written straight from its description.
#ifndef PBS_ATTN_TEST_ORACLE_H_
#define PBS_ATTN_TEST_ORACLE_H_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <numeric>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "pbs_attn.h"

namespace oracle {

inline std::string dtype_name(int32_t dtype) {
  return dtype == PBS_ATTN_FLOAT32 ? "float32" : dtype == PBS_ATTN_BFLOAT16 ? "bfloat16" : "float16";
}

// The nearest number with `digits` binary digits.
inline float round_to(float x, int digits) {
  int exponent;
  const float fraction = std::frexp(x, &exponent);
  return std::ldexp(std::nearbyint(std::ldexp(fraction, digits)), exponent - digits);
}

// An array of a call: elements of a type, and the numbers that they stand for.
class Elements {
 public:
  Elements(int32_t dtype, size_t size) : dtype_(dtype), bytes_(size * (dtype == PBS_ATTN_FLOAT32 ? 4 : 2)) {}

  void* data() { return bytes_.data(); }
  size_t size() const { return bytes_.size() / (dtype_ == PBS_ATTN_FLOAT32 ? 4 : 2); }

  // Numbers of a size from 2^-14 to 2^15 come back as they are, rounded to the type.
  void set(size_t i, float x) {
    uint32_t bits;
    if (dtype_ == PBS_ATTN_FLOAT32) {
      std::memcpy(&bytes_[i * 4], &x, 4);
    } else if (dtype_ == PBS_ATTN_BFLOAT16) {
      const float rounded = round_to(x, 8);
      std::memcpy(&bits, &rounded, 4);
      set_half(i, bits >> 16);
    } else {
      const float rounded = round_to(std::abs(x) < 0x1p-14f ? 0 : x, 11);
      std::memcpy(&bits, &rounded, 4);
      set_half(i, rounded == 0 ? 0 : (bits >> 16 & 0x8000) | (((bits & 0x7fffffff) >> 13) - (112u << 10)));
    }
  }

  // NaN or infinity.
  void spoil(size_t i, bool nan) {
    if (dtype_ == PBS_ATTN_FLOAT32) {
      set(i, nan ? std::numeric_limits<float>::quiet_NaN() : -std::numeric_limits<float>::infinity());
    } else if (dtype_ == PBS_ATTN_BFLOAT16) {
      set_half(i, nan ? 0x7fc0 : 0xff80);
    } else {
      set_half(i, nan ? 0x7e00 : 0xfc00);
    }
  }

  float operator[](size_t i) const {
    float x;
    if (dtype_ == PBS_ATTN_FLOAT32) {
      std::memcpy(&x, &bytes_[i * 4], 4);
    } else if (dtype_ == PBS_ATTN_BFLOAT16) {
      const uint32_t bits = static_cast<uint32_t>(half(i)) << 16;
      std::memcpy(&x, &bits, 4);
    } else {
      const int exponent = half(i) >> 10 & 31;
      const int fraction = half(i) & 1023;
      x = exponent == 0 ? std::ldexp(static_cast<float>(fraction), -24)
                        : std::ldexp(static_cast<float>(1024 + fraction), exponent - 25);
      if ((half(i) & 0x8000) != 0) x = -x;
    }
    return x;
  }

 private:
  uint16_t half(size_t i) const {
    uint16_t bits;
    std::memcpy(&bits, &bytes_[i * 2], 2);
    return bits;
  }
  void set_half(size_t i, uint32_t bits) {
    const uint16_t low = static_cast<uint16_t>(bits);
    std::memcpy(&bytes_[i * 2], &low, 2);
  }

  int32_t dtype_;
  std::vector<unsigned char> bytes_;
};

struct Case {
  int32_t dtype;
  int64_t seqlen_q;
  int64_t seqlen_k;
  int64_t head_dim;
  int64_t q_heads;
  int64_t kv_heads;
  int64_t block_size;
  int64_t segment_size;
  double threshold;
  int32_t key_order;
  int32_t threads;
  double growth = 0;  // each key is (1 + growth * position) times noise
  int64_t window = 0;
  double softmax_scale = 0;  // 0: 1 / sqrt(head_dim)

  double scale() const { return softmax_scale != 0 ? softmax_scale : 1 / std::sqrt(static_cast<double>(head_dim)); }

  std::string name() const {
    return dtype_name(dtype) + ", " + std::to_string(seqlen_q) + "/" + std::to_string(seqlen_k) + " x " +
           std::to_string(head_dim) + ", heads " + std::to_string(q_heads) + "/" + std::to_string(kv_heads) +
           ", block " + std::to_string(block_size) + "/" + std::to_string(segment_size) + ", threshold " +
           std::to_string(threshold) + ", order " + std::to_string(key_order) + ", threads " + std::to_string(threads) +
           ", growth " + std::to_string(growth) + ", window " + std::to_string(window) + ", scale " +
           std::to_string(scale());
  }
};

// The arrays of a call with some distance between rows, so that strides are told from sizes.
struct Arrays {
  explicit Arrays(const Case& c, uint32_t seed)
      : row(c.head_dim + 3 + seed % 2),
        q(c.dtype, static_cast<size_t>(c.q_heads * c.seqlen_q * row)),
        k(c.dtype, static_cast<size_t>(c.kv_heads * c.seqlen_k * row)),
        v(c.dtype, k.size()),
        o(c.dtype, q.size()),
        lse(static_cast<size_t>(c.q_heads * c.seqlen_q), -7.0f) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    for (Elements* x : {&q, &k, &v}) {
      for (size_t i = 0; i < x->size(); ++i) x->set(i, normal(random));
    }
    for (size_t i = 0; c.growth > 0 && i < k.size(); ++i) {
      const size_t position = i / static_cast<size_t>(row) % static_cast<size_t>(c.seqlen_k);
      k.set(i, static_cast<float>(k[i] * (1 + c.growth * static_cast<double>(position))));
    }
    for (size_t i = 0; i < o.size(); ++i) o.set(i, -7.0f);
  }
  int64_t row;
  Elements q, k, v, o;
  std::vector<float> lse;
};

inline pbs_attn_call make_call(const Case& c, Arrays& a) {
  pbs_attn_call call{};
  call.struct_size = sizeof(call);
  call.dtype = c.dtype;
  call.batch = 1;
  call.num_q_heads = static_cast<int32_t>(c.q_heads);
  call.num_kv_heads = static_cast<int32_t>(c.kv_heads);
  call.head_dim = static_cast<int32_t>(c.head_dim);
  call.max_seqlen_q = static_cast<int32_t>(c.seqlen_q);
  call.max_seqlen_k = static_cast<int32_t>(c.seqlen_k);
  call.q = {a.q.data(), 0, c.seqlen_q * a.row, a.row};
  call.k = {a.k.data(), 0, c.seqlen_k * a.row, a.row};
  call.v = {a.v.data(), 0, c.seqlen_k * a.row, a.row};
  call.o = {a.o.data(), 0, c.seqlen_q * a.row, a.row};
  call.lse = a.lse.data();
  call.block_size = static_cast<int32_t>(c.block_size);
  call.segment_size = static_cast<int32_t>(c.segment_size);
  call.threshold = c.threshold;
  call.softmax_scale = c.scale();
  call.force_first_block = 1;
  call.key_order = c.key_order;
  call.window = static_cast<int32_t>(c.window);
  call.num_threads = c.threads;
  return call;
}

// The algorithm in float64, one head after the other.
class Oracle {
 public:
  Oracle(const Case& c, const Arrays& a)
      : c_(c), a_(a), q_(numbers(a.q)), k_(numbers(a.k)), v_(numbers(a.v)), scale_(c.scale()) {}

  struct Errors {
    double o = 0;          // the largest
    double o_squares = 0;  // sum over all elements
    double lse = 0;        // the largest
    double lse_share = 0;  // the largest, as a share of 1 + |lse|
  };

  std::vector<double> key_scores(int64_t h, int64_t kv) const {
    const int64_t keys = single() || windowed() ? 0 : c_.seqlen_k / c_.segment_size * c_.segment_size;
    std::vector<double> scores(static_cast<size_t>(keys));
    if (keys == 0) return scores;
    const int64_t queries = std::min(c_.block_size, c_.seqlen_q);
    for (int64_t i = c_.seqlen_q - queries; i < c_.seqlen_q; ++i) {
      std::vector<double> p(scores.size());
      for (int64_t j = 0; j < keys; ++j) p[static_cast<size_t>(j)] = logit(q(h, i), k(kv, j));
      const double max = *std::max_element(p.begin(), p.end());
      double sum = 0;
      for (double& x : p) sum += x = std::exp(x - max);
      for (size_t j = 0; j < p.size(); ++j) scores[j] += p[j] / sum / static_cast<double>(queries);
    }
    return scores;
  }

  // Errors of outputs over all rows, and the number of kept blocks. What is expected is computed once.
  void compare(const Arrays& found, Errors& errors, int64_t& kept) {
    if (expected_o_.empty()) compute();
    errors = {};
    kept = kept_;
    for (int64_t row = 0; row < c_.q_heads * c_.seqlen_q; ++row) {
      for (int64_t d = 0; d < c_.head_dim; ++d) {
        const double expected = expected_o_[static_cast<size_t>(row * c_.head_dim + d)];
        const double error = std::abs(found.o[static_cast<size_t>(row * found.row + d)] - expected);
        if (!(error <= errors.o)) errors.o = error;  // so that NaN counts
        errors.o_squares += error * error;
      }
      const double lse = expected_lse_[static_cast<size_t>(row)];
      const double error = std::abs(found.lse[static_cast<size_t>(row)] - lse);
      if (!(error <= errors.lse)) errors.lse = error;
      if (!(error / (1 + std::abs(lse)) <= errors.lse_share)) errors.lse_share = error / (1 + std::abs(lse));
    }
  }

 private:
  void compute() {
    expected_o_.resize(static_cast<size_t>(c_.q_heads * c_.seqlen_q * c_.head_dim));
    expected_lse_.resize(static_cast<size_t>(c_.q_heads * c_.seqlen_q));
    const int64_t group = c_.q_heads / c_.kv_heads;
    for (int64_t kv = 0; kv < c_.kv_heads; ++kv) {
      std::vector<std::vector<double>> scores;
      for (int64_t h = kv * group; h < (kv + 1) * group; ++h) scores.push_back(key_scores(h, kv));
      if (c_.key_order == PBS_ATTN_PER_KV_HEAD) {
        std::vector<double> mean(scores[0].size());
        for (const auto& s : scores) {
          for (size_t j = 0; j < s.size(); ++j) mean[j] += s[j] / static_cast<double>(group);
        }
        std::fill(scores.begin(), scores.end(), mean);
      }
      for (int64_t g = 0; g < group; ++g) compute_head(kv * group + g, kv, scores[static_cast<size_t>(g)]);
    }
  }

  const float* q(int64_t h, int64_t i) const { return &q_[static_cast<size_t>((h * c_.seqlen_q + i) * a_.row)]; }
  const float* k(int64_t h, int64_t j) const { return &k_[static_cast<size_t>((h * c_.seqlen_k + j) * a_.row)]; }
  const float* v(int64_t h, int64_t j) const { return &v_[static_cast<size_t>((h * c_.seqlen_k + j) * a_.row)]; }
  static std::vector<float> numbers(const Elements& x) {
    std::vector<float> values(x.size());
    for (size_t i = 0; i < values.size(); ++i) values[i] = x[i];
    return values;
  }
  bool single() const { return c_.seqlen_k <= c_.segment_size; }
  bool windowed() const { return c_.window > 0 && c_.window < c_.seqlen_k; }

  double logit(const float* x, const float* y) const {
    double sum = 0;
    for (int64_t d = 0; d < c_.head_dim; ++d) sum += static_cast<double>(x[d]) * y[d];
    return sum * scale_;
  }

  void compute_head(int64_t h, int64_t kv, const std::vector<double>& scores) {
    std::vector<int64_t> order(static_cast<size_t>(c_.seqlen_k));
    std::iota(order.begin(), order.end(), 0);
    for (size_t s = 0; s < scores.size(); s += static_cast<size_t>(c_.segment_size)) {
      std::stable_sort(
          order.begin() + static_cast<int64_t>(s), order.begin() + static_cast<int64_t>(s) + c_.segment_size,
          [&](int64_t a, int64_t b) { return scores[static_cast<size_t>(a)] > scores[static_cast<size_t>(b)]; });
    }
    const int64_t k_blocks = (c_.seqlen_k + c_.block_size - 1) / c_.block_size;
    const int64_t first_block = (std::find(order.begin(), order.end(), 0) - order.begin()) / c_.block_size;
    for (int64_t begin = 0; begin < c_.seqlen_q; begin += c_.block_size) {
      const int64_t end = std::min(begin + c_.block_size, c_.seqlen_q);
      const int64_t p0 = c_.seqlen_k - c_.seqlen_q + begin;
      const int64_t p1 = p0 + end - begin - 1;
      std::vector<bool> kept(static_cast<size_t>(k_blocks));
      std::vector<std::pair<double, int64_t>> candidates;
      for (int64_t j = 0; j < k_blocks; ++j) {
        const int64_t segment_begin = j * c_.block_size / c_.segment_size * c_.segment_size;
        const int64_t segment_end = std::min(segment_begin + c_.segment_size, c_.seqlen_k);
        if (windowed()) {
          const int64_t key_end = std::min((j + 1) * c_.block_size, c_.seqlen_k);
          kept[static_cast<size_t>(j)] = j * c_.block_size <= p1 && key_end > p0 - c_.window + 1;
        } else if (single() || (segment_begin <= p1 && segment_end > p0)) {
          kept[static_cast<size_t>(j)] = true;
        } else if (segment_end <= p0) {
          double sum = 0;
          for (int64_t d = 0; d < c_.head_dim; ++d) {
            double qm = 0, km = 0;
            for (int64_t i = begin; i < end; ++i) qm += q(h, i)[d];
            for (int64_t t = j * c_.block_size; t < std::min((j + 1) * c_.block_size, c_.seqlen_k); ++t) {
              km += k(kv, order[static_cast<size_t>(t)])[d];
            }
            sum += qm * km;
          }
          candidates.emplace_back(sum / static_cast<double>(c_.block_size * c_.block_size) * scale_, j);
          if (j == first_block) kept[static_cast<size_t>(j)] = true;
        }
      }
      keep_by_score(candidates, kept);
      kept_ += std::count(kept.begin(), kept.end(), true);
      for (int64_t i = begin; i < end; ++i) compute_row(h, kv, i, order, kept);
    }
  }

  void keep_by_score(std::vector<std::pair<double, int64_t>> candidates, std::vector<bool>& kept) const {
    if (candidates.empty()) return;
    std::stable_sort(candidates.begin(), candidates.end(),
                     [](const auto& a, const auto& b) { return a.first > b.first; });
    double total = 0;
    for (const auto& x : candidates) total += std::exp(x.first - candidates[0].first);
    double sum = 0;
    for (size_t n = 0; n < candidates.size(); ++n) {
      sum += std::exp(candidates[n].first - candidates[0].first) / total;
      if (sum >= c_.threshold || c_.threshold >= 1) {
        const size_t count = c_.threshold >= 1 ? candidates.size() : n + 1;
        for (size_t m = 0; m < count; ++m) kept[static_cast<size_t>(candidates[m].second)] = true;
        return;
      }
    }
  }

  void compute_row(int64_t h, int64_t kv, int64_t i, const std::vector<int64_t>& order, const std::vector<bool>& kept) {
    const int64_t position = c_.seqlen_k - c_.seqlen_q + i;
    const int64_t row = h * c_.seqlen_q + i;
    double* o = &expected_o_[static_cast<size_t>(row * c_.head_dim)];
    std::vector<std::pair<double, int64_t>> seen;
    double max = -std::numeric_limits<double>::infinity();
    for (int64_t t = 0; t < c_.seqlen_k; ++t) {
      const int64_t key = order[static_cast<size_t>(t)];
      const bool in_window = !windowed() || key > position - c_.window;
      if (kept[static_cast<size_t>(t / c_.block_size)] && key <= position && in_window) {
        seen.emplace_back(logit(q(h, i), k(kv, key)), key);
        max = std::max(max, seen.back().first);
      }
    }
    double sum = 0;
    for (const auto& s : seen) {
      const double p = std::exp(s.first - max);
      sum += p;
      for (int64_t d = 0; d < c_.head_dim; ++d) o[d] += p * v(kv, s.second)[d];
    }
    for (int64_t d = 0; d < c_.head_dim; ++d) o[d] /= sum;
    expected_lse_[static_cast<size_t>(row)] = max + std::log(sum);
  }

  const Case& c_;
  const Arrays& a_;
  const std::vector<float> q_, k_, v_;
  const double scale_;
  std::vector<double> expected_o_;    // (q_heads, seqlen_q, head_dim)
  std::vector<double> expected_lse_;  // (q_heads, seqlen_q)
  int64_t kept_ = 0;
};

// Whether this CPU and library have an instruction set; says so if not. If so, calls use it from now on.
inline bool use_isa(const std::string& isa) {
  if ((std::string(",") + pbs_attn_available_isas() + ",").find("," + isa + ",") == std::string::npos) {
    std::printf("NOT RUN: this CPU has no %s\n", isa.c_str());
    return false;
  }
  setenv("PBS_ATTN_ISA", isa.c_str(), 1);
  return true;
}

}  // namespace oracle

#endif  // PBS_ATTN_TEST_ORACLE_H_
