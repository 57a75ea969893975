// Raft: the consensus of a replicated log, without I/O, clock, thread or global. Inputs are the time, messages,
// requests of the host and its word that something is durable; the output is one value, Ready. The same inputs give the
// same outputs.
//
// Papers: Ongaro and Ousterhout, "In Search of an Understandable Consensus Algorithm (Extended Version)" (2014), cited
// as "Raft §5.3"; Ongaro, "Consensus: Bridging Theory and Practice" (dissertation, 2014), cited as "D §6.4".
//
// Owner: one thread. Time: Instant handed in, not negative; it should never fall, and is taken as not having moved if
// it does.
//
// HOW TO OBEY A READY. From top to bottom:
//
//   1. `chunks`: write them into the part file of their snapshot, at their offset; a chunk at offset 0 starts it anew.
//   2. `snapshot`: its part file is complete and its checksum is right. Sync it, rename it, sync the directory, mark it
//      in the log. Keep the entries behind it if the log holds its (index, term), else drop the whole log; the state
//      machine becomes it.
//   3. `entries`: append; the first index cuts any old suffix.
//   4. `hard_state`: store, behind the entries.
//   5. If `must_sync`, one fdatasync makes 1 to 4 durable. If anything here fails, stop for good: never advance().
//   6. `messages_now` need not wait for any of this: send them first, so that the disk works beside the network.
//   7. `messages_after_persist` wait for this Ready *and all earlier ones* to be durable, also if this one must not
//      sync.
//   8. advance(number): "this Ready and all earlier ones are durable". Only now does the leader's own disk count.
//   9. `committed`: apply in order, each exactly once; a configuration and a no-op change no state. They are durable on
//      a majority already, so this need not wait for one's own disk, only for 2.
//  10. `reads`: answer each once applied >= its index. `lost_reads` get no answer: the client does not know.
//
// A host may take the next Ready before it has advanced the last one (a batch forms while the disk is busy); it keeps
// them in order. The simplest host waits for the disk:
//
//   for (;;) {
//     wait_until(raft.next_tick(), network, clients);
//     raft.tick(clock());                                     // with a fresh time, before anything else is handed in
//     for (auto& m : network.received()) raft.step(clock(), std::move(m));
//     for (auto& c : clients.requests()) c.note(raft.propose(c.bytes()));
//     while (raft.has_ready()) {
//       Ready ready = raft.ready();
//       network.send(ready.messages_now);
//       disk.persist(ready);                                  // 1 to 5; ends the process if it fails
//       network.send(ready.messages_after_persist);
//       raft.advance(ready.number);
//       for (const Entry& e : ready.committed) clients.answer(e, state.apply(e));
//       reads.answer_up_to(state.applied(), ready.reads, ready.lost_reads);
//     }
//   }
//
// A proposal is answered by its (index, term): if another term's entry is committed at that index, it was lost.
//
// First boot. A node with an empty disk cannot know whether its disk was always empty or was wiped, and a wiped voter
// has forgotten its vote and its acknowledgements. So an initial member first hears from *every* other one. If one of
// them holds more than the initial configuration, refusal() is set and the host must end (exit 3: remove this node, add
// it again as a learner with an empty `initial`). Else it stores the initial configuration, and campaigns only once
// everybody has stored it. Nothing that is asked for before that has been promised to anybody, so a crash at any point
// is harmless.
//
// A disk may be wiped so early that nobody is left who holds more: its node founds the group again, and may vote again
// in a term in which its former life voted. That is sound. Whoever asked for that vote had its term durable before, and
// would refuse the node, unless it is the node itself or was wiped too; a vote is granted to one start of the
// candidate, and that start is over. It did not lead either: then a majority holds the term, and one of it was not
// wiped.
//
// To join. A node that is added to a running group starts empty and without `initial`; so does one that had joined and
// lost its disk. It takes nothing from a leader before it has asked it (JoinRequest, at every append), and the leader
// answers once a heartbeat round begun after the question is confirmed. If the stay it was fed under is a learner's, the
// disk has not been a voter's in any configuration that can still elect or commit, and what it forgot was counted by
// nobody. (A promotion in an older term of which that leader does not know was not committed, and elects nobody without
// a majority of the voters before it.) If it has had a vote, refusal() is set. What a learner acknowledged is no reason
// to count anything later, either: with the vote it gets another stay.
//
// Snapshots. The core knows what a snapshot is, the host has the bytes. The host labels one with describe(applied),
// makes it durable, and says so with snapshot_taken(); the core then compacts its log, and sends the snapshot to
// whoever needs it: chunks leave in messages_now with `length` set; the host fills in bytes and crc, or drops the
// message (it is asked again at the next heartbeat). A snapshot file is kept while needs(snapshot) is true.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <faultline/raft/log.hpp>
#include <faultline/raft/message.hpp>
#include <faultline/raft/progress.hpp>
#include <faultline/raft/read_queue.hpp>
#include <faultline/raft/types.hpp>
#include <faultline/result.hpp>
#include <faultline/rng.hpp>
#include <faultline/time.hpp>

