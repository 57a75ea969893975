// The models of the catalogue: what a correct object of each kind does. See model.hpp for what a model is.
//
//   register         read → v · write v
//   cas-register     read → v · write v · cas [from to]: ok only if the value is `from`; failed and observed: only if it
//                    is not
//   kv               get → s · put s · append s, one string per key; a missing key reads "" (a nil result means the same)
//   mutex            acquire: only if free · release: only if held; any process may release, as one that crashed cannot
//   set              add e · read → all elements, in any order, each once · contains e → boolean
//   counter          add n · inc [n] · dec [n], 1 if n is nil · read → n; 64 bits, wrapping around
//   fifo-queue       enqueue v · dequeue → the oldest, or nil if there is none
//   unordered-queue  enqueue v · dequeue → any one that is there, or nil if there is none
//   stack            push v · pop → the newest, or nil if there is none
//   priority-queue   enqueue v · dequeue → the greatest, or nil if there is none; the value is its own priority:
//                    numbers by size, lists element by element, so [priority name] will do (states.hpp: by_priority)
//   unique-ids       generate → an id that was not given out before
//   append-list      append v · read → the list, oldest first (a nil result means the empty one)
//   fenced-mutex     acquire → token: only if free, and greater than every token before · release [token]: only if held,
//                    and under that token · write [token v]: only if no greater token was given out
//   fencing          acquire → token: greater than every token before · release: nothing · write [token v]: only if no
//                    greater token was given out. A lock that may end by itself, so that two may believe they hold it;
//                    what it protects must not believe both
//   lease            grant, keep, read → whether the key lives, and when that was asked and answered: see Lease
//
// The result of an operation that only changes something (write, put, append, add, inc, dec, enqueue, push, acquire,
// release) is not looked at. An open operation has whatever result the object would have given: step never refuses an open read,
// dequeue or get; an open cas whose `from` is not the value changes nothing.
//
// All are immutable and may be used by many threads at once. States are described in states.hpp.
#pragma once

#include <span>
#include <type_traits>
#include <variant>

#include <faultline/model.hpp>
#include <faultline/result.hpp>
#include <faultline/states.hpp>

namespace faultline {

// What a function's value must look like. `elements`: a list, or a tagged "set". `token_and_value`: a pair whose first is
// an integer. `sighting`: {"alive", "from", "to"} and perhaps "steady"; `renewal`: one that has "ttl" if it is alive.
enum class Shape : std::uint8_t {
  anything,
  pair,
  integer,
  optional_integer,
  string,
  optional_string,
  boolean,
  elements,
  optional_list,
  token_and_value,
  sighting,
  renewal
};

// "a pair [from to]", "an integer", …
std::string_view to_string(Shape shape);
[[nodiscard]] bool fits(Shape shape, const Value& value);

// What a function's argument is made of.
enum class Argument : std::uint8_t {
  nothing,   // it takes none; values on its invocation mean nothing
  invoked,   // the invocation's value, or if that is nil an ok completion's
  restated,  // an ok completion's value, or if that is nil the invocation's
};

// One function of a model. Call::input is its argument and must look like `input`; Call::output is what an ok
// completion returned and must look like `output`, or null where `returns` is false: then the completion's value says
// nothing new. `reads`: it returns the object's value; under NilRead::unknown a nil result matches anything.
struct FunctionSpec {
  std::string_view f;
  Argument argument = Argument::nothing;
  Shape input = Shape::anything;
  bool returns = false;
  Shape output = Shape::anything;
  bool reads = false;
};

struct Register {
  static constexpr std::string_view name = "register";
  using State = Value;

  Value initial;

  static std::span<const FunctionSpec> functions();
  [[nodiscard]] static bool accepts(std::string_view f);
  [[nodiscard]] State init() const { return initial; }
  [[nodiscard]] std::optional<State> step(const State& state, const Call& call) const;
  [[nodiscard]] bool equal(const State& a, const State& b) const { return a == b; }
  [[nodiscard]] std::uint64_t hash(const State& state) const { return state.hash(); }
  [[nodiscard]] bool observer(const Call& call) const;
  [[nodiscard]] bool commute(const Call& a, const Call& b) const;
  [[nodiscard]] std::string describe(const State& state) const;
  [[nodiscard]] std::string explain(const State& state, const Call& call) const;
};

struct CasRegister {
  static constexpr std::string_view name = "cas-register";
  using State = Value;

