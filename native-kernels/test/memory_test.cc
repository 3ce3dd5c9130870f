// What a call allocates, and what it keeps for the next, counted by replacing the program's operator new: bounded by
// one KV head of one sequence and a few tiles for each thread, at 128K tokens too.
#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <thread>
#include <vector>

#include "pbs_attn.h"

namespace {

std::atomic<int64_t> held{0};
std::atomic<int64_t> peak{0};

// The size of a block stands in front of it, in a field as large as its alignment.
void* allocate(size_t size, size_t alignment) {
  char* block = static_cast<char*>(std::aligned_alloc(alignment, (size + 2 * alignment - 1) / alignment * alignment));
  if (block == nullptr) throw std::bad_alloc();
  *reinterpret_cast<size_t*>(block) = size;
  const int64_t now = held += static_cast<int64_t>(size);
  int64_t highest = peak;
  while (now > highest && !peak.compare_exchange_weak(highest, now)) {
  }
  return block + alignment;
}

void release(void* data, size_t alignment) {
  if (data == nullptr) return;
  char* block = static_cast<char*>(data) - alignment;
  held -= static_cast<int64_t>(*reinterpret_cast<size_t*>(block));
  std::free(block);
}

constexpr size_t kAlignment = alignof(std::max_align_t);

}  // namespace

void* operator new(size_t size) { return allocate(size, kAlignment); }
void* operator new(size_t size, const std::nothrow_t&) noexcept {
  try {
    return allocate(size, kAlignment);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}
void* operator new(size_t size, std::align_val_t a) { return allocate(size, static_cast<size_t>(a)); }
void operator delete(void* data) noexcept { release(data, kAlignment); }
void operator delete(void* data, size_t) noexcept { release(data, kAlignment); }
void operator delete(void* data, std::align_val_t a) noexcept { release(data, static_cast<size_t>(a)); }
void operator delete(void* data, size_t, std::align_val_t a) noexcept { release(data, static_cast<size_t>(a)); }

namespace {

constexpr int kDim = 32;
constexpr int kGroup = 2;

// A call, and what it needs beside its operands.
class Call {
 public:
  Call(int seqlen, int kv_heads, int threads, int dim = kDim)
      : q_(static_cast<size_t>(kGroup * kv_heads) * static_cast<size_t>(seqlen) * static_cast<size_t>(dim), 0.5f),
        k_(q_.size() / kGroup, 0.5f),
        v_(k_),
        o_(q_.size()) {
    const int64_t head = int64_t{seqlen} * dim;
    call_.struct_size = sizeof(call_);
    call_.dtype = PBS_ATTN_FLOAT32;
    call_.batch = 1;
    call_.num_q_heads = kGroup * kv_heads;
    call_.num_kv_heads = kv_heads;
    call_.head_dim = dim;
    call_.max_seqlen_q = call_.max_seqlen_k = seqlen;
    call_.q = {q_.data(), 0, head, dim};
    call_.k = {k_.data(), 0, head, dim};
    call_.v = {v_.data(), 0, head, dim};
    call_.o = {o_.data(), 0, head, dim};
    call_.block_size = 128;
    call_.segment_size = 256;
    call_.threshold = 0;  // the diagonal and the first block only: memory does not depend on what is kept
    call_.softmax_scale = 0.2;
    call_.force_first_block = 1;
    call_.num_threads = threads;
  }

  // Bytes that it holds at its peak.
  int64_t run() {
    const int64_t before = held;
    peak = before;
    char message[256] = "";
    if (pbs_attn_prefill(&call_, message, sizeof(message)) != PBS_ATTN_OK) {
      std::printf("FAILED: %s\n", message);
      std::exit(1);
    }
    return peak - before;
  }

 private:
  std::vector<float> q_, k_, v_, o_;
  pbs_attn_call call_{};
};

// Calls f in a thread of its own, whose end has to free what calls keep.
template <typename F>
int in_thread(const F& f) {
  const int64_t before = held;
  int failures = 0;
  {
    std::thread thread([&] { failures = f(); });
    thread.join();
  }
  if (held == before) return failures;
  std::printf("FAILED: %lld bytes are still held after the thread\n", static_cast<long long>(held - before));
  return failures + 1;
}

int64_t measure(int seqlen, int kv_heads, int threads) {
  int64_t bytes = 0;
  if (in_thread([&] {
        bytes = Call(seqlen, kv_heads, threads).run();
        return 0;
      }) != 0) {
    std::exit(1);
  }
  return bytes;
}

// A call finds what the one before it kept, and keeps no more. With one thread: which of several get work is chance.
int check_second_call() {
  return in_thread([] {
    Call call(8192, 1, 1);
    const int64_t first = call.run();
    const int64_t kept = held;
    const int64_t second = call.run();
    std::printf("8192 tokens: %lld bytes, and %lld once more\n", static_cast<long long>(first),
                static_cast<long long>(second));
    if (second < first / 2 && held == kept) return 0;
    std::printf("FAILED: the second call holds %lld bytes of its own, and leaves %lld\n",
                static_cast<long long>(second), static_cast<long long>(held - kept));
    return 1;
  });
}

// What is kept has a bound: 128 MiB of packed keys and values.
int check_long_call() {
  return in_thread([] {
    Call call(66000, 1, 2, 256);
    const int64_t before = held;
    call.run();
    if (held == before) return 0;
    std::printf("FAILED: a long call leaves %lld bytes\n", static_cast<long long>(held - before));
    return 1;
  });
}

// The bound that native-build.md states.
int64_t bound(int64_t seqlen, int64_t threads) {
  const int64_t blocks = (seqlen + 127) / 128;
  const int64_t packed = 2 * blocks * 128 * kDim * 4;                // keys and values of one KV head
  const int64_t keys = seqlen * (kGroup * 8 + 4);                    // scores, order; position
  const int64_t masks = kGroup * blocks * ((blocks + 63) / 64) * 8;  // a bit for each block
  const int64_t per_block = blocks * (2 * kDim * 4 + 64 * kGroup);   // sums and means of keys, work lists
  const int64_t thread = 32 * 32 * kDim * 8 + (int64_t{512} << 10);  // strips of queries and their sums; tiles
  return packed + keys + masks + per_block + threads * thread + (int64_t{256} << 10);
}

}  // namespace

int main() {
  int failures = 0;
  for (const int seqlen : {1000, 8192, 131072}) {
    for (const int threads : {1, 2, 5}) {
      const int64_t bytes = measure(seqlen, 1, threads);
      std::printf("%d tokens, %d threads: %lld bytes, bound %lld\n", seqlen, threads, static_cast<long long>(bytes),
                  static_cast<long long>(bound(seqlen, threads)));
      if (bytes > bound(seqlen, threads) || bytes < int64_t{2} * seqlen * kDim * 4) {
        std::printf("FAILED: out of bounds\n");
        ++failures;
      }
    }
  }
  // From the second KV head on the buffers of the first are there already.
  const int64_t two = measure(4096, 2, 1), eight = measure(4096, 8, 1);
  if (eight - two > 16 << 10) {
    std::printf("FAILED: %lld bytes with two KV heads, %lld with eight\n", static_cast<long long>(two),
                static_cast<long long>(eight));
    ++failures;
  }
  failures += check_second_call() + check_long_call();
  return failures == 0 ? 0 : 1;
}