namespace faultline::raft {

struct Options {
  NodeId id;
  std::uint64_t boot = 0;  // differs in every start of every node, also if its disk was wiped: drawn at random
  std::vector<Member>
      initial;  // the members of the first boot, the same on each of them; empty: to be added to a running group
  Duration election_timeout = std::chrono::seconds(1);  // T
  Duration heartbeat = std::chrono::milliseconds(100);
  bool pre_vote = true;
  bool check_quorum = true;
  bool lease_reads = false;  // REQUIRES: check_quorum and max_clock_drift
  std::optional<double>
      max_clock_drift;  // R in [0, 1): no clock of the group runs faster than 1 + R or slower than 1 - R

  // The bounds of everything that could grow.
  std::uint64_t batch_bytes = 1 << 20;         // entries in one append; a larger entry travels alone
  std::uint64_t window_messages = 256;         // appends unanswered by one follower
  std::uint64_t window_bytes = 16 << 20;       // their bytes
  std::uint64_t uncommitted_bytes = 64 << 20;  // then propose() says too_many_requests
  std::uint64_t entry_bytes = 8 << 20;         // one proposal
  std::uint64_t committed_bytes = 4 << 20;     // entries handed out to apply in one Ready
  std::uint64_t snapshot_chunk_bytes = 256 << 10;
  std::uint64_t compaction_tail = 1000;  // entries kept behind a snapshot for followers that are a little late
  std::size_t pending_reads = 65536;
  std::size_t outbox_messages = 16384;  // between two Readys; more are dropped as a network would
};

// Whether a Raft can be made of these; the error is bad_input.
Result<void> validate(const Options& options);

// What the disk gave back at start. All empty at first boot.
struct Stored {
  HardState hard_state;
  std::optional<Snapshot> snapshot;  // the state machine is at its index now
  // Contiguous, the first at or below snapshot.index + 1. If the one at snapshot.index is missing or has another term,
  // the snapshot was durable before the log was: the host drops the whole log, also on disk. So keep that entry on disk
  // until later ones are durable.
  std::vector<Entry> entries;
  // A part file: the snapshot it will be, how much is there, CRC32C of that.
  struct Part {
    Snapshot snapshot;
    std::uint64_t size = 0;
    std::uint32_t checksum = 0;
  };
  std::optional<Part> part;
};

struct ReadState {
  ReadId id;
  LogIndex index;
  // Read the value, then the clock: if !lease_holds(clock), drop the value and ask again with ReadMode::index.
  bool lease = false;
};

struct Ready {
  std::uint64_t number = 0;  // counts up from 1; for advance()
  std::vector<SnapshotChunk> chunks;
  std::optional<Snapshot> snapshot;             // install
  std::vector<Entry> entries;                   // append; the first index cuts any old suffix
  std::optional<HardState> hard_state;          // term, vote, commit
  bool must_sync = false;                       // one fdatasync covers all of the above
  std::vector<Message> messages_now;            // may leave before it: appends, heartbeats, pre-votes
  std::vector<Message> messages_after_persist;  // only after it: vote requests, every reply
  std::vector<Entry> committed;                 // apply in order
  std::vector<ReadState> reads;                 // answer once applied >= index
  std::vector<ReadId> lost_reads;               // a change of leader or term, or time, voided them
};

// How a request to the core fared. Only `accepted` may take effect.
enum class Outcome : std::uint8_t {
  accepted,
  not_leader,         // ask status().leader
  no_leader,          // nobody known to ask
  transferring,       // leadership is being handed over
  too_many_requests,  // a bound of Options is reached; try again
  too_large,          // entry_bytes
  lease_disabled,     // lease reads need Options::lease_reads
  change_in_flight,   // an earlier change of members is not finished (D §4.1)
  no_own_commit,      // nothing of this leader's term is committed yet (D §4.1; the leader will see to it)
  not_caught_up,      // a new voter must first be a learner that holds nearly all of the log
  not_a_voter,        // leadership can go only to a voter
  invalid_change,     // no voters, a node named twice, or too many members
  unchanged,          // it is so already
};
std::string_view to_text(Outcome outcome);

struct Proposal {
  Outcome outcome = Outcome::not_leader;
  LogIndex index;  // accepted: where it will be, if it will be
  Term term;
};

enum class ReadMode : std::uint8_t {
  index,  // linearizable: a heartbeat round confirms the leader; a follower asks its leader
  lease,  // linearizable if clocks drift less than promised; at the leader, without a round
  local,  // at the leader, unconfirmed: may be stale
};
struct ReadTicket {
  Outcome outcome = Outcome::no_leader;
  ReadId id;  // accepted: comes back in Ready::reads or Ready::lost_reads, exactly once
};

// Who shall be member in the end; `stay` is ignored. Nodes may become learners, be promoted from learners, be demoted,
// be removed.
struct Membership {
  std::vector<Member> voters;
  std::vector<Member> learners;
};

enum class Role : std::uint8_t { follower, pre_candidate, candidate, leader };
std::string_view to_text(Role role);

// Why this node must not take part: it is empty, but the witness knows a past of it, or of its group.
struct Refusal {
  NodeId witness;
};

struct FollowerStatus {
  Member member;
  Flow flow = Flow::probe;
  LogIndex match, next;
  std::uint64_t inflight_messages = 0, inflight_bytes = 0;
  std::uint64_t snapshot_offset = 0;
  bool learner = false;
  bool heard = false;  // within T
};

// Counted since the start.
struct Counters {
  std::uint64_t campaigns = 0;  // with a term of their own
  std::uint64_t pre_campaigns = 0;
  std::uint64_t elections_won = 0;
  std::uint64_t pre_votes_refused = 0;
  std::uint64_t votes_refused = 0;
  std::uint64_t messages_dropped = 0;  // the outbox was full
  std::uint64_t messages_ignored = 0;  // malformed, stale, or of another stay
  std::uint64_t snapshots_sent = 0, snapshots_installed = 0;
};

struct Status {
  NodeId id;
  Role role = Role::follower;
  Term term;
  NodeId vote, leader;
  LogIndex commit, last, stable;
  LogIndex first;     // the oldest entry still here
  Snapshot snapshot;  // the newest; index 0: none
  Config config;      // in force
  LogIndex config_index;
  Founding founding = Founding::empty;
  NodeId transferee;  // 0: no transfer under way
  bool lease = false;
  std::uint64_t pending_reads = 0, uncommitted_bytes = 0;
  std::vector<FollowerStatus> followers;  // of a leader, sorted by id, without itself
  Counters counters;
};

class Raft {
 public:
  // REQUIRES: validate(options).ok(), and `stored` is what an earlier life of this node was told to keep.
  Raft(Options options, Stored stored, Rng rng, Instant now);