  Value initial;

  static std::span<const FunctionSpec> functions();
  [[nodiscard]] static bool accepts(std::string_view f);
  [[nodiscard]] State init() const { return initial; }
  [[nodiscard]] std::optional<State> step(const State& state, const Call& call) const;
  [[nodiscard]] bool equal(const State& a, const State& b) const { return a == b; }
  [[nodiscard]] std::uint64_t hash(const State& state) const { return state.hash(); }
  [[nodiscard]] bool observer(const Call& call) const;  // also a failed cas, and one from a value to itself
  [[nodiscard]] bool commute(const Call& a, const Call& b) const;
  [[nodiscard]] std::string describe(const State& state) const;
  [[nodiscard]] std::string explain(const State& state, const Call& call) const;
};

struct Kv {
  static constexpr std::string_view name = "kv";
  using State = Text;

  std::string initial;

  static std::span<const FunctionSpec> functions();
  [[nodiscard]] static bool accepts(std::string_view f);
  [[nodiscard]] State init() const { return State(initial); }
  [[nodiscard]] std::optional<State> step(const State& state, const Call& call) const;
  [[nodiscard]] bool equal(const State& a, const State& b) const { return a == b; }
  [[nodiscard]] std::uint64_t hash(const State& state) const { return state.hash(); }
  [[nodiscard]] std::size_t weight(const State& state) const;
  [[nodiscard]] bool observer(const Call& call) const;  // also an append of ""
  [[nodiscard]] bool commute(const Call& a, const Call& b) const;
  [[nodiscard]] std::string describe(const State& state) const;
  [[nodiscard]] std::string explain(const State& state, const Call& call) const;
};

struct Mutex {
  static constexpr std::string_view name = "mutex";
  using State = bool;  // held

  bool initial = false;

  static std::span<const FunctionSpec> functions();
  [[nodiscard]] static bool accepts(std::string_view f);
  [[nodiscard]] State init() const { return initial; }
  [[nodiscard]] std::optional<State> step(State held, const Call& call) const;
  [[nodiscard]] bool equal(State a, State b) const { return a == b; }
  [[nodiscard]] std::uint64_t hash(State held) const { return held ? 1 : 0; }
  [[nodiscard]] bool observer(const Call& /*call*/) const { return false; }
  [[nodiscard]] std::string describe(State held) const;
  [[nodiscard]] std::string explain(State held, const Call& call) const;
};

struct Set {
  static constexpr std::string_view name = "set";
  using State = Bag;

  Bag initial;

  static std::span<const FunctionSpec> functions();
  [[nodiscard]] static bool accepts(std::string_view f);
  [[nodiscard]] State init() const { return initial; }
  [[nodiscard]] std::optional<State> step(const State& state, const Call& call) const;
  [[nodiscard]] bool equal(const State& a, const State& b) const { return a == b; }
  [[nodiscard]] std::uint64_t hash(const State& state) const { return state.hash(); }
  [[nodiscard]] std::size_t weight(const State& state) const;
  [[nodiscard]] bool observer(const Call& call) const;
  [[nodiscard]] bool commute(const Call& a, const Call& b) const;
  [[nodiscard]] std::string describe(const State& state) const;
  [[nodiscard]] std::string explain(const State& state, const Call& call) const;
};

struct Counter {
  static constexpr std::string_view name = "counter";
  using State = std::int64_t;

  std::int64_t initial = 0;

  static std::span<const FunctionSpec> functions();
  [[nodiscard]] static bool accepts(std::string_view f);
  [[nodiscard]] State init() const { return initial; }
  [[nodiscard]] std::optional<State> step(State state, const Call& call) const;
  [[nodiscard]] bool equal(State a, State b) const { return a == b; }
  [[nodiscard]] std::uint64_t hash(State state) const;
  [[nodiscard]] bool observer(const Call& call) const;
  [[nodiscard]] bool commute(const Call& a, const Call& b) const;
  [[nodiscard]] std::string describe(State state) const;
  [[nodiscard]] std::string explain(State state, const Call& call) const;
};

struct FifoQueue {
  static constexpr std::string_view name = "fifo-queue";
  using State = Line;

  Line initial;

