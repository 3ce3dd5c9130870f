// The kernels of pbs_cuda.h.
#include "attend.cuh"
#include "attend_wgmma.cuh"
#include "check.cuh"
#include "key_scores.cuh"
#include "pool.cuh"
#include "select.cuh"
#include "sort_segments.cuh"

#define PBS_KERNEL(name, threads, blocks, shared, ...)                                                             \
  extern "C" __global__ void __launch_bounds__(threads, blocks) name(const __grid_constant__ pbs_cuda_call call) { \
    __VA_ARGS__(call);                                                                                             \
  }

#ifdef PBS_HAS_WGMMA
#define PBS_WGMMA_KERNEL(name, threads, shared, ...)                                             \
  extern "C" __global__ void __launch_bounds__(threads, 1)                                       \
      name(const __grid_constant__ pbs_cuda_call call, const __grid_constant__ pbs::TensorMap q, \
           const __grid_constant__ pbs::TensorMap k, const __grid_constant__ pbs::TensorMap v) { \
    __VA_ARGS__(call, q, k, v);                                                                  \
  }
#else
#define PBS_WGMMA_KERNEL(...)
#endif

#include "kernels.inc"
