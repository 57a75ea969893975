#include <faultline/raft/storage/disk.hpp>

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

namespace faultline::raft::storage {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t zeros_at_once = 1 << 20;

Error failure(std::string_view what, const fs::path& path, int number) {
  return Error::environment(fmt::format("cannot {} {}: {}", what, path.string(), std::strerror(number)),
                            "check the disk and the rights of the data directory, then start again");
}

bool is_full(int number) { return number == ENOSPC || number == EDQUOT; }

// A file descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  [[nodiscard]] int get() const { return number_; }

 private:
  int number_;
};

// Writes all of it; returns 0 or errno.
int write_all(int file, std::uint64_t offset, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(file, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return written < 0 ? errno : EIO;
    bytes.remove_prefix(static_cast<std::size_t>(written));
    offset += static_cast<std::uint64_t>(written);
  }
  return 0;
}

class PosixFile : public File {
 public:
  PosixFile(Descriptor file, fs::path path) : file_(std::move(file)), path_(std::move(path)) {}

  Result<std::string> read(std::uint64_t offset, std::uint64_t length) override {
    auto end = size();
    if (!end) return end.error();
    std::string bytes(offset < end.value() ? std::min(length, end.value() - offset) : 0, '\0');
    std::size_t done = 0;
    while (done < bytes.size()) {
      const ssize_t got =
          ::pread(file_.get(), bytes.data() + done, bytes.size() - done, static_cast<off_t>(offset + done));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return failure("read", path_, errno);
      if (got == 0) break;
      done += static_cast<std::size_t>(got);
    }
    bytes.resize(done);
    return bytes;
  }

  Result<void> write(std::uint64_t offset, std::string_view bytes) override {
    if (const int number = write_all(file_.get(), offset, bytes)) return failure("write", path_, number);
    return {};
  }

  // The blocks are written, not only reserved: the file system notes the first write to a reserved block in its journal, and
  // that would be part of the first fdatasync of every batch.
  Result<Space> preallocate(std::uint64_t length) override {
    auto end = size();
    if (!end) return end.error();
    std::uint64_t at = end.value();
    if (at >= length) return Space::granted;
    if (::fallocate(file_.get(), FALLOC_FL_KEEP_SIZE, static_cast<off_t>(at), static_cast<off_t>(length - at)) != 0) {
      if (is_full(errno)) return Space::exhausted;
      if (errno != EOPNOTSUPP && errno != ENOSYS) return failure("reserve space for", path_, errno);
    }
    const std::string zeros(std::min(zeros_at_once, length - at), '\0');
    for (; at < length; at += std::min(zeros_at_once, length - at)) {
      const auto piece = std::string_view(zeros).substr(0, std::min<std::uint64_t>(zeros.size(), length - at));
      const int number = write_all(file_.get(), at, piece);
      if (is_full(number)) return Space::exhausted;
      if (number != 0) return failure("write", path_, number);
    }
    return Space::granted;
  }

  Result<void> sync() override {
    if (::fdatasync(file_.get()) != 0) return failure("sync", path_, errno);
    return {};
  }

  Result<std::uint64_t> size() override {
    struct stat status {};
    if (::fstat(file_.get(), &status) != 0) return failure("read the size of", path_, errno);
    return static_cast<std::uint64_t>(status.st_size);
  }

  Result<void> truncate(std::uint64_t length) override {
    if (::ftruncate(file_.get(), static_cast<off_t>(length)) != 0) return failure("truncate", path_, errno);
    return {};
  }

 private:
  Descriptor file_;
  fs::path path_;
};

class PosixDisk : public Disk {
 public:
  explicit PosixDisk(fs::path root) : root_(std::move(root)) {}

  Result<std::unique_ptr<File>> open(const std::string& path, Open how) override {
    const int flags = O_RDWR | O_CLOEXEC | (how == Open::create ? O_CREAT | O_TRUNC : 0);
    int file = ::open((root_ / path).c_str(), flags, 0644);
    // What only is read, as by `raftd dump`, needs no right to write; a write to it fails and says so.
    if (file < 0 && how == Open::existing && (errno == EACCES || errno == EROFS)) {
      file = ::open((root_ / path).c_str(), O_RDONLY | O_CLOEXEC);
    }
    if (file < 0) return failure("open", root_ / path, errno);
    return std::unique_ptr<File>(std::make_unique<PosixFile>(Descriptor(file), root_ / path));
  }

  Result<std::vector<std::string>> list(const std::string& folder) override {
    std::vector<std::string> names;
    std::error_code error;
    const fs::path path = root_ / folder;
    for (fs::directory_iterator at(path, error), end; !error && at != end; at.increment(error)) {
      names.push_back(at->path().filename().string());
    }
    if (error && error != std::errc::no_such_file_or_directory) return failure("list", path, error.value());
    std::sort(names.begin(), names.end());
    return names;
  }

  Result<void> make_folder(const std::string& folder) override {
    const fs::path path = root_ / folder;
    if (::mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) return failure("create", path, errno);
    return sync_path(path.parent_path());
  }

  Result<void> rename(const std::string& from, const std::string& to) override {
    if (::rename((root_ / from).c_str(), (root_ / to).c_str()) != 0) return failure("rename", root_ / from, errno);
    return {};
  }

  Result<void> remove(const std::string& path) override {
    if (::unlink((root_ / path).c_str()) != 0) return failure("remove", root_ / path, errno);
    return {};
  }

  Result<void> sync_folder(const std::string& folder) override { return sync_path(root_ / folder); }

 private:
  static Result<void> sync_path(const fs::path& folder) {
    const Descriptor file(::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (file.get() < 0) return failure("open", folder, errno);
    if (::fsync(file.get()) != 0) return failure("sync", folder, errno);
    return {};
  }

  fs::path root_;
};

}  // namespace

std::unique_ptr<Disk> posix_disk(fs::path root) { return std::make_unique<PosixDisk>(std::move(root)); }

}  // namespace faultline::raft::storage
