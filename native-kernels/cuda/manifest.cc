// Prints the manifest that pbs_cuda.h describes.
//
//   manifest RESOURCES ARCHITECTURE...
//
// RESOURCES: lines of architecture, kernel, registers, bytes of stack, spill stores and spill loads, as cuda/build.sh
// writes them. The kernels of the table and those of the file have to be the same.
#include <algorithm>
#include <cctype>
#include <cstddef>
#include <cstdio>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "tile_sizes.h"

namespace {

struct Kernel {
  const char* name;
  int threads;
  long shared;
  bool is_wgmma;
};

const Kernel kKernels[] = {
#define PBS_KERNEL(name, threads, blocks, shared, ...) {#name, threads, shared, false},
#define PBS_WGMMA_KERNEL(name, threads, shared, ...) {#name, threads, shared, true},
#include "kernels.inc"
};

struct Field {
  const char* name;
  size_t offset;
};

const Field kFields[] = {
#define PBS_CUDA_FIELD(type, name) {#name, offsetof(pbs_cuda_call, name)},
#include "pbs_cuda_fields.inc"
};
static_assert(sizeof(kFields) / sizeof(Field) * 8 == sizeof(pbs_cuda_call), "every field has 8 bytes");

struct Constant {
  const char* name;
  long value;
};

const Constant kConstants[] = {
#define PBS_CUDA_CONSTANT(name, value) {#name, value},
#include "pbs_cuda_constants.inc"
};

std::string lower_case(std::string name) {
  for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return name;
}

int fail(const std::string& why) {
  std::fprintf(stderr, "manifest of the CUDA kernels: %s\n", why.c_str());
  return 1;
}

template <int kDim>
void print_boxes(const char* end) {
  using Tiles = pbs::WgmmaTiles<kDim>;
  std::printf("    \"%d\": {\"box_columns\": %d, \"q_rows\": %d, \"kv_rows\": %d, \"swizzle\": %d}%s\n", kDim,
              Tiles::kColumns, pbs::kBlockSize, Tiles::kKeys, Tiles::kSwizzle, end);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return fail("usage: manifest RESOURCES ARCHITECTURE...");
  std::ifstream file(argv[1]);
  if (!file) return fail(std::string("cannot read ") + argv[1]);
  std::map<std::string, std::map<std::string, int>> registers;  // by kernel and architecture
  std::string line;
  while (std::getline(file, line)) {
    std::istringstream words(line);
    std::string architecture, kernel;
    int count;
    if (!(words >> architecture >> kernel >> count)) return fail("cannot understand '" + line + "'");
    registers[kernel][architecture] = count;
  }
  std::vector<std::string> machines;  // architectures with machine code
  for (int n = 2; n < argc; ++n) {
    if (std::string(argv[n]).rfind("sm_", 0) == 0) machines.push_back(argv[n]);
  }
  std::set<std::string> known;
  for (const Kernel& kernel : kKernels) {
    known.insert(kernel.name);
    for (const std::string& machine : machines) {
      const bool is_there = registers[kernel.name].count(machine) > 0;
      const bool is_expected = !kernel.is_wgmma || machine == "sm_90a";
      if (is_there != is_expected) {
        return fail(std::string(kernel.name) + (is_there ? " is there for " : " is missing for ") + machine);
      }
    }
  }
  for (const auto& found : registers) {
    if (known.count(found.first) == 0) return fail(found.first + " is not in kernels.inc");
  }

  std::printf("{\n  \"abi\": %d,\n  \"call_size\": %zu,\n  \"fields\": {\n", PBS_CUDA_ABI_VERSION,
              sizeof(pbs_cuda_call));
  const Field& last_field = kFields[sizeof(kFields) / sizeof(Field) - 1];
  for (const Field& field : kFields) {
    std::printf("    \"%s\": %zu%s\n", field.name, field.offset, &field == &last_field ? "" : ",");
  }
  std::printf("  },\n  \"constants\": {\n");
  const Constant& last_constant = kConstants[sizeof(kConstants) / sizeof(Constant) - 1];
  for (const Constant& constant : kConstants) {
    std::printf("    \"%s\": %ld%s\n", lower_case(constant.name).c_str(), constant.value,
                &constant == &last_constant ? "" : ",");
  }
  std::printf("  },\n  \"architectures\": [");
  for (int n = 2; n < argc; ++n) std::printf("%s\"%s\"", n > 2 ? ", " : "", argv[n]);
  std::printf("],\n  \"kernels\": {\n");
  const Kernel& last = kKernels[sizeof(kKernels) / sizeof(Kernel) - 1];
  for (const Kernel& kernel : kKernels) {
    int most = 0;
    for (const auto& count : registers[kernel.name]) most = std::max(most, count.second);
    std::printf("    \"%s\": {\"threads\": %d, \"shared\": %ld, \"only\": %d, \"maps\": %d, \"registers\": %d}%s\n",
                kernel.name, kernel.threads, kernel.shared, kernel.is_wgmma ? 90 : 0, kernel.is_wgmma ? 3 : 0, most,
                &kernel == &last ? "" : ",");
  }
  std::printf("  },\n  \"tma\": {\n");
  print_boxes<64>(",");
  print_boxes<96>(",");
  print_boxes<128>(",");
  print_boxes<256>("");
  std::printf("  }\n}\n");
  return 0;
}
