// ClockChange as it crosses the wire: {"group":0,"kind":0,"by_ns":2000000000,"rate":1,"period_ns":0,"slew":false}; the numbers are
// those of the enumerations.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include <faultline/live/clock.hpp>

namespace faultline::live::agent {

inline nlohmann::json to_json(const ClockChange& change) {
  return {{"group", static_cast<int>(change.group)},
          {"kind", static_cast<int>(change.kind)},
          {"by_ns", change.by.count()},
          {"rate", change.rate},
          {"period_ns", change.period.count()},
          {"slew", change.slew}};
}

inline Result<ClockChange> change_from_json(const nlohmann::json& json) {
  const int group = json.at("group").get<int>();
  const int kind = json.at("kind").get<int>();
  if (group < 0 || group > static_cast<int>(ClockGroup::both) || kind < 0 ||
      kind > static_cast<int>(ClockChange::Kind::reset))
    return Error::bad_input("no change of clocks: " + json.dump());
  ClockChange change{.group = static_cast<ClockGroup>(group),
                     .kind = static_cast<ClockChange::Kind>(kind),
                     .by = Duration(json.at("by_ns").get<std::int64_t>()),
                     .rate = json.at("rate").get<double>(),
                     .period = Duration(json.at("period_ns").get<std::int64_t>()),
                     .slew = json.at("slew").get<bool>()};
  if (auto checked = check_change(change); !checked) return checked.error();
  return change;
}

}  // namespace faultline::live::agent
