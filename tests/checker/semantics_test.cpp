// What ok, fail, info, nil, keys and order mean, through the front door.
#include <gtest/gtest.h>

#include <faultline/checker.hpp>

namespace faultline {
namespace {

Value pair(Value a, Value b) { return Value::list({std::move(a), std::move(b)}); }

Verdict judged(const History& h, std::string_view model, CheckOptions options = {}) {
  auto verdict = check(h, model, options);
  EXPECT_TRUE(verdict.ok()) << verdict.error().to_string();
  return verdict.ok() ? std::move(verdict).value() : Verdict{};
}
VerdictKind kind(const History& h, std::string_view model, CheckOptions options = {}) {
  return judged(h, model, options).kind;
}

std::string error_of(const History& h, std::string_view model, CheckOptions options = {}) {
  const auto verdict = check(h, model, options);
  EXPECT_FALSE(verdict.ok());
  if (verdict.ok()) return {};
  EXPECT_EQ(verdict.error().kind, ErrorKind::bad_input);
  return verdict.error().to_string();
}

TEST(Semantics, TheTenLineProgramFindsTheStaleRead) {
  History h;
  auto w = h.invoke(0, "write", 1);
  h.ok(w);
  auto r = h.invoke(1, "read");
  h.ok(r, 0);
  auto v = check_linearizable(Register{0}, h);
  EXPECT_EQ(v.kind, VerdictKind::invalid);
  EXPECT_FALSE(v.reason.empty());
}

TEST(Semantics, AnEmptyHistoryIsUnknown) {
  const Verdict verdict = judged(History(), "register");
  EXPECT_EQ(verdict.kind, VerdictKind::unknown);
  EXPECT_NE(verdict.reason.find("Nothing to judge"), std::string::npos);
}

TEST(Semantics, OperationsThatTouchOverlap) {
  History h;
  auto w = h.invoke(0, "write", 1);
  auto r = h.invoke(1, "read");  // invoked before the write completes: either order is possible
  h.ok(w);
  h.ok(r);
  EXPECT_EQ(kind(h, "register"), VerdictKind::valid);
}

TEST(Semantics, AFailedOperationHadNoEffect) {
  History h;
  auto w = h.invoke(0, "write", 1);
  h.fail(w);
  auto r = h.invoke(1, "read");
  h.ok(r, 1);
  const Verdict verdict = judged(h, "register");
  EXPECT_EQ(verdict.kind, VerdictKind::invalid);
  EXPECT_EQ(verdict.failed_operations, 1U);
}

TEST(Semantics, AnOpenWriteMayTakeEffectAtAnyLaterTimeOrNever) {
  for (const bool seen_first : {true, false}) {
    History h;
    auto w = h.invoke(0, "write", 1);
    h.info(w, "timeout");
    auto r = h.invoke(1, "read");
    h.ok(r, seen_first ? Value(1) : Value());
    r = h.invoke(1, "read");
    h.ok(r, 1);
    EXPECT_EQ(kind(h, "register"), VerdictKind::valid);
    r = h.invoke(1, "read");
    h.ok(r);  // but having taken effect it cannot be undone
    EXPECT_EQ(kind(h, "register"), VerdictKind::invalid);
  }
}

TEST(Semantics, AnOpenWriteTakesEffectAtMostOnce) {
  History h;
  auto a = h.invoke(0, "write", 1);
  h.info(a);
  for (const int value : {1, 2, 1}) {
    if (value == 2) h.ok(h.invoke(1, "write", 2));
    auto r = h.invoke(1, "read");
    h.ok(r, value);
  }
  EXPECT_EQ(kind(h, "register"), VerdictKind::invalid);
}

TEST(Semantics, AFailedCasIsAnObservationOnlyIfTheObjectSaysSoOrOnRequest) {
  for (const bool says_so : {true, false}) {
    History h;
    auto w = h.invoke(0, "write", 1);
    h.ok(w);
    auto c = h.invoke(1, "cas", pair(1, 2));
    h.fail(c, says_so ? Value("precondition-failed") : Value("unavailable"));
    EXPECT_EQ(kind(h, "cas-register"), says_so ? VerdictKind::invalid : VerdictKind::valid);
    EXPECT_EQ(kind(h, "cas-register", {.failed_cas = FailedCas::observe}), VerdictKind::invalid);
    EXPECT_EQ(judged(h, "cas-register").failed_operations, says_so ? 0U : 1U);
  }
}

TEST(Semantics, ANilReadIsTheAbsentValueUnlessDeclaredUnknown) {
  History h;
  auto w = h.invoke(0, "write", 1);
  h.ok(w);
  auto r = h.invoke(1, "read");
  h.ok(r);
  EXPECT_EQ(kind(h, "register"), VerdictKind::invalid);
  const Verdict unknown = judged(h, "register", {.nil_read = NilRead::unknown});
  EXPECT_EQ(unknown.kind, VerdictKind::valid);
  ASSERT_EQ(unknown.ignored.size(), 1U);
  EXPECT_EQ(unknown.ignored[0], "1 reads of nil, which match anything");
}

TEST(Semantics, TheInitialValueIsAParameter) {
  History h;
  auto r = h.invoke(0, "read");
  h.ok(r, 5);
  EXPECT_EQ(kind(h, "register"), VerdictKind::invalid);
  EXPECT_EQ(kind(h, "register", {.initial = 5}), VerdictKind::valid);
}

TEST(Semantics, OpenObserversConstrainNothing) {
  History h;
  auto r = h.invoke(0, "read");
  h.info(r);
  h.invoke(1, "cas", pair(7, 7));
  auto w = h.invoke(2, "write", 1);
  h.ok(w);
  const Verdict verdict = judged(h, "cas-register");
  EXPECT_EQ(verdict.kind, VerdictKind::valid);
  EXPECT_EQ(verdict.open_operations, 2U);
  EXPECT_EQ(verdict.ignored.size(), 1U);
}

TEST(Semantics, TheCompletionsValueCountsForWritesUnlessItIsNil) {
  for (const bool restated : {true, false}) {
    History h;
    auto w = h.invoke(0, "write", 1);
    h.ok(w, restated ? Value(2) : Value());
    auto r = h.invoke(1, "read", 99);  // a value on a read's invocation means nothing
    h.ok(r, restated ? 2 : 1);
    EXPECT_EQ(kind(h, "register"), VerdictKind::valid);
  }
}

TEST(Semantics, KeysAreJudgedEachForItselfAndTheWorstComesFirst) {
  History h;
  for (const int key : {1, 2, 3}) {
    auto w = h.invoke(0, "write", key, key);
    h.ok(w);
    auto r = h.invoke(1, "read", {}, key);
    h.ok(r, key == 2 ? 9 : key);
  }
  for (const unsigned threads : {1U, 4U}) {
    const Verdict verdict = judged(h, "register", {.threads = threads});
    EXPECT_EQ(verdict.kind, VerdictKind::invalid);
    ASSERT_EQ(verdict.by_key.size(), 3U);
    EXPECT_EQ(verdict.by_key[0].key, Value(2));
    EXPECT_EQ(verdict.by_key[0].kind, VerdictKind::invalid);
    EXPECT_EQ(verdict.by_key[1].key, Value(1));
    EXPECT_EQ(verdict.by_key[2].key, Value(3));
    EXPECT_EQ(verdict.by_key[2].kind, VerdictKind::valid);
    ASSERT_EQ(verdict.anomalies.size(), 1U);
    EXPECT_EQ(verdict.anomalies[0].key, Value(2));
  }
}

TEST(Semantics, WhatTheModelDoesNotKnowIsAnErrorThatSaysWhoDoes) {
  History h;
  ASSERT_TRUE(h.append({.type = EventType::invoke, .process = 0, .f = "cas", .value = pair(1, 2), .line = 12}).ok());
  const std::string error = error_of(h, "register");
  EXPECT_NE(error.find("line 12: model register does not know cas; it knows read, write"), std::string::npos) << error;
  EXPECT_NE(error.find("cas is known to cas-register"), std::string::npos) << error;
}

TEST(Semantics, AValueOfTheWrongShapeIsAnErrorThatNamesLineAndShape) {
  History h;
  ASSERT_TRUE(h.append({.type = EventType::invoke, .process = 0, .f = "cas", .value = 3, .line = 4}).ok());
  EXPECT_EQ(error_of(h, "cas-register"), "line 4: cas wants a pair [from to], found 3");
  History counter;
  auto r = counter.invoke(0, "read");
  counter.ok(r);
  EXPECT_NE(error_of(counter, "counter").find("event 1: read returns an integer, found nil"), std::string::npos);
  EXPECT_EQ(kind(counter, "counter", {.nil_read = NilRead::unknown}), VerdictKind::valid);
}

TEST(Semantics, UnknownModelsAndEnginesAreErrors) {
  History h;
  EXPECT_NE(error_of(h, "cas").find("models: register"), std::string::npos);
  EXPECT_NE(error_of(h, "register", {.engine = "frontir"}).find("did you mean frontier?"), std::string::npos);
}

// --- a model of one's own ----------------------------------------------------------------------------------

// A register that only ever grows; three functions and nothing else.
struct Maximum {
  using State = std::int64_t;
  State init() const { return 0; }
  std::optional<State> step(const State& state, const Call& call) const {
    if (call.f == "raise") return std::max(state, call.input.as_integer());
    if (call.result_known && call.output != Value(state)) return std::nullopt;
    return state;
  }
  bool equal(const State& a, const State& b) const { return a == b; }
};

TEST(Semantics, AModelIsThreeFunctions) {
  History h;
  auto a = h.invoke(0, "raise", 5);
  auto b = h.invoke(1, "raise", 3);
  h.ok(a);
  h.ok(b);
  auto r = h.invoke(0, "get");
  h.ok(r, 5);
  EXPECT_EQ(check_linearizable(Maximum{}, h).kind, VerdictKind::valid);
  r = h.invoke(0, "get");
  h.ok(r, 3);
  const Verdict verdict = check_linearizable(Maximum{}, h);
  EXPECT_EQ(verdict.kind, VerdictKind::invalid);
  EXPECT_FALSE(verdict.reason.empty());
}

// --- the checker of many textbooks -------------------------------------------------------------------------

// Replays whatever ended in the order in which it ended: the end is taken for the moment of effect, and for a sign that there was one.
bool naive_by_end_time(const History& h, const Register& model) {
  Value state = model.init();
  for (EventIndex i = 0; i < h.size(); ++i) {
    if (h.type(i) == EventType::invoke) continue;
    const Operation operation = h.operation(h.operation_of(i));
    if (operation.f == "read" && !operation.is_ok()) continue;
    const Call call{.f = operation.f, .input = operation.input, .output = operation.output, .result_known = true};
    const auto next = model.step(state, call);
    if (!next) return false;
    state = *next;
  }
  return true;
}

TEST(Textbook, ReplayInOrderOfEndTimesRejectsAValidHistory) {
  History h;
  h.ok(h.invoke(0, "write", 0));
  auto slow = h.invoke(0, "write", 1);  // takes effect early, answers late
  auto seen = h.invoke(1, "read");
  h.ok(seen, 1);
  auto again = h.invoke(1, "read");
  h.ok(again, 1);
  h.ok(slow);
  EXPECT_FALSE(naive_by_end_time(h, {}));
  EXPECT_EQ(check_linearizable(Register{}, h).kind, VerdictKind::valid);
}

TEST(Textbook, ReplayInOrderOfEndTimesAcceptsAnInvalidHistory) {
  History h;
  h.ok(h.invoke(0, "write", 0));
  h.fail(h.invoke(0, "write", 1), "disk full");  // it ended, without effect
  h.ok(h.invoke(1, "read"), 1);
  h.ok(h.invoke(1, "read"), 1);
  EXPECT_EQ(h.operation_count(), 4U);
  EXPECT_TRUE(naive_by_end_time(h, {}));
  EXPECT_EQ(check_linearizable(Register{}, h).kind, VerdictKind::invalid);
}

}  // namespace
}  // namespace faultline
