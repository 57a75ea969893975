// Engine: the inside of a SimWorld: nodes, links, clients, faults, and the loop over events.
//
// Who runs whom: the loop takes one event and calls at most one daemon or client; what that asks for goes through Surroundings back into the
// engine, which only takes notes (events, doomed boots). Boots begin and end between events, never under a daemon's feet.
#pragma once

#include <faultline/nemesis.hpp>
#include <faultline/sim/sim_world.hpp>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "clock.hpp"
#include "disk_image.hpp"
#include "links.hpp"
#include "node_disk.hpp"
#include "plan.hpp"
#include "queue.hpp"

namespace faultline::sim {

using Fields = std::vector<Value::Entry>;

// A fault that was applied and not healed yet.
struct Active {
  // What it keeps of one node.
  struct On {
    NodeIndex node = 0;
    std::uint32_t boot = 0;              // when it was applied
    std::uint64_t seen = 0;              // calls that matched
    bool fired = false;                  // of what fires once
    std::uint64_t space = 0;             // left
    Ticks wall_skew = 0, mono_skew = 0;  // when it was applied
    std::uint64_t before = 0;            // a counter of the node, when it was applied
  };

  std::uint64_t id = 0;
  Fault fault;
  Plan plan;
  std::vector<On> on;
  std::vector<NodeIndex> down;       // nodes it keeps down
  std::vector<std::uint32_t> links;  // it lies on
  std::vector<char> swizzled;        // clogs in force
  LinkCounters before;
  std::unique_ptr<PacketFault> packet;
  std::vector<std::pair<NodeIndex, std::uint32_t>> crashed;    // with boots
  std::vector<std::pair<NodeIndex, std::uint32_t>> restarted;  // in turn, with boots
  std::size_t next = 0;                                        // of the nodes it restarts
  Ticks deadline = 0;                                          // for the cluster to serve again
  LossReport loss;                                             // not told yet
  std::uint64_t count = 0;
  std::uint64_t pages = 0;
  Rng rng{0};
};

// A loop that asks to be woken at once goes round no faster than this, so that time passes even for one that never waits.
inline constexpr Ticks wake_spacing = 10'000;

struct Node {
  enum class Standing : std::uint8_t { outside, member, in_doubt };

  NodeName name;
  VirtualClock wall, mono;
  std::uint64_t clock_reads = 0;
  DiskImage image;
  Rng disk_rng{0};
  std::vector<Active*> disk_faults;
  bool is_rotten = false;
  bool has_suffered = false;  // its disk failed or rotted at some time: no wonder if it ends
  bool is_emptied = false;    // it can come in as a new member, and no other way
  Standing standing = Standing::member;
  Ticks retires_at = never;  // it was removed, and goes on until then
  std::uint32_t removals = 0;

  // The boot. The daemon goes before what it uses.
  std::uint32_t boot = 0;
  bool joins = false;
  bool is_up = false;
  std::unique_ptr<NodeDisk> disk;
  std::unique_ptr<Surroundings> surroundings;
  std::unique_ptr<Daemon> daemon;
  std::string end;

  // Ends as soon as the call under way returns.
  bool is_doomed = false;
  Happening::Kind doom_kind = Happening::Kind::killed;
  PowerLoss doom_loss = PowerLoss::keep;
  std::uint64_t doom_fault = 0;

  Ticks alarm = never;   // own monotonic time
  Ticks queued = never;  // true time of the wake that is queued
  Ticks last_wake = -wake_spacing;

  std::uint32_t pauses = 0;
  Ticks cost = 0;  // of an event, under pressure; 0: none
  Ticks busy_until = 0;
  bool is_releasing = false;
  std::deque<Item> held;
  std::uint64_t held_events = 0, slowed_events = 0;
};

struct ClientSlot {
  static constexpr std::uint32_t closed = 0;         // no connection
  static constexpr std::uint32_t dead = UINT32_MAX;  // the node's end is gone, the client does not know

