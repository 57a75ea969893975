// NodeClock: the clocks of one node's daemon, across its restarts: bent while a clock fault is active, and journaled as long as they are.
//
// Owned by LocalCluster, under its lock. Errors are of the environment; a daemon that has ended has nothing to heal.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <faultline/fault.hpp>
#include <faultline/live/clock.hpp>
#include <faultline/live/leftovers.hpp>
#include <faultline/live/machines.hpp>

namespace faultline::live {

// The change that a fault of kind `clock` asks for, by its parameters: {"clock":"wall"|"mono"|"both","change":"jump","by":"2s"},
// {…,"change":"rate","rate":0.3}, {…,"change":"strobe","by":"200ms","period":"10ms"}, {…,"change":"freeze"}. Refuses everything else.
Result<ClockChange> clock_change_of(const Fault& fault);
// Whether it makes a monotonic clock step back, which no real one does: what a system does then says nothing about its correctness.
bool is_beyond_model(const ClockChange& change);

class NodeClock final : public ClockControl {
 public:
  // `leftovers` outlives it.
  NodeClock(Leftovers& leftovers, std::string name) : leftovers_(&leftovers), name_(std::move(name)) {}

  // Patches the process unless it is patched already, and makes the change.
  Result<void> change(pid_t pid, const ClockChange& change) override;
  // A Daemon::Launch that makes the changes before the first instruction of the daemon. If that is impossible the daemon starts with its
  // clocks right, and start_error() says why.
  Result<void> launch(pid_t pid, const std::function<Result<void>()>& release,
                      const std::vector<ClockChange>& changes) override;
  [[nodiscard]] const std::optional<Error>& start_error() const { return start_error_; }

  // Whether the process with this pid is patched.
  [[nodiscard]] bool bends(pid_t pid) const override { return patched_ && fault_->pid() == pid; }
  // REQUIRES: bends(). See ClockFault.
  Result<ClockSkew> read_back() override { return fault_->read_back(); }
  // How often the daemon read the clocks of the group.
  [[nodiscard]] std::uint64_t reads(ClockGroup group) const override;
  [[nodiscard]] Duration settles_in() const override { return fault_->settles_in(); }
  // Wall is right at once; mono steps forward, or slews until it is.
  Result<void> reset() override;
  // Takes the patch out.
  Result<void> restore() override;
  // The process has ended.
  void forget() override;

 private:
  Result<void> intend(const ClockUndo& undo);

  Leftovers* leftovers_;
  std::string name_;
  std::optional<ClockFault> fault_;  // also after restore(), for the next change
  bool patched_ = false;
  std::optional<Leftovers::Id> intent_;
  std::optional<Error> start_error_;
};

}  // namespace faultline::live
