#include <faultline/assert.hpp>
#include <faultline/checker.hpp>
#include <faultline/models.hpp>
#include <faultline/rng.hpp>
#include <faultline/text.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace faultline {

namespace {

constexpr std::size_t clip_limit = 80;

std::string shown(const Value& value) { return clip(value.to_string(), clip_limit); }

std::string shown(std::span<const Value> values, char open, char close) {
  std::string text(1, open);
  for (const Value& value : values) {
    if (text.size() > clip_limit) {
      text += fmt::format(" … {} in all", values.size());
      break;
    }
    if (text.size() > 1) text += ' ';
    text += value.to_string();
  }
  return text + close;
}

// REQUIRES: fits(Shape::elements, value).
std::span<const Value> elements_of(const Value& value) {
  return value.is_tagged() ? value.tagged_value().as_list() : value.as_list();
}

const Value& cas_from(const Call& call) { return call.input.as_list()[0]; }
const Value& cas_to(const Call& call) { return call.input.as_list()[1]; }

constexpr FunctionSpec reading(std::string_view f, Shape output) {
  return {.f = f, .returns = true, .output = output, .reads = true};
}
constexpr FunctionSpec changing(std::string_view f, Argument argument, Shape input) {
  return {.f = f, .argument = argument, .input = input};
}

constexpr std::array register_functions{
    reading("read", Shape::anything),
    changing("write", Argument::restated, Shape::anything),
};
constexpr std::array cas_register_functions{
    reading("read", Shape::anything),
    changing("write", Argument::restated, Shape::anything),
    changing("cas", Argument::restated, Shape::pair),
};
constexpr std::array kv_functions{
    reading("get", Shape::optional_string),
    changing("put", Argument::restated, Shape::string),
    changing("append", Argument::restated, Shape::string),
};
constexpr std::array mutex_functions{
    changing("acquire", Argument::nothing, Shape::anything),
    changing("release", Argument::nothing, Shape::anything),
};
constexpr std::array set_functions{
    changing("add", Argument::invoked, Shape::anything),
    reading("read", Shape::elements),
    FunctionSpec{.f = "contains", .argument = Argument::invoked, .returns = true, .output = Shape::boolean},
};
constexpr std::array counter_functions{
    changing("add", Argument::invoked, Shape::integer),
    changing("inc", Argument::invoked, Shape::optional_integer),
    changing("dec", Argument::invoked, Shape::optional_integer),
    reading("read", Shape::integer),
};
constexpr std::array queue_functions{
    changing("enqueue", Argument::invoked, Shape::anything),
    FunctionSpec{.f = "dequeue", .returns = true},
};
constexpr std::array stack_functions{
    changing("push", Argument::invoked, Shape::anything),
    FunctionSpec{.f = "pop", .returns = true},
};

constexpr std::array unique_ids_functions{
    FunctionSpec{.f = "generate", .returns = true},
};
constexpr std::array append_list_functions{
    changing("append", Argument::restated, Shape::anything),
    reading("read", Shape::optional_list),
};
constexpr std::array fenced_mutex_functions{
    FunctionSpec{.f = "acquire", .returns = true, .output = Shape::integer},
    changing("release", Argument::invoked, Shape::optional_integer),
    changing("write", Argument::restated, Shape::token_and_value),
};

constexpr std::array<std::string_view, 15> names{
    Register::name,    CasRegister::name,    Kv::name,    Mutex::name,         Set::name,       Counter::name,
    FifoQueue::name,   UnorderedQueue::name, Stack::name, PriorityQueue::name, UniqueIds::name, AppendList::name,
    FencedMutex::name, Fencing::name,        Lease::name};

// What a counter's call adds.
std::uint64_t amount(const Call& call) {
  const std::uint64_t n = call.input.is_null() ? 1 : static_cast<std::uint64_t>(call.input.as_integer());
  return call.f == "dec" ? 0 - n : n;
}

// Far beyond any run, and so that sums of a few do not wrap around.
bool is_moment(const Value& value) {
  constexpr std::int64_t farthest = std::int64_t{1} << 52;
  return value.is_integer() && value.as_integer() >= 0 && value.as_integer() < farthest;
}

bool is_sighting(const Value& value) {
  if (!value.get("alive").is_boolean() || !is_moment(value.get("from")) || !is_moment(value.get("to"))) return false;
  for (const char* name : {"ttl", "steady"}) {
    if (!value.get(name).is_null() && !is_moment(value.get(name))) return false;
  }
  return value.get("from").as_integer() <= value.get("to").as_integer();
}

// The elements, or nothing if one occurs twice.
bool has_repetition(std::span<const Value> elements) {
  std::vector<Value> sorted(elements.begin(), elements.end());
  std::sort(sorted.begin(), sorted.end());
  return std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end();
}

bool holds_exactly(const Bag& bag, std::span<const Value> elements) {
  if (bag.size() != elements.size()) return false;
  const bool all_there =
      std::all_of(elements.begin(), elements.end(), [&](const Value& element) { return bag.count(element) > 0; });
  return all_there && !has_repetition(elements);
}

std::string cas_refusal(const Value& state, const Call& call) {
  if (call.failed) return fmt::format("failed, but the register holds {}, the value it expected", shown(state));
  return fmt::format("expected {}, but the register holds {}", shown(cas_from(call)), shown(state));
}

}  // namespace

