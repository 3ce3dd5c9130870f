// Linear layers on matrix units: rows and weights are packed, and multiplied in blocks that fit the caches.
//
// A task is a group of weight panels and a range of rows. For each block of columns it packs its weights, which then
// stay in the second cache, and takes all its rows past them: a panel of rows at a time, and of that so many columns
// that they stay in the nearest cache while the weights pass by.
#include "linear.h"

#include <algorithm>

#include "arithmetic.h"
#include "element.h"

namespace pbs_attn {
namespace {

constexpr int64_t kGroupPanels = 8;
constexpr int64_t kBlockSteps = 64;  // 8 panels of them are 1 MiB
constexpr int64_t kNearSteps = 16;   // a panel of rows in them is 32 KiB
constexpr int64_t kPanelSums = kPanel * kPanel;
constexpr int64_t kTasksPerThread = 4;
constexpr int64_t kFewRowsTask = 64;  // outputs

Rows rows_of(const pbs_layer_matrix& matrix, int64_t first) {
  const int64_t stride = matrix.row_stride * element_size(matrix.dtype);
  return {matrix.dtype, static_cast<const char*>(matrix.data) + first * stride, stride, matrix.cols};
}

}  // namespace

Linear::Linear(const LayerKernels& kernels, const pbs_layer_linear_call& call, Team& team, Workspace& workspace)
    : kernels_(kernels),
      call_(call),
      team_(team),
      is_gated_(call.combine == PBS_LAYER_GATE),
      row_panels_(divide_up(call.x.rows, kPanel)),
      steps_(divide_up(call.x.cols, kStep)),
      biases_(static_cast<size_t>(call.num_weights)),
      workspace_(workspace) {
  if (workspace.threads.size() < static_cast<size_t>(team.size())) {
    workspace.threads.resize(static_cast<size_t>(team.size()));
  }
  for (int64_t w = 0; w < call.num_weights; ++w) {
    if (call.biases[w] == nullptr) continue;
    biases_[static_cast<size_t>(w)].resize(static_cast<size_t>(call.weights[w].rows));
    kernels.to_floats(call.weights[w].rows, call.biases[w], biases_[static_cast<size_t>(w)].data());
  }
  // The gate's panels come in pairs of the same outputs.
  const int64_t together = is_gated_ ? 2 : 1;
  for (int64_t w = 0; w < call.num_weights; w += together) {
    for (int64_t row = 0; row < call.weights[w].rows; row += kPanel) {
      const int64_t rows = std::min(kPanel, call.weights[w].rows - row);
      for (int64_t n = 0; n < together; ++n) panels_.push_back({w + n, row, rows});
    }
  }
}

void Linear::run() {
  if (call_.x.rows <= kFewRows) {
    run_few_rows();
    return;
  }
  pack_rows();
  const int64_t count = static_cast<int64_t>(panels_.size());
  const int64_t groups = divide_up(count, kGroupPanels);
  const int64_t ranges = std::clamp<int64_t>(divide_up(kTasksPerThread * team_.size(), groups), 1, row_panels_);
  const int64_t range = divide_up(row_panels_, ranges);  // panels of rows
  team_.run(groups * ranges, [&](int64_t task, int thread) {
    const int64_t first_panel = task / ranges * kGroupPanels;
    const int64_t first_row = task % ranges * range;
    multiply(first_panel, std::min(kGroupPanels, count - first_panel), first_row,
             std::min(range, row_panels_ - first_row), workspace_.threads[static_cast<size_t>(thread)]);
  });
}

void Linear::pack_rows() {
  workspace_.rows.reserve(row_panels_ * steps_ * kPanelStepBytes);
  team_.run(row_panels_, [&](int64_t panel, int) {
    const int64_t first = panel * kPanel;
    kernels_.matrix_unit->pack_rows(rows_of(call_.x, first), std::min(kPanel, call_.x.rows - first), 0, steps_,
                                    workspace_.rows.data() + panel * steps_ * kPanelStepBytes);
  });
}

// first_row and rows count panels.
void Linear::multiply(int64_t first_panel, int64_t panels, int64_t first_row, int64_t rows, Scratch& scratch) {
  if (rows <= 0) return;
  const MatrixUnit& unit = *kernels_.matrix_unit;
  const bool in_one = steps_ <= kBlockSteps;
  scratch.weights.reserve(kGroupPanels * kBlockSteps * kPanelStepBytes);
  scratch.sums.reserve((in_one ? 1 : rows) * panels * kPanelSums);
  for (int64_t step = 0; step < steps_; step += kBlockSteps) {
    const int64_t steps = std::min(kBlockSteps, steps_ - step);
    const int64_t panel_bytes = steps * kPanelStepBytes;
    for (int64_t p = 0; p < panels; ++p) {
      const Panel& panel = panels_[static_cast<size_t>(first_panel + p)];
      unit.pack_weights(rows_of(call_.weights[panel.weight], panel.first_row), panel.rows, step * kStep, steps,
                        scratch.weights.data() + p * panel_bytes);
    }
    for (int64_t m = 0; m < rows; ++m) {
      const char* x = workspace_.rows.data() + ((first_row + m) * steps_ + step) * kPanelStepBytes;
      float* sums = scratch.sums.data() + (in_one ? 0 : m * panels * kPanelSums);
      for (int64_t near = 0; near < steps; near += kNearSteps) {
        const int64_t offset = near * kPanelStepBytes;
        unit.multiply(std::min(kNearSteps, steps - near), x + offset, scratch.weights.data() + offset, panel_bytes,
                      panels, step + near > 0, sums);
      }
      if (step + steps == steps_) finish(first_panel, panels, (first_row + m) * kPanel, sums);
    }
  }
}

// Writes what the sums of a panel of rows make of the outputs.
void Linear::finish(int64_t first_panel, int64_t panels, int64_t first_row, const float* sums) {
  const int64_t together = is_gated_ ? 2 : 1;
  for (int64_t p = 0; p < panels; p += together, sums += together * kPanelSums) {
    const Panel& panel = panels_[static_cast<size_t>(first_panel + p)];
    for (int64_t r = 0; r < std::min(kPanel, call_.x.rows - first_row); ++r) {
      if (is_gated_) {
        finish_gated_row(panel, first_row + r, sums + r * kPanel, sums + kPanelSums + r * kPanel);
      } else {
        finish_row(panel, first_row + r, sums + r * kPanel);
      }
    }
  }
}

void Linear::finish_row(const Panel& panel, int64_t row, const float* sums) {
  kernels_.combine(panel.rows, sums, bias(panel), call_.combine == PBS_LAYER_ADD, call_.outputs[panel.weight].dtype,
                   output(panel, row));
}

void Linear::finish_gated_row(const Panel& panel, int64_t row, const float* gates, const float* ups) {
  kernels_.gate(panel.rows, gates, bias(panel), ups, bias({panel.weight + 1, panel.first_row, panel.rows}),
                call_.outputs[0].dtype, output(panel, row));
}

void* Linear::output(const Panel& panel, int64_t row) const {
  const pbs_layer_matrix& out = call_.outputs[panel.weight];
  return static_cast<char*>(out.data) + (row * out.row_stride + panel.first_row) * element_size(out.dtype);
}

const float* Linear::bias(const Panel& panel) const {
  const std::vector<float>& bias = biases_[static_cast<size_t>(panel.weight)];
  return bias.empty() ? nullptr : bias.data() + panel.first_row;
}

// Each weight is read once.
void Linear::run_few_rows() {
  const int64_t half = divide_up(call_.x.cols, 2);
  AlignedBuffer<float> split;
  split.reserve(call_.x.rows * 2 * half);
  for (int64_t r = 0; r < call_.x.rows; ++r) {
    kernels_.split(call_.x.cols, rows_of(call_.x, r).first, split.data() + 2 * r * half,
                   split.data() + (2 * r + 1) * half);
  }
  const SplitRows x{split.data(), call_.x.rows, half};
  const int64_t weights = is_gated_ ? 1 : call_.num_weights;
  int64_t tasks = 0;
  for (int64_t w = 0; w < weights; ++w) tasks += divide_up(call_.weights[w].rows, kFewRowsTask);
  team_.run(tasks, [&](int64_t task, int) {
    Panel panel{0, task * kFewRowsTask, kFewRowsTask};
    while (panel.first_row >= round_up(call_.weights[panel.weight].rows, kFewRowsTask)) {
      panel.first_row -= round_up(call_.weights[panel.weight].rows, kFewRowsTask);
      ++panel.weight;
    }
    panel.rows = std::min(kFewRowsTask, call_.weights[panel.weight].rows - panel.first_row);
    float sums[2][kFewRows * kFewRowsTask];
    for (int64_t n = 0; n < (is_gated_ ? 2 : 1); ++n) {
      kernels_.dot_rows(rows_of(call_.weights[panel.weight + n], panel.first_row), panel.rows, x, sums[n],
                        kFewRowsTask);
    }
    for (int64_t r = 0; r < call_.x.rows; ++r) {
      if (is_gated_) {
        finish_gated_row(panel, r, sums[0] + r * kFewRowsTask, sums[1] + r * kFewRowsTask);
      } else {
        finish_row(panel, r, sums[0] + r * kFewRowsTask);
      }
    }
  });
}

}  // namespace pbs_attn
