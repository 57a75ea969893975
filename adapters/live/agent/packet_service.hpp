// PacketService: what happens to packets on their way into one node: who is dropped (PacketFilter), and what the others suffer (PacketQueue).
//
//   filter   harness address sources [clients]   declares who may be dropped, queued, and heard as probes; `address` is the node's own;
//                                         clients: {"from":address,"port":n}: where their connections come from and go to
//   drop     sources [clients]            positions in `sources` that are dropped from now on; of clients [[first,last],…], the ports their
//                                         connections come from
//   dropped                               {"packets","rules"}, and once packets were queued {"queued","traffic"}
//   shape    links                        [{"from":position,…}]: see traffic_json.hpp; all other links are clear from now on
//   tap      system                       looks at every packet from now on, for frames of the system's connections between nodes
//   watch    frames                       [{"frame","from":position,"nth","holds"}]: those that are awaited, these and no others
//   met      [let_go]                     {"met":[…]}: those that have passed, by their positions in `frames`; see MetEvents
//   echo                                  {"port"}: answers probes until the end
//   sound    to count pace_ns limit_ns    a train of probes to an echo and back, as traffic_json.hpp has it
//
// The queue's rules let packets pass when nobody judges them, so that a keeper that died holds nothing back; its journal removes them.
// Thread rules: one owner.
#pragma once

#include <faultline/live/leftovers.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "adapters/live/packet_filter.hpp"
#include "adapters/live/packet_queue.hpp"
#include "echo.hpp"
#include "met_events.hpp"

namespace faultline::live::agent {

class PacketService {
 public:
  // `harness`: the address of its connection. The journal outlives it.
  PacketService(std::string run_id, std::string node, std::string harness, Leftovers& journal);

  static bool knows(const std::string& what);
  Result<nlohmann::json> perform(const std::string& what, const nlohmann::json& request);
  // Removes all rules; what was held back arrives. Says what was done, and what could not be.
  HealedLeftovers end();

 private:
  using Json = nlohmann::json;
  Result<Json> filter(const Json& request);
  Result<Json> drop(const Json& request);
  Result<Json> dropped();
  Result<Json> shape(const Json& request);
  Result<Json> tap(const Json& request);
  Result<Json> watch(const Json& request);
  Result<Json> sound(const Json& request) const;
  // Makes it, and its place in the journal, unless it is there; the node's own position.
  Result<std::size_t> ready_queue();

  std::string harness_, name_, address_;
  std::vector<std::string> sources_;
  Leftovers& journal_;
  std::optional<PacketFilter> filter_;
  bool clients_are_told_apart_ = false;
  std::optional<Leftovers::Id> filter_intent_;
  std::string filter_tool_;
  std::unique_ptr<PacketQueue> queue_;
  std::optional<Leftovers::Id> queue_intent_;
  std::string queue_tool_;
  bool shapes_ = false;  // a link bears a fault
  std::shared_ptr<MetEvents> met_;
  std::unique_ptr<Echo> echo_;
};

// Why packets cannot be queued here; nothing if they can.
Result<void> queues_work();

}  // namespace faultline::live::agent
