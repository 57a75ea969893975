// Keeper: the process that stays on a node for one run: it owns the daemon and the faults there, and undoes them when nobody asks it any
// more.
//
// It listens on the socket `s` in the run's folder; relays, one per ssh connection, bring the harness's lines to it. Each request has an
// id that grows; one that comes again, because its reply was lost with a connection, gets the same reply and is not performed again.
// Any request renews the lease; when none has come for its time to live, the keeper undoes everything, writes what it did to the file
// `lapsed` and ends: the next run on this node reports that. SIGTERM, as at a shutdown, does the same.
//
// `status` and `end` without id come from sweeps: the first does not renew the lease.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "adapters/live/descriptor.hpp"
#include "node_service.hpp"

namespace faultline::live::agent {

inline constexpr const char* socket_name = "s";
inline constexpr const char* info_name = "info";      // JSON: run, node
inline constexpr const char* lapsed_name = "lapsed";  // a line for each thing that was undone
inline constexpr const char* machine_clock_name = "machine-clock";

class Keeper {
 public:
  // `folder` is the run's on this node, and the working directory.
  Keeper(std::filesystem::path folder, std::chrono::milliseconds time_to_live, std::unique_ptr<NodeService> service,
         Descriptor listener);
  // Until the run has ended or its lease has lapsed.
  void run();

 private:
  using Clock = std::chrono::steady_clock;
  struct Connection {
    Descriptor socket;
    std::string received;
  };
  void accept_one();
  // False: it is closed.
  bool serve(Connection& connection);
  Json answer(const Json& request);
  Json end();
  void lapse(const std::string& why);

  std::filesystem::path folder_;
  std::chrono::milliseconds time_to_live_;
  std::unique_ptr<NodeService> service_;
  Descriptor listener_;
  std::vector<Connection> connections_;
  Clock::time_point renewed_ = Clock::now();
  std::int64_t last_id_ = 0;
  Json last_reply_;
  bool ended_ = false;
};

}  // namespace faultline::live::agent
