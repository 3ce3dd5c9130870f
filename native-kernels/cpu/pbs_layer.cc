// The C interface of what stands around attention: checks, and the loops over rows.
#include "pbs_layer.h"

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "arithmetic.h"
#include "dispatch.h"
#include "element.h"
#include "linear.h"
#include "row_attention.h"
#include "status.h"
#include "thread_pool.h"

namespace pbs_attn {
namespace {

constexpr int64_t kRowsPerTask = 64;

const LayerKernels& layer_kernels() {
  const Kernels* kernels = chosen_kernels();
  if (kernels == nullptr) {
    throw CallError(PBS_ATTN_UNSUPPORTED, "PBS_ATTN_ISA: expected one of " + available_isas());
  }
  return *kernels->layer;
}

void require(bool holds, const std::string& name, const std::string& expected) {
  if (!holds) throw CallError(PBS_ATTN_INVALID_ARGUMENT, name + ": expected " + expected);
}

void check_matrix(const pbs_layer_matrix& matrix, const std::string& name) {
  require(matrix.data != nullptr, name, "an address, found null");
  require(matrix.rows >= 1 && matrix.cols >= 1, name,
          "rows and cols of at least 1, found " + std::to_string(matrix.rows) + " and " + std::to_string(matrix.cols));
  require(
      matrix.row_stride >= matrix.cols, name,
      "a row_stride of at least cols " + std::to_string(matrix.cols) + ", found " + std::to_string(matrix.row_stride));
}

void check_type(int32_t dtype, bool float32, bool bfloat16, const std::string& name) {
  require((float32 && dtype == PBS_ATTN_FLOAT32) || (bfloat16 && dtype == PBS_ATTN_BFLOAT16), name,
          std::string(float32 ? "float32" : "") + (float32 && bfloat16 ? " or " : "") + (bfloat16 ? "bfloat16" : "") +
              ", found dtype " + std::to_string(dtype));
}

void check_size(int64_t found, int64_t expected, const std::string& name) {
  require(found == expected, name, std::to_string(expected) + ", found " + std::to_string(found));
}

int threads(int32_t asked) {
  require(asked >= 0, "num_threads", "at least 0, found " + std::to_string(asked));
  return asked > 0 ? asked : available_cores();
}

void check_linear(const pbs_layer_linear_call& call) {
  require(call.combine >= PBS_LAYER_STORE && call.combine <= PBS_LAYER_GATE, "combine",
          "0 to 2, found " + std::to_string(call.combine));
  const bool is_gated = call.combine == PBS_LAYER_GATE;
  require(call.num_weights >= 1 && call.num_weights <= PBS_LAYER_MAX_WEIGHTS && (!is_gated || call.num_weights == 2),
          "num_weights", std::string(is_gated ? "2" : "1 to 3") + ", found " + std::to_string(call.num_weights));
  check_matrix(call.x, "x");
  check_type(call.x.dtype, false, true, "x");
  for (int32_t w = 0; w < call.num_weights; ++w) {
    const std::string number = "[" + std::to_string(w) + "]";
    check_matrix(call.weights[w], "weights" + number);
    check_type(call.weights[w].dtype, false, true, "weights" + number);
    check_size(call.weights[w].cols, call.x.cols, "weights" + number + ".cols");
    if (is_gated) check_size(call.weights[w].rows, call.weights[0].rows, "weights" + number + ".rows");
    if (is_gated && w > 0) break;
    check_matrix(call.outputs[w], "outputs" + number);
    check_type(call.outputs[w].dtype, true, call.combine != PBS_LAYER_ADD, "outputs" + number);
    check_size(call.outputs[w].rows, call.x.rows, "outputs" + number + ".rows");
    check_size(call.outputs[w].cols, call.weights[w].rows, "outputs" + number + ".cols");
  }
}

// Calls work(row) for all rows, in parallel where there are many.
template <typename F>
void for_rows(int64_t rows, int32_t num_threads, const F& work) {
  const int64_t tasks = divide_up(rows, kRowsPerTask);
  ThreadPool pool(static_cast<int>(std::min<int64_t>(threads(num_threads), tasks)));
  pool.run(tasks, [&](int64_t task, int) {
    for (int64_t r = task * kRowsPerTask; r < std::min(rows, (task + 1) * kRowsPerTask); ++r) work(r);
  });
}

char* matrix_row(const pbs_layer_matrix& matrix, int64_t row) {
  return static_cast<char*>(matrix.data) + row * matrix.row_stride * element_size(matrix.dtype);
}

}  // namespace
}  // namespace pbs_attn

