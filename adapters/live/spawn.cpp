#include "spawn.hpp"

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <thread>

#include <faultline/text.hpp>

namespace faultline::live {
namespace {

using Clock = std::chrono::steady_clock;

enum class Step : int { death_signal, redirect, name_space, directory, gate, prepare, exec };

const char* to_string(Step step) {
  switch (step) {
    case Step::death_signal: return "prctl";
    case Step::redirect: return "redirecting its output";
    case Step::name_space: return "entering its network namespace";
    case Step::directory: return "changing to its working directory";
    case Step::gate: return "waiting for the harness";
    case Step::prepare: return "being put under supervision";
    case Step::exec: return "executing it";
  }
  return "?";
}

struct Failure {
  Step step;
  int error;
};

// Everything the child needs, made before the fork.
struct ChildPlan {
  const char* program;
  char* const* arguments;
  char* const* environment;
  const char* working_directory;
  int input, output, errors, name_space, gate, gate_writer, failure;
  int (*before_exec)(int descriptor);
  int before_exec_descriptor;
  pid_t parent;
};

// A harness started with closed standard streams gets descriptors below 3, which the redirections would overwrite.
void lift(int& descriptor) {
  if (descriptor >= 0 && descriptor < 3) descriptor = ::fcntl(descriptor, F_DUPFD, 3);
}

[[noreturn]] void give_up(const ChildPlan& plan, Step step) {
  const Failure failure{step, errno};
  [[maybe_unused]] const auto n = ::write(plan.failure, &failure, sizeof failure);
  ::_exit(126);
}

void mark_close_on_exec() {
  if (::close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) == 0) return;
  constexpr int most = 65536;  // Linux before 5.11
  for (int fd = 3; fd < most; ++fd) ::fcntl(fd, F_SETFD, FD_CLOEXEC);
}

[[noreturn]] void run_child(ChildPlan plan) {
  for (int* descriptor : {&plan.input, &plan.output, &plan.errors, &plan.name_space, &plan.gate, &plan.gate_writer,
                          &plan.failure, &plan.before_exec_descriptor}) {
    lift(*descriptor);
  }
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) give_up(plan, Step::death_signal);
  if (::getppid() != plan.parent) ::_exit(126);  // it died before the signal was armed
  ::setsid();
  if (::dup2(plan.input, 0) < 0 || ::dup2(plan.output, 1) < 0 || ::dup2(plan.errors, 2) < 0)
    give_up(plan, Step::redirect);
  if (plan.name_space >= 0 && ::setns(plan.name_space, CLONE_NEWNET) != 0) give_up(plan, Step::name_space);
  if (plan.working_directory != nullptr && ::chdir(plan.working_directory) != 0) give_up(plan, Step::directory);
  for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_DFL);
  sigset_t none_blocked;
  ::sigemptyset(&none_blocked);
  ::sigprocmask(SIG_SETMASK, &none_blocked, nullptr);
  ::close(plan.gate_writer);
  char go = 0;
  ssize_t n = 0;
  do {
    n = ::read(plan.gate, &go, 1);
  } while (n < 0 && errno == EINTR);
  if (n != 1) ::_exit(126);
  mark_close_on_exec();
  if (plan.before_exec != nullptr && plan.before_exec(plan.before_exec_descriptor) != 0) give_up(plan, Step::prepare);
  ::execve(plan.program, plan.arguments, plan.environment);
  give_up(plan, Step::exec);
}

std::vector<std::string> merged_environment(const std::map<std::string, std::string>& extra) {
  std::map<std::string, std::string> all;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const auto equals = text.find('=');
    if (equals != std::string_view::npos) all[std::string(text.substr(0, equals))] = text.substr(equals + 1);
  }
  for (const auto& [name, value] : extra) all[name] = value;
  std::vector<std::string> flat;
  for (const auto& [name, value] : all) flat.push_back(name + "=" + value);
  return flat;
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> out;
  for (auto& text : strings) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

struct Pipe {
  Descriptor reader, writer;
};

