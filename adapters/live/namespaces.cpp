#include "namespaces.hpp"

#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "descriptor.hpp"
#include "spawn.hpp"

namespace faultline::live {

std::string namespace_path(const std::string& name) { return "/run/netns/" + name; }

bool namespace_exists(const std::string& name) {
  struct stat entry {};
  return ::lstat(namespace_path(name).c_str(), &entry) == 0;
}

Result<void> create_namespace(const std::string& name) {
  FL_ASSERT(name.starts_with("fl-"));
  auto made = run_checked({"ip", "netns", "add", name}, "", "");
  if (!made) return made.error();
  return {};
}

Result<void> delete_namespace(const std::string& name) {
  FL_ASSERT(name.starts_with("fl-"));
  const std::string path = namespace_path(name);
  ::umount2(path.c_str(),
            MNT_DETACH);  // fails if the creation never came to the mount; the file then goes all the same
  if (::unlink(path.c_str()) == 0 || errno == ENOENT) return {};
  return Error::environment("cannot remove network namespace " + name + ": " + errno_text(errno),
                            "as root: ip netns delete " + name);
}

}  // namespace faultline::live
