#include "mounts.hpp"

#include <sys/mount.h>

#include <cerrno>
#include <chrono>
#include <fstream>
#include <string>
#include <thread>

#include "descriptor.hpp"

namespace faultline::live {
namespace {

namespace fs = std::filesystem;

constexpr auto busy_limit = std::chrono::seconds(10);

// The fifth field of a line is where it is mounted.
bool is_mount_point(const fs::path& folder) {
  std::ifstream mounts("/proc/self/mountinfo");
  for (std::string line; std::getline(mounts, line);) {
    std::size_t at = 0;
    for (int field = 0; field < 4 && at != std::string::npos; ++field) at = line.find(' ', at + (field > 0 ? 1 : 0));
    if (at == std::string::npos) continue;
    const std::size_t end = line.find(' ', at + 1);
    if (line.substr(at + 1, end - at - 1) == folder.string()) return true;
  }
  return false;
}

}  // namespace

Result<bool> unmount_folder(const fs::path& folder) {
  if (!is_mount_point(folder)) return false;
  const auto until = std::chrono::steady_clock::now() + busy_limit;
  while (::umount2(folder.c_str(), 0) != 0) {
    if (errno == EINVAL || errno == ENOENT) return false;
    if (errno != EBUSY || std::chrono::steady_clock::now() > until) {
      return Error::environment("cannot unmount " + folder.string() + ": " + errno_text(errno),
                                "end what still uses it, then: umount " + folder.string());
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

}  // namespace faultline::live
