#include "cases.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <random>
#include <utility>

namespace {

constexpr int kBlock = PBS_CUDA_BLOCK_SIZE;
constexpr uint16_t kPoison = 0xffff;  // NaN in both types
constexpr double kInfinity = std::numeric_limits<double>::infinity();

int64_t divide_up(int64_t n, int64_t by) { return (n + by - 1) / by; }

int64_t power_of_two_from(int64_t n) {
  int64_t power = 1;
  while (power < n) power *= 2;
  return power;
}

// ---- Elements ----

double to_double(bool is_bf16, uint16_t bits) {
  if (is_bf16) {
    const uint32_t wide = static_cast<uint32_t>(bits) << 16;
    float x;
    std::memcpy(&x, &wide, 4);
    return x;
  }
  const int exponent = bits >> 10 & 31;
  const double size = exponent == 31  ? (bits & 1023) != 0 ? std::nan("") : kInfinity
                      : exponent == 0 ? std::ldexp(bits & 1023, -24)
                                      : std::ldexp(1024 + (bits & 1023), exponent - 25);
  return (bits & 0x8000) != 0 ? -size : size;
}

// The nearest number of the type, ties to even.
double round_to(bool is_bf16, double x) {
  if (x == 0) return x;
  int exponent;
  std::frexp(x, &exponent);
  const int digits = is_bf16 ? 8 : exponent > -14 ? 11 : 24 + exponent;
  return std::ldexp(std::nearbyint(std::ldexp(x, digits - exponent)), exponent - digits);
}

uint16_t to_bits(bool is_bf16, double x) {
  const double rounded = round_to(is_bf16, x);
  const float value = static_cast<float>(rounded);
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  if (is_bf16) return static_cast<uint16_t>(bits >> 16);
  const uint32_t sign = bits >> 16 & 0x8000;
  const double size = std::abs(rounded);
  if (size < 0x1p-14) return static_cast<uint16_t>(sign | static_cast<uint32_t>(size * 0x1p24));
  return static_cast<uint16_t>(sign | (((bits & 0x7fffffff) >> 13) - (112u << 10)));
}

// ---- Arrays of a call ----

// A strided tensor (batch, heads, rows, dim); what lies between and past the rows is NaN.
struct Tensor {
  int64_t rows = 0;
  int64_t batch_stride = 0, head_stride = 0, row_stride = 0;
  std::vector<uint16_t> elements;

  Tensor(int64_t batch, int64_t heads, int64_t rows_, int64_t dim, bool rows_first) : rows(rows_) {
    // Either heads are outside of rows, or rows outside of heads as in a projection's output.
    if (rows_first) {
      head_stride = dim + 8;
      row_stride = heads * head_stride;
      batch_stride = rows * row_stride;
    } else {
      row_stride = dim + 16;
      head_stride = rows * row_stride + 8;
      batch_stride = heads * head_stride;
    }
    elements.assign(static_cast<size_t>(batch * batch_stride), kPoison);
  }
  uint16_t* row(int64_t b, int64_t h, int64_t r) {
    return &elements[static_cast<size_t>(b * batch_stride + h * head_stride + r * row_stride)];
  }
  const uint16_t* row(int64_t b, int64_t h, int64_t r) const { return const_cast<Tensor*>(this)->row(b, h, r); }
};

// Memory of a device, with some bytes behind it that nobody may write.
class Memory {
 public:
  Memory(Device& device, size_t bytes) : device_(device), bytes_(bytes), address_(device.allocate(bytes + kGuard)) {
    const std::vector<unsigned char> fill(bytes + kGuard, 0xff);
    device_.upload(address_, fill.data(), fill.size());
  }
  ~Memory() { device_.release(address_); }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  uint64_t address() const { return address_; }
  template <typename E>
  void set(const std::vector<E>& values) {
    device_.upload(address_, values.data(), values.size() * sizeof(E));
  }
  template <typename E>
  std::vector<E> get() const {
    std::vector<E> values(bytes_ / sizeof(E));
    device_.download(values.data(), address_, values.size() * sizeof(E));
    return values;
  }
  bool guard_is_whole() const {
    std::vector<unsigned char> guard(kGuard);
    device_.download(guard.data(), address_ + bytes_, kGuard);
    return std::all_of(guard.begin(), guard.end(), [](unsigned char x) { return x == 0xff; });
  }

 private:
  static constexpr size_t kGuard = 256;
  Device& device_;
  size_t bytes_;
  uint64_t address_;
};

// ---- The algorithm in float64, each stage from what the kernels gave for the one before ----

struct Sequence {
  int64_t seqlen_q, seqlen_k, segment;
  bool dense;

