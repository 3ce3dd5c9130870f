// The emulation's side of cuda/hopper.cuh.
#ifndef PBS_ATTN_TEST_EMULATED_HOPPER_H_
#define PBS_ATTN_TEST_EMULATED_HOPPER_H_

#include <vector>

#include "device.h"
#include "emulated_platform.h"

namespace pbs {

using TensorMap = ::TensorMap;

inline void init_barrier(uint32_t barrier, int count) {
  emulation::mbarrier_init(barrier, static_cast<uint32_t>(count));
}
inline void publish_barriers() {}
inline void arrive(uint32_t barrier) { emulation::mbarrier_arrive(barrier, 0); }
inline void arrive_expecting(uint32_t barrier, int bytes) {
  emulation::mbarrier_arrive(barrier, static_cast<uint32_t>(bytes));
}
inline void wait_for(uint32_t barrier, int parity) { emulation::mbarrier_wait(barrier, static_cast<uint32_t>(parity)); }

// Where a byte of a swizzled tile lies: groups of 16 bytes take turns by the address's higher bits.
inline uint32_t swizzled(uint32_t address, int swizzle) {
  const uint32_t groups = static_cast<uint32_t>(swizzle) / 16 - 1;
  return address ^ (address >> 7 & groups) << 4;
}

inline void prefetch_map(const TensorMap&) {}

inline void copy_box(uint32_t to, const TensorMap& map, int column, int row, int head, int batch, uint32_t barrier) {
  if (to % (static_cast<uint32_t>(map.swizzle) * 8) != 0) emulation::fail("a box that is not aligned to its swizzle");
  const uint32_t bytes = static_cast<uint32_t>(map.box_columns * map.box_rows * 2);
  emulation::shared_at(to, bytes);
  emulation::in_background([=] {
    for (int r = 0; r < map.box_rows; ++r) {
      for (int c = 0; c < map.box_columns; ++c) {
        const int64_t at[4] = {column + c, row + r, head, batch};
        int64_t element = 0;
        bool inside = true;
        for (int n = 0; n < 4; ++n) {
          inside = inside && at[n] >= 0 && at[n] < map.sizes[n];
          element += at[n] * map.strides[n];
        }
        const uint16_t x = inside ? reinterpret_cast<const uint16_t*>(map.address)[element] : uint16_t{0};
        const uint32_t address = to + static_cast<uint32_t>(r * map.swizzle + c * 2);
        std::memcpy(emulation::shared_at(swizzled(address, map.swizzle), 2), &x, 2);
      }
    }
    emulation::mbarrier_complete(barrier, bytes);
  });
}

template <int kRegisters>
void release_registers() {}
template <int kRegisters>
void take_registers() {}

template <int kId, int kThreads>
void named_barrier_wait() {
  emulation::barrier(kId, kThreads, true);
}
template <int kId, int kThreads>
void named_barrier_arrive() {
  emulation::barrier(kId, kThreads, false);
}

template <int kCount>
void fence_registers(float (&)[kCount]) {}
inline void begin_products() {}

inline void commit_products() {
  emulation::with_warp("wgmma.commit", nullptr, [](void* const*) { emulation::commit_warp_group(); });
}
template <int kPending>
void wait_for_products() {
  emulation::with_warp("wgmma.wait", nullptr, [](void* const*) { emulation::wait_warp_groups(kPending); });
}

// A matrix in shared memory, as its descriptor says.
struct SharedMatrix {
  uint32_t address;
  uint32_t leading;
  uint32_t stride;
  int swizzle;

  explicit SharedMatrix(uint64_t descriptor)
      : address(static_cast<uint32_t>(descriptor & 0x3fff) << 4),
        leading(static_cast<uint32_t>(descriptor >> 16 & 0x3fff) << 4),
        stride(static_cast<uint32_t>(descriptor >> 32 & 0x3fff) << 4),
        swizzle(descriptor >> 62 == 1   ? 128
                : descriptor >> 62 == 2 ? 64
                                        : 0) {
    if (swizzle == 0) emulation::fail("a matrix without a swizzle");
  }
  // Row (or column) n, term k; the tile's rows are the matrix's rows.
  uint16_t k_major(int n, int k) const {
    return at(static_cast<uint32_t>(n % 8 * swizzle + k * 2) + static_cast<uint32_t>(n / 8) * stride);
  }
  // The tile's rows are the terms.
  uint16_t n_major(int n, int k) const {
    const int columns = swizzle / 2;
    return at(static_cast<uint32_t>(n % columns * 2 + k % 8 * swizzle) + static_cast<uint32_t>(n / columns) * leading +
              static_cast<uint32_t>(k / 8) * stride);
  }

 private:
  uint16_t at(uint32_t offset) const { return shared_element(swizzled(address + offset, swizzle)); }
};

template <bool kIsBf16, int kCount>
struct WarpgroupProduct {
  struct Lane {
    float* d;
    const uint32_t* a;
    uint64_t a_matrix;
    uint64_t b_matrix;
    int accumulate;
    int warp;
  };

  static void from_shared(float (&d)[kCount], uint64_t a, uint64_t b, int accumulate) {
    run("wgmma from shared memory", {d, nullptr, a, b, accumulate, warp_in_group()});
  }
  static void from_registers(float (&d)[kCount], const uint32_t (&a)[4], uint64_t b, int accumulate) {
    run("wgmma from registers", {d, a, 0, b, accumulate, warp_in_group()});
  }

 private:
  static int warp_in_group() { return static_cast<int>(threadIdx.x) / kWarpThreads % 4; }

  static void run(const char* name, Lane lane) {
    emulation::with_warp(name, &lane, [](void* const* all) {
      std::vector<Lane> lanes;
      for (int n = 0; n < kWarpThreads; ++n) lanes.push_back(*static_cast<Lane*>(all[n]));
      emulation::defer_in_warp([lanes] { multiply(lanes); });
    });
  }

  static void multiply(const std::vector<Lane>& lanes) {
    constexpr int kColumns = kCount * 2;
    const Lane& first = lanes[0];
    const bool in_shared = first.a == nullptr;
    const SharedMatrix b(first.b_matrix);
    std::vector<float> b_values(16 * kColumns);
    for (int k = 0; k < 16; ++k) {
      for (int n = 0; n < kColumns; ++n) {
        b_values[static_cast<size_t>(k * kColumns + n)] =
            element_to_float<kIsBf16>(in_shared ? b.k_major(n, k) : b.n_major(n, k));
      }
    }
    for (int row = 0; row < 16; ++row) {
      std::vector<float> sums(kColumns);
      for (int k = 0; k < 16; ++k) {
        const float x =
            in_shared
                ? element_to_float<kIsBf16>(SharedMatrix(first.a_matrix).k_major(first.warp * 16 + row, k))
                : fragment_a<kIsBf16>(row, k, [&](int n, int index) { return lanes[static_cast<size_t>(n)].a[index]; });
        for (int n = 0; n < kColumns; ++n) {
          sums[static_cast<size_t>(n)] += x * b_values[static_cast<size_t>(k * kColumns + n)];
        }
      }
      for (int n = 0; n < kColumns; ++n) {
        const Lane& lane = lanes[static_cast<size_t>(row % 8 * 4 + n % 8 / 2)];
        float& to = lane.d[n / 8 * 4 + row / 8 * 2 + n % 2];
        to = (lane.accumulate != 0 ? to : 0) + sums[static_cast<size_t>(n)];
      }
    }
  }
};

}  // namespace pbs

#endif  // PBS_ATTN_TEST_EMULATED_HOPPER_H_
