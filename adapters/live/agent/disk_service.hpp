// DiskService: the disk of the daemon of one node: its supervisor, if the harness asks for one, and the edits of its files.
//
//   supervise  seed reads          the daemon is supervised from its next start
//   add        rule                {"rule"}, and of a watch {"watch"}: its number; see disk_json.hpp. At a crash point the daemon is killed
//   met        [let_go]            {"met":[…]}: the watches that a call has met, by their numbers; see MetEvents
//   remove     rule                {"count","pages"}
//   can_lose                       an error if a power loss cannot be played
//   lose       loss seed           {"pages","entries"}; `loss` is the number of the enumeration. REQUIRES: the daemon is down
//   probe      forget
//   pick       glob seed           {"file"}: hexadecimal; null if there is none
//   rot        file cuts amount seed   {"edits":[…]}. REQUIRES: the daemon is down
//   take_back  edit                {"whole"}
//
// Edits of files are written down, durably, in the file `edits` of the run's folder before they are made, so that they are taken back
// whatever becomes of the keeper. What a power loss took stays lost: that is the fault.
// Thread rules: one owner; a crash point kills the daemon in a thread of the supervisor.
#pragma once

#include <faultline/live/disk.hpp>
#include <faultline/live/file_rot.hpp>
#include <faultline/live/leftovers.hpp>
#include <faultline/live/machines.hpp>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "met_events.hpp"

namespace faultline::live::agent {

inline constexpr const char* edits_name = "edits";

// Takes back what the file of a dead keeper says; says what was done. A file that was changed since stays as it is.
Result<std::vector<std::string>> take_back_edits(const std::filesystem::path& edits);

class DiskService {
 public:
  // The journal outlives it.
  DiskService(std::filesystem::path folder, Leftovers& journal) : folder_(std::move(folder)), journal_(journal) {}

  // `beside` is a folder of ours on the same file system as the data, or where one may be made.
  void place(std::filesystem::path data, std::filesystem::path beside);
  Result<nlohmann::json> perform(const std::string& what, const nlohmann::json& request, NodeDaemon* daemon);
  [[nodiscard]] bool is_supervised() const { return supervisor_ != nullptr; }
  // REQUIRES: is_supervised(), and the daemon is down.
  Result<void> prepare(DaemonSpec& spec);
  void started();
  // The daemon's disk works again, and it may still run.
  std::vector<std::string> release();
  // REQUIRES: the daemon is down, or will never be. Says what was done; an error for what could not be.
  Result<std::vector<std::string>> end();

 private:
  using Json = nlohmann::json;
  Result<Json> supervise(const Json& request);
  Result<Json> add(const Json& request, NodeDaemon& daemon);
  Json met(const Json& request);
  Result<Json> rot(const Json& request);
  Result<Json> take_back(const Json& request);
  Result<void> write_down() const;

  std::filesystem::path folder_, data_, beside_;
  Leftovers& journal_;
  std::optional<Leftovers::Id> scratch_;
  std::unique_ptr<DiskSupervisor> supervisor_;
  std::set<DiskSupervisor::RuleId> rules_;
  std::vector<DiskSupervisor::RuleId> watches_;  // by their number in met_
  std::shared_ptr<MetEvents> met_ = std::make_shared<MetEvents>();
  std::vector<FileEdit> edits_;  // in the order in which they were made
};

}  // namespace faultline::live::agent