  static std::span<const FunctionSpec> functions();
  [[nodiscard]] static bool accepts(std::string_view f);
  [[nodiscard]] State init() const { return initial; }
  [[nodiscard]] std::optional<State> step(const State& state, const Call& call) const;
  [[nodiscard]] bool equal(const State& a, const State& b) const { return a == b; }
  [[nodiscard]] std::uint64_t hash(const State& state) const { return state.hash(); }
  [[nodiscard]] std::size_t weight(const State& state) const;
  [[nodiscard]] bool observer(const Call& call) const;  // a dequeue that found nothing
  [[nodiscard]] bool commute(const Call& a, const Call& b) const;
  [[nodiscard]] std::string describe(const State& state) const;
  [[nodiscard]] std::string explain(const State& state, const Call& call) const;
};

// An open dequeue took one element, nobody knows which. It is kept as a debt: some element, at this moment or later, is
// gone. Later is no more than an open operation may do anyway, and only finding the queue empty calls debts in. So step
// stays a function.
struct UnorderedQueue {
  static constexpr std::string_view name = "unordered-queue";
  struct State {
    Bag bag;
    std::size_t debts = 0;
    friend bool operator==(const State&, const State&) = default;
  };

  Bag initial;

  static std::span<const FunctionSpec> functions();
  [[nodiscard]] static bool accepts(std::string_view f);
  [[nodiscard]] State init() const { return {.bag = initial}; }
  [[nodiscard]] std::optional<State> step(const State& state, const Call& call) const;
  [[nodiscard]] bool equal(const State& a, const State& b) const { return a == b; }
  [[nodiscard]] std::uint64_t hash(const State& state) const;
  [[nodiscard]] std::size_t weight(const State& state) const;
  [[nodiscard]] bool observer(const Call& /*call*/) const { return false; }
  [[nodiscard]] bool commute(const Call& a, const Call& b) const;
  [[nodiscard]] std::string describe(const State& state) const;
  [[nodiscard]] std::string explain(const State& state, const Call& call) const;
};

struct Stack {
  static constexpr std::string_view name = "stack";
  using State = Pile;

  Pile initial;

  static std::span<const FunctionSpec> functions();
  [[nodiscard]] static bool accepts(std::string_view f);
  [[nodiscard]] State init() const { return initial; }
  [[nodiscard]] std::optional<State> step(const State& state, const Call& call) const;
  [[nodiscard]] bool equal(const State& a, const State& b) const { return a == b; }
  [[nodiscard]] std::uint64_t hash(const State& state) const { return state.hash(); }
  [[nodiscard]] std::size_t weight(const State& state) const;
  [[nodiscard]] bool observer(const Call& call) const;  // a pop that found nothing
  [[nodiscard]] bool commute(const Call& a, const Call& b) const;
  [[nodiscard]] std::string describe(const State& state) const;
  [[nodiscard]] std::string explain(const State& state, const Call& call) const;
};

struct PriorityQueue {
  static constexpr std::string_view name = "priority-queue";
  using State = Ranking;

  Ranking initial;

  static std::span<const FunctionSpec> functions();
  [[nodiscard]] static bool accepts(std::string_view f);
  [[nodiscard]] State init() const { return initial; }
  [[nodiscard]] std::optional<State> step(const State& state, const Call& call) const;
  [[nodiscard]] bool equal(const State& a, const State& b) const { return a == b; }
  [[nodiscard]] std::uint64_t hash(const State& state) const { return state.hash(); }
  [[nodiscard]] std::size_t weight(const State& state) const;
  [[nodiscard]] bool observer(const Call& call) const;  // a dequeue that found nothing
  [[nodiscard]] bool commute(const Call& a, const Call& b) const;
  [[nodiscard]] std::string describe(const State& state) const;
  [[nodiscard]] std::string explain(const State& state, const Call& call) const;
};

// An open generate gave out an id that nobody was told: it constrains nothing.
struct UniqueIds {
  static constexpr std::string_view name = "unique-ids";
  using State = Bag;  // the ids given out

  Bag initial;

