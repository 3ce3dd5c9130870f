// The vector code that the stages are made of, as one table of functions for each instruction set.
//
// Attention is computed transposed: a query is a column, so that a vector holds one value for each of several queries,
// and the softmax needs no sums across a vector. Keys and head dimensions are padded with zeros to multiples of
// kPadding: no kernel has a tail.
#ifndef PBS_ATTN_CPU_KERNELS_H_
#define PBS_ATTN_CPU_KERNELS_H_

#include <cstdint>

namespace pbs_attn {

constexpr int64_t kPadding = 32;
constexpr int64_t kMaxDim = 256;

// Rows in memory.
struct Rows {
  int32_t dtype;  // a pbs_attn_dtype
  const void* first;
  int64_t stride_bytes;  // from one to the next
  int64_t dim;           // elements of each
};

// A block of packed keys and values.
struct KeyBlock {
  const void* keys;          // as Engine::gather_keys leaves them
  const void* values;        // as Engine::gather_values leaves them; null: only the weights are added up
  const int32_t* positions;  // (keys): position of each key in the sequence, INT32_MAX for padding
  int32_t first;             // smallest and largest of the positions
  int32_t last;
};

// Kernels::width queries on their way through the key blocks.
struct QueryStrip {
  void* q;                 // as Engine::gather_queries leaves them
  float* o;                // (dim, width): sum of the values, weighted by exp(logit - max)
  float* max;              // (width): what the weights are relative to; up to kMaxLag less than the largest q k so far
  double* sum;             // (width): sum of the weights
  int32_t first_position;  // of the strip's first query; the others follow
  int32_t last_position;
  int32_t window;  // sliding window: keys that a query sees, its own the last of them; INT32_MAX: all up to its own
};

// A block is fetched from memory in as many parts, one in each of some visits before it.
constexpr int64_t kParts = 4;

// A strip meets a key block.
struct Visit {
  const KeyBlock* block;
  const QueryStrip* strip;
  // Parts of keys and of values that are needed soon, block size / kParts from here on; null: nothing to fetch.
  const char* next_keys;
  const char* next_values;
};

// Sizes of a tile, and the factor on q k.
struct TileShape {
  int64_t keys;  // padded
  int64_t dim;   // padded
  float scale;
  // Whether QueryStrip::sum has to be right by itself, and not only as what QueryStrip::o is divided by.
  bool exact_sums;
};

// What Engine::attend works with: logits of up to two visits, weights of two, and logits once more.
constexpr int64_t kScratchTiles = 4;

// Attention in one element type.
struct Engine {
  int32_t dtype;  // of packed elements

  // Reads the first `count` rows, at most `width`, to the layout of QueryStrip::q, of the size of `width` padded rows.
  void (*gather_queries)(const Rows& rows, int64_t count, int64_t padded_dim, void* packed);
  // Reads `count` rows at `indices` to the layouts of KeyBlock, with zeros after each up to padded_dim, and rows of
  // zeros after them up to padded_count, a multiple of kPadding. sums (padded dim): of the rows; null: nobody asks.
  void (*gather_keys)(const Rows& rows, const int32_t* indices, int64_t count, int64_t padded_count, int64_t padded_dim,
                      void* packed, float* sums);
  void (*gather_values)(const Rows& rows, const int32_t* indices, int64_t count, int64_t padded_count,
                        int64_t padded_dim, void* packed);
  // q k for each key and query: (keys, width), without the factor. Keys as gather_keys leaves them.
  void (*logits)(const TileShape& shape, const void* keys, const void* q, float* logits);
  // Takes strips through key blocks, visit by visit: all of the blocks have values, or none has. scratch has room for
  // kScratchTiles times (keys, width) floats.
  void (*attend)(const TileShape& shape, const Visit* visits, int64_t count, float* scratch);
  // scores[key] = the sum of exp(scale (logit - max)) weight over the queries of all strips; weights (strips, width).
  // scratch as for attend.
  void (*score_keys)(const TileShape& shape, const void* keys, const QueryStrip* strips, const float* weights,
                     int64_t strip_count, float* scratch, float* scores);
};

struct LayerKernels;

struct Kernels {
  const char* name;
  int64_t width;  // queries in a strip
  const Engine* float32;
  const Engine* bfloat16;  // null: bfloat16 is computed in float32
  const LayerKernels* layer;

  // Whether n elements are all finite.
  bool (*all_finite)(int32_t dtype, const void* row, int64_t n);
  // sums (dim) of the first `count` rows.
  void (*sum_rows)(const Rows& rows, int64_t count, float* sums);
  // Writes n floats as elements of a row, rounded to nearest, ties to even.
  void (*store_row)(int32_t dtype, const float* values, int64_t n, void* row);

  // c (m, n) = a (m, k) b (k, n), all row-major. n and k are multiples of kPadding.
  void (*gemm)(int64_t m, int64_t n, int64_t k, const float* a, int64_t lda, const float* b, int64_t ldb, float* c,
               int64_t ldc);
  // Replaces n logits by exp(scale (x - max)) and returns their sum.
  double (*exp_row)(int64_t n, float* x, float max, float scale);

  // Writes o (padded dim, width) times factor (width) as the first `count` rows, rounded to nearest, ties to even.
  void (*store_output)(const float* o, const float* factor, const Rows& rows, int64_t count);
};

extern const Kernels kScalarKernels;
#if defined(__x86_64__) || defined(_M_X64)
extern const Kernels kAvx2Kernels;
extern const Kernels kAvx512Kernels;
extern const Kernels kAvx512Bf16Kernels;
extern const Kernels kAmxBf16Kernels;
#elif defined(__aarch64__)
extern const Kernels kNeonKernels;
#endif

}  // namespace pbs_attn

#endif  // PBS_ATTN_CPU_KERNELS_H_
