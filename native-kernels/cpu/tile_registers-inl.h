// AMX's tile registers: 16 rows by 64 bytes each.
#ifndef PBS_ATTN_CPU_TILE_REGISTERS_INL_H_
#define PBS_ATTN_CPU_TILE_REGISTERS_INL_H_

// How the tile registers are laid out: all of them 16 rows by 64 bytes.
struct TileConfig {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

// Configures the tile registers of this thread, and frees them in the end.
struct Session {
  Session() {
    static const TileConfig config;
    asm volatile("ldtilecfg %0" ::"m"(config));
  }
  ~Session() { _tile_release(); }
};

// The compiler knows neither what memory the tile instructions read nor what they write.
inline void memory_barrier() { asm volatile("" ::: "memory"); }

template <int kTile>
inline void zero_tile() {
  asm volatile("tilezero %%tmm%c0" ::"i"(kTile));
}

template <int kTile>
inline void load_tile(const void* from, int64_t row_bytes) {
  asm volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(from), "r"(row_bytes), "i"(kTile));
}

// For what is not read again soon, and should not drive out of L1 what is; a fifth faster than load_tile for keys and
// values.
template <int kTile>
inline void load_passing_tile(const void* from, int64_t row_bytes) {
  asm volatile("tileloaddt1 (%0,%1,1), %%tmm%c2" ::"r"(from), "r"(row_bytes), "i"(kTile));
}

template <int kTile>
inline void store_tile(void* to, int64_t row_bytes) {
  asm volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(to), "r"(row_bytes), "i"(kTile));
}

// sums (16, 16) += a (16, 32) b (32, 16), where b has pairs of rows side by side.
template <int kSums, int kA, int kB>
inline void multiply_tiles() {
  asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(kSums), "i"(kA), "i"(kB));
}

#endif  // PBS_ATTN_CPU_TILE_REGISTERS_INL_H_
