// Process -1 at work.
#include <faultline/grudge.hpp>
#include <faultline/nemesis.hpp>

#include <algorithm>

#include "strict.hpp"

namespace faultline {

namespace {

Value with_done(const Fault& fault, Value done) {
  const Value value = to_value(fault);
  std::vector<Value::Entry> entries(value.as_map().begin(), value.as_map().end());
  entries.emplace_back("done", std::move(done));
  return Value::map(std::move(entries));
}

Event completion(const Event& invocation, Value value, const Error* error = nullptr) {
  Event event{.type = EventType::info,
              .process = invocation.process,
              .f = invocation.f,
              .key = invocation.key,
              .value = std::move(value),
              .extra = invocation.extra};
  return error == nullptr ? event : event.with("error", error->to_string());
}

// What was done, or null and the error.
Event completion(const Event& invocation, const Fault& fault, const Result<Value>& done) {
  return done ? completion(invocation, with_done(fault, done.value()))
              : completion(invocation, to_value(fault), &done.error());
}

constexpr std::string_view start_prefix = "start-", stop_prefix = "stop-";

}  // namespace

Event NemesisProcess::perform(const Event& invocation, FaultPort& port) {
  const std::string_view f = invocation.f;
  if (f == "heal-all") return heal_all(invocation, port);
  if (f.starts_with(start_prefix)) return start(invocation, port);
  if (f.starts_with(stop_prefix)) return stop(invocation, port);
  const Error unknown =
      Error::bad_input(fmt::format("the nemesis cannot {}", quoted(f)), "start-KIND, stop-KIND or heal-all");
  return completion(invocation, invocation.value, &unknown);
}

Event NemesisProcess::start(const Event& invocation, FaultPort& port) {
  Rng rng = rng_.fork(decisions_++);
  const auto refuse = [&](const Error& error) { return completion(invocation, invocation.value, &error); };
  const auto asked = fault_from_value(invocation.value);
  if (!asked) return refuse(asked.error());
  if (asked.value().kind != invocation.f.substr(start_prefix.size())) {
    return refuse(
        Error::bad_input(fmt::format("{} with a fault of kind {}", invocation.f, quoted(asked.value().kind))));
  }
  const Nodes primaries = needs_primaries(asked.value()) ? port.primaries() : Nodes();
  const auto resolved = resolve(asked.value(), port.nodes(), primaries, rng);
  if (!resolved) return refuse(resolved.error());
  const Fault& fault = resolved.value();
  if (const auto supported = port.supports(fault); !supported)
    return completion(invocation, to_value(fault), &supported.error());
  active_.push_back({invocation.value, fault});
  return completion(invocation, fault, port.apply(fault));
}

Event NemesisProcess::stop(const Event& invocation, FaultPort& port) {
  const auto found = std::find_if(active_.begin(), active_.end(),
                                  [&](const Active& active) { return active.asked == invocation.value; });
  if (found != active_.end()) {
    const Fault fault = found->fault;
    active_.erase(found);
    return completion(invocation, fault, port.heal(fault));
  }
  const auto asked = fault_from_value(invocation.value);
  if (!asked) return completion(invocation, invocation.value, &asked.error());
  if (is_explicit(asked.value())) return completion(invocation, asked.value(), port.heal(asked.value()));
  const Error inactive = Error::environment(fmt::format("no such {} is active", asked.value().kind));
  return completion(invocation, invocation.value, &inactive);
}

Event NemesisProcess::heal_all(const Event& invocation, FaultPort& port) {
  // One by one first, for the counters; whatever resists is left to the port's own healing, whose probes decide.
  std::vector<Value> stopped;
  for (const Active& active : active_) {
    if (const auto done = port.heal(active.fault); done) stopped.push_back(with_done(active.fault, done.value()));
  }
  active_.clear();
  const auto done = port.heal_all();
  std::vector<Value::Entry> value;
  if (!stopped.empty()) value.emplace_back("stopped", Value::list(std::move(stopped)));
  if (done) value.emplace_back("done", done.value());
  Value told = value.empty() ? Value() : Value::map(std::move(value));
  return done ? completion(invocation, std::move(told)) : completion(invocation, std::move(told), &done.error());
}

Result<Fault> fault_of_note(const Value& value) {
  if (!value.is_map()) return fault_from_value(value);
  std::vector<Value::Entry> entries;
  for (const auto& [key, field] : value.as_map()) {
    if (!(key.is_string() && key.as_text() == "done")) entries.emplace_back(key, field);
  }
  return fault_from_value(Value::map(std::move(entries)));
}

}  // namespace faultline
