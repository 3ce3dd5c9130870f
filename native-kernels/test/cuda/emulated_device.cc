// The kernels, compiled as C++, on the emulation.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>

#include "device.h"
#include "pbs_cuda.cu"

namespace {

struct Kernel {
  int threads;
  long shared;  // -1: by a rule
  void (*run)(const pbs_cuda_call& call, const TensorMap* maps);
};

const std::map<std::string, Kernel>& kernels() {
  static const std::map<std::string, Kernel> all = {
#define PBS_KERNEL(name, threads, blocks, shared, ...) \
  {#name, {threads, shared, [](const pbs_cuda_call& call, const TensorMap*) { name(call); }}},
#define PBS_WGMMA_KERNEL(name, threads, shared, ...)                               \
  {#name, {threads, shared, [](const pbs_cuda_call& call, const TensorMap* maps) { \
             name(call, maps[0], maps[1], maps[2]);                                \
           }}},
#include "kernels.inc"
  };
  return all;
}

class EmulatedDevice : public Device {
 public:
  explicit EmulatedDevice(uint32_t seed) : seed_(seed) {}
  uint64_t allocate(size_t bytes) override {
    return reinterpret_cast<uint64_t>(std::aligned_alloc(256, (bytes + 255) / 256 * 256));
  }
  void release(uint64_t address) override { std::free(reinterpret_cast<void*>(address)); }
  void upload(uint64_t to, const void* from, size_t bytes) override {
    std::memcpy(reinterpret_cast<void*>(to), from, bytes);
  }
  void download(void* to, uint64_t from, size_t bytes) override {
    std::memcpy(to, reinterpret_cast<const void*>(from), bytes);
  }
  void launch(const std::string& name, const Grid& grid, size_t shared_bytes, const pbs_cuda_call& call,
              const TensorMap* maps) override {
    const auto found = kernels().find(name);
    if (found == kernels().end()) {
      std::fprintf(stderr, "no kernel %s\n", name.c_str());
      std::exit(1);
    }
    const Kernel& kernel = found->second;
    const emulation::Dim3 blocks{static_cast<unsigned>(grid.x), static_cast<unsigned>(grid.y),
                                 static_cast<unsigned>(grid.z)};
    emulation::launch(blocks, kernel.threads, kernel.shared >= 0 ? static_cast<size_t>(kernel.shared) : shared_bytes,
                      ++seed_, [&] { kernel.run(call, maps); });
  }
  int multiprocessors() const override { return 3; }
  bool has_wgmma() const override { return true; }

 private:
  uint32_t seed_;
};

}  // namespace

std::unique_ptr<Device> open_device(const std::string& argument) {
  const uint32_t seed = argument.empty() ? 1 : static_cast<uint32_t>(std::stoul(argument));
  return std::make_unique<EmulatedDevice>(seed);
}
