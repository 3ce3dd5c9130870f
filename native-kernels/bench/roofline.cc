// What one core can do at most, and what the kernels make of it when keys and values lie in its caches: the products of
// queries and keys alone, and a whole step of attention. PBS_ATTN_ISA chooses the instruction set as elsewhere. The
// fastest of many rounds tells what the core can do, the median what a shared machine leaves of it. Besides: attention
// on all cores at once, the farther the data lie the slower; how fast threads wake and a core reads memory; and linear
// layers.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <limits>
#include <numeric>
#include <random>
#include <thread>
#include <vector>

#include "../cpu/aligned_buffer.h"
#include "../cpu/dispatch.h"
#include "../cpu/element.h"
#include "../cpu/kernels.h"
#include "../cpu/layer_kernels.h"
#include "../cpu/thread_pool.h"
#include "pbs_attn.h"
#include "pbs_layer.h"

#ifdef __x86_64__
#include <immintrin.h>
#endif

namespace {

using pbs_attn::AlignedBuffer;

constexpr int64_t kKeys = 128;
constexpr int kRounds = 400;
constexpr int kCalls = 3;

// Of several rounds.
struct Seconds {
  double fastest;
  double median;
};

template <typename F>
Seconds time_rounds(int rounds, const F& work) {
  std::vector<double> seconds;
  for (int round = 0; round < rounds; ++round) {
    const auto start = std::chrono::steady_clock::now();
    work();
    seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  std::sort(seconds.begin(), seconds.end());
  return {seconds.front(), seconds[seconds.size() / 2]};
}

// Operations per second, in 1e9, of the fastest round and of the median.
struct Rates {
  double fastest;
  double median;
};

template <typename F>
Rates rates(double operations, const F& work) {
  const Seconds seconds = time_rounds(kRounds, work);
  return {operations / seconds.fastest / 1e9, operations / seconds.median / 1e9};
}

// x as a bfloat16, cut off.
uint16_t upper_half(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof(bits));
  return static_cast<uint16_t>(bits >> 16);
}

#ifdef __x86_64__
constexpr int kPeakSteps = 20000;

// kNearTiles: with a tile instruction between, which does no work itself.
template <bool kNearTiles>
__attribute__((target("avx512f,amx-tile"))) Rates avx512_peak() {
  return rates(
      16.0 * 16 * 2 * kPeakSteps, [] __attribute__((target("avx512f,amx-tile"))) {
        __m512 sums[16];
        for (int i = 0; i < 16; ++i) sums[i] = _mm512_set1_ps(static_cast<float>(i));
        __m512 x = _mm512_set1_ps(0.5f);
        for (int n = 0; n < kPeakSteps; ++n) {
#pragma GCC unroll 16
          for (int i = 0; i < 16; ++i) sums[i] = _mm512_fmadd_ps(sums[i], x, x);
          asm volatile("" : "+v"(x));
          if (kNearTiles) _tile_zero(0);
        }
        for (int i = 0; i < 16; ++i) asm volatile("" ::"v"(sums[i]));
      });
}

__attribute__((target("avx2,fma"))) Rates avx2_peak() {
  return rates(
      8.0 * 12 * 2 * kPeakSteps, [] __attribute__((target("avx2,fma"))) {
        __m256 sums[12];
        for (int i = 0; i < 12; ++i) sums[i] = _mm256_set1_ps(static_cast<float>(i));
        __m256 x = _mm256_set1_ps(0.5f);
        for (int n = 0; n < kPeakSteps; ++n) {
#pragma GCC unroll 16
          for (int i = 0; i < 12; ++i) sums[i] = _mm256_fmadd_ps(sums[i], x, x);
          asm volatile("" : "+x"(x));
        }
        for (int i = 0; i < 12; ++i) asm volatile("" ::"x"(sums[i]));
      });
}

// Tile registers for as long as this lives.
struct Tiles {
  Tiles() {
    struct alignas(64) {
      uint8_t palette = 1, start_row = 0, reserved[14] = {};
      uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
      uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
    } config;
    asm volatile("ldtilecfg %0" ::"m"(config));
  }
  ~Tiles() { asm volatile("tilerelease"); }
};

// Products of noise, or of zeros: those take less power, and the clock is the higher for it.
__attribute__((target("amx-tile,amx-bf16"))) Rates amx_peak(bool has_noise) {
  alignas(64) uint16_t elements[4][16 * 32] = {};
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  for (uint16_t* x = elements[0]; has_noise && x < elements[4]; ++x) *x = upper_half(normal(random));
  const Tiles tiles;
  _tile_loadd(4, elements[0], 64);
  _tile_loadd(5, elements[1], 64);
  _tile_loadd(6, elements[2], 64);
  _tile_loadd(7, elements[3], 64);
  constexpr int kSteps = kPeakSteps / 10;
  return rates(
      4.0 * 16 * 16 * 32 * 2 * kSteps, [] __attribute__((target("amx-tile,amx-bf16"))) {
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
        for (int n = 0; n < kSteps; ++n) {
          _tile_dpbf16ps(0, 4, 6);
          _tile_dpbf16ps(1, 4, 7);
          _tile_dpbf16ps(2, 5, 6);
          _tile_dpbf16ps(3, 5, 7);
        }
      });
}

// An instruction on each of twelve registers, twice.
#define PBS_12(op)                                                                                            \
  op "%%zmm16\n" op "%%zmm17\n" op "%%zmm18\n" op "%%zmm19\n" op "%%zmm20\n" op "%%zmm21\n" op "%%zmm22\n" op \
     "%%zmm23\n" op "%%zmm24\n" op "%%zmm25\n" op "%%zmm26\n" op "%%zmm27\n"
#define PBS_24(op) PBS_12(op) PBS_12(op)

// Nanoseconds that some instructions take, one time after the other.
#define PBS_NANOSECONDS(code)                                                                                        \
  (time_rounds(                                                                                                      \
       kRounds,                                                                                                      \
       [&] __attribute__((target("avx512f"))) {                                                                      \
         for (int n = 0; n < kRepeats; ++n) {                                                                        \
           asm volatile(code ::"r"(memory), "r"(row_bytes)                                                           \
                        : "memory", "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm24", \
                          "xmm25", "xmm26", "xmm27");                                                                \
         }                                                                                                           \
       })                                                                                                            \
       .fastest *                                                                                                    \
   1e9 / kRepeats)

#define PBS_PRINT_TILE(name, tile)                                               \
  std::printf("%-13s %5.1f %15.1f %15.1f %15.1f\n", name, PBS_NANOSECONDS(tile), \
              PBS_NANOSECONDS(tile PBS_24("vaddps %%zmm1, %%zmm2, ")),           \
              PBS_NANOSECONDS(tile PBS_24("vfmadd231ps %%zmm1, %%zmm2, ")),      \
              PBS_NANOSECONDS(tile PBS_24("vpermps %%zmm1, %%zmm2, ")))

// What a processor's vector units still do while its matrix unit is in use.
void measure_units() {
  const Rates zeros = amx_peak(false);
  std::printf("tile products of zeros %5.0f (median %5.0f) GFLOP/s on one core\n", zeros.fastest, zeros.median);
  const Tiles tiles;
  std::printf("AVX-512 multiply-adds %4.0f, near tile instructions %4.0f GFLOP/s on one core\n",
              avx512_peak<false>().fastest, avx512_peak<true>().fastest);
  constexpr int kRepeats = 1000;
  alignas(64) static char memory[2048];
  const int64_t row_bytes = 64;
  std::printf("nanoseconds   alone  + 24 additions  + 24 mult.-adds  + 24 permutes\n");
  PBS_PRINT_TILE("no tiles", "");
  PBS_PRINT_TILE("tile product", "tdpbf16ps %%tmm6, %%tmm7, %%tmm0\n");
  PBS_PRINT_TILE("tile load", "tileloadd (%0,%1,1), %%tmm4\n");
  PBS_PRINT_TILE("tile store", "tilestored %%tmm5, (%0,%1,1)\n");
}
#endif

// The most that registers alone allow; 0 where it is not known here.
Rates peak(const char* isa, bool is_bfloat16) {
#ifdef __x86_64__
  if (std::strcmp(isa, "amx_bf16") == 0 && is_bfloat16) return amx_peak(true);
  const bool is_avx512 = std::strncmp(isa, "avx512", 6) == 0 || std::strcmp(isa, "amx_bf16") == 0;
  if (is_avx512) return is_bfloat16 ? Rates{} : avx512_peak<false>();
  if (std::strcmp(isa, "avx2") == 0) return avx2_peak();
#endif
  (void)isa;
  (void)is_bfloat16;
  return {};
}

// Strips of queries and blocks of keys, all of the same noise, packed by the engine as attention packs them.
struct Inputs {
  AlignedBuffer<char> keys, values, q;
  AlignedBuffer<float> o, max, logits;
  AlignedBuffer<double> sum;
  std::vector<int32_t> positions;
  std::vector<pbs_attn::QueryStrip> strips;
  std::vector<pbs_attn::KeyBlock> blocks;

