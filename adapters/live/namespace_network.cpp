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
#include "spawn.hpp"

namespace faultline::live {
namespace {

constexpr std::uint16_t peer_port = 2380;
constexpr std::uint16_t client_port = 2379;
constexpr const char* harness_address = "10.99.0.254";

using Clock = std::chrono::steady_clock;

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
                              "/24 dev br0\n"
                              "link set lo up\n"
                              "link set br0 up\n",
                          namespace_path(bridge_space()));
  if (!done) return done.error();
  return {};
}

Result<void> NamespaceNetwork::connect_node(std::size_t index) {
  const std::string space = node_space(index);
  if (auto made = add_namespace(space); !made) return made;
  const std::string port = "p" + std::to_string(index);
  auto bridged = run_checked({"ip", "-batch", "-"},
                             "link add " + port + " type veth peer name eth0 netns " + space + "\nlink set " + port +
                                 " master br0\nlink set " + port + " up\n",
                             namespace_path(bridge_space()));
  if (!bridged) return bridged.error();
  auto addressed = run_checked({"ip", "-batch", "-"},
                               "addr add " + address(index) + "/24 dev eth0\nlink set lo up\nlink set eth0 up\n",
                               namespace_path(space));
  if (!addressed) return addressed.error();
  std::string name = "faultline_" + options_.run_id;
  std::replace(name.begin(), name.end(), '-', '_');
  FilterPlan plan{.name = name, .harness = harness_address, .sources = {}};
  for (std::size_t i = 0; i < options_.nodes.size(); ++i) plan.sources.push_back(address(i));
  filters_.emplace_back(tool_, std::move(plan), namespace_path(space));
  dropped_.emplace_back(std::set<std::size_t>());
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
  return {};
}

NodeAddresses NamespaceNetwork::addresses(const NodeName& node) const {
  const std::string host = address(index_of(node));
  return {.peer_listen = {host, peer_port}, .peer_advertise = {host, peer_port}, .client = {host, client_port}};
}

std::filesystem::path NamespaceNetwork::name_space(const NodeName& node) const {
  return namespace_path(node_space(index_of(node)));
}

Result<void> NamespaceNetwork::apply(const Grudge& grudge) {
  for (std::size_t i = 0; i < options_.nodes.size(); ++i) {
    std::set<std::size_t> sources;
    if (const auto found = grudge.find(options_.nodes[i]); found != grudge.end()) {
      for (const auto& source : found->second) sources.insert(index_of(source));
    }
    if (sources == dropped_[i]) continue;
    dropped_[i].reset();
    if (auto loaded = filters_[i].drop(sources); !loaded) return loaded;
    dropped_[i] = std::move(sources);
  }
  return {};
}

Result<Value> NamespaceNetwork::probe(Duration limit) {
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
  if (missing.empty())
    return Value::map({{"reachable_pairs", static_cast<std::int64_t>(boxes.size() * (boxes.size() - 1))}});
  std::string text;
  for (const auto& [from, to] : missing) text += " " + options_.nodes[from] + "->" + options_.nodes[to];
  return Error::environment("no packet crossed within " + to_text(limit) + ":" + text);
}

NetworkCounters NamespaceNetwork::counters() {
  std::int64_t sum = 0;
  for (auto& filter : filters_) {
    if (const auto dropped = filter.dropped_packets(); dropped.ok()) sum += dropped.value();
  }
  return {{"dropped_packets", sum}};
}

Result<void> NamespaceNetwork::enter() const {
  const std::string path = namespace_path(bridge_space());
  const Descriptor space(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (space && ::setns(space.get(), CLONE_NEWNET) == 0) return {};
  return Error::environment("cannot enter network namespace " + path + ": " + errno_text(errno));
}

Result<void> NamespaceNetwork::tear_down() {
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
  return std::string("each node in its own network namespace on a bridge; a cut drops packets at the destination (") +
         to_string(tool_) + "), acknowledgements included";
}

}  // namespace faultline::live
