// Every engine against the dumb oracle on random tiny histories of every model. FL_TINY=N runs N histories per model.
#include <gtest/gtest.h>

#include <cstdlib>

#include <faultline/models.hpp>

#include "checker/engines.hpp"
#include "checker/prepare.hpp"
#include "checker/search/generic.hpp"
#include "oracle.hpp"
#include "tiny.hpp"

namespace faultline::test {
namespace {

std::uint64_t histories_per_model() {
  const char* wanted = std::getenv("FL_TINY");
  return wanted != nullptr ? std::strtoull(wanted, nullptr, 10) : 60'000;
}

template <Model M>
ModelRules rules_of(const M& model) {
  return {.model = M::name,
          .catalogued = true,
          .functions = M::functions(),
          .accepts = {},
          .observer = [model](const Call& call) { return model.observer(call); }};
}

struct Tally {
  std::uint64_t valid = 0, invalid = 0;
};

template <Model M>
void expect(const SearchResult& result, bool truth, const Items& items, const M& model, std::uint64_t seed,
            const History& history) {
  const bool may_decline = result.engine == "zones" || result.engine == "monitor" || result.engine == "versioned";
  const bool declined = may_decline && !result.reason.empty();
  if (declined) return;
  ASSERT_EQ(result.kind, truth ? VerdictKind::valid : VerdictKind::invalid)
      << "seed " << seed << ", model " << M::name << ", engine " << result.engine << "\n"
      << to_text(history);
  ASSERT_TRUE(legal_order(items, model, result.order, truth)) << "seed " << seed << ", engine " << result.engine << "\n"
                                                              << to_text(history);
  ASSERT_EQ(result.died_at == none, truth) << "seed " << seed << ", engine " << result.engine;
}

template <Model M>
void compare(const M& model, std::uint64_t seed, const std::vector<Engine>& engines, Tally& tally) {
  Rng rng = Rng(seed).fork(M::name);
  const History history = tiny_history(M::name, rng);
  const CheckOptions options{.failed_cas = rng.chance(0.5) ? FailedCas::observe : FailedCas::drop,
                             .nil_read = rng.chance(0.5) ? NilRead::unknown : NilRead::value};
  const auto prepared = prepare(history, rules_of(model), options);
  ASSERT_TRUE(prepared.ok()) << prepared.error().to_string();
  for (const KeyProblem& key : prepared.value().keys) {
    const bool truth = Oracle(key.items, model).linearizable();
    ++(truth ? tally.valid : tally.invalid);
    for (const GenericEngine engine : {GenericEngine::frontier, GenericEngine::depth_first}) {
      expect(search_generic(key.items, model, {}, engine), truth, key.items, model, seed, history);
    }
    for (const Engine& engine : engines) expect(engine(key.items, {}), truth, key.items, model, seed, history);
  }
}

class Differential : public testing::TestWithParam<std::string_view> {};

TEST_P(Differential, EnginesAgreeWithTryingAllOrders) {
  Tally tally;
  std::vector<Engine> engines;
  for (const std::string_view name : engine_names()) {
    // The generic searches are asked by themselves; only registers have others of these names.
    const bool generic = name == "generic" || name == "frontier" || name == "depth-first";
    if (name == "generic" || (generic && !GetParam().ends_with("register"))) continue;
    auto engine = make_engine(make_model(GetParam()).value(), name);
    ASSERT_TRUE(engine.ok());
    engines.push_back(std::move(engine).value());
  }
  for (std::uint64_t seed = 0; seed < histories_per_model(); ++seed) {
    const auto done = with_model(GetParam(), {}, [&](const auto& model) {
      compare(model, seed, engines, tally);
      return true;
    });
    ASSERT_TRUE(done.ok());
    if (HasFatalFailure()) return;
  }
  // Both answers must be common, or the test proves little.
  EXPECT_GT(tally.valid * 10, tally.invalid);
  EXPECT_GT(tally.invalid * 10, tally.valid);
}

INSTANTIATE_TEST_SUITE_P(Models, Differential, testing::ValuesIn(model_names().begin(), model_names().end()),
                         [](const auto& instance) {
                           std::string name(instance.param);
                           std::erase(name, '-');
                           return name;
                         });

}  // namespace
}  // namespace faultline::test
