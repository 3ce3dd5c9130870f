// AMX's tile registers in plain memory, so that what is built on them can be tested on CPUs that have AVX-512 with BF16
// but no AMX, and so that AddressSanitizer sees what tiles read and write. Included instead of tile_registers-inl.h.
//
// Sums are in another order than the hardware's, and subnormal numbers stay what they are. It tells nothing of speed.

constexpr int kTileRows = 16, kTileRowBytes = 64;

struct TileRegisters {
  bool is_configured = false;
  alignas(64) char bytes[8][kTileRows * kTileRowBytes] = {};
};

inline TileRegisters& tile_registers() {
  static thread_local TileRegisters registers;
  return registers;
}

inline char* tile_row(int tile, int row) {
  if (!tile_registers().is_configured) __builtin_trap();  // the hardware ends the process as well
  return tile_registers().bytes[tile] + row * kTileRowBytes;
}

struct Session {
  Session() { tile_registers().is_configured = true; }
  ~Session() { tile_registers() = {}; }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
};

inline void memory_barrier() {}

__attribute__((noinline)) inline void copy_tile(int tile, char* memory, int64_t row_bytes, bool is_load) {
  for (int r = 0; r < kTileRows; ++r, memory += row_bytes) {
    char* row = tile_row(tile, r);
    __builtin_memcpy(is_load ? row : memory, is_load ? memory : row, kTileRowBytes);
  }
}

template <int kTile>
inline void zero_tile() {
  for (int r = 0; r < kTileRows; ++r) __builtin_memset(tile_row(kTile, r), 0, kTileRowBytes);
}

template <int kTile>
inline void load_tile(const void* from, int64_t row_bytes) {
  copy_tile(kTile, const_cast<char*>(static_cast<const char*>(from)), row_bytes, true);
}

template <int kTile>
inline void load_passing_tile(const void* from, int64_t row_bytes) {
  load_tile<kTile>(from, row_bytes);
}

template <int kTile>
inline void store_tile(void* to, int64_t row_bytes) {
  copy_tile(kTile, static_cast<char*>(to), row_bytes, false);
}

__attribute__((noinline)) inline void multiply_tiles(int sums, int a, int b) {
  for (int m = 0; m < kTileRows; ++m) {
    VecF sum = load<VecF>(tile_row(sums, m));
    for (int k = 0; k < kTileRows; ++k) {
      const __m512bh pair = (__m512bh)_mm512_set1_epi32(load<int32_t>(tile_row(a, m) + k * 4));
      sum = (VecF)_mm512_dpbf16_ps((__m512)sum, pair, (__m512bh)load<__m512i>(tile_row(b, k)));
    }
    store(tile_row(sums, m), sum);
  }
}

template <int kSums, int kA, int kB>
inline void multiply_tiles() {
  multiply_tiles(kSums, kA, kB);
}
