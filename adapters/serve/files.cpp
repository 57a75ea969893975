#include "files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

namespace faultline::serve {

namespace {

std::optional<int> hexadecimal(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return std::nullopt;
}

constexpr int folder_flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

}  // namespace

Handle::~Handle() {
  if (fd_ >= 0) ::close(fd_);
}
Handle::Handle(Handle&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
Handle& Handle::operator=(Handle&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}
int Handle::release() { return std::exchange(fd_, -1); }

std::optional<std::string> decoded_path(std::string_view target) {
  target = target.substr(0, target.find_first_of("?#"));
  std::string path;
  for (std::size_t i = 0; i < target.size(); ++i) {
    if (target[i] != '%') {
      path += target[i];
      continue;
    }
    if (target.size() - i < 3) return std::nullopt;
    const auto high = hexadecimal(target[i + 1]), low = hexadecimal(target[i + 2]);
    if (!high || !low) return std::nullopt;
    path += static_cast<char>(*high << 4 | *low);
    i += 2;
  }
  if (path.find('\0') != std::string::npos) return std::nullopt;
  return path;
}

std::optional<std::vector<std::string>> parts_of(std::string_view path) {
  std::vector<std::string> parts;
  while (true) {
    const std::size_t slash = path.find('/');
    const std::string_view part = path.substr(0, slash);
    const bool control =
        std::any_of(part.begin(), part.end(), [](char c) { return static_cast<unsigned char>(c) < 32; });
    if (part.empty() || part.front() == '.' || part.find('\\') != std::string_view::npos || control)
      return std::nullopt;
    parts.emplace_back(part);
    if (slash == std::string_view::npos) return parts;
    path.remove_prefix(slash + 1);
  }
}

std::optional<Handle> open_folder_below(const std::filesystem::path& root, const std::vector<std::string>& parts) {
  Handle folder(::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  for (const std::string& part : parts) {
    if (folder.fd() < 0) return std::nullopt;
    folder = Handle(::openat(folder.fd(), part.c_str(), folder_flags));
  }
  if (folder.fd() < 0) return std::nullopt;
  return folder;
}

std::optional<OpenFile> open_below(const std::filesystem::path& root, const std::vector<std::string>& parts) {
  if (parts.empty()) return std::nullopt;
  const auto folder = open_folder_below(root, {parts.begin(), parts.end() - 1});
  if (!folder) return std::nullopt;
  // Not blocking: a pipe that somebody put there must not stop the site before it is seen to be none of ours.
  Handle file(::openat(folder->fd(), parts.back().c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
  struct stat found {};
  if (file.fd() < 0 || ::fstat(file.fd(), &found) != 0 || !S_ISREG(found.st_mode)) return std::nullopt;
  return OpenFile{std::move(file), static_cast<std::uint64_t>(found.st_size)};
}

std::optional<std::string> read_below(const std::filesystem::path& root, const std::vector<std::string>& parts,
                                      std::uint64_t limit, bool from_end) {
  const auto file = open_below(root, parts);
  if (!file) return std::nullopt;
  std::string bytes(std::min(file->size, limit), '\0');
  const std::uint64_t start = from_end ? file->size - bytes.size() : 0;
  std::size_t at = 0;
  while (at < bytes.size()) {
    const ssize_t n = ::pread(file->handle.fd(), bytes.data() + at, bytes.size() - at, static_cast<off_t>(start + at));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    at += static_cast<std::size_t>(n);
  }
  bytes.resize(at);
  return bytes;
}

}  // namespace faultline::serve