// A pair of sockets: unlike a pipe's, its writer can ask not to be killed by SIGPIPE.
Result<Pipe> make_pipe() {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return Error::environment("cannot make a pair of sockets: " + errno_text(errno),
                              "raise the limit of open files (ulimit -n)");
  }
  return Pipe{Descriptor(ends[0]), Descriptor(ends[1])};
}

// Forks with all signals blocked, so that no handler of the harness runs in the child.
pid_t fork_quietly(const ChildPlan& plan) {
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  const pid_t pid = ::fork();
  if (pid == 0) run_child(plan);
  const int error = errno;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = error;
  return pid;
}

bool is_program(const std::string& path) { return ::access(path.c_str(), X_OK) == 0; }

}  // namespace

Result<std::string> find_program(const std::string& name) {
  if (name.find('/') != std::string::npos) {
    if (is_program(name)) return name;
    return Error::environment("cannot execute " + name + ": " + errno_text(errno));
  }
  const char* path = std::getenv("PATH");
  std::string rest =
      std::string(path != nullptr ? path : "") + ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  while (!rest.empty()) {
    const auto colon = std::min(rest.find(':'), rest.size());
    const std::string directory = rest.substr(0, colon);
    rest.erase(0, colon + 1);
    if (!directory.empty() && is_program(directory + "/" + name)) return directory + "/" + name;
  }
  return Error::environment("program '" + name + "' not found in PATH", "install the package that holds it");
}

Result<GatedChild> spawn(const SpawnPlan& plan) {
  FL_ASSERT(!plan.command.empty());
  auto program = find_program(plan.command.front());
  if (!program) return program.error();
  auto gate = make_pipe();
  if (!gate) return gate.error();
  auto failure = make_pipe();
  if (!failure) return failure.error();
  const Descriptor nothing(::open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!nothing) return Error::environment("cannot open /dev/null: " + errno_text(errno));

  std::vector<std::string> arguments = plan.command;
  std::vector<std::string> environment = merged_environment(plan.environment);
  const auto argument_pointers = pointers(arguments);
  const auto environment_pointers = pointers(environment);
  const auto or_nothing = [&](int descriptor) { return descriptor >= 0 ? descriptor : nothing.get(); };
  const ChildPlan child{.program = program.value().c_str(),
                        .arguments = argument_pointers.data(),
                        .environment = environment_pointers.data(),
                        .working_directory = plan.working_directory.empty() ? nullptr : plan.working_directory.c_str(),
                        .input = or_nothing(plan.input),
                        .output = or_nothing(plan.output),
                        .errors = or_nothing(plan.errors),
                        .name_space = plan.name_space,
                        .gate = gate.value().reader.get(),
                        .gate_writer = gate.value().writer.get(),
                        .failure = failure.value().writer.get(),
                        .before_exec = plan.before_exec,
                        .before_exec_descriptor = plan.before_exec_descriptor,
                        .parent = ::getpid()};
  const pid_t pid = fork_quietly(child);
  if (pid < 0) {
    return Error::environment("cannot fork for " + program.value() + ": " + errno_text(errno),
                              "free memory or processes");
  }
  return GatedChild(pid, std::move(gate.value().writer), std::move(failure.value().reader), program.value());
}

Result<void> GatedChild::release() {
  const char go = 1;
  const bool sent = ::send(gate_.get(), &go, 1, MSG_NOSIGNAL) == 1;
  gate_.reset();
  pollfd watched{.fd = failure_.get(), .events = POLLIN, .revents = 0};
  constexpr int limit_ms = 10000;
  if (::poll(&watched, 1, limit_ms) <= 0) return Error::environment(program_ + " was not executed within 10 s");
  Failure failure{};
  const auto n = ::read(failure_.get(), &failure, sizeof failure);
  if (n != sizeof failure && sent) return {};  // closed by exec
  if (n != sizeof failure) return Error::environment("the child that was to execute " + program_ + " ended early");
  return Error::environment("cannot start " + program_ + ": " + to_string(failure.step) + ": " +
                            errno_text(failure.error));
}

