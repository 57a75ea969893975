// Redis as a system under test: one server that is started here, with its append-only file on.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include <faultline/live/local_cluster.hpp>
#include <faultline/live/network.hpp>
#include <faultline/live/target.hpp>
#include <faultline/time.hpp>

namespace faultline::redis {

struct TargetOptions {
  std::filesystem::path run_directory;  // logs go to <run directory>/nodes/n1/
  std::string run_id;                   // short, [a-z0-9-]; empty: a fresh one
  live::NetworkKind network = live::NetworkKind::automatic;
  live::DiskOptions disks;
  std::string binary = "redis-server";  // a path, or found in PATH
  std::string fsync = "always";         // appendfsync: always, everysec, no
  bool sets = false;                    // what the workload works on; else registers
  Duration operation_timeout = std::chrono::seconds(5);
  Duration ready_limit = std::chrono::seconds(30);
};

// One node, n1, with an empty data directory and no configuration file, taking the faults kill, pause, clock, and those of disks: what
// an acknowledgement is worth when the power goes is a matter of `fsync`. It is ready once it answers PING, after having
// read its file; it always leads. Nothing ever listens beyond the node's own address.
std::unique_ptr<live::Target> make_target(TargetOptions options);

// The path of the program, or what installs it.
Result<std::string> find_server(const std::string& binary = "redis-server");

}  // namespace faultline::redis
