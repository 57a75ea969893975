#include "targets.hpp"

#include <faultline/etcd/target.hpp>
#include <faultline/raft/target.hpp>
#include <faultline/redis/target.hpp>

#include <fmt/format.h>

#include <algorithm>

#include "units.hpp"

namespace faultline::cli {
namespace {

std::string target_of(const Settings& settings) {
  return settings.given("endpoints") ? "behind --endpoints" : settings.text("target");
}

std::vector<std::string> read_paths(const Settings& settings) {
  if (target_of(settings) == "redis") return {"linearizable"};
  const bool raft = settings.text("target") == "raft" && !settings.given("endpoints");
  if (raft) return {"index", "lease", "local", "serializable"};
  return {"linearizable", "serializable"};
}

live::NetworkKind network_of(const Settings& settings) {
  const std::string network = settings.text("network");
  if (network == "namespaces") return live::NetworkKind::namespaces;
  return network == "proxy" ? live::NetworkKind::proxy : live::NetworkKind::automatic;
}

std::vector<std::string> fsync_policies(const Settings& settings) {
  const std::string target = target_of(settings);
  if (target == "raft") return {"always", "off"};
  if (target == "redis") return {"always", "everysec", "no"};
  return {"always"};
}

// One of those the target has.
Result<void> check_word(const Settings& settings, std::string_view option, std::string_view what,
                        const std::vector<std::string>& known) {
  const std::string word = settings.text(option);
  if (std::find(known.begin(), known.end(), word) != known.end()) return {};
  return Error::bad_input(fmt::format("--{} {}: the target {} has no such {}", option, word, target_of(settings), what),
                          "it has: " + join(known, ", "));
}

// One server, which only knows registers and sets.
Result<void> settle_redis(Settings& settings) {
  if (!settings.given("nodes")) settings.set("nodes", "1");
  if (!settings.given("nemesis")) settings.set("nemesis", "kill,pause");
  if (settings.number("nodes") != 1) {
    return Error::bad_input(fmt::format("--nodes {}: the target redis is one server", settings.number("nodes")),
                            "leave --nodes out");
  }
  return check_word(settings, "workload", "workload", {"register", "cas-register", "set"});
}

bool changes_members(const Settings& settings) {
  const auto faults = settings.list("nemesis");
  return std::find(faults.begin(), faults.end(), "membership") != faults.end();
}

}  // namespace

Result<void> settle_target(Settings& settings) {
  const std::vector<std::string> known = read_paths(settings);
  if (settings.text("reads").empty()) settings.set("reads", known.front());
  if (auto checked = check_word(settings, "reads", "read path", known); !checked) return checked;
  if (auto checked = check_word(settings, "fsync", "fsync policy", fsync_policies(settings)); !checked) return checked;
  return target_of(settings) == "redis" ? settle_redis(settings) : Result<void>();
}

Result<std::unique_ptr<live::Target>> make_target(const Settings& settings, const std::filesystem::path& directory) {
  const std::string reads = settings.text("reads");
  const auto etcd_reads = reads == "serializable" ? etcd::Reads::serializable : etcd::Reads::linearizable;
  const Duration timeout = settings.duration("operation-timeout");
  const etcd::Objects objects = etcd::objects_of(settings.text("workload"));
  if (settings.given("endpoints")) {
    return etcd::make_endpoints_target(
        {.urls = settings.list("endpoints"), .reads = etcd_reads, .objects = objects, .operation_timeout = timeout});
  }
  if (settings.text("target") == "etcd") {
    return etcd::make_etcd_target({.nodes = settings.number("nodes"),
                                   .run_directory = directory,
                                   .network = network_of(settings),
                                   .reads = etcd_reads,
                                   .objects = objects,
                                   .operation_timeout = timeout});
  }
  if (settings.text("target") == "redis") {
    return redis::make_target({.run_directory = directory,
                               .network = network_of(settings),
                               .fsync = settings.text("fsync"),
                               .sets = settings.text("workload") == "set",
                               .operation_timeout = timeout});
  }
  const bool serializable = reads == "serializable";
  return raft::make_target({.nodes = settings.number("nodes"),
                            .spares = changes_members(settings) ? 1U : 0U,
                            .run_directory = directory,
                            .network = network_of(settings),
                            .reads = serializable ? "index" : reads,
                            .objects = objects,
                            .serializable = serializable,
                            .fsync = settings.text("fsync") == "always",
                            .operation_timeout = timeout});
}

}  // namespace faultline::cli
