// Files below one folder, and no other: paths come from a browser.
//
// A path is split at its slashes after decoding, and each part is opened beneath the one before it without following symbolic links, so
// neither `..` nor a link, nor one that is put there meanwhile, leads out. Hidden files stay hidden.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace faultline::serve {

// An open regular file or folder; closes it.
class Handle {
 public:
  explicit Handle(int fd) : fd_(fd) {}
  ~Handle();
  Handle(Handle&& other) noexcept;
  Handle& operator=(Handle&& other) noexcept;
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

  [[nodiscard]] int fd() const { return fd_; }
  int release();

 private:
  int fd_ = -1;
};

struct OpenFile {
  Handle handle;
  std::uint64_t size = 0;
};

// "/runs/a%20b" without its query, decoded; nothing if an escape is broken or the text holds a NUL.
std::optional<std::string> decoded_path(std::string_view target);
// The parts of a path; nothing if one of them is empty, begins with a dot, or holds a backslash or a control character.
std::optional<std::vector<std::string>> parts_of(std::string_view path);

// A regular file below `root`; nothing if it is not there, or on a way that is refused.
std::optional<OpenFile> open_below(const std::filesystem::path& root, const std::vector<std::string>& parts);
// A folder likewise.
std::optional<Handle> open_folder_below(const std::filesystem::path& root, const std::vector<std::string>& parts);
// At most `limit` bytes of a file below `root`, from its end if `from_end`.
std::optional<std::string> read_below(const std::filesystem::path& root, const std::vector<std::string>& parts,
                                      std::uint64_t limit, bool from_end = false);

}  // namespace faultline::serve