  Inputs(const pbs_attn::Kernels& kernels, const pbs_attn::Engine& engine, int64_t dim, int64_t strip_count,
         int64_t block_count) {
    const int64_t width = kernels.width;
    std::mt19937 random(1);
    std::normal_distribution<float> normal;
    const int64_t row_bytes = dim * pbs_attn::element_size(engine.dtype);
    const int64_t block_bytes = kKeys * row_bytes, strip_bytes = width * row_bytes;
    std::vector<char> rows(static_cast<size_t>(std::max(kKeys, width) * row_bytes));
    for (int64_t i = 0; i < std::max(kKeys, width) * dim; ++i) {
      const float x = normal(random);
      const uint16_t half = upper_half(x);
      if (engine.dtype == PBS_ATTN_FLOAT32) {
        std::memcpy(&rows[static_cast<size_t>(4 * i)], &x, sizeof(x));
      } else {
        std::memcpy(&rows[static_cast<size_t>(2 * i)], &half, sizeof(half));
      }
    }
    const pbs_attn::Rows source{engine.dtype, rows.data(), row_bytes, dim};
    for (int32_t j = 0; j < kKeys; ++j) positions.push_back(j);
    keys.reserve(block_count * block_bytes);
    values.reserve(block_count * block_bytes);
    q.reserve(strip_count * strip_bytes);
    o.reserve(strip_count * width * dim);
    std::fill(o.data(), o.data() + strip_count * width * dim, 0.0f);
    max.reserve(strip_count * width);
    std::fill(max.data(), max.data() + strip_count * width, 0.0f);
    sum.reserve(strip_count * width);
    std::fill(sum.data(), sum.data() + strip_count * width, 0.0);
    logits.reserve(pbs_attn::kScratchTiles * kKeys * width);
    for (int64_t b = 0; b < block_count; ++b) {
      char* k = keys.data() + b * block_bytes;
      char* v = values.data() + b * block_bytes;
      engine.gather_keys(source, positions.data(), kKeys, kKeys, dim, k, nullptr);
      engine.gather_values(source, positions.data(), kKeys, kKeys, dim, v);
      blocks.push_back({k, v, positions.data(), 0, kKeys - 1});
    }
    for (int64_t s = 0; s < strip_count; ++s) {
      char* packed = q.data() + s * strip_bytes;
      engine.gather_queries(source, width, dim, packed);
      strips.push_back({packed, o.data() + s * width * dim, max.data() + s * width, sum.data() + s * width, kKeys,
                        kKeys, std::numeric_limits<int32_t>::max()});
    }
  }
};

// Operations of attention.
double operations(const pbs_attn::Kernels& kernels, int64_t dim, size_t visits) {
  return 4.0 * kKeys * static_cast<double>(kernels.width * dim) * static_cast<double>(visits);
}

void measure(const pbs_attn::Kernels& kernels, const pbs_attn::Engine& engine, int64_t dim) {
  const bool is_bfloat16 = engine.dtype == PBS_ATTN_BFLOAT16;
  // The blocks are more than L1 holds, and less than the next.
  Inputs in(kernels, engine, dim, 4, 6);
  const pbs_attn::TileShape shape{kKeys, dim, 0.09f, false};
  std::vector<pbs_attn::Visit> visits;
  for (const pbs_attn::QueryStrip& strip : in.strips) {
    for (const pbs_attn::KeyBlock& block : in.blocks) visits.push_back({&block, &strip, nullptr, nullptr});
  }
  const double all_operations = kCalls * operations(kernels, dim, visits.size());
  const Rates most = peak(kernels.name, is_bfloat16);
  const Rates logits = rates(all_operations / 2, [&] {
    for (int n = 0; n < kCalls; ++n) {
      for (const pbs_attn::Visit& visit : visits) {
        engine.logits(shape, visit.block->keys, visit.strip->q, in.logits.data());
      }
    }
  });
  const Rates attend = rates(all_operations, [&] {
    for (int n = 0; n < kCalls; ++n) {
      engine.attend(shape, visits.data(), static_cast<int64_t>(visits.size()), in.logits.data());
    }
  });
  std::printf(
      "%-12s %-9s head dim %3d  peak %5.0f (median %5.0f)  q k %5.0f (%5.0f)  attention %5.0f (%5.0f) GFLOP/s on one "
      "core\n",
      kernels.name, is_bfloat16 ? "bfloat16" : "float32", static_cast<int>(dim), most.fastest, most.median,
      logits.fastest, logits.median, attend.fastest, attend.median);
}

// Attention on all cores at once, each with strips and blocks of its own: a group of eight blocks after the other, and
// each strip visits so many of the group.
void measure_distance(const pbs_attn::Kernels& kernels, const pbs_attn::Engine& engine, int64_t dim,
                      int64_t strip_count, int64_t block_count, int64_t visits_of_group) {
  constexpr int64_t kGroup = 8;
  constexpr size_t kVisitsAtOnce = 256;
  const pbs_attn::TileShape shape{kKeys, dim, 0.09f, false};
  pbs_attn::ThreadPool pool(pbs_attn::available_cores());
  std::vector<Inputs> inputs;
  std::vector<std::vector<pbs_attn::Visit>> visits(static_cast<size_t>(pool.size()));
  for (size_t core = 0; core < visits.size(); ++core)
    inputs.emplace_back(kernels, engine, dim, strip_count, block_count);
  for (size_t core = 0; core < visits.size(); ++core) {
    for (int64_t round = 0; round * strip_count * block_count < 4096; ++round) {
      for (int64_t group = 0; group < block_count; group += kGroup) {
        for (int64_t s = 0; s < strip_count; ++s) {
          for (int64_t k = 0; k < kGroup; ++k) {
            if ((3 * k + s) % kGroup >= visits_of_group) continue;
            visits[core].push_back({&inputs[core].blocks[static_cast<size_t>(group + k)],
                                    &inputs[core].strips[static_cast<size_t>(s)], nullptr, nullptr});
          }
        }
      }
    }
  }
  const Seconds seconds = time_rounds(kRounds / 10, [&] {
    pool.run(pool.size(), [&](int64_t core, int) {
      const std::vector<pbs_attn::Visit>& mine = visits[static_cast<size_t>(core)];
      for (size_t n = 0; n < mine.size(); n += kVisitsAtOnce) {
        engine.attend(shape, &mine[n], static_cast<int64_t>(std::min(kVisitsAtOnce, mine.size() - n)),
                      inputs[static_cast<size_t>(core)].logits.data());
      }
    });
  });
  const double all_operations = pool.size() * operations(kernels, dim, visits[0].size());
  std::printf(
      "attention on %d cores, head dim %3d, %2d strips, %3d blocks, %d visits in a row: %5.0f (median %5.0f) GFLOP/s\n",
      pool.size(), static_cast<int>(dim), static_cast<int>(strip_count), static_cast<int>(block_count),
      static_cast<int>(visits_of_group), all_operations / seconds.fastest / 1e9, all_operations / seconds.median / 1e9);
}

// Permute and select on all cores at once: what they do with the 128 blocks of a head, and what memory allows; in
// microseconds of a core for each block. Before each round the cores read what attention would have left in caches.
void measure_permute(const pbs_attn::Kernels& kernels, const pbs_attn::Engine& engine, int64_t dim) {
  constexpr int64_t kBlocks = 128, kSegment = 2 * kKeys, kOtherBytes = 16 << 20;
  const int64_t row_bytes = dim * pbs_attn::element_size(engine.dtype), block_bytes = kKeys * row_bytes;
  AlignedBuffer<char> k, v, q, packed_k, packed_v, other;
  for (AlignedBuffer<char>* buffer : {&k, &v, &q, &packed_k, &packed_v}) {
    buffer->reserve(kBlocks * block_bytes);
    std::memset(buffer->data(), 1, static_cast<size_t>(kBlocks * block_bytes));
  }
  other.reserve(kOtherBytes);
  std::memset(other.data(), 1, static_cast<size_t>(kOtherBytes));
  std::vector<int32_t> order(static_cast<size_t>(kBlocks * kKeys));
  std::iota(order.begin(), order.end(), 0);
  std::mt19937 random(1);
  for (auto first = order.begin(); first < order.end(); first += kSegment) {
    std::shuffle(first, first + kSegment, random);
  }
  const auto rows = [&](const AlignedBuffer<char>& buffer, int64_t block) {
    return pbs_attn::Rows{engine.dtype, buffer.data() + block * block_bytes, row_bytes, dim};
  };
  std::atomic<uint64_t> sink{0};
  const auto read = [&](const AlignedBuffer<char>& buffer, int64_t first, int64_t bytes) {
    uint64_t sum = 0;
    for (int64_t i = first; i < first + bytes; i += pbs_attn::kCacheLine) sum += static_cast<uint64_t>(buffer[i]);
    sink += sum;
  };
  pbs_attn::ThreadPool pool(pbs_attn::available_cores());
  // work(block, sums), a segment at a time.
  const auto microseconds = [&](const auto& work) {
    std::vector<double> seconds;
    for (int round = 0; round < kRounds / 10; ++round) {
      pool.run(pool.size(), [&](int64_t, int) {
        for (const AlignedBuffer<char>* buffer : {&packed_k, &packed_v}) read(*buffer, 0, kBlocks * block_bytes);
        read(other, 0, kOtherBytes);
      });
      seconds.push_back(time_rounds(1, [&] {
                          pool.run(kBlocks / 2, [&](int64_t n, int) {
                            float sums[pbs_attn::kMaxDim];
                            work(2 * n, sums);
                            work(2 * n + 1, sums);
                          });
                        }).median);
    }
    std::sort(seconds.begin(), seconds.end());
    return seconds[seconds.size() / 2] * pool.size() / kBlocks * 1e6;
  };
  const double copy = microseconds([&](int64_t block, float*) {
    const int64_t first = block * block_bytes;
    std::memcpy(packed_k.data() + first, k.data() + first, static_cast<size_t>(block_bytes));
    std::memcpy(packed_v.data() + first, v.data() + first, static_cast<size_t>(block_bytes));
  });
  const double gather = microseconds([&](int64_t block, float* sums) {
    const int32_t* indices = &order[static_cast<size_t>(block * kKeys)];
    const int64_t first = block * block_bytes;
    engine.gather_keys(rows(k, 0), indices, kKeys, kKeys, dim, packed_k.data() + first, sums);
    engine.gather_values(rows(v, 0), indices, kKeys, kKeys, dim, packed_v.data() + first);
  });
  const double reading = microseconds([&](int64_t block, float*) { read(q, block * block_bytes, block_bytes); });
  const double summing =
      microseconds([&](int64_t block, float* sums) { kernels.sum_rows(rows(q, block), kKeys, sums); });
  std::printf(
      "permute on %d cores, head dim %3d: keys and values of a block %4.1f (copying them %4.1f), sum of queries %4.1f "
      "(reading them %4.1f) microseconds\n",
      pool.size(), static_cast<int>(dim), gather, copy, summing, reading);
}

// Scores of a block of keys for as many queries, from caches, on all cores at once: the sums of the weights and the
// scores, beside the products that both need.
void measure_scores(const pbs_attn::Kernels& kernels, const pbs_attn::Engine& engine, int64_t dim) {
  constexpr int kRepeats = 64;
  const int64_t strips = kKeys / kernels.width;
  const pbs_attn::TileShape shape{kKeys, dim, 0.09f, true};
  pbs_attn::ThreadPool pool(pbs_attn::available_cores());
  std::vector<Inputs> inputs;
  for (int core = 0; core < pool.size(); ++core) inputs.emplace_back(kernels, engine, dim, strips, 1);
  const auto microseconds = [&](const auto& work) {
    const Seconds seconds = time_rounds(kRounds / 4, [&] {
      pool.run(pool.size(), [&](int64_t core, int) {
        for (int n = 0; n < kRepeats; ++n) work(inputs[static_cast<size_t>(core)]);
      });
    });
    return seconds.median / kRepeats * 1e6;
  };
  const double products = microseconds([&](Inputs& in) {
    for (const auto& strip : in.strips) engine.logits(shape, in.blocks[0].keys, strip.q, in.logits.data());
  });
  const double sums = microseconds([&](Inputs& in) {
    pbs_attn::KeyBlock block = in.blocks[0];
    block.values = nullptr;
    std::vector<pbs_attn::Visit> visits;
    const char* nothing_else = static_cast<const char*>(block.keys);
    for (const auto& strip : in.strips) visits.push_back({&block, &strip, nothing_else, nothing_else});
    engine.attend(shape, visits.data(), strips, in.logits.data());
  });
  const std::vector<float> weights(static_cast<size_t>(kKeys), 0.01f);
  const double scores = microseconds([&](Inputs& in) {
    float scored[kKeys];
    engine.score_keys(shape, in.blocks[0].keys, in.strips.data(), weights.data(), strips, in.logits.data(), scored);
  });
  std::printf(
      "scores on %d cores, head dim %3d: %d keys and queries, sums %4.1f, scores %4.1f (their products alone %4.1f) "
      "microseconds\n",
      pool.size(), static_cast<int>(dim), static_cast<int>(kKeys), sums, scores, products);
}

// How long it takes until all threads of a pool have begun their tasks: at once, and when they have gone to sleep.
void measure_waking() {
  pbs_attn::ThreadPool pool(pbs_attn::available_cores());
  for (const int pause : {0, 10}) {
    const auto begin_all = [&] {
      std::atomic<int> begun{0};
      pool.run(pool.size(), [&](int64_t, int) {
        for (++begun; begun < pool.size();) {  // at work: a core that is given away would take the others' threads
        }
      });
    };
    std::vector<double> seconds;
    for (int round = 0; round < kRounds / 4; ++round) {
      std::this_thread::sleep_for(std::chrono::milliseconds(pause));
      seconds.push_back(time_rounds(1, begin_all).median);
    }
    std::sort(seconds.begin(), seconds.end());
    std::printf("%d threads begin after %5.1f (median %5.1f) microseconds, %d ms after they ended\n", pool.size(),
                seconds.front() * 1e6, seconds[seconds.size() / 2] * 1e6, pause);
  }
}

// How fast one core reads what it has read before: from the cache that cores share, and from memory.
void measure_memory() {
  for (const int64_t kib : {8 << 10, 512 << 10}) {
    const int64_t words = kib << 7;
    AlignedBuffer<uint64_t> memory;
    memory.reserve(words, pbs_attn::Pages::kHuge);
    std::fill(memory.data(), memory.data() + words, 1);
    volatile uint64_t sink = 0;
    const Seconds seconds = time_rounds(20, [&] {
      uint64_t sum = 0;
      for (int64_t i = 0; i < words; ++i) sum += memory[i];
      sink = sum;
    });
    (void)sink;
    const double bytes = static_cast<double>(kib << 10);
    std::printf("reading %6d KiB %5.1f (median %5.1f) GB/s on one core\n", static_cast<int>(kib),
                bytes / seconds.fastest / 1e9, bytes / seconds.median / 1e9);
  }
}

// A linear layer (rows, in) x (out, in)^T, or the two of a gate, as a prefill runs it.
void measure_linear(int64_t in, int64_t out, bool is_gated) {
  constexpr int64_t kRows = 4096;
  const int64_t x_stride = in / 1024 * 1024 + 512;
  const int64_t weights = is_gated ? 2 : 1;
  const auto fill = [](AlignedBuffer<uint16_t>& to, int64_t n) {
    to.reserve(n);
    std::mt19937 random(1);
    std::normal_distribution<float> normal(0, 0.02f);
    uint16_t noise[1021];
    for (uint16_t& x : noise) x = upper_half(normal(random));
    for (int64_t i = 0; i < n; ++i) to[i] = noise[i % 1021];
  };
  AlignedBuffer<uint16_t> x, w, gated;
  AlignedBuffer<float> sums;
  fill(x, kRows * x_stride);
  fill(w, weights * out * in);
  pbs_layer_linear_call call{};
  call.struct_size = sizeof(call);
  call.combine = is_gated ? PBS_LAYER_GATE : PBS_LAYER_ADD;
  call.num_weights = static_cast<int32_t>(weights);
  call.x = {x.data(), kRows, in, x_stride, PBS_ATTN_BFLOAT16};
  for (int64_t n = 0; n < weights; ++n) call.weights[n] = {w.data() + n * out * in, out, in, in, PBS_ATTN_BFLOAT16};
  if (is_gated) {
    gated.reserve(kRows * out);
    call.outputs[0] = {gated.data(), kRows, out, out, PBS_ATTN_BFLOAT16};
  } else {
    sums.reserve(kRows * out);
    std::fill(sums.data(), sums.data() + kRows * out, 0.0f);
    call.outputs[0] = {sums.data(), kRows, out, out, PBS_ATTN_FLOAT32};
  }
  const double operations = 2.0 * kRows * static_cast<double>(weights * in * out);
  const auto rate = [&](int32_t threads) {
    call.num_threads = threads;
    const Seconds seconds = time_rounds(7, [&] {
      char message[256] = "";
      if (pbs_layer_linear(&call, message, sizeof(message)) != PBS_ATTN_OK) std::printf("%s\n", message);
    });
    return operations / seconds.median / 1e9;
  };
  const double one = rate(1), all = rate(0);
  std::printf("linear %4d x %4d -> %s%d: %5.0f GFLOP/s on one core, %5.0f on all (medians)\n", static_cast<int>(kRows),
              static_cast<int>(in), is_gated ? "2 x " : "", static_cast<int>(out), one, all);
}

}  // namespace

