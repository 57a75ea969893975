// What nodes write and say: logs, leaders, votes, promises.
#include "invariants.hpp"

#include <faultline/raft/codec.hpp>
#include <faultline/raft/quorum.hpp>

#include <fmt/format.h>

#include <algorithm>

namespace faultline::raft::sim {
namespace {

constexpr std::size_t slots_kept = 4096;

std::string name(NodeId id) { return fmt::format("n{}", id.value); }
std::string at(LogIndex index, Term term) { return fmt::format("{}/{}", index.value, term.value); }

// Any majority of the one and any of the other have a node in common.
bool all_majorities_meet(const std::vector<Member>& a, const std::vector<Member>& b) {
  const auto shared = static_cast<std::size_t>(std::count_if(a.begin(), a.end(), [&](const Member& m) {
    return std::any_of(b.begin(), b.end(), [&](const Member& n) { return n.id == m.id; });
  }));
  return majority(a.size()) + majority(b.size()) > a.size() + b.size() - shared;
}

bool quorums_meet(const Config& a, const Config& b) {
  for (const auto* x : {&a.voters, &a.outgoing}) {
    for (const auto* y : {&b.voters, &b.outgoing}) {
      if (!x->empty() && !y->empty() && all_majorities_meet(*x, *y)) return true;
    }
  }
  return false;
}

}  // namespace

Invariants::Invariants(Probes& probes) : probes_(probes) {
  ghost_.on_applied(
      [this](const Entry& entry, const kv::Command* command, const kv::Reply& reply) { hear(entry, command, reply); });
}

void Invariants::found(const char* detector, std::string sentence) {
  if (findings_.size() < findings_max) findings_.push_back({detector, std::move(sentence)});
}

Invariants::Node& Invariants::node(NodeId id) {
  if (nodes_.size() < id.value) nodes_.resize(id.value);
  return nodes_[id.value - 1];
}

const Invariants::Slot* Invariants::LogView::at(LogIndex index) const {
  if (index == base) return &at_base;
  if (index < base || index > last()) return nullptr;
  return &slots[static_cast<std::size_t>(index - base - 1)];
}

void Invariants::LogView::cut(LogIndex first) {
  while (!slots.empty() && last() >= first) slots.pop_back();
  while (!configs.empty() && configs.back() >= first) configs.pop_back();
}

// --- steps ----------------------------------------------------------------------------------------------------------------------

void Invariants::emitted(NodeId id, const NodeState& state, const DiskJob& job) {
  Node& n = node(id);
  Promise promise = n.jobs.empty() ? n.synced.back() : n.jobs.back();
  promise.number = job.number;
  promise.cut_from = {};
  if (job.snapshot) {
    const Snapshot& snapshot = *job.snapshot;
    probes_.hit(Probe::snapshot_installed);
    if (!n.jobs.empty()) probes_.hit(Probe::snapshot_installed_with_jobs_outstanding);
    const auto* committed = ghost_.committed(snapshot.index);
    if (snapshot.index <= n.applied) {
      found("MON", fmt::format("{} installs a snapshot at {}, having applied {}", name(id),
                               at(snapshot.index, snapshot.term), n.applied.value));
    }
    if (committed == nullptr || committed->term != snapshot.term) {
      found("SMS", fmt::format("{} installs a snapshot at {}, which {}", name(id), at(snapshot.index, snapshot.term),
                               committed == nullptr ? "nobody knows to be committed"
                                                    : "is not the committed " + at(snapshot.index, committed->term)));
    }
    const Slot* held = n.log.at(snapshot.index);
    if (held == nullptr || held->term != snapshot.term) {
      n.log = {.base = snapshot.index,
               .at_base = {snapshot.term, committed == nullptr ? 0 : committed->chain},
               .slots = {},
               .configs = {}};
      promise.cut_from = snapshot.index + 1;
    } else if (n.log.last() > snapshot.index) {  // Raft §7, Figure 13, rule 6: what follows there stays
      found("MON", fmt::format("{} drops {} and what is before it for a snapshot at {}, an entry that it holds",
                               name(id), n.log.last().value, at(snapshot.index, snapshot.term)));
    }
  }
  if (!job.entries.empty()) {
    if (job.entries.front().index <= n.log.last()) promise.cut_from = job.entries.front().index;
    note_entries(id, n, state, job.entries);
  }
  if (job.hard_state) {
    const HardState& hard = *job.hard_state;
    if (hard.term > promise.term && !n.jobs.empty() && n.jobs.back().last > n.synced.back().last) {
      probes_.hit(Probe::term_changed_before_append_was_durable);
    }
    if (hard.term < promise.term) {
      found("MON", fmt::format("{} writes term {} after {}", name(id), hard.term.value, promise.term.value));
    }
    if (hard.term == promise.term && promise.vote && hard.vote != promise.vote) {
      found("MON", fmt::format("{} changes its vote of term {} from n{} to n{}", name(id), hard.term.value,
                               promise.vote.value, hard.vote.value));
    }
    promise.term = hard.term;
    promise.vote = hard.vote;
  }
  promise.last = n.log.last();
  if (const Slot* last = n.log.at(promise.last)) promise.at_last = *last;
  n.jobs.push_back(promise);
}

// Log Matching, over every log that ever was.
void Invariants::note_entries(NodeId id, Node& n, const NodeState& state, const std::vector<Entry>& entries) {
  const LogIndex first = entries.front().index;
  if (first <= n.log.last()) {
    probes_.hit(Probe::suffix_cut);
    const Slot* oldest = n.log.at(first);
    const Slot* newest = n.log.at(n.log.last());
    if (oldest != nullptr && newest != nullptr && oldest->term != newest->term) {
      probes_.hit(Probe::suffix_of_several_terms_cut);
    }
    if (!n.log.configs.empty() && n.log.configs.back() >= first) probes_.hit(Probe::configuration_cut);
    if (n.leads && state.leads && n.term == state.term) {
      found("LA", fmt::format("{}, leader of term {}, writes index {} again", name(id), n.term.value, first.value));
    }
    if (first <= n.commit) {
      found("MON", fmt::format("{} cuts its log from {} on, having known {} to be committed", name(id), first.value,
                               n.commit.value));
    }
    n.new_members = n.new_members || (!n.log.configs.empty() && n.log.configs.back() >= first);
    n.log.cut(first);
  }
  if (first != n.log.last() + 1) {
    found("LM", fmt::format("{} writes index {} behind {}", name(id), first.value, n.log.last().value));
    return;
  }
  for (const Entry& entry : entries) {
    const Slot* before = n.log.at(entry.index - 1);
    const GhostLog::Noted noted = ghost_.note(entry, before == nullptr ? 0 : before->chain);
    if (noted.differs) {
      found("LM", fmt::format("{} has another past or content at {} than others: {}", name(id),
                              at(entry.index, entry.term), describe(entry)));
      // From here on it is told apart by what the others have, so that one fault is one finding.
    }
    n.log.slots.push_back({entry.term, noted.differs ? *ghost_.chain(entry.index, entry.term) : noted.chain});
    if (entry.kind != EntryKind::config) continue;
    if (noted.first) check_config(id, n, state, entry);
    n.log.configs.push_back(entry.index);
    n.new_members = true;
  }
}

void Invariants::check_members(NodeId id, const Node& n, const NodeState& state) {
  if (state.config == nullptr || n.log.configs.empty()) return;
  const LogIndex where = n.log.configs.back();
  const Slot* slot = n.log.at(where);
  const auto last = slot == nullptr ? configs_.end() : configs_.find({where, slot->term});
  if (last == configs_.end() || last->second == *state.config) return;
  found("CFG", fmt::format("{} acts under the members {}, and the last configuration of its log, at {}, says {}",
                           name(id), to_text(*state.config), at(where, slot->term), to_text(last->second)));
}

void Invariants::check_config(NodeId id, const Node& n, const NodeState& state, const Entry& entry) {
  const auto config = decode_config(entry.data);
  if (!config) return found("CFG", fmt::format("{} is no configuration", at(entry.index, entry.term)));
  configs_[{entry.index, entry.term}] = config.value();
  if (config.value().joint()) probes_.hit(Probe::joint_configuration);
  if (n.log.configs.empty()) return;
  const LogIndex where = n.log.configs.back();
  const Slot* slot = n.log.at(where);
  if (slot == nullptr) return;
  const auto before = configs_.find({where, slot->term});
  if (before != configs_.end() && !quorums_meet(before->second, config.value())) {
    found("CFG", fmt::format("{} appends {}: its quorums ({}) need not meet those before ({})", name(id),
                             at(entry.index, entry.term), to_text(config.value()), to_text(before->second)));
  }
  if (where > state.commit) {
    found("CFG", fmt::format("{} appends a change of members at {} before the one at {} is committed", name(id),
                             at(entry.index, entry.term), where.value));
  }
  const auto* committed = ghost_.committed(state.commit);
  if (committed != nullptr && committed->term != entry.term) {
    found("CFG", fmt::format("{} appends a change of members at {}, its first commit of that term still to come",
                             name(id), at(entry.index, entry.term)));
  }
}

void Invariants::persisted(NodeId id, std::uint64_t number, bool synced) {
  Node& n = node(id);
  if (!synced && n.fsync) return;
  constexpr std::size_t syncs_kept = 5;
  if (n.jobs.empty() || n.jobs.front().number > number) return;
  std::size_t jobs = 0;
  for (; !n.jobs.empty() && n.jobs.front().number <= number; ++jobs) {
    n.synced.push_back(n.jobs.front());
    n.jobs.pop_front();
    // Of the jobs of one sync the last tells.
    if (jobs > 0) n.synced.erase(n.synced.end() - 2);
  }
  if (jobs > 1) probes_.hit(Probe::jobs_shared_a_sync);
  if (n.synced.size() > syncs_kept) n.synced.pop_front();
}

void Invariants::stepped(NodeId id, const NodeState& state, const kv::Store& store) {
  Node& n = node(id);
  const Term term = state.term;
  const LogIndex commit = state.commit;
  const LogIndex applied = store.applied();
  const bool leads = state.leads;
  if (std::exchange(n.new_members, false)) check_members(id, n, state);
  if (leads && commit > n.commit) check_quorum(id, n, state);
  if (state.config != nullptr && leads && (state.config_version == 0 || n.counted_version != state.config_version)) {
    n.counted_by = *state.config;
    n.counted_version = state.config_version;
  }
  if (term == n.term && commit == n.commit && applied == n.applied && leads == n.leads) return;
  if (term < n.term)
    found("MON", fmt::format("the term of {} falls from {} to {}", name(id), n.term.value, term.value));
  if (leads && (!n.leads || term != n.term)) check_leader(id, term);
  if (commit < n.commit) {
    found("MON", fmt::format("the commit index of {} falls from {} to {}", name(id), n.commit.value, commit.value));
  }
  if (commit != n.commit && commit > n.log.last()) {
    found("MON",
          fmt::format("{} has committed {}, and its log ends at {}", name(id), commit.value, n.log.last().value));
  }
  if (commit > n.commit) check_commit(id, n, commit, term);
  if (applied > commit) {
    found("MON", fmt::format("{} has applied {}, and committed only {}", name(id), applied.value, commit.value));
  }
  if (applied < n.applied) {
    found("MON", fmt::format("the applied index of {} falls from {} to {}", name(id), n.applied.value, applied.value));
  }
  if (applied != n.applied) check_state(id, store, "applied");
  n.term = term;
  n.commit = commit;
  n.applied = applied;
  n.leads = leads;
  if (n.log.slots.size() > slots_kept && n.log.base + slots_kept / 2 < commit) {
    const LogIndex base = n.log.base + slots_kept / 2;
    n.log.at_base = *n.log.at(base);
    n.log.slots.erase(n.log.slots.begin(), n.log.slots.begin() + slots_kept / 2);
    n.log.base = base;
  }
}

// --- leaders and votes ----------------------------------------------------------------------------------------------------------

void Invariants::check_leader(NodeId id, Term term) {
  if (last_leader_ == std::pair(term, id)) return;
  const auto [known, fresh] = leaders_.emplace(term, id);
  if (known->second != id) {
    found("ES", fmt::format("{} and {} both lead in term {}", name(known->second), name(id), term.value));
    return;
  }
  last_leader_ = {term, id};
  if (!fresh) return;
  for (const Node& other : nodes_) {
    if (other.alive && other.leads && &other != &node(id)) {
      probes_.hit(Probe::two_believe_they_lead);
      break;
    }
  }
  const Node& n = node(id);
  if (!n.log.configs.empty()) {
    const Slot* slot = n.log.at(n.log.configs.back());
    const auto config = slot == nullptr ? configs_.end() : configs_.find({n.log.configs.back(), slot->term});
    if (config != configs_.end() && config->second.joint()) probes_.hit(Probe::leader_elected_in_joint_configuration);
  }
  check_completeness(id, n, term);
}

void Invariants::check_completeness(NodeId id, const Node& n, Term term) {
  const LogIndex must = ghost_.committed_before(term);
  const auto holds = [&](LogIndex index) {
    if (index <= n.log.base) return true;
    const Slot* slot = n.log.at(index);
    return slot != nullptr && slot->chain == ghost_.committed(index)->chain;
  };
  if (!must || holds(must)) return;
  LogIndex missing = must;
  while (missing.value > 1 && !holds(missing - 1)) missing = missing - 1;
  const auto* lost = ghost_.committed(missing);
  found("LC", fmt::format("{} leads term {} without {}, which {} knew to be committed in term {}", name(id), term.value,
                          at(missing, lost->term), name(lost->known_by), lost->known_in.value));
}

// A node whose disk was wiped while nobody held more than the initial configuration founds the group again, and knows nothing of how it
// voted (core.hpp, "First boot"). That is sound if nobody can count the former vote any more: if whom it was for was wiped too (itself, most
// often) and never led. Whoever else asked for it is not wiped, holds the term, and had to refuse the node.
void Invariants::check_vote(NodeId voter, Term term, NodeId choice) {
  const Vote vote{choice, wipes_[voter], wipes_[choice]};
  const auto [known, first] = votes_.emplace(std::pair(term, voter), vote);
  const Vote former = std::exchange(known->second, vote);
  if (former.choice == choice) return;
  const auto leader = leaders_.find(term);
  const bool led = leader != leaders_.end() && leader->second == former.choice;
  const bool is_void = former.voters_life != vote.voters_life && former.choices_life != wipes_[former.choice] && !led;
  if (is_void) return;
  found("MON", fmt::format("{} votes for {} and for {} in term {}", name(voter), name(former.choice), name(choice),
                           term.value));
}

void Invariants::sent(const Message& message) {
  if (std::holds_alternative<Append>(message.body)) {
    check_leader(message.from, message.term);
    if (message.term > node(message.from).synced.back().term) check_promise(message);
    return;
  }
  if (const auto* reply = std::get_if<VoteReply>(&message.body)) {
    if (!reply->granted || reply->pre) return;
    check_vote(message.from, message.term, message.to);
    return check_promise(message);
  }
  if (const auto* request = std::get_if<VoteRequest>(&message.body)) {
    if (request->pre) return;
    check_vote(message.from, message.term, message.from);
    return check_promise(message);
  }
  if (std::holds_alternative<AppendReply>(message.body)) check_promise(message);
}

// What must be on disk before it is said (Figure 2: "updated on stable storage before responding").
void Invariants::check_promise(const Message& message) {
  const Promise& durable = node(message.from).synced.back();
  if (message.term > durable.term) {
    return found("MON", fmt::format("{} speaks in term {}, its disk is at {}: {}", name(message.from),
                                    message.term.value, durable.term.value, to_text(message)));
  }
  if (durable.term > message.term) return;  // overtaken; it was durable when it was composed
  const bool votes =
      std::holds_alternative<VoteReply>(message.body) || std::holds_alternative<VoteRequest>(message.body);
  const NodeId choice = std::holds_alternative<VoteReply>(message.body) ? message.to : message.from;
  if (votes && durable.vote != choice) {
    found("MON", fmt::format("{} votes for {} in term {} before its disk has it", name(message.from), name(choice),
                             message.term.value));
  }
  const auto* reply = std::get_if<AppendReply>(&message.body);
  if (reply != nullptr && reply->accepted && reply->match > durable.last) {
    found("MON", fmt::format("{} acknowledges {} to {}, leader of term {}, before its disk has it: that ends at {}",
                             name(message.from), reply->match.value, name(message.to), message.term.value,
                             durable.last.value));
  }
}

// --- what is committed ----------------------------------------------------------------------------------------------------------

void Invariants::check_commit(NodeId id, Node& n, LogIndex commit, Term term) {
  bool older = false;
  for (LogIndex index = n.commit + 1; index <= std::min(commit, n.log.last()); ++index) {
    const Slot* slot = n.log.at(index);
    if (slot == nullptr) continue;  // in the snapshot, which was compared
    if (index > ghost_.commit() + 1) {
      return found("SMS", fmt::format("{} takes {} for committed, and nobody knows its predecessor to be", name(id),
                                      at(index, slot->term)));
    }
    if (!ghost_.commit(index, slot->term, slot->chain, term, id)) {
      const auto* known = ghost_.committed(index);
      return found("SMS", fmt::format("{} takes {} for committed where {} had {}", name(id), at(index, slot->term),
                                      name(known->known_by), at(index, known->term)));
    }
    older = older || slot->term < term;
  }
  if (older && n.leads) probes_.hit(Probe::older_term_committed_by_newer);
}

// By the configuration it counted by: the one in force before this step, or the one after it.
void Invariants::check_quorum(NodeId id, const Node& n, const NodeState& state) {
  const Slot* slot = n.log.at(state.commit);
  if (slot == nullptr || state.config == nullptr) return;
  for (const Config* config : {&n.counted_by, state.config}) {
    if (config->empty()) return;
    if (on_majority(config->voters, state.commit, *slot) &&
        (config->outgoing.empty() || on_majority(config->outgoing, state.commit, *slot)))
      return;
  }
  found("CQ",
        fmt::format("{}, leader of term {}, takes {} for committed, which is not on the disks of a majority of {}",
                    name(id), state.term.value, at(state.commit, slot->term), to_text(*state.config)));
}

// In doubt a node has it: one whose disk was damaged, or does not sync, may have had it when it said so.
bool Invariants::on_majority(const std::vector<Member>& voters, LogIndex index, const Slot& slot) const {
  const auto holds = [&](const Member& voter) {
    if (voter.id.value > nodes_.size()) return false;
    const Node& node = nodes_[voter.id.value - 1];
    if (node.rotten || !node.fsync || node.synced.empty() || index <= node.log.base) return true;
    const Slot* held = node.log.at(index);
    return held != nullptr && held->chain == slot.chain && node.synced.back().last >= index;
  };
  return static_cast<std::size_t>(std::count_if(voters.begin(), voters.end(), holds)) >= majority(voters.size());
}

void Invariants::check_state(NodeId id, const kv::Store& store, const char* when) {
  const auto expected = ghost_.state_hash(store.applied());
  if (!expected || *expected == store.hash()) return;
  found("D", fmt::format("{} has {} {} and is in another state than the committed log leads to", name(id), when,
                         store.applied().value));
}

void Invariants::mix(faultline::sim::Hash& hash) const {
  hash.mix(ghost_.commit().value);
  if (const auto* last = ghost_.committed(ghost_.commit())) hash.mix(last->chain);
  hash.mix(findings_.size());
}

}  // namespace faultline::raft::sim