using pbs_attn::layer_kernels;
using pbs_attn::status_of;

int64_t pbs_layer_max_linear_rows(void) {
  const pbs_attn::Kernels* kernels = pbs_attn::chosen_kernels();
  if (kernels == nullptr) return 0;
  return kernels->layer->matrix_unit != nullptr ? std::numeric_limits<int64_t>::max() : pbs_attn::kFewRows;
}

int32_t pbs_layer_linear(const pbs_layer_linear_call* call, char* message, size_t message_size) {
  return status_of(message, message_size, [&] {
    pbs_attn::require(call != nullptr, "call", "an address, found null");
    pbs_attn::check_size(call->struct_size, sizeof(pbs_layer_linear_call), "struct_size");
    const pbs_attn::LayerKernels& kernels = layer_kernels();
    pbs_attn::check_linear(*call);
    if (call->x.rows > pbs_layer_max_linear_rows()) {
      throw pbs_attn::CallError(PBS_ATTN_UNSUPPORTED,
                                "x: expected at most " + std::to_string(pbs_layer_max_linear_rows()) +
                                    " rows without matrix units, found " + std::to_string(call->x.rows));
    }
    pbs_attn::ThreadPool pool(pbs_attn::threads(call->num_threads));
    thread_local pbs_attn::Linear::Workspace workspace;
    pbs_attn::Linear(kernels, *call, pool, workspace).run();
  });
}

int32_t pbs_layer_rms_norm(const pbs_layer_matrix* x, const float* weight, double eps, const pbs_layer_matrix* y,
                           int32_t num_threads, char* message, size_t message_size) {
  return status_of(message, message_size, [&] {
    pbs_attn::require(x != nullptr && y != nullptr && weight != nullptr, "x, weight and y", "addresses, found null");
    const pbs_attn::LayerKernels& kernels = layer_kernels();
    pbs_attn::check_matrix(*x, "x");
    pbs_attn::check_matrix(*y, "y");
    pbs_attn::check_type(x->dtype, true, false, "x");
    pbs_attn::check_type(y->dtype, true, true, "y");
    pbs_attn::check_size(y->rows, x->rows, "y.rows");
    pbs_attn::check_size(y->cols, x->cols, "y.cols");
    pbs_attn::for_rows(x->rows, num_threads, [&](int64_t r) {
      kernels.rms_norm(x->cols, reinterpret_cast<const float*>(pbs_attn::matrix_row(*x, r)), weight,
                       static_cast<float>(eps), y->dtype, pbs_attn::matrix_row(*y, r));
    });
  });
}

int32_t pbs_layer_rotate(int32_t dtype, int64_t heads, int64_t rows, int64_t head_dim, const pbs_attn_tensor* x,
                         const float* cosines, const float* sines, const pbs_attn_tensor* y, int32_t num_threads,
                         char* message, size_t message_size) {
  return status_of(message, message_size, [&] {
    pbs_attn::require(x != nullptr && y != nullptr && cosines != nullptr && sines != nullptr, "x, y, cosines and sines",
                      "addresses, found null");
    pbs_attn::require(x->data != nullptr && y->data != nullptr, "x and y", "data, found null");
    pbs_attn::require(heads >= 1 && rows >= 1, "heads and rows", "at least 1");
    pbs_attn::require(head_dim >= 2 && head_dim % 2 == 0, "head_dim",
                      "an even number, found " + std::to_string(head_dim));
    pbs_attn::check_type(dtype, true, true, "dtype");
    const pbs_attn::LayerKernels& kernels = layer_kernels();
    const int64_t half = head_dim / 2;
    pbs_attn::for_rows(rows, num_threads, [&](int64_t r) {
      for (int64_t h = 0; h < heads; ++h) {
        kernels.rotate(dtype, half, pbs_attn::row_of(*x, dtype, 0, h, r), cosines + r * half, sines + r * half,
                       pbs_attn::row_of(*y, dtype, 0, h, r));
      }
    });
  });
}

