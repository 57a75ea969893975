#include "caller.hpp"

#include <fcntl.h>
#include <linux/limits.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <string_view>

namespace faultline::live::disk {
namespace {

constexpr auto remembered = std::chrono::seconds(1);
constexpr std::size_t most_processes = 64;
constexpr std::size_t most_threads = 4096;

std::string status_of(pid_t thread) {
  const Handle file(::open(("/proc/" + std::to_string(thread) + "/status").c_str(), O_RDONLY | O_CLOEXEC));
  std::array<char, 4096> text{};
  const ssize_t n = file ? ::read(file.get(), text.data(), text.size()) : -1;
  return n > 0 ? std::string(text.data(), static_cast<std::size_t>(n)) : std::string();
}

std::optional<long> field(const std::string& status, std::string_view name, int base) {
  const std::size_t at = status.find("\n" + std::string(name) + ":");
  if (at == std::string::npos) return std::nullopt;
  const std::size_t digit = status.find_first_of("0123456789", at);
  if (digit == std::string::npos) return std::nullopt;
  long number = 0;
  std::from_chars(status.data() + digit, status.data() + status.size(), number, base);
  return number;
}

}  // namespace

pid_t Callers::process_of(pid_t thread) {
  const auto now = std::chrono::steady_clock::now();
  if (const auto known = threads_.find(thread); known != threads_.end() && now - known->second.seen < remembered)
    return known->second.process;
  const auto process = field(status_of(thread), "Tgid", 10);
  if (!process) return 0;
  if (threads_.size() >= most_threads) threads_.clear();
  threads_[thread] = {static_cast<pid_t>(*process), now};
  return static_cast<pid_t>(*process);
}

Handle Callers::descriptor(pid_t thread, int number) {
  for (const bool again : {false, true}) {
    const pid_t process = process_of(thread);
    if (process == 0) return {};
    auto found = processes_.find(process);
    if (found == processes_.end()) {
      if (processes_.size() >= most_processes) processes_.clear();
      Handle pinned(static_cast<int>(::syscall(SYS_pidfd_open, process, 0)));
      if (!pinned) return {};
      found = processes_.emplace(process, std::move(pinned)).first;
    }
    const auto duplicate = ::syscall(SYS_pidfd_getfd, found->second.get(), number, 0);
    if (duplicate >= 0) return Handle(static_cast<int>(duplicate));
    if (errno != ESRCH || again) return {};
    processes_.erase(found);  // an earlier process of that number
    threads_.erase(thread);
  }
  return {};
}

std::string Callers::memory(pid_t thread, std::uint64_t address, std::uint64_t length) {
  std::string bytes(length, '\0');
  std::uint64_t done = 0;
  while (done < length) {
    iovec here{bytes.data() + done, length - done};
    iovec there{reinterpret_cast<void*>(address + done), length - done};  // NOLINT: an address of the other process
    const ssize_t n = ::process_vm_readv(thread, &here, 1, &there, 1, 0);
    if (n <= 0) break;
    done += static_cast<std::uint64_t>(n);
  }
  bytes.resize(done);
  return bytes;
}

std::optional<std::string> Callers::text(pid_t thread, std::uint64_t address) {
  constexpr std::uint64_t page = 4096;
  std::string bytes;
  while (bytes.size() < PATH_MAX) {
    const std::uint64_t at = address + bytes.size();
    const std::string more = memory(thread, at, page - at % page);  // never into a page that may not be there
    if (more.empty()) return std::nullopt;
    bytes += more;
    if (const std::size_t end = bytes.find('\0'); end != std::string::npos) return bytes.substr(0, end);
  }
  return std::nullopt;
}

Handle Callers::base(pid_t thread, int number) {
  if (number != AT_FDCWD) return descriptor(thread, number);
  return Handle(::open(("/proc/" + std::to_string(thread) + "/cwd").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
}

mode_t Callers::umask_of(pid_t thread) {
  constexpr mode_t usual = 022;
  return static_cast<mode_t>(field(status_of(thread), "Umask", 8).value_or(usual));
}

std::string path_of(int descriptor) {
  constexpr std::string_view gone = " (deleted)";
  std::array<char, PATH_MAX> text{};
  const ssize_t n = ::readlink(("/proc/self/fd/" + std::to_string(descriptor)).c_str(), text.data(), text.size());
  std::string path(text.data(), n > 0 ? static_cast<std::size_t>(n) : 0);
  if (path.ends_with(gone)) path.resize(path.size() - gone.size());
  return path;
}

}  // namespace faultline::live::disk
