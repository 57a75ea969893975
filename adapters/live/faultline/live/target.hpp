// Target: a live system under test: nodes that can be started, broken, healed and stopped, and clients that talk to them.
//
// The command line picks one by name; LiveWorld drives it. Calls are made from one thread, except that FaultPort calls come from the
// world's nemesis thread; an implementation guards what the two share.
#pragma once

#include <boost/asio/any_io_executor.hpp>

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <faultline/live/client.hpp>
#include <faultline/live/events.hpp>
#include <faultline/live/network.hpp>

namespace faultline::live {

struct Target {
  virtual ~Target() = default;

  // Starts everything and waits until the system serves; on failure the error names the node, its log file and the remedy.
  virtual Result<void> set_up() = 0;
  // Runs in every thread that will open connections to nodes, before it does: enters their network namespace if there is one.
  virtual Result<void> enter_client_network() = 0;
  [[nodiscard]] virtual std::vector<NodeName> nodes() const = 0;
  [[nodiscard]] virtual FaultPort& faults() = 0;
  // What decisions of a schedule may wait for; null: nothing but times and heals.
  [[nodiscard]] virtual EventPort* events() { return nullptr; }
  // A client for a process on the node it is pinned to.
  virtual std::unique_ptr<Client> open_client(boost::asio::any_io_executor executor, Process process,
                                              const NodeName& node) = 0;
  // Where a node serves clients. REQUIRES: set_up() succeeded.
  [[nodiscard]] virtual Endpoint client_endpoint(const NodeName& node) const = 0;
  // Version strings and whatever a report should show: {"etcd":"3.4.23","network":"namespaces (nft)"}.
  [[nodiscard]] virtual std::map<std::string, std::string> describe() const = 0;
  // Faults this target cannot take in this place, each with the reason; shown before the run starts.
  [[nodiscard]] virtual std::map<std::string, std::string> unavailable_faults() const = 0;
  // Why the run cannot go on, whatever is healed: a machine is gone. Never waits. REQUIRES: between set_up() and tear_down().
  [[nodiscard]] virtual std::optional<Error> lost() const { return std::nullopt; }
  // Stops daemons, removes namespaces, rules and scratch folders; logs stay. Idempotent; also after a half-done set_up.
  virtual Result<void> tear_down() = 0;
};

}  // namespace faultline::live
