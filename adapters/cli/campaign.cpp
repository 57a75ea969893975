#include "campaign.hpp"

#include <faultline/effects.hpp>
#include <faultline/rng.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "scenario.hpp"

namespace faultline::cli {

namespace {

using raft::sim::SimResult;
using raft::sim::SimRun;

SeedResult summary(const SimResult& result) {
  SeedResult seed{.seed = result.run.seed, .done = true, .signature = result.signature()};
  seed.sentence = sentence_of(result);
  seed.detectors = result.detectors();
  if (result.failure) {
    seed.failure = result.failure->to_string();
    seed.bad_input = result.failure->kind == ErrorKind::bad_input;
  }
  seed.undecided = !result.failure && result.verdict.kind == VerdictKind::unknown;
  seed.vacuous = !result.vacuous.empty();
  seed.quiet = result.run.schedule && result.run.schedule->decisions.empty();
  seed.excused = result.liveness.kind == raft::sim::Liveness::Kind::excused;
  seed.hash = result.hash;
  seed.steps = result.steps;
  seed.operations = result.history.operation_count();
  const auto ok = result.counters.find("operations ok");
  seed.ok = ok == result.counters.end() ? 0 : ok->second;
  seed.virtual_time = result.virtual_time;
  seed.leader_changes = leader_changes(result.history);
  for (const KindEffect& effect : fault_effects(result.history))
    seed.faults[effect.kind] = {.faults = effect.count, .runs = 1, .bit = effect.bit ? 1U : 0U};
  return seed;
}

}  // namespace

bool runs_twice(std::uint64_t seed) { return mix64(seed ^ 0x7477696365ULL) % 20 == 0; }

std::string difference(const SimRun& run, const SimResult& first, const SimResult& second) {
  if (first.hash == second.hash && first.draws == second.draws && first.steps == second.steps &&
      first.signature() == second.signature())
    return {};
  SimRun traced = run;
  traced.hash_every = 1;
  const SimResult a = raft::sim::run_simulation(traced), b = raft::sim::run_simulation(traced);
  const auto [x, y] = std::mismatch(a.hashes.begin(), a.hashes.end(), b.hashes.begin(), b.hashes.end());
  if (x != a.hashes.end() || y != b.hashes.end())
    return fmt::format("two runs of one seed differ from step {} on", x - a.hashes.begin() + 1);
  for (const auto& [stream, draws] : first.draws) {
    const auto other = second.draws.find(stream);
    if (other == second.draws.end() || other->second != draws)
      return fmt::format("two runs of one seed differ: the stream '{}' drew {} and {} times", stream, draws,
                         other == second.draws.end() ? 0 : other->second);
  }
  return fmt::format("two runs of one seed differ: hashes {:016x} and {:016x}, {} and {} steps; two more did not",
                     first.hash, second.hash, first.steps, second.steps);
}

Campaign::Campaign(Options options) : options_(std::move(options)), stop_at_(options_.last - options_.first) {}

void Campaign::work() {
  for (;;) {
    const std::uint64_t offset = next_.fetch_add(1);
    if (offset > stop_at_.load() || interrupted_.load()) return;
    SimRun run = options_.run;
    run.seed = options_.first + offset;
    const SimResult result = raft::sim::run_simulation(run);
    SeedResult seed = summary(result);
    if (runs_twice(run.seed) && !result.failure) {
      seed.repeated = true;
      seed.mismatch = difference(run, result, raft::sim::run_simulation(run));
    }
    take(std::move(seed), result.probes);
  }
}

void Campaign::take(SeedResult result, const std::map<std::string, std::uint64_t>& probes) {
  const std::uint64_t offset = result.seed - options_.first;
  const bool bad = result.bad();
  const bool ends = (bad && !options_.keep_going) || result.bad_input;
  const std::lock_guard lock(mutex_);
  if (results_.size() <= offset) results_.resize(offset + 1);
  results_[offset] = std::move(result);
  for (const auto& [name, hits] : probes) probes_counted_[name] += hits;
  ++finished_;
  bad_ += bad ? 1 : 0;
  if (ends) stop_at_ = std::min(stop_at_.load(), offset);
}

CampaignResult Campaign::run() {
  std::vector<std::jthread> threads;
  const auto wanted = std::min<std::uint64_t>(options_.threads, options_.last - options_.first + 1);
  std::atomic<unsigned> alive{static_cast<unsigned>(wanted)};
  for (std::uint64_t i = 0; i < wanted; ++i) {
    threads.emplace_back([this, &alive] {
      work();
      --alive;
    });
  }
  while (alive.load() > 0) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    if (options_.interrupted && options_.interrupted()) interrupted_ = true;
    if (options_.progress) options_.progress(finished_.load(), bad_.load());
  }
  threads.clear();
  CampaignResult result{.seeds = std::move(results_), .probes = std::move(probes_counted_)};
  result.interrupted = interrupted_.load();
  // Seeds beyond the one that ended it were under way by chance: they do not count.
  const std::uint64_t stopped = stop_at_.load();
  if (result.seeds.size() > stopped + 1) result.seeds.resize(stopped + 1);
  std::erase_if(result.seeds, [](const SeedResult& seed) { return !seed.done; });
  return result;
}

}  // namespace faultline::cli
