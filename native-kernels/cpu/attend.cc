// Stage 3: attention over the kept blocks with an online softmax.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "element.h"
#include "head_group.h"

namespace pbs_attn {

// Gathers keys and values in a head's order. Query heads that share an order share what is packed.
void HeadGroup::pack(int64_t g) {
  const std::vector<int32_t>& order = orders_[static_cast<size_t>(g)];
  team_.run(grid_.k_blocks(), [&](int64_t j, int thread) {
    Scratch& scratch = scratch_[static_cast<size_t>(thread)];
    float* row = scratch.o.data();
    float* keys = &packed_.keys[static_cast<size_t>(j * head_dim_ * padded_block_)];
    float* values = &packed_.values[static_cast<size_t>(j * padded_block_ * padded_dim_)];
    int32_t* positions = &packed_.positions[static_cast<size_t>(j * padded_block_)];
    float* sums = &packed_.key_sums[static_cast<size_t>(j * head_dim_)];
    const int64_t count = grid_.keys(j);
    std::vector<double> exact_sums(static_cast<size_t>(head_dim_));
    for (int64_t t = 0; t < count; ++t) {
      const int32_t position = order[static_cast<size_t>(j * grid_.block_size + t)];
      positions[t] = position;
      load_row(call_.dtype, k_row(position), head_dim_, row);
      for (int64_t d = 0; d < head_dim_; ++d) {
        keys[d * padded_block_ + t] = row[d];
        exact_sums[static_cast<size_t>(d)] += row[d];
      }
      load_row(call_.dtype, v_row(position), head_dim_, values + t * padded_dim_);
      std::fill(values + t * padded_dim_ + head_dim_, values + (t + 1) * padded_dim_, 0.0f);
    }
    for (int64_t d = 0; d < head_dim_; ++d) {
      std::fill(keys + d * padded_block_ + count, keys + (d + 1) * padded_block_, 0.0f);
      sums[d] = static_cast<float>(exact_sums[static_cast<size_t>(d)]);
    }
    std::fill(values + count * padded_dim_, values + padded_block_ * padded_dim_, 0.0f);
    std::fill(positions + count, positions + padded_block_, std::numeric_limits<int32_t>::max());
    packed_.first[static_cast<size_t>(j)] = *std::min_element(positions, positions + count);
    packed_.last[static_cast<size_t>(j)] =
        count == padded_block_ ? *std::max_element(positions, positions + count) : std::numeric_limits<int32_t>::max();
  });
}

void HeadGroup::attend(int64_t first_head, int64_t heads) {
  // The rows with most blocks first, so that no thread is left with a long one at the end.
  const int64_t blocks = grid_.q_blocks();
  std::vector<int64_t> tasks(static_cast<size_t>(heads * blocks));
  std::vector<int64_t> work(tasks.size());
  std::iota(tasks.begin(), tasks.end(), 0);
  for (int64_t task = 0; task < heads * blocks; ++task) {
    const uint64_t* mask = mask_row(first_head + task / blocks, task % blocks);
    for (int64_t w = 0; w < mask_words_; ++w) work[static_cast<size_t>(task)] += __builtin_popcountll(mask[w]);
  }
  std::stable_sort(tasks.begin(), tasks.end(), [&](int64_t a, int64_t b) {
    return work[static_cast<size_t>(a)] > work[static_cast<size_t>(b)];
  });
  team_.run(heads * blocks, [&](int64_t n, int thread) {
    const int64_t task = tasks[static_cast<size_t>(n)];
    attend_block(first_head + task / blocks, task % blocks, scratch_[static_cast<size_t>(thread)]);
  });
}

void HeadGroup::attend_block(int64_t g, int64_t i, Scratch& s) {
  const int64_t rows = grid_.rows(i);
  const int64_t first_position = grid_.first_position(i);
  const int64_t last_position = grid_.last_position(i);
  const float scale = static_cast<float>(call_.softmax_scale);
  for (int64_t r = 0; r < padded_rows_; ++r) {
    float* row = &s.q[static_cast<size_t>(r * head_dim_)];
    if (r < rows) {
      load_row(call_.dtype, q_row(g, i * grid_.block_size + r), head_dim_, row);
      for (int64_t d = 0; d < head_dim_; ++d) row[d] *= scale;
    } else {
      std::fill(row, row + head_dim_, 0.0f);
    }
  }
  std::fill(s.o.begin(), s.o.end(), 0.0f);
  std::fill(s.logits.begin(), s.logits.end(), 0.0f);
  std::fill(s.max.begin(), s.max.end(), -std::numeric_limits<float>::infinity());
  std::fill(s.sum.begin(), s.sum.end(), 0.0);
  const int64_t tile_rows = (rows + kernels_.row_multiple - 1) / kernels_.row_multiple * kernels_.row_multiple;
  const SoftmaxRows state{s.max.data(), s.sum.data(), s.scale.data()};
  const uint64_t* mask = mask_row(g, i);
  for (int64_t j = 0; j < grid_.visible(i); ++j) {
    const bool kept = (mask[j / 64] >> (j % 64)) & 1;
    // A block of the own segment may hold only keys that come after these queries.
    if (!kept || packed_.first[static_cast<size_t>(j)] > last_position) continue;
    const bool all_visible = packed_.last[static_cast<size_t>(j)] <= first_position;
    const int32_t* positions = all_visible ? nullptr : &packed_.positions[static_cast<size_t>(j * padded_block_)];
    kernels_.gemm_f32(tile_rows, padded_block_, head_dim_, s.q.data(), head_dim_,
                      &packed_.keys[static_cast<size_t>(j * head_dim_ * padded_block_)], padded_block_, s.logits.data(),
                      padded_block_, false);
    kernels_.softmax_tile(rows, padded_block_, s.logits.data(), padded_block_, positions,
                          static_cast<int32_t>(first_position), state);
    kernels_.scale_rows(rows, padded_dim_, s.o.data(), padded_dim_, s.scale.data());
    kernels_.gemm_f32(tile_rows, padded_dim_, padded_block_, s.logits.data(), padded_block_,
                      &packed_.values[static_cast<size_t>(j * padded_block_ * padded_dim_)], padded_dim_, s.o.data(),
                      padded_dim_, true);
  }
  const int64_t head = kv_head_ * group_size_ + g;
  char* o = static_cast<char*>(call_.o.data) +
            (batch_ * call_.o.batch_stride + head * call_.o.head_stride) * static_cast<int64_t>(element_size(call_.dtype));
  for (int64_t r = 0; r < rows; ++r) {
    float* row = &s.o[static_cast<size_t>(r * padded_dim_)];
    const double sum = s.sum[static_cast<size_t>(r)];
    for (int64_t d = 0; d < head_dim_; ++d) row[d] = static_cast<float>(row[d] / sum);
    const int64_t at = i * grid_.block_size + r;
    store_row(call_.dtype, row, head_dim_, o + at * call_.o.row_stride * static_cast<int64_t>(element_size(call_.dtype)));
    if (call_.lse != nullptr) {
      call_.lse[(batch_ * call_.num_q_heads + head) * call_.max_seqlen_q + at] =
          static_cast<float>(s.max[static_cast<size_t>(r)] + std::log(sum));
    }
  }
}

}  // namespace pbs_attn
