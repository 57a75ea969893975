#include <faultline/live/daemon.hpp>

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <fstream>
#include <thread>

#include <faultline/text.hpp>

#include "descriptor.hpp"
#include "pidfd.hpp"
#include "procfs.hpp"
#include "spawn.hpp"

namespace faultline::live {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto call_limit = std::chrono::seconds(10);
constexpr auto look_again = std::chrono::milliseconds(1);

// Looks until it is so, at most until the limit of a call.
template <class Condition>
bool wait_until(Condition condition) {
  const auto until = Clock::now() + call_limit;
  while (!condition()) {
    if (Clock::now() > until) return false;
    std::this_thread::sleep_for(look_again);
  }
  return true;
}

std::string describe_end(int status) {
  if (WIFEXITED(status)) return "exited with status " + std::to_string(WEXITSTATUS(status));
  const int number = WTERMSIG(status);
  return "killed by signal " + std::to_string(number) + " (" + ::strsignal(number) + ")";
}

// 0 if a server could listen there, else the error. In the calling thread's namespace.
int try_port(const Endpoint& endpoint) {
  const Descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(endpoint.port);
  const int on = 1;
  if (!socket || ::inet_pton(AF_INET, endpoint.host.c_str(), &address.sin_addr) != 1) return EINVAL;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(socket.get(), 1) != 0)
    return errno;
  return 0;
}

Result<void> wait_for_ports(const DaemonSpec& spec) {
  Result<void> outcome;
  const auto look = [&] {
    for (const auto& port : spec.ports) {
      int error = 0;
      if (wait_until([&] { return (error = try_port(port)) != EADDRINUSE; }) && error == 0) continue;
      outcome =
          Error::environment("node " + spec.name + " cannot listen on " + port.to_string() + ": " + errno_text(error),
                             "end the program that holds the port");
      return;
    }
  };
  if (spec.name_space.empty()) {
    look();
  } else if (auto entered = run_in_namespace(spec.name_space.string(), look); !entered) {
    return entered;
  }
  return outcome;
}

Result<Descriptor> open_for(const DaemonSpec& spec, const std::filesystem::path& path, int flags) {
  Descriptor descriptor(::open(path.c_str(), flags | O_CLOEXEC, 0644));
  if (descriptor) return descriptor;
  return Error::environment("node " + spec.name + ": cannot open " + path.string() + ": " + errno_text(errno));
}

}  // namespace

// One start and its end. Shared with the thread that forked it, which outlives a Daemon whose process does not end.
struct Daemon::Run {
  std::mutex mutex;  // guards everything below, and stands between signalling and reaping
  std::condition_variable changed;
  std::thread supervisor;
  bool forked = false;  // or failed to
  Result<void> start = Result<void>();
  std::optional<GatedChild> child;
  Descriptor pinned;  // pidfd
  ProcessIdentity identity;
  State state = State::down;
  bool asked = false;  // to end
  std::string end;
  Leftovers* leftovers = nullptr;  // null once the Daemon is gone
  std::optional<Leftovers::Id> intent;

  void supervise(const SpawnPlan& plan);
  void reap(pid_t pid);
  int signal_group(int number);
  bool wait_for_end(Duration limit);
  bool is_down() {
    const std::lock_guard lock(mutex);
    return state == State::down;
  }
};

// REQUIRES: the caller holds the lock and the process is not reaped, so neither its pid nor its group can have been recycled.
int Daemon::Run::signal_group(int number) {
  const bool leader =
      pinned ? ::pidfd_send_signal(pinned.get(), number, nullptr, 0) == 0 : ::kill(identity.pid, number) == 0;
  const int error = leader ? 0 : errno;
  ::kill(-identity.pid, number);
  return error;
}

void Daemon::Run::supervise(const SpawnPlan& plan) {
  auto spawned = spawn(plan);
  {
    const std::lock_guard lock(mutex);
    forked = true;
    if (!spawned) {
      start = spawned.error();
    } else {
      child = std::move(spawned).value();
      pinned = Descriptor(::pidfd_open(child->pid(), 0));
      identity.pid = child->pid();
      state = State::running;
    }
    changed.notify_all();
    if (!start) return;
  }
  reap(identity.pid);
}