// --- shapes and names --------------------------------------------------------------------------------------

std::string_view to_string(Shape shape) {
  switch (shape) {
    case Shape::anything: return "any value";
    case Shape::pair: return "a pair [from to]";
    case Shape::integer: return "an integer";
    case Shape::optional_integer: return "an integer or nil";
    case Shape::string: return "a string";
    case Shape::optional_string: return "a string or nil";
    case Shape::boolean: return "true or false";
    case Shape::elements: return "a list or a set";
    case Shape::optional_list: return "a list or nil";
    case Shape::token_and_value: return "a pair [token value]";
    case Shape::sighting: return "a map of alive, from and to";
    case Shape::renewal: return "a map of alive, from and to, with ttl if it is alive";
  }
  FL_ASSERT(false && "unknown shape");
}

bool fits(Shape shape, const Value& value) {
  switch (shape) {
    case Shape::anything: return true;
    case Shape::pair: return value.is_pair();
    case Shape::integer: return value.is_integer();
    case Shape::optional_integer: return value.is_integer() || value.is_null();
    case Shape::string: return value.is_string();
    case Shape::optional_string: return value.is_string() || value.is_null();
    case Shape::boolean: return value.is_boolean();
    case Shape::elements:
      return value.is_list() || (value.is_tagged() && value.tag() == "set" && value.tagged_value().is_list());
    case Shape::optional_list: return value.is_list() || value.is_null();
    case Shape::token_and_value: return value.is_pair() && value.as_list()[0].is_integer();
    case Shape::sighting: return is_sighting(value);
    case Shape::renewal: return is_sighting(value) && (!value.get("alive").as_boolean() || !value.get("ttl").is_null());
  }
  FL_ASSERT(false && "unknown shape");
}

std::span<const std::string_view> model_names() { return names; }

const FunctionSpec* find_function(std::span<const FunctionSpec> functions, std::string_view f) {
  const auto found =
      std::find_if(functions.begin(), functions.end(), [&](const FunctionSpec& spec) { return spec.f == f; });
  return found == functions.end() ? nullptr : &*found;
}

