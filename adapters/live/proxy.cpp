#include "proxy.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <poll.h>

#include <algorithm>
#include <array>
#include <future>
#include <map>
#include <optional>
#include <span>

#include "procfs.hpp"
#include "socket_owner.hpp"
#include "sounding.hpp"
#include "stream.hpp"

namespace faultline::live {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using namespace asio::experimental::awaitable_operators;

namespace {

constexpr auto token = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t chunk_bytes = 64 * 1024;
constexpr auto connect_limit = std::chrono::seconds(5);
constexpr auto attribution_limit = std::chrono::seconds(2);
constexpr std::chrono::milliseconds first_look_again(10);  // then twice as long each time
constexpr std::size_t under_way_most = 4U << 20U;          // of one direction of a connection
constexpr std::uint32_t client_network = (127U << 24U) | (64U << 16U);
constexpr std::uint32_t client_bits = 22;

// Resets instead of closing in an orderly way: the other end must not take it for an end of stream.
void abort_connection(tcp::socket& socket) {
  error_code ignored;
  socket.set_option(asio::socket_base::linger(true, 0), ignored);
  socket.close(ignored);
}

// Whether the peer has closed its end, or half of it, even if bytes of it are still unread.
bool gave_up(tcp::socket& socket) {
  pollfd watched{.fd = socket.native_handle(), .events = POLLRDHUP, .revents = 0};
  return ::poll(&watched, 1, 0) > 0 && (watched.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

struct Probe {
  std::size_t from;
  std::uint16_t target;
};

struct ProbeFramer final : Framer {
  FrameLook look(std::string_view bytes) override { return {.size = bytes.size() < probe_bytes ? 0 : probe_bytes}; }
};

struct Connection {
  explicit Connection(tcp::socket accepted) : source(std::move(accepted)), target(source.get_executor()) {}
  tcp::socket source;
  tcp::socket target;
  std::size_t from = 0;  // a node, or behind the nodes a client
  std::size_t to = 0;
  bool is_probe = false;
  bool counted_cut = false;
  std::unique_ptr<Stream> forth, back;  // between nodes, once it is known whose it is
};

using ConnectionPointer = std::shared_ptr<Connection>;

}  // namespace

struct Proxy::Core {
  Core(std::vector<std::uint16_t> ports, std::vector<std::uint16_t> client_ports, MakeFramer framer)
      : make_framer(std::move(framer)),
        targets(std::move(ports)),
        clients(std::move(client_ports)),
        processes(targets.size(), 0),
        opened(context) {
    opened.expires_at(asio::steady_timer::time_point::max());
    const Rng rng(targets.size());
    for (std::size_t i = 0; i < targets.size() * targets.size(); ++i)
      links.push_back(std::make_unique<Link>(rng.fork(i)));
  }

  // Before the context, whose coroutines hold on to them until it goes.
  std::vector<std::unique_ptr<Link>> links;  // from * nodes + to
  MakeFramer make_framer;
  asio::io_context context{1};
  asio::executor_work_guard<asio::io_context::executor_type> work{context.get_executor()};
  std::vector<std::uint16_t> targets;
  std::vector<std::uint16_t> clients;
  std::vector<pid_t> processes;
  std::vector<std::shared_ptr<tcp::acceptor>> listeners;
  std::map<std::uint16_t, Probe> probes;  // by source port
  SocketFinder sockets;
  Pairs closed;
  Pairs closed_to_clients;
  using LinkIndex = std::pair<std::size_t, std::size_t>;
  std::map<LinkIndex, FrameWatches> watches;
  std::map<LinkIndex, std::vector<std::function<bool()>>>
      holders;                // links on which nothing follows, as long as one says so
  asio::steady_timer opened;  // cancelled when a gate opens: wakes everybody who waits for one
  std::vector<std::weak_ptr<Connection>> connections;
  ProxyCounters counts;

  [[nodiscard]] bool is_closed(std::size_t from, std::size_t to) const {
    const std::size_t nodes = targets.size();
    if (from >= nodes) return closed_to_clients.contains({from - nodes, to});
    return to >= nodes ? closed_to_clients.contains({to - nodes, from}) : closed.contains({from, to});
  }
  [[nodiscard]] bool is_cut(const Connection& c) const { return is_closed(c.from, c.to) || is_closed(c.to, c.from); }
  void count_cut(Connection& connection);
  void gates_changed();
  void set_faults(const std::map<std::pair<std::size_t, std::size_t>, LinkFaults>& faults);
  void open_streams(Connection& connection);
  [[nodiscard]] std::optional<std::size_t> owner(std::uint64_t inode) const;

  asio::awaitable<void> accept_loop(std::size_t node);
  asio::awaitable<void> serve(ConnectionPointer connection);
  asio::awaitable<std::optional<std::uint16_t>> attribute(ConnectionPointer connection);
  asio::awaitable<void> wait_for_gates(std::size_t from, std::size_t to, bool both);
  asio::awaitable<bool> connect(ConnectionPointer connection, std::uint16_t port);
  asio::awaitable<void> pump(ConnectionPointer connection, bool forth);
  asio::awaitable<error_code> forward(ConnectionPointer connection, bool forth, std::span<const char> bytes);
  asio::awaitable<error_code> pass(ConnectionPointer connection, bool forth, std::span<Parcel> parcels);
  asio::awaitable<void> wait_until_free(LinkIndex link);
  asio::awaitable<error_code> pass_watched(ConnectionPointer connection, bool forth, std::vector<Parcel> parcels);
  asio::awaitable<void> drain(ConnectionPointer connection, bool forth);
  void enter_lane(const ConnectionPointer& connection, bool forth, std::span<Parcel> parcels);
  asio::awaitable<error_code> deliver(ConnectionPointer connection, bool forth, std::span<const char> bytes);
};

void Proxy::Core::count_cut(Connection& connection) {
  if (!connection.counted_cut) ++counts.cut_connections;
  connection.counted_cut = true;
}

void Proxy::Core::gates_changed() {
  std::erase_if(connections, [](const auto& connection) { return connection.expired(); });
  for (const auto& weak : connections) {
    if (const auto connection = weak.lock()) {
      connection->counted_cut = connection->counted_cut && is_cut(*connection);
      if (is_cut(*connection)) count_cut(*connection);
    }
  }
  opened.cancel();
}

void Proxy::Core::set_faults(const std::map<std::pair<std::size_t, std::size_t>, LinkFaults>& faults) {
  for (std::size_t i = 0; i < links.size(); ++i) {
    const auto found = faults.find({i / targets.size(), i % targets.size()});
    links[i]->set(found == faults.end() ? LinkFaults() : found->second);
  }
  for (const auto& weak : connections) {
    const auto connection = weak.lock();
    if (!connection || !connection->forth) continue;
    connection->forth->wake.cancel();
    connection->back->wake.cancel();
  }
}

void Proxy::Core::open_streams(Connection& connection) {
  const std::size_t nodes = targets.size();
  if (connection.from >= nodes) return;
  const auto framer = [&]() -> std::unique_ptr<Framer> {
    if (connection.is_probe) return std::make_unique<ProbeFramer>();
    return make_framer ? make_framer() : nullptr;
  };
  connection.forth = std::make_unique<Stream>(context, *links[connection.from * nodes + connection.to], framer());
  connection.back = std::make_unique<Stream>(context, *links[connection.to * nodes + connection.from], framer());
}

std::optional<std::size_t> Proxy::Core::owner(std::uint64_t inode) const {
  for (std::size_t node = 0; node < processes.size(); ++node) {
    if (processes[node] > 0 && owns_socket(processes[node], inode)) return node;
  }
  for (std::size_t node = 0; node < processes.size(); ++node) {
    if (processes[node] <= 0) continue;
    for (const pid_t member : group_members(processes[node])) {
      if (owns_socket(member, inode)) return node;
    }
  }
  return std::nullopt;
}

// Waits for connections until the proxy stops and closes the listener.
asio::awaitable<void> Proxy::Core::accept_loop(std::size_t node) {
  const auto listener = listeners[node];
  while (listener->is_open()) {
    auto [error, socket] = co_await listener->async_accept(token);
    if (error == asio::error::operation_aborted) co_return;
    if (error) {  // out of descriptors, say: give others time to close some
      asio::steady_timer pause(context, std::chrono::milliseconds(50));
      co_await pause.async_wait(token);
      continue;
    }
    auto connection = std::make_shared<Connection>(std::move(socket));
    connection->to = node % targets.size();
    if (node >= targets.size()) connection->from = targets.size();  // a client's
    asio::co_spawn(context, serve(std::move(connection)), asio::detached);
  }
}

// Whose connection it is, into connection->from, and the port it should be led to; nullopt: nobody's.
asio::awaitable<std::optional<std::uint16_t>> Proxy::Core::attribute(ConnectionPointer connection) {
  error_code error;
  const auto remote = connection->source.remote_endpoint(error);
  const auto local = connection->source.local_endpoint(error);
  if (error) co_return std::nullopt;
  if (connection->from >= targets.size()) {
    const std::uint32_t address = remote.address().to_v4().to_uint();
    const bool is_known = address >> client_bits == client_network >> client_bits;
    connection->from += is_known ? address - client_network - 1 : (1U << client_bits);
    co_return clients[connection->to];
  }
  if (const auto probe = probes.extract(remote.port()); !probe.empty()) {
    connection->from = probe.mapped().from;
    connection->is_probe = true;
    co_return probe.mapped().target;
  }
  const auto until = std::chrono::steady_clock::now() + attribution_limit;
  asio::steady_timer pause(context);
  std::chrono::milliseconds interval = first_look_again;
  // A daemon may connect before the harness has heard of its pid.
  while (std::chrono::steady_clock::now() < until) {
    const auto inode = sockets.inode(remote.port(), local.port());
    if (!inode) co_return std::nullopt;  // the opener has closed it
    if (const auto node = owner(*inode)) {
      connection->from = *node;
      co_return targets[connection->to];
    }
    pause.expires_after(interval);
    interval *= 2;
    co_await pause.async_wait(token);
  }
  co_return std::nullopt;
}

// Bounded by heal and by the end of the proxy, which are what it waits for.
asio::awaitable<void> Proxy::Core::wait_for_gates(std::size_t from, std::size_t to, bool both) {
  while (is_closed(from, to) || (both && is_closed(to, from))) co_await opened.async_wait(token);
}

asio::awaitable<bool> Proxy::Core::connect(ConnectionPointer connection, std::uint16_t port) {
  asio::steady_timer deadline(context, connect_limit);
  const tcp::endpoint target(asio::ip::address_v4::loopback(), port);
  auto race = co_await (connection->target.async_connect(target, token) || deadline.async_wait(token));
  if (race.index() != 0 || std::get<0>(std::get<0>(race))) co_return false;
  error_code ignored;
  connection->source.set_option(tcp::no_delay(true), ignored);
  connection->target.set_option(tcp::no_delay(true), ignored);
  connection->source.non_blocking(true, ignored);
  connection->target.non_blocking(true, ignored);
  co_return true;
}

asio::awaitable<void> Proxy::Core::serve(ConnectionPointer connection) {
  const auto port = co_await attribute(connection);
  if (!port) {
    ++counts.unattributed_connections;
    abort_connection(connection->source);
    co_return;
  }
  connections.push_back(connection);
  open_streams(*connection);
  if (is_cut(*connection)) {
    count_cut(*connection);
    co_await wait_for_gates(connection->from, connection->to, true);
    if (gave_up(connection->source)) co_return abort_connection(connection->source);
  }
  if (!co_await connect(connection, *port)) co_return abort_connection(connection->source);
  asio::co_spawn(context, pump(connection, true), asio::detached);
  asio::co_spawn(context, pump(connection, false), asio::detached);
}

// Writes only while the gate is open. Readiness is awaited and the write itself is synchronous, so that no byte moves between a gate's
// closing and the look at it.
asio::awaitable<error_code> Proxy::Core::deliver(ConnectionPointer connection, bool forth,
                                                 std::span<const char> bytes) {
  auto& to = forth ? connection->target : connection->source;
  const std::size_t i = forth ? connection->from : connection->to;
  const std::size_t j = forth ? connection->to : connection->from;
  while (!bytes.empty()) {
    if (is_closed(i, j)) {
      const auto held = static_cast<std::int64_t>(bytes.size());
      counts.held_bytes += held;
      counts.held_chunks += 1;
      counts.held_now += held;
      co_await wait_for_gates(i, j, false);
      counts.held_now -= held;
    }
    error_code error;
    const std::size_t n = to.write_some(asio::buffer(bytes.data(), bytes.size()), error);
    bytes = bytes.subspan(n);
    if (error == asio::error::would_block) {
      auto [waited] = co_await to.async_wait(tcp::socket::wait_write, token);
      error = waited;
    }
    if (error) co_return error;
  }
  co_return error_code();
}

// Empties the lane of one direction, at the times its link wants; ends when it is empty.
asio::awaitable<void> Proxy::Core::drain(ConnectionPointer connection, bool forth) {
  Stream& stream = forth ? *connection->forth : *connection->back;
  auto& from = forth ? connection->source : connection->target;
  error_code broken;
  while (!stream.lane.empty()) {
    for (const Parcel& parcel : stream.lane.take(steady_now())) {
      // The rest of a broken connection is nobody's.
      if (!broken) broken = co_await deliver(connection, forth, std::span<const char>(parcel.bytes));
    }
    stream.moved.cancel();
    const auto next = stream.lane.next(steady_now());
    if (broken || stream.lane.empty()) break;
    const auto at = asio::steady_timer::time_point(
        std::chrono::duration_cast<asio::steady_timer::duration>(next.value_or(Instant::max()).time_since_epoch()));
    stream.wake.expires_at(at);
    co_await stream.wake.async_wait(token);
  }
  stream.draining = false;
  stream.moved.cancel();
  if (!broken) co_return;
  co_await wait_for_gates(forth ? connection->to : connection->from, forth ? connection->from : connection->to, false);
  abort_connection(from);
}

void Proxy::Core::enter_lane(const ConnectionPointer& connection, bool forth, std::span<Parcel> parcels) {
  Stream& stream = forth ? *connection->forth : *connection->back;
  for (Parcel& parcel : parcels) (void)stream.lane.send(steady_now(), std::move(parcel));
  stream.wake.cancel();
  if (stream.draining || stream.lane.empty()) return;
  stream.draining = true;
  asio::co_spawn(context, drain(connection, forth), asio::detached);
}

// What was read, to the other end or into the lane.
asio::awaitable<error_code> Proxy::Core::forward(ConnectionPointer connection, bool forth,
                                                 std::span<const char> bytes) {
  if (!connection->forth) co_return co_await deliver(connection, forth, bytes);
  Stream& stream = forth ? *connection->forth : *connection->back;
  const bool is_free = stream.link.is_clear() && !stream.draining;
  if (is_free && stream.cutter.is_opaque()) co_return co_await deliver(connection, forth, bytes);
  auto parcels = stream.cutter.cut(bytes);
  if (!watches.empty() || !holders.empty()) co_return co_await pass_watched(connection, forth, std::move(parcels));
  co_return co_await pass(connection, forth, parcels);
}

asio::awaitable<error_code> Proxy::Core::pass(ConnectionPointer connection, bool forth, std::span<Parcel> parcels) {
  Stream& stream = forth ? *connection->forth : *connection->back;
  if (stream.link.is_clear() && !stream.draining) {
    std::string whole;
    for (const Parcel& parcel : parcels) whole += parcel.bytes;
    co_return co_await deliver(connection, forth, std::span<const char>(whole));
  }
  enter_lane(connection, forth, parcels);
  while (stream.draining && stream.lane.bytes() > under_way_most) co_await stream.moved.async_wait(token);
  co_return error_code();
}

// Bounded by those who hold it.
asio::awaitable<void> Proxy::Core::wait_until_free(LinkIndex link) {
  asio::steady_timer pause(context);
  for (auto found = holders.find(link); found != holders.end(); found = holders.find(link)) {
    std::erase_if(found->second, [](const auto& holds) { return !holds(); });
    if (found->second.empty()) {
      holders.erase(found);
      co_return;
    }
    pause.expires_after(std::chrono::milliseconds(1));
    co_await pause.async_wait(token);
  }
}

// A frame that somebody waits for goes on its way; what follows waits as long as it is told to.
asio::awaitable<error_code> Proxy::Core::pass_watched(ConnectionPointer connection, bool forth,
                                                      std::vector<Parcel> parcels) {
  const Stream& stream = forth ? *connection->forth : *connection->back;
  const std::pair link(forth ? connection->from : connection->to, forth ? connection->to : connection->from);
  std::span<Parcel> rest(parcels);
  co_await wait_until_free(link);
  for (std::size_t i = 0; i < rest.size();) {
    const auto watched = watches.find(link);
    if (watched == watches.end()) break;
    const auto met = watched->second.meet(stream.cutter.name(rest[i].bytes));
    if (watched->second.empty()) watches.erase(watched);
    ++i;
    if (met.empty()) continue;
    if (const error_code error = co_await pass(connection, forth, rest.first(i))) co_return error;
    rest = rest.subspan(i);
    i = 0;
    for (const FrameWatch& watch : met) {
      watch.seen();
      if (watch.holds) holders[link].push_back(watch.holds);
    }
    co_await wait_until_free(link);
  }
  co_return co_await pass(connection, forth, rest);
}

// One direction of a connection, until it ends: idle reads last as long as the two ends want, at most until the proxy stops.
asio::awaitable<void> Proxy::Core::pump(ConnectionPointer connection, bool forth) {
  auto& from = forth ? connection->source : connection->target;
  auto& to = forth ? connection->target : connection->source;
  const std::size_t i = forth ? connection->from : connection->to;
  const std::size_t j = forth ? connection->to : connection->from;
  std::vector<char> chunk(chunk_bytes);
  for (;;) {
    auto [read_error, n] = co_await from.async_read_some(asio::buffer(chunk), token);
    if (read_error) {
      if (Stream* stream = forth ? connection->forth.get() : connection->back.get(); stream != nullptr) {
        auto rest = stream->cutter.rest();
        enter_lane(connection, forth, rest);
        while (stream->draining) co_await stream->moved.async_wait(token);
      }
      co_await wait_for_gates(i, j, false);
      error_code ignored;
      if (read_error == asio::error::eof) {
        to.shutdown(tcp::socket::shutdown_send, ignored);
      } else {
        abort_connection(to);
      }
      co_return;
    }
    if (co_await forward(connection, forth, std::span<const char>(chunk.data(), n))) {
      co_await wait_for_gates(j, i, false);  // the news that the receiver is gone travels the other way
      abort_connection(from);
      co_return;
    }
  }
}

Proxy::Proxy(std::vector<std::uint16_t> targets, std::vector<std::uint16_t> clients, MakeFramer framer)
    : targets_(std::move(targets)), clients_(std::move(clients)), framer_(std::move(framer)) {
  FL_ASSERT(clients_.empty() || clients_.size() == targets_.size());
}

Proxy::~Proxy() { stop(); }

Result<std::vector<std::uint16_t>> Proxy::start() {
  FL_ASSERT(!core_);
  core_ = std::make_unique<Core>(targets_, clients_, framer_);
  std::vector<std::uint16_t> ports;
  try {
    for (std::size_t node = 0; node < targets_.size() + clients_.size(); ++node) {
      const tcp::endpoint any(asio::ip::address_v4::loopback(), 0);
      core_->listeners.push_back(std::make_shared<tcp::acceptor>(core_->context, any));
      ports.push_back(core_->listeners.back()->local_endpoint().port());
      asio::co_spawn(core_->context, core_->accept_loop(node), asio::detached);
    }
    thread_ = std::thread([core = core_.get()] { core->context.run(); });
  } catch (const std::exception& e) {
    return Error::environment(std::string("cannot start the fault proxy: ") + e.what());
  }
  return ports;
}

void Proxy::stop() {
  if (!core_) return;
  core_->context.stop();
  if (thread_.joinable()) thread_.join();
  core_.reset();
}

Result<void> Proxy::run(std::function<void(Core&)> work) {
  if (!core_) return Error::environment("the fault proxy is not running");
  auto done = std::make_shared<std::promise<void>>();
  auto future = done->get_future();
  asio::post(core_->context, [core = core_.get(), work = std::move(work), done] {
    work(*core);
    done->set_value();
  });
  constexpr auto limit = std::chrono::seconds(10);
  if (future.wait_for(limit) == std::future_status::ready) return {};
  return Error::environment("the fault proxy did not answer within 10 s",
                            "the machine is overloaded: use fewer nodes or clients");
}

Result<void> Proxy::set_process(std::size_t node, pid_t group) {
  return run([node, group](Core& core) { core.processes[node] = group; });
}

Result<void> Proxy::set_closed(Pairs closed) {
  return run([closed = std::move(closed)](Core& core) {
    core.closed = closed;
    core.gates_changed();
  });
}

Result<void> Proxy::set_cut_clients(Pairs cut) {
  return run([cut = std::move(cut)](Core& core) {
    core.closed_to_clients = cut;
    core.gates_changed();
  });
}

Result<void> Proxy::set_faults(std::map<std::pair<std::size_t, std::size_t>, LinkFaults> faults) {
  return run([faults = std::move(faults)](Core& core) { core.set_faults(faults); });
}

Result<void> Proxy::set_watches(std::map<std::pair<std::size_t, std::size_t>, std::vector<FrameWatch>> watches) {
  return run([watches = std::move(watches)](Core& core) {
    core.watches.clear();
    for (const auto& [link, frames] : watches) core.watches.emplace(link, frames);
  });
}

std::string Proxy::client_address(std::size_t worker) {
  const std::size_t below = (std::size_t{1} << client_bits) - 2;
  return asio::ip::address_v4(client_network + 1 + static_cast<std::uint32_t>(worker % below)).to_string();
}

Result<void> Proxy::expect_probe(std::uint16_t source_port, std::size_t from, std::uint16_t target) {
  return run([=](Core& core) { core.probes[source_port] = {from, target}; });
}

Result<ProxyCounters> Proxy::counters() {
  auto counts = std::make_shared<ProxyCounters>();
  auto asked = run([counts](Core& core) {
    *counts = core.counts;
    for (const auto& link : core.links) counts->traffic += link->counters;
  });
  if (!asked) return asked.error();
  return *counts;
}

}  // namespace faultline::live
