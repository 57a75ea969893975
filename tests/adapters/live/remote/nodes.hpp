// Remote nodes of these tests: real sshd's, each in a network namespace of its own, with their own host keys, users' keys and folders.
//
// The namespaces are those of a live::Network, 10.99.0.1 and on; the thread of the test enters the harness's. Nodes share pids and file
// system, which they do not know.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include <faultline/live/daemon.hpp>
#include <faultline/live/leftovers.hpp>
#include <faultline/live/network.hpp>
#include <faultline/live/remote.hpp>

#include "adapters/live/spawn.hpp"
#include "tests/adapters/live/support.hpp"

namespace faultline::live::remote::test {

namespace fs = std::filesystem;
using live::test::Folder;

// For EXPECT_TRUE: says the error if it is one.
template <class Outcome>
testing::AssertionResult is_ok(const Outcome& outcome) {
  if (outcome.ok()) return testing::AssertionSuccess();
  return testing::AssertionFailure() << outcome.error().to_string();
}

// Says so if this machine cannot host the nodes.
bool can_host_nodes();

class Nodes {
 public:
  explicit Nodes(std::vector<NodeName> names = {"n1", "n2", "n3"});
  ~Nodes();
  Nodes(const Nodes&) = delete;
  Nodes& operator=(const Nodes&) = delete;

  // An inventory of them; `more` goes to its top, `tables` to its end.
  [[nodiscard]] std::string inventory(const std::string& more = "", const std::string& tables = "") const;
  // The same, written to a file.
  [[nodiscard]] fs::path write_inventory(const std::string& more = "", const std::string& tables = "") const;
  [[nodiscard]] Inventory parsed(const std::string& more = "", const std::string& tables = "") const;
  [[nodiscard]] std::string address(const NodeName& node) const { return network_->addresses(node).client.host; }
  [[nodiscard]] fs::path state(const NodeName& node) const { return folder_ / node; }
  [[nodiscard]] const Folder& folder() const { return folder_; }
  // What a node's kernel has of rules, but the ones of the namespaces' own network.
  [[nodiscard]] std::string rules(const NodeName& node) const;
  // The daemon without what only a debugger needs: that would be ten times as much.
  [[nodiscard]] std::filesystem::path raftd() const;
  // The table of the inventory that uploads it.
  [[nodiscard]] std::string raft_table() const;
  // Cuts the node's wire, or mends it.
  void set_wire(const NodeName& node, bool up);
  // Ends its sshd and every connection it has.
  void end_sshd(const NodeName& node);
  void start_sshd(const NodeName& node);
  // The harness in a process of its own, in the network namespace of this thread.
  [[nodiscard]] CommandResult faultline(const std::vector<std::string>& words,
                                        Duration limit = std::chrono::minutes(5)) const;

 private:
  void make_keys();
  Folder folder_;
  std::string run_id_ = fresh_run_id();
  std::vector<NodeName> names_;
  std::unique_ptr<Leftovers> journal_;
  std::unique_ptr<Network> network_;
  std::map<NodeName, std::unique_ptr<Daemon>> daemons_;
  int home_ = -1;  // the namespace the thread came from
};

// Three gossip nodes on them.
LocalClusterOptions gossip_on(const Nodes& nodes, const Inventory& inventory,
                              std::vector<std::string>* notes = nullptr);

// The same, whose nodes also write, and are supervised: numbers to the end of the file `unsynced`, the newest one to `synced`, and once, at
// each start, `closed`.
LocalClusterOptions writers_on(const Nodes& nodes, const Inventory& inventory,
                               std::vector<std::string>* notes = nullptr);
// Whether this machine lets disks be supervised, and packets be queued; says so if not.
bool can_break_disks();
bool can_queue_packets();

// Of a run that was `valid`: how often each fault was applied. Expects that each was performed, and did what it is for.
std::map<std::string, int> expect_bites(const CommandResult& done);

// Processes of faultline-agent whose command line names this folder.
std::vector<pid_t> agents_in(const fs::path& folder);
// Whether no agent remains on the node, soon.
bool ends(const Nodes& nodes, const NodeName& node);

}  // namespace faultline::live::remote::test