  int64_t q_blocks() const { return divide_up(seqlen_q, kBlock); }
  int64_t k_blocks() const { return divide_up(seqlen_k, kBlock); }
  bool single() const { return seqlen_k <= segment; }
  int64_t complete() const { return dense ? 0 : seqlen_k / segment * segment; }
  int64_t first_position(int64_t i) const { return seqlen_k - seqlen_q + i * kBlock; }
  int64_t last_position(int64_t i) const { return seqlen_k - seqlen_q + std::min((i + 1) * kBlock, seqlen_q) - 1; }
  int64_t segment_begin(int64_t j) const { return j * kBlock / segment * segment; }
  int64_t segment_end(int64_t j) const { return std::min(segment_begin(j) + segment, seqlen_k); }
  bool is_candidate(int64_t i, int64_t j) const { return !single() && segment_end(j) <= first_position(i); }
  bool is_own(int64_t i, int64_t j) const {
    return single() || (segment_end(j) > first_position(i) && segment_begin(j) <= last_position(i));
  }
};

struct Matrix {
  int64_t dim = 0;
  std::vector<double> values;
  Matrix(const Tensor& t, bool is_bf16, int64_t b, int64_t h, int64_t rows, int64_t dim_) : dim(dim_) {
    values.reserve(static_cast<size_t>(rows * dim));
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t d = 0; d < dim; ++d) values.push_back(to_double(is_bf16, t.row(b, h, r)[d]));
    }
  }
  const double* row(int64_t r) const { return &values[static_cast<size_t>(r * dim)]; }
};

double dot(const double* x, const double* y, int64_t n) {
  double sum = 0;
  for (int64_t d = 0; d < n; ++d) sum += x[d] * y[d];
  return sum;
}

// Logarithms of the scores of the keys in complete segments.
std::vector<double> key_score_logs(const Sequence& s, const Matrix& q, const Matrix& k, double scale) {
  const int64_t keys = s.complete();
  const int64_t queries = std::min<int64_t>(kBlock, s.seqlen_q);
  std::vector<std::vector<double>> terms(static_cast<size_t>(keys));
  for (int64_t r = s.seqlen_q - queries; r < s.seqlen_q; ++r) {
    std::vector<double> logits(static_cast<size_t>(keys));
    for (int64_t j = 0; j < keys; ++j) logits[static_cast<size_t>(j)] = dot(q.row(r), k.row(j), q.dim) * scale;
    const double max = keys > 0 ? *std::max_element(logits.begin(), logits.end()) : 0;
    double sum = 0;
    for (const double x : logits) sum += std::exp(x - max);
    for (int64_t j = 0; j < keys; ++j) {
      terms[static_cast<size_t>(j)].push_back(logits[static_cast<size_t>(j)] - max - std::log(sum));
    }
  }
  std::vector<double> logs;
  for (const std::vector<double>& t : terms) {
    const double max = *std::max_element(t.begin(), t.end());
    double sum = 0;
    for (const double x : t) sum += std::exp(x - max);
    logs.push_back(max + std::log(sum / static_cast<double>(queries)));
  }
  return logs;
}

std::vector<double> block_mean(const Matrix& x, const std::vector<int64_t>& rows) {
  std::vector<double> mean(static_cast<size_t>(x.dim));
  for (const int64_t r : rows) {
    for (int64_t d = 0; d < x.dim; ++d) mean[static_cast<size_t>(d)] += x.row(r)[d] / kBlock;
  }
  return mean;
}

class Checker {
 public:
  Checker(Device& device, const Case& c, Path path, Errors& errors)
      : device_(device), c_(c), path_(path), errors_(errors), scale_(1 / std::sqrt(static_cast<double>(c.head_dim))) {}

  std::vector<std::string> run();

 private:
  struct Buffers;

  void fill(Tensor& t, int64_t heads, const std::vector<int>& lengths, double growth, uint32_t seed) const;
  pbs_cuda_call make_call(const Buffers& m, const Tensor& q, const Tensor& k, const Tensor& o) const;
  void launch_all(pbs_cuda_call call, const Buffers& m);
  void launch(const std::string& stage, const Grid& grid, size_t shared, const pbs_cuda_call& call);
  void check_range(const Buffers& m, const pbs_cuda_call& call);
  void check_head(int b, int h, const float* scores, const std::vector<Matrix>& group_q, const Matrix& k,
                  const int32_t* order, const float* block_scores, const uint64_t* mask, const int32_t* counts,
                  const int32_t* rows);
  void check_selection(const Sequence& s, int64_t i, const std::vector<double>& weights, int64_t first_block,
                       const std::vector<bool>& kept);
  void check_output(int b, int h, const Matrix& q, const Matrix& k, const Matrix& v, const int32_t* order,
                    const std::vector<std::vector<bool>>& kept);
  void expect(bool holds, const std::string& what) {
    if (!holds && failures_.size() < 5) failures_.push_back(c_.name() + ": " + what);
  }
  Sequence sequence(int b) const {
    Sequence s{c_.seqlens_q[static_cast<size_t>(b)], c_.seqlens_k[static_cast<size_t>(b)], c_.segment_size, false};
    s.dense = s.single() || s.seqlen_k < c_.min_length;
    return s;
  }
  int batch() const { return static_cast<int>(c_.seqlens_q.size()); }
  int64_t max_q() const { return *std::max_element(c_.seqlens_q.begin(), c_.seqlens_q.end()) + c_.padding; }
  int64_t max_k() const { return *std::max_element(c_.seqlens_k.begin(), c_.seqlens_k.end()) + c_.padding; }
  int64_t qb() const { return divide_up(max_q(), kBlock); }
  int64_t kb() const { return divide_up(max_k(), kBlock); }
  int range() const { return c_.range_heads > 0 ? c_.range_heads : c_.q_heads; }
  int group() const { return c_.q_heads / c_.kv_heads; }
  int heads_per_order() const { return c_.key_order == PBS_CUDA_PER_KV_HEAD ? group() : 1; }