  NodeIndex node = 0;
  Process process = -1;
  std::unique_ptr<ClientSurroundings> surroundings;
  std::unique_ptr<Client> client;
  std::optional<Event> pending;
  Ticks started = 0;
  bool limit_queued = false;
  std::uint32_t number = 0;  // of the connection
  std::uint32_t boot = closed;
  std::uint32_t out = 0;  // requests without an answer
  std::uint64_t alarm = 0;
};

// A change of members: steps one after the other, each asked for until it is so.
struct MemberTask {
  struct Step {
    NodeIndex node = 0;
    bool in = false;
  };
  enum class Phase : std::uint8_t { begin, removing, adding, promoting };

  std::deque<Step> steps;
  std::string label;  // of the names in its result
  std::vector<Value> names;
  std::function<void(const Result<Value>&)> done;
  Phase phase = Phase::begin;
  Ticks limit = never;  // for one step
  Ticks deadline = never;
  std::string last_error;
  bool is_restless = false;  // asked for again after it failed, until faults end
};

// A decision of the schedule that is watched.
struct Watched {
  enum class State : std::uint8_t { waiting, active, over };
  Decision decision;
  State state = State::waiting;
  std::uint64_t seen = 0;  // triggers that matched
  NodeIndex from = no_node, to = no_node;
  std::optional<Call> call;
  std::uint64_t fault = 0;  // the Active
  Fault resolved;
};

struct Engine {
  Engine(SimOptions sim_options, System& under_test, FaultPort& own_port);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // --- loop (engine.cpp) ---------------------------------------------------------------------------------------------------------
  bool step();
  bool run_until(Ticks until);
  void execute(Item&& item);
  void note_event(const Item& item);
  void happen(Happening::Kind kind, NodeIndex node, std::string text, NodeIndex peer = no_node);
  void check(NodeIndex node);

  // --- nodes (nodes.cpp) -----------------------------------------------------------------------------------------------------------
  bool boot(NodeIndex index);  // false: it refused to start, or did not survive it
  void end_boot(NodeIndex index, Happening::Kind kind, std::string why, PowerLoss loss, std::uint64_t fault);
  void doom(NodeIndex index, Happening::Kind kind, std::string why, PowerLoss loss, std::uint64_t fault);
  void arm(NodeIndex index);
  void wake(Item&& item);
  void at_node(Item&& item);
  void run_at_node(Item&& item);
  bool hold_back(Node& node, Item& item);
  void release(NodeIndex index);
  void resume(NodeIndex index);
  template <class Call_>
  void run_node(NodeIndex index, Call_&& call);
  void finish(NodeIndex index);

  // --- network (network.cpp) --------------------------------------------------------------------------------------------------------
  [[nodiscard]] std::uint32_t link_between(Place from, Place to) const;  // no_link
  [[nodiscard]] std::vector<std::uint32_t> links_of(NodeIndex node) const;
  void transmit(std::uint32_t link, Item&& item);
  Ticks draw_delay(Rng& rng, Ticks delay, Ticks jitter);
  bool cross_faults(Link& link, Item& item, Ticks& arrival, bool& out_of_order);
  bool crosses(Item& item);
  void drop(std::uint32_t link, const Item& item);
  void clog(std::uint32_t link);
  void unclog(std::uint32_t link);
  [[nodiscard]] LinkCounters sum(const std::vector<std::uint32_t>& of) const;

  // --- clients (clients.cpp) ---------------------------------------------------------------------------------------------------------
  void dispatch_to_client(const Event& invocation);
  void start_client(std::uint32_t worker);
  void arrive_request(Item&& item);
  void at_client(Item&& item);
  void limit_client(const Item& item);
  void hang_up(std::uint32_t worker);
  void send_up(std::uint32_t worker, std::string bytes);
  void send_back(Item::Kind kind, std::uint32_t worker);
  void complete(std::uint32_t worker, Event completion);
  void finish_event(Event completion);

  // --- disk calls (node_disk.cpp) -----------------------------------------------------------------------------------------------------
  std::optional<std::string> before_call(NodeIndex node, Call call, const std::string& path);
  std::optional<std::string> after_call(NodeIndex node, Call call, const std::string& path);

