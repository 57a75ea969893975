#include "node_logs.hpp"

#include <faultline/formats.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <fstream>
#include <string>

#include "files.hpp"
#include "system.hpp"

namespace faultline::cli {

namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t file_limit = std::uint64_t{8} << 20U;
constexpr std::uint64_t total_limit = std::uint64_t{64} << 20U;
constexpr std::size_t most_files = 256;

std::vector<fs::path> log_files(const fs::path& nodes) {
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::directory_iterator node(nodes, error), end; !error && node != end; node.increment(error)) {
    std::error_code ignored;
    if (!node->is_directory(ignored) || node->is_symlink(ignored)) continue;
    for (fs::directory_iterator file(node->path(), ignored); !ignored && file != end; file.increment(ignored)) {
      const fs::path extension = file->path().extension();
      std::error_code gone;
      if ((extension == ".log" || extension == ".jsonl") && file->symlink_status(gone).type() == fs::file_type::regular)
        files.push_back(file->path());
    }
  }
  std::sort(files.begin(), files.end());
  if (files.size() > most_files) files.resize(most_files);
  return files;
}

struct Tail {
  std::string bytes;
  std::uint64_t left_out = 0;
};

// Whole lines from the end of a file. A file that cannot be read has none.
Tail tail_of(const fs::path& path, std::uint64_t limit) {
  Tail tail;
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) return tail;
  const auto size = static_cast<std::uint64_t>(file.tellg());
  tail.left_out = size - std::min(size, limit);
  file.seekg(static_cast<std::streamoff>(tail.left_out));
  tail.bytes.resize(size - tail.left_out);
  file.read(tail.bytes.data(), static_cast<std::streamsize>(tail.bytes.size()));
  tail.bytes.resize(static_cast<std::size_t>(std::max<std::streamsize>(file.gcount(), 0)));
  if (tail.left_out > 0) {
    const std::size_t whole = std::min(tail.bytes.find('\n'), tail.bytes.size());
    tail.left_out += whole;
    tail.bytes.erase(0, whole);
  }
  return tail;
}

}  // namespace

RunClock run_clock(Instant now) {
  using std::chrono::system_clock;
  const auto wall = system_clock::now();
  const std::time_t seconds = system_clock::to_time_t(wall);
  std::tm local{};
  localtime_r(&seconds, &local);
  const auto since_1970 = std::chrono::duration_cast<Duration>(wall.time_since_epoch());
  return {.began = (since_1970 - now.time_since_epoch()).count(), .zone_seconds = local.tm_gmtoff};
}

Result<void> write_run_clock(const fs::path& directory, const RunClock& clock) {
  return write_file(directory / "clock.json", fmt::format("{{\"schema\":1,\"began\":{},\"zone_seconds\":{}}}\n",
                                                          clock.began, clock.zone_seconds));
}

std::optional<RunClock> read_run_clock(const fs::path& directory) {
  const auto text = read_file(directory / "clock.json");
  if (!text) return std::nullopt;
  const auto parsed = parse_json(text.value());
  if (!parsed || !parsed.value().get("began").is_integer()) return std::nullopt;
  const Value& zone = parsed.value().get("zone_seconds");
  return RunClock{.began = parsed.value().get("began").as_integer(),
                  .zone_seconds = zone.is_integer() ? zone.as_integer() : 0};
}

std::vector<NodeLog> node_logs(const fs::path& directory, const History& history) {
  const auto clock = read_run_clock(directory);
  if (!clock) return {};
  const LogClock times{
      .began = clock->began, .zone = std::chrono::seconds(clock->zone_seconds), .offsets = clock_offsets(history)};
  std::vector<NodeLog> logs;
  std::uint64_t left = total_limit;
  for (const fs::path& path : log_files(directory / "nodes")) {
    const Tail tail = tail_of(path, std::min(left, file_limit));
    if (tail.bytes.empty()) continue;
    left -= tail.bytes.size();
    logs.push_back(parse_node_log(path.parent_path().filename().string(), path.lexically_relative(directory).string(),
                                  tail.bytes, times));
    logs.back().bytes_left_out = tail.left_out;
  }
  return logs;
}

}  // namespace faultline::cli
