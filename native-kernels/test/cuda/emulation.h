// Runs CUDA kernels on a CPU, so that their logic can be tested where there is no GPU.
//
// The kernels' sources are compiled as C++. The threads of a block are fibers that a scheduler switches, in an order
// drawn at random, wherever one waits for others: barriers, shuffles, products of a warp, copies in flight. Fragments
// follow the layouts in the PTX ISA. Copies and products that are asynchronous on a GPU happen here at a random time
// between their issue and the wait for them, so that a kernel that reads too early or overwrites too soon computes a
// wrong result. A block in which all threads wait for each other ends the process with a message.
//
// What it does not show: see docs/native-build.md.
#ifndef PBS_ATTN_TEST_EMULATION_H_
#define PBS_ATTN_TEST_EMULATION_H_

#include <cstddef>
#include <cstdint>
#include <functional>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __grid_constant__
#define __shared__ static  // blocks run one after the other
#define __align__(n) alignas(n)

namespace emulation {

struct Dim3 {
  unsigned x = 1;
  unsigned y = 1;
  unsigned z = 1;
};

constexpr int kWarp = 32;

// What a thread sees.
const Dim3& thread_index();
const Dim3& block_index();
const Dim3& block_size();
const Dim3& grid_size();

// Runs a kernel: every block of the grid, one after the other, in an order that the seed decides.
void launch(const Dim3& grid, int threads, size_t shared_bytes, uint32_t seed, const std::function<void()>& kernel);

// Ends the process with a message that names block and thread.
[[noreturn]] void fail(const char* what);

unsigned char* shared_memory();
// The memory at an address in shared memory; fails where bytes reach past its end.
unsigned char* shared_at(uint32_t address, size_t bytes);
uint32_t shared_address(const void* pointer);

// Waits until count threads of the block have come to a barrier; with wait = false goes on at once.
void barrier(int id, int count, bool wait);

// All lanes of a warp come with their arguments; the last one runs op on them, in the order of lanes.
void with_warp(const char* name, void* argument, const std::function<void(void* const* lanes)>& op);
int lane();

// Work that happens between now and when wait(group order) is asked for, in order for one thread.
void defer(std::function<void()> work);  // belongs to the thread's open group
void commit_group();                     // closes it
void wait_groups(int pending);           // all groups but the newest `pending` have happened
// The same for the works of a warp as a whole, called from with_warp.
void defer_in_warp(std::function<void()> work);
void commit_warp_group();
void wait_warp_groups(int pending);
void in_background(std::function<void()> work);  // happens at some time, for nobody waits but a memory barrier

// Memory barriers in shared memory (PTX mbarrier).
void mbarrier_init(uint32_t address, uint32_t count);
void mbarrier_arrive(uint32_t address, uint32_t expected_bytes);
void mbarrier_complete(uint32_t address, uint32_t bytes);
void mbarrier_wait(uint32_t address, uint32_t parity);

}  // namespace emulation

#define threadIdx (emulation::thread_index())
#define blockIdx (emulation::block_index())
#define blockDim (emulation::block_size())
#define gridDim (emulation::grid_size())

struct int2 {
  int x, y;
};
struct float2 {
  float x, y;
};
struct alignas(16) uint4 {
  uint32_t x, y, z, w;
};

inline void __syncthreads() { emulation::barrier(0, static_cast<int>(blockDim.x), true); }

template <typename A, typename B>
A atomicAdd(A* to, B value) {
  const A old = *to;
  *to = static_cast<A>(old + static_cast<A>(value));
  return old;
}
template <typename A>
A atomicMin(A* to, A value) {
  const A old = *to;
  if (value < old) *to = value;
  return old;
}
template <typename A>
A atomicMax(A* to, A value) {
  const A old = *to;
  if (value > old) *to = value;
  return old;
}
template <typename A>
A atomicOr(A* to, A value) {
  const A old = *to;
  *to = old | value;
  return old;
}

#endif  // PBS_ATTN_TEST_EMULATION_H_
