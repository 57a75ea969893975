// SimWorld: a World in virtual time, and its FaultPort: nodes with clocks and disks, a packet network, clients, all from one seed.
//
// Everything is an event, executed in the order of (true time, sequence number); time jumps from one to the next. Randomness comes from
// streams forked by name: each link, disk, clock, boot and fault has its own, so that leaving one fault out leaves the draws of the others
// alone. hash() covers every field of every event; the same options and the same calls give the same hash in every build.
//
// Two ways to have faults. Dispatched to process -1, as in a live world (the ordinary nemesis); or a whole Schedule given to watch(), which the
// world performs itself, at the exact event a trigger names.
//
// Faults and what their completions count ("nodes" as in Fault; T: from apply, H: from heal):
//   partition     T dropped_pairs  H dropped_packets                     parameters: clients {"n1":["c0"]}: both directions; unknown c<N>: nobody
//   clog          T clogged_links  H held_packets                        links [["n1","n2"],…]: from n1 to n2; else all links of the nodes
//   swizzle_clog  T clogged_links  H held_packets                        clogs [{"node","from","to"},…], since it was applied
//   packet        T affected_links H delayed_packets lost_packets duplicated_packets reordered_packets corrupted_packets throttled_packets
//   kill          T killed {node: boot}, rolled_back_pages, undone_entries  H restarted {node: boot}      disk keep|lose_unsynced|torn|reordered
//   restart       T restarting [node]  H restarted {node: boot}: one after the other, each down for `down` (100 ms)
//   crash_point   T armed [node]   H crashed {node: boot}, restarted, rolled_back_pages, undone_entries   call nth edge file disk
//   pause         T paused {node: boot}  H resumed {node: boot}, held_events
//   clock         T skewed [node]  H skew_ms (the largest), clock_reads (while skewed)
//   io_error      H io_errors      fsync_error  H failed_syncs, dropped_pages     enospc  H refused_writes     slow_disk  H slowed_calls
//   bit_flip      T flipped_bits   truncate     T truncated_bytes                 wipe    T wiped [node]   H restarted
//   membership    T added|removed  H left|returned (as the live cluster)          pressure  H slowed_events
// Nodes that could not take a fault are listed, {"skipped":{"n2":"is down"}}; an error if none could. A heal whose node refuses to start
// says {"refused":{"n2":"…"}}, which is a finding and no failure of the heal.
//
// Calls of a disk, for crash points and triggers: open read write allocate fsync truncate rename unlink mkdir. `fsync` on a folder counts, with the
// folder's path. Files are matched by globs (* and ?, a * crosses '/').
//
// Owner: one thread. Errors: a fault that cannot be applied is an Error; nothing is thrown.
#pragma once

#include <faultline/schedule.hpp>
#include <faultline/sim/options.hpp>
#include <faultline/sim/system.hpp>
#include <faultline/world.hpp>

#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace faultline::sim {

// What happened, for the story of a failure. Rare kinds are always kept; frames and disk calls only when recorded.
struct Happening {
  enum class Kind : std::uint8_t {
    booted,
    refused_to_start,
    killed,
    crashed,
    exited,
    paused,
    resumed,
    role,
    note,  // of a node
    fault,
    healed,  // text: the fault
    sent,
    delivered,
    dropped,
    disk_call  // recorded on demand
  };
  Instant time;
  std::uint64_t step = 0;  // the event
  Kind kind = Kind::note;
  NodeIndex node = no_node;
  NodeIndex peer = no_node;    // of a frame: to whom it goes
  std::uint64_t decision = 0;  // of a watched schedule, that was being performed: its id
  std::string text;
};
std::string_view to_string(Happening::Kind kind);

struct Counters {
  std::uint64_t events = 0;  // executed
  std::uint64_t frames = 0, requests = 0, wakes = 0, works = 0;
  std::uint64_t dropped = 0;  // frames, for whatever reason
  std::uint64_t boots = 0;
  std::uint64_t syncs = 0;
};

