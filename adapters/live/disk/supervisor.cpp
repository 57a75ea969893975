#include <faultline/live/disk.hpp>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cerrno>
#include <fstream>

#include "filter.hpp"
#include "session.hpp"

namespace faultline::live {

namespace {

namespace fs = std::filesystem;
using disk::Handle;
using disk::words_of;

constexpr auto end_limit = std::chrono::seconds(10);

Result<fs::path> real_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  fs::path real = error ? folder : fs::canonical(folder, error);
  if (error) return Error::environment("cannot use the folder " + folder.string() + ": " + error.message());
  return real;
}

// A file of the data directory that the process has mapped shared and writable; none if there is none.
std::optional<std::string> writable_mapping(pid_t process, const disk::State& state) {
  std::ifstream maps("/proc/" + std::to_string(process) + "/maps");
  for (std::string line; std::getline(maps, line);) {
    const std::size_t rights = line.find(' ');
    const std::size_t path = line.find('/');
    if (rights == std::string::npos || path == std::string::npos || line.size() < rights + 5) continue;
    if (line[rights + 2] != 'w' || line[rights + 4] != 's') continue;
    if (auto inside = state.inside(line.substr(path))) return inside;
  }
  return std::nullopt;
}

}  // namespace

struct DiskSupervisor::Impl {
  Impl(DiskSupervisorOptions options, bool its_performs) : state(std::move(options)), performs(its_performs) {}

  mutable disk::State state;
  const bool performs;
  Handle child_end;
  std::unique_ptr<disk::Session> session;

  // REQUIRES: the lock. What can be lost without harm to what is not seen.
  [[nodiscard]] Result<void> sees_all() const {
    if (state.blind.empty()) return {};
    return Error::environment("a power loss cannot be played: " + state.blind.begin()->second,
                              "use kill without a disk, or another fault");
  }
  [[nodiscard]] Result<void> has_ended() const {
    if (!session || session->wait_until_ended(end_limit)) return {};
    return Error::environment("a process that the daemon has started still runs, and may write",
                              "see what it starts that leaves its process group");
  }
};

DiskSupervisor::DiskSupervisor(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
DiskSupervisor::~DiskSupervisor() = default;

Result<std::unique_ptr<DiskSupervisor>> DiskSupervisor::make(DiskSupervisorOptions options) {
  for (fs::path* folder : {&options.data, &options.shadow}) {
    auto real = real_folder(*folder);
    if (!real) return real.error();
    *folder = std::move(real).value();
  }
  struct stat data {
  }, shadow{};
  if (::stat(options.data.c_str(), &data) != 0 || ::stat(options.shadow.c_str(), &shadow) != 0)
    return Error::environment("cannot look at " + options.data.string() + ": " + words_of(errno));
  if (data.st_dev != shadow.st_dev) {
    return Error::environment(options.shadow.string() + " is not on the file system of " + options.data.string(),
                              "choose a folder next to it");
  }
  const bool performs = options.performs && disk::waits_are_killable_only();
  return std::unique_ptr<DiskSupervisor>(new DiskSupervisor(std::make_unique<Impl>(std::move(options), performs)));
}

Result<DiskSupervisor::ChildStep> DiskSupervisor::expect() {
  if (auto ended = impl_->has_ended(); !ended) return ended.error();
  impl_->session.reset();
  {
    const std::lock_guard lock(impl_->state.mutex);
    impl_->state.is_frozen = false;
  }
  int ends[2] = {-1, -1};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    return Error::environment("cannot make a pair of sockets: " + words_of(errno),
                              "raise the limit of open files (ulimit -n)");
  }
  impl_->child_end = Handle(ends[1]);
  impl_->session = std::make_unique<disk::Session>(impl_->state, impl_->performs, Handle(ends[0]));
  return ChildStep{impl_->state.options.reads ? disk::install_filter_with_reads : disk::install_filter, ends[1]};
}

void DiskSupervisor::forked() { impl_->child_end.reset(); }

Result<void> DiskSupervisor::wait_until_ended() { return impl_->has_ended(); }

