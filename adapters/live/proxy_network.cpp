#include "proxy_network.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/random.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <thread>

namespace faultline::live {
namespace {

constexpr const char* loopback = "127.0.0.1";
using Clock = std::chrono::steady_clock;

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

bool receive_nonce(int socket, std::uint64_t nonce, Clock::time_point until) {
  std::uint64_t heard = 0;
  return wait_readable(socket, until) && ::recv(socket, &heard, sizeof heard, MSG_WAITALL) == sizeof heard &&
         heard == nonce;
}

bool send_nonce(int socket, std::uint64_t nonce) {
  return ::send(socket, &nonce, sizeof nonce, MSG_NOSIGNAL) == sizeof nonce;
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
  for (std::size_t i = 0; i < options_.nodes.size(); ++i) {
    auto peer = reserve_port();
    if (!peer) return peer.error();
    auto client = reserve_port();
    if (!client) return client.error();
    targets.push_back(peer.value().number);
    peer_ports_.push_back(std::move(peer).value());
    client_ports_.push_back(std::move(client).value());
  }
  proxy_ = std::make_unique<Proxy>(std::move(targets));
  auto advertised = proxy_->start();
  if (!advertised) return advertised.error();
  advertised_ = std::move(advertised).value();
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

// A connection of the harness that the proxy takes for one of `from` and leads back to us: it crosses the gates of both directions.
Result<void> ProxyNetwork::probe_pair(std::size_t from, std::size_t to, Duration limit) {
  const auto until = Clock::now() + limit;
  auto sink = bound_socket(0);
  if (!sink) return sink.error();
  if (::listen(sink.value().first.get(), 1) != 0) return Error::environment("cannot listen: " + errno_text(errno));
  auto source = bound_socket(0);
  if (!source) return source.error();
  if (auto told = proxy_->expect_probe(source.value().second, from, sink.value().second); !told) return told;
  const int out = source.value().first.get();
  const sockaddr_in listener = loopback_address(advertised_[to]);
  if (::connect(out, reinterpret_cast<const sockaddr*>(&listener), sizeof listener) != 0) {
    return Error::environment("cannot connect to the fault proxy: " + errno_text(errno));
  }
  std::uint64_t nonce = 0;
  FL_ASSERT(::getrandom(&nonce, sizeof nonce, 0) == sizeof nonce);
  const auto silent = [&](std::size_t a, std::size_t b) {
    return Error::environment("no byte crossed within " + to_text(limit) + ": " + options_.nodes[a] + "->" +
                              options_.nodes[b]);
  };
  if (!send_nonce(out, nonce) || !wait_readable(sink.value().first.get(), until)) return silent(from, to);
  const Descriptor in(::accept4(sink.value().first.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!in || !receive_nonce(in.get(), nonce, until)) return silent(from, to);
  if (!send_nonce(in.get(), ~nonce) || !receive_nonce(out, ~nonce, until)) return silent(to, from);
  return {};
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
  auto counts = proxy_->counters();
  if (!counts) return counts.error();
  if (counts.value().held_now > 0) {
    return Error::environment("the fault proxy still holds " + std::to_string(counts.value().held_now) + " bytes");
  }
  return Value::map({{"reachable_pairs", pairs}});
}

NetworkCounters ProxyNetwork::counters() {
  NetworkCounters out;
  if (!proxy_) return out;
  if (const auto counts = proxy_->counters(); counts.ok()) {
    out["held_bytes"] = counts.value().held_bytes;
    out["held_chunks"] = counts.value().held_chunks;
    out["cut_connections"] = counts.value().cut_connections;
    out["unattributed_connections"] = counts.value().unattributed_connections;
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
  return "nodes on loopback, peers through the fault proxy (" + reason_ +
         "): a cut holds bytes and delivers them when it heals; a connection opened during a cut connects, but hears "
         "nothing";
}

}  // namespace faultline::live
