// A libcuda.so.1 that runs the kernels in the emulation: the host side with all its calls of the driver, and its
// results, can then be tested without a GPU. It knows one GPU of compute capability 9.0, or what
// PBS_EMULATED_CAPABILITY says
// ("80"), with few multiprocessors and no module but its own kernels.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>

#include "device.h"

namespace {

enum Result { kSuccess = 0, kInvalidValue = 1, kOutOfMemory = 2, kNotFound = 500 };
enum Attribute { kMultiprocessors = 16, kMajor = 75, kMinor = 76, kSharedPerBlock = 97, kPools = 115 };

constexpr size_t kMemory = size_t{4} << 30;

struct Function {
  std::string name;
  int shared_limit = 48 << 10;
};

Device& device() {
  static const std::unique_ptr<Device> only = open_device("");
  return *only;
}

std::map<uint64_t, size_t>& allocations() {
  static std::map<uint64_t, size_t> sizes;
  return sizes;
}

size_t allocated() {
  size_t sum = 0;
  for (const auto& allocation : allocations()) sum += allocation.second;
  return sum;
}

int capability() {
  const char* text = std::getenv("PBS_EMULATED_CAPABILITY");
  return text == nullptr ? 90 : std::atoi(text);
}

// What cuTensorMapEncodeTiled leaves in the 128 bytes of a map; here the map of the emulation.
static_assert(sizeof(TensorMap) <= 128, "a map has room in a CUtensorMap");

bool is_inside(uint64_t address, size_t bytes) {
  for (const auto& allocation : allocations()) {
    if (address >= allocation.first && address + bytes <= allocation.first + allocation.second) return true;
  }
  std::fprintf(stderr, "%zu bytes at %llx are not allocated\n", bytes, static_cast<unsigned long long>(address));
  return false;
}

}  // namespace

