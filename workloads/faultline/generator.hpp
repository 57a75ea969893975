// Generator: what to do next, as an immutable value.
//
// Asked with op(context), a generator answers one of three things, and always with its successor:
//   invoke     this event, now, on this free worker; the successor stands for everything after it
//   pending    nothing before `until`, or before some event (until = never); the successor just noted that it was asked
//   exhausted  nothing, ever again
// and it is told of every event (invocations and completions) with update(context, event). Asking is free of effects:
// whoever asks and does not use the answer just keeps the old value. So a simulated clock tests a generator against the
// exact operations expected.
//
// Cost: values share their parts; a question or update costs a few small allocations per level of nesting, however many
// operations went before, and keeps nothing of them. Depth of recursion is the depth of nesting as written, never the
// number of operations.
//
// Chance: a node that draws takes an Rng of its own when it is built (fork one by name for each), so that two
// generators never draw from one stream and leaving one out does not change the others. Which free worker performs an
// operation is drawn from the context; the nemesis takes one only under on_nemesis().
//
// Instants are those of World::now(); time limits and sleeps begin when a generator is first asked. Not thread-safe:
// share a value between threads only if nobody asks it meanwhile.
//
// The vocabulary follows Jepsen's generators (jepsen.generator, 0.3). Example: ten keys, mixed reads and writes at
// 500/s for 30 s, while the nemesis cuts the network every 5 s:
//   Rng rng = Rng(seed).fork("workload");
//   Generator clients = stagger(rng.fork("pace"), 2ms, mix(rng.fork("mix"), {{1, reads}, {1, writes}}));
//   Generator faults = cycle(sequence({sleep(5s), Invocation{"start-partition", cut}, sleep(5s),
//                                      Invocation{"stop-partition", cut}}));
//   run({.main = time_limit(30s, by_role(clients, faults))}, world, {.concurrency = 10});
#pragma once

