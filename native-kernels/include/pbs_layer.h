// What stands around attention in a decoder layer, in bfloat16 with float32 sums, in plain C: linear layers, norm,
// rotary positions and the gate. The rules of pbs_attn.h hold here too; statuses and element types are those of that
// header.
#ifndef PBS_LAYER_H_
#define PBS_LAYER_H_

#include "pbs_attn.h"

#ifdef __cplusplus
extern "C" {
#endif

#define PBS_LAYER_MAX_WEIGHTS 3

// Rows of elements that lie side by side.
struct pbs_layer_matrix {
  void* data;
  int64_t rows;
  int64_t cols;
  int64_t row_stride;  // elements
  int32_t dtype;       // enum pbs_attn_dtype
};

enum pbs_layer_combine {
  PBS_LAYER_STORE = 0,  // outputs[i] = x weights[i]^T + biases[i]
  PBS_LAYER_ADD = 1,    // outputs[i] += x weights[i]^T + biases[i]
  PBS_LAYER_GATE = 2    // outputs[0] = silu(x weights[0]^T + biases[0]) * (x weights[1]^T + biases[1])
};

// Linear layers that read the same rows.
struct pbs_layer_linear_call {
  uint32_t struct_size;  // sizeof(struct pbs_layer_linear_call)
  int32_t combine;       // enum pbs_layer_combine
  int32_t num_weights;   // 1..PBS_LAYER_MAX_WEIGHTS; 2 for PBS_LAYER_GATE
  int32_t num_threads;   // >= 1; 0: one per core that this process may use
  // (rows, in) bfloat16. Matrix units read rows where they lie, instead of packing them first, if they are aligned to
  // cache lines, an odd multiple of 1,024 bytes apart, and have a multiple of 32 columns.
  struct pbs_layer_matrix x;
  struct pbs_layer_matrix weights[PBS_LAYER_MAX_WEIGHTS];  // (out, in) bfloat16
  const void* biases[PBS_LAYER_MAX_WEIGHTS];               // (out) bfloat16, or null
  struct pbs_layer_matrix outputs[PBS_LAYER_MAX_WEIGHTS];  // (rows, out) bfloat16 or float32; float32 for PBS_LAYER_ADD
};

// The most rows that pbs_layer_linear takes: all there are where the CPU has matrix units that it uses (AMX), few where
// it only reads the weights once, as fast as memory gives them.
PBS_ATTN_API int64_t pbs_layer_max_linear_rows(void);

// Runs linear layers. What it works in stays with the calling thread, for its next call. More rows than
// pbs_layer_max_linear_rows are PBS_ATTN_UNSUPPORTED.
PBS_ATTN_API int32_t pbs_layer_linear(const struct pbs_layer_linear_call* call, char* message, size_t message_size);

// y (rows, cols) bfloat16 or float32 = x / sqrt(mean(x^2) + eps) * weight, by rows; x (rows, cols) float32, weight
// (cols) float32.
PBS_ATTN_API int32_t pbs_layer_rms_norm(const struct pbs_layer_matrix* x, const float* weight, double eps,
                                        const struct pbs_layer_matrix* y, int32_t num_threads, char* message,
                                        size_t message_size);

// Rotates rows by their positions (RoPE): element i of a head is paired with element i + head_dim / 2. x and y are
// (heads, rows, head_dim) of the same dtype, and may be the same; cosines and sines (rows, head_dim / 2). Batch strides
// are not used.
PBS_ATTN_API int32_t pbs_layer_rotate(int32_t dtype, int64_t heads, int64_t rows, int64_t head_dim,
                                      const struct pbs_attn_tensor* x, const float* cosines, const float* sines,
                                      const struct pbs_attn_tensor* y, int32_t num_threads, char* message,
                                      size_t message_size);

// y = silu(gate) * up, all (rows, cols) bfloat16; y may be one of the two.
PBS_ATTN_API int32_t pbs_layer_gate(const struct pbs_layer_matrix* gate, const struct pbs_layer_matrix* up,
                                    const struct pbs_layer_matrix* y, int32_t num_threads, char* message,
                                    size_t message_size);

// Attention of one query row of each head to all keys, as decoding needs it: o = softmax(softmax_scale q k^T) v. q and
// o (num_q_heads, head_dim) bfloat16; k and v (num_kv_heads, keys, head_dim) bfloat16, of which batch strides are not
// used. Query head h reads KV head h / (num_q_heads / num_kv_heads). Keys and values are read once, where they are.
PBS_ATTN_API int32_t pbs_layer_attend_row(int64_t num_q_heads, int64_t num_kv_heads, int64_t keys, int64_t head_dim,
                                          double softmax_scale, const struct pbs_layer_matrix* q,
                                          const struct pbs_attn_tensor* k, const struct pbs_attn_tensor* v,
                                          const struct pbs_layer_matrix* o, int32_t num_threads, char* message,
                                          size_t message_size);

#ifdef __cplusplus
}
#endif

#endif  // PBS_LAYER_H_
