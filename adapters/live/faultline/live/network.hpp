// Network: where the nodes of a local cluster live, and what may pass between them.
//
// Two back-ends. *Namespaces* (root): one network namespace per node on a bridge that lives in a namespace of its own, so nothing
// touches the host and parallel runs may use the same addresses; a grudge is one nft table of ours per node (iptables where nft is
// missing), loaded as one atomic batch: the destination drops every packet of the source. It also eats acknowledgements, so a one-way
// cut stalls the open direction of a TCP connection after a window. *Proxy* (any user): nodes on loopback, each advertised to its peers
// as a listener of an in-process TCP proxy. The source of a connection is the node whose process owns the other end of it, so that a
// system with one advertised address per member can be cut per directed pair. Bytes of a cut direction are held, in order, and
// delivered when it heals, as retransmission would; a connection opened during a cut connects, but hears nothing until then.
//
// What packets suffer short of a cut is `shape`d, see traffic.hpp. Namespaces: this process judges what reaches a node (NFQUEUE); links
// that only suffer delay and loss are left to the kernel where it has netem. Proxy: whole frames where the target told how its streams fall
// into frames, else pieces of streams, which can only be late.
//
// Clients are not nodes. With `needs.client_links` each worker's client has an address, or ports, of its own (see ClientRoute), so that
// clients can be cut from nodes one by one; what the harness asks nodes itself is never cut.
//
// Thread rules: calls come from one thread at a time (LocalCluster serialises them), except enter(), which any thread may call
// between set_up() and tear_down(). Every call is bounded.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <sys/types.h>

#include <faultline/fault.hpp>
#include <faultline/live/framer.hpp>
#include <faultline/live/traffic.hpp>
#include <faultline/time.hpp>

namespace faultline::live {

class Leftovers;

struct Endpoint {
  std::string host;
  std::uint16_t port = 0;

  [[nodiscard]] std::string to_string() const { return host + ":" + std::to_string(port); }
  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

struct NodeAddresses {
  Endpoint peer_listen;     // where the daemon binds for its peers
  Endpoint peer_advertise;  // what its peers are told; differs from peer_listen behind the proxy
  Endpoint client;          // where the daemon binds for clients, and where they connect

  friend bool operator==(const NodeAddresses&, const NodeAddresses&) = default;
};

// The local ports that one client's connections come from, each from the next. Any thread.
class SourcePorts {
 public:
  // REQUIRES: 0 < first <= last.
  SourcePorts(std::uint16_t first, std::uint16_t last) : first_(first), last_(last) {}
  [[nodiscard]] std::uint16_t first() const { return first_; }
  [[nodiscard]] std::uint16_t last() const { return last_; }
  [[nodiscard]] std::size_t size() const { return last_ - first_ + std::size_t(1); }
  std::uint16_t next() { return static_cast<std::uint16_t>(first_ + given_++ % size()); }

 private:
  std::uint16_t first_, last_;
  std::atomic<std::size_t> given_{0};
};

// How one client reaches a node.
struct ClientRoute {
  Endpoint to;
  std::string from;                    // the address its socket must be bound to; empty: any
  std::shared_ptr<SourcePorts> ports;  // and the port; null: any

  friend bool operator==(const ClientRoute&, const ClientRoute&) = default;
};

// By node: the workers whose clients it hears nothing from, and which hear nothing from it.
using ClientCuts = std::map<NodeName, std::set<std::size_t>>;

// How much the faults bit since set_up: {"dropped_packets":812} or {"held_bytes":70312,"held_chunks":41,"cut_connections":7}, and what
// packet faults did: held_packets, delayed_packets, lost_packets, duplicated_packets, reordered_packets, corrupted_packets,
// throttled_packets, throttled_bytes, once there was one.
using NetworkCounters = std::map<std::string, std::int64_t>;

// The nth frame of that name on a link, from now on.
struct FrameWatch {
  std::string frame;
  NodeName from, to;
  std::uint64_t nth = 1;
  std::function<void()> seen;   // it is on its way; called once, in a thread of the network, and returns at once
  std::function<bool()> holds;  // nothing follows it on its link as long as this says so; asked every millisecond
};

struct Network {
  virtual ~Network() = default;