class SimWorld final : public World, public FaultPort {
 public:
  // Boots every founder at once. `system` outlives the world. REQUIRES: at least one node, concurrency > 0, distinct names.
  SimWorld(SimOptions options, System& system);
  ~SimWorld() override;
  SimWorld(const SimWorld&) = delete;
  SimWorld& operator=(const SimWorld&) = delete;

  // --- World ------------------------------------------------------------------------------------------------------------------------
  [[nodiscard]] Instant now() const override;
  void dispatch(const Event& invocation) override;
  // Also ends a wait, once, when an invariant was violated: see violation().
  std::optional<Event> next_completion(Instant until) override;

  // --- FaultPort ----------------------------------------------------------------------------------------------------------------------
  // Changes of members go on after apply(), heal() and heal_all() have returned: settled() says whether they are through. The completions of
  // process -1 wait for that.
  [[nodiscard]] std::vector<NodeName> nodes() const override;
  std::vector<NodeName> primaries() override;
  [[nodiscard]] Result<void> supports(const Fault& fault) const override;
  Result<Value> apply(const Fault& fault) override;
  Result<Value> heal(const Fault& fault) override;
  Result<Value> heal_all() override;
  [[nodiscard]] bool settled() const;

  // --- Schedules ----------------------------------------------------------------------------------------------------------------------
  // From now on performs these decisions itself, at their times and events, each with a stream of its own (schedule seed and decision id). Refused
  // if a fault is not supported. Once per world.
  Result<void> watch(const Schedule& schedule);
  // Nothing more of the schedule begins or ends by itself.
  void stop_watching();
  // What was performed of it, as notes of process -1 (invocation and completion, with times): to be merged into the history by time.
  std::vector<Event> take_notes();

  // --- Driving ------------------------------------------------------------------------------------------------------------------------
  // Executes the next event; false if there is none.
  bool step();
  // Executes everything up to this time, then it is now. Ends early at a violation: false.
  bool run_until(Instant until);
  // For the liveness phase: heals links, disks, clocks and pressure of and between these nodes and their clients, resumes and starts them; what is
  // outside stays as it is, for good: no fault begins or ends any more.
  Result<Value> heal_core(std::span<const NodeIndex> core);

  // --- Looking ------------------------------------------------------------------------------------------------------------------------
  [[nodiscard]] const SimOptions& options() const;
  [[nodiscard]] const NodeName& name(NodeIndex node) const;
  [[nodiscard]] bool is_running(NodeIndex node) const;  // not down; perhaps paused
  [[nodiscard]] bool is_paused(NodeIndex node) const;
  [[nodiscard]] bool is_member(NodeIndex node) const;  // not out of the group, on its way out or back into it
  [[nodiscard]] Daemon* daemon(NodeIndex node);        // null: down
  // Why it is down: "killed", "crashed before fsync 7 of wal/3", what it said itself, or why it refused to start.
  [[nodiscard]] std::string end_of(NodeIndex node) const;
  // Daemons that ended or refused to start though no fault of their disk explains it: findings about the system under test.
  [[nodiscard]] const std::vector<std::string>& unexpected_ends() const;
  // Whether this node's disk has lost or rotted what was durable (bit flip, truncate, wipe, dropped pages): an excuse for the liveness phase.
  [[nodiscard]] bool is_rotten(NodeIndex node) const;
  // Whether a fault makes its monotonic clock run at more than twice its rate: its timeouts end before any of the others'.
  [[nodiscard]] bool runs_fast(NodeIndex node) const;

  [[nodiscard]] const std::optional<Violation>& violation() const;  // the first
  [[nodiscard]] std::uint64_t hash() const;  // of all events so far, draw counts, and the system's state
  [[nodiscard]] std::map<std::string, std::uint64_t> draws() const;  // by stream
  [[nodiscard]] const Counters& counters() const;

  // The rolling hash after every k-th event, to find the first step in which two runs differ. 0: none.
  void record_hashes(std::uint64_t every);
  [[nodiscard]] const std::vector<std::uint64_t>& hashes() const;
  // Frames and disk calls, too, go into the trace. Keeps the last `limit` happenings.
  void record_all(std::size_t limit);
  [[nodiscard]] std::vector<Happening> trace() const;

 private:
  std::unique_ptr<Engine> engine_;
};

}  // namespace faultline::sim
