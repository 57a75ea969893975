#include "run_info.hpp"

#include <faultline/effects.hpp>
#include <faultline/workload.hpp>

#include "node_logs.hpp"
#include "units.hpp"

namespace faultline::cli {

RunInfo run_info(const std::filesystem::path& directory, const Settings& settings, const History& history,
                 const std::map<std::string, std::string>& versions) {
  RunInfo info{.directory = directory.string(),
               .target = settings.given("endpoints") ? settings.text("endpoints") : settings.text("target"),
               .workload = settings.text("workload"),
               .nemesis = settings.list("nemesis"),
               .seed = settings.number("seed"),
               .nodes = settings.number("nodes"),
               .concurrency = settings.number("concurrency"),
               .leader_changes = leader_changes(history),
               .versions = versions,
               .repeat = "faultline run " + shell_word((directory / "run.toml").string())};
  info.logs = node_logs(directory, history);
  std::erase(info.nemesis, "none");
  for (const KindEffect& effect : fault_effects(history)) {
    info.faults.push_back({.kind = effect.kind, .count = effect.count, .effect = effect.text, .bit = effect.bit});
  }
  return info;
}

std::string model_of(std::string_view workload) {
  for (const WorkloadInfo& info : workloads()) {
    if (info.name == workload) return std::string(info.model);
  }
  FL_ASSERT(false && "a workload of the option table has no entry");
}

}  // namespace faultline::cli