  Device& device_;
  const Case& c_;
  const Path path_;
  Errors& errors_;
  const double scale_;
  const Tensor* q_ = nullptr;
  const Tensor* k_ = nullptr;
  const Tensor* v_ = nullptr;
  std::vector<uint16_t> o_;
  std::vector<float> lse_;
  int64_t kept_total_ = 0;
  std::vector<std::string> failures_;
  // Rows that the kernels' output is compared on: (b, h, kept, order).
  struct Head {
    int b, h;
    std::vector<int32_t> order;
    std::vector<std::vector<bool>> kept;
  };
  std::vector<Head> heads_;
  Tensor* o_layout_ = nullptr;
};

struct Checker::Buffers {
  Memory q, k, v, o, lse, seqlens_q, seqlens_k, counters, key_scores, partial_max, partial_sum, order, first_block,
      mean_queries, mean_keys, block_mask, kept_counts, rows, block_scores, packed_k, packed_v;

  template <typename E>
  static size_t bytes(int64_t n) {
    return static_cast<size_t>(n) * sizeof(E);
  }
  Buffers(Device& d, const Checker& c, const Tensor& tq, const Tensor& tk)
      : q(d, bytes<uint16_t>(static_cast<int64_t>(tq.elements.size()))),
        k(d, bytes<uint16_t>(static_cast<int64_t>(tk.elements.size()))),
        v(d, bytes<uint16_t>(static_cast<int64_t>(tk.elements.size()))),
        o(d, bytes<uint16_t>(static_cast<int64_t>(tq.elements.size()))),
        lse(d, bytes<float>(c.batch() * c.c_.q_heads * c.max_q())),
        seqlens_q(d, bytes<int32_t>(c.batch())),
        seqlens_k(d, bytes<int32_t>(c.batch())),
        counters(d, bytes<uint64_t>(PBS_CUDA_COUNTERS)),
        key_scores(d, bytes<float>(heads(c) * c.kb() * kBlock)),
        partial_max(d, bytes<float>(heads(c) * divide_up(c.max_k(), PBS_CUDA_KEYS_PER_SPLIT) * kBlock)),
        partial_sum(d, bytes<float>(heads(c) * divide_up(c.max_k(), PBS_CUDA_KEYS_PER_SPLIT) * kBlock)),
        order(d, bytes<int32_t>(orders(c) * c.kb() * kBlock)),
        first_block(d, bytes<int32_t>(orders(c))),
        mean_queries(d, bytes<float>(heads(c) * c.qb() * c.c_.head_dim)),
        mean_keys(d, bytes<float>(orders(c) * c.kb() * c.c_.head_dim)),
        block_mask(d, bytes<uint64_t>(heads(c) * c.qb() * divide_up(c.kb(), 64))),
        kept_counts(d, bytes<int32_t>(heads(c) * c.qb())),
        rows(d, bytes<int32_t>(heads(c) * c.qb())),
        block_scores(d, bytes<float>(heads(c) * c.qb() * c.kb())),
        packed_k(d, bytes<uint16_t>(orders(c) * c.kb() * kBlock * c.c_.head_dim)),
        packed_v(d, bytes<uint16_t>(orders(c) * c.kb() * kBlock * c.c_.head_dim)) {}
  static int64_t heads(const Checker& c) { return static_cast<int64_t>(c.batch()) * c.range(); }
  static int64_t orders(const Checker& c) { return heads(c) / c.heads_per_order(); }
  std::vector<std::pair<const char*, const Memory*>> all() const {
    return {{"q", &q},
            {"k", &k},
            {"v", &v},
            {"o", &o},
            {"lse", &lse},
            {"counters", &counters},
            {"key_scores", &key_scores},
            {"partial_max", &partial_max},
            {"partial_sum", &partial_sum},
            {"order", &order},
            {"first_block", &first_block},
            {"mean_queries", &mean_queries},
            {"mean_keys", &mean_keys},
            {"block_mask", &block_mask},
            {"kept_counts", &kept_counts},
            {"rows", &rows},
            {"block_scores", &block_scores},
            {"packed_k", &packed_k},
            {"packed_v", &packed_v}};
  }
};

void Checker::fill(Tensor& t, int64_t heads, const std::vector<int>& lengths, double growth, uint32_t seed) const {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal;
  for (size_t b = 0; b < lengths.size(); ++b) {
    for (int64_t h = 0; h < heads; ++h) {
      for (int64_t r = 0; r < lengths[b]; ++r) {
        const double factor = 1 + growth * static_cast<double>(r);
        for (int64_t d = 0; d < c_.head_dim; ++d) {
          t.row(static_cast<int64_t>(b), h, r)[d] = to_bits(c_.is_bf16, normal(random) * factor);
        }
      }
    }
  }
}

