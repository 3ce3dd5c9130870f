// Hopper's own instructions (sm_90a): memory barriers, bulk tensor copies, products of a warpgroup, registers by role.
#ifndef PBS_ATTN_CUDA_HOPPER_CUH_
#define PBS_ATTN_CUDA_HOPPER_CUH_

#include "platform.cuh"

namespace pbs {

// Where a tile lies for a product, with its swizzle (128 or 64 bytes): chunks of `swizzle` bytes of columns, rows of a
// chunk after each other. As the PTX ISA's matrix descriptor has it:
//   rows of the tile are the product's rows or columns (K-major): stride is 8 rows
//   rows of the tile go along the sum (MN-major): stride is 8 rows, leading the distance between chunks
__device__ __forceinline__ uint64_t matrix_descriptor(uint32_t address, uint32_t leading, uint32_t stride,
                                                      int swizzle) {
  const uint64_t layout = swizzle == 128 ? 1 : 2;
  return layout << 62 | uint64_t{stride >> 4 & 0x3fff} << 32 | uint64_t{leading >> 4 & 0x3fff} << 16 |
         (address >> 4 & 0x3fff);
}

// The matrix that begins some bytes further.
__device__ __forceinline__ uint64_t move_matrix(uint64_t descriptor, int bytes) {
  return descriptor + static_cast<uint64_t>(bytes >> 4);
}

}  // namespace pbs

#ifdef PBS_CUDA_EMULATION

#define PBS_HAS_WGMMA
#include "emulated_hopper.h"

#elif defined(__CUDA_ARCH_FEAT_SM90_ALL)

#define PBS_HAS_WGMMA

namespace pbs {

struct alignas(64) TensorMap {
  unsigned char bytes[128];
};

// ---- Memory barriers ----

__device__ __forceinline__ void init_barrier(uint32_t barrier, int count) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(barrier), "r"(count) : "memory");
}

// Makes initialised barriers known to the copy engine; a barrier of all threads has to follow.
__device__ __forceinline__ void publish_barriers() {
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

__device__ __forceinline__ void arrive(uint32_t barrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(barrier) : "memory");
}

// Arrives, and holds the phase open until as many bytes have come.
__device__ __forceinline__ void arrive_expecting(uint32_t barrier, int bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(barrier), "r"(bytes) : "memory");
}

// Until the phase of this parity (the first has 0) is over.
__device__ __forceinline__ void wait_for(uint32_t barrier, int parity) {
  asm volatile(
      "{\n"
      ".reg .pred done;\n"
      "again:\n"
      "mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n"
      "@done bra.uni over;\n"
      "bra.uni again;\n"
      "over:\n"
      "}" ::"r"(barrier),
      "r"(parity)
      : "memory");
}

// ---- Bulk tensor copies ----

__device__ __forceinline__ void prefetch_map(const TensorMap& map) {
  asm volatile("prefetch.tensormap [%0];" ::"l"(&map) : "memory");
}

// Copies a box to shared memory; its bytes count at the barrier. One thread calls it.
__device__ __forceinline__ void copy_box(uint32_t to, const TensorMap& map, int column, int row, int head, int batch,
                                         uint32_t barrier) {
  asm volatile(
      "cp.async.bulk.tensor.4d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3, %4, %5}], "
      "[%6];" ::"r"(to),
      "l"(&map), "r"(column), "r"(row), "r"(head), "r"(batch), "r"(barrier)
      : "memory");
}

// ---- Warps by role ----

template <int kRegisters>
__device__ __forceinline__ void release_registers() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(kRegisters));
}

template <int kRegisters>
__device__ __forceinline__ void take_registers() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(kRegisters));
}

// Barriers by number, which the compiler has to know: with a number in a register it keeps far fewer registers free.
template <int kId, int kThreads>
__device__ __forceinline__ void named_barrier_wait() {
  asm volatile("bar.sync %0, %1;" ::"n"(kId), "n"(kThreads) : "memory");
}

