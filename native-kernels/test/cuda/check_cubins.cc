// Reads the machine code of cubins and checks that kernels use the instructions that they are written for.
//
//   check_cubins FOLDER       with sm_80.cubin, sm_86.cubin, sm_89.cubin and sm_90a.cubin
//
// An instruction has 16 bytes from sm_70 on, and its operation in the lowest bits; these are the operations' numbers as
// ptxas of CUDA 13.0 writes them: each was found as what a kernel with so many of the PTX instruction has as often.
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

namespace {

struct Operation {
  const char* name;
  uint64_t bits;
  uint64_t mask;
};

const Operation kHmma = {"HMMA", 0x23c, 0xfff};        // mma.sync
const Operation kLdsm = {"LDSM", 0x83b, 0xfff};        // ldmatrix
const Operation kLdgsts = {"LDGSTS", 0xfae, 0xfff};    // cp.async
const Operation kHgmma = {"HGMMA", 0x1f0, 0x1ff};      // wgmma, its left operand in registers or not
const Operation kUtmaldg = {"UTMALDG", 0x5b4, 0xfff};  // cp.async.bulk.tensor

using Code = std::map<std::string, std::vector<uint64_t>>;  // first words of the instructions, by kernel

template <typename N>
N read(const std::vector<char>& file, size_t at) {
  N value{};
  if (at + sizeof(N) <= file.size()) std::memcpy(&value, &file[at], sizeof(N));
  return value;
}

// The .text sections of an ELF file.
Code read_code(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  const std::vector<char> file((std::istreambuf_iterator<char>(stream)), std::istreambuf_iterator<char>());
  Code code;
  if (file.size() < 64 || std::memcmp(file.data(), "\177ELF", 4) != 0) return code;
  const size_t headers = read<uint64_t>(file, 0x28);
  const size_t header_size = read<uint16_t>(file, 0x3a);
  const size_t count = read<uint16_t>(file, 0x3c);
  const size_t names = read<uint64_t>(file, headers + read<uint16_t>(file, 0x3e) * header_size + 0x18);
  for (size_t n = 0; n < count; ++n) {
    const size_t header = headers + n * header_size;
    const size_t name_at = names + read<uint32_t>(file, header);
    if (name_at >= file.size()) continue;
    const std::string name(&file[name_at]);
    if (name.rfind(".text.", 0) != 0) continue;
    const size_t begin = read<uint64_t>(file, header + 0x18);
    const size_t size = read<uint64_t>(file, header + 0x20);
    std::vector<uint64_t>& words = code[name.substr(6)];
    for (size_t at = begin; at + 16 <= begin + size; at += 16) words.push_back(read<uint64_t>(file, at));
  }
  return code;
}

class Check {
 public:
  explicit Check(const std::string& folder) : folder_(folder) {}

  void load(const std::string& architecture) {
    architecture_ = architecture;
    code_ = read_code(folder_ + "/" + architecture + ".cubin");
    if (code_.empty()) fail("no kernels in " + folder_ + "/" + architecture + ".cubin");
  }
  void expect(const std::string& kernel, const Operation& operation, int64_t at_least, int64_t at_most) {
    const int64_t found = count(kernel, operation);
    if (found < at_least || found > at_most) {
      fail(architecture_ + " " + kernel + ": " + std::to_string(found) + " " + operation.name + ", expected " +
           std::to_string(at_least) + " to " + std::to_string(at_most));
    }
  }
  int failures() const { return failures_; }

 private:
  int64_t count(const std::string& kernel, const Operation& operation) {
    const auto found = code_.find(kernel);
    if (found == code_.end()) return -1;
    int64_t total = 0;
    for (const uint64_t word : found->second) total += (word & operation.mask) == operation.bits ? 1 : 0;
    return total;
  }
  void fail(const std::string& what) {
    std::printf("FAILED: %s\n", what.c_str());
    ++failures_;
  }

  const std::string folder_;
  std::string architecture_;
  Code code_;
  int failures_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::printf("usage: check_cubins FOLDER\n");
    return 2;
  }
  constexpr int64_t kMany = 1 << 20;
  Check check(argv[1]);
  int kernels = 0;
  for (const char* architecture : {"sm_80", "sm_86", "sm_89", "sm_90a"}) {
    check.load(architecture);
    for (const char* type : {"bf16", "f16"}) {
      for (const int dim : {64, 96, 128, 256}) {
        const std::string typed_dim = std::string(type) + "_d" + std::to_string(dim);
        for (const char* stage : {"pbs_attend_", "pbs_score_sums_", "pbs_score_keys_"}) {
          for (const Operation& operation : {kHmma, kLdsm, kLdgsts}) {
            check.expect(stage + typed_dim, operation, 8, kMany);
          }
          check.expect(stage + typed_dim, kHgmma, 0, 0);
          ++kernels;
        }
        if (std::string(architecture) != "sm_90a") continue;
        const std::string hopper = "pbs_attend_wgmma_" + typed_dim;
        // Both products, for the first tile and the others.
        const int keys = dim <= 128 ? 128 : 64;
        const int products = 2 * (dim / 16 + keys / 16 * (dim <= 128 ? 1 : 2));
        check.expect(hopper, kHgmma, products, products);
        check.expect(hopper, kUtmaldg, 3, kMany);
        check.expect(hopper, kHmma, 0, 0);
        ++kernels;
      }
    }
  }
  std::printf("instructions of %d kernels checked, %d wrong\n", kernels, check.failures());
  return check.failures() == 0 ? 0 : 1;
}
