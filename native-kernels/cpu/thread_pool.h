// A pool of threads for one call: between its stages they stay awake for up to two milliseconds, then sleep; they end
// with the call.
#ifndef PBS_ATTN_CPU_THREAD_POOL_H_
#define PBS_ATTN_CPU_THREAD_POOL_H_

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace pbs_attn {

class ThreadPool {
 public:
  // Starts up to threads - 1 helpers; with fewer, if the system gives no more, the work is done all the same.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const { return static_cast<int>(workers_.size()) + 1; }

  // Calls work(task, thread) for the tasks 0..tasks-1, each once; begins them in this order and returns when all are
  // done. What a task throws is thrown here, once the others have ended.
  void run(int64_t tasks, const std::function<void(int64_t task, int thread)>& work);

 private:
  void help(int thread);
  void take_tasks(int thread);

  std::mutex mutex_;
  std::condition_variable begin_;
  std::condition_variable end_;
  const std::function<void(int64_t, int)>* work_ = nullptr;
  std::atomic<int64_t> next_{0};
  int64_t tasks_ = 0;
  std::atomic<uint64_t> round_{0};
  std::atomic<size_t> busy_{0};
  std::atomic<bool> stop_{false};
  std::exception_ptr error_;
  std::vector<std::thread> workers_;
};

// Cores that this process may use.
int available_cores();

}  // namespace pbs_attn

#endif  // PBS_ATTN_CPU_THREAD_POOL_H_
