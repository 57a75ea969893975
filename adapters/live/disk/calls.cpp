// Which call is which, and what the rules say.
#include "calls.hpp"

#include <fcntl.h>
#include <sys/syscall.h>

#include <array>
#include <cerrno>

namespace faultline::live::disk {

namespace {

// open_how of openat2(2) begins with its flags.
std::uint64_t flags_of_openat2(pid_t thread, std::uint64_t address) {
  const std::string bytes = Callers::memory(thread, address, sizeof(std::uint64_t));
  std::uint64_t flags = 0;
  if (bytes.size() == sizeof flags) bytes.copy(reinterpret_cast<char*>(&flags), sizeof flags);
  return flags;
}

std::uint64_t offset_of(std::uint64_t low, std::uint64_t high) { return low | high << 32; }

}  // namespace

Answer Calls::answer(const seccomp_notif& call, Progress progress, const IsValid& is_valid) {
  call_ = &call;
  is_valid_ = &is_valid;
  progress_ = progress;
  ++state_.seen.calls;
  state_.note_changes(thread());
  if (auto answered = answer_files()) return std::move(*answered);
  if (auto answered = answer_folders()) return std::move(*answered);
  return GoOn{};
}

std::optional<Answer> Calls::answer_files() {
  const auto bytes = [&] { return Callers::memory(thread(), arg(1), std::min<std::uint64_t>(arg(2), 64 << 20)); };
  switch (call_->data.nr) {
    case SYS_write:
    case SYS_pwrite64: {
      // The bytes are read only if the file is one of ours.
      if (!data_file(fd(0))) return GoOn{};
      Write asked{.descriptor = fd(0), .bytes = bytes(), .offset = {}};
      if (call_->data.nr == SYS_pwrite64) asked.offset = arg(3);
      return write(std::move(asked));
    }
    case SYS_writev: return gather(arg(1), arg(2), std::nullopt, 0);
    case SYS_pwritev: return gather(arg(1), arg(2), offset_of(arg(3), arg(4)), 0);
    case SYS_pwritev2: {
      const std::uint64_t offset = offset_of(arg(3), arg(4));
      const bool at_position = offset == UINT64_MAX;
      return gather(arg(1), arg(2), at_position ? std::nullopt : std::optional(offset), static_cast<int>(arg(5)));
    }
    case SYS_sendfile: return copy(fd(0));
    case SYS_splice:
    case SYS_copy_file_range: return copy(fd(2));
    case SYS_read:
    case SYS_pread64:
    case SYS_readv:
    case SYS_preadv:
    case SYS_preadv2: return read(fd(0));
    case SYS_ftruncate: return resize(data_file(fd(0)), arg(1));
    case SYS_truncate: return resize_at(arg(0), arg(1));
    case SYS_fallocate: return allocate(fd(0), static_cast<int>(arg(1)), arg(2), arg(3));
    case SYS_fsync:
    case SYS_fdatasync: return sync(fd(0));
    case SYS_sync_file_range: return sync_range(fd(0), static_cast<unsigned>(arg(3)));
    case SYS_sync:
    case SYS_syncfs: return state_.sync_all(), GoOn{};
    case SYS_mmap: return map(fd(4));
    case SYS_fcntl: return set_flags(fd(0), static_cast<int>(arg(2)));
    case SYS_io_submit: return state_.mark_blind({0, 1}, "the daemon", "uses AIO"), GoOn{};
    default: return std::nullopt;
  }
}

std::optional<Answer> Calls::answer_folders() {
  switch (call_->data.nr) {
#ifdef SYS_open
    case SYS_open: return open(AT_FDCWD, arg(0), arg(1));
    case SYS_creat: return open(AT_FDCWD, arg(0), O_CREAT | O_WRONLY | O_TRUNC);
    case SYS_rename: return rename(AT_FDCWD, arg(0), AT_FDCWD, arg(1), 0);
    case SYS_unlink: return remove(AT_FDCWD, arg(0), false);
    case SYS_rmdir: return remove(AT_FDCWD, arg(0), true);
    case SYS_mkdir: return make(DiskCall::mkdir, AT_FDCWD, arg(0));
    case SYS_link:
    case SYS_symlink: return make(DiskCall::open, AT_FDCWD, arg(1));
    case SYS_mknod: return make(DiskCall::open, AT_FDCWD, arg(0));
#endif
    case SYS_openat: return open(fd(0), arg(1), arg(2));
    case SYS_openat2: return open(fd(0), arg(1), flags_of_openat2(thread(), arg(2)));
    case SYS_renameat: return rename(fd(0), arg(1), fd(2), arg(3), 0);
    case SYS_renameat2: return rename(fd(0), arg(1), fd(2), arg(3), static_cast<unsigned>(arg(4)));
    case SYS_unlinkat: return remove(fd(0), arg(1), (arg(2) & AT_REMOVEDIR) != 0);
    case SYS_mkdirat: return make(DiskCall::mkdir, fd(0), arg(1));
    case SYS_mknodat: return make(DiskCall::open, fd(0), arg(1));
    case SYS_linkat: return make(DiskCall::open, fd(2), arg(3));
    case SYS_symlinkat: return make(DiskCall::open, fd(1), arg(2));
    default: return std::nullopt;
  }
}

std::optional<Calls::File> Calls::data_file(int descriptor, bool may_be_folder) {
  File file{.handle = callers_.descriptor(thread(), descriptor), .id = no_file, .path = {}};
  if (!file.handle || ::fstat(file.handle.get(), &file.status) != 0) return std::nullopt;
  if (!S_ISREG(file.status.st_mode) && !(may_be_folder && S_ISDIR(file.status.st_mode))) return std::nullopt;
  auto path = state_.inside(path_of(file.handle.get()));
  if (!path || !(*is_valid_)()) return std::nullopt;
  file.id = id_of(file.status);
  file.path = std::move(*path);
  ++state_.seen.data_calls;
  return file;
}

std::optional<Answer> Calls::before(DiskCall call, const std::string& path) {
  if (state_.rules.empty()) return std::nullopt;
  if (progress_ == Progress::fresh) {
    if (const WatchRule* met = state_.rules.watch(call, path, false)) return Held{met->holds, {}};
  }
  if (progress_ != Progress::was_slowed) {
    if (const Duration delay = state_.rules.delay(); delay > Duration::zero()) return Later{delay};
  }
  if (auto crash = state_.rules.crash(call, path, false)) return Freeze{std::move(crash), {}};
  if (call == DiskCall::read || call == DiskCall::write || call == DiskCall::allocate) {
    if (const int error = state_.rules.error(call, path); error != 0) return Failed{error};
  }
  return std::nullopt;
}

Answer Calls::after(DiskCall call, const std::string& path, Answer answer, std::optional<std::uint64_t> change) {
  if (state_.rules.empty() || std::holds_alternative<Failed>(answer)) return answer;
  if (auto crash = state_.rules.crash(call, path, true)) return Freeze{std::move(crash), change};
  const WatchRule* met = state_.rules.watch(call, path, true);
  if (met == nullptr || change) return answer;
  if (const auto* done = std::get_if<Done>(&answer)) return Held{met->holds, *done};
  return Held{met->holds, GoOn{}};
}

}  // namespace faultline::live::disk
