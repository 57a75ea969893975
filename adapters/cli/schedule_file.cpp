#include "schedule_file.hpp"

#include <faultline/formats.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "files.hpp"

namespace faultline::cli {

namespace {

// The package that asks for such a fault: by its name the target knows what to prepare for.
std::string package_of(const Fault& fault) {
  const bool forgets = fault.parameters.is_map() && !fault.parameters.get("disk").is_null() &&
                       fault.parameters.get("disk") != Value("keep");
  if (fault.kind == "kill") return forgets ? "power" : "kill";
  if (fault.kind == "crash_point") return "crash";
  if (fault.kind == "restart") return "rolling";
  if (fault.kind == "swizzle_clog") return "clog";
  constexpr std::array<std::string_view, 6> of_disk{"io_error",  "fsync_error", "enospc",
                                                    "slow_disk", "bit_flip",    "truncate"};
  return std::find(of_disk.begin(), of_disk.end(), fault.kind) == of_disk.end() ? fault.kind : "disk";
}

}  // namespace

Result<Schedule> read_schedule(const std::filesystem::path& file, const Nodes& nodes) {
  const auto bytes = read_file(file);
  if (!bytes) return bytes.error();
  const auto value = parse_json(bytes.value());
  auto schedule = value ? schedule_from_value(value.value(), nodes) : Result<Schedule>(value.error());
  if (!schedule)
    return Error::bad_input(fmt::format("{}: {}", file.string(), schedule.error().message), schedule.error().remedy);
  return schedule;
}

std::vector<std::string> packages_of(const Schedule& schedule) {
  std::vector<std::string> names;
  for (const Decision& decision : schedule.decisions) {
    const std::string name = package_of(decision.fault);
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  return names;
}

}  // namespace faultline::cli
