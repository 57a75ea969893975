#include <faultline/live/file_rot.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <set>

#include <faultline/live/disk.hpp>

#include "descriptor.hpp"

namespace faultline::live {
namespace {

namespace fs = std::filesystem;

Error failed(const char* what, const fs::path& file) {
  return Error::environment(std::string("cannot ") + what + " " + file.string() + ": " + errno_text(errno));
}

std::set<fs::path> open_files(pid_t process) {
  std::set<fs::path> open;
  std::error_code error;
  const fs::path folder = "/proc/" + std::to_string(process) + "/fd";
  for (auto at = fs::directory_iterator(folder, error); !error && at != fs::directory_iterator(); at.increment(error)) {
    std::error_code gone;
    const fs::path file = fs::read_symlink(at->path(), gone);
    if (!gone) open.insert(file);
  }
  return open;
}

Result<std::vector<FileEdit>> plan_cut(const Descriptor& open, FileEdit edit, std::uint64_t amount) {
  const std::uint64_t less = std::min(amount, edit.size_before);
  edit.offset = edit.size_before - less;
  edit.before.resize(less);
  if (::pread(open.get(), edit.before.data(), less, static_cast<off_t>(edit.offset)) != static_cast<ssize_t>(less))
    return failed("read", edit.file);
  return std::vector<FileEdit>{std::move(edit)};
}

// A byte that is hit twice changes from what the first flip left.
Result<std::vector<FileEdit>> plan_flips(const Descriptor& open, FileEdit edit, std::uint64_t amount, Rng& rng) {
  std::vector<FileEdit> edits;
  std::map<std::uint64_t, char> flipped;
  for (std::uint64_t i = 0; i < amount; ++i) {
    edit.offset = rng.below(edit.size_before);
    char byte = 0;
    if (const auto before = flipped.find(edit.offset); before != flipped.end())
      byte = before->second;
    else if (::pread(open.get(), &byte, 1, static_cast<off_t>(edit.offset)) != 1)
      return failed("read", edit.file);
    const char changed = static_cast<char>(static_cast<unsigned char>(byte) ^ (1U << rng.below(8)));
    flipped[edit.offset] = changed;
    edit.before = byte;
    edit.after = changed;
    edits.push_back(edit);
  }
  return edits;
}

}  // namespace

std::optional<fs::path> rotting_file(const fs::path& folder, const std::string& glob, pid_t process, Rng& rng) {
  std::vector<fs::path> found;
  std::error_code error;
  const std::set<fs::path> open = open_files(process);
  const fs::path data = fs::canonical(folder, error);
  for (auto at = fs::recursive_directory_iterator(data, error); !error && at != fs::recursive_directory_iterator();
       at.increment(error)) {
    std::error_code gone;
    if (!at->is_regular_file(gone) || at->file_size(gone) == 0 || gone || open.contains(at->path())) continue;
    if (disk_file_matches(glob, at->path().lexically_relative(data).string())) found.push_back(at->path());
  }
  if (found.empty()) return std::nullopt;
  std::sort(found.begin(), found.end());
  return rng.pick(found);
}

Result<std::vector<FileEdit>> plan_rot(const fs::path& data, const RotPlan& plan, const fs::path& file, Rng& rng) {
  const Descriptor open(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat status {};
  if (!open || ::fstat(open.get(), &status) != 0) return failed("open", file);
  std::error_code ignored;
  FileEdit edit{.file = file,
                .name = file.lexically_relative(fs::canonical(data, ignored)).string(),
                .before = {},
                .after = {},
                .size_before = static_cast<std::uint64_t>(status.st_size),
                .cuts = plan.cuts};
  if (edit.size_before == 0) return Error::environment("cannot change " + file.string() + ": it is empty by now");
  return plan.cuts ? plan_cut(open, std::move(edit), plan.amount) : plan_flips(open, std::move(edit), plan.amount, rng);
}

Result<void> make_edits(const std::vector<FileEdit>& edits) {
  for (const FileEdit& edit : edits) {
    const Descriptor open(::open(edit.file.c_str(), O_WRONLY | O_CLOEXEC));
    if (!open) return failed("open", edit.file);
    const auto offset = static_cast<off_t>(edit.offset);
    if (edit.cuts && ::ftruncate(open.get(), offset) != 0) return failed("truncate", edit.file);
    if (!edit.cuts &&
        ::pwrite(open.get(), edit.after.data(), edit.after.size(), offset) != static_cast<ssize_t>(edit.after.size()))
      return failed("write", edit.file);
  }
  return {};
}

Result<bool> take_back(const FileEdit& edit) {
  const Descriptor open(::open(edit.file.c_str(), O_RDWR | O_CLOEXEC));
  if (!open && errno == ENOENT) return false;
  struct stat status {};
  if (!open || ::fstat(open.get(), &status) != 0) return failed("open", edit.file);
  const auto offset = static_cast<off_t>(edit.offset);
  if (edit.cuts) {
    if (static_cast<std::uint64_t>(status.st_size) != edit.offset) return false;
  } else {
    char byte = 0;
    if (::pread(open.get(), &byte, 1, offset) != 1 || byte != edit.after.front()) return false;
  }
  if (::pwrite(open.get(), edit.before.data(), edit.before.size(), offset) != static_cast<ssize_t>(edit.before.size()))
    return failed("restore", edit.file);
  return true;
}

}  // namespace faultline::live
