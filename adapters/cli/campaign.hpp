// Campaign: many seeds of one simulated run, on all cores, and what they showed, the same whatever the number of threads.
//
// Seeds are handed out in order. When one fails, no larger one begins, those under way are finished, and the smallest that failed
// counts: what is told does not depend on who was faster. One seed of twenty runs twice, and everything it did must be the same.
#pragma once

#include <faultline/raft/sim/simulation.hpp>

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace faultline::cli {

// Faults of one kind, over runs.
struct KindCount {
  std::size_t faults = 0, runs = 0, bit = 0;  // runs that had some, and those in which one had an effect
};

struct SeedResult {
  std::uint64_t seed = 0;
  bool done = false;
  std::string signature, sentence;  // empty: nothing failed
  std::vector<std::string> detectors;
  std::string failure;     // not empty: of no use
  bool bad_input = false;  // because of the options
  std::string mismatch;    // not empty: the second run of this seed differed, and where
  bool repeated = false, undecided = false, vacuous = false, quiet = false, excused = false;
  std::uint64_t hash = 0, steps = 0, operations = 0, ok = 0, leader_changes = 0;
  std::map<std::string, KindCount> faults;  // by kind, of this run
  Duration virtual_time{};

  [[nodiscard]] bool bad() const { return !signature.empty() || !failure.empty() || !mismatch.empty(); }
};

struct CampaignResult {
  std::vector<SeedResult> seeds;                // in order, from the first; those that count
  std::map<std::string, std::uint64_t> probes;  // hits, of all of them
  bool interrupted = false;
};

class Campaign {
 public:
  struct Options {
    std::uint64_t first = 0, last = 0;
    raft::sim::SimRun run;  // `seed` is filled in
    bool keep_going = false;
    unsigned threads = 1;
    std::function<bool()> interrupted;                                    // polled
    std::function<void(std::uint64_t done, std::uint64_t bad)> progress;  // from the calling thread
  };
  explicit Campaign(Options options);
  CampaignResult run();

 private:
  void work();
  void take(SeedResult result, const std::map<std::string, std::uint64_t>& probes);

  Options options_;
  std::atomic<std::uint64_t> next_{0};  // offset of the next seed
  std::atomic<std::uint64_t> stop_at_;  // offsets beyond this one do not begin
  std::atomic<std::uint64_t> finished_{0}, bad_{0};
  std::atomic<bool> interrupted_{false};
  std::mutex mutex_;
  std::vector<SeedResult> results_;
  std::map<std::string, std::uint64_t> probes_counted_;
};

// One seed of twenty.
[[nodiscard]] bool runs_twice(std::uint64_t seed);
// Why two runs of the same options differ: the first step, or the stream that drew more. Empty: they do not.
std::string difference(const raft::sim::SimRun& run, const raft::sim::SimResult& first,
                       const raft::sim::SimResult& second);

}  // namespace faultline::cli