std::span<const FunctionSpec> Register::functions() { return register_functions; }
std::span<const FunctionSpec> CasRegister::functions() { return cas_register_functions; }
std::span<const FunctionSpec> Kv::functions() { return kv_functions; }
std::span<const FunctionSpec> Mutex::functions() { return mutex_functions; }
std::span<const FunctionSpec> Set::functions() { return set_functions; }
std::span<const FunctionSpec> Counter::functions() { return counter_functions; }
std::span<const FunctionSpec> FifoQueue::functions() { return queue_functions; }
std::span<const FunctionSpec> UnorderedQueue::functions() { return queue_functions; }
std::span<const FunctionSpec> Stack::functions() { return stack_functions; }
std::span<const FunctionSpec> PriorityQueue::functions() { return queue_functions; }
std::span<const FunctionSpec> UniqueIds::functions() { return unique_ids_functions; }
std::span<const FunctionSpec> AppendList::functions() { return append_list_functions; }
std::span<const FunctionSpec> FencedMutex::functions() { return fenced_mutex_functions; }

bool Register::accepts(std::string_view f) { return find_function(functions(), f) != nullptr; }
bool CasRegister::accepts(std::string_view f) { return find_function(functions(), f) != nullptr; }
bool Kv::accepts(std::string_view f) { return find_function(functions(), f) != nullptr; }
bool Mutex::accepts(std::string_view f) { return find_function(functions(), f) != nullptr; }
bool Set::accepts(std::string_view f) { return find_function(functions(), f) != nullptr; }
bool Counter::accepts(std::string_view f) { return find_function(functions(), f) != nullptr; }
bool FifoQueue::accepts(std::string_view f) { return find_function(functions(), f) != nullptr; }
bool UnorderedQueue::accepts(std::string_view f) { return find_function(functions(), f) != nullptr; }
bool Stack::accepts(std::string_view f) { return find_function(functions(), f) != nullptr; }
bool PriorityQueue::accepts(std::string_view f) { return find_function(functions(), f) != nullptr; }
bool UniqueIds::accepts(std::string_view f) { return find_function(functions(), f) != nullptr; }
bool AppendList::accepts(std::string_view f) { return find_function(functions(), f) != nullptr; }
bool FencedMutex::accepts(std::string_view f) { return find_function(functions(), f) != nullptr; }

// --- registers ---------------------------------------------------------------------------------------------

std::optional<Value> Register::step(const State& state, const Call& call) const {
  if (call.f == "write") return call.input;
  if (call.result_known && call.output != state) return std::nullopt;
  return state;
}

bool Register::observer(const Call& call) const { return call.f == "read"; }
bool Register::commute(const Call& a, const Call& b) const { return observer(a) && observer(b); }
std::string Register::describe(const State& state) const { return shown(state); }

std::string Register::explain(const State& state, const Call& call) const {
  if (step(state, call)) return {};
  return fmt::format("returned {}, but the register holds {}", shown(call.output), shown(state));
}

std::optional<Value> CasRegister::step(const State& state, const Call& call) const {
  if (call.f != "cas") return Register{}.step(state, call);
  const bool matches = state == cas_from(call);
  if (call.failed) return matches ? std::nullopt : std::optional(state);
  if (matches) return cas_to(call);
  return call.result_known ? std::nullopt : std::optional(state);
}

bool CasRegister::observer(const Call& call) const {
  return call.f == "read" || (call.f == "cas" && (call.failed || cas_from(call) == cas_to(call)));
}
bool CasRegister::commute(const Call& a, const Call& b) const { return observer(a) && observer(b); }
std::string CasRegister::describe(const State& state) const { return shown(state); }

std::string CasRegister::explain(const State& state, const Call& call) const {
  if (step(state, call)) return {};
  return call.f == "cas" ? cas_refusal(state, call) : Register{}.explain(state, call);
}

// --- kv ----------------------------------------------------------------------------------------------------

std::optional<Text> Kv::step(const State& state, const Call& call) const {
  if (call.f == "append") return state.appended(call.input);
  if (call.f == "put") return Text().appended(call.input);
  if (!call.result_known) return state;
  const std::string_view result = call.output.is_null() ? std::string_view() : call.output.as_text();
  return state == result ? std::optional(state) : std::nullopt;
}

