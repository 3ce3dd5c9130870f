#include "emulation.h"

#include <setjmp.h>
#include <ucontext.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <random>
#include <vector>

namespace emulation {
namespace {

constexpr size_t kStackBytes = size_t{192} << 10;
constexpr uint32_t kSharedBase = 1024;  // the first address of the dynamic shared memory
constexpr int kBarriers = 16;
constexpr long kIdleTurns = 200000;  // turns of threads that only look whether something has happened

using Work = std::function<void()>;

// Asynchronous works: groups of them end in the order in which they were closed.
class Groups {
 public:
  void add(Work work);
  void close();
  void wait(size_t pending);

 private:
  using Group = std::vector<Work>;
  Group open_;
  std::deque<Group> closed_;
};

struct Fiber {
  ucontext_t context;
  jmp_buf resume;
  std::unique_ptr<char[]> stack;
  Dim3 index;
  bool started = false;
  bool done = false;
  const char* waits_for = "";
  Groups copies;
};

struct Warp {
  void* arguments[kWarp];
  const char* name = nullptr;
  int arrived = 0;
  Groups products;
};

struct Barrier {
  int arrived = 0;
  int count = 0;
  std::vector<int> waiting;
};

struct MemoryBarrier {
  uint32_t count = 0;
  uint32_t pending = 0;
  int64_t bytes = 0;
  uint32_t phase = 0;
};

struct Machine {
  std::mt19937 random;
  Dim3 grid;
  Dim3 block;
  Dim3 block_index;
  std::vector<Fiber> fibers;
  std::vector<int> ready;
  int current = -1;
  jmp_buf scheduler;
  ucontext_t scheduler_context;
  std::vector<Warp> warps;
  Barrier barriers[kBarriers];
  std::map<uint32_t, MemoryBarrier> memory_barriers;
  std::vector<Work> background;
  std::vector<unsigned char> shared;
  unsigned char* shared_begin = nullptr;
  size_t shared_bytes = 0;
  const std::function<void()>* kernel = nullptr;
  long idle_turns = 0;
};

Machine* machine = nullptr;

bool coin() { return (machine->random() & 1u) != 0; }

Fiber& self() { return machine->fibers[static_cast<size_t>(machine->current)]; }

void back_to_scheduler() {
  if (_setjmp(self().resume) == 0) _longjmp(machine->scheduler, 1);
}

// Until somebody wakes this thread.
void park(const char* what) {
  self().waits_for = what;
  back_to_scheduler();
}

void wake(int fiber) {
  machine->ready.push_back(fiber);
  machine->idle_turns = 0;
}

void Groups::add(Work work) {
  // Works that began before this one may be under way still.
  if (open_.empty() && closed_.empty() && coin()) {
    work();
  } else {
    open_.push_back(std::move(work));
  }
}

void Groups::close() {
  closed_.push_back(std::move(open_));
  open_.clear();
}

void Groups::wait(size_t pending) {
  while (closed_.size() > pending) {
    for (const Work& work : closed_.front()) work();
    closed_.pop_front();
  }
}

void fiber_main() {
  (*machine->kernel)();
  self().copies.wait(0);  // those that nobody waited for
  self().done = true;
  _longjmp(machine->scheduler, 1);
}

void run_background() {
  std::vector<Work>& works = machine->background;
  const size_t n = machine->random() % works.size();
  const Work work = std::move(works[n]);
  works[n] = std::move(works.back());
  works.pop_back();
  work();
}

void start(Fiber& fiber) {
  fiber.started = true;
  getcontext(&fiber.context);
  fiber.context.uc_stack.ss_sp = fiber.stack.get();
  fiber.context.uc_stack.ss_size = kStackBytes;
  fiber.context.uc_link = nullptr;
  makecontext(&fiber.context, fiber_main, 0);
  setcontext(&fiber.context);
}

void report_deadlock() {
  std::fprintf(stderr, "emulation: deadlock in block (%u, %u, %u)\n", machine->block_index.x, machine->block_index.y,
               machine->block_index.z);
  const char* last = nullptr;
  for (size_t n = 0; n < machine->fibers.size(); ++n) {
    const Fiber& fiber = machine->fibers[n];
    const char* state = fiber.done ? "has ended" : fiber.waits_for;
    if (last == nullptr || std::strcmp(last, state) != 0) std::fprintf(stderr, "  from thread %zu on: %s\n", n, state);
    last = state;
  }
  std::exit(1);
}

void run_block() {
  const int threads = static_cast<int>(machine->block.x);
  machine->warps.assign(static_cast<size_t>((threads + kWarp - 1) / kWarp), Warp());
  for (Barrier& barrier : machine->barriers) barrier = Barrier();
  machine->memory_barriers.clear();
  machine->background.clear();
  // What a block finds in shared memory is what another one left there.
  for (size_t n = 0; n + 1 < machine->shared_bytes; n += 2) {
    machine->shared_begin[n] = machine->shared_begin[n + 1] = 0xff;  // NaN in both types
  }
  machine->ready.clear();
  for (int n = 0; n < threads; ++n) {
    Fiber& fiber = machine->fibers[static_cast<size_t>(n)];
    fiber.started = fiber.done = false;
    fiber.index = {static_cast<unsigned>(n), 0, 0};
    fiber.copies = Groups();
    machine->ready.push_back(n);
  }
  machine->idle_turns = 0;
  volatile int running = threads;
  while (running > 0) {
    if (!machine->background.empty() && (machine->ready.empty() || machine->random() % 16 == 0)) run_background();
    if (machine->ready.empty() && machine->background.empty()) report_deadlock();
    if (machine->ready.empty()) continue;
    if (++machine->idle_turns > kIdleTurns && machine->background.empty()) report_deadlock();
    const size_t pick =
        machine->random() % 4 == 0 ? machine->random() % machine->ready.size() : machine->ready.size() - 1;
    machine->current = machine->ready[pick];
    machine->ready[pick] = machine->ready.back();
    machine->ready.pop_back();
    if (_setjmp(machine->scheduler) == 0) {
      Fiber& fiber = self();
      if (!fiber.started) start(fiber);
      _longjmp(fiber.resume, 1);
    }
    if (self().done) {
      --running;
      machine->idle_turns = 0;
    }
  }
  while (!machine->background.empty()) run_background();
}

}  // namespace

const Dim3& thread_index() { return self().index; }
const Dim3& block_index() { return machine->block_index; }
const Dim3& block_size() { return machine->block; }
const Dim3& grid_size() { return machine->grid; }
int lane() { return machine->current % kWarp; }

void fail(const char* what) {
  std::fprintf(stderr, "emulation: block (%u, %u, %u), thread %d: %s\n", machine->block_index.x, machine->block_index.y,
               machine->block_index.z, machine->current, what);
  std::exit(1);
}

void launch(const Dim3& grid, int threads, size_t shared_bytes, uint32_t seed, const std::function<void()>& kernel) {
  static std::unique_ptr<Machine> kept(new Machine);
  machine = kept.get();
  machine->random.seed(seed);
  machine->grid = grid;
  machine->block = {static_cast<unsigned>(threads), 1, 1};
  machine->kernel = &kernel;
  machine->shared_bytes = shared_bytes;
  machine->shared.resize(shared_bytes + 2 * kSharedBase);
  const uintptr_t begin = reinterpret_cast<uintptr_t>(machine->shared.data());
  machine->shared_begin = machine->shared.data() + (kSharedBase - begin % kSharedBase) % kSharedBase;
  if (machine->fibers.size() < static_cast<size_t>(threads)) machine->fibers.resize(static_cast<size_t>(threads));
  for (Fiber& fiber : machine->fibers) {
    if (fiber.stack == nullptr) fiber.stack.reset(new char[kStackBytes]);
  }
  std::vector<uint64_t> blocks(static_cast<uint64_t>(grid.x) * grid.y * grid.z);
  for (size_t n = 0; n < blocks.size(); ++n) blocks[n] = n;
  std::shuffle(blocks.begin(), blocks.end(), machine->random);
  for (const uint64_t n : blocks) {
    machine->block_index = {static_cast<unsigned>(n % grid.x), static_cast<unsigned>(n / grid.x % grid.y),
                            static_cast<unsigned>(n / grid.x / grid.y)};
    run_block();
  }
}

unsigned char* shared_memory() { return machine->shared_begin; }

unsigned char* shared_at(uint32_t address, size_t bytes) {
  if (address < kSharedBase || address - kSharedBase + bytes > machine->shared_bytes) {
    fail("address outside of the shared memory");
  }
  return machine->shared_begin + (address - kSharedBase);
}

uint32_t shared_address(const void* pointer) {
  return static_cast<uint32_t>(static_cast<const unsigned char*>(pointer) - machine->shared_begin) + kSharedBase;
}

void barrier(int id, int count, bool wait) {
  Barrier& barrier = machine->barriers[id];
  if (barrier.arrived > 0 && barrier.count != count) fail("threads expect different numbers of threads at a barrier");
  barrier.count = count;
  if (++barrier.arrived == count) {
    for (const int fiber : barrier.waiting) wake(fiber);
    barrier.waiting.clear();
    barrier.arrived = 0;
    if (wait && coin()) {
      wake(machine->current);
      back_to_scheduler();
    }
    return;
  }
  if (wait) {
    barrier.waiting.push_back(machine->current);
    park("waits at a barrier of threads");
  }
}

void with_warp(const char* name, void* argument, const std::function<void(void* const* lanes)>& op) {
  const int index = machine->current / kWarp;
  Warp& warp = machine->warps[static_cast<size_t>(index)];
  if (warp.arrived > 0 && std::strcmp(warp.name, name) != 0) fail("lanes of a warp are at different instructions");
  warp.name = name;
  warp.arguments[lane()] = argument;
  if (++warp.arrived < kWarp) {
    park(name);
    return;
  }
  op(warp.arguments);
  warp.arrived = 0;
  for (int n = 0; n < kWarp; ++n) {
    if (n != lane()) wake(index * kWarp + n);
  }
}

void defer(Work work) { self().copies.add(std::move(work)); }
void commit_group() { self().copies.close(); }
void wait_groups(int pending) { self().copies.wait(static_cast<size_t>(pending)); }

namespace {

Groups& products() { return machine->warps[static_cast<size_t>(machine->current / kWarp)].products; }

}  // namespace

void defer_in_warp(Work work) { products().add(std::move(work)); }
void commit_warp_group() { products().close(); }
void wait_warp_groups(int pending) { products().wait(static_cast<size_t>(pending)); }

void in_background(Work work) { machine->background.push_back(std::move(work)); }

namespace {

MemoryBarrier& memory_barrier(uint32_t address) {
  const auto found = machine->memory_barriers.find(address);
  if (found == machine->memory_barriers.end()) fail("a memory barrier that was not initialised");
  return found->second;
}

void finish_phase(MemoryBarrier& barrier) {
  if (barrier.pending > 0 || barrier.bytes != 0) return;
  barrier.phase ^= 1;
  barrier.pending = barrier.count;
  machine->idle_turns = 0;
}

}  // namespace

void mbarrier_init(uint32_t address, uint32_t count) {
  shared_at(address, 8);
  if (address % 8 != 0) fail("a memory barrier that is not aligned");
  machine->memory_barriers[address] = {count, count, 0, 0};
}

void mbarrier_arrive(uint32_t address, uint32_t expected_bytes) {
  MemoryBarrier& barrier = memory_barrier(address);
  if (barrier.pending == 0) fail("more threads arrive at a memory barrier than it counts");
  barrier.bytes += expected_bytes;
  --barrier.pending;
  finish_phase(barrier);
}

void mbarrier_complete(uint32_t address, uint32_t bytes) {
  MemoryBarrier& barrier = memory_barrier(address);
  barrier.bytes -= bytes;
  finish_phase(barrier);
}

void mbarrier_wait(uint32_t address, uint32_t parity) {
  MemoryBarrier& barrier = memory_barrier(address);
  while (barrier.phase == parity) {
    machine->ready.insert(machine->ready.begin(), machine->current);
    self().waits_for = "waits at a memory barrier";
    back_to_scheduler();
  }
}

}  // namespace emulation
