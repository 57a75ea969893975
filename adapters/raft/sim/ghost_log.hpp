// GhostLog: what an all-seeing observer knows of all logs of a run: every entry that was ever in one, and which of them were ever known to
// be committed, with the state they lead to.
//
// An entry is told apart by its index, its term and its past: `chain` is a hash over it and everything before it, so two logs agree up to an
// index exactly if their chains there are equal (Log Matching, Raft §5.3, compared in constant time).
//
// The committed entries run through a store of the ghost's own, one after the other; nodes' stores are held against it.
//
// Memory: about 100 bytes an entry; the bytes of a command only until its index is committed.
#pragma once

#include <faultline/raft/kv/store.hpp>
#include <faultline/raft/types.hpp>

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace faultline::raft::sim {

class GhostLog {
 public:
  struct Noted {
    std::uint64_t chain = 0;
    bool first = false;    // nobody had an entry of this (index, term) before
    bool differs = false;  // somebody has one of this (index, term) with another content or past
  };
  // An entry in some log, behind an entry with the chain `before` (0 before index 1).
  Noted note(const Entry& entry, std::uint64_t before);
  // The chain at (index, term), if any log ever had that entry.
  [[nodiscard]] std::optional<std::uint64_t> chain(LogIndex index, Term term) const;

  struct Committed {
    Term term;
    std::uint64_t chain = 0;
    Term known_in;    // the lowest term of a node that knew
    NodeId known_by;  // the first one
  };
  [[nodiscard]] LogIndex commit() const { return {committed_.size()}; }
  // Nothing beyond commit().
  [[nodiscard]] const Committed* committed(LogIndex index) const;
  // A node of that term knows this entry to be committed. True: it is the ghost's at that index (now). REQUIRES: index <= commit() + 1.
  bool commit(LogIndex index, Term entry_term, std::uint64_t chain, Term known_in, NodeId by);
  // The highest index known to be committed in a term below this one.
  [[nodiscard]] LogIndex committed_before(Term term) const;

  // --- the state ------------------------------------------------------------------------------------------------------------------
  // How many of the committed entries have been run; less than commit() if an entry's bytes were never seen.
  [[nodiscard]] LogIndex applied() const { return store_.applied(); }
  // After that entry. Nothing if it was not run.
  [[nodiscard]] std::optional<kv::StateHash> state_hash(LogIndex index) const;
  // Called for each command as the ghost runs it.
  using Heard = std::function<void(const Entry& entry, const kv::Command* command, const kv::Reply& reply)>;
  void on_applied(Heard heard) { heard_ = std::move(heard); }

 private:
  struct Place {
    Term term;
    EntryKind kind = EntryKind::no_op;
    bool has_bytes = false;
    std::uint64_t chain = 0;
    std::string data;
  };
  [[nodiscard]] const Place* find(LogIndex index, Term term) const;
  void run();

  std::deque<std::vector<Place>> places_;  // by index - 1
  std::vector<Committed> committed_;       // by index - 1
  std::vector<kv::StateHash> hashes_;      // by index - 1
  kv::Store store_;
  Heard heard_;
};

}  // namespace faultline::raft::sim
