#include "crash.hpp"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <optional>

#include "handle.hpp"

namespace faultline::live::disk {
namespace {

namespace fs = std::filesystem;

Error failed(const std::string& what, const fs::path& path, int error) {
  return Error::environment("cannot " + what + " " + path.string() + ": " + words_of(error));
}

// The names of a folder, before anything in it is changed.
Result<std::vector<fs::path>> entries_of(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code error;
  for (auto at = fs::directory_iterator(folder, error); !error && at != fs::directory_iterator(); at.increment(error))
    found.push_back(at->path());
  if (error) return failed("read", folder, error.value());
  std::sort(found.begin(), found.end());
  return found;
}

Result<void> find_files(const fs::path& folder, Tree& tree) {
  const auto found = entries_of(folder);
  if (!found) return found.error();
  for (const fs::path& path : found.value()) {
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0) return failed("look at", path, errno);
    if (S_ISDIR(status.st_mode)) {
      if (auto inner = find_files(path, tree); !inner) return inner;
    } else {
      tree.files.emplace(id_of(status), path);
    }
  }
  return {};
}

Result<void> copy_bytes(const fs::path& from, const fs::path& to, mode_t mode) {
  const Handle in(::open(from.c_str(), O_RDONLY | O_CLOEXEC));
  if (!in) return failed("open", from, errno);
  const Handle out(::open(to.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode & 07777));
  if (!out) return failed("create", to, errno);
  std::array<char, 1 << 16> chunk{};
  ssize_t n = 0;
  while ((n = ::read(in.get(), chunk.data(), chunk.size())) > 0) {
    if (::write(out.get(), chunk.data(), static_cast<std::size_t>(n)) != n) return failed("write", to, errno);
  }
  if (n < 0) return failed("read", from, errno);
  return {};
}

Result<void> copy_folder(const fs::path& from, const fs::path& to, Tree& copied) {
  std::error_code error;
  fs::create_directories(to, error);
  if (error) return failed("create", to, error.value());
  const auto found = entries_of(from);
  if (!found) return found.error();
  for (const fs::path& path : found.value()) {
    const fs::path target = to / path.filename();
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0) return failed("look at", path, errno);
    if (S_ISDIR(status.st_mode)) {
      if (auto inner = copy_folder(path, target, copied); !inner) return inner;
      continue;
    }
    const auto [known, is_new] = copied.files.emplace(id_of(status), target);
    if (!is_new) {
      if (::link(known->second.c_str(), target.c_str()) != 0) return failed("link", target, errno);
    } else if (S_ISREG(status.st_mode)) {
      if (auto done = copy_bytes(path, target, status.st_mode); !done) return done;
    } else if (S_ISLNK(status.st_mode)) {
      fs::copy_symlink(path, target, error);
      if (error) return failed("copy", path, error.value());
    }
  }
  return {};
}

// --- files ----------------------------------------------------------------------------------------------------------------------------

