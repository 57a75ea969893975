// NodeDisk: the disk of one node of a cluster: its supervisor, if there is one, and its files, as a daemon on this machine has them.
//
// Owner: LocalCluster, under its lock; one call at a time.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <faultline/fault.hpp>
#include <faultline/live/disk.hpp>
#include <faultline/live/machines.hpp>

#include "cpu_pressure.hpp"

namespace faultline::live {

// What the faults say about disks, from their parameters; bad_input names the one that is wrong.
Result<DiskLoss> disk_loss_of(const Fault& fault);
// io_error, fsync_error, enospc, slow_disk, crash_point (whose `crash` is left empty).
Result<DiskRule> disk_rule_of(const Fault& fault);
Result<RotPlan> rot_of(const Fault& fault);   // bit_flip, truncate
Result<double> speed_of(const Fault& fault);  // pressure

// Of a daemon on this machine.
class LocalDisk final : public DiskControl {
 public:
  explicit LocalDisk(std::unique_ptr<DiskSupervisor> supervisor);
  // What the last process had not written durably stays, as it is only the process that ended.
  Result<DiskSupervisor::ChildStep> prepare() override;
  void forked() override { supervisor_->forked(); }
  Result<DiskSupervisor::RuleId> add(DiskRule rule) override { return supervisor_->add(std::move(rule)); }
  Result<DiskRuleEffect> remove(DiskSupervisor::RuleId id) override { return supervisor_->remove(id); }
  [[nodiscard]] Result<void> can_lose(pid_t running) const override { return supervisor_->can_lose(running); }
  Result<LossReport> lose(DiskLoss loss, Rng& rng) override { return supervisor_->lose(loss, rng); }
  Result<void> probe() override { return supervisor_->probe(); }
  void forget() override { supervisor_->forget(); }

 private:
  std::unique_ptr<DiskSupervisor> supervisor_;
};

class LocalFiles final : public DiskFiles {
 public:
  explicit LocalFiles(std::filesystem::path data) : data_(std::move(data)) {}
  std::optional<std::filesystem::path> pick(const std::string& glob, pid_t process, Rng& rng) override {
    return rotting_file(data_, glob, process, rng);
  }
  Result<std::vector<FileEdit>> rot(const RotPlan& plan, const std::filesystem::path& file, Rng& rng) override;
  Result<bool> take_back(const FileEdit& edit) override { return live::take_back(edit); }

 private:
  std::filesystem::path data_;
};

// The disk of one node.
class NodeDisk {
 public:
  std::unique_ptr<DiskFiles> files;
  std::unique_ptr<DiskControl> supervisor;  // null: not supervised
  bool has_suffered = false;                // its daemon may end by itself, and that is no finding
  bool has_rotten = false;                  // what was durable has changed
  bool has_forgotten = false;               // a power loss took something
};

// A disk fault that is active: what belongs to each of the nodes that took it, in their order.
struct ActiveDisk {
  std::vector<DiskSupervisor::RuleId> rules;
  std::vector<std::vector<FileEdit>> edits;
  std::vector<std::unique_ptr<NodePressure>> pressures;
};

}  // namespace faultline::live
