#include "proxy_network.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <thread>

#include "sounding.hpp"
#include "traffic_counters.hpp"

namespace faultline::live {
namespace {

constexpr const char* loopback = "127.0.0.1";
using Clock = std::chrono::steady_clock;
constexpr auto sounding_limit = std::chrono::seconds(5);  // it ends as soon as all have arrived

sockaddr_in loopback_address(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

// A TCP socket bound to a free port of the loopback interface.
Result<std::pair<Descriptor, std::uint16_t>> bound_socket(int flags) {
  Descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0));
  const int on = 1;
  sockaddr_in address = loopback_address(0);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (!socket || ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
      ::bind(socket.get(), generic, size) != 0 || ::getsockname(socket.get(), generic, &size) != 0) {
    return Error::environment("cannot reserve a port on 127.0.0.1: " + errno_text(errno));
  }
  const std::uint16_t port = ntohs(address.sin_port);
  return std::pair(std::move(socket), port);
}

bool wait_readable(int socket, Clock::time_point until) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
  pollfd watched{.fd = socket, .events = POLLIN, .revents = 0};
  return left > 0 && ::poll(&watched, 1, static_cast<int>(left)) > 0;
}

// A train over a connection, whose frames are probes.
Sounding sound_over(int out, int in, std::int64_t count, Duration pace, Duration limit) {
  const auto send = [out](std::string_view probe) { ::send(out, probe.data(), probe.size(), MSG_NOSIGNAL); };
  std::string heard;
  const auto receive = [&](Duration wait) -> std::optional<std::string> {
    while (heard.size() < probe_bytes) {
      pollfd watched{.fd = in, .events = POLLIN, .revents = 0};
      const auto ms = std::chrono::ceil<std::chrono::milliseconds>(wait).count();
      if (::poll(&watched, 1, static_cast<int>(ms)) <= 0) return std::nullopt;
      char chunk[4096];
      const auto n = ::recv(in, chunk, sizeof chunk, MSG_DONTWAIT);
      if (n <= 0) return std::nullopt;
      heard.append(chunk, static_cast<std::size_t>(n));
    }
    std::string probe = heard.substr(0, probe_bytes);
    heard.erase(0, probe_bytes);
    return probe;
  };
  return live::sound({.count = count, .pace = pace, .limit = limit}, send, receive);
}

}  // namespace

ProxyNetwork::ProxyNetwork(NetworkOptions options, std::string reason)
    : options_(std::move(options)), reason_(std::move(reason)) {}

ProxyNetwork::~ProxyNetwork() { (void)tear_down().ok(); }

Result<ProxyNetwork::Port> ProxyNetwork::reserve_port() {
  auto socket = bound_socket(0);
  if (!socket) return socket.error();
  return Port{std::move(socket.value().first), socket.value().second};
}

Result<void> ProxyNetwork::set_up() {
  std::vector<std::uint16_t> targets;
  std::vector<std::uint16_t> clients;
  for (std::size_t i = 0; i < options_.nodes.size(); ++i) {
    auto peer = reserve_port();
    if (!peer) return peer.error();
    auto client = reserve_port();
    if (!client) return client.error();
    targets.push_back(peer.value().number);
    if (options_.needs.client_links) clients.push_back(client.value().number);
    peer_ports_.push_back(std::move(peer).value());
    client_ports_.push_back(std::move(client).value());
  }
  proxy_ = std::make_unique<Proxy>(std::move(targets), std::move(clients), options_.framer);
  auto advertised = proxy_->start();
  if (!advertised) return advertised.error();
  advertised_ = std::move(advertised).value();
  if (!options_.needs.packets || options_.nodes.size() < 2) return {};
  constexpr std::int64_t few = 20;
  auto first = sound(0, 1, few, Duration::zero(), sounding_limit);
  if (!first) return first.error();
  baseline_ = first.value().median;
  return {};
}

std::size_t ProxyNetwork::index_of(const NodeName& node) const {
  const auto found = std::find(options_.nodes.begin(), options_.nodes.end(), node);
  FL_ASSERT(found != options_.nodes.end());
  return static_cast<std::size_t>(found - options_.nodes.begin());
}

NodeAddresses ProxyNetwork::addresses(const NodeName& node) const {
  const std::size_t i = index_of(node);
  FL_ASSERT(i < advertised_.size());
  return {.peer_listen = {loopback, peer_ports_[i].number},
          .peer_advertise = {loopback, advertised_[i]},
          .client = {loopback, client_ports_[i].number}};
}

