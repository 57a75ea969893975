// The engine of a campaign: starts runs, as many at once as the budget says, looks after them, and writes down what each showed.
//
// Every run is a child process in a folder of its own (night_process.hpp), and goes through the same steps: the run, again if the harness
// could not finish it (a violation is never tried again), shrinking if it failed, the search for the first failing version if there are
// several; then its line in results.jsonl. Order of starting: as in the plan, live runs first, since they take longest. Nothing is kept
// in memory of a run that is done.
//
// One thread. Time is this machine's; what is found does not depend on it, but for what does not fit into a budget.
#pragma once

#include <faultline/result.hpp>

#include <deque>
#include <list>
#include <optional>
#include <string>

#include "console.hpp"
#include "night/plan.hpp"
#include "night/record.hpp"
#include "night/shard.hpp"
#include "night_folder.hpp"
#include "night_process.hpp"
#include "system.hpp"

namespace faultline::cli {

// Seconds one run takes, and the bytes it needs while it runs and after it passed.
struct RunEstimate {
  double seconds = 0;
  std::uint64_t working_bytes = 0, kept_bytes = 0;
};
// Seconds per run of earlier nights; 0: not known.
struct Pace {
  double simulated = 0, beside_live = 0;  // beside_live: what a live run takes besides its time limit
};
RunEstimate estimate_of(const night::Plan& plan, const night::RunSpec& run, const Pace& pace);

struct NightEstimate {
  std::size_t live = 0, simulated = 0;
  double seconds = 0;
  std::uint64_t working_bytes = 0, kept_bytes = 0;
};
// Of the runs that are not done.
NightEstimate estimate_night(const night::Plan& plan, const night::Shard& shard, const NightFolder* folder,
                             const Pace& pace);

struct Parallel {
  std::size_t all = 1, live = 1;
};
Parallel parallel_of(const night::Budget& budget);

class NightEngine {
 public:
  NightEngine(const night::Plan& plan, const night::Shard& shard, NightFolder& folder, const Pace& pace,
              Console& console);

  struct End {
    bool interrupted = false;
    std::string stopped;           // why not all runs were done
    std::optional<Error> failure;  // of the harness itself: a full disk
  };
  End run();

 private:
  enum class Step : std::uint8_t { run, shrink, faults, version };
  struct Job {
    const night::RunSpec* spec = nullptr;
    Step step = Step::run;
    std::size_t attempt = 1;
    std::filesystem::path folder;  // of this attempt
    std::optional<Child> child;
    Duration deadline{}, began{}, attempt_began{};
    int warned = 0;  // signals sent since the deadline
    night::Record record;
    std::string directory;                     // the run's, absolute or as the user would name it
    std::size_t low = 0, high = 0, probe = 0;  // versions: the first failing one is in [low, high]
    std::uint64_t began_ms = 0;
  };

  // Of the runs that are done, for the time that the others will take; an estimate until there are any.
  struct Mean {
    double seconds = 0;
    std::size_t runs = 0;
    [[nodiscard]] double of(const std::deque<const night::RunSpec*>& left, const night::Plan& plan,
                            const Pace& pace) const;
  };

  void begin_runs();
  bool is_full(const night::RunSpec& spec);
  bool begin(const night::RunSpec& spec);
  bool start(Job& job, const std::string& program, std::vector<std::string> words, const std::string& path_first,
             Duration limit);
  bool start_run(Job& job);
  void look_after(Job& job);
  // What comes after a step; true if the job goes on.
  bool go_on(Job& job, const ChildEnd& end);
  bool after_run(Job& job, const ChildEnd& end);
  bool after_shrink(Job& job);
  bool after_faults(Job& job);
  bool try_again(Job& job);
  bool begin_shrink(Job& job);
  bool begin_faults(Job& job);
  bool begin_version(Job& job);
  bool start_version(Job& job);
  bool after_version(Job& job, const ChildEnd& end);
  void finish(Job& job);
  void keep(Job& job);
  void fail_with(Error error);
  void tell();
  void stop_children();
  [[nodiscard]] bool room() const;
  [[nodiscard]] std::string printed(const Job& job) const;

  const night::Plan& plan_;
  NightFolder& folder_;
  Console& console_;
  Parallel parallel_;
  Stopwatch watch_;
  std::deque<const night::RunSpec*> live_, simulated_;
  std::list<Job> jobs_;
  std::size_t running_live_ = 0, of_all_ = 0, failed_ = 0;
  Mean mean_live_, mean_simulated_;
  Pace pace_;
  std::uint64_t kept_bytes_ = 0, working_bytes_ = 0;
  std::string program_;
  int interrupts_before_ = 0, told_interrupts_ = 0;
  End end_;
};

}  // namespace faultline::cli
