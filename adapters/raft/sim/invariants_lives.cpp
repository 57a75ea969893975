// What a restart brings back, and what clients are told.
#include <fmt/format.h>

#include <algorithm>

#include <faultline/raft/codec.hpp>
#include <faultline/raft/kv/codec.hpp>

#include "invariants.hpp"
#include "origin.hpp"

namespace faultline::raft::sim {
namespace {

std::string name(NodeId id) { return fmt::format("n{}", id.value); }
std::string at(LogIndex index, Term term) { return fmt::format("{}/{}", index.value, term.value); }

std::uint64_t hash_of(std::string_view bytes) {
  faultline::sim::Hash hash;
  hash.mix(bytes);
  return hash.value();
}

bool is_empty(const Stored& stored) { return !stored.hard_state.term && stored.entries.empty() && !stored.snapshot; }

LogIndex last_of(const Stored& stored) {
  const LogIndex in_snapshot = stored.snapshot ? stored.snapshot->index : LogIndex{};
  return stored.entries.empty() ? in_snapshot : std::max(in_snapshot, stored.entries.back().index);
}

// Only clients ask for these.
bool is_a_clients(const kv::Command& command) {
  return std::holds_alternative<kv::Put>(command.request) || std::holds_alternative<kv::Txn>(command.request) ||
         std::holds_alternative<kv::DeleteRange>(command.request);
}

}  // namespace

// --- lives ----------------------------------------------------------------------------------------------------------------------

void Invariants::booted(NodeId id, std::uint64_t boot, const Stored& stored, const kv::Store& store,
                        const Birth& birth) {
  Node& n = node(id);
  if (is_empty(stored) && birth.rotten) ++wipes_[id];
  if (!n.synced.empty() && is_empty(stored) && birth.joins && !birth.rotten) {
    // It was removed and wiped on purpose: what it promised in its former stay binds nobody.
    std::erase_if(votes_, [&](const auto& vote) { return vote.first.second == id; });
  } else if (!n.synced.empty() && n.fsync && birth.fsync) {
    check_revival(id, n, stored, birth);
  }
  Node fresh;
  fresh.alive = true;
  fresh.boot = boot;
  fresh.fsync = birth.fsync;
  fresh.rotten = birth.rotten;
  fresh.term = stored.hard_state.term;
  fresh.commit = stored.snapshot ? stored.snapshot->index : LogIndex{};
  fresh.applied = store.applied();
  revive_log(id, fresh, stored);
  Promise promise{.term = stored.hard_state.term, .vote = stored.hard_state.vote, .last = fresh.log.last()};
  if (const Slot* last = fresh.log.at(promise.last)) promise.at_last = *last;
  fresh.synced.push_back(promise);
  n = std::move(fresh);
  if (stored.snapshot) {
    probes_.hit(Probe::boot_from_snapshot);
    const auto* committed = ghost_.committed(stored.snapshot->index);
    if (committed == nullptr || committed->term != stored.snapshot->term) {
      found("SMS", fmt::format("{} starts from a snapshot at {}, which is not what was committed there", name(id),
                               at(stored.snapshot->index, stored.snapshot->term)));
    }
    check_state(id, store, "restored");
  }
}

void Invariants::revive_log(NodeId id, Node& n, const Stored& stored) {
  LogView& log = n.log;
  if (stored.snapshot) {
    log.base = stored.snapshot->index;
    log.at_base = {stored.snapshot->term, ghost_.chain(log.base, stored.snapshot->term).value_or(0)};
  }
  if (stored.entries.empty()) return;
  const Entry& first = stored.entries.front();
  const auto chain = ghost_.chain(first.index, first.term);
  if (!chain) {
    return found("LM",
                 fmt::format("{} comes back with {}, which nobody ever wrote", name(id), at(first.index, first.term)));
  }
  // Entries that the snapshot covers are never cut, so what comes before them is not asked for.
  if (first.index <= log.base) log.at_base = {};
  log.base = first.index - 1;
  // What is before a log lies in a snapshot, so it was committed; the first entry may yet be cut and another written there.
  if (const auto* before = ghost_.committed(log.base)) log.at_base = {before->term, before->chain};
  log.slots.push_back({first.term, *chain});
  if (first.kind == EntryKind::config) log.configs.push_back(first.index);
  for (std::size_t i = 1; i < stored.entries.size(); ++i) {
    const Entry& entry = stored.entries[i];
    const GhostLog::Noted noted = ghost_.note(entry, log.slots.back().chain);
    if (noted.first || noted.differs) {
      return found("LM", fmt::format("{} comes back with another {} than was written: {}", name(id),
                                     at(entry.index, entry.term), describe(entry)));
    }
    log.slots.push_back({entry.term, noted.chain});
    if (entry.kind == EntryKind::config) log.configs.push_back(entry.index);
  }
}

// Whatever was synced is back, but for what later jobs, which may have reached the disk in part, were to cut.
void Invariants::check_revival(NodeId id, const Node& n, const Stored& stored, const Birth& birth) {
  if (is_empty(stored) && birth.rotten) return;  // wiped: it is the others who must not believe it (D §11.2, M21)
  const auto came_back = [&](std::size_t sync) {
    const Promise& promise = n.synced[sync];
    LogIndex must = promise.last;
    const auto note_cut = [&](const Promise& later) {
      if (later.cut_from) must = std::min(must, later.cut_from - 1);
    };
    std::for_each(n.synced.begin() + static_cast<std::ptrdiff_t>(sync) + 1, n.synced.end(), note_cut);
    std::for_each(n.jobs.begin(), n.jobs.end(), note_cut);
    const HardState& state = stored.hard_state;
    if (state.term < promise.term) return false;
    if (state.term == promise.term && promise.vote && state.vote != promise.vote) return false;
    if (last_of(stored) < must) return false;
    if (must != promise.last || stored.entries.empty() || must < stored.entries.front().index) return true;
    return must <= stored.entries.back().index
               ? stored.entries[static_cast<std::size_t>(must - stored.entries.front().index)].term ==
                     promise.at_last.term
               : true;
  };
  const std::size_t newest = n.synced.size() - 1;
  if (came_back(newest)) {
    if (last_of(stored) < (n.jobs.empty() ? n.synced.back() : n.jobs.back()).last) {
      probes_.hit(Probe::boot_without_last_entries);
    }
    return;
  }
  const Promise& promise = n.synced[newest];
  const std::string what = fmt::format(
      "{} comes back at term {} with vote n{} and a log up to {}; it had made term {}, vote n{} and {} durable",
      name(id), stored.hard_state.term.value, stored.hard_state.vote.value, last_of(stored).value, promise.term.value,
      promise.vote.value, at(promise.last, promise.at_last.term));
  if (birth.rotten && came_back(0)) {
    if (lost_last_sync_.empty()) lost_last_sync_ = what;
    return;
  }
  found("MON", what);
}

void Invariants::ended(NodeId id) {
  Node& n = node(id);
  if (!n.jobs.empty()) probes_.hit(Probe::crash_with_jobs_outstanding);
  n.alive = false;
  n.leads = false;
  n.asked.clear();
}

// --- clients --------------------------------------------------------------------------------------------------------------------

void Invariants::asked(NodeId id, const kv::Command& command) {
  ++node(id).asked[hash_of(kv::encode(command))].outstanding;
}

void Invariants::hear(const Entry& entry, const kv::Command* command, const kv::Reply& reply) {
  const auto origin = origin_of(entry.data);
  if (!origin || command == nullptr) {
    return found("AP", fmt::format("{} holds no command", at(entry.index, entry.term)));
  }
  if (command->client) {
    const auto session = static_cast<std::uint64_t>(command->client->session);
    const auto known = sessions_.find(session);
    if (known != sessions_.end() && known->second.first == command->client->sequence) {
      probes_.hit(Probe::session_command_repeated);
      const bool gone = std::holds_alternative<kv::Failure>(reply.response);
      if (!gone && reply != known->second.second) {
        found("AP", fmt::format("{} repeats command {} of session {} and acts again: {}", at(entry.index, entry.term),
                                command->client->sequence, session, kv::to_text(*command)));
      }
    } else if (known == sessions_.end() || known->second.first < command->client->sequence) {
      sessions_[session] = {command->client->sequence, reply};
    }
  }
  if (origin->node.value == 0 || origin->node.value > nodes_.size()) return;
  Node& n = node(origin->node);
  if (!n.alive || n.boot != origin->boot) return;
  const auto found_asked = n.asked.find(hash_of(std::string_view(entry.data).substr(origin_bytes)));
  if (found_asked == n.asked.end()) {
    if (is_a_clients(*command)) {
      found("AP", fmt::format("{} is a command that nobody asked of {}: {}", at(entry.index, entry.term),
                              name(origin->node), kv::to_text(*command)));
    }
    return;
  }
  found_asked->second.replies.push_back(reply);
}

void Invariants::answered(NodeId id, const kv::Command& command, const kv::Reply& reply) {
  Node& n = node(id);
  const auto asked = n.asked.find(hash_of(kv::encode(command)));
  if (asked == n.asked.end()) {
    return found("AP", fmt::format("{} answers what nobody asked: {}", name(id), kv::to_text(command)));
  }
  std::vector<kv::Reply>& replies = asked->second.replies;
  const auto same = std::find(replies.begin(), replies.end(), reply);
  if (same == replies.end()) {
    found("AP", fmt::format("{} answers {} with revision {}; the committed log {}", name(id), kv::to_text(command),
                            reply.revision,
                            replies.empty() ? std::string("does not have it")
                                            : fmt::format("says revision {}", replies.front().revision)));
    return;
  }
  replies.erase(same);
  if (--asked->second.outstanding == 0) n.asked.erase(asked);
}

void Invariants::answered_read(NodeId id, LogIndex committed_when_asked, LogIndex applied) {
  if (ghost_.commit() > committed_when_asked) probes_.hit(Probe::read_overtaken_by_commits);
  if (applied >= committed_when_asked) return;
  found("RD", fmt::format("{} answers a read from index {}; {} was committed when it was asked", name(id),
                          applied.value, committed_when_asked.value));
}

}  // namespace faultline::raft::sim
