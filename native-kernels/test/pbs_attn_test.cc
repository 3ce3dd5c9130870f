// Tests of the C interface: every instruction set against a float64 oracle that is written straight from the algorithm.
//
//   pbs_attn_test ISA        cases on one instruction set (not run, and said so, where this CPU lacks it)
//   pbs_attn_test dispatch   the choice of an instruction set
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "oracle.h"

namespace {

using oracle::Arrays;
using oracle::Case;
using oracle::Elements;
using oracle::make_call;
using oracle::Oracle;

int failures = 0;

void expect(bool holds, const std::string& what) {
  if (holds) return;
  std::printf("FAILED: %s\n", what.c_str());
  ++failures;
}

// The oracle has the same operands.
Oracle::Errors check_call(const Case& c, uint32_t seed, Oracle& oracle, bool wants_lse) {
  Arrays a(c, seed);
  pbs_attn_call call = make_call(c, a);
  if (!wants_lse) call.lse = nullptr;
  const std::string name = c.name() + (wants_lse ? "" : ", no lse");
  char message[256] = "";
  const int32_t status = pbs_attn_prefill(&call, message, sizeof(message));
  expect(status == PBS_ATTN_OK, name + ": " + message);
  Oracle::Errors errors;
  int64_t kept;
  oracle.compare(a, errors, kept);
  // Values are below 5. In bfloat16 and float16 the output is rounded, and with bfloat16 instructions the weights too.
  // Logits in the hundreds leave float32 a digit less.
  const double lost = c.growth > 0 ? 10 : 1;
  const double bound = c.dtype == PBS_ATTN_FLOAT32    ? lost * 2e-5
                       : c.dtype == PBS_ATTN_BFLOAT16 ? 2 * 5 * 0x1p-9
                                                      : 5 * 0x1p-11;
  expect(errors.o <= bound, name + ": output error " + std::to_string(errors.o));
  if (wants_lse) expect(errors.lse <= lost * 1e-5, name + ": lse error " + std::to_string(errors.lse));
  expect(kept == call.kept_blocks,
         name + ": kept " + std::to_string(call.kept_blocks) + " blocks, expected " + std::to_string(kept));
  for (int64_t i = 0; i < c.q_heads * c.seqlen_q; ++i) {
    for (int64_t d = c.head_dim; d < a.row; ++d) {
      expect(a.o[static_cast<size_t>(i * a.row + d)] == -7.0f, name + ": wrote between the rows");
    }
  }
  return errors;
}

// Outputs that take the place of the queries are the same.
void check_in_place(const Case& c, uint32_t seed) {
  Arrays apart(c, seed), in_place(c, seed);
  pbs_attn_call calls[2] = {make_call(c, apart), make_call(c, in_place)};
  calls[1].o = calls[1].q;
  for (pbs_attn_call& call : calls) {
    char message[256] = "";
    expect(pbs_attn_prefill(&call, message, sizeof(message)) == PBS_ATTN_OK, c.name() + ": " + message);
  }
  const Arrays before(c, seed);
  int64_t wrong = 0;
  for (int64_t i = 0; i < c.q_heads * c.seqlen_q * apart.row; ++i) {
    const size_t at = static_cast<size_t>(i);
    wrong += in_place.q[at] != (i % apart.row < c.head_dim ? apart.o[at] : before.q[at]);
  }
  expect(wrong == 0, c.name() + ": " + std::to_string(wrong) + " elements differ in place");
}

// Without lse the weights may be computed less precisely than they are before they are rounded, but hardly so after. In
// random cases of few numbers chance decides which error is larger; these cases are always the same.
void check(const Case& c, uint32_t seed) {
  const Arrays operands(c, seed);
  Oracle oracle(c, operands);
  const Oracle::Errors exact = check_call(c, seed, oracle, true), fast = check_call(c, seed, oracle, false);
  const double root = std::sqrt(exact.o_squares), fast_root = std::sqrt(fast.o_squares);
  expect(fast_root <= 1.1 * root + 1e-6, c.name() + ": root of squared errors " + std::to_string(fast_root) +
                                             " without lse, " + std::to_string(root) + " with it");
  check_in_place(c, seed);
}

void check_shapes(int32_t type) {
  for (const int64_t n : {1, 127, 128, 129, 255, 256, 257, 700}) {
    check({type, n, n, 64, 2, 1, 128, 256, 0.7, PBS_ATTN_PER_QUERY_HEAD, 2}, 11);
  }
  for (const int64_t d : {1, 32, 33, 80, 96, 128, 256})
    check({type, 300, 300, d, 1, 1, 128, 256, 0.7, PBS_ATTN_PER_QUERY_HEAD, 1}, 12);
  for (const int64_t n : {1, 100, 257, 640})
    check({type, n, 700, 32, 4, 2, 64, 128, 0.6, PBS_ATTN_PER_QUERY_HEAD, 2}, 13);
  check({type, 650, 650, 48, 7, 1, 64, 256, 0.5, PBS_ATTN_PER_KV_HEAD, 3}, 14);
  check({type, 650, 650, 48, 7, 1, 64, 64, 0.5, PBS_ATTN_PER_QUERY_HEAD, 3}, 15);
  check({type, 650, 650, 128, 2, 1, 64, 128, 0.6, PBS_ATTN_PER_QUERY_HEAD, 2}, 20);
  check({type, 331, 331, 32, 2, 2, 50, 100, 0.6, PBS_ATTN_PER_QUERY_HEAD, 2}, 16);  // blocks that no vector divides
  check({type, 520, 520, 32, 2, 2, 64, 128, 1.0, PBS_ATTN_PER_QUERY_HEAD, 2}, 17);
  check({type, 520, 520, 32, 2, 2, 64, 128, 0.0, PBS_ATTN_PER_QUERY_HEAD, 2}, 18);
  // The largest logit so far is soon too small, again and again.
  for (const int64_t d : {32, 64, 96, 128, 256}) {
    check({type, 700, 700, d, 1, 1, 128, 256, 1.0, PBS_ATTN_PER_QUERY_HEAD, 1, 0.05}, 19);
  }
}

// Scores as such, where tiles of keys are whole and where not, are fewer than a vector's, and where logits grow by
// hundreds after the first keys.
void check_key_scores(int32_t type) {
  for (const double growth : {0.0, 0.05}) {
    for (const int64_t d : {32, 64, 96, 128, 256}) {
      for (const Case& c : {Case{type, 700, 700, d, 2, 1, 128, 256, 0.7, PBS_ATTN_PER_QUERY_HEAD, 2, growth},
                            Case{type, 350, 350, d, 2, 2, 50, 100, 0.7, PBS_ATTN_PER_QUERY_HEAD, 1, growth},
                            Case{type, 20, 20, d, 1, 1, 8, 16, 0.7, PBS_ATTN_PER_QUERY_HEAD, 1, growth}}) {
        Arrays a(c, 61);
        pbs_attn_call call = make_call(c, a);
        std::vector<float> scores(static_cast<size_t>(c.q_heads * c.seqlen_k));
        call.trace.key_scores = scores.data();
        char message[256] = "";
        expect(pbs_attn_prefill(&call, message, sizeof(message)) == PBS_ATTN_OK, c.name() + ": " + message);
        const Oracle oracle(c, a);
        double worst = 0;
        for (int64_t h = 0; h < c.q_heads; ++h) {
          const std::vector<double> expected = oracle.key_scores(h, h / (c.q_heads / c.kv_heads));
          for (size_t j = 0; j < expected.size(); ++j) {
            const double found = scores[static_cast<size_t>(h * c.seqlen_k) + j];
            const double error = std::abs(found - expected[j]) / (expected[j] + 1e-37);
            if (!(error <= worst)) worst = error;  // so that NaN counts
          }
        }
        // Logits in the hundreds have an error of some 1e-5 in float32.
        expect(worst <= (growth > 0 ? 5e-4 : 2e-5), c.name() + ": error of key scores " + std::to_string(worst));
      }
    }
  }
}

// A band of blocks: the window's left edge lies anywhere in a block, and may be before the sequence or a suffix.
void check_windows(int32_t type) {
  for (const int64_t window : {1, 33, 127, 128, 129, 300, 699, 700}) {
    check({type, 700, 700, 64, 2, 1, 128, 256, 0.7, PBS_ATTN_PER_QUERY_HEAD, 2, 0, window}, 31);
  }
  for (const int64_t n : {1, 100, 640}) {
    for (const int64_t window : {1, 65, 200}) {
      check({type, n, 900, 48, 4, 2, 64, 128, 0.6, PBS_ATTN_PER_KV_HEAD, 3, 0, window}, 32);
    }
  }
  check({type, 331, 331, 33, 2, 2, 50, 100, 0.6, PBS_ATTN_PER_QUERY_HEAD, 2, 0, 77}, 33);
  check({type, 700, 700, 128, 1, 1, 128, 256, 0.5, PBS_ATTN_PER_QUERY_HEAD, 1, 0.05, 140}, 34);
}

// What lies before the band is not read: huge keys there change nothing.
void check_band_only(int32_t type) {
  const Case c{type, 100, 600, 32, 2, 1, 64, 128, 1.0, PBS_ATTN_PER_QUERY_HEAD, 1, 0, 90};
  Arrays plain(c, 41), huge(c, 41);
  for (int64_t i = 0; i < 384 * huge.row; ++i) {  // the band begins at 500 - 89 = 411
    huge.k.set(static_cast<size_t>(i), 10000);
    huge.v.set(static_cast<size_t>(i), 10000);
  }
  for (Arrays* a : {&plain, &huge}) {
    pbs_attn_call call = make_call(c, *a);
    char message[256] = "";
    expect(pbs_attn_prefill(&call, message, sizeof(message)) == PBS_ATTN_OK, message);
    // Rows of 64 queries from 500 and 564: keys 411..563 in blocks 6..8, keys 475..599 in blocks 7..9.
    expect(call.kept_blocks == 2 * 6 && call.causal_blocks == 2 * 6,
           c.name() + ": kept " + std::to_string(call.kept_blocks) + " of " + std::to_string(call.causal_blocks));
  }
  bool same = plain.lse == huge.lse;
  for (size_t i = 0; i < plain.o.size(); ++i) same = same && plain.o[i] == huge.o[i];
  expect(same, c.name() + ": keys before the band change nothing");
}

void check_random() {
  const uint32_t seed = std::random_device{}();
  std::printf("random cases with seed %u\n", seed);
  std::mt19937 random(seed);
  const auto pick = [&](int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random);
  };
  for (int n = 0; n < 40; ++n) {
    const int64_t block = pick(1, 80);
    const int64_t kv_heads = pick(1, 2);
    const int64_t seqlen_k = pick(1, 500);
    const Case c{static_cast<int32_t>(pick(0, 2)),
                 pick(1, seqlen_k),
                 seqlen_k,
                 pick(1, 100),
                 kv_heads * pick(1, 4),
                 kv_heads,
                 block,
                 block * pick(1, 4),
                 static_cast<double>(pick(0, 10)) / 10.0,
                 static_cast<int32_t>(pick(0, 1)),
                 static_cast<int32_t>(pick(1, 3)),
                 0,
                 pick(0, 1) * pick(1, seqlen_k + 1)};
    const uint32_t case_seed = seed + static_cast<uint32_t>(n);
    const Arrays operands(c, case_seed);
    Oracle oracle(c, operands);
    for (const bool wants_lse : {true, false}) check_call(c, case_seed, oracle, wants_lse);
  }
}

