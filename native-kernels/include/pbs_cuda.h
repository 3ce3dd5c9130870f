// The interface of the CUDA kernels: names, launch rules, the one parameter block and the workspace, in plain C.
//
// Every kernel takes one `const struct pbs_cuda_call` by value as its first parameter, so a host fills one block for a
// call and launches all stages with it. Every field has 8 bytes, so its offset is 8 * its index. The kernels trust the
// block: the host checks arguments (see "What a host checks"). The fields stand in pbs_cuda_fields.inc, the constants
// that both sides know in pbs_cuda_constants.inc, and nowhere else: a host in another language reads both in the
// manifest.
//
// Kernels, in the order of a call. T is bf16 or f16, D the head dimension: 64, 96, 128 or 256. Launch rules use
//
//   B  = batch                               QB = ceil(max_seqlen_q / 128)      KB = ceil(max_seqlen_k / 128)
//   H  = head_count (of the range)           KP = KB * 128                      G  = num_q_heads / num_kv_heads
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
//   {"abi": PBS_CUDA_ABI_VERSION, "call_size": BYTES, "fields": {NAME: OFFSET, ...},
//    "constants": {NAME: NUMBER, ...},                   those of pbs_cuda_constants.inc, in lower case
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
// A call may be run in ranges of query heads [head_begin, head_begin + head_count), one after the other, in one
// workspace. A head range starts and ends at a multiple of G.
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
#define PBS_CUDA_ABI_VERSION 2

// Sizes, limits and codes.
enum {
#define PBS_CUDA_CONSTANT(name, value) PBS_CUDA_##name = value,
#include "pbs_cuda_constants.inc"
};

// What a host checks:
//   head_dim is 64, 96, 128 or 256; the block size is 128; segment_size is a multiple of 128, at most 4096
//   1 <= seqlens_q[b] <= seqlens_k[b] <= 2^20; B <= 65535, num_q_heads + 2 * num_kv_heads <= 65535
//   addresses of q, k, v and o are multiples of 16, their strides multiples of 8 elements; no two elements of o overlap
//   select_rows is 4, 2 or 1, see PBS_CUDA_MAX_SELECT_CELLS
//
// Tensors are strided (batch, heads, rows, head_dim), strides in elements, rows contiguous. Query head h reads KV head
// h / G. The queries of a sequence are the last seqlens_q[b] of its seqlens_k[b] positions. Rows past a sequence's
// length are never read.
struct pbs_cuda_call {
#define PBS_CUDA_FIELD(type, name) type name;
#include "pbs_cuda_fields.inc"
};

// pbs_check_finite looks at every row of q, k and v that is not padding; blockIdx.y is a query head, then a head of k,
// then a head of v. The smallest n of a row with NaN or infinity is kept, as ~n, in the counter PBS_CUDA_NOT_FINITE:
//   n = array << PBS_CUDA_ARRAY_SHIFT | sequence << PBS_CUDA_SEQUENCE_SHIFT | head << PBS_CUDA_HEAD_SHIFT | row
// where array is 0: q, 1: k, 2: v.
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
