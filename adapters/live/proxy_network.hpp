// ProxyNetwork: the Network of everybody: see network.hpp and proxy.hpp.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <faultline/live/network.hpp>

#include "descriptor.hpp"
#include "proxy.hpp"

namespace faultline::live {

class ProxyNetwork final : public Network {
 public:
  // `reason`: why not namespaces, for describe().
  ProxyNetwork(NetworkOptions options, std::string reason);
  ~ProxyNetwork() override;

  Result<void> set_up() override;
  [[nodiscard]] const std::vector<NodeName>& nodes() const override { return options_.nodes; }
  [[nodiscard]] NodeAddresses addresses(const NodeName& node) const override;
  [[nodiscard]] std::filesystem::path name_space(const NodeName&) const override { return {}; }
  void daemon_started(const NodeName& node, pid_t pid) override;
  Result<void> apply(const Grudge& grudge) override;
  Result<void> shape(const Traffic& traffic) override;
  [[nodiscard]] Result<void> can_shape(const PacketRules& rules) const override;
  Result<void> cut_clients(const ClientCuts& cuts) override;
  [[nodiscard]] Result<void> can_cut_clients() const override;
  [[nodiscard]] Result<void> can_watch_frames() const override;
  Result<void> watch(std::vector<FrameWatch> frames) override;
  [[nodiscard]] ClientRoute client_route(const NodeName& node, std::size_t worker) const override;
  Result<Sounding> sound(const NodeName& from, const NodeName& to, std::int64_t count, Duration pace,
                         Duration limit) override;
  Result<Value> probe(Duration limit) override;
  [[nodiscard]] NetworkCounters counters() override;
  Result<void> enter() const override { return {}; }
  Result<void> tear_down() override;
  [[nodiscard]] std::string describe() const override;

 private:
  // A port that is ours: bound, but not listening, so that nobody is given it, while the daemon may bind it with SO_REUSEADDR.
  struct Port {
    Descriptor reservation;
    std::uint16_t number = 0;
  };
  static Result<Port> reserve_port();
  [[nodiscard]] std::size_t index_of(const NodeName& node) const;
  // A connection of ours that the proxy takes for one from a node to another: both its ends.
  struct Line {
    Descriptor source;
    Descriptor sink;
  };
  Result<Line> connect_line(std::size_t from, std::size_t to, Duration limit);
  Result<void> probe_pair(std::size_t from, std::size_t to, Duration limit);
  Result<Sounding> sound(std::size_t from, std::size_t to, std::int64_t count, Duration pace, Duration limit);
  Result<std::int64_t> probe_shaped(Duration limit);

  NetworkOptions options_;
  std::string reason_;
  std::vector<Port> peer_ports_;
  std::vector<Port> client_ports_;
  std::vector<std::uint16_t> advertised_;
  std::unique_ptr<Proxy> proxy_;
  bool was_shaped_ = false;
  std::set<std::pair<std::size_t, std::size_t>> shaped_;  // since the last probe
  Duration baseline_{};                                   // of a probe, before any fault
};

}  // namespace faultline::live
