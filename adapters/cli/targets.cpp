#include "targets.hpp"

#include <faultline/etcd/target.hpp>
#include <faultline/raft/target.hpp>

#include <fmt/format.h>

#include <algorithm>

#include "units.hpp"

namespace faultline::cli {
namespace {

std::vector<std::string> read_paths(const Settings& settings) {
  const bool raft = settings.text("target") == "raft" && !settings.given("endpoints");
  if (raft) return {"index", "lease", "local", "serializable"};
  return {"linearizable", "serializable"};
}

live::NetworkKind network_of(const Settings& settings) {
  const std::string network = settings.text("network");
  if (network == "namespaces") return live::NetworkKind::namespaces;
  return network == "proxy" ? live::NetworkKind::proxy : live::NetworkKind::automatic;
}

bool changes_members(const Settings& settings) {
  const auto faults = settings.list("nemesis");
  return std::find(faults.begin(), faults.end(), "membership") != faults.end();
}

}  // namespace

Result<void> settle_target(Settings& settings) {
  const std::vector<std::string> known = read_paths(settings);
  if (settings.text("reads").empty()) settings.set("reads", known.front());
  const std::string reads = settings.text("reads");
  if (std::find(known.begin(), known.end(), reads) != known.end()) return {};
  return Error::bad_input(fmt::format("--reads {}: the target {} has no such read path", reads,
                                      settings.given("endpoints") ? "behind --endpoints" : settings.text("target")),
                          "it has: " + join(known, ", "));
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
  const bool serializable = reads == "serializable";
  return raft::make_target({.nodes = settings.number("nodes"),
                            .spares = changes_members(settings) ? 1U : 0U,
                            .run_directory = directory,
                            .network = network_of(settings),
                            .reads = serializable ? "index" : reads,
                            .objects = objects,
                            .serializable = serializable,
                            .operation_timeout = timeout});
}

}  // namespace faultline::cli
