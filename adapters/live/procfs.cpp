#include "procfs.hpp"

#include <dirent.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <memory>
#include <sstream>
#include <string_view>

#include <fcntl.h>
#include <unistd.h>

#include "descriptor.hpp"

namespace faultline::live {
namespace {

std::string proc_path(pid_t pid, std::string_view name) {
  return "/proc/" + std::to_string(pid) + "/" + std::string(name);
}

template <class Visit>
void for_each_entry(const std::string& directory, Visit visit) {
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::opendir(directory.c_str()), [](DIR* d) { return ::closedir(d); });
  if (!stream) return;
  while (const dirent* entry = ::readdir(stream.get())) visit(std::string_view(entry->d_name));
}

template <class Number>
std::optional<Number> parse_number(std::string_view text, int base = 10) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// The command's name, in parentheses, may hold anything, also ')': fields are counted from the last one.
std::optional<ProcessStat> parse_stat(const std::string& text) {
  const auto close = text.rfind(')');
  if (close == std::string::npos) return std::nullopt;
  std::istringstream fields(text.substr(close + 1));
  ProcessStat stat;
  fields >> stat.state >> stat.parent >> stat.group;
  std::string skipped;
  constexpr int first_skipped = 6;
  constexpr int start_time_field = 22;
  for (int field = first_skipped; field < start_time_field; ++field) fields >> skipped;
  fields >> stat.start_time;
  if (!fields) return std::nullopt;
  return stat;
}

}  // namespace

// Files of /proc have no size and may fail halfway, when their process ends; what was read until then is returned.
std::string read_proc(const std::string& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string text;
  std::array<char, 16384> chunk{};
  for (ssize_t n = 0; file && (n = ::read(file.get(), chunk.data(), chunk.size())) > 0;) {
    text.append(chunk.data(), static_cast<std::size_t>(n));
  }
  return text;
}

std::optional<ProcessStat> read_stat(pid_t pid) { return parse_stat(read_proc(proc_path(pid, "stat"))); }

std::string thread_states(pid_t pid) {
  std::string states;
  const std::string tasks = proc_path(pid, "task");
  for_each_entry(tasks, [&](std::string_view name) {
    if (name.front() == '.') return;
    std::string path = tasks;
    path.append("/").append(name).append("/stat");
    if (const auto stat = parse_stat(read_proc(path))) states += stat->state;
  });
  return states;
}

std::vector<pid_t> all_processes() {
  std::vector<pid_t> pids;
  for_each_entry("/proc", [&](std::string_view name) {
    if (const auto pid = parse_number<pid_t>(name)) pids.push_back(*pid);
  });
  std::sort(pids.begin(), pids.end());
  return pids;
}

std::vector<pid_t> group_members(pid_t group) {
  std::vector<pid_t> members;
  for (const pid_t pid : all_processes()) {
    const auto stat = read_stat(pid);
    if (stat && stat->group == group && stat->state != 'Z' && stat->state != 'X') members.push_back(pid);
  }
  return members;
}

std::vector<pid_t> processes_with_environment(const std::string& assignment) {
  std::vector<pid_t> found;
  for (const pid_t pid : all_processes()) {
    const std::string environment = read_proc(proc_path(pid, "environ"));
    std::string_view rest = environment;
    while (!rest.empty()) {
      const auto end = std::min(rest.find('\0'), rest.size());
      if (rest.substr(0, end) == assignment) {
        found.push_back(pid);
        break;
      }
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  }
  return found;
}

std::string boot_id() {
  std::string id = read_proc("/proc/sys/kernel/random/boot_id");
  while (!id.empty() && id.back() == '\n') id.pop_back();
  return id;
}

}  // namespace faultline::live
