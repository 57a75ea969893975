#include "schedule_file.hpp"

#include <faultline/formats.hpp>

#include <fmt/format.h>

#include <algorithm>

#include "files.hpp"

namespace faultline::cli {

Result<Schedule> read_schedule(const std::filesystem::path& file, const Nodes& nodes) {
  const auto bytes = read_file(file);
  if (!bytes) return bytes.error();
  const auto value = parse_json(bytes.value());
  auto schedule = value ? schedule_from_value(value.value(), nodes) : Result<Schedule>(value.error());
  if (!schedule)
    return Error::bad_input(fmt::format("{}: {}", file.string(), schedule.error().message), schedule.error().remedy);
  return schedule;
}

std::vector<std::string> kinds_of(const Schedule& schedule) {
  std::vector<std::string> kinds;
  for (const Decision& decision : schedule.decisions) {
    if (std::find(kinds.begin(), kinds.end(), decision.fault.kind) == kinds.end()) kinds.push_back(decision.fault.kind);
  }
  return kinds;
}

}  // namespace faultline::cli
