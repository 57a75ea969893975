// How long the register engines take, each by itself, on synthetic histories.
//
//   cmake --preset bench && cmake --build --preset bench && build/bench/tests/bench/checker_register_bench
#include <benchmark/benchmark.h>

#include "checker/register/register.hpp"
#include "tests/support/synthetic.hpp"

namespace faultline {
namespace {

void check(benchmark::State& state, const synthetic::Options& options, RegisterEngine engine) {
  const History history = synthetic::history(options);
  for (auto _ : state) {
    const RegisterProblem problem = compile(history, {.initial = {}, .failed_cas = FailedCas::observe});
    const SearchResult result = search_register(problem, {}, engine);
    if (result.kind != (options.bad == synthetic::Bad::none ? VerdictKind::valid : VerdictKind::invalid)) {
      state.SkipWithError("wrong verdict");
    }
    state.counters["engine_bytes"] = static_cast<double>(result.cost.peak_bytes);
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * options.operations));
}

using synthetic::Bad;
using synthetic::Mix;
using synthetic::Values;

constexpr synthetic::Options few(std::size_t operations, unsigned clients, double info = 0, Bad bad = Bad::none) {
  return {.operations = operations, .clients = clients, .info = info, .bad = bad};
}

BENCHMARK_CAPTURE(check, few_20_frontier, few(100'000, 20), RegisterEngine::frontier)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(check, few_20_depth_first, few(100'000, 20), RegisterEngine::depth_first)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(check, few_20_automatic, few(100'000, 20), RegisterEngine::automatic)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(check, few_20_stale_frontier, few(100'000, 20, 0, Bad::stale), RegisterEngine::frontier)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(check, few_20_stale_automatic, few(100'000, 20, 0, Bad::stale), RegisterEngine::automatic)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(check, few_100_automatic, few(100'000, 100), RegisterEngine::automatic)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(check, few_200_automatic, few(100'000, 200), RegisterEngine::automatic)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(check, few_20_info_automatic, few(100'000, 20, 0.01), RegisterEngine::automatic)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(check, unique_100_zones,
                  synthetic::Options{.operations = 1'000'000, .clients = 100, .mix = Mix::rw, .values = Values::unique},
                  RegisterEngine::zones)
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace faultline
