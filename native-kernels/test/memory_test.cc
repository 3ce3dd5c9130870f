// What a call allocates, counted by replacing the program's operator new: bounded by one KV head of one sequence and a
// few tiles for each thread, at 128K tokens too.
#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <new>
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

// Bytes that a call holds at its peak.
int64_t measure(int seqlen, int kv_heads, int threads) {
  const int64_t head = int64_t{seqlen} * kDim;
  std::vector<float> q(static_cast<size_t>(kGroup * kv_heads * head), 0.5f), o(q.size());
  std::vector<float> k(static_cast<size_t>(kv_heads * head), 0.5f), v(k);
  pbs_attn_call call{};
  call.struct_size = sizeof(call);
  call.dtype = PBS_ATTN_FLOAT32;
  call.batch = 1;
  call.num_q_heads = kGroup * kv_heads;
  call.num_kv_heads = kv_heads;
  call.head_dim = kDim;
  call.max_seqlen_q = call.max_seqlen_k = seqlen;
  call.q = {q.data(), 0, head, kDim};
  call.k = {k.data(), 0, head, kDim};
  call.v = {v.data(), 0, head, kDim};
  call.o = {o.data(), 0, head, kDim};
  call.block_size = 128;
  call.segment_size = 256;
  call.threshold = 0;  // the diagonal and the first block only: memory does not depend on what is kept
  call.softmax_scale = 0.2;
  call.force_first_block = 1;
  call.num_threads = threads;
  const int64_t before = held;
  peak = before;
  char message[256] = "";
  if (pbs_attn_prefill(&call, message, sizeof(message)) != PBS_ATTN_OK) {
    std::printf("FAILED: %s\n", message);
    std::exit(1);
  }
  if (held != before) {
    std::printf("FAILED: %lld bytes are still held after the call\n", static_cast<long long>(held - before));
    std::exit(1);
  }
  return peak - before;
}

// The bound that native-build.md states.
int64_t bound(int64_t seqlen, int64_t threads) {
  const int64_t blocks = (seqlen + 127) / 128;
  const int64_t packed = 2 * blocks * 128 * kDim * 4;                // keys and values of one KV head
  const int64_t keys = seqlen * (kGroup * 8 + 4);                    // scores, order; position
  const int64_t masks = kGroup * blocks * ((blocks + 63) / 64) * 8;  // a bit for each block
  const int64_t per_block = blocks * (kDim * 4 + 64 * kGroup);       // mean keys, work lists
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
  return failures == 0 ? 0 : 1;
}
