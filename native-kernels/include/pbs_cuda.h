// The interface of the CUDA kernels: names, launch rules, the one parameter block and the workspace, in plain C.
//
// Every kernel takes one `const struct pbs_cuda_call` by value as its first parameter, so a host fills one block for a
// call and launches all stages with it. Every field has 8 bytes, so its offset is 8 * its index. The kernels trust the
// block: the host checks arguments (see "What a host checks").
//
// Kernels, in the order of a call. T is bf16 or f16, D the head dimension: 64, 96, 128 or 256. Launch rules use
//
//   B  = batch                               QB = ceil(max_seqlen_q / 128)      KB = ceil(max_seqlen_k / 128)
//   H  = head_count (of the window)          KP = KB * 128                      G  = num_q_heads / num_kv_heads
//   OH = key_order == PBS_CUDA_PER_KV_HEAD ? H / G : H       heads that have a key order of their own
//   pow2(n) = smallest power of two that is >= n
//
//   name                  grid (x, y, z)                      threads  dynamic shared memory in bytes
//   pbs_check_finite      ceil(max(max_seqlen_q,              256      0
//                           max_seqlen_k) / 128),
//                           num_q_heads + 2 * num_kv_heads, B
//   pbs_clear_padding     QB, H, B                            256      0
//   pbs_score_sums_T_dD   ceil(max_seqlen_k / 1024), H, B     256      by D, see the manifest
//   pbs_score_keys_T_dD   ceil(max_seqlen_k / 1024), H, B     by D     by D, see the manifest
//   pbs_sort_segments     ceil(max_seqlen_k / segment_size),  256      8 * pow2(segment_size)
//                           OH, B
//   pbs_pool_queries_T    QB, H, B                            256      0
//   pbs_pack_T            KB, OH, B                           256      0
//   pbs_select            ceil(QB / select_rows), H, B        256      4 * select_rows * KB + 8 * pow2(KB)
//   pbs_schedule          H, B, 1                             256      4 * pow2(QB)
//   pbs_attend_T_dD       QB * H * B, 1, 1                    by D     by D, see the manifest
//   pbs_attend_wgmma_T_dD min(multiprocessors, QB * H * B)    384      by D, see the manifest; sm_90a only
//
// pbs_attend_* gathers rows of k and v by index and needs no packed_k and packed_v. pbs_attend_wgmma_* takes three more
// parameters, CUtensorMap q, k, v (each 128 bytes, 64-byte aligned, passed by value), see "Tensor maps".
//
// Packed as resources: native/cuda/pbs_cuda.fatbin, native/cuda/pbs_cuda.cu (all sources in one file for NVRTC, which
// needs the option -arch and no headers; the kernels are extern "C") and the manifest, native/cuda/pbs_cuda.json:
//   {"abi": 1, "call_size": BYTES, "fields": {NAME: OFFSET, ...},
//    "architectures": ["sm_80", ..., "compute_90"],      what the fatbin holds: machine code, and PTX for later GPUs
//    "kernels": {NAME: {"threads": N, "shared": BYTES or -1 (a rule above), "only": 0 or 90, "maps": 0 or 3,
//                       "registers": the most over the architectures}, ...},
//    "tma": {"64": {"box_columns": N, "q_rows": N, "kv_rows": N, "swizzle": bytes}, "96": ..., ...}}
// "only": 90 marks machine code for sm_90a alone; "shared" above 48 KiB needs
// CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES.
//
// Which kernels a call needs:
//   - always: sort_segments, select, schedule, attend (one of the two)
//   - if rows are padding (some seqlens_q[b] < max_seqlen_q): clear_padding
//   - if some sequence is sparse, which means seqlens_k[b] > segment_size and seqlens_k[b] >= min_length:
//     before sort_segments score_sums, score_keys; after it pool_queries, pack
//   - for attend_wgmma with packed keys: pack, whether or not a sequence is sparse
// threshold >= 1 keeps every block: a host that needs no trace then passes min_length = INT32_MAX, so that nothing is
// reordered.
//
// A call may be run in windows of query heads [head_begin, head_begin + head_count), one after the other, in one
// workspace. A window starts and ends at a multiple of G.
#ifndef PBS_CUDA_H_
#define PBS_CUDA_H_

#ifdef __CUDACC_RTC__  // which has no headers
typedef int int32_t;
typedef unsigned int uint32_t;
typedef long long int64_t;
typedef unsigned long long uint64_t;
#else
#include <stdint.h>
#endif