pbs_cuda_call Checker::make_call(const Buffers& m, const Tensor& q, const Tensor& k, const Tensor& o) const {
  pbs_cuda_call call{};
  call.q = m.q.address();
  call.q_batch_stride = q.batch_stride, call.q_head_stride = q.head_stride, call.q_row_stride = q.row_stride;
  call.k = m.k.address();
  call.k_batch_stride = k.batch_stride, call.k_head_stride = k.head_stride, call.k_row_stride = k.row_stride;
  call.v = m.v.address();
  call.v_batch_stride = k.batch_stride, call.v_head_stride = k.head_stride, call.v_row_stride = k.row_stride;
  call.o = m.o.address();
  call.o_batch_stride = o.batch_stride, call.o_head_stride = o.head_stride, call.o_row_stride = o.row_stride;
  call.lse = m.lse.address();
  call.seqlens_q = m.seqlens_q.address();
  call.seqlens_k = m.seqlens_k.address();
  call.batch = batch();
  call.num_q_heads = c_.q_heads;
  call.num_kv_heads = c_.kv_heads;
  call.head_dim = c_.head_dim;
  call.max_seqlen_q = max_q();
  call.max_seqlen_k = max_k();
  call.segment_size = c_.segment_size;
  call.min_length = c_.min_length;
  call.force_first_block = c_.force_first_block;
  call.key_order = c_.key_order;
  call.select_rows = PBS_CUDA_MAX_SELECT_ROWS;
  while (call.select_rows > 1 && call.select_rows * kb() > PBS_CUDA_MAX_SELECT_CELLS) call.select_rows /= 2;
  call.finite_mask = c_.is_bf16 ? 0x7f80 : 0x7c00;
  call.threshold = c_.threshold;
  call.softmax_scale = scale_;
  call.counters = m.counters.address();
  call.key_scores = m.key_scores.address();
  call.partial_max = m.partial_max.address();
  call.partial_sum = m.partial_sum.address();
  call.order = m.order.address();
  call.first_block = m.first_block.address();
  call.mean_queries = m.mean_queries.address();
  call.mean_keys = m.mean_keys.address();
  call.block_mask = m.block_mask.address();
  call.kept_counts = m.kept_counts.address();
  call.rows = m.rows.address();
  call.block_scores = m.block_scores.address();
  if (path_ == Path::kWgmma && c_.packs) {
    call.packed_k = m.packed_k.address();
    call.packed_v = m.packed_v.address();
    call.kv_is_packed = 1;
  }
  return call;
}

void Checker::launch(const std::string& stage, const Grid& grid, size_t shared, const pbs_cuda_call& call) {
  device_.launch("pbs_" + stage, grid, shared, call, nullptr);
}

// One head range.
void Checker::launch_all(pbs_cuda_call call, const Buffers&) {
  const int64_t heads = call.head_count;
  const int64_t orders = heads / heads_per_order();
  const int64_t b = call.batch;
  const std::string type = c_.is_bf16 ? "_bf16" : "_f16";
  const std::string typed_dim = type + "_d" + std::to_string(c_.head_dim);
  bool sparse = false;
  bool padded = false;
  for (int n = 0; n < batch(); ++n) {
    sparse = sparse || !sequence(n).dense;
    padded = padded || sequence(n).seqlen_q < max_q();
  }
  const Grid splits{divide_up(max_k(), PBS_CUDA_KEYS_PER_SPLIT), heads, b};
  if (padded) launch("clear_padding", {qb(), heads, b}, 0, call);
  if (sparse) {
    launch("score_sums" + typed_dim, splits, 0, call);
    launch("score_keys" + typed_dim, splits, 0, call);
  }
  launch("sort_segments", {divide_up(max_k(), c_.segment_size), orders, b},
         static_cast<size_t>(8 * power_of_two_from(c_.segment_size)), call);
  if (sparse) launch("pool_queries" + type, {qb(), heads, b}, 0, call);
  if (sparse || call.packed_k != 0) launch("pack" + type, {kb(), orders, b}, 0, call);
  launch("select", {divide_up(qb(), call.select_rows), heads, b},
         static_cast<size_t>(4 * call.select_rows * kb() + 8 * power_of_two_from(kb())), call);
  launch("schedule", {heads, b, 1}, static_cast<size_t>(4 * power_of_two_from(qb())), call);
  const int64_t work = qb() * heads * b;
  if (path_ == Path::kPortable) {
    launch("attend" + typed_dim, {work, 1, 1}, 0, call);
    return;
  }
  const int columns = c_.head_dim % 64 == 0 ? 64 : 32;
  const int64_t dim = c_.head_dim;
  const int64_t kp = kb() * kBlock;
  const int kv_rows = dim <= 128 ? 128 : 64;
  const auto map = [&](uint64_t address, const Tensor& t, int64_t rows, int64_t heads_of, int box_rows) {
    return TensorMap{
        address,    {dim, rows, heads_of, b}, {1, t.row_stride, t.head_stride, t.batch_stride}, columns, box_rows,
        columns * 2};
  };
  const auto packed = [&](uint64_t address) {
    return TensorMap{address, {dim, kp, orders, b}, {1, dim, kp * dim, orders * kp * dim}, columns,
                     kv_rows, columns * 2};
  };
  TensorMap maps[3] = {map(call.q, *q_, max_q(), c_.q_heads, kBlock), map(call.k, *k_, max_k(), c_.kv_heads, kv_rows),
                       map(call.v, *k_, max_k(), c_.kv_heads, kv_rows)};
  if (call.kv_is_packed != 0) {
    maps[1] = packed(call.packed_k);
    maps[2] = packed(call.packed_v);
  }
  device_.launch("pbs_attend_wgmma" + typed_dim, {std::min<int64_t>(device_.multiprocessors(), work), 1, 1}, 0, call,
                 maps);
}

