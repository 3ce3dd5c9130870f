// Tests of the CUDA kernels on a device: emulated, or a GPU.
//
//   cuda_kernels_test portable|wgmma [ARGUMENT OF THE DEVICE]
//
// The argument is a seed for the emulation, and the path of pbs_cuda.fatbin for a GPU (cuda_gpu_test).
#include <cstdio>
#include <string>

#include "cases.h"

namespace {

// Twice the error of a computation in the same precision that does nothing cleverly, and a digit of float32.
bool is_exact_enough(const Case& c, const Errors& e) {
  const double lost = c.key_growth > 0 ? 10 : 1;  // logits in the hundreds leave float32 a digit less
  return e.key_scores <= lost * 2e-5 && e.block_scores <= 2e-5 && e.output <= 2 * e.naive + lost * 2e-6 &&
         e.lse <= 1e-5;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string path = argc > 1 ? argv[1] : "";
  if (path != "portable" && path != "wgmma") {
    std::printf("usage: cuda_kernels_test portable|wgmma [DEVICE]\n");
    return 2;
  }
  const std::unique_ptr<Device> device = open_device(argc > 2 ? argv[2] : "");
  if (device == nullptr) return 77;
  if (path == "wgmma" && !device->has_wgmma()) {
    std::printf("NOT RUN: this GPU is not of sm_90a\n");
    return 77;
  }
  int failures = 0;
  int count = 0;
  for (const Case& c : all_cases()) {
    Errors e;
    const auto wrong = run_case(*device, c, path == "wgmma" ? Path::kWgmma : Path::kPortable, e);
    const bool good = wrong.empty() && is_exact_enough(c, e);
    std::printf("%s %s: errors: key scores %.1e, block scores %.1e, output %.1e (naive %.1e), lse %.1e\n",
                good ? "ok    " : "FAILED", c.name().c_str(), e.key_scores, e.block_scores, e.output, e.naive, e.lse);
    for (const std::string& what : wrong) std::printf("       %s\n", what.c_str());
    std::fflush(stdout);
    failures += good ? 0 : 1;
    ++count;
  }
  std::printf("%d cases, %d failed\n", count, failures);
  return failures == 0 ? 0 : 1;
}
