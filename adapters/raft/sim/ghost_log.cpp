#include "ghost_log.hpp"

#include <faultline/raft/kv/codec.hpp>
#include <faultline/sim/hash.hpp>

#include <algorithm>

#include "origin.hpp"

namespace faultline::raft::sim {
namespace {

std::uint64_t chain_of(std::uint64_t before, const Entry& entry) {
  faultline::sim::Hash hash;
  hash.mix(before);
  hash.mix(entry.index.value);
  hash.mix(entry.term.value << 8 | static_cast<std::uint64_t>(entry.kind));
  hash.mix(std::string_view(entry.data));
  return hash.value();
}

std::size_t slot(LogIndex index) { return static_cast<std::size_t>(index.value - 1); }

}  // namespace

const GhostLog::Place* GhostLog::find(LogIndex index, Term term) const {
  if (!index || index.value > places_.size()) return nullptr;
  for (const Place& place : places_[slot(index)]) {
    if (place.term == term) return &place;
  }
  return nullptr;
}

GhostLog::Noted GhostLog::note(const Entry& entry, std::uint64_t before) {
  if (!entry.index) return {.differs = true};
  Noted noted{.chain = chain_of(before, entry)};
  if (const Place* known = find(entry.index, entry.term)) {
    noted.differs = known->chain != noted.chain;
    return noted;
  }
  while (places_.size() < entry.index.value) places_.emplace_back();
  noted.first = true;
  Place place{.term = entry.term, .kind = entry.kind, .chain = noted.chain};
  if (entry.index > commit()) {
    place.data = entry.data;
    place.has_bytes = true;
  }
  places_[slot(entry.index)].push_back(std::move(place));
  return noted;
}

std::optional<std::uint64_t> GhostLog::chain(LogIndex index, Term term) const {
  if (!index) return term ? std::nullopt : std::optional<std::uint64_t>(0);
  const Place* place = find(index, term);
  return place == nullptr ? std::nullopt : std::optional(place->chain);
}

const GhostLog::Committed* GhostLog::committed(LogIndex index) const {
  return index && index <= commit() ? &committed_[slot(index)] : nullptr;
}

bool GhostLog::commit(LogIndex index, Term entry_term, std::uint64_t chain, Term known_in, NodeId by) {
  FL_ASSERT(index.value >= 1 && index.value <= committed_.size() + 1);
  if (index.value <= committed_.size()) {
    Committed& known = committed_[slot(index)];
    if (known.term != entry_term || known.chain != chain) return false;
    known.known_in = std::min(known.known_in, known_in);
    return true;
  }
  committed_.push_back({.term = entry_term, .chain = chain, .known_in = known_in, .known_by = by});
  run();
  return true;
}

LogIndex GhostLog::committed_before(Term term) const {
  // Terms grow along the log but for late learners, so this ends soon.
  for (std::size_t i = committed_.size(); i > 0; --i) {
    if (committed_[i - 1].known_in < term) return {i};
  }
  return {};
}

std::optional<kv::StateHash> GhostLog::state_hash(LogIndex index) const {
  if (!index || index.value > hashes_.size()) return std::nullopt;
  return hashes_[slot(index)];
}

void GhostLog::run() {
  while (store_.applied() < commit()) {
    const LogIndex index = store_.applied() + 1;
    const Place* place = find(index, committed_[slot(index)].term);
    if (place == nullptr || !place->has_bytes) return;  // only in a snapshot, so far
    const Entry entry{.term = place->term, .index = index, .kind = place->kind, .data = place->data};
    for (Place& other : places_[slot(index)]) {
      other.has_bytes = false;
      std::string().swap(other.data);
    }
    if (entry.kind != EntryKind::command) {
      store_.skip(index);
    } else {
      const auto bytes = std::string_view(entry.data).substr(std::min(origin_bytes, entry.data.size()));
      const auto command = kv::decode_command(bytes);
      const kv::Reply reply = command ? store_.apply(index, command.value()) : store_.apply(index, bytes);
      if (heard_) heard_(entry, command ? &command.value() : nullptr, reply);
    }
    hashes_.push_back(store_.hash());
  }
}

}  // namespace faultline::raft::sim
