#include "invariants.hpp"

#include <faultline/raft/codec.hpp>
#include <faultline/raft/membership.hpp>
#include <faultline/raft/quorum.hpp>
#include <faultline/rng.hpp>

#include <algorithm>

#include "node.hpp"

namespace faultline::raft::test {

namespace {

std::string name(NodeId id) { return "node " + std::to_string(id.value); }
std::string at(LogIndex index, Term term) { return std::to_string(index.value) + "/" + std::to_string(term.value); }

std::uint64_t hash_of(std::uint64_t before, const Entry& entry) {
  std::uint64_t hash =
      mix64(before ^ (entry.term.value << 20) ^ entry.index.value) + static_cast<std::uint64_t>(entry.kind);
  for (const char c : entry.data) hash = mix64(hash ^ static_cast<unsigned char>(c)) + 1;
  return hash;
}

bool all_majorities_meet(const std::vector<Member>& a, const std::vector<Member>& b) {
  // A majority of each side can be chosen apart from the other's exactly if the nodes only one of them has suffice.
  std::size_t shared = 0;
  for (const Member& m : a) shared += std::count_if(b.begin(), b.end(), [&](const Member& n) { return n.id == m.id; });
  return majority(a.size()) + majority(b.size()) > a.size() + b.size() - shared;
}

// Any quorum of one configuration and any of the other have a node in common if some pair of their halves always has.
bool quorums_meet(const Config& a, const Config& b) {
  for (const auto* x : {&a.voters, &a.outgoing}) {
    for (const auto* y : {&b.voters, &b.outgoing}) {
      if (!x->empty() && !y->empty() && all_majorities_meet(*x, *y)) return true;
    }
  }
  return false;
}

}  // namespace

void Invariants::violated(const std::string& what) {
  if (violations_.size() < 20) violations_.push_back(what);
}

void Invariants::check_state(const Status& s, bool restarted) {
  ++checks_;
  Seen& seen = nodes_[s.id];
  trace_ = mix64(trace_ ^ (s.id.value * 31 + s.term.value * 7 + s.commit.value + s.last.value * 131) ^
                 (static_cast<std::uint64_t>(s.role) << 50));
  if (s.commit > s.last) violated("MON: " + name(s.id) + " has committed more than it holds");
  if (!restarted) {  // what was only in memory may be lost; what was told to others is held against the disk
    if (s.term < seen.term) violated("MON: the term of " + name(s.id) + " fell");
    if (s.commit < seen.commit) violated("MON: the commit index of " + name(s.id) + " fell");
    if (s.term == seen.term && seen.vote && s.vote != seen.vote) violated("MON: " + name(s.id) + " changed its vote");
  }
  seen.term = s.term;
  seen.vote = s.vote;
  seen.commit = s.commit;
  if (s.role == Role::leader) check_leader(s);
}

void Invariants::check_leader(const Status& s) {
  const auto [known, fresh] = leaders_.emplace(s.term, s.id);
  if (known->second != s.id) {
    violated("ES: " + name(known->second) + " and " + name(s.id) + " lead in term " + std::to_string(s.term.value));
  }
  if (!fresh) return;
  const Seen& seen = nodes_[s.id];
  for (const auto& [index, committed] : ghost_) {
    if (committed.known_in >= s.term || index < s.first) continue;
    const auto mine = seen.log.find(index);
    if (mine == seen.log.end() || mine->second != committed.term) {
      violated("LC: " + name(s.id) + " leads term " + std::to_string(s.term.value) + " without " +
               at(index, committed.term));
      return;
    }
  }
}

void Invariants::restore_log(NodeId node, const Disk& disk) {
  Seen& seen = nodes_[node];
  seen.log.clear();
  seen.applied = disk.snapshot ? disk.snapshot->index : LogIndex{};
  if (disk.snapshot) seen.log[disk.snapshot->index] = disk.snapshot->term;
  for (const Entry& entry : disk.log) seen.log[entry.index] = entry.term;
}

void Invariants::check_ready(const Status& s, const Ready& ready) {
  Seen& seen = nodes_[s.id];
  if (ready.snapshot) {
    if (ready.snapshot->index <= seen.applied) violated("MON: " + name(s.id) + " installs a snapshot of its past");
    seen.log.clear();
    seen.log[ready.snapshot->index] = ready.snapshot->term;
    seen.applied = ready.snapshot->index;
  }
  if (!ready.entries.empty() && s.role == Role::leader && !ready.snapshot && !seen.log.empty()) {
    const auto same = seen.log.find(ready.entries.front().index);
    if (same != seen.log.end() && leaders_[s.term] == s.id && same->second == s.term) {
      violated("LA: leader " + name(s.id) + " writes " + at(same->first, same->second) + " again");
    }
  }
  note_log(s, ready.entries);
}

// Log Matching, over every log that ever was: the same (index, term) never has another past.
void Invariants::note_log(const Status& s, const std::vector<Entry>& entries) {
  if (entries.empty()) return;
  const NodeId node = s.id;
  Seen& seen = nodes_[node];
  seen.log.erase(seen.log.lower_bound(entries.front().index), seen.log.end());
  for (const Entry& entry : entries) {
    std::uint64_t before = 0;
    if (entry.index.value > 1) {
      const auto previous = seen.log.find(entry.index - 1);
      if (previous == seen.log.end()) {
        violated("LM: a hole before " + std::to_string(entry.index.value) + " at " + name(node));
        return;
      }
      before = prefixes_[{previous->first, previous->second}];
    }
    const std::uint64_t hash = hash_of(before, entry);
    const auto [known, first] = prefixes_.emplace(Position{entry.index, entry.term}, hash);
    if (known->second != hash) violated("LM: " + at(entry.index, entry.term) + " has two pasts, one at " + name(node));
    if (entry.kind == EntryKind::config && first) check_config(entry, seen, s.commit);
    seen.log[entry.index] = entry.term;
  }
}

void Invariants::check_config(const Entry& entry, const Seen& seen, LogIndex commit) {
  const auto config = decode_config(entry.data);
  if (!config) return violated("CFG: " + at(entry.index, entry.term) + " is no configuration");
  configs_[{entry.index, entry.term}] = config.value();
  // The one before it in the same log.
  const Config* before = nullptr;
  LogIndex where;
  for (const auto& [index, term] : seen.log) {
    if (index >= entry.index) break;
    const auto found = configs_.find({index, term});
    if (found != configs_.end()) {
      before = &found->second;
      where = index;
    }
  }
  if (!before) return;
  if (!quorums_meet(*before, config.value())) violated("CFG: quorums need not meet at " + at(entry.index, entry.term));
  if (where > commit) violated("CFG: two changes in flight at " + at(entry.index, entry.term));
}

void Invariants::check_sent(const Message& message, const Disk& disk) {
  const bool speaks_of_its_term =
      std::holds_alternative<Append>(message.body) || std::holds_alternative<AppendReply>(message.body);
  if (speaks_of_its_term && message.term > disk.hard_state.term) {
    violated("MON: " + name(message.from) + " speaks of a term it has not stored");
  }
  if (const auto* answer = std::get_if<VoteReply>(&message.body); answer && answer->granted && !answer->pre) {
    const bool stored = disk.hard_state.term > message.term || disk.hard_state.vote == message.to;
    if (!stored) violated("MON: the vote of " + name(message.from) + " is not stored");
  }
  const auto* granted = std::get_if<VoteReply>(&message.body);
  const auto* asked = std::get_if<VoteRequest>(&message.body);
  if ((granted && granted->granted && !granted->pre) || (asked && !asked->pre)) {
    const NodeId choice = granted ? message.to : message.from;
    const auto [vote, first] = votes_.emplace(std::pair(message.from, message.term), choice);
    if (vote->second != choice) {
      violated("MON: " + name(message.from) + " votes twice in term " + std::to_string(message.term.value));
    }
  }
  if (const auto* answer = std::get_if<AppendReply>(&message.body); answer && answer->accepted) {
    const bool stored = disk.last() >= answer->match || disk.hard_state.term > message.term;
    if (!stored) violated("MON: " + name(message.from) + " acknowledges what is not stored");
  }
}

void Invariants::check_applied(NodeId node, const Entry& entry, std::uint64_t state_hash) {
  Seen& seen = nodes_[node];
  const std::string text = to_text(entry);
  const auto [known, first] = ghost_.emplace(entry.index, Committed{entry.term, seen.term, text});
  if (known->second.term != entry.term || known->second.text != text) {
    violated("SMS: " + name(node) + " applies " + text + " where " + known->second.text + " was applied");
  }
  known->second.known_in = std::min(known->second.known_in, seen.term);
  seen.applied = entry.index;
  check_snapshot(node, entry.index, state_hash);
  if (first && known != ghost_.begin() && std::prev(known)->first + 1 != entry.index) {
    violated("SMS: " + name(node) + " applies " + text + " before its predecessor");
  }
}

void Invariants::check_snapshot(NodeId node, LogIndex applied, std::uint64_t state_hash) {
  const auto [state, first] = states_.emplace(applied, state_hash);
  if (state->second != state_hash)
    violated("D: the state of " + name(node) + " differs at " + std::to_string(applied.value));
  nodes_[node].applied = std::max(nodes_[node].applied, applied);
}

void Invariants::check_read(NodeId node, LogIndex then, LogIndex answered) {
  if (answered < then) {
    violated("RD: " + name(node) + " reads at " + std::to_string(answered.value) + ", committed was " +
             std::to_string(then.value));
  }
}

void Invariants::forget(NodeId node) {
  nodes_.erase(node);
  std::erase_if(votes_, [&](const auto& vote) { return vote.first.first == node; });
}

}  // namespace faultline::raft::test
