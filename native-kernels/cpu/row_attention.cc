#include "row_attention.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "arithmetic.h"
#include "element.h"

namespace pbs_attn {
namespace {

constexpr int64_t kPartKeys = 1024;
constexpr int64_t kTileKeys = 64;  // stay in L1 while the heads of a group read them

// The largest of n floats. std::max_element takes them one by one.
float largest(int64_t n, const float* x) {
  constexpr int64_t kLanes = 16;
  float lanes[kLanes];
  std::fill(lanes, lanes + kLanes, -std::numeric_limits<float>::infinity());
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (int64_t l = 0; l < kLanes; ++l) lanes[l] = x[i + l] > lanes[l] ? x[i + l] : lanes[l];
  }
  for (; i < n; ++i) lanes[0] = std::max(lanes[0], x[i]);
  return *std::max_element(lanes, lanes + kLanes);
}

}  // namespace

void RowAttention::run(const std::vector<Rows>& keys, const std::vector<Rows>& values, int64_t key_count, const Rows& q,
                       Rows o) {
  const int64_t kv_heads = static_cast<int64_t>(keys.size());
  const int64_t heads = kv_heads * group_size_;
  const int64_t part_count = divide_up(key_count, kPartKeys);
  const int64_t half = divide_up(q.dim, 2);
  std::vector<float> split(static_cast<size_t>(heads * 2 * half));
  for (int64_t h = 0; h < heads; ++h) {
    float* even = &split[static_cast<size_t>(2 * h * half)];
    kernels_.layer->split(q.dim, rows_from(q, h).first, even, even + half);
  }
  std::vector<Part> parts(static_cast<size_t>(heads * part_count));
  pool_.run(kv_heads * part_count, [&](int64_t task, int) {
    const int64_t kv_head = task / part_count, part = task % part_count;
    const int64_t first = part * kPartKeys;
    attend_part(rows_from(keys[static_cast<size_t>(kv_head)], first),
                rows_from(values[static_cast<size_t>(kv_head)], first), std::min(kPartKeys, key_count - first),
                &split[static_cast<size_t>(kv_head * group_size_ * 2 * half)],
                &parts[static_cast<size_t>(kv_head * group_size_ * part_count + part)], part_count);
  });
  std::vector<float> output(static_cast<size_t>(q.dim));
  for (int64_t h = 0; h < heads; ++h) {
    const Part* head = &parts[static_cast<size_t>(h * part_count)];
    float max = head->max;
    for (int64_t p = 1; p < part_count; ++p) max = std::max(max, head[p].max);
    double sum = 0;
    std::vector<double> factors;
    for (int64_t p = 0; p < part_count; ++p) {
      factors.push_back(std::exp((static_cast<double>(head[p].max) - max) * softmax_scale_));
      sum += factors.back() * head[p].sum;
    }
    for (int64_t d = 0; d < q.dim; ++d) {
      double total = 0;
      for (int64_t p = 0; p < part_count; ++p) {
        total += factors[static_cast<size_t>(p)] * head[p].output[static_cast<size_t>(d)];
      }
      output[static_cast<size_t>(d)] = static_cast<float>(total / sum);
    }
    kernels_.store_row(o.dtype, output.data(), q.dim, const_cast<void*>(rows_from(o, h).first));
  }
}

void RowAttention::attend_part(const Rows& keys, const Rows& values, int64_t count, const float* split_q, Part* parts,
                               int64_t part_ld) const {
  const SplitRows queries{split_q, group_size_, divide_up(keys.dim, 2)};
  std::vector<float> logits(static_cast<size_t>(group_size_ * count));
  for (int64_t j = 0; j < count; j += kTileKeys) {
    kernels_.layer->dot_rows(rows_from(keys, j), std::min(kTileKeys, count - j), queries,
                             &logits[static_cast<size_t>(j)], count);
  }
  for (int64_t g = 0; g < group_size_; ++g) {
    Part& part = parts[g * part_ld];
    float* row = &logits[static_cast<size_t>(g * count)];
    part.max = largest(count, row);
    part.sum = kernels_.exp_row(count, row, part.max, static_cast<float>(softmax_scale_));
    part.output.assign(static_cast<size_t>(values.dim), 0);
  }
  for (int64_t j = 0; j < count; j += kTileKeys) {
    for (int64_t g = 0; g < group_size_; ++g) {
      kernels_.layer->add_rows(rows_from(values, j), std::min(kTileKeys, count - j),
                               &logits[static_cast<size_t>(g * count + j)], parts[g * part_ld].output.data());
    }
  }
}

}  // namespace pbs_attn
