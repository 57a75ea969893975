// Calls about the data of files.
#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "calls.hpp"

#ifndef RWF_APPEND
#define RWF_APPEND 0x00000010
#endif

namespace faultline::live::disk {
namespace {

constexpr std::uint64_t most_at_once = 64 << 20;

// Shorter if it cannot be read, or ends.
std::string read_old(const Handle& file, std::uint64_t offset, std::uint64_t length) {
  std::string bytes(length, '\0');
  std::uint64_t done = 0;
  while (done < length) {
    const ssize_t n = ::pread(file.get(), bytes.data() + done, length - done, static_cast<off_t>(offset + done));
    if (n <= 0) break;
    done += static_cast<std::uint64_t>(n);
  }
  bytes.resize(done);
  return bytes;
}

// A descriptor of the same file that can be read.
Handle reader_of(const Handle& file) {
  return Handle(::open(("/proc/self/fd/" + std::to_string(file.get())).c_str(), O_RDONLY | O_CLOEXEC));
}

std::uint64_t size_of(const struct stat& status) { return static_cast<std::uint64_t>(status.st_size); }

}  // namespace

Answer Calls::write(Write asked) {
  const auto file = data_file(asked.descriptor);
  if (!file) return GoOn{};
  const int flags = ::fcntl(file->handle.get(), F_GETFL);
  if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY || asked.bytes.empty()) return GoOn{};
  if ((flags & O_DIRECT) != 0) {
    state_.mark_blind(file->id, file->path, "is written with O_DIRECT");
    return GoOn{};
  }
  if (auto ruled = before(DiskCall::write, file->path)) return std::move(*ruled);
  return after(DiskCall::write, file->path, write_to(*file, asked, flags));
}

Answer Calls::write_to(const File& file, const Write& asked, int status_flags) {
  const std::uint64_t size = size_of(file.status);
  const bool appends = (status_flags & O_APPEND) != 0 || (asked.flags & RWF_APPEND) != 0;
  const off_t position = asked.offset ? 0 : ::lseek(file.handle.get(), 0, SEEK_CUR);
  if (position < 0) return GoOn{};
  const std::uint64_t at = appends ? size : asked.offset.value_or(static_cast<std::uint64_t>(position));
  std::string_view bytes = asked.bytes;
  const std::uint64_t growth = at + bytes.size() > size ? std::min(at + bytes.size() - size, bytes.size()) : 0;
  const std::uint64_t fits = growth > 0 ? state_.rules.take_space(growth) : 0;
  bytes.remove_suffix(growth - fits);
  if (bytes.empty()) return Failed{ENOSPC};
  const Handle reader = reader_of(file.handle);
  if (!reader) {
    state_.mark_blind(file.id, file.path, "cannot be read");
    return GoOn{};
  }
  std::string old = at < size ? read_old(reader, at, std::min<std::uint64_t>(bytes.size(), size - at)) : std::string();
  Answer answer = GoOn{};
  std::size_t done = bytes.size();
  // A write that is cut short for want of space cannot be left to the daemon.
  if (performs_ || growth != fits) {
    const iovec vector{const_cast<char*>(bytes.data()), bytes.size()};
    const off_t offset = asked.offset ? static_cast<off_t>(*asked.offset) : -1;
    const ssize_t n = ::pwritev2(file.handle.get(), &vector, 1, offset, asked.flags);
    if (n < 0) return Failed{errno};
    done = static_cast<std::size_t>(n);
    answer = Done{n};
  }
  old.resize(std::min(old.size(), done));
  state_.file(file.id).write(at, size, std::move(old), std::string(bytes.substr(0, done)));
  const bool is_synced = (status_flags & (O_SYNC | O_DSYNC)) != 0 || (asked.flags & (RWF_SYNC | RWF_DSYNC)) != 0;
  if (is_synced) {
    state_.sync_file(file.id, file.path);
  } else {
    state_.bound(file.id, file.path);
  }
  return answer;
}

Answer Calls::gather(std::uint64_t vectors, std::uint64_t count, std::optional<std::uint64_t> offset, int flags) {
  constexpr std::uint64_t most_vectors = 1024;
  if (count > most_vectors || !data_file(fd(0))) return GoOn{};
  const std::string raw = Callers::memory(thread(), vectors, count * sizeof(iovec));
  std::string bytes;
  for (std::size_t at = 0; at + sizeof(iovec) <= raw.size() && bytes.size() < most_at_once; at += sizeof(iovec)) {
    iovec vector{};
    std::memcpy(&vector, raw.data() + at, sizeof vector);
    const auto length = std::min<std::uint64_t>(vector.iov_len, most_at_once);
    bytes += Callers::memory(thread(), reinterpret_cast<std::uint64_t>(vector.iov_base), length);
  }
  return write({.descriptor = fd(0), .bytes = std::move(bytes), .offset = offset, .flags = flags});
}

// From descriptor to descriptor, inside the kernel: what is written there is known only once it is.
Answer Calls::copy(int to) {
  if (const auto file = data_file(to))
    state_.mark_blind(file->id, file->path, "is written by sendfile, splice or copy_file_range");
  return GoOn{};
}

