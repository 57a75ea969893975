// Properties over random histories of every model: what is proved is true, and what is true is proved.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include <faultline/rng.hpp>

#include "checker/proof/classify.hpp"
#include "support.hpp"
#include "tests/checker/tiny.hpp"

namespace faultline {
namespace {

CheckOptions random_options(std::string_view model, Rng& rng) {
  CheckOptions options;
  if (rng.chance(0.5)) options.failed_cas = FailedCas::observe;
  if (rng.chance(0.2)) options.nil_read = NilRead::unknown;
  const bool numeric = model == "register" || model == "cas-register" || model == "counter";
  if (numeric && rng.chance(0.5)) options.initial = static_cast<int>(rng.below(2));
  if (model == "mutex" && rng.chance(0.2)) options.initial = true;
  return options;
}

// A history and what it is judged with; printed when a claim fails.
struct Sample {
  std::uint64_t seed;
  std::string model;
  CheckOptions options;
  History history;

  [[nodiscard]] std::string text() const {
    return "seed " + std::to_string(seed) + ", model " + model + ", initial " + options.initial.to_string() +
           (options.failed_cas == FailedCas::observe ? ", failed-cas observe\n" : "\n") + test::to_text(history);
  }
};

Sample sample(std::string_view model, std::uint64_t seed, std::size_t operations = 7) {
  Rng rng = Rng(seed).fork(model);
  CheckOptions options = random_options(model, rng);
  return {seed, std::string(model), std::move(options), test::tiny_history(model, rng, operations)};
}

class EveryModel : public testing::TestWithParam<std::string_view> {};

// The same history with one operation's completion forgotten.
History with_relaxed(const History& history, OperationIndex relaxed) {
  History result;
  for (EventIndex i = 0; i < history.size(); ++i) {
    Event event = history.event(i);
    if (history.operation_of(i) == relaxed && event.type != EventType::invoke) {
      event.type = EventType::info;
      event.value = {};
    }
    FL_ASSERT(result.append(std::move(event)).ok());
  }
  return result;
}

// The operation at which the core begins, by its number in the minimal history; none if there is none.
OperationIndex start_in_minimal(const Anomaly& anomaly) {
  if (anomaly.since == none) return none;
  std::set<OperationIndex> shown(anomaly.core.begin(), anomaly.core.end());
  shown.insert(anomaly.context.begin(), anomaly.context.end());
  if (anomaly.contradicted != none) shown.insert(anomaly.contradicted);
  return static_cast<OperationIndex>(std::distance(shown.begin(), shown.find(anomaly.since)));
}

void expect_minimal_and_needed(const Sample& s, const Anomaly& anomaly) {
  const History minimal = minimal_history(s.history, anomaly);
  ASSERT_EQ(judge(minimal, s.model, s.options).kind, VerdictKind::invalid) << s.text() << "minimal:\n"
                                                                           << test::to_text(minimal);
  ASSERT_TRUE(anomaly.one_minimal) << s.text();
  // Without its start the small history may stay invalid: the start stands for all that was before it.
  const OperationIndex start = start_in_minimal(anomaly);
  for (OperationIndex o = 0; o < minimal.operation_count(); ++o) {
    if (minimal.outcome(o) != Outcome::ok || o == start) continue;
    ASSERT_EQ(judge(with_relaxed(minimal, o), s.model, s.options).kind, VerdictKind::valid)
        << s.text() << "operation " << o << " is not needed in the minimal history:\n"
        << test::to_text(minimal);
  }
}

TEST_P(EveryModel, EveryVerdictIsExplainedMinimallyAndItsCertificateVerifies) {
  int invalid = 0, valid = 0;
  for (std::uint64_t seed = 0; seed < 1500; ++seed) {
    const Sample s = sample(GetParam(), seed);
    const Judged judged = judge(s.history, s.model, s.options);
    (judged.kind == VerdictKind::invalid ? invalid : valid) += 1;
    const auto parsed = parse_certificate(to_json(judged.certificate));
    ASSERT_TRUE(parsed.ok()) << parsed.error().to_string();
    ASSERT_EQ(parsed.value(), judged.certificate);
    if (judged.certificate.keys.empty()) continue;  // nothing had to happen
    const auto verified = verify(s.history, parsed.value());
    ASSERT_TRUE(verified.ok()) << verified.error().to_string();
    ASSERT_EQ(verified.value().outcome, Verification::Outcome::confirmed) << s.text() << verified.value().reason;
    for (const Anomaly& anomaly : judged.anomalies) {
      ASSERT_FALSE(anomaly.sentence.empty());
      expect_minimal_and_needed(s, anomaly);
      if (HasFatalFailure()) return;
    }
  }
  EXPECT_GT(invalid, 100);
  EXPECT_GT(valid, 100);
}

// Any choice of what to keep, with any start that is allowed.
Choice random_choice(const ModelView& model, const Items& items, Rng& rng) {
  Choice choice;
  for (std::size_t i = 0; i < items.size(); ++i) choice.kept.push_back(rng.chance(0.7));
  const auto start = static_cast<std::uint32_t>(rng.below(items.size()));
  if (items[start].completed == none || !settles(model, items[start].call) || rng.chance(0.3)) return choice;
  choice.since = start;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const bool allowed = items[i].invoked > items[start].completed || is_blind(model, items[i].call);
    choice.kept[i] = choice.kept[i] && allowed;
  }
  choice.kept[start] = true;
  return choice;
}

// The heart of the matter, for the shrinker and, separately, for the verifier.
TEST_P(EveryModel, RelaxingAValidHistoryNeverMakesItInvalidNorIsSuchAProofConfirmed) {
  int checked = 0;
  for (std::uint64_t seed = 0; seed < 6000; ++seed) {
    const Sample s = sample(GetParam(), seed, 8);
    const ModelView model = view_by_name(s.model, s.options.initial);
    const Judged judged = judge(s.history, s.model, s.options);
    if (judged.kind != VerdictKind::valid) continue;
    Rng rng = Rng(seed).fork("choice");
    for (const KeyProblem& key : judged.prepared.keys) {
      if (key.items.empty()) continue;
      const Items small = relaxed(model, key.items, random_choice(model, key.items, rng));
      ASSERT_EQ(model.search(small, UINT64_MAX).kind, VerdictKind::valid) << s.text();

      Choice choice = random_choice(model, key.items, rng);
      KeyProof proof{.key = key.key, .kind = VerdictKind::invalid, .order = {}, .core = {}, .context = {}};
      for (const Item& item : relaxed(model, key.items, choice)) {
        (item.completed == none ? proof.context : proof.core).push_back(item.operation);
      }
      if (choice.since != none) proof.since = key.items[choice.since].operation;
      if (proof.core.empty()) continue;
      const Certificate lie = make_certificate(s.history, s.model, s.options, VerdictKind::invalid, {proof});
      const auto verified = verify(s.history, lie);
      ASSERT_TRUE(verified.ok());
      ASSERT_EQ(verified.value().outcome, Verification::Outcome::rejected) << s.text();
      ASSERT_NE(verified.value().reason.find("the core admits a legal order"), std::string::npos)
          << s.text() << verified.value().reason << "\n(the shrinker's context must satisfy the verifier)";

      // With less context the verifier must notice by itself what is missing, or find the legal order without it.
      std::erase_if(proof.context, [&](OperationIndex) { return rng.chance(0.5); });
      const auto poorer =
          verify(s.history, make_certificate(s.history, s.model, s.options, VerdictKind::invalid, {proof}));
      ASSERT_EQ(poorer.value().outcome, Verification::Outcome::rejected) << s.text() << poorer.value().reason;
      ++checked;
    }
  }
  EXPECT_GT(checked, 500);
}

// A class is a theorem: its premise cannot hold in a history that has a legal order, whatever is taken for the core.
TEST_P(EveryModel, NoClassIsNamedInAValidHistory) {
  for (std::uint64_t seed = 0; seed < 6000; ++seed) {
    const Sample s = sample(GetParam(), seed, 8);
    const ModelView model = view_by_name(s.model, s.options.initial);
    const Judged judged = judge(s.history, s.model, s.options);
    Rng rng = Rng(seed).fork("choice");
    for (const KeyProblem& key : judged.prepared.keys) {
      const bool bad = std::any_of(judged.anomalies.begin(), judged.anomalies.end(),
                                   [&](const Anomaly& a) { return a.key == key.key; });
      if (bad || key.items.empty()) continue;
      Choice choice = random_choice(model, key.items, rng);
      if (choice.since == none) choice.kept.assign(key.items.size(), true);
      std::vector<OperationIndex> core;
      for (std::size_t i = 0; i < key.items.size(); ++i) {
        if (choice.kept[i]) core.push_back(key.items[i].operation);
      }
      const OperationIndex since = choice.since == none ? none : key.items[choice.since].operation;
      const auto naming =
          classify(Facts(s.history, key.items, {.operations = core, .since = since}), s.model, s.options.initial);
      ASSERT_FALSE(naming.has_value()) << s.text() << naming->sentence;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, EveryModel, testing::ValuesIn(model_names().begin(), model_names().end()),
                         [](const auto& model) {
                           std::string name(model.param);
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace faultline
