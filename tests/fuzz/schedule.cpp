// The reader of schedules: JSON, then the schedule in it.
#include <faultline/schedule.hpp>

#include "fuzz.hpp"

namespace faultline::fuzz {

void schedule(std::string_view bytes) {
  const auto value = parse_json(bytes);
  if (!value) return;
  for (const Nodes& nodes : {Nodes{}, Nodes{"n1", "n2", "n3"}}) {
    const auto first = schedule_from_value(value.value(), nodes);
    const auto again = schedule_from_value(value.value(), nodes);
    require(first.ok() == again.ok(), "reading is deterministic", bytes);
    if (!first) {
      require(first.error().kind == ErrorKind::bad_input, "what is wrong with a schedule is bad input",
              first.error().message);
      require(first.error().to_string() == again.error().to_string(), "reading is deterministic", bytes);
      continue;
    }
    require(first.value() == again.value(), "reading is deterministic", bytes);
    const std::string text = to_json(to_value(first.value()));
    const auto parsed = parse_json(text);
    if (!parsed) broken("a schedule written is JSON", parsed.error().to_string() + "\n" + text);
    const auto back = schedule_from_value(parsed.value(), nodes);
    if (!back) broken("a schedule written reads", back.error().to_string() + "\n" + text);
    require(back.value() == first.value(), "a schedule written comes back equal", text);
  }
}

}  // namespace faultline::fuzz
