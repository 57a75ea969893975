// Undoing what dead harnesses left behind: daemons end (also paused ones), clocks of what lives on are set right, then namespaces and scratch
// folders go.
#include <faultline/live/clock.hpp>
#include <faultline/live/leftovers.hpp>

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <thread>

#include "descriptor.hpp"
#include "leftovers_format.hpp"
#include "mounts.hpp"
#include "namespaces.hpp"
#include "packet_filter.hpp"
#include "pidfd.hpp"
#include "procfs.hpp"

namespace faultline::live {

std::string join_record(const std::vector<std::string>& fields) {
  std::string line;
  for (const auto& field : fields) {
    if (&field != &fields.front()) line += '\t';
    for (const char c : field) {
      if (c == '\t')
        line += "\\t";
      else if (c == '\n')
        line += "\\n";
      else if (c == '\\')
        line += "\\\\";
      else
        line += c;
    }
  }
  return line + '\n';
}

std::vector<std::string> split_record(std::string_view line) {
  std::vector<std::string> fields(1);
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '\t') {
      fields.emplace_back();
    } else if (line[i] == '\\' && i + 1 < line.size()) {
      ++i;
      fields.back() += line[i] == 't' ? '\t' : line[i] == 'n' ? '\n' : line[i];
    } else {
      fields.back() += line[i];
    }
  }
  return fields;
}

