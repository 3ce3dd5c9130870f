// Cases for the CUDA kernels, run on any Device and compared, stage by stage, with the algorithm in float64.
#ifndef PBS_ATTN_TEST_CUDA_CASES_H_
#define PBS_ATTN_TEST_CUDA_CASES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "device.h"

enum class Path { kPortable, kWgmma };

struct Case {
  bool is_bf16 = true;
  std::vector<int> seqlens_q;  // one for each sequence
  std::vector<int> seqlens_k;
  int q_heads = 2;
  int kv_heads = 1;
  int head_dim = 64;
  int segment_size = 256;
  double threshold = 0.7;
  bool force_first_block = true;
  int key_order = PBS_CUDA_PER_QUERY_HEAD;
  int min_length = 0;
  int range_heads = 0;    // query heads at a time; 0: all
  int padding = 0;        // rows past the longest sequence
  double key_growth = 0;  // each key is (1 + growth * position) times noise
  bool packs = true;      // for wgmma: whether keys and values are packed; only dense cases may do without
  uint32_t seed = 1;

  std::string name() const;
};

// Largest errors of a case.
struct Errors {
  double key_scores = 0;    // relative
  double block_scores = 0;  // absolute
  double output = 0;        // absolute
  double naive = 0;         // of the output, with weights and outputs rounded to the type and all else in float64
  double lse = 0;           // absolute
};

// Runs a case through all kernels. Answers what is wrong, or nothing; errors has the largest ones.
std::vector<std::string> run_case(Device& device, const Case& c, Path path, Errors& errors);

// Cases that cover lengths, dimensions, groups, suffixes, batches, thresholds and orders.
std::vector<Case> all_cases();

#endif  // PBS_ATTN_TEST_CUDA_CASES_H_