#include <faultline/context.hpp>
#include <faultline/event.hpp>
#include <faultline/rng.hpp>

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace faultline {

inline constexpr Instant never = Instant::max();

// What to do, without who and when.
struct Invocation {
  std::string f;
  Value value;
  Value key;
};

struct Step;

class Generator {
 public:
  // The way to write a generator of one's own. Const and without effects; `next` in a Step of a node's op() may be left
  // unset in a pending step that changes nothing; update() returns nullopt if the event changes nothing.
  struct Node {
    virtual ~Node() = default;
    [[nodiscard]] virtual Step op(const Context& context) const = 0;
    [[nodiscard]] virtual std::optional<Generator> update(const Context& context, const Event& event) const;
  };

  Generator() = default;             // exhausted
  Generator(Invocation invocation);  // NOLINT: implicit by design; one operation on any free client of the context
  explicit Generator(std::shared_ptr<const Node> node) : node_(std::move(node)) {}

  [[nodiscard]] Step op(const Context& context) const;
  [[nodiscard]] Generator update(const Context& context, const Event& event) const;

  // Built to be exhausted. A generator may also turn out so when it is asked.
  [[nodiscard]] bool empty() const { return node_ == nullptr; }
  // The very same value (not merely an equal one).
  [[nodiscard]] bool same_as(const Generator& other) const { return node_ == other.node_; }

 private:
  std::shared_ptr<const Node> node_;
};

template <class N, class... Arguments>
Generator make_generator(Arguments&&... arguments) {
  return Generator(std::make_shared<const N>(std::forward<Arguments>(arguments)...));
}

struct Step {
  enum class Kind : std::uint8_t { invoke, pending, exhausted };
  Kind kind = Kind::exhausted;
  Event event;                    // invoke: complete, with process and time
  Instant until = never;          // pending: ask again then, or after the next event
  std::optional<Generator> next;  // always set by Generator::op

  [[nodiscard]] bool is_invoke() const { return kind == Kind::invoke; }
  [[nodiscard]] bool is_pending() const { return kind == Kind::pending; }
  [[nodiscard]] bool is_exhausted() const { return kind == Kind::exhausted; }

  static Step exhausted() { return {}; }
  static Step pending(Instant until, std::optional<Generator> next = {}) {
    return {.kind = Kind::pending, .event = {}, .until = until, .next = std::move(next)};
  }
  // The invocation on a random one of context.ready(), or pending if none is free.
  static Step invoke(const Context& context, Invocation invocation, Generator next);
};

// --- operations ------------------------------------------------------------------------------------------------------
// One after the other, each once.
Generator operations(std::vector<Invocation> invocations);

// Whatever the function returns, for ever or until nullopt. The function must depend on its arguments alone.
//   function(rng.fork("writes"), [](const Context&, Rng& r) { return Invocation{"write", r.between(0, 4)}; })
using Draw = std::function<std::optional<Invocation>(const Context&, Rng&)>;
Generator function(Rng rng, Draw draw);

// A function with memory: it may change the state it is handed, a copy that goes to the successor. Keep the state
// small.
//   unfold<int>(rng, 0, [](int& n, const Context&, Rng&) { return Invocation{"write", ++n}; })      write 1, write 2, …
template <class State>
Generator unfold(Rng rng, State initial, std::function<std::optional<Invocation>(State&, const Context&, Rng&)> draw);

// Nothing, for that long from the first time it is asked; then exhausted.
Generator sleep(Duration duration);

// --- one after the other ---------------------------------------------------------------------------------------------
// Each until it is exhausted, then the next, even while operations of the former are outstanding.
Generator sequence(std::vector<Generator> generators);
// The same for generators made one by one from 0, until nullopt; nothing of those before is kept.
Generator sequence(std::function<std::optional<Generator>(std::uint64_t)> make);
// Waits until every worker of the context is free, then becomes the generator.
Generator synchronize(Generator generator);
// Like sequence, but each part begins only when every operation of the former has completed.
Generator phases(std::vector<Generator> generators);
// phases of two: `first`, and then `second`.
Generator then(Generator first, Generator second);
// Starts again whenever it is exhausted: cycle(operations({a, b})) is a b a b …; with a count, that many rounds.
Generator cycle(Generator generator);
Generator cycle(std::uint64_t rounds, Generator generator);
// Its first operation again and again: the generator does not advance. With a count, that many operations.
Generator repeat(Generator generator);
Generator repeat(std::uint64_t count, Generator generator);
// One operation from each in turn, until one of them is exhausted: start stop start stop …
Generator flip_flop(std::vector<Generator> generators);
// Until one of its own operations completes `ok`.
Generator until_ok(Generator generator);

// --- choosing --------------------------------------------------------------------------------------------------------
struct Weighted {
  double weight = 1;
  Generator generator;
};
// A random one per operation; waits for the chosen one, drops those exhausted. REQUIRES: weights finite, >= 0, one > 0.
Generator mix(Rng rng, std::vector<Weighted> choices);
// Whichever is ready first; a random one of several.
Generator any(std::vector<Generator> generators);

// --- how many, how fast ----------------------------------------------------------------------------------------------
Generator limit(std::uint64_t count, Generator generator);
// Until that long after it was first asked.
Generator time_limit(Duration duration, Generator generator);
// Random intervals, uniform in [0, 2 × mean), between all operations of the generator together. Makes up for a wait of
// at most one mean interval, so that a stall is not followed by a burst. REQUIRES: mean >= 0.
Generator stagger(Rng rng, Duration mean, Generator generator);
// The same with exact intervals.
Generator delay(Duration interval, Generator generator);

// --- which operations ------------------------------------------------------------------------------------------------
// `change` may replace anything but process, type and time.
Generator map(std::function<Event(Event)> change, Generator generator);
// Leaves out the operations that are not wanted. After a thousand refusals in a row it lets a millisecond pass, so that
// a predicate that refuses everything ends with the time limit instead of hanging.
Generator filter(std::function<bool(const Event&)> wanted, Generator generator);

// --- which workers ---------------------------------------------------------------------------------------------------
// The generator sees only these workers and their events.
Generator on_workers(WorkerSet workers, Generator generator);
Generator on_clients(Generator generator);
Generator on_nemesis(Generator generator);
// any({on_clients(clients), on_nemesis(nemesis)}).
Generator by_role(Generator clients, Generator nemesis);
// Every client of the context has the generator to itself: each_worker(limit(2, g)) is two operations on each.
Generator each_worker(Generator generator);
// The first `workers` clients for the first generator, the next for the second …; the other clients for the last.
struct Reserved {
  Worker workers = 0;
  Generator generator;
};
Generator reserve(std::vector<Reserved> reserved, Generator others);

// --- keys ------------------------------------------------------------------------------------------------------------
// What to do with the i-th key; nullopt ends the keys. Operations carry the key in Event::key.
struct Keyed {
  Value key;
  Generator generator;
};
using Keys = std::function<std::optional<Keyed>(std::uint64_t)>;
// One key after the other, with all workers.
Generator sequential_keys(Keys keys);
// Client workers form groups of that many (the last may be smaller); each group works on a key of its own until it is
// exhausted, then takes the next one. Keys are handed out in order. REQUIRES: workers_per_key >= 1.
Generator concurrent_keys(Worker workers_per_key, Keys keys);

// ---------------------------------------------------------------------------------------------------------------------
namespace detail {
template <class State>
struct Unfold final : Generator::Node {
  using Function = std::function<std::optional<Invocation>(State&, const Context&, Rng&)>;
  Unfold(Rng r, State s, std::shared_ptr<const Function> d)
      : rng(std::move(r)), state(std::move(s)), draw(std::move(d)) {}
  Step op(const Context& context) const override {
    if (context.ready().empty()) return Step::pending(never);
    Rng next_rng = rng;
    State next_state = state;
    auto invocation = (*draw)(next_state, context, next_rng);
    if (!invocation) return Step::exhausted();
    return Step::invoke(context, std::move(*invocation),
                        make_generator<Unfold>(std::move(next_rng), std::move(next_state), draw));
  }
  Rng rng;
  State state;
  std::shared_ptr<const Function> draw;
};
}  // namespace detail

template <class State>
Generator unfold(Rng rng, State initial, std::function<std::optional<Invocation>(State&, const Context&, Rng&)> draw) {
  using Node = detail::Unfold<State>;
  return make_generator<Node>(std::move(rng), std::move(initial),
                              std::make_shared<const typename Node::Function>(std::move(draw)));
}

}  // namespace faultline
