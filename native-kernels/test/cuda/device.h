// Where the kernels run: emulated on a CPU, or on a GPU.
#ifndef PBS_ATTN_TEST_CUDA_DEVICE_H_
#define PBS_ATTN_TEST_CUDA_DEVICE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "pbs_cuda.h"

struct Grid {
  int64_t x;
  int64_t y;
  int64_t z;
};

// A tensor as the bulk copies see it: 16-bit elements (dim, rows, heads, batch), strides in elements; a copy takes a
// box of columns x rows.
struct TensorMap {
  uint64_t address;
  int64_t sizes[4];
  int64_t strides[4];
  int box_columns;
  int box_rows;
  int swizzle;  // bytes
};

class Device {
 public:
  virtual ~Device() = default;
  virtual uint64_t allocate(size_t bytes) = 0;
  virtual void release(uint64_t address) = 0;
  virtual void upload(uint64_t to, const void* from, size_t bytes) = 0;
  virtual void download(void* to, uint64_t from, size_t bytes) = 0;

  // Runs a kernel. maps: q, k, v for the kernels that take them, else null.
  virtual void launch(const std::string& kernel, const Grid& grid, size_t shared_bytes, const pbs_cuda_call& call,
                      const TensorMap* maps) = 0;
  // Blocks of threads of a persistent kernel.
  virtual int multiprocessors() const = 0;
  // Whether it has the kernels for sm_90a.
  virtual bool has_wgmma() const = 0;
};

std::unique_ptr<Device> open_device(const std::string& argument);

#endif  // PBS_ATTN_TEST_CUDA_DEVICE_H_