  // Time passes. next_tick() is when something will want to happen next; calling earlier or later is harmless.
  void tick(Instant now);
  [[nodiscard]] Instant next_tick() const;
  // Takes a message addressed to this node. Malformed and unexpected ones are counted and ignored.
  void step(Instant now, Message message);

  // Appends a command at the leader.
  Proposal propose(std::string bytes);
  ReadTicket read(Instant now, ReadMode mode = ReadMode::index);
  // Hands leadership to a voter: proposals and the lease stop, the target catches up, is told, and campaigns. Given up
  // after T.
  Outcome transfer(Instant now, NodeId target);
  // Changes the members through a joint configuration, which the leader leaves by itself.
  Outcome change(const Membership& target);

  // Whether there is anything to obey now. Messages that may leave are composed here, so that requests share them.
  [[nodiscard]] bool has_ready();
  Ready ready();
  // The same, into one that was obeyed already.
  void ready(Ready& into);
  // Where nothing is on its way to the disk and nothing would have to go there: all messages, as a Ready that is durable at once, without
  // one. False, and nothing happened, if there is more to obey than messages. What `into` held is gone.
  bool take_messages(std::vector<Message>& into);
  // This Ready and all earlier ones are durable. REQUIRES: one that was handed out and not yet advanced.
  void advance(std::uint64_t number);