// However many threads share the work, each number is computed in the same way.
void check_threads(int32_t type) {
  const Case c{type, 700, 900, 64, 4, 2, 64, 128, 0.6, PBS_ATTN_PER_QUERY_HEAD, 1};
  Arrays one(c, 21);
  pbs_attn_call call = make_call(c, one);
  char message[256] = "";
  expect(pbs_attn_prefill(&call, message, sizeof(message)) == PBS_ATTN_OK, message);
  for (const int32_t threads : {2, 3, 7}) {
    Arrays many(c, 21);
    call = make_call(c, many);
    call.num_threads = threads;
    expect(pbs_attn_prefill(&call, message, sizeof(message)) == PBS_ATTN_OK, message);
    bool same = many.lse == one.lse;
    for (size_t i = 0; i < one.o.size(); ++i) same = same && many.o[i] == one.o[i];
    expect(same, c.name() + ": the same result from " + std::to_string(threads) + " threads");
  }
}

// Wherever NaN or infinity is, the answer names array, head and row; also where the output takes the queries' place.
void check_non_finite(int32_t type) {
  const std::vector<Case> cases = {{type, 700, 700, 40, 4, 2, 64, 128, 0.5, PBS_ATTN_PER_QUERY_HEAD, 2},
                                   {type, 700, 700, 40, 4, 2, 64, 128, 0.5, PBS_ATTN_PER_KV_HEAD, 1},
                                   {type, 300, 700, 33, 2, 2, 64, 128, 0.5, PBS_ATTN_PER_QUERY_HEAD, 1},
                                   {type, 257, 257, 32, 4, 2, 128, 256, 1.0, PBS_ATTN_PER_QUERY_HEAD, 2},
                                   {type, 1, 1, 32, 2, 2, 128, 256, 0.9, PBS_ATTN_PER_QUERY_HEAD, 1}};
  bool nan = false;
  for (const Case& c : cases) {
    for (const char array : {'q', 'k', 'v'}) {
      const int64_t rows = array == 'q' ? c.seqlen_q : c.seqlen_k, heads = array == 'q' ? c.q_heads : c.kv_heads;
      for (const int64_t row : {int64_t{0}, rows / 2, rows - 1}) {
        for (const int64_t head : {int64_t{0}, heads - 1}) {
          for (const bool in_place : {false, true}) {
            Arrays a(c, 51);
            Elements& spoilt = array == 'q' ? a.q : array == 'k' ? a.k : a.v;
            spoilt.spoil(static_cast<size_t>((head * rows + row) * a.row + c.head_dim - 1), nan = !nan);
            pbs_attn_call call = make_call(c, a);
            if (in_place) call.o = call.q;
            char message[256] = "";
            const int32_t status = pbs_attn_prefill(&call, message, sizeof(message));
            const std::string expected = std::string(1, array) + ": NaN or infinity in sequence 0, head " +
                                         std::to_string(head) + ", row " + std::to_string(row);
            expect(status == PBS_ATTN_NOT_FINITE && message == expected,
                   c.name() + ": expected " + expected + ", found " + message);
          }
        }
      }
    }
  }
}

