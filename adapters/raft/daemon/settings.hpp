// What raftd is told: its command line, read and checked.
#pragma once

#include <faultline/raft/core.hpp>
#include <faultline/result.hpp>

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace faultline::raft::daemon {

struct HostPort {
  std::string host;  // a numeric address
  std::uint16_t port = 0;

  [[nodiscard]] std::string to_string() const;
  friend bool operator==(const HostPort&, const HostPort&) = default;
};

// A member as `--cluster` names it: 1=HOST:PORT, or 1=HOST:PORT/HOST:PORT with where it serves clients.
struct MemberAddress {
  HostPort peer;
  std::optional<HostPort> client;
};
// The text that travels in configurations: "HOST:PORT" or "HOST:PORT/HOST:PORT".
std::string to_text(const MemberAddress& address);
Result<MemberAddress> parse_member_address(const std::string& text);

struct Settings {
  NodeId id;
  std::map<std::uint64_t, MemberAddress> cluster;  // by id; includes this node
  std::string token = "raftd";                     // nodes of different tokens never talk to each other
  bool join = false;                               // to be added to a running cluster
  HostPort listen;                                 // the gateway
  HostPort peer_listen;                            // for peers
  std::filesystem::path data;
  std::filesystem::path events;  // empty: stdout
  Duration election_timeout = std::chrono::seconds(1);
  Duration heartbeat = std::chrono::milliseconds(100);
  ReadMode reads = ReadMode::index;
  std::optional<double> max_clock_drift;
  bool fsync = true;
  bool pre_vote = true;
  std::uint64_t snapshot_entries = 10'000;

  std::vector<std::string> warnings;  // sentences about the above; also shown in status
  std::filesystem::path dump;         // `raftd dump FILE`: print it and end
};

// The settings, or how to end: with a text for stdout and 0 (--help, --version), or one for stderr and 64.
struct Ending {
  int exit_code = 0;
  std::string text;
};
std::variant<Settings, Ending> read_settings(int argc, const char* const* argv);

// Names the cluster on disk and in frames.
std::uint64_t cluster_id(const Settings& settings);

}  // namespace faultline::raft::daemon
