#include <faultline/live/network.hpp>

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <set>
#include <thread>

#include "descriptor.hpp"
#include "namespace_network.hpp"
#include "packet_netem.hpp"
#include "proxy_network.hpp"
#include "spawn.hpp"
#include "traffic_counters.hpp"

namespace faultline::live {
namespace {

bool is_name(const std::string& text, std::size_t longest) {
  const auto fits = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; };
  return !text.empty() && text.size() <= longest && text.front() != '-' && std::all_of(text.begin(), text.end(), fits);
}

Result<void> check(const NetworkOptions& options) {
  constexpr std::size_t longest = 32;
  constexpr std::size_t most = 100;
  if (!is_name(options.run_id, longest)) {
    return Error::bad_input("run id '" + options.run_id + "' is not 1 to 32 of a-z, 0-9 and '-'");
  }
  for (const auto& node : options.nodes) {
    if (!is_name(node, longest) || node == "net") {
      return Error::bad_input("node name '" + node + "' is not 1 to 32 of a-z, 0-9 and '-' (or is 'net')");
    }
  }
  if (options.needs.mechanism == PacketMechanism::netem && options.nodes.size() > netem_nodes_most)
    return Error::bad_input("netem has room for " + std::to_string(netem_nodes_most) + " nodes", "use nfqueue");
  if (options.needs.mechanism != PacketMechanism::automatic &&
      (options.kind == NetworkKind::proxy || options.needs.frames)) {
    return Error::bad_input("netem and nfqueue are for packets in namespaces; the fault proxy has frames",
                            "leave the mechanism out");
  }
  const std::set<NodeName> distinct(options.nodes.begin(), options.nodes.end());
  if (distinct.size() != options.nodes.size()) return Error::bad_input("two nodes have the same name");
  if (options.nodes.empty() || options.nodes.size() > most)
    return Error::bad_input("a local cluster has 1 to 100 nodes");
  return {};
}

// Builds what a cluster needs in a namespace without a name, which vanishes with the thread.
Result<void> try_namespace(FilterTool tool) {
  if (::unshare(CLONE_NEWNET) != 0) {
    return Error::environment("cannot make a network namespace: " + errno_text(errno),
                              "run as root with CAP_SYS_ADMIN");
  }
  auto links =
      run_checked({"ip", "-batch", "-"},
                  "link add br0 type bridge\nlink add a0 type veth peer name b0\nlink set a0 master br0\n", "");
  if (!links) return Error::environment(links.error().message, "load the kernel modules bridge and veth");
  const FilterPlan plan{.name = "faultline_try", .harness = "10.99.0.254", .sources = {"10.99.0.1"}};
  auto filter = tool == FilterTool::nft
                    ? run_checked({"nft", "-f", "-"}, nft_setup(plan) + nft_rules(plan, {.sources = {0}}), "")
                    : run_checked({"iptables-restore", "--noflush"}, iptables_setup(plan), "");
  if (!filter) return Error::environment(filter.error().message, "load the kernel module nf_tables");
  return {};
}

}  // namespace

void add_counters(NetworkCounters& counters, const TrafficCounters& traffic) {
  counters["held_packets"] = traffic.held;
  counters["delayed_packets"] = traffic.delayed;
  counters["lost_packets"] = traffic.lost;
  counters["duplicated_packets"] = traffic.duplicated;
  counters["reordered_packets"] = traffic.reordered;
  counters["corrupted_packets"] = traffic.corrupted;
  counters["throttled_packets"] = traffic.throttled;
  counters["throttled_bytes"] = traffic.throttled_bytes;
}

Result<void> Network::can_watch_frames() const {
  return Error::bad_input("frames between nodes are only seen by the fault proxy",
                          "use --network proxy, or let the decision wait for something else");
}

Result<void> Network::watch(std::vector<FrameWatch> frames) {
  return frames.empty() ? Result<void>() : can_watch_frames();
}

Result<void> packet_faults_work() {
  if (auto works = namespaces_work(); !works) return works;
  const auto tool = choose_queue_tool();
  return tool ? Result<void>() : tool.error();
}

// A machine's kernel stays as it is while this process lives.
Result<void> netem_works() {
  static const Result<void> works = [] {
    auto spaces = namespaces_work();
    return spaces ? try_netem() : spaces;
  }();
  return works;
}

Result<void> proxy_works() {
  ProxyNetwork network({.nodes = {"n1", "n2"}, .run_id = "try"}, "being tried");
  if (auto built = network.set_up(); !built) return built;
  auto probed = network.probe(std::chrono::seconds(5));
  return probed ? Result<void>() : probed.error();
}

Result<void> namespaces_work() {
  if (::geteuid() != 0) return Error::environment("network namespaces need root", "run as root");
  if (auto ip = find_program("ip"); !ip) return Error::environment(ip.error().message, "apt install iproute2");
  const auto tool = choose_filter_tool();
  if (!tool) return tool.error();
  Result<void> tried;
  try {
    std::thread([&] { tried = try_namespace(tool.value()); }).join();
  } catch (const std::system_error& e) {
    return Error::environment(std::string("cannot start a thread: ") + e.what());
  }
  return tried;
}

Result<std::unique_ptr<Network>> make_network(NetworkOptions options) {
  if (auto checked = check(options); !checked) return checked.error();
  const bool may_choose = options.kind == NetworkKind::automatic;
  const bool needs_proxy = may_choose && options.needs.frames;
  std::string reason = needs_proxy ? "it sees the frames that decisions wait for" : "chosen by the user";
  if (options.kind != NetworkKind::proxy && !needs_proxy) {
    auto works = may_choose && options.needs.packets ? packet_faults_work() : namespaces_work();
    if (works && options.needs.packets && options.needs.mechanism == PacketMechanism::netem) works = netem_works();
    if (works.ok()) {
      const auto tool = choose_filter_tool();
      if (!tool) return tool.error();
      return std::unique_ptr<Network>(std::make_unique<NamespaceNetwork>(std::move(options), tool.value()));
    }
    if (!may_choose || options.needs.mechanism != PacketMechanism::automatic) return works.error();
    reason = works.error().message;
  }
  return std::unique_ptr<Network>(std::make_unique<ProxyNetwork>(std::move(options), std::move(reason)));
}

}  // namespace faultline::live