bool Kv::observer(const Call& call) const {
  return call.f == "get" || (call.f == "append" && call.input.as_text().empty());
}
std::size_t Kv::weight(const State& state) const { return state.weight(); }
bool Kv::commute(const Call& a, const Call& b) const { return observer(a) && observer(b); }
std::string Kv::describe(const State& state) const { return shown(Value(state.to_string())); }

std::string Kv::explain(const State& state, const Call& call) const {
  if (step(state, call)) return {};
  return fmt::format("returned {}, but the key holds {}", shown(call.output), describe(state));
}

// --- mutex -------------------------------------------------------------------------------------------------

std::optional<bool> Mutex::step(State held, const Call& call) const {
  const bool acquires = call.f == "acquire";
  if (acquires != held) return acquires;
  return call.result_known ? std::nullopt : std::optional(held);
}

std::string Mutex::describe(State held) const { return held ? "held" : "free"; }

std::string Mutex::explain(State held, const Call& call) const {
  if (step(held, call)) return {};
  return held ? "succeeded, but the lock is held" : "succeeded, but the lock is free";
}

// --- set ---------------------------------------------------------------------------------------------------

std::optional<Bag> Set::step(const State& state, const Call& call) const {
  if (call.f == "add") return state.count(call.input) > 0 ? state : state.with(call.input);
  if (!call.result_known) return state;
  const bool agrees = call.f == "read" ? holds_exactly(state, elements_of(call.output))
                                       : (state.count(call.input) > 0) == call.output.as_boolean();
  return agrees ? std::optional(state) : std::nullopt;
}

bool Set::observer(const Call& call) const { return call.f != "add"; }
std::size_t Set::weight(const State& state) const { return state.weight(); }
bool Set::commute(const Call& a, const Call& b) const {
  if ((a.f == "add") == (b.f == "add")) return true;
  const Call& observation = a.f == "add" ? b : a;
  return observation.f == "contains" && a.input != b.input;
}
std::string Set::describe(const State& state) const { return shown(state.sorted(), '{', '}'); }

std::string Set::explain(const State& state, const Call& call) const {
  if (step(state, call)) return {};
  if (call.f == "contains") {
    return fmt::format("answered {} for {}, but the set is {}", shown(call.output), shown(call.input), describe(state));
  }
  const auto elements = elements_of(call.output);
  for (const Value& element : elements) {
    if (state.count(element) == 0)
      return fmt::format("returned {}, which is not in the set {}", shown(element), describe(state));
  }
  if (has_repetition(elements)) return "returned an element twice";
  for (const Value& element : state.sorted()) {
    if (std::find(elements.begin(), elements.end(), element) == elements.end()) {
      return fmt::format("did not return {}, which is in the set {}", shown(element), describe(state));
    }
  }
  FL_ASSERT(false && "a read of exactly the set was refused");
}

// --- counter -----------------------------------------------------------------------------------------------

std::optional<std::int64_t> Counter::step(State state, const Call& call) const {
  if (call.f != "read") return static_cast<std::int64_t>(static_cast<std::uint64_t>(state) + amount(call));
  if (call.result_known && call.output.as_integer() != state) return std::nullopt;
  return state;
}

std::uint64_t Counter::hash(State state) const { return mix64(static_cast<std::uint64_t>(state)); }
bool Counter::observer(const Call& call) const { return call.f == "read" || amount(call) == 0; }
bool Counter::commute(const Call& a, const Call& b) const { return (a.f == "read") == (b.f == "read"); }
std::string Counter::describe(State state) const { return fmt::format("{}", state); }

std::string Counter::explain(State state, const Call& call) const {
  if (step(state, call)) return {};
  return fmt::format("returned {}, but the counter stands at {}", shown(call.output), state);
}

// --- queues ------------------------------------------------------------------------------------------------

std::optional<Line> FifoQueue::step(const State& state, const Call& call) const {
  if (call.f == "enqueue") return state.pushed(call.input);
  const bool empty = state.size() == 0;
  if (call.result_known && call.output != (empty ? Value() : state.front())) return std::nullopt;
  return empty ? state : state.popped();
}