DiskSupervisor::RuleId DiskSupervisor::add(DiskRule rule) {
  const std::lock_guard lock(impl_->state.mutex);
  return impl_->state.rules.add(std::move(rule));
}

DiskRuleEffect DiskSupervisor::remove(RuleId id) {
  const std::lock_guard lock(impl_->state.mutex);
  return impl_->state.rules.remove(id);
}

DiskRuleEffect DiskSupervisor::effect(RuleId id) const {
  const std::lock_guard lock(impl_->state.mutex);
  return impl_->state.rules.effect(id);
}

Result<void> DiskSupervisor::probe() {
  const std::string name = ".faultline-probe";
  const fs::path path = impl_->state.options.data / name;
  const auto failed = [&](const char* what, int error) {
    ::unlink(path.c_str());
    return Error::environment(std::string("a probe cannot ") + what + " " + path.string() + ": " + words_of(error));
  };
  const std::lock_guard lock(impl_->state.mutex);
  const Handle file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!file) return failed("create", errno);
  if (const int error = impl_->state.rules.error(DiskCall::write, name); error != 0) return failed("write", error);
  if (impl_->state.rules.take_space(name.size()) < name.size()) return failed("write", ENOSPC);
  if (::write(file.get(), name.data(), name.size()) != static_cast<ssize_t>(name.size())) return failed("write", errno);
  if (const int error = impl_->state.rules.sync(name).error; error != 0) return failed("sync", error);
  if (::fsync(file.get()) != 0) return failed("sync", errno);
  impl_->state.rules.give_space(name.size());
  if (::unlink(path.c_str()) != 0) return failed("remove", errno);
  return {};
}

DiskSupervisor::Seen DiskSupervisor::seen() const {
  const std::lock_guard lock(impl_->state.mutex);
  return impl_->state.seen;
}

Result<void> DiskSupervisor::can_lose(pid_t running) const {
  const std::lock_guard lock(impl_->state.mutex);
  if (auto sees = impl_->sees_all(); !sees) return sees;
  const auto mapped = running == 0 ? std::nullopt : writable_mapping(running, impl_->state);
  if (!mapped) return {};
  return Error::environment("a power loss cannot be played: " + *mapped + " is mapped shared and writable",
                            "use kill without a disk, or another fault");
}

Result<LossReport> DiskSupervisor::lose(DiskLoss loss, Rng& rng) {
  if (auto ended = impl_->has_ended(); !ended) return ended.error();
  disk::State& state = impl_->state;
  const std::lock_guard lock(state.mutex);
  state.note_changes(0);
  if (auto sees = impl_->sees_all(); loss != DiskLoss::keep && !sees) return sees.error();
  const auto tree = disk::tree_of(state.options.data, state.options.shadow);
  if (!tree) return tree.error();
  if (loss == DiskLoss::keep) {
    if (auto done = disk::evict_dropped(state.log, tree.value()); !done) return done.error();
    for (auto& [id, file] : state.log.files) file.forget_dropped();
    return LossReport();
  }
  const auto report = disk::lose(state.log, loss, rng.fork(rng.next()), tree.value());
  if (report) state.forget();
  return report;
}

Result<LossReport> DiskSupervisor::image(DiskLoss loss, Rng& rng, const fs::path& destination) const {
  if (auto ended = impl_->has_ended(); !ended) return ended.error();
  disk::State& state = impl_->state;
  const std::lock_guard lock(state.mutex);
  state.note_changes(0);
  if (auto sees = impl_->sees_all(); !sees) return sees.error();
  const auto tree = disk::tree_of(state.options.data, state.options.shadow);
  if (!tree) return tree.error();
  fs::path shadow = destination;
  shadow += ".shadow";
  const auto copy = disk::copy_of(tree.value(), destination, shadow);
  auto report =
      copy ? disk::lose(state.log, loss, rng.fork(rng.next()), copy.value()) : Result<LossReport>(copy.error());
  std::error_code ignored;
  fs::remove_all(shadow, ignored);
  return report;
}

void DiskSupervisor::forget() {
  const std::lock_guard lock(impl_->state.mutex);
  impl_->state.forget();
}

}  // namespace faultline::live
