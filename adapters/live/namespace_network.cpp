#include "namespace_network.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/random.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "descriptor.hpp"
#include "namespaces.hpp"
#include "sounding.hpp"
#include "spawn.hpp"
#include "traffic_counters.hpp"

namespace faultline::live {
namespace {

constexpr std::uint16_t peer_port = 2380;
constexpr std::uint16_t client_port = 2379;
constexpr const char* harness_address = "10.99.0.254";
constexpr const char* client_addresses = "10.99.64.0/18";  // all of them local to the bridge's namespace
constexpr std::size_t clients_a_block = 250;
constexpr std::size_t client_blocks = 64;

using Clock = std::chrono::steady_clock;
constexpr auto sounding_limit = std::chrono::seconds(5);  // it ends as soon as all have arrived

// Interfaces to come get no IPv6 address: its neighbour discovery would take seconds, and no rule of ours looks at it.
Result<void> without_ipv6(const std::string& name) {
  return run_in_namespace(namespace_path(name),
                          [] { std::ofstream("/proc/sys/net/ipv6/conf/default/disable_ipv6") << "1\n"; });
}

sockaddr_in socket_address(const std::string& host, std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  ::inet_pton(AF_INET, host.c_str(), &address.sin_addr);
  return address;
}

// Where nonces are sent from and to: a datagram needs one direction only, so each pair is tested for itself.
struct Mailbox {
  Descriptor socket;
  sockaddr_in address{};
};

Result<Mailbox> open_mailbox(const std::string& name_space, const std::string& host) {
  Mailbox box;
  int error = 0;
  auto entered = run_in_namespace(name_space, [&] {
    box.socket = Descriptor(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    box.address = socket_address(host, 0);
    socklen_t size = sizeof box.address;
    auto* address = reinterpret_cast<sockaddr*>(&box.address);
    if (::bind(box.socket.get(), address, size) != 0 || ::getsockname(box.socket.get(), address, &size) != 0)
      error = errno;
  });
  if (!entered) return entered.error();
  if (error != 0) return Error::environment("cannot open a probe socket on " + host + ": " + errno_text(error));
  return box;
}

// (from, to): the pairs no nonce has crossed yet.
using Pairs = std::set<std::pair<std::size_t, std::size_t>>;

struct Nonce {
  std::uint64_t secret;
  std::uint64_t from;
};

Pairs unreached(const std::vector<Mailbox>& boxes, Duration limit) {
  Pairs missing;
  for (std::size_t from = 0; from < boxes.size(); ++from) {
    for (std::size_t to = 0; to < boxes.size(); ++to) {
      if (from != to) missing.emplace(from, to);
    }
  }
  std::uint64_t secret = 0;
  FL_ASSERT(::getrandom(&secret, sizeof secret, 0) == sizeof secret);
  std::vector<pollfd> watched;
  for (const auto& box : boxes) watched.push_back({box.socket.get(), POLLIN, 0});
  const auto until = Clock::now() + limit;
  while (!missing.empty() && Clock::now() < until) {
    for (const auto& [from, to] : missing) {
      const Nonce nonce{secret, from};
      ::sendto(boxes[from].socket.get(), &nonce, sizeof nonce, 0, reinterpret_cast<const sockaddr*>(&boxes[to].address),
               sizeof boxes[to].address);
    }
    constexpr int resend_ms = 50;
    const auto resend = Clock::now() + std::chrono::milliseconds(resend_ms);
    while (!missing.empty() && Clock::now() < resend) {
      if (::poll(watched.data(), watched.size(), resend_ms) <= 0) break;
      for (std::size_t to = 0; to < boxes.size(); ++to) {
        Nonce nonce{};
        while (::recv(boxes[to].socket.get(), &nonce, sizeof nonce, 0) == sizeof nonce) {
          if (nonce.secret == secret) missing.erase({nonce.from, to});
        }
      }
    }
  }
  return missing;
}

}  // namespace

NamespaceNetwork::NamespaceNetwork(NetworkOptions options, FilterTool tool)
    : options_(std::move(options)), tool_(tool) {}

NamespaceNetwork::~NamespaceNetwork() { (void)tear_down().ok(); }

std::string NamespaceNetwork::bridge_space() const { return "fl-" + options_.run_id + "-net"; }
std::string NamespaceNetwork::node_space(std::size_t index) const {
  return "fl-" + options_.run_id + "-" + options_.nodes[index];
}
std::string NamespaceNetwork::filter_name() const {
  std::string name = "faultline_" + options_.run_id;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}
std::string NamespaceNetwork::bridge_port(std::size_t index) { return "p" + std::to_string(index); }
std::string NamespaceNetwork::address(std::size_t index) { return "10.99.0." + std::to_string(index + 1); }

std::size_t NamespaceNetwork::index_of(const NodeName& node) const {
  const auto found = std::find(options_.nodes.begin(), options_.nodes.end(), node);
  FL_ASSERT(found != options_.nodes.end());
  return static_cast<std::size_t>(found - options_.nodes.begin());
}

Result<void> NamespaceNetwork::add_namespace(const std::string& name) {
  Leftovers::Id id = 0;
  if (options_.leftovers != nullptr) {
    auto intent = options_.leftovers->intend_namespace(name);
    if (!intent) return intent.error();
    id = intent.value();
  }
  created_[name] = id;
  if (auto made = create_namespace(name); !made) return made;
  return without_ipv6(name);
}

Result<void> NamespaceNetwork::connect_bridge() {
  if (auto made = add_namespace(bridge_space()); !made) return made;
  auto done = run_checked({"ip", "-batch", "-"},
                          "link add br0 type bridge\n"
                          "addr add " +
                              std::string(harness_address) +
                              "/16 dev br0\n"
                              "link set lo up\n"
                              "link set br0 up\n"
                              "route add local " +
                              client_addresses + " dev lo\n",
                          namespace_path(bridge_space()));
  if (!done) return done.error();
  return {};
}

Result<void> NamespaceNetwork::connect_node(std::size_t index) {
  const std::string space = node_space(index);
  if (auto made = add_namespace(space); !made) return made;
  const std::string port = bridge_port(index);
  auto bridged = run_checked({"ip", "-batch", "-"},
                             "link add " + port + " type veth peer name eth0 netns " + space + "\nlink set " + port +
                                 " master br0\nlink set " + port + " up\n",
                             namespace_path(bridge_space()));
  if (!bridged) return bridged.error();
  auto addressed = run_checked({"ip", "-batch", "-"},
                               "addr add " + address(index) + "/16 dev eth0\nlink set lo up\nlink set eth0 up\n",
                               namespace_path(space));
  if (!addressed) return addressed.error();
  FilterPlan plan{.name = filter_name(), .harness = harness_address, .sources = {}};
  for (std::size_t i = 0; i < options_.nodes.size(); ++i) plan.sources.push_back(address(i));
  filters_.emplace_back(tool_, std::move(plan), namespace_path(space));
  dropped_.emplace_back(Cuts());
  wanted_.emplace_back();
  return filters_.back().set_up();
}

Result<void> NamespaceNetwork::set_up() {
  if (auto bridge = connect_bridge(); !bridge) return bridge;
  for (std::size_t i = 0; i < options_.nodes.size(); ++i) {
    if (auto node = connect_node(i); !node) return node;
  }
  constexpr auto limit = std::chrono::seconds(10);
  auto probed = probe(limit);
  if (!probed) return probed.error();
  if (!options_.needs.packets || options_.nodes.size() < 2) return {};
  constexpr std::int64_t few = 20;
  auto first = sound(0, 1, few, Duration::zero(), sounding_limit);
  if (!first) return first.error();
  baseline_ = first.value().median;
  return {};
}

NodeAddresses NamespaceNetwork::addresses(const NodeName& node) const {
  const std::string host = address(index_of(node));
  return {.peer_listen = {host, peer_port}, .peer_advertise = {host, peer_port}, .client = {host, client_port}};
}

std::filesystem::path NamespaceNetwork::name_space(const NodeName& node) const {
  return namespace_path(node_space(index_of(node)));
}

Result<void> NamespaceNetwork::load_filters() {
  for (std::size_t i = 0; i < options_.nodes.size(); ++i) {
    if (wanted_[i] == dropped_[i]) continue;
    dropped_[i].reset();
    if (auto loaded = filters_[i].drop({.sources = wanted_[i].nodes, .others = wanted_[i].clients}); !loaded)
      return loaded;
    dropped_[i] = wanted_[i];
  }
  return {};
}

Result<void> NamespaceNetwork::apply(const Grudge& grudge) {
  for (std::size_t i = 0; i < options_.nodes.size(); ++i) {
    wanted_[i].nodes.clear();
    if (const auto found = grudge.find(options_.nodes[i]); found != grudge.end()) {
      for (const auto& source : found->second) wanted_[i].nodes.insert(index_of(source));
    }
  }
  return load_filters();
}

Result<void> NamespaceNetwork::cut_clients(const ClientCuts& cuts) {
  for (std::size_t i = 0; i < options_.nodes.size(); ++i) {
    wanted_[i].clients.clear();
    if (const auto found = cuts.find(options_.nodes[i]); found != cuts.end()) {
      for (const std::size_t worker : found->second)
        wanted_[i].clients.insert(client_route(options_.nodes[i], worker).from);
    }
  }
  return load_filters();
}

ClientRoute NamespaceNetwork::client_route(const NodeName& node, std::size_t worker) const {
  const std::size_t block = client_blocks + worker / clients_a_block % client_blocks;
  return {.to = addresses(node).client,
          .from = "10.99." + std::to_string(block) + "." + std::to_string(1 + worker % clients_a_block)};
}

Result<void> NamespaceNetwork::can_shape(const PacketRules&) const {
  if (!options_.needs.packets) return {};  // not looked into; shape() will say so
  const auto tool = choose_queue_tool();
  return tool ? Result<void>() : tool.error();
}

bool NamespaceNetwork::shapes_in_kernel() const {
  return options_.needs.packets && options_.needs.mechanism != PacketMechanism::nfqueue &&
         options_.nodes.size() <= netem_nodes_most && netem_works().ok();
}

Result<void> NamespaceNetwork::start_shaping() {
  const auto tool = choose_queue_tool();
  if (!tool) return tool.error();
  std::vector<PacketQueue::Place> queues;
  std::vector<PacketNetem::Place> ports;
  for (std::size_t i = 0; i < options_.nodes.size(); ++i) {
    const std::string space = namespace_path(node_space(i));
    queues.push_back({.name_space = space, .address = address(i)});
    ports.push_back({.device = bridge_port(i), .name_space = space, .address = address(i)});
  }
  queue_ = std::make_unique<PacketQueue>(tool.value(), filter_name(), std::move(queues));
  if (shapes_in_kernel()) netem_ = std::make_unique<PacketNetem>(namespace_path(bridge_space()), std::move(ports));
  return {};
}

Result<void> NamespaceNetwork::shape(const Traffic& traffic) {
  if (!queue_) {
    if (traffic.empty()) return {};
    if (auto started = start_shaping(); !started) return started;
  }
  PacketQueue::Pairs queued;
  PacketNetem::Pairs in_kernel;
  for (const auto& [link, faults] : traffic) {
    const std::pair pair(index_of(link.first), index_of(link.second));
    shaped_.insert(pair);
    const auto rules = netem_ ? netem_rules(faults) : std::nullopt;
    if (rules) in_kernel[pair] = *rules;
    if (!rules) queued[pair] = faults;
  }
  if (netem_) {
    if (auto shaped = netem_->shape(in_kernel); !shaped) return shaped;
  }
  return queue_->shape(queued);
}

Result<Sounding> NamespaceNetwork::sound(std::size_t from, std::size_t to, std::int64_t count, Duration pace,
                                         Duration limit) const {
  auto source = open_mailbox(namespace_path(node_space(from)), address(from));
  if (!source) return source.error();
  auto sink = open_mailbox(namespace_path(node_space(to)), address(to));
  if (!sink) return sink.error();
  const auto send = [&](std::string_view probe) {
    ::sendto(source.value().socket.get(), probe.data(), probe.size(), 0,
             reinterpret_cast<const sockaddr*>(&sink.value().address), sizeof sink.value().address);
  };
  const auto receive = [&](Duration wait) -> std::optional<std::string> {
    pollfd watched{sink.value().socket.get(), POLLIN, 0};
    const auto ms = std::chrono::ceil<std::chrono::milliseconds>(wait).count();
    if (::poll(&watched, 1, static_cast<int>(ms)) <= 0) return std::nullopt;
    std::string probe(probe_bytes + 1, '\0');
    const auto n = ::recv(watched.fd, probe.data(), probe.size(), 0);
    if (n < 0) return std::nullopt;
    probe.resize(static_cast<std::size_t>(n));
    return probe;
  };
  return live::sound({.count = count, .pace = pace, .limit = limit}, send, receive);
}

Result<Sounding> NamespaceNetwork::sound(const NodeName& from, const NodeName& to, std::int64_t count, Duration pace,
                                         Duration limit) {
  return sound(index_of(from), index_of(to), count, pace, limit);
}

// How many links were sounded: those that were shaped since the last time.
Result<std::int64_t> NamespaceNetwork::probe_shaped(Duration limit) {
  const auto until = Clock::now() + limit;
  std::int64_t links = 0;
  for (const auto& [from, to] : shaped_) {
    std::string wrong;
    do {
      constexpr std::int64_t train = 100;
      auto sounding = sound(from, to, train, Duration::zero(), sounding_limit);
      if (!sounding) return sounding.error();
      wrong = unlike_clear(sounding.value(), baseline_);
    } while (!wrong.empty() && Clock::now() < until);
    if (!wrong.empty())
      return Error::environment(options_.nodes[from] + "->" + options_.nodes[to] + " is not as it was: " + wrong);
    ++links;
  }
  shaped_.clear();
  return links;
}

// Nothing is left that shapes packets, or holds one.
Result<void> NamespaceNetwork::probe_rules(Duration limit) {
  if (!queue_) return {};
  auto queued = queue_->has_rules();
  if (!queued) return queued.error();
  if (queued.value()) return Error::environment("a rule that queues packets is still loaded");
  if (const auto held = queue_->counters().under_way; held > 0)
    return Error::environment(std::to_string(held) + " packets are still held back");
  return netem_ ? netem_->settle(limit) : Result<void>();
}

Result<Value> NamespaceNetwork::probe(Duration limit) {
  if (auto clear = probe_rules(limit); !clear) return clear.error();
  std::vector<Mailbox> boxes;
  for (std::size_t i = 0; i < options_.nodes.size(); ++i) {
    auto rules = filters_[i].has_rules();
    if (!rules) return rules.error();
    if (rules.value()) return Error::environment("a dropping rule is still loaded on " + options_.nodes[i]);
    auto box = open_mailbox(namespace_path(node_space(i)), address(i));
    if (!box) return box.error();
    boxes.push_back(std::move(box).value());
  }
  const Pairs missing = unreached(boxes, limit);
  if (missing.empty()) {
    const auto sounded = probe_shaped(limit);
    if (!sounded) return sounded.error();
    return Value::map({{"reachable_pairs", static_cast<std::int64_t>(boxes.size() * (boxes.size() - 1))},
                       {"sounded_links", sounded.value()}});
  }
  std::string text;
  for (const auto& [from, to] : missing) text += " " + options_.nodes[from] + "->" + options_.nodes[to];
  return Error::environment("no packet crossed within " + to_text(limit) + ":" + text);
}

NetworkCounters NamespaceNetwork::counters() {
  std::int64_t sum = 0;
  for (auto& filter : filters_) {
    if (const auto dropped = filter.dropped_packets(); dropped.ok()) sum += dropped.value();
  }
  NetworkCounters counters{{"dropped_packets", sum}};
  if (!queue_) return counters;
  TrafficCounters traffic = queue_->counters();
  if (netem_) traffic += netem_->counters();
  add_counters(counters, traffic);
  return counters;
}

Result<void> NamespaceNetwork::enter() const {
  const std::string path = namespace_path(bridge_space());
  const Descriptor space(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (space && ::setns(space.get(), CLONE_NEWNET) == 0) return {};
  return Error::environment("cannot enter network namespace " + path + ": " + errno_text(errno));
}

Result<void> NamespaceNetwork::tear_down() {
  queue_.reset();
  netem_.reset();
  filters_.clear();
  dropped_.clear();
  Result<void> outcome;
  for (auto it = created_.begin(); it != created_.end();) {
    auto removed = delete_namespace(it->first);
    if (!removed) {
      outcome = removed;
      ++it;
      continue;
    }
    if (options_.leftovers != nullptr) options_.leftovers->healed(it->second);
    it = created_.erase(it);
  }
  return outcome;
}

std::string NamespaceNetwork::describe() const {
  const std::string cuts =
      std::string("each node in its own network namespace on a bridge; a cut drops packets at the destination (") +
      to_string(tool_) + "), acknowledgements included";
  if (!options_.needs.packets) return cuts;
  const auto tool = choose_queue_tool();
  if (!tool) return cuts + "; packets cannot be held or changed: " + tool.error().message;
  const std::string queue = std::string(
                                "delayed, lost, doubled, reordered, damaged, slowed down and held by the harness at "
                                "the destination (NFQUEUE, ") +
                            to_string(tool.value()) + "); what is damaged fails its checksum";
  if (shapes_in_kernel()) {
    return cuts +
           "; packets whose link suffers delay and loss alone are delayed and lost by the kernel (netem), others are " +
           queue;
  }
  const std::string all = cuts + "; packets are " + queue;
  if (options_.needs.mechanism == PacketMechanism::nfqueue) return all;
  return all + "; netem takes no part: " +
         (options_.nodes.size() > netem_nodes_most ? "the cluster has too many nodes" : netem_works().error().message);
}

}  // namespace faultline::live
