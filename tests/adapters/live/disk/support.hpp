// A supervised child for tests: a fork that runs a function under the supervisor's filter. What it runs makes system calls only.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <faultline/live/disk.hpp>

namespace faultline::live::test {

namespace fs = std::filesystem;

class DiskFolder {
 public:
  DiskFolder() {
    std::string name = (fs::temp_directory_path() / "fl-disk-XXXXXX").string();
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    path_ = fs::canonical(name);
    fs::create_directories(data());
  }
  ~DiskFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  DiskFolder(const DiskFolder&) = delete;
  DiskFolder& operator=(const DiskFolder&) = delete;
  [[nodiscard]] fs::path data() const { return path_ / "data"; }
  [[nodiscard]] fs::path shadow() const { return path_ / "shadow"; }
  [[nodiscard]] fs::path image() const { return path_ / "image"; }
  [[nodiscard]] const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

inline std::unique_ptr<DiskSupervisor> supervise(const DiskFolder& folder, DiskSupervisorOptions options = {}) {
  options.data = folder.data();
  options.shadow = folder.shadow();
  auto made = DiskSupervisor::make(std::move(options));
  EXPECT_TRUE(made.ok()) << (made.ok() ? "" : made.error().to_string());
  return std::move(made).value();
}

// Forks; the child's exit status is what `work` returns.
inline pid_t start_child(DiskSupervisor& supervisor, const std::function<int()>& work) {
  const auto step = supervisor.expect();
  EXPECT_TRUE(step.ok());
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (step.value().run(step.value().descriptor) != 0) ::_exit(100);
    ::_exit(work());
  }
  supervisor.forked();
  return pid;
}

// 256 + signal if it was killed.
inline int wait_for_child(pid_t pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  constexpr int killed = 256;
  return WIFEXITED(status) ? WEXITSTATUS(status) : killed + WTERMSIG(status);
}

inline int run_child(DiskSupervisor& supervisor, const std::function<int()>& work) {
  return wait_for_child(start_child(supervisor, work));
}

inline std::string bytes_of(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

// Every file below the folder.
inline std::map<std::string, std::string> files_in(const fs::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) files[entry.path().lexically_relative(folder).string()] = bytes_of(entry.path());
  }
  return files;
}

// Runs in the child: writes all of it to a new or existing file; a step that fails ends the child with its line.
#define FL_STEP(condition)                                             \
  do {                                                                 \
    if (!(condition)) return __LINE__ % 256 == 0 ? 1 : __LINE__ % 256; \
  } while (false)

}  // namespace faultline::live::test