void Checker::check_range(const Buffers& m, const pbs_cuda_call& call) {
  const int64_t keys = kb() * kBlock;
  const std::vector<float> scores = m.key_scores.get<float>();
  const std::vector<int32_t> order = m.order.get<int32_t>();
  const std::vector<float> block_scores = m.block_scores.get<float>();
  const std::vector<uint64_t> mask = m.block_mask.get<uint64_t>();
  const std::vector<int32_t> counts = m.kept_counts.get<int32_t>();
  const std::vector<int32_t> rows = m.rows.get<int32_t>();
  for (int b = 0; b < batch(); ++b) {
    const Sequence s = sequence(b);
    for (int local = 0; local < range(); ++local) {
      const int h = static_cast<int>(call.head_begin) + local;
      const Matrix k(*k_, c_.is_bf16, b, h / group(), s.seqlen_k, c_.head_dim);
      std::vector<Matrix> group_q;
      const int first = h / heads_per_order() * heads_per_order();
      for (int n = 0; n < heads_per_order(); ++n) {
        group_q.emplace_back(*q_, c_.is_bf16, b, first + n, s.seqlen_q, c_.head_dim);
      }
      const int64_t at = static_cast<int64_t>(b) * range() + local;
      const int64_t order_at = at / heads_per_order();
      check_head(b, h, &scores[static_cast<size_t>(at * keys)], group_q, k,
                 &order[static_cast<size_t>(order_at * keys)], &block_scores[static_cast<size_t>(at * qb() * kb())],
                 &mask[static_cast<size_t>(at * qb() * divide_up(kb(), 64))], &counts[static_cast<size_t>(at * qb())],
                 &rows[static_cast<size_t>(at * qb())]);
    }
  }
}

