// The words of the Raft: terms, indexes, nodes, entries, configurations, snapshots. Values all, compared field by
// field.
//
// Index 0 and term 0 mean "none". The log of every member begins with the same entry (index 1, term 1): the
// configuration of the initial members. A configuration entry holds a whole Config (see codec.hpp), never a difference,
// so that the one in force at an index is the last at or below it.
#pragma once

#include <algorithm>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace faultline::raft {

// A number with a meaning: no two of them mix.
template <class Tag>
struct Number {
  std::uint64_t value = 0;

  explicit operator bool() const { return value != 0; }
  friend auto operator<=>(const Number&, const Number&) = default;
};

using Term = Number<struct TermTag>;
using NodeId = Number<struct NodeTag>;
// A node's membership without interruption: a removed node that is added again starts another, so that answers from its
// former life are told apart. So does a learner that becomes a voter: its disk may have been wiped meanwhile, and what
// it acknowledged before is not counted. Who was a voter keeps its stay as a learner. See learners_stay().
using StayId = Number<struct StayTag>;

struct LogIndex {
  std::uint64_t value = 0;

  explicit operator bool() const { return value != 0; }
  friend auto operator<=>(const LogIndex&, const LogIndex&) = default;
  friend LogIndex operator+(LogIndex index, std::uint64_t n) { return {index.value + n}; }
  // REQUIRES: n <= index.
  friend LogIndex operator-(LogIndex index, std::uint64_t n) { return {index.value - n}; }
  friend std::uint64_t operator-(LogIndex a, LogIndex b) { return a.value - b.value; }
  LogIndex& operator++() {
    ++value;
    return *this;
  }
};

// Stays grow with the configuration entry that begins them, and are odd if their node has, or had, a vote; that of the
// initial members is 1.
constexpr StayId learners_stay(LogIndex begun) { return {2 * begun.value}; }
constexpr StayId voters_stay(LogIndex begun) { return {2 * begun.value + 1}; }
constexpr LogIndex begin_of(StayId stay) { return {stay.value / 2}; }
constexpr bool has_had_a_vote(StayId stay) { return stay.value % 2 == 1; }

enum class EntryKind : std::uint8_t { no_op = 0, command = 1, config = 2 };

struct Entry {
  Term term;
  LogIndex index;
  EntryKind kind = EntryKind::no_op;
  std::string data;  // of a command: the host's bytes; of a configuration: an encoded Config

  // What it counts for in batches, windows and quotas.
  [[nodiscard]] std::uint64_t bytes() const { return data.size() + 24; }
  friend bool operator==(const Entry&, const Entry&) = default;
};

// "4/2 x": index, term and what it says.
std::string to_text(const Entry& entry);

// What must survive a crash beside the log. `commit` may lag behind; term and vote never do.
struct HardState {
  Term term;
  NodeId vote;  // 0: none in this term
  LogIndex commit;
  StayId stay;  // of this node, the latest that a leader named; 0: none did

  friend bool operator==(const HardState&, const HardState&) = default;
};

struct Member {
  NodeId id;
  StayId stay;
  std::string address;  // the host's: how to reach it; carried along, never read here

  friend bool operator==(const Member&, const Member&) = default;
};

// Of one group, learners included.
inline constexpr std::size_t members_max = 32;

// Who votes and who only listens (Raft §6). While `outgoing` is not empty the configuration is joint: elections and
// commits need a majority of `voters` and one of `outgoing`. Each list is sorted by id, without repetition; no node is
// in `voters` and in `learners`.
struct Config {
  std::vector<Member> voters;
  std::vector<Member> outgoing;
  std::vector<Member> learners;

  [[nodiscard]] bool empty() const { return voters.empty(); }
  [[nodiscard]] bool joint() const { return !outgoing.empty(); }
  // The member with this id, whatever its part; null if there is none.
  [[nodiscard]] const Member* find(NodeId id) const;
  // Whether its vote counts, in either majority.
  [[nodiscard]] bool is_voter(NodeId id) const;
  // Every member once, sorted by id.
  [[nodiscard]] std::vector<Member> members() const;
  friend bool operator==(const Config&, const Config&) = default;
};

// "voters 1 2 3, outgoing 1 2, learners 4"
std::string to_text(const Config& config);

// What a snapshot is; its bytes are the host's. Two snapshots are the same, and a transfer of one may be resumed by
// another leader, exactly if all fields are equal.
struct Snapshot {
  LogIndex index;  // the last entry *applied* to the state inside
  Term term;       // of that entry
  Config config;   // in force at that index
  std::uint64_t size = 0;
  std::uint32_t checksum = 0;  // CRC32C of all bytes (crc32c.hpp)

  friend bool operator==(const Snapshot&, const Snapshot&) = default;
};

// Names a read for ever: the node that took it, that node's start, a number counted up in it.
struct ReadId {
  NodeId node;
  std::uint64_t boot = 0;
  std::uint64_t sequence = 0;

  friend auto operator<=>(const ReadId&, const ReadId&) = default;
};

}  // namespace faultline::raft