Result<void> write_at(int file, const fs::path& path, std::uint64_t offset, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(file, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n <= 0) return failed("write", path, n < 0 ? errno : EIO);
    bytes.remove_prefix(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
  return {};
}

std::string_view part_of(const Pages& pages, std::uint64_t page) {
  const std::uint64_t begin = page * page_size;
  if (begin >= pages.size) return {};
  return std::string_view(pages.pages.at(page)).substr(0, std::min(page_size, pages.size - begin));
}

// Returns how many pages read differently now.
Result<std::uint64_t> write_image(int file, const fs::path& path, const Pages& now, const Pages& image) {
  std::uint64_t different = 0;
  // Shorter first, so that what is behind the end reads as zeros should the file be longer afterwards.
  if (image.size < now.size && ::ftruncate(file, static_cast<off_t>(image.size)) != 0)
    return failed("truncate", path, errno);
  for (const auto& [page, bytes] : image.pages) {
    const std::string_view part = part_of(image, page);
    if (part == part_of(now, page)) continue;
    ++different;
    if (auto written = write_at(file, path, page * page_size, part); !written) return written.error();
  }
  if (image.size > now.size && ::ftruncate(file, static_cast<off_t>(image.size)) != 0)
    return failed("truncate", path, errno);
  return different;
}

template <class Draw>
Result<std::uint64_t> rewrite(const FileLog& log, const fs::path& path, Draw draw) {
  const Handle file(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
  if (!file) return failed("open", path, errno);
  const auto now = read_pages(file.get(), log.touched());
  if (!now) return now.error();
  return write_image(file.get(), path, now.value(), draw(now.value()));
}

// --- folders --------------------------------------------------------------------------------------------------------------------------

// A call that finds nothing to do, or that it is done, is fine: a change that was asked for need not have happened.
Result<void> settle(int outcome, const char* what, const fs::path& path) {
  if (outcome == 0 || errno == ENOENT || errno == EEXIST) return {};
  return failed(what, path, errno);
}

std::string created_name(const EntryChange& change) { return "created-" + std::to_string(change.number); }

Result<void> undo(const EntryChange& change, const Tree& tree) {
  const fs::path from = tree.data / change.from, to = tree.data / change.to, kept = tree.shadow / kept_name(change);
  switch (change.kind) {
    case EntryChange::Kind::create:
      return settle(::rename(to.c_str(), (tree.shadow / created_name(change)).c_str()), "move", to);
    case EntryChange::Kind::remove: return settle(::link(kept.c_str(), from.c_str()), "restore", from);
    case EntryChange::Kind::remove_folder: return settle(::mkdir(from.c_str(), change.mode & 07777), "restore", from);
    case EntryChange::Kind::rename: break;
  }
  if (auto back = settle(::rename(to.c_str(), from.c_str()), "rename", to); !back) return back;
  if (change.replaced == no_file) return {};
  if (change.replaced_is_folder) return settle(::mkdir(to.c_str(), change.mode & 07777), "restore", to);
  return settle(::link(kept.c_str(), to.c_str()), "restore", to);
}

Result<void> redo(const EntryChange& change, const Tree& tree) {
  const fs::path from = tree.data / change.from, to = tree.data / change.to;
  switch (change.kind) {
    case EntryChange::Kind::create:
      return settle(::rename((tree.shadow / created_name(change)).c_str(), to.c_str()), "move", to);
    case EntryChange::Kind::remove: return settle(::unlink(from.c_str()), "remove", from);
    case EntryChange::Kind::remove_folder: return settle(::rmdir(from.c_str()), "remove", from);
    case EntryChange::Kind::rename: break;
  }
  return settle(::rename(from.c_str(), to.c_str()), "rename", from);
}

}  // namespace

FileId id_of(const struct stat& status) { return {status.st_dev, status.st_ino}; }

std::string kept_name(const EntryChange& change) { return "kept-" + std::to_string(change.number); }

Result<Tree> tree_of(const fs::path& data, const fs::path& shadow) {
  Tree tree{data, shadow, {}};
  if (auto found = find_files(data, tree); !found) return found.error();
  if (auto found = find_files(shadow, tree); !found) return found.error();
  return tree;
}

Result<Tree> copy_of(const Tree& tree, const fs::path& data, const fs::path& shadow) {
  Tree copied{data, shadow, {}};
  if (auto done = copy_folder(tree.data, data, copied); !done) return done.error();
  if (auto done = copy_folder(tree.shadow, shadow, copied); !done) return done.error();
  return copied;
}

Result<Pages> read_pages(int file, const std::set<std::uint64_t>& pages) {
  struct stat status {};
  if (::fstat(file, &status) != 0) return Error::environment("cannot look at a file: " + words_of(errno));
  Pages read{.size = static_cast<std::uint64_t>(status.st_size), .pages = {}};
  for (const std::uint64_t page : pages) {
    std::string bytes(page_size, '\0');
    std::size_t done = 0;
    while (done < page_size) {
      const ssize_t n =
          ::pread(file, bytes.data() + done, page_size - done, static_cast<off_t>(page * page_size + done));
      if (n < 0) return Error::environment("cannot read a file: " + words_of(errno));
      if (n == 0) break;
      done += static_cast<std::size_t>(n);
    }
    read.pages.emplace(page, std::move(bytes));
  }
  return read;
}

Result<LossReport> lose(const Log& log, DiskLoss loss, const Rng& rng, const Tree& tree) {
  LossReport report;
  if (loss == DiskLoss::keep) return report;
  for (const auto& [id, file] : log.files) {
    const auto found = tree.files.find(id);
    if (file.is_clean() || found == tree.files.end()) continue;  // of a file without any name nothing can be seen
    Rng own = rng.fork(found->second.lexically_relative(tree.data).string());
    const auto changed = rewrite(file, found->second, [&](const Pages& now) { return file.lose(loss, now, own); });
    if (!changed) return changed.error();
    report.pages += changed.value();
  }
  Rng own = rng.fork("entries");
  const std::vector<bool> survives = log.entries.survivors(loss, own);
  const auto& changes = log.entries.changes();
  for (std::size_t i = changes.size(); i-- > 0;) {
    if (auto done = undo(changes[i], tree); !done) return done.error();
  }
  for (std::size_t i = 0; i < changes.size(); ++i) {
    report.entries += survives[i] ? 0 : 1;
    if (!survives[i]) continue;
    if (auto done = redo(changes[i], tree); !done) return done.error();
  }
  return report;
}

Result<void> evict_dropped(const Log& log, const Tree& tree) {
  for (const auto& [id, file] : log.files) {
    const auto found = tree.files.find(id);
    if (!file.has_dropped() || found == tree.files.end()) continue;
    const auto changed = rewrite(file, found->second, [&](const Pages& now) { return file.evict_dropped(now); });
    if (!changed) return changed.error();
  }
  return {};
}

}  // namespace faultline::live::disk
