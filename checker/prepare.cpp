#include "prepare.hpp"

#include <faultline/assert.hpp>
#include <faultline/text.hpp>

#include <fmt/format.h>

#include <algorithm>

namespace faultline {

namespace {

std::string place(const History& history, EventIndex event) {
  const std::uint32_t line = history.line(event);
  return line != 0 ? fmt::format("line {}", line) : fmt::format("event {}", event);
}

// What a function of a model of one's own means when the model does not say: the common names mean the common things.
FunctionSpec assumed_spec(std::string_view f) {
  const bool writes = f == "write" || f == "put" || f == "append" || f == "cas";
  return {.f = f,
          .argument = writes ? Argument::restated : Argument::invoked,
          .input = f == "cas" ? Shape::pair : Shape::anything,
          .returns = true,
          .reads = f == "read" || f == "get"};
}

bool says_precondition_failed(const Value& error) {
  return (error.is_string() || error.is_keyword()) && error.as_text() == "precondition-failed";
}

// The version a result names, under the name of the formats or etcd's own.
std::int64_t version_in(const Value& extra) {
  if (extra.is_null()) return unversioned;
  for (const std::string_view name : {"version", "mod_revision"}) {
    if (const Value& version = extra.get(name); version.is_integer()) return version.as_integer();
  }
  return unversioned;
}

class Preparation {
 public:
  Preparation(const History& history, const ModelRules& rules, const CheckOptions& options)
      : history_(history),
        rules_(rules),
        options_(options),
        specs_(history.functions().size()),
        key_of_(history.keys().size(), none) {}

  Result<Prepared> run() {
    std::vector<std::size_t> sizes(history_.keys().size());
    for (OperationIndex o = 0; o < history_.operation_count(); ++o) ++sizes[history_.key_id(history_.invoked(o))];
    for (OperationIndex o = 0; o < history_.operation_count(); ++o) {
      const EventIndex invoked = history_.invoked(o);
      std::uint32_t& key = key_of_[history_.key_id(invoked)];
      if (key == none) {
        key = static_cast<std::uint32_t>(result_.keys.size());
        const std::size_t size = sizes[history_.key_id(invoked)];
        result_.keys.push_back({.key = history_.key(invoked), .items = {}, .operations = size});
        result_.keys.back().items.reserve(size);
      }
      if (auto added = add(o, result_.keys[key].items); !added) return added.error();
    }
    tell(result_.failed, "failed operations (certainly no effect)");
    tell(dropped_open_, "operations that never returned and could only have observed");
    tell(dropped_nil_, "reads of nil, which match anything");
    return std::move(result_);
  }

 private:
  // The function's rules, looked up once per distinct name; an error if the model does not know it.
  Result<const FunctionSpec*> spec_of(EventIndex invoked) {
    const FunctionId id = history_.function(invoked);
    std::optional<FunctionSpec>& spec = specs_[id];
    if (spec) return &*spec;
    const std::string& f = history_.functions()[id];
    if (const FunctionSpec* found = find_function(rules_.functions, f)) {
      spec = *found;
    } else if (rules_.catalogued) {
      return unknown_function(rules_.model, f, place(history_, invoked));
    } else if (rules_.accepts && !rules_.accepts(f)) {
      return Error::bad_input(
          fmt::format("{}: model {} does not know {}", place(history_, invoked), rules_.model, escape_controls(f)));
    } else {
      spec = assumed_spec(f);
    }
    return &*spec;
  }

