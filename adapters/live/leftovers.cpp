#include <faultline/live/clock.hpp>
#include <faultline/live/leftovers.hpp>

#include <fcntl.h>
#include <pwd.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "descriptor.hpp"
#include "leftovers_format.hpp"
#include "procfs.hpp"

namespace faultline::live {
namespace {

namespace fs = std::filesystem;

constexpr const char* state_remedy = "make it writable, or set FAULTLINE_STATE to a directory of yours";

Result<void> append_line(int descriptor, const fs::path& file, const std::string& line, bool durable) {
  // One write of a whole line: a reader sees all of it, or a last line without its newline.
  const auto n = ::write(descriptor, line.data(), line.size());
  if (n != static_cast<ssize_t>(line.size())) {
    return Error::environment(file.string() + ": cannot append: " + errno_text(errno), "free some disk space");
  }
  if (durable && ::fdatasync(descriptor) != 0) {
    return Error::environment(file.string() + ": cannot make it durable: " + errno_text(errno));
  }
  return {};
}

// The file appears under its own name only once it is locked; a healer that meets it before takes it for garbage and removes it, and
// the rename then fails.
Result<Descriptor> create_locked(const fs::path& file) {
  const fs::path fresh = file.string() + ".new";
  constexpr int attempts = 50;
  for (int attempt = 0; attempt < attempts; ++attempt) {
    if (attempt > 0) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    Descriptor descriptor(::open(fresh.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!descriptor && errno == EEXIST) continue;
    if (!descriptor)
      return Error::environment("cannot create " + fresh.string() + ": " + errno_text(errno), state_remedy);
    if (::flock(descriptor.get(), LOCK_EX | LOCK_NB) == 0 && ::rename(fresh.c_str(), file.c_str()) == 0)
      return descriptor;
  }
  return Error::environment("cannot create and lock " + file.string(), state_remedy);
}

}  // namespace

Result<ProcessIdentity> identify(pid_t pid) {
  const auto stat = read_stat(pid);
  if (!stat) return Error::environment("there is no process " + std::to_string(pid));
  return ProcessIdentity{.pid = pid, .start_time = stat->start_time, .boot_id = boot_id()};
}

bool is_alive(const ProcessIdentity& process) {
  if (process.pid <= 0 || process.boot_id != boot_id()) return false;
  const auto stat = read_stat(process.pid);
  return stat && stat->start_time == process.start_time && stat->state != 'Z' && stat->state != 'X';
}

std::string fresh_run_id() {
  constexpr std::string_view alphabet = "abcdefghijklmnopqrstuvwxyz234567";
  std::array<unsigned char, 8> random{};
  const auto n = ::getrandom(random.data(), random.size(), 0);
  FL_ASSERT(n == static_cast<ssize_t>(random.size()));
  std::string id;
  for (const unsigned char byte : random) id += alphabet[byte % alphabet.size()];
  return id;
}

Result<fs::path> leftovers_directory() {
  if (const char* chosen = std::getenv("FAULTLINE_STATE"); chosen != nullptr && *chosen != 0) return fs::path(chosen);
  if (const char* state = std::getenv("XDG_STATE_HOME"); state != nullptr && *state == '/')
    return fs::path(state) / "faultline";
  if (const char* home = std::getenv("HOME"); home != nullptr && *home == '/')
    return fs::path(home) / ".local/state/faultline";
  passwd entry{};
  passwd* found = nullptr;
  std::array<char, 4096> buffer{};
  if (::getpwuid_r(::getuid(), &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr) {
    return fs::path(found->pw_dir) / ".local/state/faultline";
  }
  return Error::environment("no home directory to keep the journal of leftovers in",
                            "set FAULTLINE_STATE to a directory of yours");
}

Result<std::unique_ptr<Leftovers>> Leftovers::open(const std::string& run_id) {
  auto directory = leftovers_directory();
  if (!directory) return directory.error();
  std::error_code error;
  fs::create_directories(directory.value(), error);
  if (error)
    return Error::environment("cannot create " + directory.value().string() + ": " + error.message(), state_remedy);
  const fs::path file = directory.value() / (run_id + std::string(journal_suffix));
  if (fs::exists(file, error)) return Error::environment(file.string() + " exists already", "choose another run id");
  auto descriptor = create_locked(file);
  if (!descriptor) return descriptor.error();
  auto owner = identify(::getpid());
  if (!owner) return owner.error();
  const auto& [pid, start_time, boot] = owner.value();
  auto header = append_line(
      descriptor.value().get(), file,
      join_record({std::string(journal_header), run_id, std::to_string(pid), std::to_string(start_time), boot}), true);
  if (!header) return header.error();
  return std::unique_ptr<Leftovers>(new Leftovers(run_id, file, descriptor.value().release()));
}

Leftovers::Leftovers(std::string run_id, fs::path file, int descriptor)
    : run_id_(std::move(run_id)), file_(std::move(file)), descriptor_(descriptor) {}

Leftovers::~Leftovers() {
  if (open_.empty()) ::unlink(file_.c_str());
  ::close(descriptor_);
}

Result<Leftovers::Id> Leftovers::intend(std::vector<std::string> fields) {
  const std::lock_guard lock(mutex_);
  const Id id = next_++;
  fields.insert(fields.begin(), {std::string("intent"), std::to_string(id)});
  auto appended = append_line(descriptor_, file_, join_record(fields), true);
  if (!appended) return appended.error();
  open_.insert(id);
  return id;
}

Result<Leftovers::Id> Leftovers::intend_process(const ProcessIdentity& process, std::string_view name) {
  return intend(
      {"process", std::to_string(process.pid), std::to_string(process.start_time), process.boot_id, std::string(name)});
}

Result<Leftovers::Id> Leftovers::intend_namespace(std::string_view name) {
  return intend({"namespace", std::string(name)});
}

Result<Leftovers::Id> Leftovers::intend_folder(const fs::path& folder) { return intend({"folder", folder.string()}); }

Result<Leftovers::Id> Leftovers::intend_cgroup(const fs::path& folder) { return intend({"cgroup", folder.string()}); }

Result<Leftovers::Id> Leftovers::intend_mount(const fs::path& folder) { return intend({"mount", folder.string()}); }

Result<Leftovers::Id> Leftovers::intend_clock(const ClockUndo& undo, std::string_view name) {
  return intend({"clock", undo.to_string(), std::string(name)});
}

Result<Leftovers::Id> Leftovers::intend_pause(const ProcessIdentity& process, std::string_view name) {
  return intend(
      {"pause", std::to_string(process.pid), std::to_string(process.start_time), process.boot_id, std::string(name)});
}

Result<Leftovers::Id> Leftovers::intend_filter(std::string_view tool, std::string_view name) {
  return intend({"filter", std::string(tool), std::string(name)});
}

Result<Leftovers::Id> Leftovers::intend_node(std::string_view connection, std::string_view name) {
  return intend({"node", std::string(connection), std::string(name)});
}

void Leftovers::healed(Id id) {
  const std::lock_guard lock(mutex_);
  if (open_.erase(id) == 0) return;
  // A record that is lost only makes a healer look for what is already gone.
  (void)append_line(descriptor_, file_, join_record({"healed", std::to_string(id)}), false).ok();
}

Result<Leftovers::Id> make_scratch_folder(Leftovers& journal, const fs::path& folder) {
  auto id = journal.intend_folder(folder);
  if (!id) return id.error();
  if (::mkdir(folder.c_str(), 0755) != 0) {
    const int error = errno;
    journal.healed(id.value());
    return Error::environment("cannot create " + folder.string() + ": " + errno_text(error),
                              "set TMPDIR to a directory of yours");
  }
  std::ofstream marker(folder / scratch_marker);
  marker << journal.run_id() << '\n';
  marker.close();
  if (!marker) return Error::environment("cannot write " + (folder / scratch_marker).string(), "free some disk space");
  return id;
}

}  // namespace faultline::live
