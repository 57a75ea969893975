// Host: one node of the replicated store, without disk, socket, thread or clock: the core, the state machine, and everything that
// waits for them. raftd and the simulator differ only in what they do with its Output.
//
// Inputs are calls with the time, read *after* the input arrived (lease reads rely on it); then flush() gives what is to be done:
//   frames      hand to the network now; losing one is harmless
//   chunks      the same, after filling in the bytes of their snapshot (SnapshotFiles::fill); or drop them
//   jobs        hand to the disk, in order; when one is durable say persisted(its number). Several may be done with one sync, and then only the
//               last need be reported. A failed one ends the node: never report it, never send anything again
//   export_to   write this snapshot (SnapshotFiles::write), anywhere, then report exported(); the store goes on meanwhile
//   retire      snapshots below this one are not needed any more, once all jobs so far are done
//   answers     of requests, each once
//   events      what happened, for the log of events
//
// Requests. Commands go through the log, at the leader or forwarded to it once; while no leader is known they wait. A command that was
// handed to the log has an unknown fate when its time is up. Each entry begins with its origin (node, boot, sequence), so the
// node that took a request recognises its entry when it applies it, whoever proposed it. Reads never go through the log.
//
// Leases and sessions are counted down by the leader and end through the log; a new leader counts them in full.
//
// Owner: one thread. Determinism: the same inputs give the same outputs.
#pragma once

#include <faultline/raft/core.hpp>
#include <faultline/raft/frame.hpp>
#include <faultline/raft/kv/lock.hpp>
#include <faultline/raft/kv/snapshot.hpp>
#include <faultline/raft/kv/store.hpp>

#include <array>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

namespace faultline::raft {

struct HostOptions {
  Options raft;
  ReadMode reads = ReadMode::index;
  // Applied between two snapshots, at least; 0: never. They also wait until the entries since the last one weigh as much as it does, so
  // that writing snapshots costs no more than writing the log (Ongaro's dissertation, 5.1.2).
  std::uint64_t snapshot_entries = 10'000;
  Duration request_timeout = std::chrono::seconds(7);
  Duration session_idle = std::chrono::seconds(60);
};

// --- Requests -----------------------------------------------------------------------------------------------------------------------
using RequestId = std::uint64_t;

struct Write {
  kv::Command command;
};
// Answered Done when store() may be read: it then holds all that was committed when the request came (as far as the read mode promises).
// A read that may be stale needs no request.
struct Read {};
struct LeaseTimeToLive {
  kv::LeaseId id = kv::no_lease;
  bool keys = false;
};
// Answered when the lock is held. It waits without limit; cancel() gives the place in the queue up.
struct Lock {
  std::string name;
  kv::LeaseId lease = kv::no_lease;  // none: one of its own, 60 s
};
struct Transfer {
  NodeId target;
};
// At the leader only. Answered when the configuration is committed and no longer joint; asking for what is so already succeeds.
struct ChangeMembers {
  enum class Kind : std::uint8_t { add_learner, promote, remove };
  Kind kind = Kind::add_learner;
  Member member;  // the stay is ignored; promote and remove look at the id alone
};
using Request = std::variant<Write, Read, LeaseTimeToLive, Lock, Transfer, ChangeMembers>;

struct LeaseAnswer {
  std::int64_t remaining = -1;  // seconds; -1: no such lease
  std::int64_t granted = 0;
  std::vector<std::string> keys;
};
struct LockAnswer {
  std::string key;  // empty: the place in the queue vanished, as its lease ended or somebody unlocked it
  kv::Revision create_revision = 0;  // the fencing token
};
struct Done {};
using Response = std::variant<kv::Failure, kv::Reply, LeaseAnswer, LockAnswer, Done>;

struct Answer {
  RequestId id = 0;
  Response result;
  kv::Revision revision = 0;  // of the store when it was answered
  Term term;
  LogIndex applied;
};

// --- Output -------------------------------------------------------------------------------------------------------------------------
struct DiskJob {
  std::uint64_t number = 0;
  std::vector<SnapshotChunk> chunks;
  std::optional<Snapshot> snapshot;
  std::vector<Entry> entries;
  std::optional<HardState> hard_state;
  bool must_sync = false;
};

struct Export {
  Snapshot label;  // size and checksum still to come
  kv::View view;
};

struct HostEvent {
  std::string kind;  // role, config (another one is in force), snapshot, lease
  std::string text;
};

struct Output {
  std::vector<Frame> frames;
  std::vector<Frame> chunks;
  std::vector<DiskJob> jobs;
  std::optional<Export> export_to;
  std::optional<Snapshot> retire;  // the oldest one still needed
  std::vector<Answer> answers;
  std::vector<HostEvent> events;

  void clear();  // keeps the room it has
};

// Counted since the start.
struct HostCounters {
  std::uint64_t applied_commands = 0;
  std::uint64_t forwards = 0;
  std::uint64_t reads_index = 0, reads_lease = 0, reads_local = 0;
  std::uint64_t requests_timed_out = 0;
  std::uint64_t leases_expired = 0;
};

// What an entry says, for dumps: `put "k" "v" (asked of node 1)`.
std::string describe(const Entry& entry);

class Lessor;

class Host {
 public:
  // REQUIRES: as for Raft; store.applied() is stored.snapshot's index, or 0 without one.
  Host(HostOptions options, Stored stored, kv::Store store, Rng rng, Instant now);
  ~Host();

