// What nodes say to each other. Messages may be lost, repeated, delayed and reordered at will; none is ever needed
// twice in the same order.
//
// `term` is the sender's term (of a pre-vote: the term it asks about). A request of a leader or candidate carries in
// `stay` the recipient's stay, and the reply echoes it: a reply of another stay is not counted. (To join is asked in the
// leader's term and for the stay that the leader named.)
#pragma once

#include <string>
#include <variant>
#include <vector>

#include <faultline/raft/types.hpp>

namespace faultline::raft {

// First boot: what the sender's disk held when it was sent (core.hpp, "First boot").
enum class Founding : std::uint8_t {
  empty = 0,     // nothing at all
  founded = 1,   // the initial configuration, nothing beyond
  seasoned = 2,  // a log or a term beyond it
};
struct Hello {
  Founding founding = Founding::empty;
  bool reply = false;
  std::uint64_t boot = 0;  // of the start that asked; echoed, so that no answer to a former life counts
  friend bool operator==(const Hello&, const Hello&) = default;
};

// Raft §5.2 and §5.4.1; dissertation §9.6 (pre-vote).
struct VoteRequest {
  bool pre = false;
  bool transfer = false;  // asked to by the leader itself: no promise to it stands in the way
  LogIndex last_index;
  Term last_term;
  std::uint64_t boot = 0;  // of the start that asks; echoed, for what a former life was granted is not this one's
  friend bool operator==(const VoteRequest&, const VoteRequest&) = default;
};
struct VoteReply {
  bool pre = false;
  bool granted = false;
  std::uint64_t boot = 0;  // of the request
  friend bool operator==(const VoteReply&, const VoteReply&) = default;
};

// Raft §5.3. Without entries it is the heartbeat. `round` is the newest heartbeat round begun when it was sent.
struct Append {
  LogIndex prev_index;
  Term prev_term;
  LogIndex commit;
  std::uint64_t round = 0;
  std::vector<Entry> entries;
  friend bool operator==(const Append&, const Append&) = default;
};
struct AppendReply {
  bool accepted = false;
  LogIndex prev_index;  // of the request
  LogIndex match;       // accepted: prev_index + its entries
  LogIndex hint_index;  // refused: the last index that may match, and its term here
  Term hint_term;
  std::uint64_t round = 0;
  friend bool operator==(const AppendReply&, const AppendReply&) = default;
};

// Raft §7, in chunks. Leaves the core with `length` set and without bytes: the host fills bytes and crc from its file.
struct SnapshotChunk {
  Snapshot snapshot;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  std::string bytes;
  std::uint32_t crc = 0;  // CRC32C of bytes
  std::uint64_t round = 0;
  friend bool operator==(const SnapshotChunk&, const SnapshotChunk&) = default;
};
struct SnapshotReply {
  LogIndex index;  // which snapshot
  Term snapshot_term;
  std::uint32_t checksum = 0;
  std::uint64_t wanted = 0;  // the next offset
  bool installed = false;    // all of it is here, or nothing of it is needed
  std::uint64_t round = 0;
  friend bool operator==(const SnapshotReply&, const SnapshotReply&) = default;
};

// A follower asks its leader for a read index (dissertation §6.4).
struct ReadRequest {
  ReadId id;
  friend bool operator==(const ReadRequest&, const ReadRequest&) = default;
};
struct ReadReply {
  ReadId id;
  LogIndex index;  // 0: refused, ask again
  friend bool operator==(const ReadReply&, const ReadReply&) = default;
};

// Dissertation §3.10: campaign at once.
struct TimeoutNow {
  friend bool operator==(const TimeoutNow&, const TimeoutNow&) = default;
};

// A node that was started empty, to be added to a running group, asks the leader that feeds it; and is told whether it
// has had a vote (core.hpp, "To join").
struct JoinRequest {
  std::uint64_t boot = 0;  // of the start that asks
  friend bool operator==(const JoinRequest&, const JoinRequest&) = default;
};
struct JoinReply {
  std::uint64_t boot = 0;  // of the request
  bool has_had_a_vote = false;
  friend bool operator==(const JoinReply&, const JoinReply&) = default;
};

using Body = std::variant<Hello, VoteRequest, VoteReply, Append, AppendReply, SnapshotChunk, SnapshotReply, ReadRequest,
                          ReadReply, TimeoutNow, JoinRequest, JoinReply>;

struct Message {
  NodeId from;
  NodeId to;
  Term term;
  StayId stay;  // the stay of the follower or voter among the two
  Body body;
  friend bool operator==(const Message&, const Message&) = default;
};

// "append", "vote-reply", …: the kind's name in scripts, metrics and events.
std::string_view kind_of(const Message& message);
// One line for transcripts: "1->2 append t3 prev 4/2 commit 4 round 7 [5/3 x]".
std::string to_text(const Message& message);

}  // namespace faultline::raft
