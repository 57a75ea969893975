#include "volume.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <map>
#include <vector>

#include "descriptor.hpp"
#include "mounts.hpp"
#include "spawn.hpp"

namespace faultline::live {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t image_bytes = 1ULL << 30;  // sparse
constexpr std::size_t page_bytes = 4096;

// linux/fs.h has no name for it before Linux 6.13: _IOR('X', 125, __u32), and the flag that leaves the log unflushed.
constexpr unsigned long shutdown_request = _IOR('X', 125, std::uint32_t);
constexpr std::uint32_t without_log_flush = 2;

std::uint64_t hash_of(std::string_view bytes) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;  // FNV-1a
  for (const char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return hash;
}

// The pages of every file, as hashes; folders have none.
using Pages = std::map<std::string, std::vector<std::uint64_t>>;

Pages pages_in(const fs::path& folder) {
  Pages pages;
  std::error_code error;
  for (auto at = fs::recursive_directory_iterator(folder, error); !error && at != fs::recursive_directory_iterator();
       at.increment(error)) {
    std::error_code gone;
    auto& of_file = pages[at->path().lexically_relative(folder).string()];
    if (!at->is_regular_file(gone)) continue;
    std::ifstream in(at->path(), std::ios::binary);
    for (std::string page(page_bytes, '\0'); in.read(page.data(), page_bytes) || in.gcount() > 0;)
      of_file.push_back(hash_of(std::string_view(page).substr(0, static_cast<std::size_t>(in.gcount()))));
  }
  return pages;
}

LossReport difference(const Pages& before, const Pages& after) {
  LossReport lost;
  for (const auto& [name, pages] : before) {
    const auto now = after.find(name);
    if (now == after.end()) {
      ++lost.entries;
      continue;
    }
    for (std::size_t i = 0; i < std::max(pages.size(), now->second.size()); ++i) {
      const bool same = i < pages.size() && i < now->second.size() && pages[i] == now->second[i];
      lost.pages += same ? 0 : 1;
    }
  }
  for (const auto& [name, pages] : after) lost.entries += before.contains(name) ? 0 : 1;
  return lost;
}

}  // namespace

Result<std::unique_ptr<Volume>> Volume::make(const fs::path& image, const fs::path& folder, Leftovers& journal) {
  const Descriptor file(::open(image.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!file || ::ftruncate(file.get(), image_bytes) != 0)
    return Error::environment("cannot create " + image.string() + ": " + errno_text(errno), "free some disk space");
  auto made = run_checked(
      {"mkfs.ext4", "-q", "-F", "-m", "0", "-E", "lazy_itable_init=1,lazy_journal_init=1", image.string()}, "", "");
  if (!made) return Error::environment("cannot make a file system: " + made.error().message, "apt install e2fsprogs");
  std::error_code error;
  const fs::path real = fs::canonical(folder, error);
  if (error) return Error::environment("cannot use the folder " + folder.string() + ": " + error.message());
  auto id = journal.intend_mount(real);
  if (!id) return id.error();
  std::unique_ptr<Volume> volume(new Volume(image, real, journal, id.value()));
  if (auto mounted = volume->mount(); !mounted) return mounted.error();
  fs::remove(real / "lost+found", error);
  // Or it would come back with the first loss, and count.
  if (const Descriptor root(::open(real.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
      !root || ::syncfs(root.get()) != 0)
    return Error::environment("cannot sync " + real.string() + ": " + errno_text(errno));
  return volume;
}

Volume::~Volume() { (void)unmount().ok(); }

Result<void> Volume::mount() {
  auto mounted =
      run_checked({"mount", "-t", "ext4", "-o", "loop,noatime,nodev", image_.string(), folder_.string()}, "", "");
  if (!mounted) {
    return Error::environment("cannot mount a file system of the node's own: " + mounted.error().message,
                              "run as root, with loop devices (modprobe loop)");
  }
  is_mounted_ = true;
  return {};
}

Result<void> Volume::unmount() {
  if (!is_mounted_) {
    journal_.healed(id_);
    return {};
  }
  if (auto gone = unmount_folder(folder_); !gone) return gone.error();
  is_mounted_ = false;
  journal_.healed(id_);
  return {};
}

Result<LossReport> Volume::lose() {
  const Pages before = pages_in(folder_);
  {
    const Descriptor root(::open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!root || ::ioctl(root.get(), shutdown_request, &without_log_flush) != 0) {
      return Error::environment("cannot shut down the file system of " + folder_.string() + ": " + errno_text(errno),
                                "run as root");
    }
  }
  // The intent stays open: whatever kills us, what is mounted there is ours.
  if (auto gone = unmount_folder(folder_); !gone) return gone.error();
  is_mounted_ = false;
  if (auto mounted = mount(); !mounted) return mounted.error();
  return difference(before, pages_in(folder_));
}

Result<void> volumes_work() {
  if (::geteuid() != 0) return Error::environment("file systems of nodes' own need root", "run as root");
  auto journal = Leftovers::open(fresh_run_id());
  if (!journal) return journal.error();
  std::error_code error;
  const fs::path folder = fs::temp_directory_path(error) / ("faultline-" + journal.value()->run_id());
  auto made = make_scratch_folder(*journal.value(), folder);
  if (!made) return made.error();
  Result<void> outcome;
  {
    fs::create_directories(folder / "volume", error);
    auto volume = Volume::make(folder / "image", folder / "volume", *journal.value());
    if (!volume) {
      outcome = volume.error();
    } else {
      std::ofstream(folder / "volume" / "unsynced") << "gone";
      const auto lost = volume.value()->lose();
      if (!lost) {
        outcome = lost.error();
      } else if (lost.value().entries != 1) {
        outcome = Error::environment("a file that was not synced survived the shutdown of its file system",
                                     "use another kernel, or leave the mechanism out");
      }
    }
  }
  fs::remove_all(folder, error);
  if (!error) journal.value()->healed(made.value());
  return outcome;
}

}  // namespace faultline::live
