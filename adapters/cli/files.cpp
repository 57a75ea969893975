#include "files.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <fstream>

namespace faultline::cli {

ReadOptions read_options(const Settings& settings) {
  return {.format = *parse_format(settings.text("format")), .independent = settings.flag("independent")};
}

Result<std::string> read_file(const std::filesystem::path& path) {
  constexpr std::size_t limit = 1U << 30;
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  const auto failed = [&] {
    return Error::environment(fmt::format("{}: cannot read it: {}", path.string(), std::strerror(errno ? errno : EIO)),
                              "check the path and its permissions");
  };
  if (!file) return failed();
  std::string bytes;
  std::string chunk(1 << 16, '\0');
  while (file.read(chunk.data(), static_cast<std::streamsize>(chunk.size())) || file.gcount() > 0) {
    bytes.append(chunk, 0, static_cast<std::size_t>(file.gcount()));
    if (bytes.size() > limit) return Error::bad_input(fmt::format("{}: larger than 1 GiB", path.string()));
  }
  if (file.bad()) return failed();
  return bytes;
}

Result<Schedule> read_schedule(const std::filesystem::path& path) {
  const auto bytes = read_file(path);
  if (!bytes) return bytes.error();
  const auto value = parse_json(bytes.value());
  auto schedule = value ? schedule_from_value(value.value(), {}) : Result<Schedule>(value.error());
  if (!schedule)
    return Error::bad_input(fmt::format("{}: {}", path.string(), schedule.error().message), schedule.error().remedy);
  return schedule;
}

}  // namespace faultline::cli
