// A libcuda.so.1 without a GPU: it says what it was called with, so that a test can check a binding of the driver.
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define SAY(...) (printf(__VA_ARGS__), putchar('\n'), fflush(stdout))

typedef unsigned long long u64;

int cuGetErrorName(int code, const char **name) {
  *name = code == 2 ? "CUDA_ERROR_OUT_OF_MEMORY" : NULL;
  return code == 2 ? 0 : 1;
}
int cuInit(unsigned flags) {
  SAY("cuInit %u", flags);
  return 0;
}
int cuDriverGetVersion(int *version) {
  *version = 13000;
  SAY("cuDriverGetVersion");
  return 0;
}
int cuDeviceGetCount(int *count) {
  *count = 2;
  SAY("cuDeviceGetCount");
  return 0;
}
int cuDeviceGet(int *device, int ordinal) {
  *device = ordinal + 40;
  SAY("cuDeviceGet %d", ordinal);
  return 0;
}
int cuDeviceGetName(char *name, int size, int device) {
  snprintf(name, (size_t)size, "Stub %d", device);
  SAY("cuDeviceGetName %d", device);
  return 0;
}
int cuDeviceGetAttribute(int *value, int attribute, int device) {
  *value = 1000 + attribute;
  SAY("cuDeviceGetAttribute %d %d", attribute, device);
  return 0;
}
int cuDeviceTotalMem_v2(size_t *bytes, int device) {
  *bytes = (size_t)80 << 30;
  SAY("cuDeviceTotalMem %d", device);
  return 0;
}
int cuDevicePrimaryCtxRetain(void **context, int device) {
  *context = (void *)0x7000000000c0;
  SAY("cuDevicePrimaryCtxRetain %d", device);
  return 0;
}
int cuDevicePrimaryCtxRelease_v2(int device) {
  SAY("cuDevicePrimaryCtxRelease %d", device);
  return 0;
}
int cuCtxPushCurrent_v2(void *context) {
  SAY("cuCtxPushCurrent %p", context);
  return 0;
}
int cuCtxPopCurrent_v2(void **context) {
  *context = (void *)0x7000000000c0;
  SAY("cuCtxPopCurrent");
  return 0;
}
int cuMemGetInfo_v2(size_t *free, size_t *total) {
  *free = (size_t)5 << 30;
  *total = (size_t)6 << 30;
  SAY("cuMemGetInfo");
  return 0;
}
int cuModuleLoadDataEx(void **module, const void *image, unsigned count, int *options, void **values) {
  SAY("cuModuleLoadDataEx %s, options %u: %d %d, log of %u", (const char *)image, count, options[0], options[1],
      (unsigned)(uintptr_t)values[1]);
  if (!strcmp(image, "bad image")) {
    strcpy(values[0], "this is the log");
    values[1] = (void *)15;
    return 200;
  }
  *module = (void *)0x7000000000a0;
  return 0;
}
int cuModuleUnload(void *module) {
  SAY("cuModuleUnload %p", module);
  return 0;
}
int cuModuleGetFunction(void **function, void *module, const char *name) {
  *function = (void *)0x7000000000f0;
  SAY("cuModuleGetFunction %p %s", module, name);
  return 0;
}
int cuFuncSetAttribute(void *function, int attribute, int value) {
  SAY("cuFuncSetAttribute %p %d %d", function, attribute, value);
  return 0;
}
int cuMemPoolCreate(void **pool, const void *properties) {
  int words[22];
  memcpy(words, properties, sizeof words);
  *pool = (void *)0x7000000000b0;
  int rest = 0;
  for (int i = 4; i < 22; ++i) rest |= words[i];
  SAY("cuMemPoolCreate type %d, handles %d, location %d %d, rest %d", words[0], words[1], words[2], words[3], rest);
  return 0;
}
int cuMemPoolSetAttribute(void *pool, int attribute, const u64 *value) {
  SAY("cuMemPoolSetAttribute %p %d %llx", pool, attribute, *value);
  return 0;
}
int cuMemPoolTrimTo(void *pool, size_t bytes) {
  SAY("cuMemPoolTrimTo %p %zu", pool, bytes);
  return 0;
}
int cuMemPoolDestroy(void *pool) {
  SAY("cuMemPoolDestroy %p", pool);
  return 0;
}
int cuMemAllocFromPoolAsync(u64 *address, size_t bytes, void *pool, void *stream) {
  SAY("cuMemAllocFromPoolAsync %zu %p %p", bytes, pool, stream);
  if (bytes > (size_t)1 << 40) return 2;
  *address = 0x7f0000000100;
  return 0;
}
int cuMemFreeAsync(u64 address, void *stream) {
  SAY("cuMemFreeAsync %llx %p", address, stream);
  return 0;
}
int cuMemsetD8Async(u64 address, unsigned char value, size_t bytes, void *stream) {
  SAY("cuMemsetD8Async %llx %u %zu %p", address, value, bytes, stream);
  return 0;
}
int cuMemcpyHtoDAsync_v2(u64 address, const void *source, size_t bytes, void *stream) {
  SAY("cuMemcpyHtoDAsync %llx %.*s %zu %p", address, (int)bytes, (const char *)source, bytes, stream);
  return 0;
}
int cuMemcpyDtoHAsync_v2(void *target, u64 address, size_t bytes, void *stream) {
  memset(target, bytes == 4 ? 'x' : 0, bytes);
  SAY("cuMemcpyDtoHAsync %llx %zu %p", address, bytes, stream);
  return 0;
}
int cuEventCreate(void **event, unsigned flags) {
  *event = (void *)0x7000000000e0;
  SAY("cuEventCreate %u", flags);
  return 0;
}
int cuEventRecord(void *event, void *stream) {
  SAY("cuEventRecord %p %p", event, stream);
  return 0;
}
int cuEventElapsedTime(float *milliseconds, void *start, void *end) {
  *milliseconds = 2.5f;
  SAY("cuEventElapsedTime %p %p", start, end);
  return 0;
}
int cuEventDestroy_v2(void *event) {
  SAY("cuEventDestroy %p", event);
  return 0;
}
int cuStreamSynchronize(void *stream) {
  SAY("cuStreamSynchronize %p", stream);
  return 0;
}
// Kernels of 384 threads have more than one parameter.
int cuLaunchKernel(void *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                   unsigned shared, void *stream, void **parameters, void **extra) {
  SAY("cuLaunchKernel %p (%u %u %u) (%u %u %u) %u %p: %s %s, extra %p", function, gx, gy, gz, bx, by, bz, shared, stream,
      (const char *)parameters[0], bx == 384 ? (const char *)parameters[1] : "", (void *)extra);
  return 0;
}
int cuTensorMapEncodeTiled(void *map, int type, unsigned rank, void *address, const u64 *sizes, const u64 *strides,
                           const unsigned *box, const unsigned *steps, int interleave, int swizzle, int promotion,
                           int fill) {
  SAY("cuTensorMapEncodeTiled type %d, %u of %p, sizes %llu %llu %llu %llu, strides %llu %llu %llu, box %u %u %u %u, "
      "steps %u %u %u %u, %d %d %d %d, aligned %d",
      type, rank, address, sizes[0], sizes[1], sizes[2], sizes[3], strides[0], strides[1], strides[2], box[0], box[1],
      box[2], box[3], steps[0], steps[1], steps[2], steps[3], interleave, swizzle, promotion, fill,
      (uintptr_t)map % 64 == 0);
  memset(map, 0x5a, 128);
  return 0;
}