void Daemon::Run::reap(pid_t pid) {
  // While a thread of ours traces it, as the clock fault does, this also returns for every stop.
  siginfo_t info{};
  for (;;) {
    const bool seen = ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT) == 0;
    if (seen ? info.si_code != CLD_TRAPPED && info.si_code != CLD_STOPPED : errno != EINTR) break;
    if (seen) std::this_thread::sleep_for(look_again);
  }
  const std::lock_guard lock(mutex);
  ::kill(-pid, SIGKILL);  // what it started and did not take along; the zombie still keeps the group's number ours
  int status = 0;
  ::waitpid(pid, &status, 0);
  end = describe_end(status);
  state = State::down;
  if (leftovers != nullptr && intent) leftovers->healed(*intent);
  changed.notify_all();
}

bool Daemon::Run::wait_for_end(Duration limit) {
  {
    std::unique_lock lock(mutex);
    if (!changed.wait_for(lock, limit, [&] { return state == State::down; })) return false;
  }
  return wait_until([&] { return group_members(identity.pid).empty(); });
}

Daemon::Daemon(DaemonSpec spec, Leftovers* leftovers) : spec_(std::move(spec)), leftovers_(leftovers) {}

Daemon::~Daemon() {
  (void)kill().ok();
  if (!run_ || !run_->supervisor.joinable()) return;
  const bool ended = run_->is_down();
  {
    const std::lock_guard lock(run_->mutex);
    run_->leftovers = nullptr;
  }
  // A process that even SIGKILL does not end (stuck in the kernel) keeps its thread, not us.
  ended ? run_->supervisor.join() : run_->supervisor.detach();
}

Result<void> Daemon::start(const Launch& launch) {
  const std::lock_guard lock(mutex_);
  FL_ASSERT(!run_ || run_->is_down());
  if (run_ && run_->supervisor.joinable()) run_->supervisor.join();
  if (auto ports = wait_for_ports(spec_); !ports) return ports;
  auto log = open_for(spec_, spec_.log_file, O_WRONLY | O_APPEND | O_CREAT);
  if (!log) return log.error();
  Descriptor space;
  if (!spec_.name_space.empty()) {
    auto opened = open_for(spec_, spec_.name_space, O_RDONLY);
    if (!opened) return opened.error();
    space = std::move(opened).value();
  }
  SpawnPlan plan{.command = spec_.command,
                 .environment = spec_.environment,
                 .working_directory = spec_.working_directory.string(),
                 .output = log.value().get(),
                 .errors = log.value().get(),
                 .name_space = space.get(),
                 .before_exec = spec_.before_exec,
                 .before_exec_descriptor = spec_.before_exec_descriptor};
  if (leftovers_ != nullptr) plan.environment[std::string(run_variable)] = leftovers_->run_id();
  run_ = std::make_shared<Run>();
  run_->leftovers = leftovers_;
  try {
    run_->supervisor = std::thread([run = run_, plan] { run->supervise(plan); });
  } catch (const std::system_error& e) {
    return Error::environment(std::string("cannot start a thread: ") + e.what());
  }
  return finish_start(launch);
}

// The child waits at its gate until its identity is in the journal. The plan's descriptors stay open until it has been forked.
Result<void> Daemon::finish_start(const Launch& launch) {
  std::unique_lock lock(run_->mutex);
  run_->changed.wait(lock, [&] { return run_->forked; });
  if (!run_->start) return run_->start;
  auto child = std::move(*run_->child);
  run_->child.reset();
  auto identity = identify(child.pid());
  if (identity) run_->identity = identity.value();
  if (identity && leftovers_ != nullptr) {
    auto intent = leftovers_->intend_process(run_->identity, spec_.name);
    if (!intent) {
      run_->asked = true;
      return intent.error();
    }
    run_->intent = intent.value();
    if (run_->state == State::down) leftovers_->healed(intent.value());
  }
  lock.unlock();
  const auto release = [&] { return child.release(); };
  // Without an identity it has ended before its gate, and is past any launch; its release says why.
  auto released = launch && identity ? launch(child.pid(), release) : release();
  if (released && !identity) released = identity.error();
  if (released) return released;
  lock.lock();
  run_->asked = true;
  run_->changed.wait_for(lock, call_limit, [&] { return run_->state == State::down; });
  return Error::environment("node " + spec_.name + ": " + released.error().message, released.error().remedy);
}

Result<void> Daemon::kill() {
  const std::lock_guard lock(mutex_);
  if (!run_) return {};
  {
    const std::lock_guard guard(run_->mutex);
    if (run_->state == State::down) return {};
    run_->asked = true;
    if (const int error = run_->signal_group(SIGKILL); error != 0 && error != ESRCH) {
      return Error::environment("cannot kill node " + spec_.name + ": " + errno_text(error));
    }
  }
  if (run_->wait_for_end(call_limit)) return {};
  return Error::environment("node " + spec_.name + " (process " + std::to_string(run_->identity.pid) +
                            ") does not end after SIGKILL");
}