void ProxyNetwork::daemon_started(const NodeName& node, pid_t pid) {
  if (proxy_) (void)proxy_->set_process(index_of(node), pid).ok();
}

Result<void> ProxyNetwork::apply(const Grudge& grudge) {
  if (!proxy_) return Error::environment("the network is not set up");
  Proxy::Pairs closed;
  for (const auto& [node, sources] : grudge) {
    for (const auto& source : sources) closed.emplace(index_of(source), index_of(node));
  }
  return proxy_->set_closed(std::move(closed));
}

Result<void> ProxyNetwork::can_shape(const PacketRules& rules) const {
  const bool only_copies = rules.duplicate > 0 && PacketRules{.duplicate = rules.duplicate} == rules;
  if (options_.framer || !only_copies) return {};
  return Error::bad_input(
      "the fault proxy cannot double packets of a system whose frames it does not know: a stream has no copies",
      "run as root with --network namespaces, or ask for delay, jitter, loss, reorder, corrupt or rate");
}

Result<void> ProxyNetwork::shape(const Traffic& traffic) {
  if (!proxy_) return Error::environment("the network is not set up");
  if (traffic.empty() && !was_shaped_) return {};
  was_shaped_ = true;
  std::map<std::pair<std::size_t, std::size_t>, LinkFaults> faults;
  for (const auto& [link, on_it] : traffic) {
    const std::pair pair(index_of(link.first), index_of(link.second));
    shaped_.insert(pair);
    faults[pair] = on_it;
  }
  return proxy_->set_faults(std::move(faults));
}

Result<void> ProxyNetwork::can_cut_clients() const {
  if (options_.needs.client_links) return {};
  return Error::bad_input("the fault proxy stands between nodes only: clients of this run have no links of their own",
                          "use --network namespaces as root, or --nemesis directed, which gives clients their own");
}

Result<void> ProxyNetwork::cut_clients(const ClientCuts& cuts) {
  if (!proxy_) return Error::environment("the network is not set up");
  if (!options_.needs.client_links) return cuts.empty() ? Result<void>() : can_cut_clients();
  Proxy::Pairs pairs;
  for (const auto& [node, workers] : cuts) {
    for (const std::size_t worker : workers) pairs.emplace(worker, index_of(node));
  }
  return proxy_->set_cut_clients(std::move(pairs));
}

Result<void> ProxyNetwork::can_watch_frames() const {
  if (options_.framer) return {};
  return Error::bad_input("the fault proxy does not know how connections of this system fall into frames",
                          "let the decision wait for a role, a call or a time");
}

Result<void> ProxyNetwork::watch(std::vector<FrameWatch> frames) {
  if (!proxy_) return Error::environment("the network is not set up");
  if (auto can = can_watch_frames(); !can) return can;
  std::map<std::pair<std::size_t, std::size_t>, std::vector<FrameWatch>> by_link;
  for (FrameWatch& watch : frames) by_link[{index_of(watch.from), index_of(watch.to)}].push_back(std::move(watch));
  return proxy_->set_watches(std::move(by_link));
}

ClientRoute ProxyNetwork::client_route(const NodeName& node, std::size_t worker) const {
  if (!options_.needs.client_links) return {.to = addresses(node).client, .from = {}};
  return {.to = {loopback, advertised_[options_.nodes.size() + index_of(node)]}, .from = Proxy::client_address(worker)};
}

