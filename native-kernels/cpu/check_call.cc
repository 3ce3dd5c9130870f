#include "check_call.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>

#include "arithmetic.h"
#include "element.h"

namespace pbs_attn {
namespace {

constexpr int32_t kMaxSeqlen = 1 << 28;                // so that positions and their sums fit into 32 bits
constexpr int64_t kMaxStride = int64_t{1} << 40;       // so that offsets fit into 64 bits
constexpr double kMinScale = 1e-35, kMaxScale = 1e35;  // float32 holds their products and quotients with small numbers
constexpr int64_t kRowsPerTask = 1024;

void require(bool holds, const std::string& message) {
  if (!holds) throw CallError(PBS_ATTN_INVALID_ARGUMENT, message);
}

std::string number(double x) {
  char text[32];
  std::snprintf(text, sizeof(text), "%g", x);
  return text;
}

void require_range(const char* field, int64_t value, int64_t low, int64_t high) {
  require(value >= low && value <= high, std::string(field) + ": expected " + std::to_string(low) + " to " +
                                             std::to_string(high) + ", found " + std::to_string(value));
}

void check_tensor(const char* name, const pbs_attn_tensor& tensor) {
  require(tensor.data != nullptr, std::string(name) + ": expected data, found null");
  for (const int64_t stride : {tensor.batch_stride, tensor.head_stride, tensor.row_stride}) {
    require(std::llabs(stride) <= kMaxStride, std::string(name) + ": stride out of range: " + std::to_string(stride));
  }
}

void check_rows(const pbs_attn_call& call, const char* name, const pbs_attn_tensor& tensor, int64_t batch,
                int64_t heads, int64_t rows, const Kernels& kernels, ThreadPool& pool) {
  const int64_t tasks_per_head = divide_up(rows, kRowsPerTask);
  std::atomic<int64_t> bad{-1};
  pool.run(heads * tasks_per_head, [&](int64_t task, int) {
    const int64_t head = task / tasks_per_head;
    const int64_t begin = task % tasks_per_head * kRowsPerTask;
    for (int64_t row = begin; row < std::min(begin + kRowsPerTask, rows); ++row) {
      if (!kernels.all_finite(call.dtype, row_of(tensor, call.dtype, batch, head, row), call.head_dim)) {
        bad.store(head * rows + row);
        return;
      }
    }
  });
  if (bad.load() >= 0) {
    throw CallError(PBS_ATTN_NOT_FINITE, std::string(name) + ": NaN or infinity in sequence " + std::to_string(batch) +
                                             ", head " + std::to_string(bad.load() / rows) + ", row " +
                                             std::to_string(bad.load() % rows));
  }
}

}  // namespace

void check_arguments(const pbs_attn_call& call) {
  require_range("dtype", call.dtype, PBS_ATTN_FLOAT32, PBS_ATTN_FLOAT16);
  require_range("batch", call.batch, 1, INT32_MAX);
  require_range("num_kv_heads", call.num_kv_heads, 1, INT32_MAX);
  require_range("num_q_heads", call.num_q_heads, 1, INT32_MAX);
  require(call.num_q_heads % call.num_kv_heads == 0, "num_q_heads: expected a multiple of num_kv_heads " +
                                                         std::to_string(call.num_kv_heads) + ", found " +
                                                         std::to_string(call.num_q_heads));
  require_range("min_length", call.min_length, 0, kMaxSeqlen);
  require_range("window", call.window, 0, INT32_MAX);
  require_range("head_dim", call.head_dim, 1, kMaxDim);
  require_range("max_seqlen_k", call.max_seqlen_k, 1, kMaxSeqlen);
  require_range("max_seqlen_q", call.max_seqlen_q, 1, call.max_seqlen_k);
  require_range("block_size", call.block_size, 1, kMaxSeqlen);
  require(call.segment_size >= call.block_size && call.segment_size <= kMaxSeqlen &&
              call.segment_size % call.block_size == 0,
          "segment_size: expected a multiple of block_size " + std::to_string(call.block_size) + ", found " +
              std::to_string(call.segment_size));
  require(call.threshold >= 0 && call.threshold <= 1, "threshold: expected 0 to 1, found " + number(call.threshold));
  require(call.softmax_scale >= kMinScale && call.softmax_scale <= kMaxScale,
          "softmax_scale: expected 1e-35 to 1e35, found " + number(call.softmax_scale));
  require_range("force_first_block", call.force_first_block, 0, 1);
  require_range("key_order", call.key_order, PBS_ATTN_PER_QUERY_HEAD, PBS_ATTN_PER_KV_HEAD);
  require_range("num_threads", call.num_threads, 0, 4096);
  check_tensor("q", call.q);
  check_tensor("k", call.k);
  check_tensor("v", call.v);
  check_tensor("o", call.o);
  for (int32_t b = 0; b < call.batch; ++b) {
    const int32_t seqlen_k = call.seqlens_k != nullptr ? call.seqlens_k[b] : call.max_seqlen_k;
    const int32_t seqlen_q = call.seqlens_q != nullptr ? call.seqlens_q[b] : call.max_seqlen_q;
    require_range(("seqlens_k[" + std::to_string(b) + "]").c_str(), seqlen_k, 1, call.max_seqlen_k);
    require_range(("seqlens_q[" + std::to_string(b) + "]").c_str(), seqlen_q, 1, std::min(seqlen_k, call.max_seqlen_q));
  }
}

void refuse_values(const pbs_attn_call& call, const Kernels& kernels, ThreadPool& pool) {
  for (int64_t b = 0; b < call.batch; ++b) {
    const int64_t seqlen_q = call.seqlens_q != nullptr ? call.seqlens_q[b] : call.max_seqlen_q;
    const int64_t seqlen_k = call.seqlens_k != nullptr ? call.seqlens_k[b] : call.max_seqlen_k;
    check_rows(call, "q", call.q, b, call.num_q_heads, seqlen_q, kernels, pool);
    check_rows(call, "k", call.k, b, call.num_kv_heads, seqlen_k, kernels, pool);
    check_rows(call, "v", call.v, b, call.num_kv_heads, seqlen_k, kernels, pool);
  }
  throw CallError(PBS_ATTN_NOT_FINITE, "q, k or v: NaN or infinity, and none any more: they changed during the call");
}

}  // namespace pbs_attn