namespace {

// Whether no thread of the group is in one of these states.
bool none_in(pid_t group, std::string_view states) {
  for (const pid_t member : group_members(group)) {
    if (thread_states(member).find_first_of(states) != std::string::npos) return false;
  }
  return true;
}

// After SIGSTOP a thread in an uninterruptible wait (D) cannot run an instruction of its own before it stops. It may stay there: the
// parent of a vfork waits for a child that is stopped, too.
bool is_stopped(pid_t group) { return none_in(group, "RS"); }
bool is_resumed(pid_t group) { return none_in(group, "Tt"); }

}  // namespace

Result<void> Daemon::pause() {
  const std::lock_guard lock(mutex_);
  const auto failed = [&](const std::string& why) {
    return Error::environment("cannot pause node " + spec_.name + ": " + why);
  };
  if (!run_) return failed("it was never started");
  {
    const std::lock_guard guard(run_->mutex);
    if (run_->state == State::down) return failed("it is down (" + run_->end + ")");
    if (run_->state == State::paused) return {};
    if (const int error = run_->signal_group(SIGSTOP); error != 0) return failed(errno_text(error));
    run_->state = State::paused;
  }
  if (!wait_until([&] { return is_stopped(run_->identity.pid); })) return failed("it does not stop");
  // A zombie that is not reaped yet counts as stopped above, but nothing of it will ever run on.
  if (is_alive(run_->identity)) return {};
  return failed("it ended meanwhile");
}

Result<void> Daemon::resume() {
  const std::lock_guard lock(mutex_);
  if (!run_) return {};
  {
    const std::lock_guard guard(run_->mutex);
    if (run_->state != State::paused) return {};
    if (const int error = run_->signal_group(SIGCONT); error != 0) {
      return Error::environment("cannot resume node " + spec_.name + ": " + errno_text(error));
    }
    run_->state = State::running;
  }
  if (wait_until([&] { return is_resumed(run_->identity.pid); })) return {};
  return Error::environment("node " + spec_.name + " stays stopped after SIGCONT", "see whether a debugger holds it");
}

bool Daemon::nudge(int signal) {
  const std::lock_guard lock(mutex_);
  if (!run_) return false;
  const std::lock_guard guard(run_->mutex);
  return run_->state == State::running && run_->signal_group(signal) == 0;
}

Result<void> Daemon::stop(Duration grace) {
  std::shared_ptr<Run> run;
  {
    const std::lock_guard lock(mutex_);
    if (!run_) return {};
    run = run_;
    const std::lock_guard guard(run->mutex);
    if (run->state == State::down) return {};
    run->asked = true;
    run->signal_group(SIGTERM);
    run->signal_group(SIGCONT);
    if (run->state == State::paused) run->state = State::running;
  }
  if (run->wait_for_end(grace)) return {};
  return kill();
}

Daemon::State Daemon::state() const {
  const std::lock_guard lock(mutex_);
  if (!run_) return State::down;
  const std::lock_guard guard(run_->mutex);
  return run_->state;
}

ProcessIdentity Daemon::identity() const {
  const std::lock_guard lock(mutex_);
  if (!run_) return {};
  const std::lock_guard guard(run_->mutex);
  return run_->identity;
}

std::string Daemon::end() const {
  const std::lock_guard lock(mutex_);
  if (!run_) return {};
  const std::lock_guard guard(run_->mutex);
  return run_->end;
}

bool Daemon::ended_unasked() const {
  const std::lock_guard lock(mutex_);
  if (!run_) return false;
  const std::lock_guard guard(run_->mutex);
  return run_->state == State::down && !run_->end.empty() && !run_->asked;
}

const DaemonSpec& Daemon::spec() const { return spec_; }

void Daemon::set_spec(DaemonSpec spec) {
  const std::lock_guard lock(mutex_);
  spec_ = std::move(spec);
}

std::string Daemon::log_tail(std::size_t lines) const {
  constexpr std::streamoff most = 4096;
  std::ifstream in(spec_.log_file, std::ios::binary | std::ios::ate);
  if (!in) return {};
  const std::streamoff size = in.tellg();
  in.seekg(std::max<std::streamoff>(0, size - most));
  std::vector<std::string> all;
  for (std::string line; std::getline(in, line);) all.push_back(escape_controls(line));
  std::string text;
  for (std::size_t i = all.size() > lines ? all.size() - lines : 0; i < all.size(); ++i) text += all[i] + "\n";
  return text;
}

}  // namespace faultline::live
