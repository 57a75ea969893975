#include "runs.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <chrono>

#include "files.hpp"

namespace faultline::serve {

namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::size_t deepest = 4;
constexpr std::size_t most_runs = 20'000;
constexpr std::uint64_t verdict_limit = std::uint64_t{64} << 20U;
constexpr std::uint64_t progress_limit = std::uint64_t{64} << 10U;
constexpr std::uint64_t last_line_limit = std::uint64_t{64} << 10U;
constexpr auto silent_after = std::chrono::seconds(10);

std::string joined(const std::vector<std::string>& parts) {
  std::string path;
  for (const std::string& part : parts) path += (path.empty() ? "" : "/") + part;
  return path;
}

std::vector<std::string> with(std::vector<std::string> parts, const std::string& last) {
  parts.push_back(last);
  return parts;
}

// Changes whenever the file does; 0 if there is none.
std::uint64_t stamp_of(const fs::path& root, const std::vector<std::string>& parts) {
  const auto file = open_below(root, parts);
  struct stat found {};
  if (!file || ::fstat(file->handle.fd(), &found) != 0) return 0;
  const auto changed = static_cast<std::uint64_t>(found.st_mtim.tv_sec) * 1'000'000'000U +
                       static_cast<std::uint64_t>(found.st_mtim.tv_nsec);
  return changed * 31 + file->size + static_cast<std::uint64_t>(found.st_ino);
}

json field(const json& object, const char* name) {
  const auto found = object.find(name);
  return found == object.end() ? json() : *found;
}

// How long the history is, from its last whole line.
json seconds_of(const fs::path& root, const std::vector<std::string>& run) {
  const auto tail = read_below(root, with(run, "history.jsonl"), last_line_limit, true);
  if (!tail) return {};
  const std::size_t end = tail->rfind('\n');
  if (end == std::string::npos || end == 0) return {};
  const std::size_t before = tail->rfind('\n', end - 1);
  const std::size_t begin = before == std::string::npos ? 0 : before + 1;
  const json line = json::parse(tail->substr(begin, end - begin), nullptr, false);
  if (!line.is_object() || !field(line, "time").is_number_integer()) return {};
  constexpr double per_second = 1e9;
  return static_cast<double>(field(line, "time").get<std::int64_t>()) / per_second;
}

json kinds_of(const json& faults) {
  json kinds = json::array();
  if (!faults.is_array()) return kinds;
  for (const json& fault : faults) {
    if (fault.is_object())
      kinds.push_back({{"kind", field(fault, "kind")}, {"count", field(fault, "count")}, {"bit", field(fault, "bit")}});
  }
  return kinds;
}

}  // namespace

void Runs::look(const Parts& folder, std::vector<Parts>& found) const {
  std::vector<std::string> folders;
  std::error_code error;
  for (fs::directory_iterator entry(directory_ / joined(folder), error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (name == "run.toml" || name == "simulation.json" || name == "verdict.json") {
      found.push_back(folder);
      return;
    }
    std::error_code ignored;
    if (name.starts_with('.') || entry->symlink_status(ignored).type() != fs::file_type::directory) continue;
    folders.push_back(name);
  }
  if (folder.size() == deepest) return;
  for (const std::string& name : folders) look(with(folder, name), found);
}

json Runs::progress_of(const Parts& run) const {
  const auto text = read_below(directory_, with(run, "progress.json"), progress_limit);
  if (!text) return {};
  json progress = json::parse(*text, nullptr, false);
  if (!progress.is_object()) return {};
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const json updated = field(progress, "updated");
  const auto age = now - std::chrono::nanoseconds(updated.is_number_integer() ? updated.get<std::int64_t>() : 0);
  progress["silent"] = age > silent_after;
  return progress;
}

json Runs::summary_of(const Parts& run) const {
  json summary{{"path", joined(run)}};
  for (const char* name : {"utc", "verdict", "ending", "headline", "reason", "target", "workload", "nemesis", "seed",
                           "operations", "model", "property"})
    summary[name] = nullptr;
  summary["faults"] = json::array();
  if (const auto text = read_below(directory_, with(run, "verdict.json"), verdict_limit)) {
    const json verdict = json::parse(*text, nullptr, false);
    if (verdict.is_object()) {
      for (auto& [name, value] : summary.items()) {
        if (name != "path" && name != "faults") value = field(verdict, name.c_str());
      }
      summary["faults"] = kinds_of(field(verdict, "faults"));
      // Numbers of 64 bits are not JavaScript's.
      if (summary["seed"].is_number_integer()) summary["seed"] = summary["seed"].dump();
    }
  }
  summary["seconds"] = seconds_of(directory_, run);
  json files = json::array();
  for (const char* name : {"report.html", "summary.md", "verdict.json", "report.json", "history.jsonl", "minimal.jsonl",
                           "certificate.json", "schedule.json", "junit.xml", "run.toml"}) {
    if (open_below(directory_, with(run, name))) files.push_back(name);
  }
  summary["files"] = std::move(files);
  return summary;
}

json Runs::list() {
  std::vector<Parts> found;
  look({}, found);
  // A folder is named by its time: the last ones are the newest, whatever the name above.
  const auto newer = [](const Parts& a, const Parts& b) {
    if (a.empty() || b.empty()) return a.size() > b.size();
    return a.back() != b.back() ? a.back() > b.back() : a < b;
  };
  std::sort(found.begin(), found.end(), newer);
  const std::size_t left_out = found.size() - std::min(found.size(), most_runs);
  found.resize(found.size() - left_out);
  std::map<std::string, Remembered> known;
  json runs = json::array();
  for (const Parts& run : found) {
    const std::string path = joined(run);
    const std::uint64_t stamp =
        stamp_of(directory_, with(run, "verdict.json")) * 1'000'003 + stamp_of(directory_, with(run, "history.jsonl"));
    const auto before = known_.find(path);
    Remembered& now = known[path];
    now = before != known_.end() && before->second.stamp == stamp ? before->second : Remembered{stamp, summary_of(run)};
    json entry = now.summary;
    entry["progress"] = progress_of(run);
    runs.push_back(std::move(entry));
  }
  known_ = std::move(known);
  const std::string name = fs::absolute(directory_).lexically_normal().string();
  return {{"schema", 1}, {"dir", name}, {"left_out", left_out}, {"runs", std::move(runs)}};
}

json Runs::live() const {
  json live = json::array();
  for (const auto& [path, remembered] : known_) {
    const auto parts = path.empty() ? std::optional(Parts()) : parts_of(path);
    json progress = parts ? progress_of(*parts) : json();
    if (!progress.is_object()) continue;
    progress["path"] = path;
    live.push_back(std::move(progress));
  }
  return live;
}

}  // namespace faultline::serve
