// How fast a native history is read: bytes and lines a second, one thread, from memory, so that no disk is measured.
//
//   cmake --preset bench && cmake --build --preset bench && build/bench/tests/bench/parse_bench
#include <faultline/formats.hpp>
#include <faultline/rng.hpp>

#include <benchmark/benchmark.h>

#include <algorithm>
#include <string>

namespace faultline {
namespace {

struct Mix {
  int clients = 10;
  int keys = 10;
  bool cas = false;        // a third of the operations, on 5 values; else reads and writes of unique values
  bool node = false;       // completions name the node that answered
  bool revisions = false;  // and carry a number that differs on every line
};

// A closed loop of clients: each step completes or invokes one of them. The values mean nothing; only their shape does.
std::string history_text(std::size_t operations, const Mix& mix) {
  Rng rng(7);
  std::string text;
  std::vector<std::optional<Event>> open(static_cast<std::size_t>(mix.clients));
  std::int64_t time = 0;
  std::int64_t fresh = 1'000'000;
  EventIndex index = 0;
  std::size_t invoked = 0;
  std::size_t completed = 0;
  while (completed < operations) {
    const std::size_t slot = rng.below(open.size());
    time += rng.between(100, 20'000);
    if (open[slot]) {
      Event event = *std::exchange(open[slot], std::nullopt);
      event.type = event.f == "cas" && rng.chance(0.5) ? EventType::fail : EventType::ok;
      event.time = Instant(Duration(time));
      if (event.f == "read") event.value = Value(mix.cas ? rng.between(0, 4) : rng.between(1'000'000, fresh));
      if (event.type == EventType::fail) event = event.with("error", "precondition-failed");
      if (mix.node) event = event.with("node", "n" + std::to_string(slot % 5 + 1));
      if (mix.revisions) event = event.with("revision", Value(static_cast<std::int64_t>(index) * 3));
      text += native_line(index++, event);
      ++completed;
    } else if (invoked < operations) {
      Event event{.process = static_cast<Process>(slot), .time = Instant(Duration(time))};
      const std::uint64_t kind = rng.below(mix.cas ? 3 : 2);
      event.f = kind == 0 ? "read" : kind == 1 ? "write" : "cas";
      if (kind == 1) event.value = mix.cas ? Value(rng.between(0, 4)) : Value(++fresh);
      if (kind == 2) event.value = Value::list({rng.between(0, 4), rng.between(0, 4)});
      if (mix.keys > 1) event.key = Value(rng.between(0, mix.keys - 1));
      text += native_line(index++, event);
      open[slot] = event;
      ++invoked;
    }
  }
  return text;
}

void parse(benchmark::State& state, const Mix& mix) {
  const auto operations = static_cast<std::size_t>(state.range(0));
  const std::string text = history_text(operations, mix);
  for (auto _ : state) {
    const auto read = read_history(text);
    if (!read.ok() || read.value().history.operation_count() != operations)
      state.SkipWithError("the history does not read");
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * text.size()));
  state.counters["operations/s"] =
      benchmark::Counter(static_cast<double>(state.iterations() * operations), benchmark::Counter::kIsRate);
}

BENCHMARK_CAPTURE(parse, register_10_keys, Mix{})->Arg(1'000'000)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(parse, register_1_key_100_clients, Mix{.clients = 100, .keys = 1})
    ->Arg(1'000'000)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(parse, cas_10_keys, Mix{.cas = true})->Arg(1'000'000)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(parse, register_nodes, Mix{.node = true})->Arg(1'000'000)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(parse, register_revisions, Mix{.node = true, .revisions = true})
    ->Arg(1'000'000)
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace faultline