// Numbers that are finite, but whose products or sums are more than float32 holds: an error, and no NaN. Where only the
// means of blocks overflow, the outputs are right.
void check_overflow(int32_t type) {
  if (type == PBS_ATTN_FLOAT16) return;  // has no numbers so large
  const Case c{type, 300, 300, 32, 2, 1, 64, 128, 0.5, PBS_ATTN_PER_QUERY_HEAD, 1};
  for (const bool wants_lse : {true, false}) {
    Arrays products(c, 71), means(c, 71);
    for (size_t i = 0; i < products.q.size(); ++i) products.q.set(i, 1e25f);
    for (size_t i = 0; i < products.k.size(); ++i) products.k.set(i, 1e25f);
    pbs_attn_call call = make_call(c, products);
    if (!wants_lse) call.lse = nullptr;
    char message[256] = "";
    const int32_t status = pbs_attn_prefill(&call, message, sizeof(message));
    expect(status == PBS_ATTN_NOT_FINITE && std::strstr(message, "overflow float32 in sequence 0, head ") != nullptr,
           c.name() + ": products overflow: status " + std::to_string(status) + ", " + message);
    for (size_t i = 0; i < means.k.size(); ++i) means.k.set(i, 3e38f);
    for (size_t i = 0; i < means.q.size(); ++i) means.q.set(i, 1e-38f);
    for (size_t i = 0; i < means.v.size(); ++i) means.v.set(i, 2);
    call = make_call(c, means);
    if (!wants_lse) call.lse = nullptr;
    expect(pbs_attn_prefill(&call, message, sizeof(message)) == PBS_ATTN_OK, c.name() + ": means overflow: " + message);
    for (int64_t i = 0; i < c.q_heads * c.seqlen_q; ++i) {
      const float o = means.o[static_cast<size_t>(i * means.row)];
      expect(std::abs(o - 2) <= 0.01, c.name() + ": means overflow: output " + std::to_string(o));
    }
  }
}

