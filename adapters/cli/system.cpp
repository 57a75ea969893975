#include "system.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <fstream>
#include <optional>
#include <random>
#include <thread>

#include "version.hpp"

namespace faultline::cli {

namespace {

std::string formatted_utc(const char* format, std::time_t time) {
  std::tm parts{};
  gmtime_r(&time, &parts);
  std::array<char, 64> buffer{};
  std::strftime(buffer.data(), buffer.size(), format, &parts);
  return buffer.data();
}

std::uint64_t meminfo_available() {
  std::ifstream file("/proc/meminfo");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("MemAvailable:")) return std::stoull(line.substr(13)) * 1024;
  }
  return 4ULL << 30;
}

std::optional<std::uint64_t> number_in(const char* path) {
  std::ifstream file(path);
  std::uint64_t number = 0;
  if (file >> number) return number;
  return std::nullopt;
}

std::uint64_t cgroup_left() {
  constexpr std::uint64_t no_limit = 1ULL << 60;
  const auto v2_limit = number_in("/sys/fs/cgroup/memory.max");
  const auto v2_used = number_in("/sys/fs/cgroup/memory.current");
  if (v2_limit && v2_used) return *v2_limit > *v2_used ? *v2_limit - *v2_used : 0;
  const auto v1_limit = number_in("/sys/fs/cgroup/memory/memory.limit_in_bytes");
  const auto v1_used = number_in("/sys/fs/cgroup/memory/memory.usage_in_bytes");
  if (v1_limit && v1_used && *v1_limit < no_limit) return *v1_limit > *v1_used ? *v1_limit - *v1_used : 0;
  return UINT64_MAX;
}

std::atomic<int> interrupt_count{0};
std::array<char, 4096> last_words{};
std::atomic<std::size_t> last_words_size{0};

extern "C" void on_interrupt(int) {
  constexpr int leave_at_once = 3;
  if (interrupt_count.fetch_add(1) + 1 < leave_at_once) return;
  const std::size_t size = last_words_size.load();
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, last_words.data(), size);
  ::_exit(130);
}

}  // namespace

std::string utc_text(std::int64_t seconds) { return formatted_utc("%Y-%m-%d %H:%M:%S UTC", seconds); }
std::string utc_text() { return utc_text(std::time(nullptr)); }
std::string utc_compact() { return formatted_utc("%Y%m%dT%H%M%SZ", std::time(nullptr)); }

std::uint64_t peak_rss_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
}

std::uint64_t default_memory_limit() { return std::min(meminfo_available(), cgroup_left()) / 2; }

unsigned core_count() { return std::max(1U, std::thread::hardware_concurrency()); }

std::uint64_t random_seed() {
  std::random_device device;
  return device();  // 32 bits: short enough to type
}

std::map<std::string, std::string> tool_versions() {
  return {{"version", FAULTLINE_VERSION}, {"commit", FAULTLINE_COMMIT}, {"compiler", FAULTLINE_COMPILER}};
}

Result<void> write_file(const std::filesystem::path& path, const std::function<void(const Sink&)>& produce) {
  const std::string temporary = fmt::format("{}.{}.part", path.string(), ::getpid());
  const auto failed = [&](const char* what) {
    const Error error = Error::environment(fmt::format("{}: cannot {}: {}", path.string(), what, std::strerror(errno)),
                                           "check that the folder exists, is writable and has room");
    ::unlink(temporary.c_str());
    return error;
  };
  const int file = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file < 0) return failed("create it");
  int problem = 0;
  produce([&](std::string_view bytes) {
    while (!bytes.empty() && problem == 0) {
      const ssize_t written = ::write(file, bytes.data(), bytes.size());
      if (written >= 0) {
        bytes.remove_prefix(static_cast<std::size_t>(written));
      } else if (errno != EINTR) {
        problem = errno;
      }
    }
  });
  if (::close(file) != 0 && problem == 0) problem = errno;
  if (problem != 0) {
    errno = problem;
    return failed("write it");
  }
  if (::rename(temporary.c_str(), path.c_str()) != 0) return failed("put it in place");
  return {};
}

Result<void> write_file(const std::filesystem::path& path, std::string_view bytes) {
  return write_file(path, [bytes](const Sink& sink) { sink(bytes); });
}

void install_signal_handlers() {
  struct sigaction action {};
  action.sa_handler = on_interrupt;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  action.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &action, nullptr);
}

int interrupts() { return interrupt_count.load(); }

void set_leftovers_notice(std::string_view notice) {
  const std::size_t size = std::min(notice.size(), last_words.size());
  last_words_size = 0;
  std::copy_n(notice.begin(), size, last_words.begin());
  last_words_size = size;
}

}  // namespace faultline::cli
