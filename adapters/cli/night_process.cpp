#include "night_process.hpp"

#include <fmt/format.h>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace faultline::cli {

namespace {

Error cannot(const std::filesystem::path& path, const char* what) {
  return Error::environment(fmt::format("{}: cannot {}: {}", path.string(), what, std::strerror(errno)),
                            "check that the folder exists, is writable and has room");
}

int created(const std::filesystem::path& path) {
  return ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
}

// Between fork and exec only what is safe in a signal handler.
[[noreturn]] void become(const char* program, char** words, char** environment, int out, int err, int death_signal,
                         pid_t parent) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, death_signal);
  if (::getppid() != parent) ::_exit(127);
  sigset_t nothing;
  ::sigemptyset(&nothing);
  ::sigprocmask(SIG_SETMASK, &nothing, nullptr);
  const int null = ::open("/dev/null", O_RDONLY);
  ::dup2(null, STDIN_FILENO);
  ::dup2(out, STDOUT_FILENO);
  ::dup2(err, STDERR_FILENO);
  ::execvpe(program, words, environment);
  ::_exit(127);
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> list;
  for (std::string& text : texts) list.push_back(text.data());
  list.push_back(nullptr);
  return list;
}

std::vector<std::string> environment_of(const ChildCommand& command) {
  std::vector<std::string> variables;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string_view text(*variable);
    if (!command.path_first.empty() && text.starts_with("PATH=")) {
      variables.push_back("PATH=" + command.path_first + ":" + std::string(text.substr(5)));
    } else {
      variables.emplace_back(text);
    }
  }
  return variables;
}

}  // namespace

Result<Child> Child::start(const ChildCommand& command) {
  std::vector<std::string> words{command.program};
  words.insert(words.end(), command.words.begin(), command.words.end());
  std::vector<std::string> variables = environment_of(command);
  std::vector<char*> word_list = pointers(words), variable_list = pointers(variables);
  const int out = created(command.out);
  if (out < 0) return cannot(command.out, "create it");
  const int err = created(command.err);
  if (err < 0) {
    Error error = cannot(command.err, "create it");
    ::close(out);
    return error;
  }
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid == 0)
    become(words[0].c_str(), word_list.data(), variable_list.data(), out, err, command.ends_at_once ? SIGKILL : SIGTERM,
           parent);
  ::close(out);
  ::close(err);
  if (pid < 0)
    return Error::environment(fmt::format("cannot start a process: {}", std::strerror(errno)), "lower budget.parallel");
  ::setpgid(pid, pid);  // as the child does itself, whoever comes first
  const auto pidfd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
  return Child(pid, pidfd);
}

Child::Child(Child&& other) noexcept : pid_(std::exchange(other.pid_, -1)), pidfd_(std::exchange(other.pidfd_, -1)) {}

Child& Child::operator=(Child&& other) noexcept {
  std::swap(pid_, other.pid_);
  std::swap(pidfd_, other.pidfd_);
  return *this;
}

Child::~Child() {
  if (pid_ > 0) {
    signal(SIGKILL);
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) continue;
  }
  drop();
}

void Child::drop() {
  if (pidfd_ >= 0) ::close(pidfd_);
  pid_ = pidfd_ = -1;
}

std::optional<ChildEnd> Child::ended() {
  int status = 0;
  if (pid_ <= 0 || ::waitpid(pid_, &status, WNOHANG) != pid_) return std::nullopt;
  drop();
  if (WIFSIGNALED(status)) return ChildEnd{128 + WTERMSIG(status), WTERMSIG(status)};
  return ChildEnd{WEXITSTATUS(status), 0};
}

void Child::signal(int number) const {
  if (pid_ > 0 && ::kill(-pid_, number) != 0) ::kill(pid_, number);
}

void wait_for_any(const std::vector<const Child*>& children, Duration most) {
  std::vector<pollfd> watched;
  bool all = true;
  for (const Child* child : children) {
    all = all && child->watched() >= 0;
    if (child->watched() >= 0) watched.push_back({child->watched(), POLLIN, 0});
  }
  constexpr int without_pidfd_ms = 20;
  const auto ms = static_cast<int>(
      std::clamp<std::int64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(most).count(), 1, 60'000));
  ::poll(watched.data(), watched.size(), all ? ms : std::min(ms, without_pidfd_ms));
}

std::string own_program() {
  std::error_code ignored;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", ignored);
  return ignored ? "faultline" : program.string();
}

}  // namespace faultline::cli