#ifdef __cplusplus
extern "C" {
#endif

// Version of this interface; the manifest names the version that the kernels were built with.
#define PBS_CUDA_ABI_VERSION 1

// Tokens in a logical block; the kernels are built for this one.
#define PBS_CUDA_BLOCK_SIZE 128

// Keys that one block of threads scores.
#define PBS_CUDA_KEYS_PER_SPLIT 1024

#define PBS_CUDA_MAX_SEGMENT_SIZE 4096
#define PBS_CUDA_MAX_SEQLEN_K 1048576
#define PBS_CUDA_MAX_SELECT_ROWS 4

enum pbs_cuda_key_order { PBS_CUDA_PER_QUERY_HEAD = 0, PBS_CUDA_PER_KV_HEAD = 1 };

// What a host checks:
//   head_dim is 64, 96, 128 or 256; the block size is 128; segment_size is a multiple of 128, at most 4096
//   1 <= seqlens_q[b] <= seqlens_k[b] <= 2^20; B <= 65535, num_q_heads + 2 * num_kv_heads <= 65535
//   addresses of q, k, v and o are multiples of 16, their strides multiples of 8 elements; no two elements of o overlap
//   select_rows: 4 where KB <= 1024, 2 where KB <= 2048, else 1 (so that shared memory suffices on every GPU)
//
// Tensors are strided (batch, heads, rows, head_dim), strides in elements, rows contiguous. Query head h reads KV head
// h / G. The queries of a sequence are the last seqlens_q[b] of its seqlens_k[b] positions. Rows past a sequence's
// length are never read.
struct pbs_cuda_call {
  // Tensors: device addresses of 16-bit elements, and strides in elements.
  uint64_t q;  // (batch, num_q_heads, max_seqlen_q, head_dim)
  int64_t q_batch_stride;
  int64_t q_head_stride;
  int64_t q_row_stride;
  uint64_t k;  // (batch, num_kv_heads, max_seqlen_k, head_dim)
  int64_t k_batch_stride;
  int64_t k_head_stride;
  int64_t k_row_stride;
  uint64_t v;  // (batch, num_kv_heads, max_seqlen_k, head_dim)
  int64_t v_batch_stride;
  int64_t v_head_stride;
  int64_t v_row_stride;
  uint64_t o;  // (batch, num_q_heads, max_seqlen_q, head_dim)
  int64_t o_batch_stride;
  int64_t o_head_stride;
  int64_t o_row_stride;
  uint64_t lse;        // float (batch, num_q_heads, max_seqlen_q), natural log, contiguous; 0: not wanted
  uint64_t seqlens_q;  // int32 (batch); 0: max_seqlen_q each
  uint64_t seqlens_k;  // int32 (batch); 0: max_seqlen_k each

  // Sizes and settings.
  int64_t batch;
  int64_t num_q_heads;
  int64_t num_kv_heads;
  int64_t head_dim;
  int64_t max_seqlen_q;
  int64_t max_seqlen_k;
  int64_t head_begin;  // the window of query heads
  int64_t head_count;
  int64_t segment_size;
  int64_t min_length;         // a sequence of fewer keys keeps every block, and its keys are not reordered
  int64_t force_first_block;  // 0 or 1
  int64_t key_order;          // enum pbs_cuda_key_order
  int64_t select_rows;        // query blocks that one block of threads of pbs_select takes: 1, 2 or 4
  int64_t finite_mask;        // exponent bits of the element type: 0x7f80 (bf16) or 0x7c00 (f16)
  double threshold;           // 0..1; 1 keeps every candidate
  double softmax_scale;

  // Workspace: device addresses, multiples of 256; contiguous arrays, nothing need be cleared but counters.
  uint64_t counters;     // uint64 (4), cleared by the host before the first window. [0]: kept blocks over all sequences
                         // and heads so far; [1]: 0, or where NaN or infinity is, see pbs_check_finite; [2] and [3]:
                         // the kernels' own
  uint64_t key_scores;   // float (B, H, KP). A score where positive, else its natural logarithm (below 1e-30)
  uint64_t partial_max;  // float (B, H, ceil(max_seqlen_k / 1024), 128)
  uint64_t partial_sum;  // float, as partial_max
  uint64_t order;        // int32 (B, OH, KP): original position of the key at each place, INT32_MAX past the last key
  uint64_t first_block;  // int32 (B, OH): the key block that holds token 0
  uint64_t mean_queries;  // float (B, H, QB, head_dim)
  uint64_t mean_keys;     // float (B, OH, KB, head_dim)
  uint64_t block_mask;    // uint64 (B, H, QB, ceil(KB / 64)): bit j % 64 of word j / 64 is 1 where block j is kept. The
                          // own segment's future blocks count as kept
  uint64_t kept_counts;   // int32 (B, H, QB): bits of a row; 0 past a sequence's queries
  uint64_t rows;          // int32 (B, H, QB): query blocks by falling kept_counts; -1 past a sequence's queries
  uint64_t block_scores;  // float (B, H, QB, KB), a record for checks: softmax over a row's candidates, 0 elsewhere;
                          // 0: not wanted
  uint64_t packed_k;      // elements (B, OH, KP, head_dim): keys in their new order, rows of zeros past the last key;
  uint64_t packed_v;      // values likewise; both 0: not wanted, pbs_pack then only pools the keys
  int64_t kv_is_packed;   // for pbs_attend_wgmma_*: 1: maps k and v show packed_k and packed_v; 0: k and v themselves
};

// pbs_check_finite looks at every row of q, k and v that is not padding; blockIdx.y is a query head, then a head of k,
// then a head of v. The smallest n of a row with NaN or infinity is kept, as ~n, in counters[1]:
//   n = array << 60 | sequence << 44 | head << 28 | row          array 0: q, 1: k, 2: v
//
// Tensor maps for pbs_attend_wgmma_*, all of the element type, four dimensions (head_dim, rows, heads, batch), no
// interleave, no fill of out-of-bounds elements but zero, L2 promotion 256 bytes, element strides 1:
//   box (box_columns, q_rows or kv_rows, 1, 1) and swizzle as in the manifest's "tma" (by D)
//   q: dimensions (head_dim, max_seqlen_q, num_q_heads, B), strides of q
//   kv_is_packed = 1: k, v: (head_dim, KP, OH, B) over packed_k, packed_v
//   kv_is_packed = 0: k, v: (head_dim, max_seqlen_k, num_kv_heads, B), strides of k, v. Only where no sequence is
//   sparse and none has padding (every seqlens_k[b] == max_seqlen_k): what lies past a sequence's keys would be
//   multiplied by 0
//
// Bytes of the workspace: the sum over its arrays, each rounded up to 256 bytes. The largest, for 128K tokens, 32 heads
// and head_dim 128: packed_k and packed_v, 32 MiB each for each of OH.

#ifdef __cplusplus
}
#endif

#endif  // PBS_CUDA_H_