  // The label of a snapshot whose last applied entry is `applied`; size and checksum are the host's to add.
  // REQUIRES: status().first - 1 <= applied <= commit, and an entry that exists.
  [[nodiscard]] Snapshot describe(LogIndex applied) const;
  // The snapshot is durable: compact the log, keeping a tail. Ignored if it is older than the one known.
  void snapshot_taken(const Snapshot& snapshot);
  // Whether this snapshot is the newest, or is still being sent to somebody.
  [[nodiscard]] bool needs(const Snapshot& snapshot) const;

  // Whether a lease read whose value was read before `now` may be answered.
  [[nodiscard]] bool lease_holds(Instant now) const;

  [[nodiscard]] bool is_leader() const { return role_ == Role::leader; }
  [[nodiscard]] NodeId leader() const { return leader_; }  // 0: unknown
  [[nodiscard]] Term term() const { return term_; }
  [[nodiscard]] LogIndex commit() const { return log_.commit(); }
  [[nodiscard]] LogIndex last() const { return log_.last(); }
  [[nodiscard]] const Config& config() const { return log_.config(); }  // in force; whom messages may go to
  [[nodiscard]] bool config_committed() const { return log_.config_committed(); }
  // Another number whenever config() may have changed since the last look; never 0.
  [[nodiscard]] std::uint64_t config_version() const { return log_.config_version(); }
  [[nodiscard]] std::optional<Refusal> refusal() const { return refusal_; }
  [[nodiscard]] Status status() const;

 private:
  // core.cpp
  void advance_time(Instant now);
  [[nodiscard]] bool is_newer_term(const Message& message) const;
  void answer_older_term(const Message& message);
  void handle(const Message& message, Hello& body);
  void handle(const Message& message, VoteRequest& body);
  void handle(const Message& message, VoteReply& body);
  void handle(const Message& message, Append& body);
  void handle(const Message& message, AppendReply& body);
  void handle(const Message& message, SnapshotChunk& body);
  void handle(const Message& message, SnapshotReply& body);
  void handle(const Message& message, ReadRequest& body);
  void handle(const Message& message, ReadReply& body);
  void handle(const Message& message, TimeoutNow& body);
  void handle(const Message& message, JoinRequest& body);
  void handle(const Message& message, JoinReply& body);
  void send(NodeId to, StayId stay, Term term, Body body);
  void reply(const Message& request, Body body) { send(request.from, request.stay, term_, std::move(body)); }

  // founding.cpp
  [[nodiscard]] Founding founding() const;
  [[nodiscard]] bool must_ask() const;
  [[nodiscard]] std::vector<Member> founders() const;
  void say_hello();
  void found_if_all_heard();

  // joining.cpp
  [[nodiscard]] bool must_join() const;
  void step_before_joining(Message& message);
  void answer_joiners();

