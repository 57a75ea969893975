// Rules of disks and edits of files as they cross the wire, and as a node writes them down.
//
// A rule: {"kind":"errors","reads":false,"error":5,"probability":1,"file":""}, {"kind":"sync","error":5,"drops":true,"nth":1,"file":""},
// {"kind":"space","bytes":0}, {"kind":"slow","latency_ns":50000000}, {"kind":"crash","call":4,"nth":1,"after":false,"file":""},
// {"kind":"watch","call":4,"nth":1,"after":false,"file":"","holds":true}; `error` is an errno, `call` the number of the enumeration. Who
// gets a crash or a watch says himself what happens then.
// An edit: {"file":"2f…","name":"77616c","offset":7,"before":"6f","after":"6e","size":100,"cuts":false}; names and bytes in hexadecimal.
#pragma once

#include <faultline/live/disk.hpp>
#include <faultline/live/file_rot.hpp>
#include <nlohmann/json.hpp>

#include "hex.hpp"

namespace faultline::live::agent {

inline nlohmann::json to_json(const DiskRule& rule) {
  if (const auto* errors = std::get_if<ErrorRule>(&rule)) {
    return {{"kind", "errors"},
            {"reads", errors->reads},
            {"error", errors->error},
            {"probability", errors->probability},
            {"file", errors->file}};
  }
  if (const auto* sync = std::get_if<SyncErrorRule>(&rule)) {
    return {{"kind", "sync"},
            {"error", sync->error},
            {"drops", sync->drops_pages},
            {"nth", sync->nth},
            {"file", sync->file}};
  }
  if (const auto* space = std::get_if<SpaceRule>(&rule)) return {{"kind", "space"}, {"bytes", space->bytes}};
  if (const auto* slow = std::get_if<SlowRule>(&rule)) return {{"kind", "slow"}, {"latency_ns", slow->latency.count()}};
  if (const auto* crash = std::get_if<CrashRule>(&rule)) {
    return {{"kind", "crash"},
            {"call", static_cast<int>(crash->call)},
            {"nth", crash->nth},
            {"after", crash->after},
            {"file", crash->file}};
  }
  const auto& watch = std::get<WatchRule>(rule);
  return {{"kind", "watch"},    {"call", static_cast<int>(watch.call)}, {"nth", watch.nth}, {"after", watch.after},
          {"file", watch.file}, {"holds", watch.holds != nullptr}};
}

inline Result<DiskRule> rule_from_json(const nlohmann::json& json) {
  const auto kind = json.at("kind").get<std::string>();
  if (kind == "errors") {
    return DiskRule(ErrorRule{json.at("reads").get<bool>(), json.at("error").get<int>(),
                              json.at("probability").get<double>(), json.at("file").get<std::string>()});
  }
  if (kind == "sync") {
    return DiskRule(SyncErrorRule{json.at("error").get<int>(), json.at("drops").get<bool>(),
                                  json.at("nth").get<std::uint64_t>(), json.at("file").get<std::string>()});
  }
  if (kind == "space") return DiskRule(SpaceRule{json.at("bytes").get<std::uint64_t>()});
  if (kind == "slow") return DiskRule(SlowRule{Duration(json.at("latency_ns").get<std::int64_t>())});
  const int call = kind == "crash" || kind == "watch" ? json.at("call").get<int>() : -1;
  if (call < 0 || call > static_cast<int>(DiskCall::mkdir)) return Error::bad_input("no rule of disks: " + json.dump());
  const auto nth = json.at("nth").get<std::uint64_t>();
  const bool after = json.at("after").get<bool>();
  auto file = json.at("file").get<std::string>();
  if (kind == "crash") return DiskRule(CrashRule{static_cast<DiskCall>(call), nth, after, std::move(file), {}});
  return DiskRule(WatchRule{static_cast<DiskCall>(call), nth, after, std::move(file), {}, {}});
}

inline nlohmann::json to_json(const FileEdit& edit) {
  return {{"file", to_hex(edit.file.string())},
          {"name", to_hex(edit.name)},
          {"offset", edit.offset},
          {"before", to_hex(edit.before)},
          {"after", to_hex(edit.after)},
          {"size", edit.size_before},
          {"cuts", edit.cuts}};
}

inline Result<FileEdit> edit_from_json(const nlohmann::json& json) {
  const auto bytes = [&](const char* name) { return from_hex(json.at(name).get<std::string>()).value_or(""); };
  FileEdit edit{.file = bytes("file"),
                .name = bytes("name"),
                .offset = json.at("offset").get<std::uint64_t>(),
                .before = bytes("before"),
                .after = bytes("after"),
                .size_before = json.at("size").get<std::uint64_t>(),
                .cuts = json.at("cuts").get<bool>()};
  if (edit.file.empty() || edit.before.empty() || edit.after.empty() != edit.cuts)
    return Error::bad_input("no edit of a file: " + json.dump());
  return edit;
}

}  // namespace faultline::live::agent
