// The one interface of the native kernels: Permuted Block-Sparse Attention (arXiv 2510.21270) in plain C.
//
// Everything crosses as pointers, sizes and strides in one struct, so that any language binds it without glue code.
// The library checks every argument, prints nothing, never aborts and lets no C++ exception out.
#ifndef PBS_ATTN_H_
#define PBS_ATTN_H_

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#define PBS_ATTN_API __declspec(dllexport)
#else
#define PBS_ATTN_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

// Version of this interface; a binding refuses a library that answers another number.
#define PBS_ATTN_ABI_VERSION 4

enum pbs_attn_status {
  PBS_ATTN_OK = 0,
  PBS_ATTN_INVALID_ARGUMENT = 1,  // the message names the field, its value and what was expected
  // NaN or infinity in q, k or v, where a query sees it, or in o, where products of q and k or sums of v overflow
  // float32. The message names array, sequence, head and row. The output is undefined.
  PBS_ATTN_NOT_FINITE = 2,
  PBS_ATTN_OUT_OF_MEMORY = 3,
  PBS_ATTN_UNSUPPORTED = 4  // this build or this CPU cannot do it, e.g. PBS_ATTN_ISA names an unknown instruction set
};

enum pbs_attn_dtype { PBS_ATTN_FLOAT32 = 0, PBS_ATTN_BFLOAT16 = 1, PBS_ATTN_FLOAT16 = 2 };

// One key order for every query head, as in the paper, or one shared by the query heads of a KV head (the mean of their
// key scores decides).
enum pbs_attn_key_order { PBS_ATTN_PER_QUERY_HEAD = 0, PBS_ATTN_PER_KV_HEAD = 1 };

// A strided array (batch, heads, rows, head_dim). Strides count elements; rows of head_dim elements are contiguous.
struct pbs_attn_tensor {
  void* data;
  int64_t batch_stride;
  int64_t head_stride;
  int64_t row_stride;
};

// Optional record of the intermediates, for checks; null pointers are not filled. All arrays are contiguous.
// A block grid has q_blocks = ceil(max_seqlen_q / block_size) rows and k_blocks = ceil(max_seqlen_k / block_size)
// columns. Where a sliding window is shorter than the sequence, the kept blocks are those that it reaches.
struct pbs_attn_trace {
  int32_t* indices;     // (batch, num_q_heads, max_seqlen_k): original position of the permuted key
  float* key_scores;    // (batch, num_q_heads, max_seqlen_k): score by original position, 0 past the complete segments
  float* block_scores;  // (batch, num_q_heads, q_blocks, k_blocks): softmax over a row's candidates, 0 elsewhere
  uint8_t*
      block_mask;  // (batch, num_q_heads, q_blocks, k_blocks): 1 = kept; the own segment's future blocks count as kept
};

// One attention call. Query head h reads KV head h / (num_q_heads / num_kv_heads). The queries of a sequence are the
// last seqlen_q of its seqlen_k positions. Rows past a sequence's own length are padding: never read; o there is 0, lse
// -inf.
struct pbs_attn_call {
  // in
  uint32_t struct_size;  // sizeof(struct pbs_attn_call)
  int32_t dtype;         // enum pbs_attn_dtype of q, k, v and o
  int32_t batch;
  int32_t num_q_heads;
  int32_t num_kv_heads;
  int32_t head_dim;          // 1..256
  int32_t max_seqlen_q;      // rows of q and o
  int32_t max_seqlen_k;      // rows of k and v
  const int32_t* seqlens_q;  // (batch), or null: max_seqlen_q each
  const int32_t* seqlens_k;  // (batch), or null: max_seqlen_k each
  struct pbs_attn_tensor q;  // (batch, num_q_heads, max_seqlen_q, head_dim)
  struct pbs_attn_tensor k;  // (batch, num_kv_heads, max_seqlen_k, head_dim)
  struct pbs_attn_tensor v;  // (batch, num_kv_heads, max_seqlen_k, head_dim)
  // (batch, num_q_heads, max_seqlen_q, head_dim); it may be q, strides and all, which is overwritten then, or share no
  // memory with it; none with k and v in either case
  struct pbs_attn_tensor o;
  // (batch, num_q_heads, max_seqlen_q), natural log, contiguous; null: not wanted, and bfloat16 may be faster then
  float* lse;
  int32_t block_size;
  int32_t segment_size;       // a multiple of block_size
  double threshold;           // 0..1; 1 keeps every candidate
  double softmax_scale;       // factor on q k^T, 1e-35..1e35
  int32_t force_first_block;  // 0 or 1: every row keeps the block that holds token 0
  int32_t key_order;          // enum pbs_attn_key_order
  int32_t min_length;         // >= 0: a sequence of fewer keys keeps every block, and its keys are not reordered
  int32_t window;       // keys that a query sees, its own the last of them; 0: all up to its own. In a sequence of
                        // more keys every block that a window reaches is kept, and no key is reordered
  int32_t num_threads;  // >= 1; 0: one per core that this process may use
  struct pbs_attn_trace trace;
  // out
  int64_t kept_blocks;     // over all sequences and query heads
  int64_t causal_blocks;   // candidates and own-segment blocks, kept or not, or those that a window reaches; density =
                           // kept_blocks / causal_blocks
  double permute_seconds;  // wall time of each stage
  double select_seconds;   // threads select when they are about to attend: their mean
  double attend_seconds;
};

// PBS_ATTN_ABI_VERSION of the library.
PBS_ATTN_API uint32_t pbs_attn_abi_version(void);

// Name of the instruction set that calls will use: "scalar", "avx2", "avx512", "avx512_bf16", "amx_bf16", "neon". The
// environment variable PBS_ATTN_ISA, read once, overrides the choice; a name that is unknown or that this CPU cannot
// run makes this return null and every call fail with PBS_ATTN_UNSUPPORTED.
PBS_ATTN_API const char* pbs_attn_isa(void);

// Instruction sets that this build holds and this CPU can run, best first, separated by commas.
PBS_ATTN_API const char* pbs_attn_available_isas(void);

// Threads that a call with num_threads = 0 uses.
PBS_ATTN_API int32_t pbs_attn_default_threads(void);

// Runs the attention of one call. On failure the out fields and o hold nothing of use, and message (message_size bytes,
// zero-terminated; may be null) says why. The calling thread keeps the memory that the call needed for its next one, up
// to 128 MiB of packed keys and values, until it ends.
PBS_ATTN_API int32_t pbs_attn_prefill(struct pbs_attn_call* call, char* message, size_t message_size);

#ifdef __cplusplus
}
#endif

#endif  // PBS_ATTN_H_
