#include "deployment.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <fstream>
#include <thread>

#include <faultline/text.hpp>

#include "adapters/live/descriptor.hpp"
#include "adapters/live/pidfd.hpp"
#include "adapters/live/procfs.hpp"
#include "adapters/live/spawn.hpp"

namespace faultline::live::agent {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto command_limit = std::chrono::minutes(1);
constexpr auto wait_limit = std::chrono::seconds(10);
constexpr auto look_again = std::chrono::milliseconds(5);
constexpr std::streamoff most_text = 4096;

template <class Condition>
bool wait_until(Condition condition, Duration limit) {
  const auto until = Clock::now() + limit;
  while (!condition()) {
    if (Clock::now() > until) return false;
    std::this_thread::sleep_for(look_again);
  }
  return true;
}

std::string text_from(const std::filesystem::path& file, std::streamoff begin) {
  std::ifstream in(file, std::ios::binary | std::ios::ate);
  if (!in) return {};
  const std::streamoff size = in.tellg();
  begin = std::max<std::streamoff>({begin, size - most_text, 0});
  in.seekg(begin);
  std::string text(static_cast<std::size_t>(std::max<std::streamoff>(0, size - begin)), 0);
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  return text;
}

// Its command line, words joined by blanks.
std::string command_line(pid_t pid) {
  std::string text = read_proc("/proc/" + std::to_string(pid) + "/cmdline");
  std::replace(text.begin(), text.end(), '\0', ' ');
  return text;
}

bool is_stopped(const ProcessIdentity& process) {
  return !is_alive(process) || thread_states(process.pid).find_first_of("RS") == std::string::npos;
}
bool is_resumed(const ProcessIdentity& process) {
  return !is_alive(process) || thread_states(process.pid).find_first_of("Tt") == std::string::npos;
}

}  // namespace

std::string tail_of(const std::filesystem::path& file, std::size_t lines) {
  const std::string text = text_from(file, 0);
  std::vector<std::string> all;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    all.push_back(escape_controls(text.substr(at, end - at)));
    at = end + 1;
  }
  std::string last;
  for (std::size_t i = all.size() > lines ? all.size() - lines : 0; i < all.size(); ++i) last += all[i] + "\n";
  return last;
}

// The log, not a pipe: what the command leaves running would keep a pipe open.
Result<ShellResult> run_shell(const std::string& command, const std::map<std::string, std::string>& environment,
                              const std::filesystem::path& log, Duration limit) {
  const Descriptor output(::open(log.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644));
  if (!output) return Error::environment("cannot write " + log.string() + ": " + errno_text(errno));
  const auto begin = ::lseek(output.get(), 0, SEEK_END);
  auto child = spawn({.command = {"/bin/sh", "-c", command},
                      .environment = environment,
                      .output = output.get(),
                      .errors = output.get()});
  if (!child) return child.error();
  const auto released = child.value().release();
  const pid_t pid = child.value().pid();
  int status = 0;
  const bool ended = wait_until([&] { return ::waitpid(pid, &status, WNOHANG) != 0; }, limit);
  if (!ended) {
    ::kill(-pid, SIGKILL);
    ::waitpid(pid, &status, 0);
  }
  if (!released) return released.error();
  if (!ended) return Error::environment("it did not end within " + to_text(limit));
  return ShellResult{.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
                     .output = text_from(log, begin)};
}

Deployment::Deployment(DeploymentSpec deployment, DaemonSpec spec, Leftovers& journal)
    : deployment_(std::move(deployment)), spec_(std::move(spec)), journal_(journal) {}

std::vector<ProcessIdentity> Deployment::find() const {
  std::vector<ProcessIdentity> found;
  const auto add = [&](pid_t pid) {
    const bool known = std::any_of(found.begin(), found.end(), [&](const auto& p) { return p.pid == pid; });
    if (const auto identity = identify(pid); identity.ok() && is_alive(identity.value()) && !known)
      found.push_back(identity.value());
  };
  if (!deployment_.pid_file.empty()) {
    const std::string text = text_from(deployment_.pid_file, 0);
    pid_t pid = 0;
    const std::size_t begin = std::min(text.find_first_not_of(" \t\n"), text.size());
    std::from_chars(text.data() + begin, text.data() + text.size(), pid);
    if (pid <= 1) return found;
    add(pid);
    if (const auto stat = read_stat(pid); stat && stat->group == pid) {
      for (const pid_t member : group_members(pid)) add(member);
    }
    return found;
  }
  for (const pid_t pid : all_processes()) {
    if (pid <= 1 || pid == ::getpid() || pid == ::getppid()) continue;
    const std::string line = command_line(pid);
    if (line.find(deployment_.pattern) == std::string::npos || line.find("faultline-agent") != std::string::npos)
      continue;
    add(pid);
  }
  return found;
}

