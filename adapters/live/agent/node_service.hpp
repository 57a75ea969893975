// NodeService: what one keeper does on its node: daemon, clocks, packets, disk, processor, data folder; and how it undoes all of it.
//
// Requests and replies are JSON objects. A request has `do` and the fields named here; a reply is the object of its result, or {"error":
// …, "remedy": …}. Durations are in nanoseconds ("…_ns").
//
//   hello                                          {"boot_id","uid","filter","performs"}, and what does not work: "filter_error","clock_error",
//                                                  "queue_error","disk_error","pressure_error"
//   renew
//   command   command environment log limit_ns     {"status","output"}: the last 4 KiB of what it said, which is appended to the log
//   prepare   data ours                            where the data is; a folder of ours is made, and removed at the end
//   empty                                          empties the data folder
//   daemon    [start stop kill pid_file pattern]   the daemon is a deployment's: see Deployment; else it is executed
//   start     command environment log ports changes  the state; `changes` of the clocks are in force from the first instruction
//   kill pause resume state                        {"state","pid","start_time","boot_id","end","unasked","bent"}
//   stop      grace_ns                             the state
//   log_tail  lines                                {"text"}
//   filter drop dropped shape echo sound           see PacketService
//   disk      what …                               see DiskService
//   press     speed                                {"how"}: the daemon gets so much of a processor, also after a restart
//   pressed   [join] [end]                         {"waits"}: how often it has waited for its turn
//   probe     targets limit_ns                     {"silent":[…]}: of "host:port", those that do not answer a connection in any way
//   clock     changes | bend                       see clock_requests
//   end                                            {"done":[…]}: undoes everything; the keeper ends
//
// One owner, one request at a time; each is bounded. The journal of the run's folder holds what is to be undone if the keeper dies.
#pragma once

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include <faultline/live/daemon.hpp>
#include <faultline/live/leftovers.hpp>
#include <faultline/result.hpp>

#include "adapters/live/cpu_pressure.hpp"
#include "adapters/live/node_clock.hpp"
#include "disk_service.hpp"
#include "packet_service.hpp"
#include "settable_clock.hpp"

namespace faultline::live::agent {

using Json = nlohmann::json;

class NodeService {
 public:
  struct Options {
    std::filesystem::path folder;  // of the run on this node
    std::string run_id, node;
    std::string harness;          // its address, which no rule may drop
    std::string harness_boot_id;  // of the machine it runs on
    bool set_clock = false;       // change the machine's clock instead of the daemon's view of it
  };
  static Result<std::unique_ptr<NodeService>> open(Options options);

  // Never throws.
  Json perform(const Json& request);
  // Undoes everything and says what was undone; what could not be undone is left to the journal and named in `remaining`.
  HealedLeftovers end();

 private:
  explicit NodeService(Options options, std::unique_ptr<Leftovers> journal);
  Result<Json> dispatch(const std::string& what, const Json& request);
  Result<Json> hello();
  Result<Json> command(const Json& request);
  Result<Json> prepare(const Json& request);
  Result<Json> empty();
  Result<Json> declare_daemon(const Json& request);
  Result<Json> start(const Json& request);
  Result<Json> state();
  Result<Json> press(const Json& request);
  Result<Json> pressed(const Json& request);
  Result<Json> clock(const std::string& what, const Json& request);
  Result<Json> set_clock(const std::string& what, const Json& request);

  Options options_;
  std::unique_ptr<Leftovers> journal_;
  std::filesystem::path data_;
  bool data_is_ours_ = false;
  std::unique_ptr<NodeDaemon> daemon_;
  bool is_deployment_ = false;
  NodeClock clock_;
  std::optional<SettableClock> settable_;
  std::uint64_t looks_ = 0;  // at the clock of the machine
  PacketService packets_;
  std::optional<Leftovers::Id> data_intent_;
  std::unique_ptr<CpuPressure> pressure_;  // goes before the daemon
  DiskService disk_;                       // the same
};

}  // namespace faultline::live::agent
