#include "process.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <memory>
#include <sstream>
#include <system_error>
#include <utility>

namespace faultline::live::clock {
namespace {

std::string proc(pid_t pid, std::string_view name) { return "/proc/" + std::to_string(pid) + "/" + std::string(name); }

std::string task(pid_t pid, pid_t tid, std::string_view name) {
  return proc(pid, "task/") + std::to_string(tid) + "/" + std::string(name);
}

// The fields of a stat file after the command's name, which stands in parentheses and may hold anything.
std::istringstream stat_fields(const std::string& text) {
  const auto close = text.rfind(')');
  return std::istringstream(close == std::string::npos ? "" : text.substr(close + 1));
}

}  // namespace

File::~File() {
  if (number_ >= 0) ::close(number_);
}
File::File(File&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
File& File::operator=(File&& other) noexcept {
  std::swap(number_, other.number_);
  return *this;
}

std::string errno_message(int error) { return std::generic_category().message(error); }

std::string read_text(const std::string& path) {
  const File file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string text;
  std::array<char, 16384> chunk{};
  for (ssize_t n = 0; file && (n = ::read(file.get(), chunk.data(), chunk.size())) > 0;)
    text.append(chunk.data(), static_cast<std::size_t>(n));
  return text;
}

std::vector<Mapping> parse_mappings(std::string_view text) {
  std::vector<Mapping> mappings;
  std::istringstream lines{std::string(text)};
  for (std::string line; std::getline(lines, line);) {
    Mapping mapping;
    const char* const stop = line.data() + line.size();
    const auto begin = std::from_chars(line.data(), stop, mapping.begin, 16);
    if (begin.ec != std::errc() || begin.ptr == stop || *begin.ptr != '-') continue;
    if (std::from_chars(begin.ptr + 1, stop, mapping.end, 16).ec != std::errc()) continue;
    std::istringstream fields(line);
    std::string skipped;
    for (int field = 0; field < 5; ++field) fields >> skipped;
    std::getline(fields >> std::ws, mapping.name);
    mappings.push_back(std::move(mapping));
  }
  return mappings;
}

std::vector<Mapping> mappings_of(pid_t pid) { return parse_mappings(read_text(proc(pid, "maps"))); }

std::optional<std::uint64_t> find_hole(std::span<const Mapping> mappings, const Mapping& near, std::uint64_t size) {
  constexpr std::uint64_t lowest = 0x100000;         // above any mmap_min_addr
  constexpr std::uint64_t highest = 0x7ffffffff000;  // of a process with four levels of page tables
  constexpr std::uint64_t reach = 0x7fff0000;        // of a 32-bit jump, less a few pages
  constexpr std::uint64_t stack_room = 0x10000000;   // below a mapping that may be a stack and grow
  constexpr std::uint64_t distance = 0x1000;         // to whatever lies below
  std::optional<std::uint64_t> best;
  std::uint64_t best_distance = 0;
  std::uint64_t free_from = lowest;
  const auto consider = [&](std::uint64_t until, std::uint64_t spare) {
    std::uint64_t from = free_from + distance;
    if (near.end > reach) from = std::max(from, near.end - reach);
    if (until < spare || until - spare < size || from > until - spare - size) return;
    const std::uint64_t latest = until - spare - size;
    // As near as the gap allows, since that is what the kernel's own choices keep away from.
    const std::uint64_t place = from >= near.end ? from : latest;
    if (place > near.begin && place + size - near.begin > reach) return;
    const std::uint64_t away = place > near.begin ? place - near.begin : near.begin - place;
    if (best && best_distance <= away) return;
    best = place;
    best_distance = away;
  };
  for (const Mapping& mapping : mappings) {
    if (mapping.begin > highest) break;
    if (mapping.begin > free_from) consider(mapping.begin, mapping.name == "[stack]" ? stack_room : distance);
    free_from = std::max(free_from, mapping.end);
  }
  if (free_from < highest) consider(highest, distance);
  return best;
}

std::string status_field(pid_t pid, std::string_view name) {
  std::istringstream lines(read_text(proc(pid, "status")));
  const std::string prefix = std::string(name) + ":";
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(prefix)) continue;
    const auto begin = line.find_first_not_of(" \t", prefix.size());
    return begin == std::string::npos ? "" : line.substr(begin);
  }
  return {};
}

std::vector<pid_t> threads_of(pid_t pid) {
  std::vector<pid_t> tids;
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir(proc(pid, "task").c_str()),
                                                   [](DIR* d) { return ::closedir(d); });
  if (!folder) return tids;
  while (const dirent* entry = ::readdir(folder.get())) {
    const std::string_view name = entry->d_name;
    pid_t tid = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), tid);
    if (error == std::errc() && end == name.data() + name.size()) tids.push_back(tid);
  }
  std::sort(tids.begin(), tids.end());
  return tids;
}

char thread_state(pid_t pid, pid_t tid) {
  char state = '?';
  stat_fields(read_text(task(pid, tid, "stat"))) >> state;
  return state;
}

// "… 0x7ffd4a2b1c10 0x7f2f3e4c0a17", or "running".
std::optional<Sleep> sleeping_at(pid_t pid, pid_t tid) {
  const std::string text = read_text(task(pid, tid, "syscall"));
  const auto last = text.rfind(" 0x");
  const auto before = last == std::string::npos || last == 0 ? last : text.rfind(" 0x", last - 1);
  if (before == std::string::npos) return std::nullopt;
  Sleep sleep;
  const auto read = [&](std::size_t at, std::uint64_t& into) {
    return std::from_chars(text.data() + at + 3, text.data() + text.size(), into, 16).ec == std::errc();
  };
  if (!read(before, sleep.stack) || !read(last, sleep.instruction)) return std::nullopt;
  return sleep;
}

std::optional<std::uint64_t> start_time(pid_t pid) {
  auto fields = stat_fields(read_text(proc(pid, "stat")));
  constexpr int first_field = 3;
  constexpr int start_time_field = 22;
  std::string skipped;
  for (int field = first_field; field < start_time_field; ++field) fields >> skipped;
  std::uint64_t ticks = 0;
  if (!(fields >> ticks)) return std::nullopt;
  return ticks;
}

std::string boot_identity() {
  std::string id = read_text("/proc/sys/kernel/random/boot_id");
  while (!id.empty() && id.back() == '\n') id.pop_back();
  return id;
}

std::optional<std::vector<std::byte>> read_memory(pid_t pid, std::uint64_t address, std::size_t size) {
  const File memory(::open(proc(pid, "mem").c_str(), O_RDONLY | O_CLOEXEC));
  std::vector<std::byte> bytes(size);
  if (!memory || ::pread(memory.get(), bytes.data(), size, static_cast<off_t>(address)) != static_cast<ssize_t>(size))
    return std::nullopt;
  return bytes;
}

}  // namespace faultline::live::clock
