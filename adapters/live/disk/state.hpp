// State: everything the supervisor knows of one data directory. Guarded by one lock; used by the thread that answers calls and by the owner.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "crash.hpp"
#include "rules.hpp"

namespace faultline::live::disk {

class State {
 public:
  explicit State(DiskSupervisorOptions its_options) : options(std::move(its_options)), rules(options.seed) {}

  // The path below the data directory; none for others. "" is the directory itself.
  [[nodiscard]] std::optional<std::string> inside(const std::string& path) const;
  [[nodiscard]] std::filesystem::path kept(const EntryChange& change) const {
    return options.shadow / kept_name(change);
  }

  FileLog& file(const FileId& id) { return log.files[id]; }
  // What a sync of this file, folder, or everything makes durable.
  void sync_file(const FileId& id, const std::string& path);
  void sync_folder(const FileId& id, const std::string& path);
  void sync_all();
  // Counts as written back once too much of it is not synced.
  void bound(const FileId& id, const std::string& path);

  void add_change(EntryChange change);
  // A change that was allowed, and may have happened by now; `thread` asked for it.
  void expect_change(EntryChange change, pid_t thread, bool makes_file);
  // Logs the changes that have happened. Those of a thread that makes another call have, or never will.
  void note_changes(pid_t thread);
  // Not noted yet.
  [[nodiscard]] bool is_expected(std::uint64_t number) const;

  void mark_blind(const FileId& id, const std::string& path, const std::string& reason);
  void forget();

  std::mutex mutex;  // guards everything below
  const DiskSupervisorOptions options;
  Log log;
  Rules rules;
  std::map<FileId, std::string> blind;  // "etcd/db is mapped shared and writable"
  std::uint64_t next_number = 1;
  DiskSupervisor::Seen seen;
  bool is_frozen = false;

 private:
  struct Expected {
    EntryChange change;
    pid_t thread = 0;
    bool makes_file = false;  // what it creates is new, not a further name
  };
  [[nodiscard]] bool has_happened(Expected& expected) const;
  void settle_above(const std::string& path);
  void let_go(const std::vector<EntryChange>& settled);

  std::list<Expected> expected_;
};

}  // namespace faultline::live::disk
