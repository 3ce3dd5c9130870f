// Linear layers on AMX's tiles.
#ifndef PBS_ATTN_CPU_AMX_LINEAR_INL_H_
#define PBS_ATTN_CPU_AMX_LINEAR_INL_H_

#include "amx_rows-inl.h"
#include "layer-inl.h"
#include "tile_products-inl.h"
#include "transpose-inl.h"

inline void pack_row_panel(const Rows& rows, int64_t count, int64_t first_column, int64_t steps, char* packed) {
  for (int64_t r = 0; r < kPanel; ++r) {
    pack_row(r < count ? row_at(rows, r) + first_column * 2 : nullptr, (rows.dim - first_column) * 2, steps,
             packed + r * 64);
  }
}

// Tiles of 16 outputs: units of two columns, transposed. Rows are read one after the other, as memory gives them
// fastest.
inline void pack_weight_panel(const Rows& rows, int64_t count, int64_t first_column, int64_t steps, char* packed) {
  pack_row_panel(rows, count, first_column, steps, packed);
  for (int64_t tile = 0; tile < 2 * steps; ++tile) {
    uint32_t* units = reinterpret_cast<uint32_t*>(packed + tile * kTileBytes);
    alignas(64) uint32_t copy[kTileBytes / sizeof(uint32_t)];
    __builtin_memcpy(copy, units, kTileBytes);
    transpose(16, 16, copy, 16, units, 16);
  }
}

// What goes on beside the products of a panel of rows: a row of results is finished now and then, so that all are in
// the end, and the next panel is fetched.
class PanelWork {
 public:
  static constexpr int kPieces = 1;

  explicit PanelWork(const PanelProduct& product)
      : results_(product.results),
        rows_(product.num_results > 0 ? product.num_results * product.results->rows : 0),
        steps_(product.steps * product.panels),
        next_(product.next_x),
        lines_((kPanel + product.panels - 1) / product.panels),
        num_results_(product.num_results) {}

  // The part of the next panel that belongs to one of weights, from a step on.
  void begin_product(int64_t panel, int64_t step) {
    const int64_t first = panel * lines_ < kPanel ? panel * lines_ : kPanel;
    count_ = first + lines_ < kPanel ? lines_ : kPanel - first;
    ahead_ = next_.first + first * next_.row_stride_bytes + step * next_.step_stride_bytes;
  }

  PBS_ATTN_INLINED bool begin_k_step() {
    const char* line = ahead_;
    for (int64_t r = 0; r < count_; ++r, line += next_.row_stride_bytes) fetch(line);
    ahead_ += next_.step_stride_bytes;
    due_ += rows_;
    return due_ >= steps_;
  }

  template <int n>
  PBS_ATTN_INLINED void do_piece() {
    for (; due_ >= steps_; due_ -= steps_) {
      finish_row(results_[result_], row_);
      if (++result_ == num_results_) {
        result_ = 0;
        ++row_;
      }
    }
  }

 private:
  const Result* const results_;
  const int64_t rows_;   // to be finished
  const int64_t steps_;  // to do so
  const RowPanel next_;
  const int64_t lines_;  // of next_, to be fetched in a step
  const int64_t num_results_;
  const char* ahead_ = nullptr;
  int64_t count_ = 0;
  int64_t due_ = 0;  // rows, times steps
  int64_t result_ = 0;
  int64_t row_ = 0;
};

// So many steps at a time that a panel of rows stays in L1 while the weights pass by.
inline void multiply_panel(const PanelProduct& product) {
  [[maybe_unused]] const Session session;
  PanelWork work(product);
  Pipeline<Passing::kB> pipeline;
  for (int64_t step = 0; step < product.steps; step += kL1Steps) {
    const int64_t steps = product.steps - step < kL1Steps ? product.steps - step : kL1Steps;
    const char* x = product.x.first + step * product.x.step_stride_bytes;
    for (int64_t p = 0; p < product.panels; ++p) {
      work.begin_product(p, step);
      pipeline.multiply(
          {{{x, 16 * product.x.row_stride_bytes, product.x.row_stride_bytes}, product.x.step_stride_bytes},
           packed_factor(product.weights + p * product.panel_stride_bytes + step * kPanelStepBytes),
           product.sums + p * kPanel * kPanel,
           steps,
           product.accumulate || step > 0},
          work);
    }
  }
  pipeline.flush();
}

#endif  // PBS_ATTN_CPU_AMX_LINEAR_INL_H_
