// Long histories, linearizable by construction but for one planted read: the core stays small enough to be read.
#include <gtest/gtest.h>

#include <algorithm>

#include <faultline/rng.hpp>

#include "checker/search/generic.hpp"
#include "support.hpp"

namespace faultline {
namespace {

struct Workload {
  std::size_t operations = 2000;
  std::size_t concurrency = 5;
  std::int64_t values = 5;  // 0: every write has its own
  bool cas = false;
  double info = 0;
};

// Clients of a correct register. Each operation takes effect at a random moment of its interval.
class Clients {
 public:
  Clients(const Workload& workload, std::uint64_t seed)
      : workload_(workload), rng_(seed), clients_(workload.concurrency) {
    for (std::size_t i = 0; i < clients_.size(); ++i) clients_[i].process = static_cast<Process>(i);
  }

  // The last read of the history returns a value that was overwritten long before it began.
  History with_stale_read() {
    while (history_.operation_count() < workload_.operations) step(clients_[rng_.below(clients_.size())]);
    for (Client& client : clients_) {
      while (client.operation != none) step(client);
    }
    const Value old = Value(next_value());
    write(old);
    Value newer = next_value();
    while (newer == old) newer = next_value();
    write(newer);
    const auto read = history_.invoke(1000, "read");
    history_.ok(read, old);
    return std::move(history_);
  }

 private:
  struct Client {
    Process process = 0;
    OperationIndex operation = none;
    std::string f;
    Value input, output;
    bool effective = false, refused = false;
  };

  Value next_value() {
    return workload_.values == 0
               ? Value(++written_)
               : Value(static_cast<std::int64_t>(rng_.below(static_cast<std::uint64_t>(workload_.values))));
  }

  void write(const Value& value) {
    const auto o = history_.invoke(999, "write", value);
    history_.ok(o, value);
  }

  void step(Client& client) {
    if (client.operation == none) return begin(client);
    if (!client.effective) return take_effect(client);
    finish(client);
  }

  void begin(Client& client) {
    const std::uint64_t dice = rng_.below(workload_.cas ? 3 : 2);
    client.f = dice == 0 ? "read" : dice == 1 ? "write" : "cas";
    client.input = dice == 0 ? Value() : dice == 1 ? next_value() : Value::list({next_value(), next_value()});
    client.effective = client.refused = false;
    client.operation = history_.invoke(client.process, client.f, client.input);
  }

  void take_effect(Client& client) {
    client.effective = true;
    if (client.f == "write") state_ = client.input;
    if (client.f == "read") client.output = state_;
    if (client.f != "cas") return;
    client.refused = state_ != client.input.as_list()[0];
    if (!client.refused) state_ = client.input.as_list()[1];
  }

  void finish(Client& client) {
    if (rng_.chance(workload_.info)) {
      history_.info(client.operation, "timeout");
      client.process += static_cast<Process>(workload_.concurrency);
    } else if (client.refused) {
      history_.fail(client.operation, "precondition-failed");
    } else {
      history_.ok(client.operation, client.f == "read" ? client.output : Value());
    }
    client.operation = none;
  }

  const Workload workload_;
  Rng rng_;
  std::vector<Client> clients_;
  History history_;
  Value state_;
  std::int64_t written_ = 0;
};

struct Explained {
  Anomaly anomaly;
  std::size_t searches = 0;
};

Explained explain_with_generic_engine(const History& history) {
  const CasRegister model;
  const ModelView view = view_of(model, "cas-register", {});
  const ModelRules rules{.model = "cas-register",
                         .catalogued = true,
                         .functions = CasRegister::functions(),
                         .accepts = {},
                         .observer = view.observer};
  const auto prepared = prepare(history, rules, {});
  FL_ASSERT(prepared.ok());
  const Items& items = prepared.value().keys[0].items;
  Explained explained;
  const Engine engine = [&](const Items& some, const Budget& budget) {
    ++explained.searches;
    return search_generic(some, model, budget);
  };
  const SearchResult found = engine(items, {});
  FL_ASSERT(found.kind == VerdictKind::invalid);
  explained.anomaly = explain(history, view, items, found, engine, {});
  return explained;
}

void expect_small_stale_read(const Workload& workload, std::size_t max_operations,
                             const std::vector<std::string>& classes) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    const History history = Clients(workload, seed).with_stale_read();
    const Explained explained = explain_with_generic_engine(history);
    const Anomaly& anomaly = explained.anomaly;
    const std::string text = "seed " + std::to_string(seed) + "\n" + to_script(history, anomaly);
    EXPECT_LE(anomaly.core.size() + anomaly.context.size(), max_operations) << text;
    EXPECT_NE(std::find(classes.begin(), classes.end(), anomaly.name), classes.end()) << text;
    EXPECT_TRUE(anomaly.one_minimal) << text;
    EXPECT_LT(explained.searches, 200U) << text;
    const Certificate certificate =
        make_certificate(history, "cas-register", {}, VerdictKind::invalid, {proof_of(anomaly)});
    const auto verified = verify(history, certificate);
    EXPECT_EQ(verified.value().outcome, Verification::Outcome::confirmed) << verified.value().reason;
    EXPECT_EQ(judge(minimal_history(history, anomaly), "cas-register").kind, VerdictKind::invalid) << text;
  }
}