// Each change makes a good call bad; the answer names the field.
void check_refusals() {
  const Case c{PBS_ATTN_FLOAT32, 300, 300, 32, 2, 1, 128, 256, 0.9, PBS_ATTN_PER_QUERY_HEAD, 1};
  const auto refuse = [&](const char* word, int32_t status, auto spoil) {
    Arrays a(c, 1);
    pbs_attn_call call = make_call(c, a);
    spoil(call, a);
    char message[256] = "";
    const int32_t found = pbs_attn_prefill(&call, message, sizeof(message));
    expect(found == status && std::strstr(message, word) != nullptr,
           std::string("refusal of ") + word + ": status " + std::to_string(found) + ", message " + message);
  };
  const int32_t bad = PBS_ATTN_INVALID_ARGUMENT;
  refuse("struct_size", bad, [](pbs_attn_call& x, Arrays&) { x.struct_size = 8; });
  refuse("dtype", bad, [](pbs_attn_call& x, Arrays&) { x.dtype = 9; });
  refuse("batch", bad, [](pbs_attn_call& x, Arrays&) { x.batch = 0; });
  refuse("num_kv_heads", bad, [](pbs_attn_call& x, Arrays&) { x.num_kv_heads = 0; });
  refuse("num_q_heads", bad, [](pbs_attn_call& x, Arrays&) { x.num_kv_heads = 2, x.num_q_heads = 3; });
  refuse("head_dim", bad, [](pbs_attn_call& x, Arrays&) { x.head_dim = 257; });
  refuse("max_seqlen_q", bad, [](pbs_attn_call& x, Arrays&) { x.max_seqlen_q = 301; });
  refuse("block_size", bad, [](pbs_attn_call& x, Arrays&) { x.block_size = 0; });
  refuse("segment_size", bad, [](pbs_attn_call& x, Arrays&) { x.segment_size = 200; });
  refuse("threshold", bad, [](pbs_attn_call& x, Arrays&) { x.threshold = std::nan(""); });
  refuse("softmax_scale", bad, [](pbs_attn_call& x, Arrays&) { x.softmax_scale = 0; });
  refuse("softmax_scale", bad, [](pbs_attn_call& x, Arrays&) { x.softmax_scale = 1e-40; });
  refuse("softmax_scale", bad, [](pbs_attn_call& x, Arrays&) { x.softmax_scale = 1e40; });
  refuse("min_length", bad, [](pbs_attn_call& x, Arrays&) { x.min_length = -1; });
  refuse("window", bad, [](pbs_attn_call& x, Arrays&) { x.window = -1; });
  refuse("key_order", bad, [](pbs_attn_call& x, Arrays&) { x.key_order = 2; });
  refuse("num_threads", bad, [](pbs_attn_call& x, Arrays&) { x.num_threads = -1; });
  refuse("k: expected data", bad, [](pbs_attn_call& x, Arrays&) { x.k.data = nullptr; });
  refuse("v: stride", bad, [](pbs_attn_call& x, Arrays&) { x.v.row_stride = INT64_MAX; });
  const int32_t zero = 0;
  refuse("seqlens_k[0]", bad, [&](pbs_attn_call& x, Arrays&) { x.seqlens_k = &zero; });
}

