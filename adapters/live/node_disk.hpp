// NodeDisk: the disk of one node of a local cluster: its supervisor, if there is one, and what was changed in its files while it was down.
//
// Owner: LocalCluster, under its lock; one call at a time.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <faultline/fault.hpp>
#include <faultline/live/disk.hpp>

#include "cpu_pressure.hpp"

namespace faultline::live {

// What the faults say about disks, from their parameters; bad_input names the one that is wrong.
Result<DiskLoss> disk_loss_of(const Fault& fault);
// io_error, fsync_error, enospc, slow_disk, crash_point (whose `crash` is left empty).
Result<DiskRule> disk_rule_of(const Fault& fault);
struct RotPlan {
  bool cuts = false;
  std::uint64_t amount = 1;  // bits to flip, bytes to cut off
  std::string file;
};
Result<RotPlan> rot_of(const Fault& fault);   // bit_flip, truncate
Result<double> speed_of(const Fault& fault);  // pressure

// What was done to a file while its daemon was down, and how to take it back.
struct FileEdit {
  std::filesystem::path file;
  std::string name;  // below the data directory
  std::uint64_t offset = 0;
  std::string before, after;      // flips: one byte each
  std::uint64_t size_before = 0;  // cuts
  bool cuts = false;
};

class NodeDisk {
 public:
  explicit NodeDisk(std::filesystem::path data) : data_(std::move(data)) {}

  std::unique_ptr<DiskSupervisor> supervisor;  // null: not supervised
  bool has_suffered = false;                   // its daemon may end by itself, and that is no finding
  bool has_rotten = false;                     // what was durable has changed
  bool has_forgotten = false;                  // a power loss took something

  // Files of the data directory that the process has open.
  [[nodiscard]] static std::set<std::filesystem::path> open_files(pid_t process);
  // One that may rot: not empty, and none of these. Drawn.
  [[nodiscard]] std::optional<std::filesystem::path> rotting_file(const std::string& glob,
                                                                  const std::set<std::filesystem::path>& open,
                                                                  Rng& rng) const;
  // REQUIRES: the daemon is down. The error says what could not be changed; nothing is, then.
  Result<std::vector<FileEdit>> rot(const RotPlan& plan, const std::filesystem::path& file, Rng& rng) const;
  // Takes an edit back where the file still has it. False: the daemon has changed it since.
  static Result<bool> take_back(const FileEdit& edit);

 private:
  std::filesystem::path data_;
};

// A disk fault that is active: what belongs to each of the nodes that took it, in their order.
struct ActiveDisk {
  std::vector<DiskSupervisor::RuleId> rules;
  std::vector<std::vector<FileEdit>> edits;
  std::vector<std::unique_ptr<CpuPressure>> pressures;
};

}  // namespace faultline::live