namespace {

// Drains a running command until it closes both outputs; false: the limit passed.
bool drain(Descriptor& output, Descriptor& errors, CommandResult& result, Clock::time_point until) {
  constexpr std::size_t most = 1U << 20;
  while (output || errors) {
    std::array<pollfd, 2> watched{pollfd{output.get(), POLLIN, 0}, pollfd{errors.get(), POLLIN, 0}};
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
    if (left <= 0) return false;
    if (::poll(watched.data(), watched.size(), static_cast<int>(left)) < 0 && errno != EINTR) return false;
    const auto take = [](Descriptor& from, short events, std::string& into) {
      if (events == 0) return;
      std::array<char, 4096> chunk{};
      const auto n = ::read(from.get(), chunk.data(), chunk.size());
      if (n <= 0) from.reset();
      if (n > 0 && into.size() < most) into.append(chunk.data(), static_cast<std::size_t>(n));
    };
    take(output, watched[0].revents, result.output);
    take(errors, watched[1].revents, result.errors);
  }
  return true;
}

// A file in memory that holds the text, to be read from its beginning.
Result<Descriptor> file_of(const std::string& text) {
  Descriptor file(::memfd_create("input", MFD_CLOEXEC));
  std::size_t done = 0;
  while (file && done < text.size()) {
    const auto n = ::pwrite(file.get(), text.data() + done, text.size() - done, static_cast<off_t>(done));
    if (n <= 0) return Error::environment("cannot fill a file in memory: " + errno_text(errno));
    done += static_cast<std::size_t>(n);
  }
  if (!file) return Error::environment("cannot make a file in memory: " + errno_text(errno));
  return file;
}

}  // namespace

Result<CommandResult> run_command(const std::vector<std::string>& command, const std::string& input,
                                  const std::string& name_space, Duration limit) {
  const auto until = Clock::now() + limit;
  auto in = file_of(input);
  auto out = make_pipe();
  auto err = make_pipe();
  if (!in || !out || !err) return !in ? in.error() : !out ? out.error() : err.error();
  Descriptor space;
  if (!name_space.empty()) {
    space = Descriptor(::open(name_space.c_str(), O_RDONLY | O_CLOEXEC));
    if (!space) return Error::environment("cannot open network namespace " + name_space + ": " + errno_text(errno));
  }
  auto child = spawn({.command = command,
                      .input = in.value().get(),
                      .output = out.value().writer.get(),
                      .errors = err.value().writer.get(),
                      .name_space = space.get()});
  if (!child) return child.error();
  out.value().writer.reset();
  err.value().writer.reset();
  CommandResult result;
  const auto released = child.value().release();
  const bool ended = released.ok() && drain(out.value().reader, err.value().reader, result, until);
  const pid_t pid = child.value().pid();
  if (!ended) ::kill(-pid, SIGKILL);
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (!released) return released.error();
  if (!ended) return Error::environment(command.front() + " did not end within " + to_text(limit));
  result.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

Result<std::string> run_checked(const std::vector<std::string>& command, const std::string& input,
                                const std::string& name_space) {
  auto result = run_command(command, input, name_space);
  if (!result) return result.error();
  if (result.value().status == 0) return std::move(result.value().output);
  std::string line;
  for (const auto& word : command) line += (line.empty() ? "" : " ") + word;
  if (!name_space.empty()) line += " (in " + name_space + ")";
  return Error::environment(line + " failed with status " + std::to_string(result.value().status) + ": " +
                            clip(escape_controls(result.value().errors), 500));
}

Result<void> run_in_namespace(const std::string& name_space, const std::function<void()>& work) {
  const Descriptor space(::open(name_space.c_str(), O_RDONLY | O_CLOEXEC));
  if (!space) return Error::environment("cannot open network namespace " + name_space + ": " + errno_text(errno));
  int error = 0;
  try {
    std::thread([&] {
      if (::setns(space.get(), CLONE_NEWNET) != 0) {
        error = errno;
      } else {
        work();
      }
    }).join();
  } catch (const std::system_error& e) {
    return Error::environment(std::string("cannot start a thread: ") + e.what());
  }
  if (error != 0) return Error::environment("cannot enter network namespace " + name_space + ": " + errno_text(error));
  return {};
}

}  // namespace faultline::live
