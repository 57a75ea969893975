// Meaning: what one operation says to its model, by the rules of prepare, which stays the only place that knows them.
#pragma once

#include <optional>
#include <set>
#include <string>

#include <faultline/history.hpp>

#include "../prepare.hpp"

namespace faultline::online {

class Meaning {
 public:
  Meaning(const AnyModel& model, CheckOptions options) : model_(model), options_(std::move(options)) {}

  // nullopt: it constrains nothing and never happened, or may be left out. `completion` absent: open. The call's `f`
  // lives as long as this does. The error is prepare's.
  Result<std::optional<Item>> of(const Event& invocation, const Event* completion);

 private:
  const AnyModel model_;
  const CheckOptions options_;
  std::set<std::string, std::less<>> functions_;
};

}  // namespace faultline::online
