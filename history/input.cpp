#include "input.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fmt/format.h>

namespace faultline {

Result<ByteSource> ByteSource::open(const std::string& path) {
  ByteSource source;
  source.name_ = path == "-" ? "stdin" : path;
  source.fd_ = path == "-" ? STDIN_FILENO : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  source.owns_ = path != "-";
  const int error = errno;
  if (source.fd_ < 0 && (error == ENOENT || error == ENOTDIR)) {
    return Error::bad_input(fmt::format("{}: error: expected a history file, found none", path),
                            "give the path of an existing file");
  }
  if (source.fd_ < 0) {
    return Error::environment(fmt::format("{}: error: cannot open: {}", path, std::strerror(error)),
                              "make the file readable");
  }
  struct stat facts {};
  if (::fstat(source.fd_, &facts) == 0) {
    if (S_ISDIR(facts.st_mode)) {
      return Error::bad_input(fmt::format("{}: error: expected a history file, found a folder", path),
                              "name the file in it, for a run history.jsonl");
    }
    if (S_ISREG(facts.st_mode)) source.size_hint_ = static_cast<std::uint64_t>(facts.st_size);
  }
  return source;
}

ByteSource ByteSource::memory(std::string_view bytes, std::string_view name) {
  ByteSource source;
  source.name_ = name;
  source.memory_ = bytes;
  source.size_hint_ = bytes.size();
  return source;
}

ByteSource::ByteSource(ByteSource&& other) noexcept
    : name_(std::move(other.name_)),
      fd_(std::exchange(other.fd_, -1)),
      owns_(std::exchange(other.owns_, false)),
      memory_(other.memory_),
      size_hint_(other.size_hint_) {}

ByteSource::~ByteSource() {
  if (owns_ && fd_ >= 0) ::close(fd_);
}

Result<std::size_t> ByteSource::read(char* into, std::size_t size) {
  if (fd_ < 0) {
    const std::size_t n = std::min(size, memory_.size());
    if (n > 0) std::memcpy(into, memory_.data(), n);
    memory_.remove_prefix(n);
    return n;
  }
  for (;;) {
    const ssize_t n = ::read(fd_, into, size);
    if (n >= 0) return static_cast<std::size_t>(n);
    if (errno == EINTR) continue;
    return Error::environment(fmt::format("{}: error: cannot read: {}", name_, std::strerror(errno)),
                              "the file was read only in part, so nothing was judged; check the disk and try again");
  }
}

// One byte more than a small file has, so that its end shows without growing.
ChunkReader::ChunkReader(ByteSource source, std::function<std::string_view()> stop)
    : source_(std::move(source)),
      capacity_(source_.size_hint() > 0 && source_.size_hint() < chunk ? source_.size_hint() + 1 : chunk),
      stop_(std::move(stop)) {
  buffer_ = std::make_unique_for_overwrite<char[]>(capacity_ + padding);
  std::memset(buffer_.get(), 0, padding);
}

Result<bool> ChunkReader::more() {
  if (eof_) return false;
  if (stop_) {
    if (const std::string_view why = stop_(); !why.empty()) {
      return Error::environment(fmt::format("{}: error: reading was stopped: {}", name(), why));
    }
  }
  const std::size_t held = end_ - begin_;
  if (held >= max_event_bytes) return false;
  if (begin_ > 0) std::memmove(buffer_.get(), buffer_.get() + begin_, held);
  begin_ = 0;
  end_ = held;
  if (end_ == capacity_) {  // one long event: make room for it
    const std::size_t larger = std::min(capacity_ * 2, max_event_bytes + chunk);
    auto buffer = std::make_unique_for_overwrite<char[]>(larger + padding);
    std::memcpy(buffer.get(), buffer_.get(), held);
    buffer_ = std::move(buffer);
    capacity_ = larger;
  }
  auto got = source_.read(buffer_.get() + end_, capacity_ - end_);
  if (!got) return got.error();
  end_ += got.value();
  eof_ = got.value() == 0;
  std::memset(buffer_.get() + end_, 0, padding);
  return !eof_;
}

}  // namespace faultline