  static std::span<const FunctionSpec> functions();
  [[nodiscard]] static bool accepts(std::string_view f);
  [[nodiscard]] State init() const { return initial; }
  [[nodiscard]] std::optional<State> step(const State& state, const Call& call) const;
  [[nodiscard]] bool equal(const State& a, const State& b) const { return a == b; }
  [[nodiscard]] std::uint64_t hash(const State& state) const { return state.hash(); }
  [[nodiscard]] std::size_t weight(const State& state) const;
  [[nodiscard]] bool observer(const Call& call) const;  // an open generate
  [[nodiscard]] bool commute(const Call& /*a*/, const Call& /*b*/) const { return true; }
  [[nodiscard]] std::string describe(const State& state) const;
  [[nodiscard]] std::string explain(const State& state, const Call& call) const;
};

struct AppendList {
  static constexpr std::string_view name = "append-list";
  using State = Line;

  Line initial;

  static std::span<const FunctionSpec> functions();
  [[nodiscard]] static bool accepts(std::string_view f);
  [[nodiscard]] State init() const { return initial; }
  [[nodiscard]] std::optional<State> step(const State& state, const Call& call) const;
  [[nodiscard]] bool equal(const State& a, const State& b) const { return a == b; }
  [[nodiscard]] std::uint64_t hash(const State& state) const { return state.hash(); }
  [[nodiscard]] std::size_t weight(const State& state) const;
  [[nodiscard]] bool observer(const Call& call) const;
  [[nodiscard]] bool commute(const Call& a, const Call& b) const;
  [[nodiscard]] std::string describe(const State& state) const;
  [[nodiscard]] std::string explain(const State& state, const Call& call) const;
};

// A lock whose holders are told a token that grows, so that what the lock protects can refuse a holder that was thought
// dead. Any process may release; a lock that expires by itself is a release that somebody asked for and that never
// returned. A write is accepted as long as no greater token was given out, also after its holder's release; the value
// written is not looked at.
//
// An open acquire took a token that nobody was told. The state then knows the least one it can have been; a release or
// write that names one settles it.
struct FencedMutex {
  static constexpr std::string_view name = "fenced-mutex";
  struct State {
    enum class Newest : std::uint8_t { nothing, exactly, at_least, anything };
    bool held = false;
    Newest newest = Newest::nothing;  // what is known of the last token given out
    std::int64_t token = 0;           // unless nothing or anything
    friend bool operator==(const State&, const State&) = default;
    // The last token given out can have been this one.
    [[nodiscard]] bool may_be(std::int64_t asked) const;
    // One can be given out after it that is this one.
    [[nodiscard]] bool may_be_followed_by(std::int64_t next) const;
  };

  std::optional<std::int64_t> initial;  // the last token given out before; free at first

  static std::span<const FunctionSpec> functions();
  [[nodiscard]] static bool accepts(std::string_view f);
  [[nodiscard]] State init() const;
  [[nodiscard]] std::optional<State> step(const State& state, const Call& call) const;
  [[nodiscard]] bool equal(const State& a, const State& b) const { return a == b; }
  [[nodiscard]] std::uint64_t hash(const State& state) const;
  [[nodiscard]] bool observer(const Call& call) const;  // an open write
  [[nodiscard]] std::string describe(const State& state) const;
  [[nodiscard]] std::string explain(const State& state, const Call& call) const;
};

// What fencing tokens promise by themselves, whoever believes to hold the lock: they grow, and what is protected refuses
// older ones. The states are those of a FencedMutex that is never held: a release changes nothing.
struct Fencing {
  static constexpr std::string_view name = "fencing";
  using State = FencedMutex::State;

  std::optional<std::int64_t> initial;  // the last token given out before