Answer Calls::read(int descriptor) {
  if (state_.rules.empty()) return GoOn{};
  const auto file = data_file(descriptor);
  if (!file) return GoOn{};
  if (auto ruled = before(DiskCall::read, file->path)) return std::move(*ruled);
  return after(DiskCall::read, file->path, GoOn{});
}

Answer Calls::resize(std::optional<File> file, std::uint64_t size) {
  if (!file) return GoOn{};
  if (auto ruled = before(DiskCall::truncate, file->path)) return std::move(*ruled);
  const std::uint64_t old_size = size_of(file->status);
  const Handle reader = reader_of(file->handle);
  const std::uint64_t gone = size < old_size ? old_size - size : 0;
  const bool is_kept = gone <= most_at_once;
  std::string cut = gone > 0 && is_kept ? read_old(reader, size, gone) : std::string();
  Answer answer = GoOn{};
  if (performs_) {
    if (::ftruncate(file->handle.get(), static_cast<off_t>(size)) != 0) return Failed{errno};
    answer = Done{0};
  }
  state_.rules.give_space(gone);
  state_.file(file->id).resize(old_size, size, std::move(cut));
  if (!is_kept) state_.sync_file(file->id, file->path);
  state_.bound(file->id, file->path);
  return after(DiskCall::truncate, file->path, std::move(answer));
}

Answer Calls::resize_at(std::uint64_t text, std::uint64_t size) {
  auto at = place(AT_FDCWD, text, true);
  if (!at || !at->status || !S_ISREG(at->status->st_mode)) return GoOn{};
  File file{.handle = Handle(::openat(at->parent.get(), at->name.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW)),
            .status = *at->status,
            .id = at->id(),
            .path = at->path};
  if (!file.handle) return GoOn{};
  return resize(std::move(file), size);
}

Answer Calls::allocate(int descriptor, int mode, std::uint64_t offset, std::uint64_t length) {
  const auto file = data_file(descriptor);
  if (!file) return GoOn{};
  if (auto ruled = before(DiskCall::allocate, file->path)) return std::move(*ruled);
  const std::uint64_t size = size_of(file->status);
  const std::uint64_t end = offset + length;
  const bool punches = (mode & FALLOC_FL_PUNCH_HOLE) != 0 || (mode & FALLOC_FL_ZERO_RANGE) != 0;
  if ((mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) != 0) {
    state_.mark_blind(file->id, file->path, "is changed by fallocate in a way that is not followed");
    return GoOn{};
  }
  if (end > size) {
    const std::uint64_t growth = end - size;
    const std::uint64_t fits = state_.rules.take_space(growth);
    // What is only reserved is counted when it is written.
    if (fits < growth || (mode & FALLOC_FL_KEEP_SIZE) != 0) state_.rules.give_space(fits);
    if (fits < growth) return Failed{ENOSPC};
  }
  if (punches && offset < size) {
    const std::uint64_t zeroed = std::min(end, size) - offset;
    if (zeroed > most_at_once) {
      state_.mark_blind(file->id, file->path, "has a large range punched out");
      return GoOn{};
    }
    state_.file(file->id).write(offset, size, read_old(reader_of(file->handle), offset, zeroed),
                                std::string(zeroed, '\0'));
  }
  Answer answer = GoOn{};
  if (performs_) {
    if (::fallocate(file->handle.get(), mode, static_cast<off_t>(offset), static_cast<off_t>(length)) != 0)
      return Failed{errno};
    answer = Done{0};
  }
  if ((mode & FALLOC_FL_KEEP_SIZE) == 0 && end > size) state_.file(file->id).resize(size, end, {});
  state_.bound(file->id, file->path);
  return after(DiskCall::allocate, file->path, std::move(answer));
}

Answer Calls::sync(int descriptor) {
  const auto file = data_file(descriptor, true);
  if (!file) return GoOn{};
  if (auto ruled = before(DiskCall::fsync, file->path)) return std::move(*ruled);
  if (S_ISDIR(file->status.st_mode)) {
    state_.sync_folder(file->id, file->path);
    return after(DiskCall::fsync, file->path, GoOn{});
  }
  if (const Rules::FailedSync failed = state_.rules.sync(file->path); failed.error != 0) {
    FileLog& log = state_.file(file->id);
    const Handle reader = reader_of(file->handle);
    const auto now = read_pages(reader.get(), log.touched());
    if (failed.drops_pages && now) state_.rules.dropped(failed.rule, log.drop_dirty(now.value()));
    return Failed{failed.error};
  }
  // Durable a moment before the call returns, which it may be.
  state_.sync_file(file->id, file->path);
  return after(DiskCall::fsync, file->path, GoOn{});
}

Answer Calls::sync_range(int descriptor, unsigned flags) {
  if ((flags & SYNC_FILE_RANGE_WAIT_AFTER) == 0) return GoOn{};
  return sync(descriptor);
}

Answer Calls::map(int descriptor) {
  if (const auto file = data_file(descriptor)) state_.mark_blind(file->id, file->path, "is mapped shared and writable");
  return GoOn{};
}

Answer Calls::set_flags(int descriptor, int flags) {
  if ((flags & O_DIRECT) == 0) return GoOn{};
  if (const auto file = data_file(descriptor)) state_.mark_blind(file->id, file->path, "is written with O_DIRECT");
  return GoOn{};
}

}  // namespace faultline::live::disk
