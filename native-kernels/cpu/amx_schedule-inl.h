// The order of matrix products beside weights on AMX.
#ifndef PBS_ATTN_CPU_AMX_SCHEDULE_INL_H_
#define PBS_ATTN_CPU_AMX_SCHEDULE_INL_H_

#include "amx_logits-inl.h"

// The order of the products of a step. A step weighs kKeys keys for a strip of queries, in the vector units. Beside
// that, the matrix unit adds the values of the step before, and computes the logits of this step and of the next.
//
// Time goes in slots. In a slot the matrix unit multiplies two pairs of tiles: a k-step of a product. A product of
// values (V, 32 columns of the output) has a slot for each 32 keys; one of keys (K, the logits of 32 keys) has one for
// each 32 columns. Logits lie in a ring of kAhead groups of 32 keys, R0 and R1. A product is stored when the next one
// begins, so the logits of keys 0..31, weighed in the first quarter, make way for K2, which is stored then.
//
// Step n with 128 keys and heads of 128, 32 slots:
//
//   slots         0     4     8     12    16    20    24    28    32
//   matrix unit   |V0   |K2   |V1   |K3   |V2   |K0'  |V3   |K1'  |
//   reads         |w n-1|     |w n-1|     |w n-1|     |w n-1|     |      w: weights;  V: of step n-1
//   stores        |K1   |V0   |K2   |V1   |K3   |V2   |K0'  |V3   |      K': of step n+1
//     into        |R1   |o    |R0   |o    |R1   |o    |R0   |o    |
//   vector units  |weigh keys |weigh keys |weigh keys |weigh keys |
//                 |0..31 in R0|32..63 R1  |64..95 R0  |96..127 R1 |
template <int kHeadDim, int kStepKeys>
struct Schedule {
  static constexpr int kDim = kHeadDim, kKeys = kStepKeys;
  static constexpr int kKeyGroups = kKeys / kGroupKeys, kValueGroups = kDim / 32;
  static constexpr int kSlots = 2 * kKeyGroups * kValueGroups;
  static_assert(2 * kValueGroups > kKeyGroups - 1 && kKeyGroups % kAhead == 0, "logits are there in time");

  struct Slot {
    bool is_values;
    int group;   // of keys or of columns
    int k_step;  // of its product
  };

  static constexpr Slot at(int n) {
    int value_group = 0;
    for (int key_group = 0; key_group < kKeyGroups; ++key_group) {
      for (; value_group * kKeyGroups < (key_group + 1) * kValueGroups; ++value_group, n -= kKeyGroups) {
        if (n < kKeyGroups) return {true, value_group, n};
      }
      if (n < kValueGroups) return {false, key_group, n};
      n -= kValueGroups;
    }
    return {false, kKeyGroups, 0};
  }

  // The first key to be weighed in a quarter of a slot, counted through all of them.
  static constexpr int key_at(int quarter) { return quarter * kKeys / (4 * kSlots); }
};

#endif  // PBS_ATTN_CPU_AMX_SCHEDULE_INL_H_
