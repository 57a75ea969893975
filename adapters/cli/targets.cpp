#include "targets.hpp"

#include <faultline/etcd/target.hpp>
#include <faultline/live/remote.hpp>
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

// The number of nodes, and where the file lies whatever directory a replay starts in.
Result<void> settle_inventory(Settings& settings) {
  if (!settings.given("inventory")) return {};
  if (settings.given("endpoints")) {
    return Error::bad_input(
        "--inventory cannot be used with --endpoints: one cluster is ours to start, the other runs already",
        "leave one of them out");
  }
  const auto inventory = live::remote::read_inventory(settings.text("inventory"));
  if (!inventory) return inventory.error();
  const std::size_t known = inventory.value().nodes.size();
  if (!settings.given("nodes")) settings.set("nodes", std::to_string(known));
  std::error_code ignored;
  settings.set("inventory", std::filesystem::absolute(settings.text("inventory"), ignored).string());
  if (settings.number("nodes") > 0 && settings.number("nodes") <= known) return {};
  return Error::bad_input(
      fmt::format("--nodes {}: {} has {} nodes", settings.number("nodes"), settings.text("inventory"), known),
      "ask for as many as there are, or fewer");
}

struct Remote {
  std::shared_ptr<live::Machines> machines;
  std::vector<NodeName> names;  // of all nodes of the inventory
};

Result<Remote> remote_of(const Settings& settings, Console& console) {
  if (!settings.given("inventory")) return Remote{};
  auto inventory = live::remote::read_inventory(settings.text("inventory"));
  if (!inventory) return inventory.error();
  Remote remote;
  for (const auto& node : inventory.value().nodes) remote.names.push_back(node.name);
  remote.machines = live::remote::make_machines({.inventory = std::move(inventory).value(),
                                                 .target = settings.text("target"),
                                                 .agent = {},
                                                 .note = [&console](const std::string& text) { console.note(text); }});
  return remote;
}

bool changes_members(const Settings& settings) {
  const auto faults = settings.list("nemesis");
  return std::find(faults.begin(), faults.end(), "membership") != faults.end();
}

}  // namespace

Result<void> settle_target(Settings& settings) {
  if (auto settled = settle_inventory(settings); !settled) return settled;
  const std::vector<std::string> known = read_paths(settings);
  if (settings.text("reads").empty()) settings.set("reads", known.front());
  const std::string reads = settings.text("reads");
  if (std::find(known.begin(), known.end(), reads) != known.end()) return {};
  return Error::bad_input(fmt::format("--reads {}: the target {} has no such read path", reads,
                                      settings.given("endpoints") ? "behind --endpoints" : settings.text("target")),
                          "it has: " + join(known, ", "));
}

Result<std::unique_ptr<live::Target>> make_target(const Settings& settings, const std::filesystem::path& directory,
                                                  Console& console) {
  auto remote = remote_of(settings, console);
  if (!remote) return remote.error();
  auto& [machines, names] = remote.value();
  const std::size_t nodes = settings.number("nodes");
  const std::string reads = settings.text("reads");
  const auto etcd_reads = reads == "serializable" ? etcd::Reads::serializable : etcd::Reads::linearizable;
  const Duration timeout = settings.duration("operation-timeout");
  if (settings.given("endpoints")) {
    return etcd::make_endpoints_target(
        {.urls = settings.list("endpoints"), .reads = etcd_reads, .operation_timeout = timeout});
  }
  if (settings.text("target") == "etcd") {
    if (machines) names.resize(nodes);
    return etcd::make_etcd_target({.nodes = nodes,
                                   .run_directory = directory,
                                   .network = network_of(settings),
                                   .machines = machines,
                                   .names = names,
                                   .reads = etcd_reads,
                                   .operation_timeout = timeout});
  }
  const bool serializable = reads == "serializable";
  const bool can_grow = !machines || names.size() > nodes;
  const std::size_t spares = changes_members(settings) && can_grow ? 1 : 0;
  if (machines) names.resize(nodes + spares);
  return raft::make_target({.nodes = nodes,
                            .spares = spares,
                            .run_directory = directory,
                            .network = network_of(settings),
                            .machines = machines,
                            .names = names,
                            .reads = serializable ? "index" : reads,
                            .serializable = serializable,
                            .operation_timeout = timeout});
}

}  // namespace faultline::cli