void Checker::check_head(int b, int h, const float* scores, const std::vector<Matrix>& group_q, const Matrix& k,
                         const int32_t* order, const float* block_scores, const uint64_t* mask, const int32_t* counts,
                         const int32_t* rows) {
  const Sequence s = sequence(b);
  const std::string where = "sequence " + std::to_string(b) + ", head " + std::to_string(h) + ": ";
  // Key scores.
  std::vector<double> logs;
  for (const Matrix& q : group_q) {
    const std::vector<double> one = key_score_logs(s, q, k, scale_);
    if (logs.empty()) logs.assign(one.size(), -kInfinity);
    for (size_t j = 0; j < one.size(); ++j) {
      const double mean = one[j] - std::log(static_cast<double>(group_q.size()));
      const double max = std::max(logs[j], mean);
      logs[j] = max + std::log(std::exp(logs[j] - max) + std::exp(mean - max));
    }
  }
  for (size_t j = 0; j < logs.size(); ++j) {
    const double found = scores[j] > 0 ? std::log(static_cast<double>(scores[j])) : scores[j];
    // Logits in the hundreds have less exact sums in float32.
    const double error = std::abs(found - logs[j]) / std::max(1.0, std::abs(logs[j]));
    if (!(error <= errors_.key_scores)) errors_.key_scores = error;
  }
  // The order: exactly that of the kernels' scores.
  std::vector<int32_t> expected(static_cast<size_t>(kb() * kBlock), INT32_MAX);
  std::iota(expected.begin(), expected.begin() + s.seqlen_k, 0);
  const auto log_of = [&](int32_t key) {
    return scores[key] > 0 ? std::log(static_cast<double>(scores[key])) : static_cast<double>(scores[key]);
  };
  for (int64_t begin = 0; begin < s.complete(); begin += s.segment) {
    std::stable_sort(expected.begin() + begin, expected.begin() + begin + s.segment,
                     [&](int32_t x, int32_t y) { return log_of(x) > log_of(y); });
  }
  expect(std::equal(expected.begin(), expected.end(), order), where + "order of the keys");
  const int64_t first_block = (std::find(expected.begin(), expected.end(), 0) - expected.begin()) / kBlock;
  // Blocks.
  Head head{b, h, std::vector<int32_t>(order, order + kb() * kBlock), {}};
  const Matrix& q = group_q[static_cast<size_t>(h % heads_per_order())];
  std::vector<std::vector<double>> key_means;
  for (int64_t j = 0; j < s.complete() / kBlock; ++j) {
    std::vector<int64_t> places;
    for (int64_t t = j * kBlock; t < (j + 1) * kBlock; ++t) places.push_back(expected[static_cast<size_t>(t)]);
    key_means.push_back(block_mean(k, places));
  }
  std::vector<int32_t> seen;
  for (int64_t i = 0; i < qb(); ++i) {
    const uint64_t* words = mask + i * divide_up(kb(), 64);
    std::vector<bool> kept(static_cast<size_t>(kb()));
    int32_t count = 0;
    for (int64_t j = 0; j < divide_up(kb(), 64) * 64; ++j) {
      const bool bit = (words[j / 64] >> (j % 64) & 1) != 0;
      expect(!bit || (j < kb() && i < s.q_blocks()), where + "a block is kept that is not there");
      if (j < kb()) kept[static_cast<size_t>(j)] = bit;
      count += bit ? 1 : 0;
    }
    expect(count == counts[i], where + "count of kept blocks");
    kept_total_ += count;
    if (rows[i] >= 0) seen.push_back(rows[i]);
    expect(rows[i] >= 0 || i >= s.q_blocks(), where + "a row without work");
    if (i > 0 && rows[i] >= 0) expect(counts[rows[i - 1]] >= counts[rows[i]], where + "rows by falling work");
    head.kept.push_back(kept);
    std::vector<double> weights(static_cast<size_t>(kb()));
    if (i < s.q_blocks() && !s.dense) {
      std::vector<int64_t> queries;
      for (int64_t r = i * kBlock; r < std::min((i + 1) * kBlock, s.seqlen_q); ++r) queries.push_back(r);
      const std::vector<double> query = block_mean(q, queries);
      double sum = 0;
      double max = -kInfinity;
      for (int64_t j = 0; j < kb() && s.is_candidate(i, j); ++j) {
        weights[static_cast<size_t>(j)] = dot(query.data(), key_means[static_cast<size_t>(j)].data(), q.dim) * scale_;
        max = std::max(max, weights[static_cast<size_t>(j)]);
      }
      for (int64_t j = 0; j < kb() && s.is_candidate(i, j); ++j) {
        sum += weights[static_cast<size_t>(j)] = std::exp(weights[static_cast<size_t>(j)] - max);
      }
      for (double& w : weights) w = sum > 0 ? w / sum : 0;
    }
    for (int64_t j = 0; j < kb(); ++j) {
      const double error = std::abs(block_scores[i * kb() + j] - weights[static_cast<size_t>(j)]);
      if (!(error <= errors_.block_scores)) errors_.block_scores = error;
    }
    if (i < s.q_blocks()) check_selection(s, i, weights, first_block, kept);
  }
  std::sort(seen.begin(), seen.end());
  expect(static_cast<int64_t>(seen.size()) == s.q_blocks() && std::unique(seen.begin(), seen.end()) == seen.end(),
         where + "every row has work once");
  heads_.push_back(std::move(head));
}

// Which blocks are kept, but for those that stand so near the threshold that rounding decides.
void Checker::check_selection(const Sequence& s, int64_t i, const std::vector<double>& weights, int64_t first_block,
                              const std::vector<bool>& kept) {
  constexpr double kMargin = 1e-4;
  std::vector<int64_t> candidates;
  for (int64_t j = 0; j < s.k_blocks(); ++j) {
    if (s.is_candidate(i, j)) {
      candidates.push_back(j);
    } else {
      expect(kept[static_cast<size_t>(j)] == s.is_own(i, j), "own segment of row " + std::to_string(i));
    }
  }
  std::stable_sort(candidates.begin(), candidates.end(), [&](int64_t x, int64_t y) {
    return weights[static_cast<size_t>(x)] > weights[static_cast<size_t>(y)];
  });
  const bool all = s.dense || c_.threshold >= 1;
  double before = 0;
  for (size_t n = 0; n < candidates.size(); ++n) {
    const int64_t j = candidates[n];
    const double weight = weights[static_cast<size_t>(j)];
    const bool forced = all || (c_.force_first_block && j == first_block);
    // A neighbour of nearly the same weight may stand in its place.
    const bool tied = (n > 0 && weights[static_cast<size_t>(candidates[n - 1])] - weight < 1e-5) ||
                      (n + 1 < candidates.size() && weight - weights[static_cast<size_t>(candidates[n + 1])] < 1e-5);
    const bool expected = forced || n == 0 || before < c_.threshold;
    if (forced || n == 0 || (!tied && std::abs(before - c_.threshold) > kMargin)) {
      expect(kept[static_cast<size_t>(j)] == expected,
             "row " + std::to_string(i) + ": block " + std::to_string(j) + (expected ? " missing" : " kept"));
    }
    before += weight;
  }
}