bool FifoQueue::observer(const Call& call) const {
  return call.f == "dequeue" && call.result_known && call.output.is_null();
}
std::size_t FifoQueue::weight(const State& state) const { return state.weight(); }

// An element that goes in behind and another that comes out in front do not meet.
bool FifoQueue::commute(const Call& a, const Call& b) const {
  if (a.f == b.f) return observer(a) && observer(b);
  const Call& in = a.f == "enqueue" ? a : b;
  const Call& out = a.f == "enqueue" ? b : a;
  return out.result_known && !out.output.is_null() && out.output != in.input;
}
std::string FifoQueue::describe(const State& state) const { return shown(state.items(), '[', ']'); }

std::string FifoQueue::explain(const State& state, const Call& call) const {
  if (step(state, call)) return {};
  if (state.size() == 0) return fmt::format("returned {}, but the queue is empty", shown(call.output));
  if (call.output.is_null()) return fmt::format("found nothing, but the queue is {}", describe(state));
  return fmt::format("returned {}, but {} is the oldest of {}", shown(call.output), shown(state.front()),
                     describe(state));
}

std::optional<UnorderedQueue::State> UnorderedQueue::step(const State& state, const Call& call) const {
  if (call.f == "enqueue") return State{.bag = state.bag.with(call.input), .debts = state.debts};
  if (!call.result_known) return State{.bag = state.bag, .debts = state.debts + 1};
  if (call.output.is_null()) {
    if (state.bag.size() > state.debts) return std::nullopt;
    return State{.bag = {}, .debts = state.debts - state.bag.size()};
  }
  if (state.bag.count(call.output) == 0) return std::nullopt;
  return State{.bag = state.bag.without(call.output), .debts = state.debts};
}

std::uint64_t UnorderedQueue::hash(const State& state) const { return mix64(state.bag.hash() + state.debts); }

std::size_t UnorderedQueue::weight(const State& state) const { return state.bag.weight(); }

bool UnorderedQueue::commute(const Call& a, const Call& b) const {
  const auto found_nothing = [](const Call& call) {
    return call.f == "dequeue" && call.result_known && call.output.is_null();
  };
  if (found_nothing(a) || found_nothing(b)) return false;
  if (a.f == b.f) return true;
  const Call& in = a.f == "enqueue" ? a : b;
  const Call& out = a.f == "enqueue" ? b : a;
  return !out.result_known || out.output != in.input;
}
std::string UnorderedQueue::describe(const State& state) const {
  const std::string bag = shown(state.bag.sorted(), '{', '}');
  return state.debts == 0 ? bag : fmt::format("{}, less up to {} taken unseen", bag, state.debts);
}

std::string UnorderedQueue::explain(const State& state, const Call& call) const {
  if (step(state, call)) return {};
  if (call.output.is_null()) return fmt::format("found nothing, but the queue is {}", describe(state));
  return fmt::format("returned {}, but the queue is {}", shown(call.output), describe(state));
}

// --- stack and priority queue ------------------------------------------------------------------------------

std::optional<Pile> Stack::step(const State& state, const Call& call) const {
  if (call.f == "push") return state.pushed(call.input);
  const bool empty = state.size() == 0;
  if (call.result_known && call.output != (empty ? Value() : state.top())) return std::nullopt;
  return empty ? state : state.popped();
}

bool Stack::observer(const Call& call) const { return call.f == "pop" && call.result_known && call.output.is_null(); }
std::size_t Stack::weight(const State& state) const { return state.weight(); }
bool Stack::commute(const Call& a, const Call& b) const { return observer(a) && observer(b); }
std::string Stack::describe(const State& state) const { return shown(state.items(), '[', ']'); }