int main() {
  const pbs_attn::Kernels* kernels = pbs_attn::chosen_kernels();
  if (kernels == nullptr) {
    std::fprintf(stderr, "this CPU runs %s\n", pbs_attn::available_isas().c_str());
    return 1;
  }
#ifdef __x86_64__
  if (std::strcmp(kernels->name, "amx_bf16") == 0) measure_units();
#endif
  for (const int64_t dim : {128, 64}) {
    measure(*kernels, *kernels->float32, dim);
    if (kernels->bfloat16 != nullptr) measure(*kernels, *kernels->bfloat16, dim);
  }
  const pbs_attn::Engine& engine = kernels->bfloat16 != nullptr ? *kernels->bfloat16 : *kernels->float32;
  for (const int64_t dim : {128, 64}) {
    measure_distance(*kernels, engine, dim, 1, 8, 8);     // strips in L1, blocks in L2
    measure_distance(*kernels, engine, dim, 32, 8, 8);    // both in L2
    measure_distance(*kernels, engine, dim, 32, 128, 8);  // blocks from behind it, as in dense attention
    measure_distance(*kernels, engine, dim, 32, 128, 4);  // and each for half of the strips
  }
  for (const int64_t dim : {128, 64}) {
    measure_permute(*kernels, engine, dim);
    measure_scores(*kernels, engine, dim);
  }
  measure_waking();
  measure_memory();
  if (kernels->layer->matrix_unit == nullptr) return 0;
  measure_linear(2048, 2048, false);
  measure_linear(2048, 8192, true);
  measure_linear(8192, 2048, false);
  return 0;
}