void Checker::check_output(int b, int h, const Matrix& q, const Matrix& k, const Matrix& v, const int32_t* order,
                           const std::vector<std::vector<bool>>& kept) {
  const Sequence s = sequence(b);
  std::vector<double> sums(static_cast<size_t>(c_.head_dim));
  std::vector<double> rounded(sums.size());
  for (int64_t r = 0; r < max_q(); ++r) {
    const uint16_t* found =
        &o_[static_cast<size_t>(b * o_layout_->batch_stride + h * o_layout_->head_stride + r * o_layout_->row_stride)];
    const float lse = lse_[static_cast<size_t>((b * c_.q_heads + h) * max_q() + r)];
    for (int64_t d = c_.head_dim; d < std::min(o_layout_->row_stride, o_layout_->head_stride); ++d) {
      expect(found[d] == kPoison, "wrote between the rows of o");
    }
    if (r >= s.seqlen_q) {
      expect(lse == -kInfinity && std::all_of(found, found + c_.head_dim, [](uint16_t x) { return x == 0; }),
             "padding of o and lse");
      continue;
    }
    const int64_t position = s.seqlen_k - s.seqlen_q + r;
    std::vector<std::pair<double, int64_t>> logits;
    double max = -kInfinity;
    for (int64_t j = 0; j < s.k_blocks(); ++j) {
      if (!kept[static_cast<size_t>(r / kBlock)][static_cast<size_t>(j)]) continue;
      for (int64_t t = j * kBlock; t < std::min((j + 1) * kBlock, s.seqlen_k); ++t) {
        if (order[t] > position) continue;
        logits.emplace_back(dot(q.row(r), k.row(order[t]), q.dim) * scale_, order[t]);
        max = std::max(max, logits.back().first);
      }
    }
    double sum = 0;
    std::fill(sums.begin(), sums.end(), 0);
    std::fill(rounded.begin(), rounded.end(), 0);
    for (const auto& [logit, key] : logits) {
      const double weight = std::exp(logit - max);
      const double weight_rounded = round_to(c_.is_bf16, weight);
      sum += weight;
      for (size_t d = 0; d < sums.size(); ++d) {
        sums[d] += weight * v.row(key)[d];
        rounded[d] += weight_rounded * v.row(key)[d];
      }
    }
    for (size_t d = 0; d < sums.size(); ++d) {
      const double exact = sums[d] / sum;
      const double error = std::abs(to_double(c_.is_bf16, found[d]) - exact);
      if (!(error <= errors_.output)) errors_.output = error;
      errors_.naive = std::max(errors_.naive, std::abs(round_to(c_.is_bf16, rounded[d] / sum) - exact));
    }
    const double error = std::abs(lse - (max + std::log(sum))) / std::max(1.0, std::abs(max));
    if (!(error <= errors_.lse)) errors_.lse = error;
  }
}

std::vector<std::string> Checker::run() {
  Tensor q(batch(), c_.q_heads, max_q(), c_.head_dim, c_.seed % 2 == 0);
  Tensor k(batch(), c_.kv_heads, max_k(), c_.head_dim, c_.seed % 3 == 0);
  Tensor v = k;
  Tensor o = q;
  fill(q, c_.q_heads, c_.seqlens_q, 0, c_.seed);
  fill(k, c_.kv_heads, c_.seqlens_k, c_.key_growth, c_.seed + 1);
  fill(v, c_.kv_heads, c_.seqlens_k, 0, c_.seed + 2);
  q_ = &q, k_ = &k, v_ = &v, o_layout_ = &o;
  Buffers m(device_, *this, q, k);
  m.q.set(q.elements);
  m.k.set(k.elements);
  m.v.set(v.elements);
  m.o.set(o.elements);
  m.seqlens_q.set(std::vector<int32_t>(c_.seqlens_q.begin(), c_.seqlens_q.end()));
  m.seqlens_k.set(std::vector<int32_t>(c_.seqlens_k.begin(), c_.seqlens_k.end()));
  m.counters.set(std::vector<uint64_t>(PBS_CUDA_COUNTERS));
  pbs_cuda_call call = make_call(m, q, k, o);
  const Grid rows{divide_up(std::max(max_q(), max_k()), kBlock), c_.q_heads + 2 * c_.kv_heads, batch()};
  call.head_count = range();
  launch("check_finite", rows, 0, call);
  expect(m.counters.get<uint64_t>()[PBS_CUDA_NOT_FINITE] == 0, "all numbers are finite");
  for (int begin = 0; begin < c_.q_heads; begin += range()) {
    call.head_begin = begin;
    launch_all(call, m);
    check_range(m, call);
  }
  expect(static_cast<int64_t>(m.counters.get<uint64_t>()[PBS_CUDA_KEPT_BLOCKS]) == kept_total_,
         "number of kept blocks");
  for (const auto& [name, memory] : m.all()) expect(memory->guard_is_whole(), std::string("wrote past ") + name);
  o_ = m.o.get<uint16_t>();
  lse_ = m.lse.get<float>();
  for (const Head& head : heads_) {
    const Sequence s = sequence(head.b);
    check_output(head.b, head.h, Matrix(q, c_.is_bf16, head.b, head.h, s.seqlen_q, c_.head_dim),
                 Matrix(k, c_.is_bf16, head.b, head.h / group(), s.seqlen_k, c_.head_dim),
                 Matrix(v, c_.is_bf16, head.b, head.h / group(), s.seqlen_k, c_.head_dim), head.order.data(),
                 head.kept);
  }
  // A row of q, k or v that is not finite is found; the first one, of the last array.
  const int64_t bad = c_.seqlens_k[0] - 1;
  v.row(0, c_.kv_heads - 1, bad)[c_.head_dim - 1] = c_.is_bf16 ? 0x7f80 : 0xfc01;
  m.v.set(v.elements);
  launch("check_finite", rows, 0, call);
  const uint64_t where = uint64_t{2} << PBS_CUDA_ARRAY_SHIFT |
                         static_cast<uint64_t>(c_.kv_heads - 1) << PBS_CUDA_HEAD_SHIFT | static_cast<uint64_t>(bad);
  expect(m.counters.get<uint64_t>()[PBS_CUDA_NOT_FINITE] == ~where, "infinity is found");
  return failures_;
}