std::string Stack::explain(const State& state, const Call& call) const {
  if (step(state, call)) return {};
  if (state.size() == 0) return fmt::format("returned {}, but the stack is empty", shown(call.output));
  if (call.output.is_null()) return fmt::format("found nothing, but the stack is {}, top first", describe(state));
  return fmt::format("returned {}, but {} is on top of the stack {}", shown(call.output), shown(state.top()),
                     describe(state));
}

std::optional<Ranking> PriorityQueue::step(const State& state, const Call& call) const {
  if (call.f == "enqueue") return state.with(call.input);
  const bool empty = state.size() == 0;
  if (call.result_known && call.output != (empty ? Value() : state.greatest())) return std::nullopt;
  return empty ? state : state.without(state.greatest());
}

bool PriorityQueue::observer(const Call& call) const {
  return call.f == "dequeue" && call.result_known && call.output.is_null();
}
std::size_t PriorityQueue::weight(const State& state) const { return state.weight(); }

// An element that goes in does not hide a greater one that comes out.
bool PriorityQueue::commute(const Call& a, const Call& b) const {
  if (a.f == b.f) return a.f == "enqueue" || (observer(a) && observer(b));
  const Call& in = a.f == "enqueue" ? a : b;
  const Call& out = a.f == "enqueue" ? b : a;
  return out.result_known && !out.output.is_null() && by_priority(in.input, out.output) < 0;
}

std::string PriorityQueue::describe(const State& state) const {
  std::vector<Value> greatest_first = state.sorted();
  std::reverse(greatest_first.begin(), greatest_first.end());
  return shown(greatest_first, '{', '}');
}

std::string PriorityQueue::explain(const State& state, const Call& call) const {
  if (step(state, call)) return {};
  if (state.size() == 0) return fmt::format("returned {}, but the queue is empty", shown(call.output));
  if (call.output.is_null()) return fmt::format("found nothing, but the queue is {}", describe(state));
  return fmt::format("returned {}, but {} is the greatest of {}", shown(call.output), shown(state.greatest()),
                     describe(state));
}

// --- unique ids --------------------------------------------------------------------------------------------

std::optional<Bag> UniqueIds::step(const State& state, const Call& call) const {
  if (!call.result_known) return state;
  return state.count(call.output) > 0 ? std::nullopt : std::optional(state.with(call.output));
}

bool UniqueIds::observer(const Call& call) const { return !call.result_known; }
std::size_t UniqueIds::weight(const State& state) const { return state.weight(); }
std::string UniqueIds::describe(const State& state) const {
  return state.size() > 20 ? fmt::format("{} ids given out", state.size()) : shown(state.sorted(), '{', '}');
}

std::string UniqueIds::explain(const State& state, const Call& call) const {
  if (step(state, call)) return {};
  return fmt::format("returned {}, which was given out before", shown(call.output));
}

// --- append list -------------------------------------------------------------------------------------------

namespace {

// REQUIRES: fits(Shape::optional_list, value).
std::span<const Value> list_of(const Value& value) {
  return value.is_null() ? std::span<const Value>() : value.as_list();
}

}  // namespace

std::optional<Line> AppendList::step(const State& state, const Call& call) const {
  if (call.f == "append") return state.pushed(call.input);
  if (call.result_known && !(state == list_of(call.output))) return std::nullopt;
  return state;
}

bool AppendList::observer(const Call& call) const { return call.f == "read"; }
std::size_t AppendList::weight(const State& state) const { return state.weight(); }
bool AppendList::commute(const Call& a, const Call& b) const { return observer(a) && observer(b); }
std::string AppendList::describe(const State& state) const { return shown(state.items(), '[', ']'); }

std::string AppendList::explain(const State& state, const Call& call) const {
  if (step(state, call)) return {};
  return fmt::format("returned {}, but the list is {}", shown(list_of(call.output), '[', ']'), describe(state));
}

// --- fenced mutex ------------------------------------------------------------------------------------------

