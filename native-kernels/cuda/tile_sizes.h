// Threads and tile sizes of the kernels, and the shared memory that follows from them; for the kernels and for hosts.
#ifndef PBS_ATTN_CUDA_TILE_SIZES_H_
#define PBS_ATTN_CUDA_TILE_SIZES_H_

#include "pbs_cuda.h"

namespace pbs {

constexpr int kBlockSize = PBS_CUDA_BLOCK_SIZE;
constexpr int kWarpThreads = 32;
constexpr int kWarpgroupThreads = 128;
constexpr int kPlainThreads = 256;  // of every kernel without matrix products

template <int kDim>
struct ScoreTiles {
  // First pass: queries are rows, keys columns.
  static constexpr int kSumsThreads = 256;
  static constexpr int kSumsKeys = kDim <= 128 ? 64 : 32;
  static constexpr int kSumsStages = 2;
  static constexpr int kSumsShared = (kBlockSize + kSumsStages * kSumsKeys) * kDim * 2;
  // Second pass: keys are rows, so that the sum over the queries runs along a row.
  static constexpr int kKeysThreads = kDim <= 128 ? 256 : 128;
  static constexpr int kKeysRows = kKeysThreads / kWarpThreads * 16;
  static constexpr int kKeysShared = (kBlockSize + kKeysRows) * kDim * 2 + kBlockSize * 4;
};

// Sizes for 99 KiB of shared memory and 255 registers. With 32 rows a warp uses each fragment of keys and values twice.
template <int kDim>
struct AttendTiles {
  static constexpr int kThreads = kDim <= 128 ? 128 : 256;
  static constexpr int kRowTiles = kBlockSize / (kThreads / kWarpThreads * 16);  // of 16 rows, that a warp has
  static constexpr int kKeys = kDim <= 64 ? 64 : 32;                             // that are looked at at a time
  static constexpr int kTilesPerBlock = kBlockSize / kKeys;
  static constexpr int kTileBytes = kKeys * kDim * 2;
  static constexpr int kPositionsBytes = kKeys * 4;
  static constexpr int kShared = kBlockSize * kDim * 2 + 2 * kTileBytes + 2 * kPositionsBytes;
};

constexpr int kConsumers = 2;  // warpgroups
template <int kDim>
struct WgmmaTiles {
  static constexpr int kThreads = (1 + kConsumers) * kWarpgroupThreads;
  static constexpr int kKeys = kDim <= 128 ? 128 : 64;  // that are looked at at a time
  static constexpr int kTilesPerBlock = kBlockSize / kKeys;
  static constexpr int kStages = kDim <= 64 ? 4 : kDim <= 128 ? 3 : 2;  // tiles of keys, and of values, in flight
  // Tiles lie in chunks of columns, each as wide as the swizzle, rows of a chunk after each other.
  static constexpr int kColumns = kDim % 64 == 0 ? 64 : 32;
  static constexpr int kSwizzle = kColumns * 2;
  static constexpr int kChunks = kDim / kColumns;
  static constexpr int kQueryBytes = kBlockSize * kDim * 2;
  static constexpr int kTileBytes = kKeys * kDim * 2;
  static constexpr int kBarriers = 2 + 4 * kStages;
  static constexpr int kShared = kQueryBytes + 2 * kStages * kTileBytes + kBarriers * 8 + 8;
};

}  // namespace pbs

#endif  // PBS_ATTN_CUDA_TILE_SIZES_H_
