// Whether it works here, seen by trying it.
#include <faultline/live/disk.hpp>

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "filter.hpp"
#include "handle.hpp"

namespace faultline::live {

namespace {

namespace fs = std::filesystem;

constexpr const char* remedy =
    "needs Linux 5.9 with seccomp user notification on x86-64 or aarch64, and the right to trace children; containers "
    "may forbid "
    "it in their seccomp profile";

// What the child does: a file that is synced, and written again after that. Its exit status is the step that failed.
[[noreturn]] void write_a_file(DiskSupervisor::ChildStep step, const char* path) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (step.run(step.descriptor) != 0) ::_exit(1);
  const int file = ::open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) ::_exit(2);
  if (::write(file, "kept", 4) != 4 || ::fsync(file) != 0 || ::write(file, "lost", 4) != 4) ::_exit(3);
  ::_exit(0);
}

Result<void> try_it(DiskSupervisor& supervisor, const fs::path& file) {
  auto step = supervisor.expect();
  if (!step) return step.error();
  const pid_t pid = ::fork();
  if (pid == 0) write_a_file(step.value(), file.c_str());
  supervisor.forked();
  if (pid < 0) return Error::environment("cannot fork: " + disk::words_of(errno));
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) == 1)
    return Error::environment("a process cannot be given a seccomp listener", remedy);
  if (WEXITSTATUS(status) != 0) return Error::environment("a supervised process cannot write a file", remedy);
  Rng rng(1);
  const auto lost = supervisor.lose(DiskLoss::lose_unsynced, rng);
  if (!lost) return lost.error();
  std::error_code error;
  if (fs::file_size(file, error) == 4 && !error) return {};
  return Error::environment("what a supervised process writes is not seen", remedy);
}

}  // namespace

Result<bool> disk_faults_work() {
  std::error_code error;
  std::string pattern = (fs::temp_directory_path(error) / "faultline-disk-XXXXXX").string();
  if (error || ::mkdtemp(pattern.data()) == nullptr)
    return Error::environment("no folder for temporary files", "set TMPDIR to a directory of yours");
  const fs::path folder = pattern;
  Result<void> worked;
  {
    auto supervisor = DiskSupervisor::make({.data = folder / "data", .shadow = folder / "shadow"});
    worked = supervisor ? try_it(*supervisor.value(), folder / "data" / "file") : Result<void>(supervisor.error());
  }
  fs::remove_all(folder, error);
  if (!worked) return worked.error();
  return disk::waits_are_killable_only();
}

}  // namespace faultline::live
