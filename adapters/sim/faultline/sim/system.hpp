// System, Daemon, Client: what a system under test implements to run in the simulator, and what it sees of the world there.
//
// One thread, virtual time. The world calls, the callee acts through its surroundings and returns; nothing blocks. A daemon is one boot of a
// node: killing destroys it without a word, whatever it had scheduled dies with it, its disk stays. A client lives at the harness, on true
// time, is pinned to one node and serves one process.
//
// The link between a client and its node behaves as a connection: in order, nothing twice. A node that is down refuses; a node that dies
// under a request breaks the connection; a cut link is silence.
#pragma once

#include <faultline/event.hpp>
#include <faultline/fault.hpp>
#include <faultline/rng.hpp>
#include <faultline/sim/disk.hpp>
#include <faultline/sim/hash.hpp>
#include <faultline/sim/work.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace faultline::sim {

struct Engine;  // the world's inside

using NodeIndex = std::uint32_t;  // founders first, then spares; n1 is 0
inline constexpr NodeIndex no_node = ~NodeIndex{0};

// A client's connection as its daemon sees it. Replies to one that is gone are dropped.
struct Connection {
  std::uint32_t client = 0;
  std::uint32_t number = 0;
  friend auto operator<=>(const Connection&, const Connection&) = default;
};

// An invariant that does not hold. `detector` as in the catalogue of mutants: "SMS", "RD", …
struct Violation {
  std::string detector;
  std::string sentence;
};

// What a running daemon sees of the world; lives as long as the boot.
class Surroundings {
 public:
  Surroundings(Engine& engine, NodeIndex node, std::uint32_t boot) : engine_(engine), node_(node), boot_(boot) {}
  Surroundings(const Surroundings&) = delete;
  Surroundings& operator=(const Surroundings&) = delete;

  [[nodiscard]] NodeIndex node() const { return node_; }
  // From 1, counted over the node's life. Lets a daemon refuse to start on an empty disk where it must have data.
  [[nodiscard]] std::uint32_t boot() const { return boot_; }
  // The node was added to the running cluster, rather than founding it.
  [[nodiscard]] bool joins() const;

  // The node's own clocks, under whatever was done to them. `monotonic` never falls within the fault model.
  [[nodiscard]] Instant monotonic();
  [[nodiscard]] Instant wall();
  // Daemon::wake() is called once monotonic() >= this. One alarm: replaces the one before; Instant::max(): none.
  void wake_at(Instant own_monotonic);
  // Background work of this boot (a disk or file thread), done after that much true time; slower under pressure.
  void after(Duration cost, Work work);
  // A frame to another node; to itself or to an unknown node: nothing. `kind` names it for triggers and traces ("AppendEntries").
  void send(NodeIndex to, std::string_view kind, std::string bytes);
  void reply(Connection to, std::string bytes);
  [[nodiscard]] Disk& disk();
  // A stream of this boot: the same for the same seed, node, boot and name.
  [[nodiscard]] Rng fork(std::string_view name) const;
  // For role triggers, traces and the story of a failure: "leader", "candidate", "follower".
  void took_role(std::string_view role);
  // A line for the trace: "snapshot 120 installed".
  void note(std::string_view text);
  // The daemon ends by itself: the boot is destroyed when the call under way returns. It stays down until a heal starts it again.
  void exit(std::string why);

 private:
  Engine& engine_;
  NodeIndex node_;
  std::uint32_t boot_;
};

// One boot of a node. Destroying it is kill -9.
struct Daemon {
  virtual ~Daemon() = default;
  virtual void wake() = 0;
  virtual void receive(NodeIndex from, std::string bytes) = 0;  // may be damaged on the way
  virtual void request(Connection from, std::string bytes) = 0;
  virtual void closed(Connection) {}  // the client hung up
  [[nodiscard]] virtual bool leads() const { return false; }
};

// What a client sees of the world.
class ClientSurroundings {
 public:
  ClientSurroundings(Engine& engine, std::uint32_t client) : engine_(engine), client_(client) {}
  ClientSurroundings(const ClientSurroundings&) = delete;
  ClientSurroundings& operator=(const ClientSurroundings&) = delete;

  [[nodiscard]] Instant now() const;  // true time
  [[nodiscard]] NodeIndex node() const;
  [[nodiscard]] const NodeName& node_name() const;
  // A request to the node, over a new connection if there is none.
  void send(std::string bytes);
  // Drops the connection: nothing of what is under way on it reaches the client any more.
  void hang_up();
  // Client::wake() is called then. One alarm: replaces the one before; Instant::max(): none.
  void wake_at(Instant at);
  // The completion of the invocation being performed: same process, f and key; the world fills in the time.
  void complete(Event completion);
  [[nodiscard]] Rng fork(std::string_view name) const;

 private:
  Engine& engine_;
  std::uint32_t client_;
};

struct Client {
  virtual ~Client() = default;
  virtual void perform(const Event& invocation) = 0;
  virtual void receive(std::string bytes) = 0;
  virtual void refused() = 0;  // the connection was refused: what send() was given never reached the node
  virtual void broken() = 0;   // the connection was lost with a request out: its fate is not known
  virtual void wake() = 0;
};

// A step of a change of members, as an administrator asks for it.
enum class MemberStep : std::uint8_t { remove, add, promote };

// The system under test; one per run, outlives the world.
struct System {
  virtual ~System() = default;
  // An error: the daemon refuses to start (kept, visible in the trace and in the completions; the node stays down).
  virtual Result<std::unique_ptr<Daemon>> boot(Surroundings& surroundings) = 0;
  virtual std::unique_ptr<Client> client(Process process, ClientSurroundings& surroundings) = 0;

  // The daemon of this boot was destroyed (killed, crashed, ended by itself).
  virtual void ended(NodeIndex /*node*/) {}
  // Called after each event in which `node` took part; whatever it holds against the invariants.
  virtual std::optional<Violation> after_step(NodeIndex /*node*/) { return std::nullopt; }

  // Without it the fault `membership` is refused.
  [[nodiscard]] virtual bool changes_members() const { return false; }
  // One attempt of the step at `contact`, a running node other than `member` where possible. True: it is so now, committed. False: not yet,
  // the world asks again soon, perhaps elsewhere; an attempt under way is not begun again. Never blocks.
  virtual Result<bool> change_members(MemberStep, NodeIndex /*contact*/, NodeIndex /*member*/) { return false; }

  // Its state, for hashes of whole runs.
  virtual void mix(Hash&) const {}
};

}  // namespace faultline::sim