template <int kId, int kThreads>
__device__ __forceinline__ void named_barrier_arrive() {
  asm volatile("bar.arrive %0, %1;" ::"n"(kId), "n"(kThreads) : "memory");
}

// ---- Products of a warpgroup, asynchronous ----

// Keeps what was done with registers before this from moving past it, and the other way round.
template <int kCount>
__device__ __forceinline__ void fence_registers(float (&x)[kCount]) {
#pragma unroll
  for (int n = 0; n < kCount; ++n) asm volatile("" : "+f"(x[n])::"memory");
}

// Before products that read or write registers which were used otherwise.
__device__ __forceinline__ void begin_products() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
__device__ __forceinline__ void commit_products() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }

// Until all groups of products but the newest kPending are done.
template <int kPending>
__device__ __forceinline__ void wait_for_products() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(kPending) : "memory");
}

// d (64 x 2 * kCount) = a b, plus d if accumulate is not 0; 16 terms. a: 64 rows in shared memory, or 16 rows of each
// warp as the operand A of mma.m16n8k16. b: in shared memory; as rows of B^T with a in shared memory, as rows of B with
// a in registers.
template <bool kIsBf16, int kCount>
struct WarpgroupProduct;

#define PBS_WGMMA_REGISTERS_32                                              \
  "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, " \
  "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31}, "
#define PBS_WGMMA_OPERANDS_32                                                                                 \
  "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]), "+f"(d[4]), "+f"(d[5]), "+f"(d[6]), "+f"(d[7]), "+f"(d[8]), \
      "+f"(d[9]), "+f"(d[10]), "+f"(d[11]), "+f"(d[12]), "+f"(d[13]), "+f"(d[14]), "+f"(d[15]), "+f"(d[16]),  \
      "+f"(d[17]), "+f"(d[18]), "+f"(d[19]), "+f"(d[20]), "+f"(d[21]), "+f"(d[22]), "+f"(d[23]), "+f"(d[24]), \
      "+f"(d[25]), "+f"(d[26]), "+f"(d[27]), "+f"(d[28]), "+f"(d[29]), "+f"(d[30]), "+f"(d[31])

#define PBS_WGMMA_REGISTERS_48                                                       \
  "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "          \
  "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, " \
  "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47}, "
#define PBS_WGMMA_OPERANDS_48                                                                                 \
  "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]), "+f"(d[4]), "+f"(d[5]), "+f"(d[6]), "+f"(d[7]), "+f"(d[8]), \
      "+f"(d[9]), "+f"(d[10]), "+f"(d[11]), "+f"(d[12]), "+f"(d[13]), "+f"(d[14]), "+f"(d[15]), "+f"(d[16]),  \
      "+f"(d[17]), "+f"(d[18]), "+f"(d[19]), "+f"(d[20]), "+f"(d[21]), "+f"(d[22]), "+f"(d[23]), "+f"(d[24]), \
      "+f"(d[25]), "+f"(d[26]), "+f"(d[27]), "+f"(d[28]), "+f"(d[29]), "+f"(d[30]), "+f"(d[31]), "+f"(d[32]), \
      "+f"(d[33]), "+f"(d[34]), "+f"(d[35]), "+f"(d[36]), "+f"(d[37]), "+f"(d[38]), "+f"(d[39]), "+f"(d[40]), \
      "+f"(d[41]), "+f"(d[42]), "+f"(d[43]), "+f"(d[44]), "+f"(d[45]), "+f"(d[46]), "+f"(d[47])

#define PBS_WGMMA_REGISTERS_64                                                       \
  "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "          \
  "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, " \
  "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, " \
  "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63}, "
