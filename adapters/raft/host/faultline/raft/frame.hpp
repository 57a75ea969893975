// What nodes send each other: the core's messages, and the few words hosts exchange about their clients' requests.
//
// A frame may be lost, repeated, delayed and reordered, as every message of the core. `boot` is that of the node that asked; a word
// for an earlier life of it is ignored.
#pragma once

#include <faultline/raft/core.hpp>
#include <faultline/raft/kv/command.hpp>

#include <variant>

namespace faultline::raft {

// "Propose this": a follower hands a client's command to the leader of that term, once. The entry names its origin (host.hpp), so the
// follower learns the reply when it applies it; only a refusal is sent back. A frame that comes twice must not be appended twice: the
// leader of a term remembers which ones it had, and whoever cannot remember (it started since, or leads another term) says nothing.
struct Forward {
  Term term;
  std::uint64_t boot = 0;
  std::uint64_t sequence = 0;
  std::string entry;
  friend bool operator==(const Forward&, const Forward&) = default;
};
// It was not appended and never will be.
struct Refused {
  std::uint64_t boot = 0;
  std::uint64_t sequence = 0;
  Outcome outcome = Outcome::not_leader;
  friend bool operator==(const Refused&, const Refused&) = default;
};
// How long does this lease live? Only the leader counts.
struct LeaseQuestion {
  std::uint64_t boot = 0;
  std::uint64_t request = 0;
  kv::LeaseId id = kv::no_lease;
  friend bool operator==(const LeaseQuestion&, const LeaseQuestion&) = default;
};
struct LeaseReport {
  std::uint64_t boot = 0;
  std::uint64_t request = 0;
  bool leads = false;           // else the rest says nothing
  std::int64_t remaining = -1;  // seconds; -1: no such lease
  LogIndex applied;             // of the leader when it said so
  friend bool operator==(const LeaseReport&, const LeaseReport&) = default;
};

using Word = std::variant<Message, Forward, Refused, LeaseQuestion, LeaseReport>;

struct Frame {
  NodeId from;
  NodeId to;
  Word word;
  friend bool operator==(const Frame&, const Frame&) = default;
};

// Little-endian, one version byte first, CRC32C of all before it last: what carries frames may damage them, and TCP's own checksum is weak.
// Decoding checks it and every bound; the error is bad_input.
// `room` is memory to use; what it holds is gone.
std::string encode(const Frame& frame, std::string room = {});
Result<Frame> decode_frame(std::string_view bytes);
// Into a fresh frame, where it lies.
Result<void> decode_frame(std::string_view bytes, Frame& into);

}  // namespace faultline::raft
