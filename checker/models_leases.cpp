// Locks that end by themselves, and what lives under a lease.
#include <faultline/models.hpp>
#include <faultline/rng.hpp>
#include <faultline/text.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace faultline {

namespace {

constexpr std::array fencing_functions{
    FunctionSpec{.f = "acquire", .returns = true, .output = Shape::integer},
    FunctionSpec{.f = "release", .argument = Argument::invoked},
    FunctionSpec{.f = "write", .argument = Argument::restated, .input = Shape::token_and_value},
};
constexpr std::array lease_functions{
    FunctionSpec{.f = "grant", .returns = true, .output = Shape::renewal},
    FunctionSpec{.f = "keep", .returns = true, .output = Shape::renewal},
    FunctionSpec{.f = "read", .returns = true, .output = Shape::sighting},
};

std::string span_text(std::int64_t milliseconds) { return to_text(std::chrono::milliseconds(milliseconds)); }

}  // namespace

// --- fencing -----------------------------------------------------------------------------------------------

std::span<const FunctionSpec> Fencing::functions() { return fencing_functions; }
bool Fencing::accepts(std::string_view f) { return find_function(functions(), f) != nullptr; }

std::optional<Fencing::State> Fencing::step(const State& state, const Call& call) const {
  if (call.f == "release") return state;
  std::optional<State> next = FencedMutex{}.step(state, call);
  if (next) next->held = false;
  return next;
}

bool Fencing::observer(const Call& call) const { return call.f == "release" || FencedMutex{}.observer(call); }

std::string Fencing::describe(const State& state) const {
  switch (state.newest) {
    case State::Newest::nothing: return "no token";
    case State::Newest::exactly: return fmt::format("last token {}", state.token);
    case State::Newest::at_least: return fmt::format("last token at least {}", state.token);
    case State::Newest::anything: return "last token not known";
  }
  FL_ASSERT(false && "unknown knowledge of a token");
}

std::string Fencing::explain(const State& state, const Call& call) const {
  if (step(state, call)) return {};
  if (call.f == "write") {
    return fmt::format("with token {} succeeded, but there was {}", call.input.as_list()[0].to_string(),
                       describe(state));
  }
  return fmt::format("got token {}, but there was {}", call.output.to_string(), describe(state));
}

// --- lease -------------------------------------------------------------------------------------------------

Sighting Sighting::of(const Value& result) {
  Sighting seen{.alive = result.get("alive").as_boolean(),
                .from = result.get("from").as_integer(),
                .to = result.get("to").as_integer()};
  if (const Value& ttl = result.get("ttl"); !ttl.is_null()) seen.ttl = ttl.as_integer();
  if (const Value& steady = result.get("steady"); !steady.is_null()) seen.steady = steady.as_integer();
  return seen;
}

std::span<const FunctionSpec> Lease::functions() { return lease_functions; }
bool Lease::accepts(std::string_view f) { return find_function(functions(), f) != nullptr; }

std::optional<Lease::State> Lease::step(const State& state, const Call& call) const {
  using Phase = State::Phase;
  const bool alive = state.phase == Phase::alive;
  if (!call.result_known) {
    if (call.f == "grant") return State{.phase = Phase::alive, .most = INT64_MAX, .ttl = state.ttl};
    State next = state;
    if (call.f == "keep" && alive) next.most = INT64_MAX;
    return next;
  }
  const Sighting seen = Sighting::of(call.output);
  if (!seen.alive) {
    if (state.phase == Phase::absent) return state;  // not yet there
    if (seen.to < state.least) return std::nullopt;
    return State{.phase = Phase::gone, .least = state.least};
  }
  if (call.f == "grant") {
    return State{.phase = Phase::alive, .least = seen.least(), .most = seen.end(), .ttl = seen.ttl};
  }
  if (!alive) return std::nullopt;
  if (call.f == "keep") {
    return State{.phase = Phase::alive,
                 .least = std::max(state.least, seen.least()),
                 .most = std::max(state.most, seen.end()),
                 .ttl = std::max(state.ttl, seen.ttl)};
  }
  const bool bounded = seen.steady && state.most != INT64_MAX;
  if (bounded && seen.from > std::max(state.most, *seen.steady + state.ttl) + grace) return std::nullopt;
  return state;
}

std::uint64_t Lease::hash(const State& state) const {
  const auto mixed = [](std::uint64_t h, std::int64_t n) { return mix64(h + static_cast<std::uint64_t>(n)); };
  return mixed(mixed(mixed(static_cast<std::uint64_t>(state.phase), state.least), state.most), state.ttl);
}

bool Lease::observer(const Call& call) const {
  return call.f == "read" && (!call.result_known || Sighting::of(call.output).alive);
}

std::string Lease::describe(const State& state) const {
  switch (state.phase) {
    case State::Phase::absent: return "not granted";
    case State::Phase::gone: return "gone";
    case State::Phase::alive: break;
  }
  if (state.least == INT64_MIN) return "granted, nobody knows until when";
  return fmt::format("alive until {} at least", span_text(state.least));
}

std::string Lease::explain(const State& state, const Call& call) const {
  if (step(state, call)) return {};
  const Sighting seen = Sighting::of(call.output);
  if (!seen.alive) {
    return fmt::format("found it gone by {}, but it is alive until {} at least", span_text(seen.to),
                       span_text(state.least));
  }
  if (state.phase != State::Phase::alive) {
    return fmt::format("{}, but it is {}", call.f == "keep" ? "kept it alive" : "found it alive", describe(state));
  }
  return fmt::format("found it alive after {}, but its last renewal ended at {}", span_text(seen.from),
                     span_text(state.most));
}

}  // namespace faultline