Result<void> Deployment::run(const std::string& command, const char* what) const {
  const auto fail = [&](const std::string& why) {
    return Error::environment("node " + spec_.name + ": the " + what + " command failed: " + why,
                              "run it by hand on the node");
  };
  auto done = run_shell(command, spec_.environment, spec_.log_file, command_limit);
  if (!done) return fail(done.error().message);
  if (done.value().status == 0) return {};
  return fail("status " + std::to_string(done.value().status) + ": " +
              escape_controls(clip(done.value().output, 1000)));
}

Result<void> Deployment::start(const Launch&) {
  if (auto ran = run(deployment_.start, "start"); !ran) return ran;
  std::vector<ProcessIdentity> found;
  if (!wait_until([&] { return !(found = find()).empty(); }, wait_limit)) {
    return Error::environment("node " + spec_.name + ": the start command succeeded, but no process is found by " +
                                  (deployment_.pid_file.empty() ? "the pattern '" + deployment_.pattern + "'"
                                                                : "the pid file " + deployment_.pid_file),
                              "correct pid-file or pattern in the inventory");
  }
  leader_ = found.front();
  asked_ = paused_ = false;
  return {};
}

int Deployment::signal_all(int number) const {
  int error = 0;
  for (const ProcessIdentity& process : find()) {
    const Descriptor pinned(::pidfd_open(process.pid, 0));
    if (!pinned || !is_alive(process)) continue;
    if (::pidfd_send_signal(pinned.get(), number, nullptr, 0) != 0 && errno != ESRCH) error = errno;
  }
  return error;
}

Result<void> Deployment::wait_until_gone(const std::vector<ProcessIdentity>& all, Duration limit) const {
  const auto gone = [&] { return std::none_of(all.begin(), all.end(), [](const auto& p) { return is_alive(p); }); };
  if (wait_until(gone, limit)) return {};
  return Error::environment("node " + spec_.name + ": its processes do not end");
}

Result<void> Deployment::kill() {
  const auto before = find();
  asked_ = true;
  if (!deployment_.kill.empty() && !before.empty()) {
    if (auto ran = run(deployment_.kill, "kill"); !ran) return ran;
  } else if (const int error = signal_all(SIGKILL); error != 0) {
    return Error::environment("cannot kill node " + spec_.name + ": " + errno_text(error));
  }
  if (auto gone = wait_until_gone(before, wait_limit); !gone) return gone;
  paused_ = false;
  for (const auto id : pauses_) journal_.healed(id);
  pauses_.clear();
  return {};
}

Result<void> Deployment::pause() {
  const auto all = find();
  if (all.empty()) return Error::environment("cannot pause node " + spec_.name + ": it is down");
  for (const auto& process : all) {
    auto intent = journal_.intend_pause(process, spec_.name);
    if (!intent) return intent.error();
    pauses_.push_back(intent.value());
  }
  paused_ = true;
  if (const int error = signal_all(SIGSTOP); error != 0)
    return Error::environment("cannot pause node " + spec_.name + ": " + errno_text(error));
  if (wait_until([&] { return std::all_of(all.begin(), all.end(), is_stopped); }, wait_limit)) return {};
  return Error::environment("cannot pause node " + spec_.name + ": it does not stop");
}

Result<void> Deployment::resume() {
  if (!paused_) return {};
  if (const int error = signal_all(SIGCONT); error != 0)
    return Error::environment("cannot resume node " + spec_.name + ": " + errno_text(error));
  const auto all = find();
  if (!wait_until([&] { return std::all_of(all.begin(), all.end(), is_resumed); }, wait_limit))
    return Error::environment("node " + spec_.name + " stays stopped after SIGCONT", "see whether a debugger holds it");
  paused_ = false;
  for (const auto id : pauses_) journal_.healed(id);
  pauses_.clear();
  return {};
}

Result<void> Deployment::stop(Duration grace) {
  if (auto resumed = resume(); !resumed) return resumed;
  const auto before = find();
  asked_ = true;
  if (before.empty()) return {};
  if (!deployment_.stop.empty()) {
    if (auto ran = run(deployment_.stop, "stop"); !ran) return ran;
    return wait_until_gone(before, wait_limit);
  }
  signal_all(SIGTERM);
  if (wait_until_gone(before, grace)) return {};
  return kill();
}

bool Deployment::is_alive_now() const {
  if (is_alive(leader_)) return true;
  // A supervisor of its own may have started it anew.
  const auto found = find();
  if (!found.empty()) leader_ = found.front();
  return !found.empty();
}

NodeDaemon::State Deployment::state() const {
  if (!is_alive_now()) return State::down;
  return paused_ ? State::paused : State::running;
}

ProcessIdentity Deployment::identity() const { return leader_; }
std::string Deployment::end() const { return is_alive_now() ? "" : asked_ ? "was ended" : "ended by itself"; }
bool Deployment::ended_unasked() const { return !asked_ && !is_alive_now(); }

}  // namespace faultline::live::agent
