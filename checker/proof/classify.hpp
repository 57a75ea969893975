// Naming an anomaly: from the facts about a key to a class and its sentence.
//
// A class is named only if its premise holds: a property of the recorded operations from which alone it follows that no
// legal order exists. Premises are checked against everything recorded for the key, not only the core, so that "nobody
// wrote it" means nobody. Each premise is written as a comment beside its check. The sentence then says part of the
// premise, never a guess about the cause.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "facts.hpp"

namespace faultline {

struct Naming {
  std::string name;  // the class
  std::string sentence;
  OperationIndex culprit = none;
  OperationIndex contradicted = none;
  std::optional<Duration> gap;
};

// None if no premise holds. `model` is the name in the catalogue, `initial` as in ModelOptions.
std::optional<Naming> classify(const Facts& facts, std::string_view model, const Value& initial);

// The parts, by kind of object; each REQUIRES a model of that kind.
std::optional<Naming> classify_register(const Facts& facts, const Value& initial);
std::optional<Naming> classify_append(const Facts& facts, const Value& initial);
std::optional<Naming> classify_mutex(const Facts& facts);
std::optional<Naming> classify_set(const Facts& facts, const Value& initial);
std::optional<Naming> classify_counter(const Facts& facts, const Value& initial);
std::optional<Naming> classify_queue(const Facts& facts, const Value& initial);
std::optional<Naming> classify_stack(const Facts& facts, const Value& initial);
std::optional<Naming> classify_priority_queue(const Facts& facts, const Value& initial);
std::optional<Naming> classify_unique_ids(const Facts& facts, const Value& initial);
std::optional<Naming> classify_append_list(const Facts& facts, const Value& initial);
std::optional<Naming> classify_fenced_mutex(const Facts& facts);
// Tokens alone, whoever holds the lock.
std::optional<Naming> classify_tokens(const Facts& facts);
std::optional<Naming> classify_lease(const Facts& facts);

}  // namespace faultline
