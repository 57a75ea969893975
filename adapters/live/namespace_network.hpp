// NamespaceNetwork: the Network of root: see network.hpp.
//
// Namespaces are named fl-<run>-net (the bridge, and the harness's clients) and fl-<run>-<node>. Node i (from 0) has 10.99.0.(i+1), the
// harness 10.99.0.254, the client of worker w 10.99.(64 + w / 250).(1 + w mod 250);
// every node uses the same two ports.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <vector>

#include <faultline/live/leftovers.hpp>
#include <faultline/live/network.hpp>

#include "packet_filter.hpp"
#include "packet_netem.hpp"
#include "packet_queue.hpp"

namespace faultline::live {

class NamespaceNetwork final : public Network {
 public:
  NamespaceNetwork(NetworkOptions options, FilterTool tool);
  ~NamespaceNetwork() override;

  Result<void> set_up() override;
  [[nodiscard]] const std::vector<NodeName>& nodes() const override { return options_.nodes; }
  [[nodiscard]] NodeAddresses addresses(const NodeName& node) const override;
  [[nodiscard]] std::filesystem::path name_space(const NodeName& node) const override;
  void daemon_started(const NodeName&, pid_t) override {}
  Result<void> apply(const Grudge& grudge) override;
  Result<void> shape(const Traffic& traffic) override;
  [[nodiscard]] Result<void> can_shape(const PacketRules& rules) const override;
  Result<void> cut_clients(const ClientCuts& cuts) override;
  [[nodiscard]] Result<void> can_cut_clients() const override { return {}; }
  [[nodiscard]] ClientRoute client_route(const NodeName& node, std::size_t worker) const override;
  Result<Sounding> sound(const NodeName& from, const NodeName& to, std::int64_t count, Duration pace,
                         Duration limit) override;
  Result<Value> probe(Duration limit) override;
  [[nodiscard]] NetworkCounters counters() override;
  Result<void> enter() const override;
  Result<void> tear_down() override;
  [[nodiscard]] std::string describe() const override;

 private:
  // Whom a node drops: nodes by position, clients by address.
  struct Cuts {
    std::set<std::size_t> nodes;
    std::set<std::string> clients;
    friend bool operator==(const Cuts&, const Cuts&) = default;
  };
  [[nodiscard]] std::string bridge_space() const;
  [[nodiscard]] std::string node_space(std::size_t index) const;
  [[nodiscard]] std::string filter_name() const;
  [[nodiscard]] static std::string address(std::size_t index);
  [[nodiscard]] static std::string bridge_port(std::size_t index);
  [[nodiscard]] std::size_t index_of(const NodeName& node) const;
  Result<void> add_namespace(const std::string& name);
  Result<void> connect_bridge();
  Result<void> load_filters();
  Result<Sounding> sound(std::size_t from, std::size_t to, std::int64_t count, Duration pace, Duration limit) const;
  Result<std::int64_t> probe_shaped(Duration limit);
  Result<void> connect_node(std::size_t index);
  Result<void> start_shaping();
  Result<void> probe_rules(Duration limit);
  [[nodiscard]] bool shapes_in_kernel() const;

  NetworkOptions options_;
  FilterTool tool_;
  std::map<std::string, Leftovers::Id> created_;  // namespaces; the id is 0 without a journal
  std::vector<PacketFilter> filters_;             // by node
  // By node: what is loaded; nullopt after a failure, when nobody knows.
  std::vector<std::optional<Cuts>> dropped_;
  std::vector<Cuts> wanted_;                              // by node
  std::unique_ptr<PacketQueue> queue_;                    // of the first fault on; so is the next
  std::unique_ptr<PacketNetem> netem_;                    // none where the kernel is not to shape
  std::set<std::pair<std::size_t, std::size_t>> shaped_;  // since the last probe
  Duration baseline_{};                                   // of a probe, before any fault
};

}  // namespace faultline::live