bool FencedMutex::State::may_be(std::int64_t asked) const {
  switch (newest) {
    case Newest::nothing: return false;
    case Newest::exactly: return asked == token;
    case Newest::at_least: return asked >= token;
    case Newest::anything: return true;
  }
  FL_ASSERT(false && "unknown knowledge of a token");
}

bool FencedMutex::State::may_be_followed_by(std::int64_t next) const {
  if (newest == Newest::anything) return next > INT64_MIN;
  return newest == Newest::nothing || next > token;
}

FencedMutex::State FencedMutex::init() const {
  if (!initial) return {};
  return {.held = false, .newest = State::Newest::exactly, .token = *initial};
}

std::optional<FencedMutex::State> FencedMutex::step(const State& state, const Call& call) const {
  using enum State::Newest;
  const std::optional<State> unchanged = call.result_known ? std::nullopt : std::optional(state);
  if (call.f == "acquire") {
    if (state.held) return unchanged;
    if (call.result_known) {
      const std::int64_t token = call.output.as_integer();
      if (!state.may_be_followed_by(token)) return std::nullopt;
      return State{.held = true, .newest = exactly, .token = token};
    }
    if (state.newest == nothing || state.newest == anything) return State{.held = true, .newest = anything};
    if (state.token == INT64_MAX) return state;
    return State{.held = true, .newest = at_least, .token = state.token + 1};
  }
  if (call.f == "release") {
    if (!state.held) return unchanged;
    if (call.input.is_null()) return State{.held = false, .newest = state.newest, .token = state.token};
    const std::int64_t token = call.input.as_integer();
    if (!state.may_be(token)) return unchanged;
    return State{.held = false, .newest = exactly, .token = token};
  }
  if (!call.result_known) return state;
  const std::int64_t token = call.input.as_list()[0].as_integer();
  if (!state.may_be(token)) return std::nullopt;
  return State{.held = state.held, .newest = exactly, .token = token};
}

std::uint64_t FencedMutex::hash(const State& state) const {
  return mix64(static_cast<std::uint64_t>(state.token) * 8 + static_cast<std::uint64_t>(state.newest) * 2 +
               (state.held ? 1 : 0));
}

bool FencedMutex::observer(const Call& call) const { return call.f == "write" && !call.result_known; }

std::string FencedMutex::describe(const State& state) const {
  const std::string_view is = state.held ? "held" : "free";
  switch (state.newest) {
    case State::Newest::nothing: return std::string(is);
    case State::Newest::exactly: return fmt::format("{}, last token {}", is, state.token);
    case State::Newest::at_least: return fmt::format("{}, last token at least {}", is, state.token);
    case State::Newest::anything: return fmt::format("{}, last token not known", is);
  }
  FL_ASSERT(false && "unknown knowledge of a token");
}

std::string FencedMutex::explain(const State& state, const Call& call) const {
  if (step(state, call)) return {};
  if (call.f == "write") {
    return fmt::format("with token {} succeeded, but the lock is {}", shown(call.input.as_list()[0]), describe(state));
  }
  if (call.f == "acquire") return fmt::format("got token {}, but the lock is {}", shown(call.output), describe(state));
  return fmt::format("succeeded, but the lock is {}", describe(state));
}

// --- the catalogue -----------------------------------------------------------------------------------------

namespace {

Error bad_initial(std::string_view model, std::string_view wanted, const Value& found) {
  return Error::bad_input(fmt::format("the initial value of {} must be {}, found {}", model, wanted, shown(found)));
}

std::string joined(std::span<const std::string_view> words) { return fmt::format("{}", fmt::join(words, ", ")); }

std::span<const FunctionSpec> functions_of(std::string_view model) {
  auto made = make_model(model);
  FL_ASSERT(made.ok());
  return std::visit([](const auto& concrete) { return concrete.functions(); }, made.value());
}

Bag bag_of(std::span<const Value> values, bool once) {
  Bag bag;
  for (const Value& value : values) {
    if (!once || bag.count(value) == 0) bag = bag.with(value);
  }
  return bag;
}

}  // namespace