extern "C" {

int cuGetErrorName(int code, const char** name) {
  *name = code == kOutOfMemory ? "CUDA_ERROR_OUT_OF_MEMORY" : "CUDA_ERROR_OF_THE_EMULATION";
  return kSuccess;
}
int cuInit(unsigned) { return kSuccess; }
int cuDriverGetVersion(int* version) {
  *version = 13000;
  return kSuccess;
}
int cuDeviceGetCount(int* count) {
  *count = 1;
  return kSuccess;
}
int cuDeviceGet(int* handle, int ordinal) {
  *handle = ordinal;
  return ordinal == 0 ? kSuccess : kInvalidValue;
}
int cuDeviceGetName(char* name, int size, int) {
  std::snprintf(name, static_cast<size_t>(size), "emulation");
  return kSuccess;
}
int cuDeviceGetAttribute(int* value, int attribute, int) {
  switch (attribute) {
    case kMultiprocessors:
      *value = device().multiprocessors();
      return kSuccess;
    case kMajor:
      *value = capability() / 10;
      return kSuccess;
    case kMinor:
      *value = capability() % 10;
      return kSuccess;
    case kSharedPerBlock:
      *value = 227 << 10;
      return kSuccess;
    case kPools:
      *value = 1;
      return kSuccess;
    default:
      return kInvalidValue;
  }
}
int cuDeviceTotalMem_v2(size_t* bytes, int) {
  *bytes = kMemory;
  return kSuccess;
}
int cuDevicePrimaryCtxRetain(void** context, int) {
  *context = &allocations();
  return kSuccess;
}
int cuDevicePrimaryCtxRelease_v2(int) {
  if (!allocations().empty()) std::fprintf(stderr, "%zu allocations are left\n", allocations().size());
  return allocations().empty() ? kSuccess : kInvalidValue;
}
int cuCtxPushCurrent_v2(void* context) { return context == &allocations() ? kSuccess : kInvalidValue; }
int cuCtxPopCurrent_v2(void** context) {
  *context = &allocations();
  return kSuccess;
}
int cuMemGetInfo_v2(size_t* free, size_t* total) {
  *free = kMemory - allocated();
  *total = kMemory;
  return kSuccess;
}
int cuModuleLoadDataEx(void** module, const void*, unsigned, int*, void**) {
  *module = new int;
  return kSuccess;
}
int cuModuleUnload(void* module) {
  delete static_cast<int*>(module);
  return kSuccess;
}
int cuModuleGetFunction(void** function, void*, const char* name) {
  *function = new Function{name};  // lives as long as the process, which is a test
  return kSuccess;
}
int cuFuncSetAttribute(void* function, int attribute, int value) {
  if (attribute != 8) return kInvalidValue;
  static_cast<Function*>(function)->shared_limit = value;
  return kSuccess;
}
int cuMemPoolCreate(void** pool, const void*) {
  *pool = &allocations();
  return kSuccess;
}
int cuMemPoolSetAttribute(void*, int, const void*) { return kSuccess; }
int cuMemPoolTrimTo(void*, size_t) { return kSuccess; }
int cuMemPoolDestroy(void*) { return kSuccess; }
int cuMemAllocFromPoolAsync(uint64_t* address, size_t bytes, void*, void*) {
  if (allocated() + bytes > kMemory) return kOutOfMemory;
  *address = device().allocate(bytes);
  std::memset(reinterpret_cast<void*>(*address), 0xff, bytes);  // NaN, in whatever is read before it is written
  allocations()[*address] = bytes;
  return kSuccess;
}
int cuMemFreeAsync(uint64_t address, void*) {
  if (allocations().erase(address) == 0) return kInvalidValue;
  device().release(address);
  return kSuccess;
}
int cuMemsetD8Async(uint64_t address, unsigned char value, size_t bytes, void*) {
  if (!is_inside(address, bytes)) return kInvalidValue;
  std::memset(reinterpret_cast<void*>(address), value, bytes);
  return kSuccess;
}
int cuMemcpyHtoDAsync_v2(uint64_t address, const void* source, size_t bytes, void*) {
  if (!is_inside(address, bytes)) return kInvalidValue;
  device().upload(address, source, bytes);
  return kSuccess;
}
int cuMemcpyDtoHAsync_v2(void* target, uint64_t address, size_t bytes, void*) {
  if (!is_inside(address, bytes)) return kInvalidValue;
  device().download(target, address, bytes);
  return kSuccess;
}
int cuEventCreate(void** event, unsigned) {
  *event = new int;
  return kSuccess;
}
int cuEventRecord(void*, void*) { return kSuccess; }
int cuEventElapsedTime(float* milliseconds, void*, void*) {
  *milliseconds = 1;
  return kSuccess;
}
int cuEventDestroy_v2(void* event) {
  delete static_cast<int*>(event);
  return kSuccess;
}
int cuStreamSynchronize(void*) { return kSuccess; }
int cuTensorMapEncodeTiled(void* map, int type, unsigned rank, uint64_t address, const uint64_t* sizes,
                           const uint64_t* strides, const unsigned* box, const unsigned* steps, int interleave,
                           int swizzle, int, int fill) {
  const bool is_known = (type == 6 || type == 9) && rank == 4 && interleave == 0 && fill == 0 && swizzle >= 0 &&
                        swizzle <= 3 && address % 16 == 0 && reinterpret_cast<uint64_t>(map) % 64 == 0;
  if (!is_known || box[0] > 256 || box[1] > 256 || box[2] != 1 || box[3] != 1) return kInvalidValue;
  TensorMap found{};
  found.address = address;
  found.strides[0] = 1;
  for (int i = 0; i < 4; ++i) {
    found.sizes[i] = static_cast<int64_t>(sizes[i]);
    if (steps[i] != 1 || sizes[i] == 0) return kInvalidValue;
    if (i == 0) continue;
    if (strides[i - 1] % 16 != 0 || strides[i - 1] == 0 || strides[i - 1] >= uint64_t{1} << 40) return kInvalidValue;
    found.strides[i] = static_cast<int64_t>(strides[i - 1] / 2);
  }
  found.box_columns = static_cast<int>(box[0]);
  found.box_rows = static_cast<int>(box[1]);
  found.swizzle = swizzle == 0 ? 0 : 16 << swizzle;
  if (found.swizzle != 0 && found.box_columns * 2 > found.swizzle) return kInvalidValue;
  std::memcpy(map, &found, sizeof found);
  return kSuccess;
}
int cuLaunchKernel(void* function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                   unsigned shared, void*, void** parameters, void**) {
  const auto* kernel = static_cast<const Function*>(function);
  if (gx == 0 || gy == 0 || gz == 0 || gy > 65535 || gz > 65535 || by != 1 || bz != 1 || bx == 0 || bx > 1024 ||
      static_cast<int>(shared) > kernel->shared_limit) {
    std::fprintf(stderr, "%s cannot be launched so\n", kernel->name.c_str());
    return kInvalidValue;
  }
  TensorMap maps[3] = {};
  const bool takes_maps = kernel->name.find("_wgmma_") != std::string::npos;
  for (int i = 0; takes_maps && i < 3; ++i) std::memcpy(&maps[i], parameters[i + 1], sizeof maps[i]);
  pbs_cuda_call call;
  std::memcpy(&call, parameters[0], sizeof call);
  device().launch(kernel->name, {gx, gy, gz}, shared, call, takes_maps ? maps : nullptr);
  return kSuccess;
}

}  // extern "C"