TEST(LongHistory, StaleReadAmongUniqueValuesIsThreeOperations) {
  expect_small_stale_read({.values = 0}, 3, {"stale-read"});
}

TEST(LongHistory, StaleReadAmongFiveValuesIsThreeOperations) {
  expect_small_stale_read({.values = 5}, 3, {"stale-read"});
}

TEST(LongHistory, StaleReadBesideCasIsThreeOperations) {
  expect_small_stale_read({.values = 5, .cas = true}, 3, {"stale-read"});
}

TEST(LongHistory, StaleReadAmongUniqueValuesWithTimeoutsIsThreeOperations) {
  expect_small_stale_read({.operations = 1000, .values = 0, .info = 0.01}, 3, {"stale-read"});
}

// A budget that is spent at once leaves everything kept: too much to read, but nothing wrong.
TEST(LongHistory, WithoutBudgetTheCoreIsLargeButTrue) {
  const History history = Clients({.operations = 300, .values = 0}, 1).with_stale_read();
  const CasRegister model;
  const ModelView view = view_of(model, "cas-register", {});
  const ModelRules rules{.model = "cas-register",
                         .catalogued = true,
                         .functions = CasRegister::functions(),
                         .accepts = {},
                         .observer = view.observer};
  const auto prepared = prepare(history, rules, {});
  const Items& items = prepared.value().keys[0].items;
  const Engine engine = [&](const Items& some, const Budget& budget) { return search_generic(some, model, budget); };
  const SearchResult found = engine(items, {});
  const Anomaly anomaly = explain(history, view, items, found, engine, {.stop = [] { return true; }});
  EXPECT_FALSE(anomaly.one_minimal);
  EXPECT_GT(anomaly.core.size(), 250U);
  EXPECT_EQ(anomaly.name, "stale-read") << anomaly.sentence;
  const History minimal = minimal_history(history, anomaly);
  const auto again = prepare(minimal, rules, {});
  EXPECT_EQ(engine(again.value().keys[0].items, {}).kind, VerdictKind::invalid);
  const auto verified =
      verify(history, make_certificate(history, "cas-register", {}, VerdictKind::invalid, {proof_of(anomaly)}));
  EXPECT_NE(verified.value().outcome, Verification::Outcome::rejected) << verified.value().reason;
}

// A model nobody knows: no calls are assumed to mean anything, yet the core and the prefix are there.
struct Latch {
  using State = bool;
  bool init() const { return false; }
  std::optional<bool> step(bool set, const Call& call) const {
    if (call.f == "trip") return true;
    return call.result_known && call.output != Value(set) ? std::nullopt : std::optional(set);
  }
  bool equal(bool a, bool b) const { return a == b; }
};

TEST(OwnModel, IsExplainedWithoutKnowledgeOfItsCalls) {
  const History history =
      parse_history("0 invoke trip\n0 ok trip\n1 invoke look\n1 ok look true\n1 invoke look\n1 ok look false\n");
  const ModelView view = view_of(Latch(), "latch", {});
  const auto prepared = prepare(history, {.model = "latch", .functions = {}, .accepts = {}, .observer = {}}, {});
  ASSERT_TRUE(prepared.ok());
  const Items& items = prepared.value().keys[0].items;
  const Engine engine = [&](const Items& some, const Budget&) { return plain_engine(view, some); };
  const Anomaly anomaly = explain(history, view, items, plain_engine(view, items), engine, {});
  EXPECT_EQ(anomaly.name, "no-legal-order");
  EXPECT_EQ(
      anomaly.sentence,
      "After the longest legal prefix (2 operations, state = ?) the only operation that may come next is not legal.");
  EXPECT_EQ(anomaly.core, (std::vector<OperationIndex>{1, 2}));
  EXPECT_EQ(anomaly.context, (std::vector<OperationIndex>{0}));
  EXPECT_TRUE(anomaly.one_minimal);
}

}  // namespace
}  // namespace faultline
