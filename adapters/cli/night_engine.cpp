#include "night_engine.hpp"

#include <faultline/text.hpp>

#include <fmt/format.h>

#include <signal.h>

#include <algorithm>
#include <chrono>

#include "files.hpp"
#include "options.hpp"
#include "settings.hpp"
#include "units.hpp"

namespace faultline::cli {

namespace {

namespace fs = std::filesystem;
using night::Outcome;
using night::RunSpec;

constexpr double default_seconds_simulated = 1, default_seconds_beside_live = 6;
constexpr std::uint64_t mib = 1ULL << 20;

std::uint64_t now_ms() {
  using namespace std::chrono;
  return static_cast<std::uint64_t>(duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count());
}

// What the option is, given or not.
std::string option_of(const RunSpec& run, const char* name) {
  const auto given = run.options.find(name);
  if (given != run.options.end()) return given->second;
  return std::string(find_option(*find_verb("run"), name)->fallback);
}

double seconds_of(Duration d) { return std::chrono::duration<double>(d).count(); }

std::string duration_words(Duration d) {
  return fmt::format("{}ms", std::chrono::duration_cast<std::chrono::milliseconds>(d).count());
}

std::string in_one_line(const Error& error) {
  return error.remedy.empty() ? error.message : error.message + "; " + error.remedy;
}

}  // namespace

RunEstimate estimate_of(const night::Plan& plan, const RunSpec& run, const Pace& pace) {
  if (plan.simulated(run)) {
    return {.seconds = pace.simulated > 0 ? pace.simulated : default_seconds_simulated,
            .working_bytes = 2 * mib,
            .kept_bytes = 3 * 1024};
  }
  const double limit = seconds_of(parse_duration(option_of(run, "time-limit")).value());
  const double rate = parse_rate(option_of(run, "rate")).value_or(500);
  // Two events of an operation in the history, and about as much in the logs, the certificate and the page.
  constexpr double bytes_per_operation = 600;
  return {.seconds = limit + (pace.beside_live > 0 ? pace.beside_live : default_seconds_beside_live),
          .working_bytes = 4 * mib + static_cast<std::uint64_t>(limit * rate * bytes_per_operation),
          .kept_bytes = 24 * 1024};
}

Parallel parallel_of(const night::Budget& budget) {
  Parallel parallel;
  parallel.all = budget.parallel > 0 ? budget.parallel : core_count();
  parallel.live = std::min(
      parallel.all, budget.parallel_live > 0 ? budget.parallel_live : std::max<std::size_t>(1, parallel.all / 2));
  return parallel;
}

NightEstimate estimate_night(const night::Plan& plan, const night::Shard& shard, const NightFolder* folder,
                             const Pace& pace) {
  NightEstimate night;
  const Parallel parallel = parallel_of(plan.budget);
  double live = 0, simulated = 0, longest = 0;
  std::uint64_t most_working = 0;
  for (const RunSpec& run : plan.runs) {
    if (!shard.takes(run.index) || (folder != nullptr && folder->done(run.index))) continue;
    const RunEstimate one = estimate_of(plan, run, pace);
    plan.simulated(run) ? ++night.simulated : ++night.live;
    (plan.simulated(run) ? simulated : live) += one.seconds;
    longest = std::max(longest, one.seconds);
    most_working = std::max(most_working, one.working_bytes);
    night.kept_bytes += one.kept_bytes;
  }
  night.seconds = std::max(
      {longest, live / static_cast<double>(parallel.live), (live + simulated) / static_cast<double>(parallel.all)});
  night.working_bytes = most_working * std::min(parallel.all, night.live + night.simulated);
  return night;
}

NightEngine::NightEngine(const night::Plan& plan, const night::Shard& shard, NightFolder& folder, const Pace& pace,
                         Console& console)
    : plan_(plan),
      folder_(folder),
      console_(console),
      parallel_(parallel_of(plan.budget)),
      pace_(pace),
      program_(own_program()),
      interrupts_before_(interrupts()) {
  for (const RunSpec& run : plan.runs) {
    if (!shard.takes(run.index)) continue;
    ++of_all_;
    if (folder.done(run.index)) continue;
    (plan.simulated(run) ? simulated_ : live_).push_back(&run);
  }
  working_bytes_ = estimate_night(plan, shard, &folder, pace).working_bytes;
  kept_bytes_ = folder_bytes(folder.path() / "runs");
}

NightEngine::End NightEngine::run() {
  console_.phase("run", fmt::format("{} runs, {} at once, {} of them live", live_.size() + simulated_.size(),
                                    parallel_.all, parallel_.live));
  while (true) {
    if (interrupts() > interrupts_before_ + told_interrupts_) {
      end_.interrupted = true;
      end_.stopped = "It was interrupted; the same command goes on.";
      stop_children();
    }
    begin_runs();
    if (jobs_.empty()) break;
    std::vector<const Child*> children;
    for (const Job& job : jobs_) children.push_back(&*job.child);
    wait_for_any(children, std::chrono::milliseconds(500));
    for (auto job = jobs_.begin(); job != jobs_.end();) {
      look_after(*job);
      const auto ended = job->child->ended();
      if (!ended || go_on(*job, *ended)) {
        ++job;
        continue;
      }
      running_live_ -= plan_.simulated(*job->spec) ? 0 : 1;
      job = jobs_.erase(job);
    }
    tell();
  }
  return end_;
}

void NightEngine::begin_runs() {
  while (end_.stopped.empty() && jobs_.size() < parallel_.all) {
    const bool live = !live_.empty() && running_live_ < parallel_.live;
    if (!live && simulated_.empty()) return;
    if (watch_.elapsed() > plan_.budget.total) {
      end_.stopped = fmt::format("The budget of {} for all runs ended: {} runs were not begun.",
                                 to_text(plan_.budget.total), live_.size() + simulated_.size());
      return;
    }
    auto& queue = live ? live_ : simulated_;
    const RunSpec& spec = *queue.front();
    if (is_full(spec)) return;
    queue.pop_front();
    if (!begin(spec)) return;
  }
}

// On a full disk runs break, which says nothing of them: the campaign stops instead, and goes on when there is room.
bool NightEngine::is_full(const RunSpec& spec) {
  const std::uint64_t free = free_bytes(folder_.path()), needed = estimate_of(plan_, spec, pace_).working_bytes;
  if (free >= needed) return false;
  fail_with(Error::environment(fmt::format("{}: No space left on device: {} are free, and a run needs {}",
                                           folder_.path().string(), bytes_text(free), bytes_text(needed)),
                               "make room; the same command goes on"));
  return true;
}

bool NightEngine::begin(const RunSpec& spec) {
  Job& job = jobs_.emplace_back();
  job.spec = &spec;
  job.began = watch_.elapsed();
  job.began_ms = now_ms();
  // What a process that died has left here is of a run that was never finished.
  std::error_code ignored;
  fs::remove_all(folder_.path() / "runs" / spec.id, ignored);
  if (!start_run(job)) {
    jobs_.pop_back();
    return false;
  }
  running_live_ += plan_.simulated(spec) ? 0 : 1;
  return true;
}

bool NightEngine::start_run(Job& job) {
  // A run that outlives the process that began it may still write to its folder: another attempt takes another name.
  std::error_code error;
  const fs::path base = folder_.path() / "runs" / job.spec->id;
  for (int number = 1; job.folder.empty() || fs::exists(job.folder, error); ++number)
    job.folder = base / fmt::format("{}", number);
  fs::create_directories(job.folder, error);
  if (error) {
    fail_with(Error::environment(fmt::format("{}: cannot create it: {}", job.folder.string(), error.message()),
                                 "check that the folder is writable and has room"));
    return false;
  }
  job.step = Step::run;
  job.attempt_began = watch_.elapsed();
  std::vector<std::string> words = night::command_of(plan_, *job.spec);
  words.insert(words.end(), {"--json", "--quiet", "--out", job.folder.string()});
  if (!plan_.simulated(*job.spec) && job.spec->options.count("memory-limit") == 0)
    words.insert(words.end(),
                 {"--memory-limit",
                  fmt::format("{}MiB", std::max<std::uint64_t>(64, default_memory_limit() / parallel_.all / mib))});
  return start(job, program_, std::move(words), "", plan_.budget.run);
}

bool NightEngine::start(Job& job, const std::string& program, std::vector<std::string> words,
                        const std::string& path_first, Duration limit) {
  auto child = Child::start({.program = program,
                             .words = std::move(words),
                             .path_first = path_first,
                             .out = job.folder / "printed.json",
                             .err = job.folder / "said.txt",
                             .ends_at_once = plan_.simulated(*job.spec) || job.step == Step::shrink});
  if (!child) {
    fail_with(child.error());
    return false;
  }
  job.child.emplace(std::move(child).value());
  job.deadline = watch_.elapsed() + limit;
  job.warned = 0;
  return true;
}

// A child that takes too long is asked to end, then made to.
void NightEngine::look_after(Job& job) {
  constexpr std::array<Duration, 3> patience{std::chrono::seconds(0), std::chrono::seconds(20),
                                             std::chrono::seconds(30)};
  if (job.warned >= static_cast<int>(patience.size()) || watch_.elapsed() < job.deadline + patience[job.warned]) return;
  const bool at_once =
      plan_.simulated(*job.spec) || job.step == Step::shrink || ++job.warned == static_cast<int>(patience.size());
  if (at_once) job.warned = static_cast<int>(patience.size());
  job.child->signal(at_once ? SIGKILL : SIGTERM);
}

void NightEngine::stop_children() {
  told_interrupts_ = interrupts() - interrupts_before_;
  for (Job& job : jobs_) {
    if (job.child) job.child->signal(plan_.simulated(*job.spec) || job.step == Step::shrink ? SIGKILL : SIGTERM);
  }
}

std::string NightEngine::printed(const Job& job) const {
  const auto text = read_file(job.folder / "printed.json");
  return text ? text.value() : "";
}

bool NightEngine::go_on(Job& job, const ChildEnd& end) {
  // Of an interrupted run nothing is known: it is run anew when the campaign goes on.
  if (end_.interrupted || end_.failure) return false;
  const bool goes_on = job.step == Step::run      ? after_run(job, end)
                       : job.step == Step::shrink ? after_shrink(job)
                       : job.step == Step::faults ? after_faults(job)
                                                  : after_version(job, end);
  if (!goes_on && !end_.failure) finish(job);
  return goes_on;
}

bool NightEngine::after_run(Job& job, const ChildEnd& end) {
  const std::string output = printed(job);
  const std::string earlier = job.record.measured.earlier;
  job.record = night::read_outcome(plan_, *job.spec, end.exit_code, output);
  job.record.measured.earlier = earlier;
  job.record.measured.attempts = job.attempt;
  job.record.measured.seconds = seconds_of(watch_.elapsed() - job.attempt_began);
  job.directory = night::directory_in(plan_, *job.spec, output);
  if (job.warned > 0) {
    job.record.outcome = Outcome::broken;
    job.record.classes.clear();
    job.record.sentence = fmt::format("it took longer than {} (budget.run)", to_text(plan_.budget.run));
  } else if (end.signal != 0) {
    job.record.outcome = Outcome::broken;
    job.record.sentence = fmt::format("signal {} ended it", end.signal);
  }
  if (job.record.outcome == Outcome::broken && job.warned == 0) {
    const auto said = read_file(job.folder / "said.txt");
    if (said && !said.value().empty() && job.record.sentence.find("printed no result") != std::string::npos)
      job.record.sentence += ": " + clip(said.value(), 400);
  }
  if (job.record.outcome == Outcome::broken && is_full(*job.spec)) return false;
  // Options that make no sense do not make more the second time.
  if (job.record.outcome == Outcome::broken && end.exit_code != 64 && job.attempt <= plan_.budget.retries)
    return try_again(job);
  const bool shrinks =
      job.record.outcome == Outcome::invalid && job.spec->canary == night::none && plan_.budget.candidates > 0;
  return shrinks && begin_shrink(job);
}

bool NightEngine::try_again(Job& job) {
  job.record.measured.earlier = clip(job.record.sentence, 400);
  ++job.attempt;
  return start_run(job);
}

bool NightEngine::begin_shrink(Job& job) {
  if (job.directory.empty()) return begin_version(job);
  std::vector<std::string> words{"shrink",  job.directory,  "--json",
                                 "--quiet", "--time-limit", duration_words(plan_.budget.shrink)};
  if (plan_.simulated(*job.spec)) words.insert(words.end(), {"--candidates", std::to_string(plan_.budget.candidates)});
  job.step = Step::shrink;
  return start(job, program_, std::move(words), "", plan_.budget.shrink * 2 + std::chrono::seconds(30));
}

bool NightEngine::after_shrink(Job& job) {
  const fs::path directory = job.directory;
  if (plan_.simulated(*job.spec)) {
    if (const auto scenario = read_file(directory / "scenario.json"))
      night::add_scenario(job.record, printed(job), scenario.value());
  } else if (const auto minimal = read_file(directory / "minimal.jsonl")) {
    night::add_minimal(job.record, minimal.value());
  }
  return begin_faults(job);
}

// Runs it again and again with fewer faults: minutes, which a failure that everybody knows is not worth.
bool NightEngine::begin_faults(Job& job) {
  const RunSpec& spec = *job.spec;
  const bool known = night::known_for(plan_, plan_.cells[spec.cell], job.record.anomaly()) != nullptr;
  if (plan_.simulated(spec) || known || plan_.budget.shrink_live == Duration::zero()) return begin_version(job);
  job.step = Step::faults;
  std::vector<std::string> words{"shrink", job.directory, "--faults", "--json", "--quiet"};
  words.insert(words.end(), {"--time-limit", duration_words(plan_.budget.shrink_live), "--candidates",
                             std::to_string(plan_.budget.candidates)});
  return start(job, program_, std::move(words), "", plan_.budget.shrink_live + std::chrono::minutes(1));
}

bool NightEngine::after_faults(Job& job) {
  night::add_faults(job.record, printed(job));
  return begin_version(job);
}

// The first of the versions that fails, by halving: what fails once is taken to fail ever after. The last one is asked first: the failure
// may be of something that no version has.
bool NightEngine::begin_version(Job& job) {
  const auto& versions = plan_.targets[job.spec->target].versions;
  if (versions.empty()) return false;
  job.step = Step::version;
  job.low = 0;
  job.high = versions.size();
  job.probe = versions.size() - 1;
  return start_version(job);
}

bool NightEngine::start_version(Job& job) {
  std::error_code ignored;
  const std::string& path = plan_.targets[job.spec->target].versions[job.probe].path;
  const bool searched = fs::is_directory(path, ignored);
  std::vector<std::string> words = night::command_of(plan_, *job.spec);
  words.insert(words.end(), {"--json", "--quiet", "--out", (job.folder / "versions").string()});
  return start(job, searched ? program_ : path, std::move(words), searched ? path : "", plan_.budget.run);
}

bool NightEngine::after_version(Job& job, const ChildEnd& end) {
  const auto& versions = plan_.targets[job.spec->target].versions;
  const night::Record seen = night::read_outcome(plan_, *job.spec, end.exit_code, printed(job));
  const bool fails = seen.outcome == Outcome::invalid && night::same_class(seen.anomaly(), job.record.anomaly());
  if (job.high == versions.size()) {
    if (!fails) {
      job.record.first_failing = fmt::format("later than {}", versions.back().name);
      return false;
    }
    job.high = versions.size() - 1;
  } else if (fails) {
    job.high = job.probe;
  } else {
    job.low = job.probe + 1;
  }
  if (job.low >= job.high) {
    job.record.first_failing = versions[job.high].name;
    return false;
  }
  job.probe = job.low + (job.high - job.low) / 2;
  return start_version(job);
}

bool NightEngine::room() const { return free_bytes(folder_.path()) > 2 * working_bytes_; }

// Failures keep everything, as long as there is room; what is expected may take half of it. What passed keeps its summary.
void NightEngine::keep(Job& job) {
  std::error_code ignored;
  const fs::path base = folder_.path() / "runs" / job.spec->id;
  fs::remove_all(job.folder / "versions", ignored);
  fs::remove(job.folder / "latest", ignored);  // a link helps nobody in an artefact store
  const bool failed = job.record.outcome != Outcome::valid && !job.record.vacuous;
  const bool expected =
      job.spec->canary != night::none ||
      (failed && night::known_for(plan_, plan_.cells[job.spec->cell], job.record.anomaly()) != nullptr);
  const std::uint64_t bytes = folder_bytes(base);
  const std::uint64_t most = expected ? plan_.budget.disk / 2 : plan_.budget.disk;
  const bool whole = failed && kept_bytes_ + bytes <= most && room();
  if (whole) {
    kept_bytes_ += bytes;
    const fs::path kept = job.directory.empty() ? job.folder : fs::path(job.directory);
    job.record.measured.directory = kept.lexically_relative(folder_.path()).string();
    return;
  }
  if (!job.directory.empty()) {
    for (const char* name : {"verdict.json", "summary.md"}) {
      fs::rename(fs::path(job.directory) / name, base / name, ignored);
    }
  }
  for (fs::directory_iterator at(base, ignored), last; !ignored && at != last; at.increment(ignored)) {
    if (at->is_directory(ignored)) fs::remove_all(at->path(), ignored);
  }
  if (fs::is_empty(base, ignored)) fs::remove(base, ignored);
}

double NightEngine::Mean::of(const std::deque<const RunSpec*>& left, const night::Plan& plan, const Pace& pace) const {
  if (runs > 0) return seconds / static_cast<double>(runs);
  return left.empty() ? 0 : estimate_of(plan, *left.front(), pace).seconds;
}

void NightEngine::finish(Job& job) {
  Mean& mean = plan_.simulated(*job.spec) ? mean_simulated_ : mean_live_;
  mean.seconds += seconds_of(watch_.elapsed() - job.began);
  ++mean.runs;
  job.record.measured.began_ms = job.began_ms;
  job.record.measured.ended_ms = now_ms();
  keep(job);
  if (job.record.outcome == Outcome::invalid && job.spec->canary == night::none) {
    failed_ += night::known_for(plan_, plan_.cells[job.spec->cell], job.record.anomaly()) == nullptr ? 1 : 0;
    console_.log(fmt::format("{}  {}", job.spec->id, harmless_line(clip(job.record.sentence, 300))));
  }
  if (auto written = folder_.append(job.record); !written) fail_with(written.error());
}

void NightEngine::fail_with(Error error) {
  if (!end_.failure) {
    end_.stopped = "It stopped: " + in_one_line(error);
    end_.failure = std::move(error);
  }
  stop_children();
}

void NightEngine::tell() {
  const std::size_t done = folder_.done_count();
  double left = static_cast<double>(simulated_.size()) * mean_simulated_.of(simulated_, plan_, pace_) +
                static_cast<double>(live_.size()) * mean_live_.of(live_, plan_, pace_);
  for (const Job& job : jobs_)
    left += std::max(0.0, estimate_of(plan_, *job.spec, pace_).seconds - seconds_of(watch_.elapsed() - job.began));
  const auto seconds = static_cast<std::uint64_t>(left / static_cast<double>(std::max<std::size_t>(1, parallel_.all)));
  const std::string now = jobs_.empty() ? "" : "  " + jobs_.front().spec->id;
  console_.progress(fmt::format("{}/{} runs  {} failed  {} under way  eta {}:{:02}{}", done, of_all_, failed_,
                                jobs_.size(), seconds / 60, seconds % 60, now));
}

}  // namespace faultline::cli