#define PBS_WGMMA_OPERANDS_64                                                                                 \
  "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]), "+f"(d[4]), "+f"(d[5]), "+f"(d[6]), "+f"(d[7]), "+f"(d[8]), \
      "+f"(d[9]), "+f"(d[10]), "+f"(d[11]), "+f"(d[12]), "+f"(d[13]), "+f"(d[14]), "+f"(d[15]), "+f"(d[16]),  \
      "+f"(d[17]), "+f"(d[18]), "+f"(d[19]), "+f"(d[20]), "+f"(d[21]), "+f"(d[22]), "+f"(d[23]), "+f"(d[24]), \
      "+f"(d[25]), "+f"(d[26]), "+f"(d[27]), "+f"(d[28]), "+f"(d[29]), "+f"(d[30]), "+f"(d[31]), "+f"(d[32]), \
      "+f"(d[33]), "+f"(d[34]), "+f"(d[35]), "+f"(d[36]), "+f"(d[37]), "+f"(d[38]), "+f"(d[39]), "+f"(d[40]), \
      "+f"(d[41]), "+f"(d[42]), "+f"(d[43]), "+f"(d[44]), "+f"(d[45]), "+f"(d[46]), "+f"(d[47]), "+f"(d[48]), \
      "+f"(d[49]), "+f"(d[50]), "+f"(d[51]), "+f"(d[52]), "+f"(d[53]), "+f"(d[54]), "+f"(d[55]), "+f"(d[56]), \
      "+f"(d[57]), "+f"(d[58]), "+f"(d[59]), "+f"(d[60]), "+f"(d[61]), "+f"(d[62]), "+f"(d[63])

#define PBS_WGMMA(type, is_bf16, columns, count, n0, n1, n2, n3, n4, n5)                                            \
  template <>                                                                                                       \
  struct WarpgroupProduct<is_bf16, count> {                                                                         \
    __device__ static __forceinline__ void from_shared(float (&d)[count], uint64_t a, uint64_t b, int accumulate) { \
      asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %" #n2                                                         \
                   ", 0;\n"                                                                                         \
                   "wgmma.mma_async.sync.aligned.m64n" #columns "k16.f32." #type "." #type                          \
                   " " PBS_WGMMA_REGISTERS_##count "%" #n0 ", %" #n1 ", p, 1, 1, 0, 0;\n}"                          \
                   : PBS_WGMMA_OPERANDS_##count                                                                     \
                   : "l"(a), "l"(b), "r"(accumulate));                                                              \
    }                                                                                                               \
    __device__ static __forceinline__ void from_registers(float (&d)[count], const uint32_t (&a)[4], uint64_t b,    \
                                                          int accumulate) {                                         \
      asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %" #n5                                                         \
                   ", 0;\n"                                                                                         \
                   "wgmma.mma_async.sync.aligned.m64n" #columns "k16.f32." #type "." #type                          \
                   " " PBS_WGMMA_REGISTERS_##count "{%" #n0 ", %" #n1 ", %" #n2 ", %" #n3 "}, %" #n4                \
                                                   ", p, 1, 1, 1;\n}"                                               \
                   : PBS_WGMMA_OPERANDS_##count                                                                     \
                   : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(accumulate));                          \
    }                                                                                                               \
  };

PBS_WGMMA(bf16, true, 64, 32, 32, 33, 34, 35, 36, 37)
PBS_WGMMA(f16, false, 64, 32, 32, 33, 34, 35, 36, 37)
PBS_WGMMA(bf16, true, 96, 48, 48, 49, 50, 51, 52, 53)
PBS_WGMMA(f16, false, 96, 48, 48, 49, 50, 51, 52, 53)
PBS_WGMMA(bf16, true, 128, 64, 64, 65, 66, 67, 68, 69)
PBS_WGMMA(f16, false, 128, 64, 64, 65, 66, 67, 68, 69)

#undef PBS_WGMMA
#undef PBS_WGMMA_OPERANDS_32
#undef PBS_WGMMA_REGISTERS_32
#undef PBS_WGMMA_OPERANDS_48
#undef PBS_WGMMA_REGISTERS_48
#undef PBS_WGMMA_OPERANDS_64
#undef PBS_WGMMA_REGISTERS_64

}  // namespace pbs

#endif  // __CUDA_ARCH_FEAT_SM90_ALL
#endif  // PBS_ATTN_CUDA_HOPPER_CUH_
