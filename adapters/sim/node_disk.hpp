// NodeDisk: the Disk of one boot: the calls of a daemon, with the faults that lie on them, over the node's DiskImage.
#pragma once

#include <faultline/sim/system.hpp>

#include <memory>
#include <optional>
#include <string>

#include "disk_image.hpp"
#include "plan.hpp"

namespace faultline::sim {

class NodeDisk final : public Disk {
 public:
  NodeDisk(Engine& engine, NodeIndex node) : engine_(engine), node_(node) {}

  Result<std::unique_ptr<File>> open(const std::string& path, Open how) override;
  Result<std::vector<std::string>> list(const std::string& folder) override;
  Result<void> make_folder(const std::string& folder) override;
  Result<void> rename(const std::string& from, const std::string& to) override;
  Result<void> remove(const std::string& path) override;
  Result<void> sync_folder(const std::string& folder) override;
  Duration latency() override;

 private:
  friend class NodeFile;
  // Makes the call between its edges.
  template <class Action>
  Result<void> call(Call call, const std::string& path, Action&& action);
  // Whether the file may grow so much; takes it from the budget.
  bool take_space(std::uint64_t bytes);
  void give_space(std::uint64_t bytes);
  [[nodiscard]] DiskImage& image() const;

  Engine& engine_;
  NodeIndex node_;
};

}  // namespace faultline::sim
