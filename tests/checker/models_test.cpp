// What each model says of single calls.
#include <gtest/gtest.h>

#include <algorithm>

#include <faultline/checker.hpp>
#include <faultline/models.hpp>
#include <faultline/rng.hpp>

namespace faultline {
namespace {

Call did(std::string_view f, Value input = {}, Value output = {}) {
  return {.f = f, .input = std::move(input), .output = std::move(output), .result_known = true};
}
Call open(std::string_view f, Value input = {}) {
  return {.f = f, .input = std::move(input), .output = {}, .result_known = false};
}
Value list(std::initializer_list<Value> items) { return Value::list(items); }

// The state after calls that must all be legal, as text.
template <Model M>
std::string after(const M& model, std::initializer_list<Call> calls) {
  typename M::State state = model.init();
  for (const Call& call : calls) {
    const auto next = model.step(state, call);
    if (!next) return "refused " + std::string(call.f) + ": " + model.explain(state, call);
    EXPECT_EQ(model.explain(state, call), "");
    state = *next;
  }
  return model.describe(state);
}

TEST(Models, RegisterReadsWhatWasWrittenLast) {
  EXPECT_EQ(after(Register{0}, {did("read", {}, 0), did("write", 1), did("write", 2), did("read", {}, 2)}), "2");
  EXPECT_EQ(after(Register{}, {did("read")}), "nil");
  EXPECT_EQ(after(Register{0}, {did("write", 1), did("read", {}, 0)}),
            "refused read: returned 0, but the register holds 1");
  EXPECT_EQ(after(Register{0}, {open("read"), open("write", 4)}), "4");
}

TEST(Models, ValuesOfDifferentTypesAreDifferent) {
  EXPECT_EQ(after(Register{1}, {did("read", {}, 1.0)}), "refused read: returned 1.0, but the register holds 1");
  EXPECT_EQ(after(Register{Value::keyword("a")}, {did("read", {}, "a")}),
            "refused read: returned \"a\", but the register holds :a");
}

TEST(Models, CasSucceedsOnlyFromTheExpectedValue) {
  const CasRegister model{0};
  EXPECT_EQ(after(model, {did("cas", list({0, 3})), did("read", {}, 3)}), "3");
  EXPECT_EQ(after(model, {did("cas", list({1, 3}))}), "refused cas: expected 1, but the register holds 0");
  EXPECT_EQ(after(model, {open("cas", list({1, 3}))}), "0");
  EXPECT_EQ(after(model, {open("cas", list({0, 3}))}), "3");
}

TEST(Models, FailedCasObservesThatTheValueWasNotTheExpectedOne) {
  const CasRegister model{0};
  Call failed = did("cas", list({1, 2}));
  failed.failed = true;
  EXPECT_EQ(after(model, {failed}), "0");
  failed.input = list({0, 2});
  EXPECT_EQ(after(model, {failed}), "refused cas: failed, but the register holds 0, the value it expected");
}

TEST(Models, CasObserversAreReadsFailedCasAndCasToTheSameValue) {
  const CasRegister model{};
  Call failed = did("cas", list({1, 2}));
  EXPECT_FALSE(model.observer(failed));
  failed.failed = true;
  EXPECT_TRUE(model.observer(failed));
  EXPECT_TRUE(model.observer(open("cas", list({4, 4}))));
  EXPECT_TRUE(model.observer(did("read")));
  EXPECT_FALSE(model.observer(did("write", 1)));
}

TEST(Models, KvAppendsToTheEmptyStringAndPutReplaces) {
  EXPECT_EQ(
      after(Kv{}, {did("get", {}, ""), did("get"), did("append", "a"), did("append", "bc"), did("get", {}, "abc")}),
      "\"abc\"");
  EXPECT_EQ(after(Kv{"x"}, {did("append", "a"), did("put", "z"), did("append", ""), did("get", {}, "z")}), "\"z\"");
  EXPECT_EQ(after(Kv{}, {did("append", "a"), did("get", {}, "")}),
            "refused get: returned \"\", but the key holds \"a\"");
}

TEST(Models, MutexIsHeldByOneAndReleasedByAnyone) {
  EXPECT_EQ(after(Mutex{}, {did("acquire"), did("release"), did("acquire")}), "held");
  EXPECT_EQ(after(Mutex{}, {did("acquire"), did("acquire")}), "refused acquire: succeeded, but the lock is held");
  EXPECT_EQ(after(Mutex{}, {did("release")}), "refused release: succeeded, but the lock is free");
  EXPECT_EQ(after(Mutex{true}, {did("release")}), "free");
}

TEST(Models, SetReadsReturnEveryElementOnceInAnyOrder) {
  const std::initializer_list<Call> two{did("add", 2), did("add", 1), did("add", 2)};
  EXPECT_EQ(after(Set{}, two), "{1 2}");
  const auto reads = [](Value output) { return after(Set{}, {did("add", 2), did("add", 1), did("read", {}, output)}); };
  EXPECT_EQ(reads(list({1, 2})), "{1 2}");
  EXPECT_EQ(reads(Value::tagged("set", list({1, 2}))), "{1 2}");
  EXPECT_EQ(reads(list({2})), "refused read: did not return 1, which is in the set {1 2}");
  EXPECT_EQ(reads(list({1, 2, 3})), "refused read: returned 3, which is not in the set {1 2}");
  EXPECT_EQ(reads(list({1, 1})), "refused read: returned an element twice");
  EXPECT_EQ(reads(list({1, 2, 2})), "refused read: returned an element twice");
}

TEST(Models, SetContainsAnswersForOneElement) {
  EXPECT_EQ(after(Set{}, {did("contains", 1, false), did("add", 1), did("contains", 1, true)}), "{1}");
  EXPECT_EQ(after(Set{}, {did("contains", 1, true)}), "refused contains: answered true for 1, but the set is {}");
}

TEST(Models, CounterAddsWhatItIsTold) {
  EXPECT_EQ(after(Counter{}, {did("inc"), did("inc", 4), did("dec"), did("add", -10), did("read", {}, -6)}), "-6");
  EXPECT_EQ(after(Counter{5}, {did("read", {}, 4)}), "refused read: returned 4, but the counter stands at 5");
}

TEST(Models, CounterWrapsAroundLikeTheSixtyFourBitsItIs) {
  EXPECT_EQ(after(Counter{INT64_MAX}, {did("inc"), did("read", {}, Value(INT64_MIN))}), "-9223372036854775808");
}

TEST(Models, FifoQueueReturnsTheOldestOrNil) {
  EXPECT_EQ(after(FifoQueue{}, {did("dequeue"), did("enqueue", 1), did("enqueue", 2), did("dequeue", {}, 1)}), "[2]");
  EXPECT_EQ(after(FifoQueue{}, {did("enqueue", 1), did("enqueue", 2), did("dequeue", {}, 2)}),
            "refused dequeue: returned 2, but 1 is the oldest of [1 2]");
  EXPECT_EQ(after(FifoQueue{}, {did("enqueue", 1), did("dequeue")}),
            "refused dequeue: found nothing, but the queue is [1]");
  EXPECT_EQ(after(FifoQueue{}, {did("enqueue", 1), open("dequeue"), open("dequeue")}), "[]");
}

TEST(Models, UnorderedQueueReturnsAnythingThatIsThere) {
  EXPECT_EQ(after(UnorderedQueue{}, {did("enqueue", 1), did("enqueue", 2), did("dequeue", {}, 2)}), "{1}");
  EXPECT_EQ(after(UnorderedQueue{}, {did("dequeue", {}, 2)}), "refused dequeue: returned 2, but the queue is {}");
}

TEST(Models, AnOpenDequeueMayHaveTakenAnyElementOfAnUnorderedQueue) {
  const UnorderedQueue model;
  const auto both = {did("enqueue", 1), did("enqueue", 2), open("dequeue")};
  EXPECT_EQ(after(model, both), "{1 2}, less up to 1 taken unseen");
  for (const int left : {1, 2}) {
    EXPECT_EQ(
        after(model, {did("enqueue", 1), did("enqueue", 2), open("dequeue"), did("dequeue", {}, left), did("dequeue")}),
        "{}");
  }
  EXPECT_EQ(after(model, {did("enqueue", 1), did("enqueue", 2), open("dequeue"), did("dequeue")}),
            "refused dequeue: found nothing, but the queue is {1 2}, less up to 1 taken unseen");
}

TEST(Models, StackReturnsTheNewestOrNil) {
  EXPECT_EQ(after(Stack{}, {did("pop"), did("push", 1), did("push", 2), did("push", 3), did("pop", {}, 3)}), "[2 1]");
  EXPECT_EQ(after(Stack{}, {did("push", 1), did("push", 2), did("pop", {}, 1)}),
            "refused pop: returned 1, but 2 is on top of the stack [2 1]");
  EXPECT_EQ(after(Stack{}, {did("push", 1), did("pop")}),
            "refused pop: found nothing, but the stack is [1], top first");
  EXPECT_EQ(after(Stack{}, {did("pop", {}, 1)}), "refused pop: returned 1, but the stack is empty");
  EXPECT_EQ(after(Stack{}, {did("push", 1), did("push", 2), open("pop"), did("pop", {}, 1), open("pop")}), "[]");
}

TEST(Models, PriorityQueueReturnsTheGreatestOrNil) {
  const std::initializer_list<Call> three{did("dequeue"), did("enqueue", 2), did("enqueue", 9), did("enqueue", 2)};
  EXPECT_EQ(after(PriorityQueue{}, three), "{9 2 2}");
  EXPECT_EQ(after(PriorityQueue{}, {did("enqueue", 2), did("enqueue", 9), did("dequeue", {}, 9)}), "{2}");
  EXPECT_EQ(after(PriorityQueue{}, {did("enqueue", 2), did("enqueue", 9), did("dequeue", {}, 2)}),
            "refused dequeue: returned 2, but 9 is the greatest of {9 2}");
  EXPECT_EQ(after(PriorityQueue{}, {did("enqueue", 2), did("dequeue")}),
            "refused dequeue: found nothing, but the queue is {2}");
  EXPECT_EQ(after(PriorityQueue{}, {did("enqueue", 1), did("enqueue", 2), open("dequeue"), did("dequeue", {}, 1)}),
            "{}");
}

TEST(Models, PrioritiesAreComparedBySizeWhateverTheirKind) {
  const double infinite = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
  const std::vector<Value> ascending{nullptr,
                                     -infinite,
                                     INT64_MIN,
                                     -2.5,
                                     -2,
                                     -2.0,
                                     -1.5,
                                     -0.0,
                                     0.0,
                                     1,
                                     1.5,
                                     2,
                                     std::int64_t{9'007'199'254'740'992},
                                     9'007'199'254'740'992.0,
                                     std::int64_t{9'007'199'254'740'993},
                                     INT64_MAX,
                                     9'223'372'036'854'775'808.0,
                                     infinite,
                                     nan,
                                     "a",
                                     "b",
                                     list({1, "z"}),
                                     list({1.5, "a"}),
                                     list({2, "a"}),
                                     list({2, "b"})};
  for (std::size_t i = 0; i < ascending.size(); ++i) {
    for (std::size_t j = 0; j < ascending.size(); ++j) {
      EXPECT_EQ(by_priority(ascending[i], ascending[j]), i <=> j)
          << ascending[i].to_string() << " and " << ascending[j].to_string();
    }
  }
}

TEST(Models, UniqueIdsAreGivenOutOnce) {
  EXPECT_EQ(after(UniqueIds{}, {did("generate", {}, 4), did("generate", {}, "4"), open("generate")}), "{4 \"4\"}");
  EXPECT_EQ(after(UniqueIds{}, {did("generate", {}, 4), did("generate", {}, 4)}),
            "refused generate: returned 4, which was given out before");
}

TEST(Models, AppendListReadsReturnWhatWasAppendedInItsOrder) {
  const auto reads = [](Value output) {
    return after(AppendList{}, {did("append", 2), did("append", 1), did("append", 2), did("read", {}, output)});
  };
  EXPECT_EQ(reads(list({2, 1, 2})), "[2 1 2]");
  EXPECT_EQ(reads(list({2, 2, 1})), "refused read: returned [2 2 1], but the list is [2 1 2]");
  EXPECT_EQ(reads(list({2, 1})), "refused read: returned [2 1], but the list is [2 1 2]");
  EXPECT_EQ(after(AppendList{}, {did("read"), did("read", {}, list({})), open("append", 3), open("read")}), "[3]");
}

TEST(Models, FencedMutexGivesOutTokensThatGrow) {
  const FencedMutex model;
  EXPECT_EQ(after(model, {did("acquire", {}, 3), did("release"), did("acquire", {}, 5), did("release", 5)}),
            "free, last token 5");
  EXPECT_EQ(after(model, {did("acquire", {}, 3), did("release"), did("acquire", {}, 3)}),
            "refused acquire: got token 3, but the lock is free, last token 3");
  EXPECT_EQ(after(model, {did("acquire", {}, 3), did("acquire", {}, 4)}),
            "refused acquire: got token 4, but the lock is held, last token 3");
  EXPECT_EQ(after(model, {did("release")}), "refused release: succeeded, but the lock is free");
  EXPECT_EQ(after(model, {did("acquire", {}, 3), did("release", 2)}),
            "refused release: succeeded, but the lock is held, last token 3");
  EXPECT_EQ(after(FencedMutex{7}, {did("acquire", {}, 7)}),
            "refused acquire: got token 7, but the lock is free, last token 7");
}

TEST(Models, FencedMutexRefusesAWriteOnceANewerTokenWasGivenOut) {
  const auto write = [](int token) { return did("write", list({token, 0})); };
  const FencedMutex model;
  EXPECT_EQ(after(model, {did("acquire", {}, 3), write(3), did("release"), write(3)}), "free, last token 3");
  EXPECT_EQ(after(model, {did("acquire", {}, 3), did("release"), did("acquire", {}, 4), write(3)}),
            "refused write: with token 3 succeeded, but the lock is held, last token 4");
  EXPECT_EQ(after(model, {write(3)}), "refused write: with token 3 succeeded, but the lock is free");
}

TEST(Models, AnOpenAcquireOfAFencedMutexTookSomeGreaterToken) {
  const auto write = [](int token) { return did("write", list({token, 0})); };
  const FencedMutex model;
  const auto begin = {did("acquire", {}, 3), did("release"), open("acquire")};
  EXPECT_EQ(after(model, begin), "held, last token at least 4");
  EXPECT_EQ(after(model, {did("acquire", {}, 3), did("release"), open("acquire"), write(9), did("release", 9)}),
            "free, last token 9");
  EXPECT_EQ(after(model, {did("acquire", {}, 3), did("release"), open("acquire"), write(3)}),
            "refused write: with token 3 succeeded, but the lock is held, last token at least 4");
  EXPECT_EQ(
      after(model, {did("acquire", {}, 3), did("release"), open("acquire"), did("release"), did("acquire", {}, 4)}),
      "refused acquire: got token 4, but the lock is free, last token at least 4");
  EXPECT_EQ(after(model, {open("acquire"), did("release"), did("acquire", {}, -5)}), "held, last token -5");
}

TEST(Models, AreFoundByNameWithTheirInitialValue) {
  for (const std::string_view name : model_names()) {
    const auto found = with_model(name, {}, [](const auto& model) { return std::string(model.name); });
    ASSERT_TRUE(found.ok());
    EXPECT_EQ(found.value(), name);
  }
  const auto described = [](std::string_view name, Value initial) {
    const auto text = with_model(name, {.initial = std::move(initial)},
                                 [](const auto& model) { return model.describe(model.init()); });
    return text.ok() ? text.value() : text.error().message;
  };
  EXPECT_EQ(described("cas-register", 7), "7");
  EXPECT_EQ(described("kv", "seven"), "\"seven\"");
  EXPECT_EQ(described("counter", 7), "7");
  EXPECT_EQ(described("mutex", true), "held");
  EXPECT_EQ(described("set", list({2, 1, 2})), "{1 2}");
  EXPECT_EQ(described("fifo-queue", list({2, 1})), "[2 1]");
  EXPECT_EQ(described("unordered-queue", list({2, 1, 2})), "{1 2 2}");
  EXPECT_EQ(described("stack", list({2, 1})), "[1 2]");
  EXPECT_EQ(described("priority-queue", list({2, 1, 2})), "{2 2 1}");
  EXPECT_EQ(described("unique-ids", list({2, 1})), "{1 2}");
  EXPECT_EQ(described("append-list", list({2, 1})), "[2 1]");
  EXPECT_EQ(described("fenced-mutex", 7), "free, last token 7");
  EXPECT_EQ(described("counter", "x"), "the initial value of counter must be an integer, found \"x\"");
}

TEST(Models, AnUnknownNameIsAnsweredWithTheNearestOne) {
  const auto made = make_model("cas-registr");
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.error().kind, ErrorKind::bad_input);
  EXPECT_NE(made.error().remedy.find("did you mean cas-register?"), std::string::npos);
}

// --- the states of larger models ---------------------------------------------------------------------------

TEST(States, AChangeLeavesTheOldStateAsItWas) {
  const Bag one = Bag().with(1);
  const Bag two = one.with(2);
  EXPECT_EQ(one.size(), 1U);
  EXPECT_EQ(two.without(1).sorted(), std::vector<Value>{2});
  EXPECT_EQ(two.size(), 2U);
  const Line line = Line().pushed(1).pushed(2);
  EXPECT_EQ(line.popped().front(), Value(2));
  EXPECT_EQ(line.front(), Value(1));
}

TEST(States, EqualContentIsEqualHoweverItCameAbout) {
  Rng rng(7);
  for (int round = 0; round < 200; ++round) {
    std::vector<Value> values;
    for (int i = 0; i < 20; ++i) values.emplace_back(static_cast<std::int64_t>(rng.below(10)));
    Bag a, b;
    for (const Value& value : values) a = a.with(value);
    b = b.with(99);
    rng.shuffle(std::span(values));
    for (const Value& value : values) b = b.with(value);
    EXPECT_FALSE(a == b);
    b = b.without(99);
    EXPECT_TRUE(a == b);
    EXPECT_EQ(a.hash(), b.hash());
    std::sort(values.begin(), values.end());
    EXPECT_EQ(a.sorted(), values);
  }
  const Line a = Line().pushed(0).pushed(1).popped().pushed(2).pushed(3).popped();
  const Line b = Line().pushed(2).pushed(3);
  EXPECT_TRUE(a == b);
  EXPECT_EQ(a.hash(), b.hash());
  EXPECT_FALSE(a == Line().pushed(3).pushed(2));
  const Text c = Text("ab").appended("c").appended("def");
  EXPECT_TRUE(c == Text("abcd").appended("ef"));
  EXPECT_EQ(c.hash(), Text("abcdef").hash());
  EXPECT_TRUE(c == std::string_view("abcdef"));
  EXPECT_FALSE(c == Text("abcdeg"));
  EXPECT_EQ(c.to_string(), "abcdef");
}

TEST(States, ARankingKnowsItsGreatestAndItsContentDecidesEquality) {
  Rng rng(8);
  for (int round = 0; round < 200; ++round) {
    std::vector<Value> values;
    for (int i = 0; i < 20; ++i) values.emplace_back(static_cast<std::int64_t>(rng.below(10)));
    Ranking a, b;
    for (const Value& value : values) a = a.with(value);
    rng.shuffle(std::span(values));
    for (const Value& value : values) b = b.with(value);
    EXPECT_TRUE(a == b);
    EXPECT_EQ(a.hash(), b.hash());
    std::sort(values.begin(), values.end());
    EXPECT_EQ(a.sorted(), values);
    for (; !values.empty(); values.pop_back()) {
      EXPECT_EQ(a.greatest(), values.back());
      a = a.without(a.greatest());
    }
    EXPECT_TRUE(a == Ranking());
  }
}

TEST(States, APileIsEqualToOneOfTheSameContent) {
  const Pile a = Pile().pushed(1).pushed(9).popped().pushed(2);
  EXPECT_TRUE(a == Pile().pushed(1).pushed(2));
  EXPECT_EQ(a.hash(), Pile().pushed(1).pushed(2).hash());
  EXPECT_FALSE(a == Pile().pushed(2).pushed(1));
  EXPECT_FALSE(a == a.popped());
  EXPECT_EQ(a.items(), (std::vector<Value>{2, 1}));
  EXPECT_TRUE(a.popped().popped() == Pile());
}

TEST(States, LongChainsAreFreedWithoutDeepRecursion) {
  Line line;
  Text text;
  Pile pile;
  for (std::int64_t i = 0; i < 300'000; ++i) {
    line = line.pushed(Value(i));
    pile = pile.pushed(Value(i));
    text = text.appended("x");
  }
  EXPECT_EQ(line.popped().size(), 299'999U);
  EXPECT_EQ(text.size(), 300'000U);
  EXPECT_EQ(pile.popped().size(), 299'999U);
}

}  // namespace
}  // namespace faultline
