#include "duties.hpp"

#include <fmt/format.h>

#include <faultline/text.hpp>

#include "digest.hpp"

namespace faultline {

Duties::Duties(const History& history, const Certificate& certificate, std::span<const FunctionSpec> functions)
    : history_(history), certificate_(certificate) {
  for (const std::string& f : history.functions()) specs_.push_back(find_function(functions, f));
}

const FunctionSpec* Duties::spec(OperationIndex operation) const {
  return specs_[history_.function(history_.invoked(operation))];
}

std::optional<std::string> Duties::objection() const {
  for (OperationIndex o = 0; o < history_.operation_count(); ++o) {
    const FunctionSpec* known = spec(o);
    if (known == nullptr) return fmt::format("the model {} does not know the {}", certificate_.model, name(o));
    const Duty duty = of(o);
    if (duty.obligation == Obligation::nothing) continue;
    if (known->argument != Argument::nothing && !fits(known->input, duty.call.input)) {
      return fmt::format("the {} has no argument that {} can take", name(o), certificate_.model);
    }
    if (known->returns && duty.call.result_known && !duty.call.failed && !fits(known->output, duty.call.output)) {
      return fmt::format("the {} has a result that {} never gives", name(o), certificate_.model);
    }
  }
  return std::nullopt;
}

Duty Duties::of(OperationIndex operation) const {
  const Outcome outcome = history_.outcome(operation);
  const FunctionSpec& known = *spec(operation);
  Duty duty{.invoked = history_.invoked(operation),
            .call = {.f = known.f, .input = argument(operation), .output = {}, .result_known = false}};
  const bool ok = outcome == Outcome::ok;
  if (ok && known.returns) duty.call.output = history_.value(history_.completed(operation));
  const bool any_result = ok && known.reads && duty.call.output.is_null() && certificate_.nil_read == NilRead::unknown;
  const bool was_refused = outcome == Outcome::fail && observed_failure(operation);
  if (was_refused || (ok && !any_result)) {
    duty.obligation = Obligation::must;
    duty.returned = history_.completed(operation);
    duty.call.result_known = true;
    duty.call.failed = was_refused;
  } else if (outcome != Outcome::fail) {
    duty.obligation = Obligation::may;
  }
  return duty;
}

Value Duties::argument(OperationIndex operation) const {
  const FunctionSpec& known = *spec(operation);
  if (known.argument == Argument::nothing) return {};
  const Value& asked = history_.value(history_.invoked(operation));
  if (history_.outcome(operation) != Outcome::ok) return asked;
  const Value& answered = history_.value(history_.completed(operation));
  const bool restated = known.argument == Argument::restated;
  const Value& first = restated ? answered : asked;
  return first.is_null() ? (restated ? asked : answered) : first;
}

bool Duties::observed_failure(OperationIndex operation) const {
  if (spec(operation)->f != "cas") return false;
  return certificate_.failed_cas == FailedCas::observe ||
         says_precondition_failed(history_.extra(history_.completed(operation)));
}

std::string Duties::name(OperationIndex operation) const {
  const EventIndex invoked = history_.invoked(operation);
  const EventIndex completed = history_.completed(operation);
  const EventIndex shown = completed != none ? completed : invoked;
  const std::string f = clip(escape_controls(history_.functions()[history_.function(invoked)]), 40);
  const std::uint32_t line = history_.line(shown);
  return fmt::format("{} by process {} ({} {})", f, history_.process(invoked), line != 0 ? "line" : "event",
                     line != 0 ? line : shown);
}

Call without_result(Call call) {
  call.output = {};
  call.result_known = false;
  call.failed = false;
  return call;
}

}  // namespace faultline
