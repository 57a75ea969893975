// Calls about names.
#include <fcntl.h>
#include <linux/fs.h>

#include <cerrno>
#include <cstdio>

#include "calls.hpp"

namespace faultline::live::disk {

namespace {

std::string join(const std::string& folder, const std::string& name) {
  return folder.empty() ? name : folder + "/" + name;
}

}  // namespace

std::optional<Calls::Place> Calls::place(int base, std::uint64_t text, bool follows) {
  const auto path = Callers::text(thread(), text);
  if (!path) return std::nullopt;
  return place_of(base, *path, follows);
}

// None: outside of the data directory, or no path that a call about names could take.
std::optional<Calls::Place> Calls::place_of(int base, const std::string& given, bool follows) {
  std::string path = given;
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  const std::size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
  Place at;
  at.name = slash == std::string::npos ? path : path.substr(slash + 1);
  if (at.name.empty() || at.name == "." || at.name == "..") return std::nullopt;
  const Handle from = folder.front() == '/' ? Handle() : callers_.base(thread(), base);
  if (folder.front() != '/' && !from) return std::nullopt;
  at.parent = Handle(::openat(from.get(), folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  struct stat status {};
  if (!at.parent || ::fstat(at.parent.get(), &status) != 0) return std::nullopt;
  at.parent_id = id_of(status);
  const auto inner = state_.inside(path_of(at.parent.get()));
  const bool exists = ::fstatat(at.parent.get(), at.name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0;
  if (follows && exists && S_ISLNK(status.st_mode)) {
    const Handle target(::openat(at.parent.get(), at.name.c_str(), O_PATH | O_CLOEXEC));
    return target ? place_of(AT_FDCWD, path_of(target.get()), false) : std::nullopt;
  }
  if (!inner || !(*is_valid_)()) return std::nullopt;
  at.path = join(*inner, at.name);
  if (exists) at.status = status;
  ++state_.seen.data_calls;
  return at;
}

Answer Calls::open(int base, std::uint64_t text, std::uint64_t flags) {
  if ((flags & O_PATH) != 0 || (flags & O_DIRECTORY) != 0) return GoOn{};  // O_TMPFILE, too: a file without a name
  const auto at = place(base, text, (flags & O_NOFOLLOW) == 0);
  if (!at) return GoOn{};
  if (at->status ? !S_ISREG(at->status->st_mode) : (flags & O_CREAT) == 0) return GoOn{};
  if (auto ruled = before(DiskCall::open, at->path)) return std::move(*ruled);
  if (at->status) {
    if ((flags & O_DIRECT) != 0 && (flags & O_ACCMODE) != O_RDONLY)
      state_.mark_blind(at->id(), at->path, "is written with O_DIRECT");
    const bool is_refused = (flags & O_CREAT) != 0 && (flags & O_EXCL) != 0;
    if ((flags & O_TRUNC) != 0 && !is_refused) return truncate_open(*at);
    return after(DiskCall::open, at->path, GoOn{});
  }
  const std::uint64_t number = state_.next_number++;
  state_.expect_change({.kind = EntryChange::Kind::create,
                        .to = at->path,
                        .from_folder = no_file,
                        .to_folder = at->parent_id,
                        .number = number},
                       thread(), true);
  return after(DiskCall::open, at->path, GoOn{}, number);
}

// The kernel empties it as part of the open; that is noted here before, as it can only fail for want of rights.
Answer Calls::truncate_open(const Place& at) {
  constexpr std::uint64_t most_kept = 64 << 20;
  const auto size = static_cast<std::uint64_t>(at.status->st_size);
  if (size > 0) {
    const Handle file(::openat(at.parent.get(), at.name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    std::string cut(size <= most_kept ? size : 0, '\0');
    const ssize_t n = file ? ::pread(file.get(), cut.data(), cut.size(), 0) : -1;
    if (n != static_cast<ssize_t>(cut.size())) {
      state_.mark_blind(at.id(), at.path, "cannot be read");
    } else {
      state_.file(at.id()).resize(size, 0, std::move(cut));
      state_.rules.give_space(size);
      if (size > most_kept) state_.sync_file(at.id(), at.path);
      state_.bound(at.id(), at.path);
    }
  }
  return after(DiskCall::open, at.path, GoOn{});
}

Answer Calls::rename(int from_base, std::uint64_t from_text, int to_base, std::uint64_t to_text, unsigned flags) {
  const auto from = place(from_base, from_text);
  const auto to = place(to_base, to_text);
  if (!from || !to || !from->status || (flags & ~static_cast<unsigned>(RENAME_NOREPLACE)) != 0) return GoOn{};
  if (to->status && (flags & RENAME_NOREPLACE) != 0) return GoOn{};
  if (from->id() == to->id()) return GoOn{};
  if (auto ruled = before(DiskCall::rename, from->path)) return std::move(*ruled);
  EntryChange change{.kind = EntryChange::Kind::rename,
                     .from = from->path,
                     .to = to->path,
                     .from_folder = from->parent_id,
                     .to_folder = to->parent_id,
                     .file = from->id(),
                     .replaced = to->id(),
                     .is_folder = S_ISDIR(from->status->st_mode),
                     .replaced_is_folder = to->status && S_ISDIR(to->status->st_mode),
                     .mode = to->status ? to->status->st_mode : 0,
                     .number = state_.next_number++};
  const std::string kept = state_.kept(change);
  if (to->status && !change.replaced_is_folder &&
      ::linkat(to->parent.get(), to->name.c_str(), AT_FDCWD, kept.c_str(), 0) != 0)
    state_.mark_blind(change.replaced, to->path, "cannot be kept when it is replaced");
  if (!performs_) {
    const std::uint64_t number = change.number;
    state_.expect_change(std::move(change), thread(), false);
    return after(DiskCall::rename, from->path, GoOn{}, number);
  }
  if (::renameat2(from->parent.get(), from->name.c_str(), to->parent.get(), to->name.c_str(), flags) != 0) {
    const int error = errno;
    ::unlink(kept.c_str());
    return Failed{error};
  }
  state_.add_change(std::move(change));
  return after(DiskCall::rename, from->path, Done{0});
}

Answer Calls::remove(int base, std::uint64_t text, bool folder) {
  const auto at = place(base, text);
  if (!at || !at->status || S_ISDIR(at->status->st_mode) != folder) return GoOn{};
  if (auto ruled = before(DiskCall::unlink, at->path)) return std::move(*ruled);
  EntryChange change{.kind = folder ? EntryChange::Kind::remove_folder : EntryChange::Kind::remove,
                     .from = at->path,
                     .from_folder = at->parent_id,
                     .to_folder = no_file,
                     .file = at->id(),
                     .mode = at->status->st_mode,
                     .number = state_.next_number++};
  const std::string kept = state_.kept(change);
  if (!folder && ::linkat(at->parent.get(), at->name.c_str(), AT_FDCWD, kept.c_str(), 0) != 0)
    state_.mark_blind(change.file, at->path, "cannot be kept when it is removed");
  if (!performs_) {
    const std::uint64_t number = change.number;
    state_.expect_change(std::move(change), thread(), false);
    return after(DiskCall::unlink, at->path, GoOn{}, number);
  }
  if (::unlinkat(at->parent.get(), at->name.c_str(), folder ? AT_REMOVEDIR : 0) != 0) {
    const int error = errno;
    ::unlink(kept.c_str());
    return Failed{error};
  }
  if (at->status->st_nlink == 1) state_.rules.give_space(static_cast<std::uint64_t>(at->status->st_size));
  state_.add_change(std::move(change));
  return after(DiskCall::unlink, at->path, Done{0});
}

// A folder, or a further name: made by the daemon itself.
Answer Calls::make(DiskCall call, int base, std::uint64_t text) {
  const auto at = place(base, text);
  if (!at || at->status) return GoOn{};
  if (auto ruled = before(call, at->path)) return std::move(*ruled);
  const std::uint64_t number = state_.next_number++;
  state_.expect_change({.kind = EntryChange::Kind::create,
                        .to = at->path,
                        .from_folder = no_file,
                        .to_folder = at->parent_id,
                        .number = number},
                       thread(), call == DiskCall::mkdir);
  return after(call, at->path, GoOn{}, number);
}

}  // namespace faultline::live::disk