namespace {

namespace fs = std::filesystem;

// What one journal still claims to exist, by kind.
struct Claims {
  std::string run_id;
  ProcessIdentity harness;
  struct Process {
    ProcessIdentity identity;
    std::string name;
  };
  std::vector<Process> processes, paused;
  struct Filter {
    std::string tool, name;
  };
  std::vector<Filter> filters;
  struct Node {
    std::string connection, name;
  };
  std::vector<Node> nodes;
  struct Clock {
    ClockUndo undo;
    std::string name;
  };
  std::vector<Clock> clocks;
  std::vector<std::string> namespaces;
  std::vector<fs::path> folders;
  std::vector<fs::path> cgroups;
  std::vector<fs::path> mounts;
};

template <class Number>
Number to_number(const std::string& text) {
  Number number{};
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

void add_claim(Claims& claims, const std::vector<std::string>& fields) {
  const std::string& kind = fields[2];
  if ((kind == "process" || kind == "pause") && fields.size() == 7) {
    (kind == "pause" ? claims.paused : claims.processes)
        .push_back({{to_number<pid_t>(fields[3]), to_number<std::uint64_t>(fields[4]), fields[5]}, fields[6]});
  } else if (kind == "clock" && fields.size() == 5) {
    if (auto undo = ClockUndo::parse(fields[3]); undo.ok())
      claims.clocks.push_back({std::move(undo).value(), fields[4]});
  } else if (kind == "filter" && fields.size() == 5) {
    claims.filters.push_back({fields[3], fields[4]});
  } else if (kind == "node" && fields.size() == 5) {
    claims.nodes.push_back({fields[3], fields[4]});
  } else if (kind == "namespace" && fields.size() == 4) {
    claims.namespaces.push_back(fields[3]);
  } else if (kind == "cgroup" && fields.size() == 4) {
    claims.cgroups.emplace_back(fields[3]);
  } else if (kind == "mount" && fields.size() == 4) {
    claims.mounts.emplace_back(fields[3]);
  } else if (kind == "folder" && fields.size() == 4) {
    claims.folders.emplace_back(fields[3]);
  }
}

// nullopt: not a journal, or one whose header was never finished; it then claims nothing. A torn last line was an intent that did not
// return, so nothing was created for it.
std::optional<Claims> read_claims(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  Claims claims;
  std::map<std::string, std::vector<std::string>> open;
  std::string_view rest = text;
  for (bool first = true;; first = false) {
    const auto end = rest.find('\n');
    if (end == std::string_view::npos) break;
    auto fields = split_record(rest.substr(0, end));
    rest.remove_prefix(end + 1);
    if (first) {
      if (fields.size() != 5 || fields[0] != journal_header) return std::nullopt;
      claims.run_id = fields[1];
      claims.harness = {to_number<pid_t>(fields[2]), to_number<std::uint64_t>(fields[3]), fields[4]};
    } else if (fields[0] == "intent" && fields.size() > 3) {
      open[fields[1]] = std::move(fields);
    } else if (fields[0] == "healed" && fields.size() == 2) {
      open.erase(fields[1]);
    }
  }
  if (claims.run_id.empty()) return std::nullopt;
  for (const auto& [id, fields] : open) add_claim(claims, fields);
  return claims;
}

// Kills that very process: the pidfd pins it before its identity is compared, so a recycled pid is never hit. An errno, or 0.
int kill_process(const ProcessIdentity& process) {
  const Descriptor pinned(::pidfd_open(process.pid, 0));
  if (!is_alive(process)) return 0;
  const int done = pinned ? ::pidfd_send_signal(pinned.get(), SIGKILL, nullptr, 0) : ::kill(process.pid, SIGKILL);
  return done == 0 || errno == ESRCH ? 0 : errno;
}

bool wait_until_gone(const ProcessIdentity& process) {
  constexpr auto limit = std::chrono::seconds(5);
  const auto until = std::chrono::steady_clock::now() + limit;
  while (is_alive(process)) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

class Healer {
 public:
  Healer(const Claims& claims, const HealNode& heal_node, HealedLeftovers& report)
      : claims_(claims), heal_node_(heal_node), report_(report) {}

  // True: nothing of the run remains.
  bool heal() {
    for (const auto& node : by_name(claims_.nodes)) heal_node(node);
    for (const auto& filter : claims_.filters) remove_filter(filter);
    for (const auto& process : claims_.paused) resume(process);
    for (const auto& process : claims_.processes) kill(process.identity, process.name);
    // What the daemons started may have left their group; it carries the run's name in its environment.
    for (const pid_t pid : processes_with_environment(std::string(run_variable) + "=" + claims_.run_id)) {
      if (const auto identity = identify(pid); identity.ok() && pid != ::getpid())
        kill(identity.value(), "descendant of a node");
    }
    for (const auto& clock : claims_.clocks) set_right(clock);
    for (const auto& cgroup : claims_.cgroups) remove_cgroup(cgroup);
    for (const auto& name : claims_.namespaces) remove_namespace(name);
    for (const auto& mount : claims_.mounts) unmount(mount);
    for (const auto& folder : claims_.folders) remove_folder(folder);
    return clean_;
  }

 private:
  void done(std::string what) { report_.done.push_back(std::move(what) + " of run " + claims_.run_id); }
  void failed(std::string what) {
    report_.remaining.push_back(std::move(what) + " (run " + claims_.run_id + ")");
    clean_ = false;
  }
  static std::string label(const ProcessIdentity& identity, const std::string& name) {
    return "process " + std::to_string(identity.pid) + " (" + name + ")";
  }

  void kill(const ProcessIdentity& identity, const std::string& name) {
    if (!is_alive(identity)) return;
    // The leader keeps its group's number from being recycled, so the group is signalled while it lives.
    if (const auto stat = read_stat(identity.pid); stat && stat->group == identity.pid) ::kill(-identity.pid, SIGKILL);
    if (const int error = kill_process(identity); error != 0) {
      return failed("cannot kill " + label(identity, name) + ": " + errno_text(error));
    }
    if (!wait_until_gone(identity)) return failed("killed " + label(identity, name) + ", but it does not end");
    done("killed " + label(identity, name));
  }

  // They were journaled as they were reached, which is by chance.
  static std::vector<Claims::Node> by_name(std::vector<Claims::Node> nodes) {
    std::sort(nodes.begin(), nodes.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
    return nodes;
  }

  void heal_node(const Claims::Node& node) {
    const std::string what = "what was left on node " + node.name;
    if (!heal_node_) return failed(what + " was not looked at");
    const auto healed = heal_node_(claims_.run_id, node.name, node.connection);
    if (!healed) return failed("cannot heal " + what + ": " + healed.error().to_string());
    for (const std::string& line : healed.value())
      report_.done.push_back("node " + node.name + ": " + line);  // says its run
  }

  void remove_filter(const Claims::Filter& filter) {
    const auto removed = live::remove_filter(filter.tool, filter.name);
    if (!removed) return failed("cannot remove the rules " + filter.name + ": " + removed.error().to_string());
    if (removed.value()) done("removed the rules " + filter.name);
  }

  void resume(const Claims::Process& process) {
    if (!is_alive(process.identity)) return;
    const Descriptor pinned(::pidfd_open(process.identity.pid, 0));
    if (!pinned || !is_alive(process.identity)) return;
    if (thread_states(process.identity.pid).find('T') == std::string::npos) return;
    if (::pidfd_send_signal(pinned.get(), SIGCONT, nullptr, 0) != 0)
      return failed("cannot resume " + label(process.identity, process.name) + ": " + errno_text(errno));
    done("resumed " + label(process.identity, process.name));
  }

  void set_right(const Claims::Clock& clock) {
    const std::string what = "the clocks of process " + std::to_string(clock.undo.pid) + " (" + clock.name + ")";
    // One that was killed just now may take a moment to be gone, and until then neither stops nor is there; then nothing is left to undo.
    constexpr auto limit = std::chrono::seconds(10);
    const auto until = std::chrono::steady_clock::now() + limit;
    auto undone = undo_clock_patch(clock.undo);
    while (!undone && std::chrono::steady_clock::now() < until) {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      undone = undo_clock_patch(clock.undo);
    }
    if (!undone) return failed("cannot set right " + what + ": " + undone.error().to_string());
    if (undone.value()) done("set right " + what);
  }

  // Its processes were killed above, and are gone from it a moment later.
  void remove_cgroup(const fs::path& folder) {
    constexpr auto limit = std::chrono::seconds(5);
    const auto until = std::chrono::steady_clock::now() + limit;
    while (::rmdir(folder.c_str()) != 0) {
      if (errno == ENOENT) return;
      if (errno != EBUSY || std::chrono::steady_clock::now() > until)
        return failed("cannot remove the cgroup " + folder.string() + ": " + errno_text(errno));
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    done("removed the cgroup " + folder.string());
  }

  // What used it was killed above, and lets go of it a moment later. Its loop device goes with it.
  void unmount(const fs::path& folder) {
    const auto gone = unmount_folder(folder);
    if (!gone) return failed(gone.error().message);
    if (gone.value()) done("unmounted " + folder.string());
  }

  void remove_namespace(const std::string& name) {
    if (!namespace_exists(name)) return;
    const auto removed = delete_namespace(name);
    if (!removed) return failed(removed.error().to_string());
    done("removed network namespace " + name);
  }

  void remove_folder(const fs::path& folder) {
    std::error_code error;
    if (!fs::exists(fs::symlink_status(folder, error))) return;
    if (fs::is_empty(folder, error) && !error) {
      if (!fs::remove(folder, error)) return failed("cannot remove " + folder.string() + ": " + error.message());
      return done("removed empty folder " + folder.string());
    }
    if (!is_ours(folder)) return;  // it was there before: the harness died between the intent and its failure
    // The marker goes last, so that a healer that is killed halfway leaves what the next one still recognises.
    for (const auto& entry : fs::directory_iterator(folder, error)) {
      if (entry.path().filename() != scratch_marker) fs::remove_all(entry.path(), error);
      if (error) return failed("cannot remove " + entry.path().string() + ": " + error.message());
    }
    fs::remove_all(folder, error);
    if (error) return failed("cannot remove " + folder.string() + ": " + error.message());
    done("removed folder " + folder.string());
  }

  // The marker names the run. One that was cut short counts if there is nothing else, since it is written before anything else.
  bool is_ours(const fs::path& folder) const {
    std::ifstream marker(folder / scratch_marker);
    if (!marker) return false;
    std::string owner;
    std::getline(marker, owner);
    if (owner == claims_.run_id) return true;
    std::error_code error;
    const auto entries = std::distance(fs::directory_iterator(folder, error), fs::directory_iterator());
    return entries == 1 && claims_.run_id.starts_with(owner);
  }

  const Claims& claims_;
  const HealNode& heal_node_;
  HealedLeftovers& report_;
  bool clean_ = true;
};

enum class Lock { ours, of_the_living, of_the_dead };

// A harness that was killed between fork and exec leaves a child that shares the lock for the moment it takes to die.
Lock take_lock(int descriptor, const fs::path& file) {
  constexpr auto limit = std::chrono::seconds(5);
  const auto until = std::chrono::steady_clock::now() + limit;
  while (::flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    const auto claims = read_claims(file);
    if (!claims || is_alive(claims->harness)) return Lock::of_the_living;
    if (std::chrono::steady_clock::now() > until) return Lock::of_the_dead;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return Lock::ours;
}

void heal_journal(const fs::path& file, const HealNode& heal_node, HealedLeftovers& report) {
  const Descriptor descriptor(::open(file.c_str(), O_RDWR | O_CLOEXEC));
  if (!descriptor) {
    if (errno != ENOENT) report.remaining.push_back("cannot read " + file.string() + ": " + errno_text(errno));
    return;
  }
  const Lock lock = take_lock(descriptor.get(), file);
  if (lock == Lock::of_the_dead)
    report.remaining.push_back(file.string() + " is locked, though its harness is gone: is another healer at work?");
  if (lock != Lock::ours) return;
  const auto claims = read_claims(file);
  if (!claims || Healer(*claims, heal_node, report).heal()) ::unlink(file.c_str());
}

bool is_journal_name(const fs::path& file) {
  const std::string name = file.filename().string();
  return name.ends_with(journal_suffix) || name.ends_with(std::string(journal_suffix) + ".new");
}

}  // namespace

Result<HealedLeftovers> heal_leftovers() { return heal_leftovers(HealNode()); }

Result<HealedLeftovers> heal_leftovers(const HealNode& heal_node) {
  const auto directory = leftovers_directory();
  if (!directory) return directory.error();
  HealedLeftovers report;
  std::error_code error;
  if (!fs::exists(directory.value(), error) && !error) return report;
  std::vector<fs::path> files;
  for (auto entry = fs::directory_iterator(directory.value(), error); !error && entry != fs::directory_iterator();
       entry.increment(error)) {
    if (is_journal_name(entry->path())) files.push_back(entry->path());
  }
  if (error) {
    return Error::environment("cannot read " + directory.value().string() + ": " + error.message(),
                              "make it readable, or set FAULTLINE_STATE to a directory of yours");
  }
  std::sort(files.begin(), files.end());
  for (const auto& file : files) heal_journal(file, heal_node, report);
  return report;
}

}  // namespace faultline::live