  static std::span<const FunctionSpec> functions();
  [[nodiscard]] static bool accepts(std::string_view f);
  [[nodiscard]] State init() const { return FencedMutex{initial}.init(); }
  [[nodiscard]] std::optional<State> step(const State& state, const Call& call) const;
  [[nodiscard]] bool equal(const State& a, const State& b) const { return a == b; }
  [[nodiscard]] std::uint64_t hash(const State& state) const { return FencedMutex{}.hash(state); }
  [[nodiscard]] bool observer(const Call& call) const;  // a release, an open write
  [[nodiscard]] std::string describe(const State& state) const;
  [[nodiscard]] std::string explain(const State& state, const Call& call) const;
};

// A key that lives as long as its lease is kept alive. Real time is data here: each result says when it was asked for and
// when the answer was there, in milliseconds of one steady clock that is the recorder's.
//
//   grant → {"alive" true, "from" a, "to" b, "ttl" t}   the key is there, under a lease of t
//   keep  → {"alive" true, "from" a, "to" b, "ttl" t}   the lease lives on; "alive" false: it is gone
//   read  → {"alive" …, "from" a, "to" b, "steady" s}   whether the key is there; "steady" may be missing
//
// What is judged, and why it is no false alarm:
//   - Whatever granted or renewed the lease did so after a, so the lease lives until a + t at least, less a fiftieth of t for clocks
//     that run apart. Only an answer that was there before that moment, and says that the key is gone, came too early.
//   - A key that is gone stays gone.
//   - It was renewed before b, so it ends at b + t. A system may legally be late: nobody can end leases while nobody leads, and a new
//     leader grants them their whole time again. So a read says by `steady` since when, as far as its recorder saw, the same leader has
//     answered without a break; then the key may live until `steady` or the last renewal, whichever is later, + t + `grace`. Without
//     `steady` no read comes too late, nor after a renewal of which nobody knows whether it arrived.
// An open grant or keep has any result and any time.
struct Lease {
  static constexpr std::string_view name = "lease";
  static constexpr std::int64_t grace = 5000;  // milliseconds
  struct State {
    enum class Phase : std::uint8_t { absent, alive, gone };
    Phase phase = Phase::absent;
    std::int64_t least = INT64_MIN;  // it lives until then at least
    std::int64_t most = INT64_MIN;   // the last renewal ends then; INT64_MAX: nobody knows
    std::int64_t ttl = 0;            // the longest it was granted
    friend bool operator==(const State&, const State&) = default;
  };

  static std::span<const FunctionSpec> functions();
  [[nodiscard]] static bool accepts(std::string_view f);
  [[nodiscard]] State init() const { return {}; }
  [[nodiscard]] std::optional<State> step(const State& state, const Call& call) const;
  [[nodiscard]] bool equal(const State& a, const State& b) const { return a == b; }
  [[nodiscard]] std::uint64_t hash(const State& state) const;
  [[nodiscard]] bool observer(const Call& call) const;  // a read that found the key, an open read
  [[nodiscard]] std::string describe(const State& state) const;
  [[nodiscard]] std::string explain(const State& state, const Call& call) const;
};

// What a result of the lease model says. REQUIRES: fits(Shape::sighting, result).
struct Sighting {
  bool alive = false;
  std::int64_t from = 0, to = 0;
  std::int64_t ttl = 0;  // 0: not said
  std::optional<std::int64_t> steady;

  static Sighting of(const Value& result);
  // Until when a renewal promises life at least, and when it ends. REQUIRES: alive, of a renewal.
  [[nodiscard]] std::int64_t least() const { return from + ttl - ttl / 50; }
  [[nodiscard]] std::int64_t end() const { return to + ttl; }
};

using AnyModel = std::variant<Register, CasRegister, Kv, Mutex, Set, Counter, FifoQueue, UnorderedQueue, Stack,
                              PriorityQueue, UniqueIds, AppendList, FencedMutex, Fencing, Lease>;

struct ModelOptions {
  // The state before the first operation: any value for a register, a string for kv, an integer for a counter, a
  // boolean for a mutex (held), a list for sets, queues, stacks (top last), ids and append lists, the last token for a
  // fenced mutex and for fencing; a lease has none. Null is each model's own beginning: nil, "", 0, free, empty, none.
  Value initial;
};

// The error is bad_input: an unknown name (it lists the known ones), or an initial value of the wrong shape.
Result<AnyModel> make_model(std::string_view name, const ModelOptions& options = {});

// Calls `callable` with the concrete model of that name.
template <class Callable>
auto with_model(std::string_view name, const ModelOptions& options, Callable&& callable)
    -> Result<std::invoke_result_t<Callable, const Register&>> {
  auto model = make_model(name, options);
  if (!model) return model.error();
  return std::visit([&](const auto& concrete) { return callable(concrete); }, model.value());
}

// The model's function of that name, or nullptr.
const FunctionSpec* find_function(std::span<const FunctionSpec> functions, std::string_view f);

// What to say when a model meets a function it does not know: what it knows, and which models know the function.
// `place` says where, e.g. "line 12".
Error unknown_function(std::string_view model, std::string_view f, std::string_view place);

}  // namespace faultline