  // Builds everything. On failure what was built is removed by tear_down(), as always.
  virtual Result<void> set_up() = 0;
  [[nodiscard]] virtual const std::vector<NodeName>& nodes() const = 0;
  // REQUIRES: set_up() succeeded; node is one of nodes().
  [[nodiscard]] virtual NodeAddresses addresses(const NodeName& node) const = 0;
  // The namespace a node's daemon must be started in: a path under /run/netns; empty if it needs none.
  [[nodiscard]] virtual std::filesystem::path name_space(const NodeName& node) const = 0;
  // Says which process is the node's daemon now; its process group counts as the node. 0: none. The proxy needs it to tell who connects.
  virtual void daemon_started(const NodeName& node, pid_t pid) = 0;

  // Makes `grudge` the whole truth about who drops whom; an empty one heals. In force for every packet or byte when it returns.
  virtual Result<void> apply(const Grudge& grudge) = 0;
  // Makes `traffic` the whole truth about what packets suffer; an empty one heals, and what was under way arrives at once (from netem:
  // when it is due, within 2 s).
  virtual Result<void> shape(const Traffic& traffic) = 0;
  // Whether it can do that to these nodes' packets. The error says why not and what would make it possible.
  [[nodiscard]] virtual Result<void> can_shape(const PacketRules& rules) const = 0;
  // Makes `cuts` the whole truth about which clients are cut from which nodes.
  virtual Result<void> cut_clients(const ClientCuts& cuts) = 0;
  [[nodiscard]] virtual Result<void> can_cut_clients() const = 0;
  // Whether it sees frames pass; the error says what does.
  [[nodiscard]] virtual Result<void> can_watch_frames() const;
  // These and no others. REQUIRES: can_watch_frames().
  virtual Result<void> watch(std::vector<FrameWatch> frames);
  // How the client of a worker reaches the node.
  [[nodiscard]] virtual ClientRoute client_route(const NodeName& node, std::size_t worker) const = 0;
  // Sends a train of `count` probes, one each `pace`, from one node to another as their packets (frames) go.
  virtual Result<Sounding> sound(const NodeName& from, const NodeName& to, std::int64_t count, Duration pace,
                                 Duration limit) = 0;
  // Sends a nonce over every directed pair until each arrived, and checks that no rule or held byte is left, within the limit; links that
  // were shaped since the last time also carry 100 probes, which must arrive once, in order, intact and as soon as at first.
  // {"reachable_pairs":6,"sounded_links":2}; the error names the pairs that stay silent. REQUIRES: no fault is in force.
  virtual Result<Value> probe(Duration limit) = 0;
  [[nodiscard]] virtual NetworkCounters counters() = 0;

  // Moves the calling thread to where clients live: sockets it opens from now on reach the nodes.
  virtual Result<void> enter() const = 0;

  // Removes everything. Idempotent; also after a half-done set_up().
  virtual Result<void> tear_down() = 0;
  // One sentence for the report: what was chosen, and why.
  [[nodiscard]] virtual std::string describe() const = 0;
};

enum class NetworkKind { automatic, namespaces, proxy };

// What delays and loses packets in namespaces; automatic: netem where the kernel has it. All other faults are nfqueue's in any case.
enum class PacketMechanism { automatic, nfqueue, netem };

// What the faults of a run ask of its network. What is not asked for costs nothing.
struct NetworkNeeds {
  bool packets =
      false;            // packet, clog, swizzle_clog: where they do not work in namespaces, `automatic` takes the proxy
  bool frames = false;  // decisions wait for frames, which on this machine the proxy sees: `automatic` takes it
  bool client_links = false;  // partitions include clients; through the proxy it costs clients a hop
  std::size_t workers = 64;   // whose clients these are, at most
  PacketMechanism mechanism = PacketMechanism::automatic;  // another one rules out the proxy
};

struct NetworkOptions {
  std::vector<NodeName> nodes;
  std::string run_id;  // short, [a-z0-9-]: part of namespace names
  NetworkKind kind = NetworkKind::automatic;
  MakeFramer framer = {};  // of the connections between nodes, for the proxy; empty: streams nobody can take apart
  NetworkNeeds needs = {};
  Leftovers* leftovers = nullptr;  // what is created is journaled there first; must outlive the network
};

// Whether namespaces work here, by trying: builds a pair of interfaces and loads a rule in a namespace that vanishes again.
// The error says what is missing and how to get it.
Result<void> namespaces_work();
// Whether packets can be delayed, lost, doubled … in namespaces, by trying; the same.
Result<void> packet_faults_work();
// Whether the kernel can delay and lose packets by itself, by trying; the same.
Result<void> netem_works();
// Whether the proxy works here, by sending probes through one.
Result<void> proxy_works();

// The network of that kind; automatic: namespaces where they work and can do what is needed, else the proxy.
Result<std::unique_ptr<Network>> make_network(NetworkOptions options);

}  // namespace faultline::live
