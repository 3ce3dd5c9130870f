#include "thread_pool.h"

#if defined(__linux__)
#include <sched.h>
#endif

#include <algorithm>
#include <chrono>
#include <system_error>

namespace pbs_attn {
namespace {

// Waits without falling asleep, for as long as threads wait for each other between the stages of a call: to be woken
// takes tens of microseconds, in a virtual machine a hundred. Whoever else wants the core gets it.
template <typename F>
void wait_awake(const F& holds) {
  constexpr std::chrono::milliseconds kLongest(2);
  constexpr int kSpins = 16;
  const auto end = std::chrono::steady_clock::now() + kLongest;
  while (std::chrono::steady_clock::now() < end) {
    for (int i = 0; i < kSpins; ++i) {
      if (holds()) return;
#if defined(__x86_64__) || defined(_M_X64)
      __builtin_ia32_pause();
#endif
    }
    std::this_thread::yield();
  }
}

}  // namespace

ThreadPool::ThreadPool(int threads) {
  workers_.reserve(static_cast<size_t>(std::max(0, threads - 1)));
  try {
    for (int t = 1; t < threads; ++t) workers_.emplace_back(&ThreadPool::help, this, t);
  } catch (const std::system_error&) {
    // The system gives no more threads; those that there are do the work.
  }
}

ThreadPool::~ThreadPool() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
  }
  begin_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::run(int64_t tasks, const std::function<void(int64_t, int)>& work) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    work_ = &work;
    tasks_ = tasks;
    next_.store(0);
    busy_ = workers_.size();
    error_ = nullptr;
    ++round_;
  }
  begin_.notify_all();
  take_tasks(0);
  wait_awake([this] { return busy_ == 0; });
  std::unique_lock<std::mutex> lock(mutex_);
  end_.wait(lock, [this] { return busy_ == 0; });
  if (error_) std::rethrow_exception(error_);
}

void ThreadPool::take_tasks(int thread) {
  try {
    for (int64_t task = next_++; task < tasks_; task = next_++) (*work_)(task, thread);
  } catch (...) {
    std::lock_guard<std::mutex> lock(mutex_);
    next_.store(tasks_);
    error_ = std::current_exception();
  }
}

void ThreadPool::help(int thread) {
  uint64_t seen = 0;
  while (true) {
    wait_awake([this, seen] { return stop_ || round_ != seen; });
    std::unique_lock<std::mutex> lock(mutex_);
    begin_.wait(lock, [this, seen] { return stop_ || round_ != seen; });
    if (stop_) return;
    seen = round_;
    lock.unlock();
    take_tasks(thread);
    lock.lock();
    if (--busy_ == 0) end_.notify_one();
  }
}

int available_cores() {
#if defined(__linux__)
  cpu_set_t cores;
  if (sched_getaffinity(0, sizeof(cores), &cores) == 0) return std::max(1, CPU_COUNT(&cores));
#endif
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

}  // namespace pbs_attn
