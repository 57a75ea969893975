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

// Files of /proc have no size and may fail halfway, when their process ends; what was read until then is returned.
std::string read_all(const std::string& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string text;
  std::array<char, 16384> chunk{};
  for (ssize_t n = 0; file && (n = ::read(file.get(), chunk.data(), chunk.size())) > 0;) {
    text.append(chunk.data(), static_cast<std::size_t>(n));
  }
  return text;
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

struct Address {
  std::uint32_t ipv4 = 0;  // as printed: the hexadecimal of the four bytes in host order
  std::uint16_t port = 0;
};

// "0100007F:1F90", or 32 digits of IPv6 of which the last eight are the mapped IPv4 address.
std::optional<Address> parse_address(std::string_view text) {
  const auto colon = text.find(':');
  if (colon == std::string_view::npos || colon < 8) return std::nullopt;
  const auto ipv4 = parse_number<std::uint32_t>(text.substr(colon - 8, 8), 16);
  const auto port = parse_number<std::uint16_t>(text.substr(colon + 1), 16);
  if (!ipv4 || !port) return std::nullopt;
  return Address{*ipv4, *port};
}

bool is_loopback(std::uint32_t ipv4) { return (ipv4 & 0xff) == 127; }

}  // namespace

std::optional<ProcessStat> read_stat(pid_t pid) { return parse_stat(read_all(proc_path(pid, "stat"))); }

std::string thread_states(pid_t pid) {
  std::string states;
  const std::string tasks = proc_path(pid, "task");
  for_each_entry(tasks, [&](std::string_view name) {
    if (name.front() == '.') return;
    std::string path = tasks;
    path.append("/").append(name).append("/stat");
    if (const auto stat = parse_stat(read_all(path))) states += stat->state;
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
    const std::string environment = read_all(proc_path(pid, "environ"));
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
  std::string id = read_all("/proc/sys/kernel/random/boot_id");
  while (!id.empty() && id.back() == '\n') id.pop_back();
  return id;
}

std::optional<std::uint64_t> loopback_socket_inode(std::uint16_t local_port, std::uint16_t remote_port) {
  for (const char* table : {"/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6"}) {
    std::istringstream in(read_all(table));
    std::string line;
    std::getline(in, line);
    while (std::getline(in, line)) {
      std::istringstream fields(line);
      constexpr std::size_t inode_field = 9;
      std::array<std::string, inode_field + 1> words;
      for (auto& word : words) fields >> word;
      const auto local = parse_address(words[1]);
      const auto remote = parse_address(words[2]);
      if (!local || !remote || local->port != local_port || remote->port != remote_port) continue;
      if (!is_loopback(local->ipv4) || !is_loopback(remote->ipv4)) continue;
      const auto inode = parse_number<std::uint64_t>(words[inode_field]);
      if (inode && *inode != 0) return inode;
    }
  }
  return std::nullopt;
}

bool owns_socket(pid_t pid, std::uint64_t inode) {
  const std::string wanted = "socket:[" + std::to_string(inode) + "]";
  const std::string directory = proc_path(pid, "fd");
  const Descriptor descriptors(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!descriptors) return false;
  bool found = false;
  for_each_entry(directory, [&](std::string_view name) {
    if (found || name.front() == '.') return;
    std::array<char, 64> target{};
    const auto n = ::readlinkat(descriptors.get(), std::string(name).c_str(), target.data(), target.size());
    found = n > 0 && std::string_view(target.data(), static_cast<std::size_t>(n)) == wanted;
  });
  return found;
}

}  // namespace faultline::live
