// Memory for vector code: aligned to cache lines, not initialised, freed with its owner.
#ifndef PBS_ATTN_CPU_ALIGNED_BUFFER_H_
#define PBS_ATTN_CPU_ALIGNED_BUFFER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>

namespace pbs_attn {

constexpr size_t kCacheLine = 64;

template <typename T>
class AlignedBuffer {
 public:
  // Makes room for n elements. What was held before is lost where it was too small.
  void reserve(int64_t n) {
    if (n <= capacity_) return;
    data_.reset();
    capacity_ = 0;
    data_.reset(static_cast<T*>(operator new (static_cast<size_t>(n) * sizeof(T), std::align_val_t{kCacheLine})));
    capacity_ = n;
  }

  T* data() { return data_.get(); }
  const T* data() const { return data_.get(); }
  T& operator[](int64_t i) { return data_.get()[i]; }
  const T& operator[](int64_t i) const { return data_.get()[i]; }

 private:
  struct Free {
    void operator()(T* data) const { operator delete (data, std::align_val_t{kCacheLine}); }
  };
  std::unique_ptr<T[], Free> data_;
  int64_t capacity_ = 0;
};

}  // namespace pbs_attn

#endif  // PBS_ATTN_CPU_ALIGNED_BUFFER_H_
