// The simulator's disk under the log's and the snapshots' own interface.
#pragma once

#include <faultline/raft/storage/disk.hpp>
#include <faultline/sim/disk.hpp>

namespace faultline::raft::sim {

// `disk` outlives it. Latency is not felt here: calls take no virtual time.
class SimDisk final : public storage::Disk {
 public:
  explicit SimDisk(faultline::sim::Disk& disk) : disk_(disk) {}

  Result<std::unique_ptr<storage::File>> open(const std::string& path, Open how) override;
  Result<std::vector<std::string>> list(const std::string& folder) override { return disk_.list(folder); }
  Result<void> make_folder(const std::string& folder) override { return disk_.make_folder(folder); }
  Result<void> rename(const std::string& from, const std::string& to) override { return disk_.rename(from, to); }
  Result<void> remove(const std::string& path) override { return disk_.remove(path); }
  Result<void> sync_folder(const std::string& folder) override { return disk_.sync_folder(folder); }

 private:
  faultline::sim::Disk& disk_;
};

}  // namespace faultline::raft::sim