  Result<void> add(OperationIndex o, Items& items) {
    const EventIndex invoked = history_.invoked(o);
    const EventIndex completed = history_.completed(o);
    const auto spec = spec_of(invoked);
    if (!spec) return spec.error();
    const Outcome outcome = history_.outcome(o);
    const bool open = outcome == Outcome::info || outcome == Outcome::open;
    if (open) ++result_.open;
    const bool refused = outcome == Outcome::fail;
    if (refused && !observes_failure(invoked, completed)) {
      ++result_.failed;
      return {};
    }
    Item item{.operation = o,
              .invoked = invoked,
              .completed = open ? none : completed,
              .call = {.f = history_.functions()[history_.function(invoked)],
                       .input = {},
                       .output = {},
                       .result_known = !open,
                       .failed = refused}};
    fill(item.call, *spec.value(), invoked, outcome == Outcome::ok ? completed : none);
    if (item.completed != none) item.version = version_in(history_.extra(completed));
    if (auto shaped = check_shape(item, *spec.value()); !shaped) return shaped;
    if (drops(item.call, *spec.value())) return {};
    items.push_back(std::move(item));
    return {};
  }

  // A failed cas proves "value != expected" only if the object said so, or if the user vouches for it.
  [[nodiscard]] bool observes_failure(EventIndex invoked, EventIndex completed) const {
    if (history_.functions()[history_.function(invoked)] != "cas") return false;
    return options_.failed_cas == FailedCas::observe ||
           says_precondition_failed(history_.extra(completed).get("error"));
  }

  void fill(Call& call, const FunctionSpec& spec, EventIndex invoked, EventIndex answered) const {
    const Value& asked = history_.value(invoked);
    const Value& answer = answered == none ? asked : history_.value(answered);
    if (spec.argument == Argument::invoked) call.input = asked.is_null() ? answer : asked;
    if (spec.argument == Argument::restated) call.input = answer.is_null() ? asked : answer;
    if (spec.returns && answered != none) call.output = answer;
  }

  [[nodiscard]] bool nil_matches_anything(const Call& call, const FunctionSpec& spec) const {
    return spec.reads && call.result_known && call.output.is_null() && options_.nil_read == NilRead::unknown;
  }

  [[nodiscard]] Result<void> check_shape(const Item& item, const FunctionSpec& spec) const {
    const Call& call = item.call;
    if (spec.argument != Argument::nothing && !fits(spec.input, call.input)) {
      return Error::bad_input(fmt::format("{}: {} wants {}, found {}", place(history_, item.invoked),
                                          escape_controls(call.f), to_string(spec.input),
                                          clip(call.input.to_string(), 120)));
    }
    if (!spec.returns || !call.result_known || call.failed || fits(spec.output, call.output)) return {};
    if (nil_matches_anything(call, spec)) return {};
    return Error::bad_input(
        fmt::format("{}: {} returns {}, found {}", place(history_, item.completed), escape_controls(call.f),
                    to_string(spec.output), clip(call.output.to_string(), 120)),
        spec.reads && call.output.is_null() ? "if nil stands for a value that is not known, pass --nil-read unknown"
                                            : "");
  }

  // Operations that constrain nothing: an observation nobody saw, a read that matches anything.
  bool drops(const Call& call, const FunctionSpec& spec) {
    if (!call.result_known) {
      const bool observes = rules_.observer ? rules_.observer(call) : spec.reads;
      dropped_open_ += observes ? 1 : 0;
      return observes;
    }
    const bool unknown = nil_matches_anything(call, spec);
    dropped_nil_ += unknown ? 1 : 0;
    return unknown;
  }

  void tell(std::size_t count, std::string_view what) {
    if (count > 0) result_.ignored.push_back(fmt::format("{} {}", count, what));
  }

  const History& history_;
  const ModelRules& rules_;
  const CheckOptions& options_;
  std::vector<std::optional<FunctionSpec>> specs_;  // by FunctionId
  std::vector<std::uint32_t> key_of_;               // by key id: index into result_.keys
  std::size_t dropped_open_ = 0;
  std::size_t dropped_nil_ = 0;
  Prepared result_;
};

}  // namespace

Result<Prepared> prepare(const History& history, const ModelRules& rules, const CheckOptions& options) {
  return Preparation(history, rules, options).run();
}

}  // namespace faultline
