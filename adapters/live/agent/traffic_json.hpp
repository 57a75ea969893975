// What packets suffer on a link, as it crosses the wire: {"packets":[{"delay_ns":…,"jitter_ns":…,"loss":…,"duplicate":…,"reorder":…,
// "corrupt":…,"rate":…}],"clogs":[{"from_ns":0,"to_ns":2000000000}]}. Times are relative to now, as clocks of machines differ; a clog without
// "from_ns" has begun, one without "to_ns" lasts until told otherwise.
#pragma once

#include <faultline/live/traffic.hpp>
#include <nlohmann/json.hpp>

namespace faultline::live::agent {

inline nlohmann::json to_json(const LinkFaults& faults, Instant now) {
  nlohmann::json packets = nlohmann::json::array();
  nlohmann::json clogs = nlohmann::json::array();
  for (const PacketRules& rules : faults.packets) {
    packets.push_back({{"delay_ns", rules.delay.count()},
                       {"jitter_ns", rules.jitter.count()},
                       {"loss", rules.loss},
                       {"duplicate", rules.duplicate},
                       {"reorder", rules.reorder},
                       {"corrupt", rules.corrupt},
                       {"rate", rules.rate}});
  }
  for (const Clog& clog : faults.clogs) {
    nlohmann::json one = nlohmann::json::object();
    if (clog.from != Instant::min()) one["from_ns"] = (clog.from - now).count();
    if (clog.to != Instant::max()) one["to_ns"] = (clog.to - now).count();
    clogs.push_back(std::move(one));
  }
  return {{"packets", packets}, {"clogs", clogs}};
}

inline LinkFaults link_from_json(const nlohmann::json& json, Instant now) {
  LinkFaults faults;
  for (const nlohmann::json& one : json.at("packets")) {
    faults.packets.push_back({.delay = Duration(one.at("delay_ns").get<std::int64_t>()),
                              .jitter = Duration(one.at("jitter_ns").get<std::int64_t>()),
                              .loss = one.at("loss").get<double>(),
                              .duplicate = one.at("duplicate").get<double>(),
                              .reorder = one.at("reorder").get<double>(),
                              .corrupt = one.at("corrupt").get<double>(),
                              .rate = one.at("rate").get<std::uint64_t>()});
  }
  for (const nlohmann::json& one : json.at("clogs")) {
    Clog clog;
    if (one.contains("from_ns")) clog.from = now + Duration(one["from_ns"].get<std::int64_t>());
    if (one.contains("to_ns")) clog.to = now + Duration(one["to_ns"].get<std::int64_t>());
    faults.clogs.push_back(clog);
  }
  return faults;
}

inline nlohmann::json to_json(const TrafficCounters& counters) {
  return {{"held", counters.held},           {"delayed", counters.delayed},
          {"lost", counters.lost},           {"duplicated", counters.duplicated},
          {"reordered", counters.reordered}, {"corrupted", counters.corrupted},
          {"throttled", counters.throttled}, {"throttled_bytes", counters.throttled_bytes},
          {"under_way", counters.under_way}};
}

inline TrafficCounters traffic_from_json(const nlohmann::json& json) {
  const auto of = [&](const char* name) { return json.value(name, std::int64_t(0)); };
  return {.held = of("held"),
          .delayed = of("delayed"),
          .lost = of("lost"),
          .duplicated = of("duplicated"),
          .reordered = of("reordered"),
          .corrupted = of("corrupted"),
          .throttled = of("throttled"),
          .throttled_bytes = of("throttled_bytes"),
          .under_way = of("under_way")};
}

inline nlohmann::json to_json(const Sounding& sounding) {
  return {{"sent", sounding.sent},       {"arrived", sounding.arrived},
          {"copies", sounding.copies},   {"out_of_order", sounding.out_of_order},
          {"damaged", sounding.damaged}, {"median_ns", sounding.median.count()}};
}

inline Sounding sounding_from_json(const nlohmann::json& json) {
  const auto of = [&](const char* name) { return json.value(name, std::int64_t(0)); };
  return {.sent = of("sent"),
          .arrived = of("arrived"),
          .copies = of("copies"),
          .out_of_order = of("out_of_order"),
          .damaged = of("damaged"),
          .median = Duration(of("median_ns"))};
}

}  // namespace faultline::live::agent