Result<AnyModel> make_model(std::string_view name, const ModelOptions& options) {
  const Value& initial = options.initial;
  const auto wrong = [&](std::string_view wanted) -> Result<AnyModel> { return bad_initial(name, wanted, initial); };
  if (name == Register::name) return AnyModel(Register{initial});
  if (name == CasRegister::name) return AnyModel(CasRegister{initial});
  if (name == Kv::name) {
    if (initial.is_null()) return AnyModel(Kv{});
    return initial.is_string() ? AnyModel(Kv{std::string(initial.as_text())}) : wrong("a string");
  }
  if (name == Mutex::name) {
    if (initial.is_null()) return AnyModel(Mutex{});
    return initial.is_boolean() ? AnyModel(Mutex{initial.as_boolean()}) : wrong("true (held) or false (free)");
  }
  if (name == Counter::name) {
    if (initial.is_null()) return AnyModel(Counter{});
    return initial.is_integer() ? AnyModel(Counter{initial.as_integer()}) : wrong("an integer");
  }
  if (name == FencedMutex::name || name == Fencing::name) {
    if (!initial.is_null() && !initial.is_integer()) return wrong("an integer, the last token");
    const auto token = initial.is_null() ? std::nullopt : std::optional(initial.as_integer());
    return name == Fencing::name ? AnyModel(Fencing{token}) : AnyModel(FencedMutex{token});
  }
  if (name == Lease::name) return initial.is_null() ? AnyModel(Lease{}) : wrong("nil: a key begins without a lease");
  const bool holds_elements = name == Set::name || name == FifoQueue::name || name == UnorderedQueue::name ||
                              name == Stack::name || name == PriorityQueue::name || name == UniqueIds::name ||
                              name == AppendList::name;
  if (!holds_elements) {
    const std::string_view guess = nearest(name, names);
    return Error::bad_input(
        fmt::format("unknown model {}", escape_controls(name)),
        guess.empty() ? "models: " + joined(names) : fmt::format("did you mean {}? models: {}", guess, joined(names)));
  }
  if (!initial.is_null() && !fits(Shape::elements, initial)) return wrong(to_string(Shape::elements));
  const std::span<const Value> elements = initial.is_null() ? std::span<const Value>() : elements_of(initial);
  if (name == Set::name) return AnyModel(Set{bag_of(elements, true)});
  if (name == UniqueIds::name) return AnyModel(UniqueIds{bag_of(elements, true)});
  if (name == UnorderedQueue::name) return AnyModel(UnorderedQueue{bag_of(elements, false)});
  if (name == Stack::name) {
    Pile pile;
    for (const Value& element : elements) pile = pile.pushed(element);
    return AnyModel(Stack{pile});
  }
  if (name == PriorityQueue::name) {
    Ranking ranking;
    for (const Value& element : elements) ranking = ranking.with(element);
    return AnyModel(PriorityQueue{ranking});
  }
  Line line;
  for (const Value& element : elements) line = line.pushed(element);
  if (name == AppendList::name) return AnyModel(AppendList{line});
  return AnyModel(FifoQueue{line});
}

Error unknown_function(std::string_view model, std::string_view f, std::string_view place) {
  std::vector<std::string_view> known;
  for (const FunctionSpec& spec : functions_of(model)) known.push_back(spec.f);
  std::vector<std::string_view> elsewhere;
  for (const std::string_view other : names) {
    if (find_function(functions_of(other), f) != nullptr) elsewhere.push_back(other);
  }
  std::string remedy =
      elsewhere.empty()
          ? fmt::format("no model knows {}; models: {}", escape_controls(f), joined(names))
          : fmt::format("{} is known to {}: choose it with --model", escape_controls(f), joined(elsewhere));
  return Error::bad_input(
      fmt::format("{}: model {} does not know {}; it knows {}", place, model, escape_controls(f), joined(known)),
      std::move(remedy));
}

}  // namespace faultline
