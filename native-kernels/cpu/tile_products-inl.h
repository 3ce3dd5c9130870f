// Products of matrices in AMX's tiles.
#ifndef PBS_ATTN_CPU_TILE_PRODUCTS_INL_H_
#define PBS_ATTN_CPU_TILE_PRODUCTS_INL_H_

#include "vector-inl.h"

#ifdef PBS_ATTN_EMULATED_TILES
#include "../test/emulated_tiles-inl.h"
#else
#include "tile_registers-inl.h"
#endif

// A product of matrices goes by tiles of two by two: registers 0..3 hold sums (32, 32), 4 and 5 what of a belongs to
// their rows, 6 and 7 what of b belongs to their columns. A quarter is what one of the sums needs; they are of use in
// their order only.

constexpr int64_t kSumsRowBytes = 32 * sizeof(float);
constexpr int64_t kTileBytes = 16 * 64;

// Two tiles in memory.
struct TilePair {
  const char* first;
  int64_t tile_stride_bytes;  // from the first to the second
  int64_t row_stride_bytes;   // of each
};

template <int kQuarter>
inline float* quarter_of(float* sums) {
  return sums + kQuarter / 2 * 16 * 32 + kQuarter % 2 * 16;
}

template <int kQuarter>
inline void begin_quarter(bool accumulate, float* sums) {
  if (accumulate) {
    load_tile<kQuarter>(quarter_of<kQuarter>(sums), kSumsRowBytes);
  } else {
    zero_tile<kQuarter>();
  }
}

enum class Passing { kA, kB };  // what is not read again soon

template <int kTile, bool kPassing>
inline void load_factor(const void* from, int64_t row_bytes) {
  if (kPassing) {
    load_passing_tile<kTile>(from, row_bytes);
  } else {
    load_tile<kTile>(from, row_bytes);
  }
}

template <int kQuarter, Passing kPassing>
inline void multiply_quarter(const TilePair& a, const TilePair& b) {
  constexpr int kRow = kQuarter / 2, kColumn = kQuarter % 2;
  if (kColumn == 0)
    load_factor<4 + kRow, kPassing == Passing::kA>(a.first + kRow * a.tile_stride_bytes, a.row_stride_bytes);
  if (kRow == 0)
    load_factor<6 + kColumn, kPassing == Passing::kB>(b.first + kColumn * b.tile_stride_bytes, b.row_stride_bytes);
  multiply_tiles<kQuarter, 4 + kRow, 6 + kColumn>();
}

template <int kQuarter>
inline void end_quarter(float* sums) {
  store_tile<kQuarter>(quarter_of<kQuarter>(sums), kSumsRowBytes);
}

// Calls f with each of so many numbers, as a type.
template <int kFirst, int... kN, typename F>
PBS_ATTN_INLINED inline void for_numbers(std::integer_sequence<int, kN...>, const F& f) {
  (f(std::integral_constant<int, kFirst + kN>()), ...);
}

template <typename F>
PBS_ATTN_INLINED inline void for_quarters(const F& f) {
  for_numbers<0>(std::make_integer_sequence<int, 4>(), f);
}

// Packed: a tile after the other, so that what is read together lies together.
inline TilePair packed_pair(const char* tiles) { return {tiles, kTileBytes, 64}; }

// Packed rows: for each group of 32 of them two tiles for each k-step, 64 bytes of a row.
struct PackedRows {
  const char* tiles;
  int64_t group_stride_bytes;
};

inline PackedRows packed_rows(const char* tiles, int64_t k_steps) { return {tiles, k_steps * 2 * kTileBytes}; }

// Two tiles for each k-step of a product.
struct Factor {
  TilePair tiles;
  int64_t k_step_stride_bytes;
};

inline Factor packed_factor(const char* tiles) { return {packed_pair(tiles), 2 * kTileBytes}; }

// Rows of units, 32 to a row.
inline Factor unit_rows(const float* units) {
  return {{reinterpret_cast<const char*>(units), 64, kSumsRowBytes}, 16 * kSumsRowBytes};
}

// c (32, 32) [+]= a b, in k-steps of 64 bytes of a row of a.
struct Product {
  Factor a;
  Factor b;
  float* c;
  int64_t k_steps;
  bool accumulate;
};

inline TilePair at_k_step(const Factor& factor, int64_t k_step) {
  return {factor.tiles.first + k_step * factor.k_step_stride_bytes, factor.tiles.tile_stride_bytes,
          factor.tiles.row_stride_bytes};
}

struct NoWork {
  static constexpr int kPieces = 0;
  bool begin_k_step() { return false; }
  template <int n>
  void do_piece() {}
};

// Products one after the other, k-step by k-step, with other work between the quarters of each: the matrix unit
// computes meanwhile. The sums of a product are stored in the first k-step of the next one, when they have had time to
// get ready.
template <Passing kPassing>
class Pipeline {
 public:
  // For each k-step: if work.begin_k_step(), then work.do_piece<n>() for n = 0..kPieces-1.
  template <typename W>
  PBS_ATTN_INLINED void multiply(const Product& product, W& work) {
    memory_barrier();
    do_k_step<true>(product, 0, work);
    for (int64_t k_step = 1; k_step < product.k_steps; ++k_step) do_k_step<false>(product, k_step, work);
    unstored_ = product.c;
  }

  PBS_ATTN_INLINED void multiply(const Product& product) {
    NoWork none;
    multiply(product, none);
  }

  // Stores what is not stored yet.
  PBS_ATTN_INLINED void flush() {
    if (unstored_ != nullptr) for_quarters([&](auto quarter) { end_quarter<quarter>(unstored_); });
    unstored_ = nullptr;
    memory_barrier();
  }

 private:
  template <bool kIsFirst, typename W>
  PBS_ATTN_INLINED void do_k_step(const Product& product, int64_t k_step, W& work) {
    if (work.begin_k_step()) {
      do_k_step<kIsFirst, W::kPieces>(product, k_step, work);
    } else {
      do_k_step<kIsFirst, 0>(product, k_step, work);
    }
  }

  template <bool kIsFirst, int kWork, typename W>
  PBS_ATTN_INLINED void do_k_step(const Product& product, int64_t k_step, W& work) {
    const TilePair a = at_k_step(product.a, k_step), b = at_k_step(product.b, k_step);
    for_quarters([&](auto quarter) PBS_ATTN_INLINED {
      if (kIsFirst) {
        if (unstored_ != nullptr) end_quarter<quarter>(unstored_);
        begin_quarter<quarter>(product.accumulate, product.c);
      }
      multiply_quarter<quarter, kPassing>(a, b);
      constexpr int kBegin = quarter * kWork / 4, kEnd = (quarter + 1) * kWork / 4;
      for_numbers<kBegin>(std::make_integer_sequence<int, kEnd - kBegin>(),
                          [&](auto n) PBS_ATTN_INLINED { work.template do_piece<n>(); });
    });
  }

  float* unstored_ = nullptr;
};

#endif  // PBS_ATTN_CPU_TILE_PRODUCTS_INL_H_