  void tick(Instant now);
  [[nodiscard]] Instant next_tick() const;
  // Frames for other nodes are ignored.
  void receive(Instant now, Frame&& frame);
  // This job and all before it are durable; `installed` if it had a snapshot: the state machine read back from it.
  void persisted(Instant now, std::uint64_t number, std::optional<kv::Store> installed = std::nullopt);
  // The export is durable and marked in the log; nothing if it could not be written for want of space.
  void exported(const std::optional<Snapshot>& snapshot);
  // Whether the disk has room for more; without, commands are refused.
  void set_space(bool there_is) { has_space_ = there_is; }

  RequestId submit(Instant now, Request request);
  // Nobody waits for it any more. What was handed to the log still happens.
  void cancel(Instant now, RequestId id);

  // Good until the next flush; what is moved from it costs its room, which is used again otherwise.
  Output& flush(Instant now);

  [[nodiscard]] const kv::Store& store() const { return store_; }
  [[nodiscard]] const Raft& raft() const { return raft_; }
  [[nodiscard]] const HostOptions& options() const { return options_; }
  [[nodiscard]] const HostCounters& counters() const { return counters_; }

 private:
  struct Pending {
    Request request;
    Instant deadline = Instant::max();
    std::uint64_t flight = 0;  // its sequence, while it is in the log's hands; 0: none
    bool handed = false;       // a command of it may be in the log
    kv::LeaseId lock_lease = kv::no_lease;
    std::optional<kv::Ticket> ticket;  // of a lock in the queue
  };
  struct Flight {
    RequestId request = 0;  // 0: the host's own
    std::string entry;
    bool handed = false;  // to the log or to the leader: its fate is not known
  };
  // Sequences of forwarded commands that came from one start of one node.
  struct Forwards {
    std::set<std::uint64_t> seen;
    std::uint64_t newest = 0;
    // Whether it is the first time.
    bool note(std::uint64_t sequence);
  };
  // Of a Ready, what must wait for a snapshot before it to be installed.
  struct Held {
    std::uint64_t number = 0;
    bool installs = false;
    std::vector<Entry> committed;
    std::vector<ReadState> reads;
  };
  struct AfterDisk {
    std::uint64_t number = 0;
    Message message;
  };

  void send(Word word, NodeId to);
  void send(Message&& message);
  void answer(RequestId id, Response result);
  void fail(RequestId id, kv::Failure failure) { answer(id, std::move(failure)); }

  void launch(RequestId id, const kv::Command& command);
  void hand(std::uint64_t sequence);
  void unpark(Instant now);
  void obey(Instant now);
  void take(Instant now, Ready& ready);
  void drain_held(Instant now);
  void apply(Instant now, const Entry& entry);
  void landed(Instant now, Flight flight, kv::Reply reply);
  void arrive(Instant now, NodeId from, const Forward& forward);
  void arrive(const Refused& refused);
  void arrive(NodeId from, Instant now, const LeaseQuestion& question);
  void arrive(const LeaseReport& report);
  bool issue_reads(Instant now);
  bool ask(Instant now, ReadMode mode, const std::vector<RequestId>& reads);
  void answer_read(Instant now, const ReadState& read);
  void settle_reads(Instant now);
  void settle_lease_reports();
  void settle_locks();
  void settle_members();
  void settle_snapshots();
  void expire(Instant now);
  void follow_leadership(Instant now);
  void follow_config();
  void begin(Instant now, RequestId id, Pending& pending);
  void ask_lease(Instant now, RequestId id, Pending& pending);
  void begin_change(RequestId id, const ChangeMembers& change);
  [[nodiscard]] bool is_changed(const ChangeMembers& change) const;
  [[nodiscard]] LeaseAnswer lease_answer(const LeaseTimeToLive& asked, std::int64_t remaining) const;
  [[nodiscard]] kv::Failure out_of_time(const Pending& pending) const;

  HostOptions options_;
  Raft raft_;
  kv::Store store_;
  std::unique_ptr<Lessor> lessor_;
  std::array<Output, 2> outputs_;
  Output* out_ = &outputs_[0];  // what is collected; the other one was flushed last
  HostCounters counters_;
  bool has_space_ = true;

  std::uint64_t last_request_ = 0;
  std::uint64_t last_sequence_ = 0;
  std::map<RequestId, Pending> pending_;
  std::set<std::pair<Instant, RequestId>> deadlines_;
  std::map<std::uint64_t, Flight> flights_;                        // by sequence
  std::deque<std::uint64_t> parked_;                               // flights without a leader to take them
  Term forwards_term_;                                             // the last one this node led in this life
  std::map<std::pair<NodeId, std::uint64_t>, Forwards> forwards_;  // by node and boot, in that term
  std::vector<RequestId> parked_questions_;                        // lease questions without a leader to answer them
  Instant unpark_at_;
  std::vector<RequestId> fresh_reads_;                    // no ticket yet
  std::map<ReadId, std::vector<RequestId>> asked_reads_;  // ticket taken
  std::multimap<LogIndex, ReadState> confirmed_reads_;    // wait until applied
  std::multimap<LogIndex, LeaseReport> lease_reports_;    // the same
  std::set<RequestId> locks_;                             // wait for their turn
  std::set<RequestId> changes_;                           // transfers and changes of members under way
  kv::Revision locks_seen_ = 0;

  Ready ready_;  // the last one, for the room it has
  std::deque<AfterDisk> after_disk_;
  std::deque<Held> held_;
  std::uint64_t durable_ = 0;
  std::optional<kv::Store> installed_;

  std::vector<Snapshot> snapshots_;  // durable here, oldest first
  bool exporting_ = false;
  LogIndex exported_at_;
  std::uint64_t bytes_since_ = 0;  // of the entries applied since then

  bool led_ = false;
  Term term_seen_;
  NodeId leader_seen_;
  Config config_seen_;
  std::uint64_t config_version_seen_ = 0;
};

}  // namespace faultline::raft
