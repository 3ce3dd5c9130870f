// The kernels on a GPU, by the driver's interface alone: no CUDA toolkit is needed to build or run it.
//
// The argument is the path of pbs_cuda.fatbin. With PBS_CUDA_TIMES in the environment the time of every kernel is
// printed.
#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <stdexcept>
#include <string>

#include "device.h"
#include "tile_sizes.h"

namespace {

struct Kernel {
  int threads;
  long shared;  // -1: by a rule
};

const std::map<std::string, Kernel> kKernels = {
#define PBS_KERNEL(name, threads, blocks, shared, ...) {#name, {threads, shared}},
#define PBS_WGMMA_KERNEL(name, threads, shared, ...) {#name, {threads, shared}},
#include "kernels.inc"
};

// Constants of cuda.h.
constexpr int kMultiprocessorCount = 16;
constexpr int kComputeCapabilityMajor = 75;
constexpr int kComputeCapabilityMinor = 76;
constexpr int kMaxDynamicSharedSizeBytes = 8;
constexpr int kTensorFloat16 = 6;
constexpr int kTensorBfloat16 = 9;
constexpr int kTensorSwizzle64 = 2;
constexpr int kTensorSwizzle128 = 3;
constexpr int kTensorL2Promotion256 = 3;

class Driver {
 public:
  Driver() : library_(dlopen("libcuda.so.1", RTLD_NOW)) {}
  bool is_there() const { return library_ != nullptr; }

  // Calls a function of the driver; a failure ends the process with the function's name.
  template <typename... Arguments>
  void operator()(const char* function, Arguments... arguments) const {
    void* address = dlsym(library_, function);
    if (address == nullptr) end(function, "the driver does not have it");
    const int status = reinterpret_cast<int (*)(Arguments...)>(address)(arguments...);
    if (status == 0) return;
    const char* text = "unknown error";
    const auto error_string = reinterpret_cast<int (*)(int, const char**)>(dlsym(library_, "cuGetErrorString"));
    if (error_string != nullptr) error_string(status, &text);
    end(function, text);
  }

 private:
  [[noreturn]] static void end(const char* function, const char* why) {
    std::fprintf(stderr, "%s: %s\n", function, why);
    std::exit(1);
  }

  void* const library_;
};

class GpuDevice : public Device {
 public:
  GpuDevice(const Driver& driver, const std::string& fatbin) : driver_(driver) {
    void* context = nullptr;
    driver_("cuInit", 0u);
    driver_("cuDeviceGet", &device_, 0);
    driver_("cuDevicePrimaryCtxRetain", &context, device_);
    driver_("cuCtxSetCurrent", context);
    driver_("cuModuleLoad", &module_, fatbin.c_str());
    driver_("cuEventCreate", &begin_, 0u);
    driver_("cuEventCreate", &end_, 0u);
    char name[256] = "";
    int version = 0;
    driver_("cuDeviceGetName", name, static_cast<int>(sizeof(name)), device_);
    driver_("cuDriverGetVersion", &version);
    std::printf("%s, CUDA driver interface %d.%d\n", name, version / 1000, version % 1000 / 10);
  }

  uint64_t allocate(size_t bytes) override {
    unsigned long long address = 0;
    driver_("cuMemAlloc_v2", &address, bytes);
    return address;
  }
  void release(uint64_t address) override { driver_("cuMemFree_v2", static_cast<unsigned long long>(address)); }
  void upload(uint64_t to, const void* from, size_t bytes) override {
    driver_("cuMemcpyHtoD_v2", static_cast<unsigned long long>(to), from, bytes);
  }
  void download(void* to, uint64_t from, size_t bytes) override {
    driver_("cuMemcpyDtoH_v2", to, static_cast<unsigned long long>(from), bytes);
  }

  void launch(const std::string& name, const Grid& grid, size_t shared_bytes, const pbs_cuda_call& call,
              const TensorMap* maps) override {
    const Kernel& kernel = kKernels.at(name);
    const unsigned shared =
        kernel.shared >= 0 ? static_cast<unsigned>(kernel.shared) : static_cast<unsigned>(shared_bytes);
    void* function = nullptr;
    driver_("cuModuleGetFunction", &function, module_, name.c_str());
    if (shared > 48 * 1024) {
      driver_("cuFuncSetAttribute", function, kMaxDynamicSharedSizeBytes, static_cast<int>(shared));
    }
    pbs_cuda_call copy = call;
    EncodedMap encoded[3];
    void* parameters[4] = {&copy, nullptr, nullptr, nullptr};
    for (int n = 0; maps != nullptr && n < 3; ++n) {
      encode(maps[n], name.find("_bf16_") != std::string::npos, encoded[n]);
      parameters[1 + n] = &encoded[n];
    }
    driver_("cuEventRecord", begin_, static_cast<void*>(nullptr));
    driver_("cuLaunchKernel", function, static_cast<unsigned>(grid.x), static_cast<unsigned>(grid.y),
            static_cast<unsigned>(grid.z), static_cast<unsigned>(kernel.threads), 1u, 1u, shared,
            static_cast<void*>(nullptr), static_cast<void**>(parameters), static_cast<void**>(nullptr));
    driver_("cuEventRecord", end_, static_cast<void*>(nullptr));
    driver_("cuCtxSynchronize");
    if (std::getenv("PBS_CUDA_TIMES") != nullptr) {
      float milliseconds = 0;
      driver_("cuEventElapsedTime", &milliseconds, begin_, end_);
      std::printf("  %-28s %9.3f ms\n", name.c_str(), static_cast<double>(milliseconds));
    }
  }

  int multiprocessors() const override { return attribute(kMultiprocessorCount); }
  bool has_wgmma() const override {
    return attribute(kComputeCapabilityMajor) == 9 && attribute(kComputeCapabilityMinor) == 0;
  }

 private:
  struct alignas(64) EncodedMap {
    unsigned char bytes[128];
  };

  void encode(const TensorMap& map, bool is_bf16, EncodedMap& to) const {
    unsigned long long sizes[4];
    unsigned long long strides[3];
    for (int n = 0; n < 4; ++n) sizes[n] = static_cast<unsigned long long>(map.sizes[n]);
    for (int n = 1; n < 4; ++n) strides[n - 1] = static_cast<unsigned long long>(map.strides[n]) * 2;
    const unsigned box[4] = {static_cast<unsigned>(map.box_columns), static_cast<unsigned>(map.box_rows), 1, 1};
    const unsigned steps[4] = {1, 1, 1, 1};
    driver_("cuTensorMapEncodeTiled", static_cast<void*>(&to), is_bf16 ? kTensorBfloat16 : kTensorFloat16, 4u,
            reinterpret_cast<void*>(map.address), static_cast<const unsigned long long*>(sizes),
            static_cast<const unsigned long long*>(strides), static_cast<const unsigned*>(box),
            static_cast<const unsigned*>(steps), 0, map.swizzle == 128 ? kTensorSwizzle128 : kTensorSwizzle64,
            kTensorL2Promotion256, 0);
  }

  int attribute(int which) const {
    int value = 0;
    driver_("cuDeviceGetAttribute", &value, which, device_);
    return value;
  }

  const Driver& driver_;
  int device_ = 0;
  void* module_ = nullptr;
  void* begin_ = nullptr;
  void* end_ = nullptr;
};

}  // namespace

std::unique_ptr<Device> open_device(const std::string& argument) {
  static const Driver driver;
  if (!driver.is_there()) {
    std::printf("NOT RUN: no libcuda.so.1\n");
    return nullptr;
  }
  return std::make_unique<GpuDevice>(driver, argument);
}