std::string join(const std::vector<int>& numbers) {
  std::string text;
  for (const int n : numbers) text += (text.empty() ? "" : ",") + std::to_string(n);
  return text;
}

}  // namespace

std::string Case::name() const {
  std::string text = std::string(is_bf16 ? "bf16" : "f16") + " " + join(seqlens_q);
  if (seqlens_q != seqlens_k) text += "/" + join(seqlens_k);
  text += " x " + std::to_string(head_dim) + ", heads " + std::to_string(q_heads) + "/" + std::to_string(kv_heads) +
          ", segment " + std::to_string(segment_size) + ", threshold " + std::to_string(threshold).substr(0, 4);
  if (!force_first_block) text += ", first block free";
  if (key_order == PBS_CUDA_PER_KV_HEAD) text += ", order by KV head";
  if (min_length > 0) text += ", dense below " + std::to_string(min_length);
  if (range_heads > 0) text += ", " + std::to_string(range_heads) + " heads at a time";
  if (padding > 0) text += ", " + std::to_string(padding) + " rows of padding";
  if (key_growth > 0) text += ", growing keys";
  if (!packs) text += ", not packed";
  return text;
}

std::vector<std::string> run_case(Device& device, const Case& c, Path path, Errors& errors) {
  return Checker(device, c, path, errors).run();
}

std::vector<Case> all_cases() {
  std::vector<Case> cases;
  const auto add = [&](std::vector<int> q, std::vector<int> k, int dim, auto change) {
    Case c;
    c.seqlens_q = std::move(q);
    c.seqlens_k = std::move(k);
    c.head_dim = dim;
    c.seed = 100 + static_cast<uint32_t>(cases.size());
    c.is_bf16 = cases.size() % 2 == 0;
    change(c);
    cases.push_back(c);
  };
  const auto plain = [](Case&) {};
  for (const int dim : {64, 96, 128, 256}) {
    for (const int n : {1, 127, 128, 129, 255, 256, 257}) add({n}, {n}, dim, [](Case& c) { c.q_heads = 1; });
    for (const bool is_bf16 : {true, false}) add({1000}, {1000}, dim, [=](Case& c) { c.is_bf16 = is_bf16; });
  }
  // Queries that are a suffix.
  for (const int n : {1, 100, 257, 640}) add({n}, {777}, 64, [](Case& c) { c.q_heads = 4, c.kv_heads = 2; });
  // Batches with lengths of their own, and more padding.
  add({513, 1, 300}, {513, 700, 300}, 64, [](Case& c) { c.padding = 37; });
  add({200, 900}, {900, 900}, 128, [](Case& c) { c.q_heads = 4, c.kv_heads = 2, c.range_heads = 2; });
  // Orders, thresholds, segments.
  add({900}, {900}, 64, [](Case& c) { c.q_heads = 6, c.kv_heads = 2, c.key_order = PBS_CUDA_PER_KV_HEAD; });
  add({900}, {900}, 96, [](Case& c) {
    c.q_heads = 6, c.kv_heads = 2, c.key_order = PBS_CUDA_PER_KV_HEAD, c.range_heads = 3, c.segment_size = 384;
  });
  add({900}, {900}, 64, [](Case& c) { c.segment_size = 128, c.threshold = 0.5; });
  add({1100}, {1100}, 64, [](Case& c) { c.segment_size = 512, c.force_first_block = false; });
  add({900}, {900}, 64, [](Case& c) { c.threshold = 0; });
  add({900}, {900}, 64, [](Case& c) { c.threshold = 1; });
  add({900, 500}, {900, 700}, 64, [](Case& c) { c.min_length = 800; });
  add({700}, {900}, 64, [](Case& c) { c.min_length = INT32_MAX, c.packs = false, c.q_heads = 4, c.kv_heads = 2; });
  // Logits in the hundreds.
  add({1300}, {1300}, 64, [](Case& c) { c.key_growth = 0.05; });
  // More than one part of the keys.
  add({300}, {2500}, 64, plain);
  return cases;
}
