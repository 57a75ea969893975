// DiskSupervisor: the disk of one running daemon, made to fail, to be slow, to be full, and to forget at a power loss what was not synced.
//
// Linux on x86-64, for any user: the child installs a seccomp filter before it executes its program and hands its listener over; from then
// on the calls of the daemon and its children that may change files wait for us (seccomp_unotify(2)). Calls that are about no file below
// the data directory go on at once. Writes, truncations and changes of folders are made here, on duplicates of the daemon's descriptors, so
// that their order is exact, and are logged with what was there before; a sync is logged and goes on. Where the kernel lets a signal
// interrupt a call that waits for us (before Linux 5.19) nothing is made here: calls are logged and go on.
//
// What a power loss may do (Pillai et al., "All File Systems Are Not Created Equal", OSDI 2014): since the last sync of a file each 4 KiB
// page comes back in any version it had, each 512 B sector of it perhaps in the next one, its size likewise; a created, renamed or removed
// name as before or after. A sync of a file makes its data durable and, as ext4, XFS and btrfs do, the name it has, with the folders above
// it and every change those build on; a sync of a folder all changes in it. A sync that fails and drops its pages leaves them clean but not
// durable until they are written again (Rebello et al., "Can Applications Recover from fsync Failures?", ATC 2020). Beyond `unsynced_limit`
// bytes not synced a file counts as written back, as by the kernel's own flusher; it is never the other way: what was synced is never lost.
//
// Blind to, and so refusing to lose anything while a file is used that way: mappings that are shared and writable, O_DIRECT, AIO, and
// rarities such as FALLOC_FL_COLLAPSE_RANGE. io_uring is answered ENOSYS. The log outlives the daemon's processes, as the page cache does.
//
// Owner: whoever runs the daemon. Threads: any; a lock inside, and a thread of its own per running daemon. When our process dies, the
// daemon's waiting calls fail with ENOSYS; it should be killed with us. Every call is bounded (10 s), but for the images of large files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include <faultline/result.hpp>
#include <faultline/rng.hpp>
#include <faultline/time.hpp>

namespace faultline::live {

// What becomes of what is not durable: all of it stays; all of it is gone; of each file's writes, and of the names, those up to one
// survive, and of the next write some sectors; each page, size and name in a version of its own.
enum class DiskLoss : std::uint8_t { keep, lose_unsynced, torn, reordered };
std::optional<DiskLoss> disk_loss_of(std::string_view word);

enum class DiskCall : std::uint8_t { open, read, write, allocate, fsync, truncate, rename, unlink, mkdir };
std::optional<DiskCall> disk_call_of(std::string_view word);
std::span<const std::string_view> disk_call_words();

struct LossReport {
  std::uint64_t pages = 0;    // that read differently afterwards
  std::uint64_t entries = 0;  // creations, renames and removals undone
};

// Files are named by globs (* and ? match any character, also '/') relative to the data directory or to any folder in it; empty: any.
[[nodiscard]] bool disk_file_matches(std::string_view glob, std::string_view path);
struct ErrorRule {  // calls fail: reads, or writes and what allocates
  bool reads = false;
  int error = 0;
  double probability = 1;
  std::string file;
};
struct SyncErrorRule {  // the nth sync from now fails, once
  int error = 0;
  bool drops_pages = true;
  std::uint64_t nth = 1;
  std::string file;
};
struct SpaceRule {  // files may grow by so many bytes together; what does not fit is written short, then ENOSPC
  std::uint64_t bytes = 0;
};
struct SlowRule {  // every call takes so much longer
  Duration latency{};
};
// Before or after the nth such call from now the daemon stops: none of its calls returns any more, and `crash` is called, once, in a thread
// of the supervisor, to kill it.
struct CrashRule {
  DiskCall call = DiskCall::fsync;
  std::uint64_t nth = 1;
  bool after = false;
  std::string file;
  std::function<void()> crash;
};
// Tells, once, of the nth such call from now: `seen` is called before it, or after it (of a sync: when it is durable, for the log), in a
// thread of the supervisor and under its lock; the call waits at that edge as long as `holds`, asked every millisecond, says so, and meets
// the rules that are there when it goes on. After an open that creates, or a mkdir, nothing waits, as the daemon makes those itself.
struct WatchRule {
  DiskCall call = DiskCall::fsync;
  std::uint64_t nth = 1;
  bool after = false;
  std::string file;
  std::function<void()> seen;
  std::function<bool()> holds;
};
using DiskRule = std::variant<ErrorRule, SyncErrorRule, SpaceRule, SlowRule, CrashRule, WatchRule>;

struct DiskRuleEffect {
  std::uint64_t count = 0;  // calls that failed, were slowed, were refused; 1 for a crash point that was reached
  std::uint64_t pages = 0;  // dropped by a failed sync
};

struct DiskSupervisorOptions {
  std::filesystem::path data;  // exists; what is in it is durable
  std::filesystem::path
      shadow;  // a folder of ours on the same file system, outside of data; keeps what was unlinked. Is made.
  std::uint64_t seed = 0;  // of what is left to chance in errors
  bool reads = false;      // see reads too, which costs every read of a socket a few microseconds
  bool performs = true;    // false: only log, as on old kernels
  std::uint64_t unsynced_limit = 64 << 20;
};

class DiskSupervisor {
 public:
  using RuleId = std::uint64_t;

