// Compares the block geometry of the CPU and of the CUDA kernels with the table in block-geometry.csv.
//
//   block_geometry_test block-geometry.csv
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "../cpu/block_grid.h"
#include "../cuda/block_grid.cuh"

namespace {

// A line of the table; fields in the order of its columns.
struct Line {
  static constexpr size_t kColumns = 12;
  int64_t seqlen_q, seqlen_k, block_size, segment_size, min_length, window, is_dense;
  int64_t q_block, first_block, candidates_end, visible_end, causal_blocks;
};

bool parse(const std::string& text, Line& line) {
  std::vector<int64_t> fields;
  std::istringstream stream(text);
  for (std::string field; std::getline(stream, field, ',');) fields.push_back(std::stoll(field));
  if (fields.size() != Line::kColumns) return false;
  line = {fields[0], fields[1], fields[2], fields[3], fields[4],  fields[5],
          fields[6], fields[7], fields[8], fields[9], fields[10], fields[11]};
  return true;
}

bool agrees_cpu(const Line& x) {
  const pbs_attn::BlockGrid grid{x.seqlen_q, x.seqlen_k, x.block_size, x.segment_size, x.min_length, x.window};
  const int64_t i = x.q_block;
  return i < grid.q_blocks() && grid.is_dense() == (x.is_dense != 0) && grid.first(i) == x.first_block &&
         grid.candidates(i) == x.candidates_end && grid.visible(i) == x.visible_end &&
         grid.causal_blocks(i) == x.causal_blocks;
}

// The CUDA kernels have one block size and no window.
bool is_for_cuda(const Line& x) { return x.block_size == pbs::kBlockSize && x.window == 0; }

bool agrees_cuda(const Line& x) {
  const pbs::BlockGrid grid{static_cast<int>(x.seqlen_q), static_cast<int>(x.seqlen_k),
                            static_cast<int>(x.segment_size), static_cast<int>(x.min_length)};
  const int i = static_cast<int>(x.q_block);
  return i < grid.q_blocks() && grid.is_dense() == (x.is_dense != 0) && x.first_block == 0 &&
         grid.candidates(i) == x.candidates_end && grid.visible(i) == x.visible_end;
}

}  // namespace

int main(int argc, char** argv) {
  std::ifstream table(argc == 2 ? argv[1] : "");
  if (!table) {
    std::printf("usage: block_geometry_test block-geometry.csv\n");
    return 2;
  }
  int cpu_lines = 0, cuda_lines = 0, failures = 0;
  bool has_names = false;
  for (std::string text; std::getline(table, text);) {
    if (text[0] == '#') continue;
    if (!has_names) {
      has_names = true;
      continue;
    }
    Line line{};
    const bool is_whole = parse(text, line);
    ++cpu_lines;
    const bool cuda = is_whole && is_for_cuda(line);
    cuda_lines += cuda ? 1 : 0;
    if (is_whole && agrees_cpu(line) && (!cuda || agrees_cuda(line))) continue;
    std::printf("FAILED: %s\n", text.c_str());
    ++failures;
  }
  std::printf("%d lines for the CPU, %d of them for CUDA, %d failed\n", cpu_lines, cuda_lines, failures);
  return failures == 0 && cuda_lines > 0 ? 0 : 1;
}