int32_t pbs_layer_gate(const pbs_layer_matrix* gate, const pbs_layer_matrix* up, const pbs_layer_matrix* y,
                       int32_t num_threads, char* message, size_t message_size) {
  return status_of(message, message_size, [&] {
    pbs_attn::require(gate != nullptr && up != nullptr && y != nullptr, "gate, up and y", "addresses, found null");
    const pbs_layer_matrix* const matrices[] = {gate, up, y};
    const char* const names[] = {"gate", "up", "y"};
    for (int i = 0; i < 3; ++i) {
      pbs_attn::check_matrix(*matrices[i], names[i]);
      pbs_attn::check_type(matrices[i]->dtype, false, true, names[i]);
      pbs_attn::check_size(matrices[i]->rows, gate->rows, std::string(names[i]) + ".rows");
      pbs_attn::check_size(matrices[i]->cols, gate->cols, std::string(names[i]) + ".cols");
    }
    const pbs_attn::LayerKernels& kernels = layer_kernels();
    pbs_attn::for_rows(gate->rows, num_threads, [&](int64_t r) {
      constexpr int64_t kPart = 512;
      float gates[kPart], ups[kPart];
      for (int64_t i = 0; i < gate->cols; i += kPart) {
        const int64_t n = std::min(kPart, gate->cols - i);
        const int64_t at = i * pbs_attn::element_size(PBS_ATTN_BFLOAT16);
        kernels.to_floats(n, pbs_attn::matrix_row(*gate, r) + at, gates);
        kernels.to_floats(n, pbs_attn::matrix_row(*up, r) + at, ups);
        const pbs_attn::OutRows out = {PBS_ATTN_BFLOAT16, pbs_attn::matrix_row(*y, r) + at, 0, n};
        const pbs_attn::Result result = {gates, ups, n, 1, nullptr, nullptr, false, out};
        kernels.finish(&result, 1);
      }
    });
  });
}

int32_t pbs_layer_attend_row(int64_t num_q_heads, int64_t num_kv_heads, int64_t keys, int64_t head_dim,
                             double softmax_scale, const pbs_layer_matrix* q, const pbs_attn_tensor* k,
                             const pbs_attn_tensor* v, const pbs_layer_matrix* o, int32_t num_threads, char* message,
                             size_t message_size) {
  return status_of(message, message_size, [&] {
    pbs_attn::require(q != nullptr && k != nullptr && v != nullptr && o != nullptr, "q, k, v and o",
                      "addresses, found null");
    pbs_attn::require(k->data != nullptr && v->data != nullptr, "k and v", "data, found null");
    pbs_attn::require(
        num_kv_heads >= 1 && num_q_heads >= 1 && num_q_heads % num_kv_heads == 0, "num_q_heads",
        "a multiple of num_kv_heads " + std::to_string(num_kv_heads) + ", found " + std::to_string(num_q_heads));
    pbs_attn::require(keys >= 1 && head_dim >= 1, "keys and head_dim", "at least 1");
    pbs_attn::require(softmax_scale > 0 && softmax_scale < std::numeric_limits<float>::max(), "softmax_scale",
                      "a positive number, found " + std::to_string(softmax_scale));
    for (const pbs_layer_matrix* matrix : {q, o}) {
      const std::string name = matrix == q ? "q" : "o";
      pbs_attn::check_matrix(*matrix, name);
      pbs_attn::check_type(matrix->dtype, false, true, name);
      pbs_attn::check_size(matrix->rows, num_q_heads, name + ".rows");
      pbs_attn::check_size(matrix->cols, head_dim, name + ".cols");
    }
    pbs_attn::layer_kernels();  // says so where there are none
    const auto rows = [&](const pbs_attn_tensor& tensor) {
      std::vector<pbs_attn::Rows> heads;
      for (int64_t h = 0; h < num_kv_heads; ++h) {
        heads.push_back({PBS_ATTN_BFLOAT16, pbs_attn::row_of(tensor, PBS_ATTN_BFLOAT16, 0, h, 0),
                         tensor.row_stride * pbs_attn::element_size(PBS_ATTN_BFLOAT16), head_dim});
      }
      return heads;
    };
    const auto matrix_rows = [&](const pbs_layer_matrix& matrix) {
      return pbs_attn::Rows{PBS_ATTN_BFLOAT16, matrix.data,
                            matrix.row_stride * pbs_attn::element_size(PBS_ATTN_BFLOAT16), head_dim};
    };
    pbs_attn::ThreadPool pool(pbs_attn::threads(num_threads));
    pbs_attn::RowAttention(*pbs_attn::chosen_kernels(), pool, num_q_heads / num_kv_heads, softmax_scale)
        .run(rows(*k), rows(*v), keys, matrix_rows(*q), matrix_rows(*o));
  });
}