  static Result<std::unique_ptr<DiskSupervisor>> make(DiskSupervisorOptions options);
  ~DiskSupervisor();
  DiskSupervisor(const DiskSupervisor&) = delete;
  DiskSupervisor& operator=(const DiskSupervisor&) = delete;

  // What the child of a fork calls right before it executes its program: safe there; returns 0, or -1 with errno.
  struct ChildStep {
    int (*run)(int descriptor) = nullptr;
    int descriptor = -1;
  };
  // Before the fork: starts to wait for the listener. REQUIRES: no daemon of this supervisor runs.
  Result<ChildStep> expect();
  // After the fork: only the child holds its end now, so that we see when it ends before it has sent anything.
  void forked();
  // Waits until nothing runs any more that was supervised; an error if something still does after 10 s.
  Result<void> wait_until_ended();

  RuleId add(DiskRule rule);
  // Takes the rule back and tells what it did; zeros if it is not there.
  DiskRuleEffect remove(RuleId id);
  [[nodiscard]] DiskRuleEffect effect(RuleId id) const;
  // Writes, syncs and removes a file under the rules in force, as the daemon would.
  [[nodiscard]] Result<void> probe();

  // How many calls came here, and how many were about files of ours.
  struct Seen {
    std::uint64_t calls = 0;
    std::uint64_t data_calls = 0;
  };
  [[nodiscard]] Seen seen() const;
  // Whether a power loss can be played: the reason if some file is used in a way that was not seen. Looks at the running process, too.
  [[nodiscard]] Result<void> can_lose(pid_t running = 0) const;
  // In place; nothing is unsynced afterwards. `keep` forgets pages that a failed sync dropped, as a cache that was evicted, and nothing else.
  // REQUIRES: nothing supervised runs.
  Result<LossReport> lose(DiskLoss loss, Rng& rng);
  // A copy as a power loss now would leave it, in a new folder; log and data stay as they are. Same requirement.
  Result<LossReport> image(DiskLoss loss, Rng& rng, const std::filesystem::path& destination) const;
  // The data directory was emptied or replaced by somebody else: what is in it now is durable. Same requirement.
  void forget();

 private:
  struct Impl;
  explicit DiskSupervisor(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Whether disks can be supervised here, by doing it to a child that is made for that and ends at once. The value: whether calls can be made
// by the supervisor (Linux 5.19), or only be logged.
Result<bool> disk_faults_work();

}  // namespace faultline::live
