// Linear layers.
#ifndef PBS_ATTN_CPU_LINEAR_H_
#define PBS_ATTN_CPU_LINEAR_H_

#include <cstdint>
#include <vector>

#include "aligned_buffer.h"
#include "layer_kernels.h"
#include "pbs_layer.h"
#include "thread_pool.h"

namespace pbs_attn {

// Rows up to which weights go as they are past all of them, without matrix units: what decoding needs.
constexpr int64_t kFewRows = 8;

class Linear {
 public:
  // What one thread works with.
  struct Scratch {
    AlignedBuffer<char> weights;  // (panels of a group, steps of a block) packed
    AlignedBuffer<float> sums;    // (2 or all row panels, panels of a group, kPanel, kPanel)
    std::vector<Result> results;
  };

  // Memory that calls use one after the other: what is fresh from the system has to be cleared by it first.
  struct Workspace {
    AlignedBuffer<char> rows;      // (row panels that are not read in place, steps) packed
    std::vector<Scratch> threads;  // one for each thread
  };

  Linear(const LayerKernels& kernels, const pbs_layer_linear_call& call, ThreadPool& pool, Workspace& workspace);

  void run();

 private:
  // Rows of a weight that are packed together, and where their product goes.
  struct Panel {
    int64_t weight;
    int64_t first_row;
    int64_t rows;
  };

  void run_few_rows();
  void pack_rows();
  RowPanel row_panel(int64_t panel, int64_t step) const;
  void multiply(int64_t first_panel, int64_t panels, int64_t first_row, int64_t rows, Scratch& scratch);
  void add_results(int64_t first_panel, int64_t panels, int64_t first_row, const float* sums, Scratch& scratch);
  Result result(const Panel& panel, int64_t first_row, int64_t rows, const float* sums, const float* ups,
                int64_t ld) const;
  const float* bias(const Panel& panel) const;

  const LayerKernels& kernels_;
  const pbs_layer_linear_call& call_;
  ThreadPool& pool_;
  const bool is_gated_;
  const int64_t row_panels_;
  const int64_t steps_;
  const int64_t block_steps_;   // whose weights are packed at a time
  const int64_t group_panels_;  // even, for the gate
  const int64_t panels_in_place_;
  std::vector<Panel> panels_;
  std::vector<std::vector<float>> biases_;  // of each weight; empty: none
  Workspace& workspace_;
};

}  // namespace pbs_attn

#endif  // PBS_ATTN_CPU_LINEAR_H_
