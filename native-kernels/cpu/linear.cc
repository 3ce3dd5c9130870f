// Linear layers on matrix units: weights are packed, rows too unless they lie well, and multiplied in blocks that fit
// the caches.
//
// A task is a group of weight panels and a range of rows. For each block of columns it packs its weights, which then
// stay in L2, and takes all its rows past them: a panel of rows at a time, and of that so many columns
// that they stay in L1 while the weights pass by.
#include "linear.h"

#include <algorithm>

#include "arithmetic.h"
#include "element.h"

namespace pbs_attn {
namespace {

constexpr int64_t kCachedSteps = 384;  // of all panels: 768 KiB, what L2 keeps beside rows and sums
constexpr int64_t kMaxGroupPanels = 12;
// In one block, sums stay in the caches. If they don't, wider groups read the rows less often.
constexpr int64_t kMaxStepsInOne = 64;
constexpr int64_t kBlockSteps = 32;
constexpr int64_t kPanelSums = kPanel * kPanel;
constexpr int64_t kStepBytes = kStep * 2;  // of a row
constexpr int64_t kTasksPerThread = 4;
constexpr int64_t kFewRowsTask = 64;  // outputs

Rows rows_of(const pbs_layer_matrix& matrix, int64_t first) {
  const int64_t stride_bytes = matrix.row_stride * element_size(matrix.dtype);
  return {matrix.dtype, static_cast<const char*>(matrix.data) + first * stride_bytes, stride_bytes, matrix.cols};
}

// Panels that can be read where they lie: whole ones, whose steps in L1 are spread over all of L1. Were
// rows a power of two apart, they would drive each other out of it.
int64_t panels_in_place(const pbs_layer_matrix& x) {
  constexpr int64_t kL1Bytes = kL1Steps * kStepBytes;
  const bool is_aligned = reinterpret_cast<uintptr_t>(x.data) % kStepBytes == 0 && x.cols % kStep == 0;
  const bool is_spread = rows_of(x, 0).stride_bytes % (2 * kL1Bytes) == kL1Bytes;
  return is_aligned && is_spread ? x.rows / kPanel : 0;
}

}  // namespace

Linear::Linear(const LayerKernels& kernels, const pbs_layer_linear_call& call, ThreadPool& pool, Workspace& workspace)
    : kernels_(kernels),
      call_(call),
      pool_(pool),
      is_gated_(call.combine == PBS_LAYER_GATE),
      row_panels_(divide_up(call.x.rows, kPanel)),
      steps_(divide_up(call.x.cols, kStep)),
      block_steps_(steps_ <= kMaxStepsInOne ? steps_ : kBlockSteps),
      group_panels_(std::min(kMaxGroupPanels, kCachedSteps / block_steps_ / 2 * 2)),
      panels_in_place_(panels_in_place(call.x)),
      biases_(static_cast<size_t>(call.num_weights)),
      workspace_(workspace) {
  if (workspace.threads.size() < static_cast<size_t>(pool.size())) {
    workspace.threads.resize(static_cast<size_t>(pool.size()));
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
  const int64_t groups = divide_up(count, group_panels_);
  const int64_t ranges = std::clamp<int64_t>(divide_up(kTasksPerThread * pool_.size(), groups), 1, row_panels_);
  const int64_t range = divide_up(row_panels_, ranges);  // panels of rows
  pool_.run(groups * ranges, [&](int64_t task, int thread) {
    const int64_t first_panel = task / ranges * group_panels_;
    const int64_t first_row = task % ranges * range;
    multiply(first_panel, std::min(group_panels_, count - first_panel), first_row,
             std::min(range, row_panels_ - first_row), workspace_.threads[static_cast<size_t>(thread)]);
  });
}

void Linear::pack_rows() {
  const int64_t count = row_panels_ - panels_in_place_;
  workspace_.rows.reserve(count * steps_ * kPanelStepBytes, Pages::kHuge);
  pool_.run(count, [&](int64_t panel, int) {
    const int64_t first = (panels_in_place_ + panel) * kPanel;
    kernels_.matrix_unit->pack_rows(rows_of(call_.x, first), std::min(kPanel, call_.x.rows - first), 0, steps_,
                                    workspace_.rows.data() + panel * steps_ * kPanelStepBytes);
  });
}

RowPanel Linear::row_panel(int64_t panel, int64_t step) const {
  if (panel < panels_in_place_) {
    const Rows rows = rows_of(call_.x, panel * kPanel);
    return {static_cast<const char*>(rows.first) + step * kStepBytes, rows.stride_bytes, kStepBytes};
  }
  const int64_t packed = (panel - panels_in_place_) * steps_ + step;
  return {workspace_.rows.data() + packed * kPanelStepBytes, kStepBytes, kPanelStepBytes};
}

// first_row and rows count panels.
void Linear::multiply(int64_t first_panel, int64_t panels, int64_t first_row, int64_t rows, Scratch& scratch) {
  if (rows <= 0) return;
  const MatrixUnit& unit = *kernels_.matrix_unit;
  const bool in_one = steps_ == block_steps_;
  scratch.weights.reserve(group_panels_ * block_steps_ * kPanelStepBytes, Pages::kHuge);
  scratch.sums.reserve((in_one ? 2 : rows) * panels * kPanelSums, Pages::kHuge);
  const auto sums_of = [&](int64_t m) { return scratch.sums.data() + (in_one ? m % 2 : m) * panels * kPanelSums; };
  for (int64_t step = 0; step < steps_; step += block_steps_) {
    const int64_t steps = std::min(block_steps_, steps_ - step);
    const int64_t panel_stride_bytes = steps * kPanelStepBytes;
    for (int64_t p = 0; p < panels; ++p) {
      const Panel& panel = panels_[static_cast<size_t>(first_panel + p)];
      unit.pack_weights(rows_of(call_.weights[panel.weight], panel.first_row), panel.rows, step * kStep, steps,
                        scratch.weights.data() + p * panel_stride_bytes);
    }
    const bool is_last = step + steps == steps_;
    for (int64_t m = 0; m < rows; ++m) {
      scratch.results.clear();
      if (is_last && m > 0) add_results(first_panel, panels, (first_row + m - 1) * kPanel, sums_of(m - 1), scratch);
      unit.multiply({steps, row_panel(first_row + m, step), scratch.weights.data(), panel_stride_bytes, panels,
                     step > 0, sums_of(m), row_panel(first_row + std::min(m + 1, rows - 1), step),
                     scratch.results.data(), static_cast<int64_t>(scratch.results.size())});
    }
  }
  scratch.results.clear();
  add_results(first_panel, panels, (first_row + rows - 1) * kPanel, sums_of(rows - 1), scratch);
  kernels_.finish(scratch.results.data(), static_cast<int64_t>(scratch.results.size()));
}

// What the sums of a panel of rows make of the outputs.
void Linear::add_results(int64_t first_panel, int64_t panels, int64_t first_row, const float* sums, Scratch& scratch) {
  const int64_t together = is_gated_ ? 2 : 1;
  const int64_t rows = std::min(kPanel, call_.x.rows - first_row);
  for (int64_t p = 0; p < panels; p += together, sums += together * kPanelSums) {
    scratch.results.push_back(
        result(panels_[static_cast<size_t>(first_panel + p)], first_row, rows, sums, sums + kPanelSums, kPanel));
  }
}

// The second sums are of the gate's other weight.
Result Linear::result(const Panel& panel, int64_t first_row, int64_t rows, const float* sums, const float* ups,
                      int64_t ld) const {
  const pbs_layer_matrix& out = call_.outputs[panel.weight];
  const int64_t size = element_size(out.dtype);
  const OutRows y = {out.dtype, static_cast<char*>(out.data) + (first_row * out.row_stride + panel.first_row) * size,
                     out.row_stride * size, panel.rows};
  return {sums,
          is_gated_ ? ups : nullptr,
          ld,
          rows,
          bias(panel),
          is_gated_ ? bias({panel.weight + 1, panel.first_row, panel.rows}) : nullptr,
          call_.combine == PBS_LAYER_ADD,
          y};
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
  pool_.run(tasks, [&](int64_t task, int) {
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
    const Result made = result(panel, 0, call_.x.rows, sums[0], sums[1], kFewRowsTask);
    kernels_.finish(&made, 1);
  });
}

}  // namespace pbs_attn