Result<ProxyNetwork::Line> ProxyNetwork::connect_line(std::size_t from, std::size_t to, Duration limit) {
  auto sink = bound_socket(0);
  if (!sink) return sink.error();
  if (::listen(sink.value().first.get(), 1) != 0) return Error::environment("cannot listen: " + errno_text(errno));
  auto source = bound_socket(0);
  if (!source) return source.error();
  if (auto told = proxy_->expect_probe(source.value().second, from, sink.value().second); !told) return told.error();
  Line line{.source = std::move(source.value().first), .sink = {}};
  const sockaddr_in listener = loopback_address(advertised_[to]);
  if (::connect(line.source.get(), reinterpret_cast<const sockaddr*>(&listener), sizeof listener) != 0)
    return Error::environment("cannot connect to the fault proxy: " + errno_text(errno));
  if (wait_readable(sink.value().first.get(), Clock::now() + limit))
    line.sink = Descriptor(::accept4(sink.value().first.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!line.sink) {
    return Error::environment("no byte crossed within " + to_text(limit) + ": " + options_.nodes[from] + "->" +
                              options_.nodes[to]);
  }
  const int on = 1;
  for (const int end : {line.source.get(), line.sink.get()})
    ::setsockopt(end, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return line;
}

// One probe each way.
Result<void> ProxyNetwork::probe_pair(std::size_t from, std::size_t to, Duration limit) {
  const auto until = Clock::now() + limit;
  auto line = connect_line(from, to, limit);
  if (!line) return line.error();
  for (const bool forth : {true, false}) {
    const Descriptor& out = forth ? line.value().source : line.value().sink;
    const Descriptor& in = forth ? line.value().sink : line.value().source;
    const Sounding heard = sound_over(out.get(), in.get(), 1, Duration::zero(), until - Clock::now());
    if (heard.arrived == 1) continue;
    return Error::environment("no byte crossed within " + to_text(limit) + ": " + options_.nodes[forth ? from : to] +
                              "->" + options_.nodes[forth ? to : from]);
  }
  return {};
}

Result<Sounding> ProxyNetwork::sound(std::size_t from, std::size_t to, std::int64_t count, Duration pace,
                                     Duration limit) {
  auto line = connect_line(from, to, limit);
  if (!line) return line.error();
  return sound_over(line.value().source.get(), line.value().sink.get(), count, pace, limit);
}

Result<Sounding> ProxyNetwork::sound(const NodeName& from, const NodeName& to, std::int64_t count, Duration pace,
                                     Duration limit) {
  if (!proxy_) return Error::environment("the network is not set up");
  return sound(index_of(from), index_of(to), count, pace, limit);
}

// How many links were sounded: those that were shaped since the last time.
Result<std::int64_t> ProxyNetwork::probe_shaped(Duration limit) {
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

Result<Value> ProxyNetwork::probe(Duration limit) {
  if (!proxy_) return Error::environment("the network is not set up");
  const auto until = Clock::now() + limit;
  std::int64_t pairs = 0;
  for (std::size_t from = 0; from < options_.nodes.size(); ++from) {
    for (std::size_t to = 0; to < options_.nodes.size(); ++to) {
      if (from == to) continue;
      if (auto crossed = probe_pair(from, to, until - Clock::now()); !crossed) return crossed.error();
      ++pairs;
    }
  }
  const auto sounded = probe_shaped(limit);
  if (!sounded) return sounded.error();
  auto counts = proxy_->counters();
  if (!counts) return counts.error();
  if (counts.value().held_now > 0) {
    return Error::environment("the fault proxy still holds " + std::to_string(counts.value().held_now) + " bytes");
  }
  if (counts.value().traffic.under_way > 0) {
    return Error::environment("the fault proxy still holds " + std::to_string(counts.value().traffic.under_way) +
                              " frames");
  }
  return Value::map({{"reachable_pairs", pairs}, {"sounded_links", sounded.value()}});
}

NetworkCounters ProxyNetwork::counters() {
  NetworkCounters out;
  if (!proxy_) return out;
  if (const auto counts = proxy_->counters(); counts.ok()) {
    out["held_bytes"] = counts.value().held_bytes;
    out["held_chunks"] = counts.value().held_chunks;
    out["cut_connections"] = counts.value().cut_connections;
    out["unattributed_connections"] = counts.value().unattributed_connections;
    if (was_shaped_) add_counters(out, counts.value().traffic);
  }
  return out;
}

Result<void> ProxyNetwork::tear_down() {
  proxy_.reset();
  peer_ports_.clear();
  client_ports_.clear();
  advertised_.clear();
  return {};
}

std::string ProxyNetwork::describe() const {
  const std::string cuts = "nodes on loopback, peers through the fault proxy (" + reason_ +
                           "): a cut holds bytes and delivers them when it heals; a connection opened during a cut "
                           "connects, but hears nothing";
  if (!options_.needs.packets) return cuts;
  return cuts +
         (options_.framer
              ? "; whole frames between nodes are delayed, lost, doubled, reordered, damaged, slowed down and held"
              : "; streams between nodes are delayed, slowed down and held; of what is lost, damaged or reordered they "
                "show "
                "what TCP would: a piece comes 200 ms or a few ms later, and what follows waits");
}

}  // namespace faultline::live