  // election.cpp
  [[nodiscard]] bool may_campaign() const;
  [[nodiscard]] bool votes_in(const Config& config) const;
  void note_stay(const Message& message);
  [[nodiscard]] bool has_promised() const;
  void restart_election_timer() { election_deadline_ = now_ + election_timeout_; }
  void draw_election_timeout();
  void election_timed_out();
  void campaign_before_voting();
  void campaign(bool transfer);
  void ask_for_votes(Term term, bool pre, bool transfer);
  void count_election();
  void become_follower(Term term, NodeId leader);
  void become_leader();
  void stop_leading();
  void follow(NodeId leader);
  void check_quorum();

  // replication.cpp
  void append_own(EntryKind kind, std::string data);
  [[nodiscard]] bool committed_in_own_term() const;
  void advance_commit();
  void settle_config();
  void sync_followers();
  Progress* follower_of(const Message& reply);
  void begin_round();
  void confirm_rounds();
  void fill(Ready& ready);
  void feed_once();
  [[nodiscard]] bool has_more_than_messages() const;
  void feed_followers();
  void feed(Progress& follower);
  void send_append(Progress& follower, std::vector<Entry> entries);
  void drive_transfer();

  // snapshots.cpp
  void send_chunk(Progress& follower);
  [[nodiscard]] bool take_chunk(SnapshotChunk& chunk);
  void install(const Snapshot& snapshot);

  // reads.cpp
  void deliver(const std::vector<ConfirmedRead>& reads);
  void lose_follower_reads();

  struct SentRound {
    std::uint64_t round;
    Instant at;
  };
  struct Joiner {
    Member member;
    std::uint64_t boot;   // of the start that asked
    std::uint64_t round;  // it is answered once this one is confirmed
  };
  struct Outstanding {
    std::uint64_t number;
    Term term;
    NodeId vote;
  };

  Options options_;
  Rng rng_;
  Instant now_;
  Log log_;
  Term term_;
  NodeId vote_, leader_;
  StayId stay_;             // as in HardState
  Term stay_named_;         // by the leader of this term; 0: before this start
  bool is_untold_ = false;  // which stay this is, though it should have been told: a crash came before that was written
  Role role_ = Role::follower;
  Counters counters_;

  // Elections.
  Duration election_timeout_{};
  Instant election_deadline_;
  Instant no_vote_before_ = Instant::min();  // what was promised to a leader, in this life or in the last
  std::map<NodeId, bool> votes_;

  // First boot.
  std::map<NodeId, Founding> hellos_;
  bool all_founded_ = false;
  Instant next_hello_ = Instant::min();  // max: nothing left to ask
  std::optional<Refusal> refusal_;

  // Of a leader.
  std::map<NodeId, Progress> followers_;
  std::uint64_t uncommitted_bytes_ = 0;
  Instant next_heartbeat_;
  std::uint64_t round_ = 0, confirmed_round_ = 0;
  std::deque<SentRound> sent_rounds_;      // not confirmed yet
  Instant quorum_until_ = Instant::min();  // until then a quorum has been heard
  Instant lease_from_ = Instant::min();
  ReadQueue reads_;
  std::vector<Joiner> joiners_;
  NodeId transferee_;
  Instant transfer_deadline_;
  bool timeout_now_due_ = false;
  bool lease_ended_ = false;  // for the rest of the term, once somebody may campaign without regard to promises

  // Of a follower.
  FollowerReads follower_reads_;
  std::optional<Stored::Part> part_;
  std::uint64_t next_read_ = 1;

  // What the next Ready will hold, and what is on its way to the disk.
  bool is_fed_ = false;  // the followers, with all that came in
  std::vector<Message> messages_now_, messages_after_persist_;
  std::vector<SnapshotChunk> chunks_;
  std::optional<Snapshot> snapshot_to_install_;
  std::vector<ReadState> read_states_;
  std::vector<ReadId> lost_reads_;
  HardState emitted_;
  std::uint64_t ready_number_ = 0;
  std::deque<Outstanding> outstanding_;
  Term durable_term_;
  NodeId durable_vote_;
};

}  // namespace faultline::raft
