#include <faultline/formats.hpp>
#include <faultline/journal.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include "json.hpp"

namespace faultline {

namespace {
constexpr std::size_t flush_bytes = std::size_t{1} << 20;
constexpr std::size_t max_buffer = std::size_t{64} << 20;
}  // namespace

Result<Journal> Journal::open(std::string path) {
  Journal journal;
  journal.fd_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (journal.fd_ < 0) {
    return Error::environment(fmt::format("{}: error: cannot create: {}", path, std::strerror(errno)),
                              "name a folder that can be written to");
  }
  struct stat facts {};
  if (::fstat(journal.fd_, &facts) == 0 && facts.st_size > 0) {
    return Error::environment(fmt::format("{}: error: the file already holds a history", path),
                              "give every run a folder of its own");
  }
  journal.path_ = std::move(path);
  return journal;
}

Journal::Journal(Journal&& other) noexcept
    : path_(std::move(other.path_)),
      fd_(std::exchange(other.fd_, -1)),
      buffer_(std::exchange(other.buffer_, {})),
      written_(other.written_),
      events_(other.events_),
      last_flush_(other.last_flush_) {}

Journal::~Journal() {
  if (fd_ < 0) return;
  static_cast<void>(write_out());
  ::close(fd_);
}

Result<void> Journal::append(const Event& event, Instant now) {
  if (buffer_.size() > max_buffer) {
    return Error::environment(
        fmt::format("{}: error: {} bytes of events are waiting and cannot be written", path_, buffer_.size()),
        "free space on the disk, or choose another one");
  }
  append_native_line(buffer_, events_, event);
  ++events_;
  return buffer_.size() >= flush_bytes ? flush(now) : flush_if_due(now);
}

Result<void> Journal::flush_if_due(Instant now) {
  if (buffer_.empty() || now - last_flush_ < flush_interval) return {};
  return flush(now);
}

Result<void> Journal::flush(Instant now) {
  last_flush_ = now;
  return write_out();
}

Result<void> Journal::write_out() {
  std::string_view left = buffer_;
  while (!left.empty()) {
    const ssize_t n = ::write(fd_, left.data(), left.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failed(errno);
    if (n == 0) return failed(ENOSPC);
    left.remove_prefix(static_cast<std::size_t>(n));
  }
  written_ += buffer_.size();
  buffer_.clear();
  return {};
}

Error Journal::failed(int error) {
  std::string message = fmt::format("{}: error: cannot write: {}", path_, std::strerror(error));
  if (::ftruncate(fd_, static_cast<off_t>(written_)) != 0) {
    message += fmt::format("; nor cut back to the last whole line: {}", std::strerror(errno));
  }
  return Error::environment(std::move(message), "free space on the disk, or choose another one");
}

}  // namespace faultline
