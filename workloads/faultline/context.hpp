// Context: what a generator is told when it is asked: the time, and which workers it may use.
//
// A worker is a slot of concurrency: it performs one operation at a time, for one process. After an `info` its process
// retires and the worker goes on as process + concurrency, so process p always belongs to worker p % concurrency. The
// nemesis is worker -1 and process -1 for ever. Plain values; copying a Context costs about 350 bytes and no
// allocation.
#pragma once

#include <faultline/assert.hpp>
#include <faultline/event.hpp>
#include <faultline/rng.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <span>

namespace faultline {

using Worker = std::int32_t;
inline constexpr Worker nemesis_worker = -1;
inline constexpr Worker max_workers = 1023;  // of clients; a bound, so that sets of workers are plain bits

[[nodiscard]] constexpr Worker worker_of(Process process, std::size_t concurrency) {
  return process < 0 ? nemesis_worker : static_cast<Worker>(process % static_cast<Process>(concurrency));
}

// A set of workers in ascending order; the nemesis, if contained, comes first.
class WorkerSet {
 public:
  static WorkerSet of_clients(Worker count) {
    FL_ASSERT(count >= 0 && count <= max_workers);
    WorkerSet set;
    for (Worker w = 0; w < count; ++w) set.insert(w);
    return set;
  }
  static WorkerSet of(Worker worker) {
    WorkerSet set;
    set.insert(worker);
    return set;
  }

  void insert(Worker worker) {
    word(worker) |= bit(worker);
    used_ = std::max(used_, position(worker) / 64 + 1);
  }
  void erase(Worker worker) { word(worker) &= ~bit(worker); }
  [[nodiscard]] bool contains(Worker worker) const {
    return worker >= nemesis_worker && worker < max_workers && (words_[position(worker) / 64] & bit(worker)) != 0;
  }
  [[nodiscard]] bool empty() const {
    return std::all_of(words_.begin(), words_.begin() + used_, [](std::uint64_t w) { return w == 0; });
  }
  [[nodiscard]] std::size_t size() const {
    std::size_t count = 0;
    for (std::size_t i = 0; i < used_; ++i) count += static_cast<std::size_t>(std::popcount(words_[i]));
    return count;
  }
  // The n-th worker from 0. REQUIRES: n < size().
  [[nodiscard]] Worker nth(std::size_t n) const {
    for (std::size_t i = 0; i < used_; ++i) {
      const auto here = static_cast<std::size_t>(std::popcount(words_[i]));
      if (n >= here) {
        n -= here;
        continue;
      }
      std::uint64_t w = words_[i];
      for (; n > 0; --n) w &= w - 1;
      return static_cast<Worker>(i * 64 + static_cast<std::size_t>(std::countr_zero(w))) - 1;
    }
    FL_ASSERT(false && "no such worker");
  }

  friend WorkerSet operator&(const WorkerSet& a, const WorkerSet& b) {
    WorkerSet both;
    both.used_ = std::min(a.used_, b.used_);
    for (std::size_t i = 0; i < both.used_; ++i) both.words_[i] = a.words_[i] & b.words_[i];
    return both;
  }
  friend bool operator==(const WorkerSet& a, const WorkerSet& b) {
    return std::equal(a.words_.begin(), a.words_.begin() + std::max(a.used_, b.used_), b.words_.begin());
  }

 private:
  static std::size_t position(Worker worker) { return static_cast<std::size_t>(worker + 1); }
  static std::uint64_t bit(Worker worker) { return std::uint64_t{1} << (position(worker) % 64); }
  std::uint64_t& word(Worker worker) {
    FL_ASSERT(worker >= nemesis_worker && worker < max_workers);
    return words_[position(worker) / 64];
  }

  std::array<std::uint64_t, (max_workers + 1) / 64> words_{};
  std::size_t used_ = 0;  // no word from here on has a bit
};

struct Context {
  Instant now{};
  WorkerSet workers;                   // all this generator may ever use
  WorkerSet free;                      // those of them with nothing outstanding
  std::span<const Process> processes;  // the current process of each client worker; its size is the run's concurrency
  Rng rng{0};  // changes with every invocation taken; fork it by name, never draw from it directly

  [[nodiscard]] Process process_of(Worker worker) const {
    return worker == nemesis_worker ? nemesis_process : processes[static_cast<std::size_t>(worker)];
  }
  [[nodiscard]] Worker worker_of(Process process) const { return faultline::worker_of(process, processes.size()); }
  // Who may take an operation now. The nemesis takes none unless it is alone: operations for it are asked for by
  // on_nemesis().
  [[nodiscard]] WorkerSet ready() const {
    WorkerSet set = free;
    if (workers != WorkerSet::of(nemesis_worker)) set.erase(nemesis_worker);
    return set;
  }
  // The same moment seen by a part of the workers.
  [[nodiscard]] Context only(const WorkerSet& some) const {
    Context part = *this;
    part.workers = workers & some;
    part.free = free & some;
    return part;
  }
};

}  // namespace faultline
