// OnlineWatch: the online checker beside a run, in a thread of its own.
//
// Why a thread: the run loop stamps completions as they leave its sockets, so whatever it does between two of them is
// counted as the system's latency. Feeding a frontier takes microseconds as a rule and many milliseconds when a partition
// heals, which is just when latencies matter. So the loop only copies each event into a queue, which costs it a mutex
// nobody holds for longer than a swap; the thread empties the queue twenty times a second and looks ahead ten times a
// second. On a machine with one core it competes like any other process; it never makes the loop wait.
//
// The queue is bounded: a checker that falls 65,536 events behind gives up on the whole run (missing events would make
// false alarms), says so, and leaves everything to the check after the run.
//
// Thread rules: record(), tick() and the rest from the loop's thread. Nothing here reads a clock for a verdict: time
// is the world's, handed in. The destructor ends the thread, within one event.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <faultline/online.hpp>
#include <faultline/report.hpp>

namespace faultline::cli {

class OnlineWatch {
 public:
  static Result<std::unique_ptr<OnlineWatch>> start(std::string_view model, OnlineOptions options);
  ~OnlineWatch();
  OnlineWatch(const OnlineWatch&) = delete;
  OnlineWatch& operator=(const OnlineWatch&) = delete;

  // The next event of the history, and that time has passed.
  void record(const Event& event, Instant now);
  void tick(Instant now);

  // Violations found so far; cheap.
  [[nodiscard]] std::size_t violations() const;
  // The one found at that place of the order of finding. REQUIRES: it is there.
  [[nodiscard]] OnlineFinding violation(std::size_t i) const;
  // Ends the thread, and tells what it saw and did not see. Events still queued are left to the check after the run.
  OnlineInfo stop();

 private:
  struct Impl;
  explicit OnlineWatch(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// What is wrong if the check after the run calls a key valid in which the watch proved a violation; empty if nothing is.
std::string disagreement(const OnlineInfo& online, const Verdict& verdict);

}  // namespace faultline::cli