int run_isa(const char* isa) {
  if (!oracle::use_isa(isa)) return 77;
  expect(pbs_attn_isa() != nullptr && std::string(pbs_attn_isa()) == isa, std::string("runs on ") + isa);
  for (const int32_t type : {PBS_ATTN_FLOAT32, PBS_ATTN_BFLOAT16, PBS_ATTN_FLOAT16}) {
    check_shapes(type);
    check_windows(type);
    check_band_only(type);
    check_key_scores(type);
    check_non_finite(type);
    check_overflow(type);
    check_threads(type);
  }
  check_random();
  check_refusals();
  return failures == 0 ? 0 : 1;
}

int run_dispatch() {
  setenv("PBS_ATTN_ISA", "abacus", 1);
  expect(pbs_attn_isa() == nullptr, "an unknown instruction set is refused");
  const Case c{PBS_ATTN_FLOAT32, 4, 4, 8, 1, 1, 128, 256, 0.9, PBS_ATTN_PER_QUERY_HEAD, 1};
  Arrays a(c, 1);
  pbs_attn_call call = make_call(c, a);
  char message[256] = "";
  expect(pbs_attn_prefill(&call, message, sizeof(message)) == PBS_ATTN_UNSUPPORTED, "calls fail with it");
  expect(std::strstr(message, "scalar") != nullptr, std::string("the message names what there is: ") + message);
  expect(pbs_attn_abi_version() == PBS_ATTN_ABI_VERSION, "interface version");
  expect(pbs_attn_default_threads() >= 1, "threads");
  return failures == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::printf("usage: pbs_attn_test ISA | dispatch\n");
    return 2;
  }
  return std::string(argv[1]) == "dispatch" ? run_dispatch() : run_isa(argv[1]);
}
