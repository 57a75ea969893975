// Long histories that are linearizable by construction must be valid, and must not be once a lie is planted.
#include <gtest/gtest.h>

#include <chrono>

#include <faultline/models.hpp>

#include "by_construction.hpp"
#include "checker/prepare.hpp"
#include "checker/search/generic.hpp"
#include "oracle.hpp"

namespace faultline::test {
namespace {

struct Case {
  Recipe recipe;
  VerdictKind expected;
};

std::string name_of(const Case& c) {
  std::string name(c.recipe.model);
  std::erase(name, '-');
  name += "_" + std::to_string(c.recipe.operations) + "_c" + std::to_string(c.recipe.clients);
  if (c.recipe.info > 0) name += "_info" + std::to_string(static_cast<int>(c.recipe.info * 1000));
  if (c.recipe.values == 0) name += "_unique";
  name += c.recipe.lie == Lie::none ? "" : c.recipe.lie == Lie::stale ? "_stale" : "_phantom";
  return name + "_seed" + std::to_string(c.recipe.seed);
}

class Construction : public testing::TestWithParam<Case> {};

TEST_P(Construction, VerdictIsTheOneBuiltIn) {
  const History history = by_construction(GetParam().recipe);
  const auto done = with_model(GetParam().recipe.model, {}, [&](const auto& model) {
    using M = std::decay_t<decltype(model)>;
    const ModelRules rules{.model = M::name,
                           .catalogued = true,
                           .functions = M::functions(),
                           .accepts = {},
                           .observer = [&](const Call& call) { return model.observer(call); }};
    const auto prepared = prepare(history, rules, {.failed_cas = FailedCas::observe});
    EXPECT_TRUE(prepared.ok());
    for (const KeyProblem& key : prepared.value().keys) {
      const auto begin = std::chrono::steady_clock::now();
      const auto late = [begin] { return std::chrono::steady_clock::now() - begin > std::chrono::seconds(60); };
      const SearchResult result = search_generic(key.items, model, {.stop = late});
      EXPECT_EQ(result.kind, GetParam().expected);
      EXPECT_TRUE(legal_order(key.items, model, result.order, result.kind == VerdictKind::valid));
    }
    return true;
  });
  ASSERT_TRUE(done.ok());
}

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const std::string_view model : model_names()) {
    if (model == "fencing" || model == "lease") continue;  // tests/workloads/holding_test.cpp constructs theirs
    for (const Lie lie : {Lie::none, Lie::stale, Lie::phantom}) {
      if ((model == "mutex" || model == "unique-ids") && lie == Lie::phantom) continue;
      all.push_back({{.model = model, .lie = lie}, lie == Lie::none ? VerdictKind::valid : VerdictKind::invalid});
    }
  }
  for (const std::string_view model : model_names()) {
    if (model == "fencing" || model == "lease") continue;  // tests/workloads/holding_test.cpp constructs theirs
    // These two have monitors; the general search, tested here, needs several times as long as for other models.
    const bool slow = model == "stack" || model == "priority-queue";
    all.push_back(
        {{.model = model, .operations = slow ? 3'000U : 10'000U, .clients = 20, .seed = 4}, VerdictKind::valid});
  }
  for (const std::string_view model : {"register", "cas-register", "kv", "mutex", "set"}) {
    all.push_back({{.model = model, .seed = 2, .info = 0.01}, VerdictKind::valid});
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Models, Construction, testing::ValuesIn(cases()),
                         [](const auto& instance) { return name_of(instance.param); });

}  // namespace
}  // namespace faultline::test
