// Remote nodes for a LocalCluster, reached by ssh: see Machines for what that is, inventory.hpp for how nodes are described.
//
// On each node works a *keeper*, a process of the uploaded faultline-agent: it owns daemon and faults there, and undoes them when it has not
// heard of the harness for the time to live. Where a node cannot be reached after 5 tries it is lost: calls about it fail, naming it.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <faultline/live/inventory.hpp>
#include <faultline/live/leftovers.hpp>
#include <faultline/live/machines.hpp>

namespace faultline::live::remote {

struct RemoteOptions {
  Inventory inventory;
  std::string target;  // whose table of the inventory counts: "etcd"
  std::vector<std::string>
      upgrades;  // further versions of the daemon, files here; uploaded, and run where a command names them
  std::filesystem::path agent;  // the faultline-agent to upload; empty: the one beside this program
  // What is worth telling: what earlier runs had left on the nodes. Called in the thread that opens.
  std::function<void(const std::string&)> note;
};

std::shared_ptr<Machines> make_machines(RemoteOptions options);

// A HealNode for heal_leftovers().
Result<std::vector<std::string>> heal_node(const std::string& run_id, const std::string& node,
                                           const std::string& connection);

// What works on a node, tried.
struct NodeAbility {
  std::string node, name, state, enables, remedy;  // state: ok, degraded, missing
};
// Also heals what dead runs left on the nodes; `healed` are lines about that.
struct NodeReport {
  std::vector<NodeAbility> abilities;
  std::vector<std::string> healed;
};
NodeReport examine(const RemoteOptions& options);

}  // namespace faultline::live::remote
