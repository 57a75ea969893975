// run(): the one loop that turns a generator and a world into a history. It knows neither sockets nor simulators.
//
// The loop drains completions before it asks the generator, records an invocation before the world sees it and a
// completion after the world has all of it. After `info` a process retires: its worker goes on as process +
// concurrency. Nothing is invented: whatever is still outstanding at the end stays open in the history.
//
// Every run ends the same way: no more operations → heal, and wait for its completion, which must carry no error → wait
// for the operations still outstanding (at most drain_limit) → final reads. Time comes from World::now() alone; one
// thread; nothing is thrown.
#pragma once

#include <faultline/generator.hpp>
#include <faultline/history.hpp>
#include <faultline/result.hpp>
#include <faultline/world.hpp>

#include <functional>
#include <optional>
#include <string_view>

namespace faultline {

struct Plan {
  Generator main;  // clients and nemesis; see by_role()
  Generator heal;  // for the nemesis alone, e.g. Invocation{"heal-all"}; runs even after a stop
  // For the clients, after healing, from what was recorded so far; not after Stop::finish. Null: none.
  std::function<Generator(const History&)> final;
};

enum class Stop : std::uint8_t {
  no,
  settle,  // what was looked for is found: generate nothing more; heal, drain and read as always
  finish,  // generate nothing more; drain and heal as always, skip the final reads
  abandon  // return at once with what was recorded; whoever owns the world heals it
};

enum class Phase : std::uint8_t { main, heal, drain, final_reads, done };
std::string_view to_string(Phase phase);

struct RunOptions {
  Worker concurrency = 10;                // 1 … max_workers
  std::uint64_t seed = 0;                 // decides which free worker takes an operation
  Duration time_limit = Duration::max();  // of the main phase
  // Not used by the loop: worlds hand it to their clients, so that one struct holds what a run was told.
  Duration operation_timeout = std::chrono::seconds(5);
  Duration drain_limit =
      std::chrono::seconds(15);  // for outstanding operations, after healing and after the final reads
  Duration heal_limit = std::chrono::seconds(60);   // for a fault still being applied, and healing
  Duration final_limit = std::chrono::seconds(30);  // for the final reads
  // Called with every event after it was recorded: the journal. An error stops the run; the history is kept.
  std::function<Result<void>(const Event&)> on_event;
  std::function<void(Phase)> on_phase;
  // Polled before every question, and at least ten times a second of the world's time. Never goes back.
  std::function<Stop()> stop;
};

struct RunResult {
  History history;
  // Why the run says nothing, or less than it should: a journal that could not be written, a world that broke its
  // contract, faults that could not be healed, a generator waiting for what cannot come. Events recorded until then are
  // in the history.
  std::optional<Error> failure;
  bool stopped = false;         // by options.stop
  std::size_t outstanding = 0;  // operations whose completion never came
  Instant main_ended{};         // when the generator was exhausted, its time was up or it was stopped
  Instant healed = never;       // when the completion of the heal phase came
};

[[nodiscard]] RunResult run(Plan plan, World& world, const RunOptions& options);

}  // namespace faultline
