// Inventory: which remote nodes there are, how to reach them, and how a system under test is driven on them. A TOML file:
//
//   user = "root"                        # of every node, as all keys above [nodes]; a node's own key wins
//   key = "~/.ssh/id_ed25519"            # else ssh-agent, then ~/.ssh/id_*
//   known-hosts = "known_hosts"          # relative to this file; else ~/.ssh/known_hosts
//   check-host-key = true
//   port = 22
//   sudo = false                         # sudo -n for everything that is done there
//   settable-clock = false               # clock faults set the machine's clock; dedicated machines only
//   client-port = 2379
//   peer-port = 2380
//   state = ".faultline"                 # folder on the node, relative to the home
//   time-to-live = "15s"                 # a node undoes its faults when it has not heard of the harness for so long
//   [variables]                          # in the environment of the daemon and of every command
//   ZONE = "a"
//   [secrets]                            # the same, and masked in every message and fetched log
//   TOKEN = "…"
//   [nodes.n1]
//   address = "10.0.0.1"                 # of its peers and clients; IPv4, or a name that has one
//   ssh-address = "bastion.example"      # where it differs
//   variables = { ZONE = "b" }
//   [targets.etcd]                       # all optional
//   binary = "/usr/bin/etcd"             # on the node; else found in its PATH
//   upload = "build/bin/raftd"           # a file here, which is copied there, instead
//   setup = "…"                          # run before the first start, and
//   teardown = "…"                       # after the last end
//   start = "systemctl start etcd"       # instead of the target's own command line; with pid-file or pattern it ends once the daemon
//                                        # runs, else it is the daemon
//   stop = "…"                           # else SIGTERM
//   kill = "…"                           # else SIGKILL
//   pid-file = "/run/etcd.pid"
//   pattern = "etcd --name {node}"       # a part of the daemon's command line
//   data-directory = "/var/lib/etcd"     # with `start`: what is wiped; else where folders for the runs are made
//   log-files = ["/var/log/etcd.log"]
//
// The state folder, paths and the pattern may hold {node}, {address}, {client-port}, {peer-port} and {VARIABLE}. Commands are for /bin/sh and find the same
// in their environment: FAULTLINE_NODE, FAULTLINE_ADDRESS, FAULTLINE_CLIENT_PORT, FAULTLINE_PEER_PORT, FAULTLINE_DATA, and FAULTLINE_PEERS
// ("n1=10.0.0.1:2380,…").
//
// Reading reports every problem at once, each as FILE:LINE:COLUMN, and never a value of variables or secrets.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <faultline/fault.hpp>
#include <faultline/live/ssh.hpp>
#include <faultline/result.hpp>
#include <faultline/time.hpp>

namespace faultline::live::remote {

struct InventoryNode {
  NodeName name;
  std::string address;
  ssh::Address ssh;
  bool sudo = false;
  bool settable_clock = false;
  std::uint16_t client_port = 2379;
  std::uint16_t peer_port = 2380;
  std::map<std::string, std::string> variables;  // with the secrets
  std::vector<std::string> secrets;              // values that must not be shown
};

struct InventoryTarget {
  std::string binary, upload, setup, teardown, start, stop, kill, pid_file, pattern, data_directory;
  std::vector<std::string> log_files;
};

struct Inventory {
  std::filesystem::path file;
  std::string state = ".faultline";
  Duration time_to_live = std::chrono::seconds(15);
  std::vector<InventoryNode> nodes;                // in the order of the file
  std::map<std::string, InventoryTarget> targets;  // by the target's name
};

Result<Inventory> read_inventory(const std::filesystem::path& file);
// The same from text; `file` is for messages and relative paths.
Result<Inventory> parse_inventory(const std::string& text, const std::filesystem::path& file);

// The text with {node}, {VARIABLE}, … of the node filled in. REQUIRES: it comes from an inventory that was read.
std::string fill_in(const std::string& text, const InventoryNode& node);

}  // namespace faultline::live::remote