  // --- faults (faults.cpp, heal.cpp) ----------------------------------------------------------------------------------------------------
  Result<Value> apply(const Fault& fault);
  Result<Value> heal(const Fault& fault);
  Result<Value> heal_active(std::uint64_t id);
  Result<Value> heal_all();
  Result<Value> heal_core(std::span<const NodeIndex> core);
  Result<Value> probe();
  [[nodiscard]] bool is_held_down(NodeIndex node) const;
  [[nodiscard]] Active* find_active(std::uint64_t id);
  void restart(NodeIndex node, Fields& restarted, Fields& refused);
  void clear_node(NodeIndex node);
  void clear_link(std::uint32_t link);
  void swizzle(const Item& item);
  void advance_restart(const Item& item);

  // --- members (members.cpp) -------------------------------------------------------------------------------------------------------------
  void change(std::vector<MemberTask::Step> steps, std::string label, bool is_restless = false);
  void advance_members_at(Ticks time);
  void advance_members();
  void remove(NodeIndex index);
  void retire(NodeIndex index);
  void replace(NodeIndex index);
  void give_up_tasks();
  void end_task(const Result<Value>& result);
  void fail_task(Error why);
  Result<bool> ask_members(MemberStep step, NodeIndex member);

  // --- nemesis and schedule (schedule.cpp) --------------------------------------------------------------------------------------------------
  void ask_nemesis();
  void settle_nemesis(const Result<Value>& result);
  Result<void> watch(const Schedule& schedule);
  void begin_decision(std::size_t index);
  void end_decision(std::size_t index);
  void trigger(std::size_t index, Duration after, bool at_once);
  template <class Meets>
  void fire(std::vector<std::size_t>& waiting, bool at_once, Meets&& meets);
  void watch_frame(NodeIndex from, NodeIndex to, std::string_view kind);
  void watch_call(NodeIndex node, Call call, const std::string& path, bool after);
  void watch_role(NodeIndex node, std::string_view role);
  void note_decision(const Watched& watched, std::string_view prefix, const Result<Value>& done);

  static constexpr std::uint32_t no_link = UINT32_MAX;
  static constexpr std::size_t most_held = 1 << 16;  // events for a node that does not take them

  SimOptions options;
  System& system;
  FaultPort& port;
  Ticks now = 0;
  Hash hash;
  Counters counters;
  Rng root;
  std::vector<Node> nodes;
  std::vector<Link> links;
  std::vector<ClientSlot> clients;
  EventQueue queue;  // after what its closures refer to

  NodeIndex running = no_node;   // its daemon is being called
  std::uint64_t last_alarm = 0;  // of clients
  std::deque<Event> completions;
  std::optional<Violation> violation;
  bool is_interrupted = false;

  std::vector<std::unique_ptr<Active>> active;
  std::uint64_t last_active = 0;
  std::map<std::uint64_t, std::uint64_t> same_faults;  // applied so far, by hash: each draws from a stream of its own
  bool is_frozen = false;

  std::deque<MemberTask> tasks;
  bool members_queued = false;
  NemesisProcess nemesis;
  std::deque<Event> asked;
  std::optional<Event> settling;  // a completion that waits for the members
  bool settling_heals = false;

  std::vector<Watched> watched;
  std::uint64_t schedule_seed = 0;
  bool has_schedule = false;
  std::uint64_t deciding = 0;                                             // the decision being performed
  std::vector<std::size_t> frame_triggers, call_triggers, role_triggers;  // decisions that wait for one
  std::vector<Event> notes;

  std::vector<std::string> unexpected;
  std::uint64_t hash_every = 0;
  std::vector<std::uint64_t> hashes;
  bool records_all = false;
  std::size_t trace_limit = 100'000;
  std::deque<Happening> trace;
};

template <class Call_>
void Engine::run_node(NodeIndex index, Call_&& call) {
  FL_ASSERT(running == no_node);
  running = index;
  call();
  running = no_node;
  finish(index);
}

}  // namespace faultline::sim
