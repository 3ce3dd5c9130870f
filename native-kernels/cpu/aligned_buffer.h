// Memory for vector code: aligned to cache lines, not initialised, freed with its owner.
#ifndef PBS_ATTN_CPU_ALIGNED_BUFFER_H_
#define PBS_ATTN_CPU_ALIGNED_BUFFER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace pbs_attn {

constexpr int64_t kCacheLine = 64;
constexpr int64_t kHugePage = 2 << 20;

// Huge pages, where the system has them, are for what is used again and again: addresses are translated faster, but
// memory that is fresh from the system costs more.
enum class Pages { kUsual, kHuge };

template <typename T>
class AlignedBuffer {
 public:
  // Makes room for n elements. What was held before is lost where it was too small.
  void reserve(int64_t n, Pages pages = Pages::kUsual) {
    if (n <= capacity_) return;
    data_.reset();
    capacity_ = 0;
    data_ = allocate(n * static_cast<int64_t>(sizeof(T)), pages);
    capacity_ = n;
  }

  int64_t bytes() const { return capacity_ * static_cast<int64_t>(sizeof(T)); }
  T* data() { return data_.get(); }
  const T* data() const { return data_.get(); }
  T& operator[](int64_t i) { return data_.get()[i]; }
  const T& operator[](int64_t i) const { return data_.get()[i]; }

 private:
  struct Free {
    std::align_val_t alignment;
    void operator()(T* data) const { operator delete(data, alignment); }
  };
  typedef std::unique_ptr<T[], Free> Memory;

  static Memory allocate(int64_t bytes, Pages pages) {
    const std::align_val_t alignment{static_cast<size_t>(pages == Pages::kHuge ? kHugePage : kCacheLine)};
    if (pages == Pages::kHuge) bytes = (bytes + kHugePage - 1) / kHugePage * kHugePage;
    const size_t size = static_cast<size_t>(bytes);
    Memory data(static_cast<T*>(operator new(size, alignment)), Free{alignment});
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    if (pages == Pages::kHuge) madvise(data.get(), size, MADV_HUGEPAGE);
#endif
    return data;
  }

  Memory data_{nullptr, Free{}};
  int64_t capacity_ = 0;
};

}  // namespace pbs_attn

#endif  // PBS_ATTN_CPU_ALIGNED_BUFFER_H_
