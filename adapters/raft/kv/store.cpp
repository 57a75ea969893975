#include <faultline/raft/kv/store.hpp>

#include <utility>

#include <faultline/assert.hpp>
#include <faultline/raft/kv/errors.hpp>
#include <faultline/raft/kv/snapshot.hpp>

#include "frozen.hpp"
#include "state.hpp"

namespace faultline::raft::kv {
namespace {

// A compaction of a small store is over at once; a large one goes on with the entries that follow, some 15 us each.
constexpr std::size_t sweep_steps_at_once = 10'000;
constexpr std::size_t sweep_steps_each = 8;

}  // namespace

Store::Store() : state_(std::make_unique<State>()) {}
Store::Store(std::unique_ptr<State> state) : state_(std::move(state)) {}
Store::~Store() = default;
Store::Store(Store&&) noexcept = default;
Store& Store::operator=(Store&&) noexcept = default;

Reply Store::apply(LogIndex index, std::string_view command) {
  auto decoded = decode_command(command);
  if (decoded.ok()) return apply(index, decoded.value());
  skip(index);
  return {state_->revision, errors::malformed_command()};
}

Reply Store::apply(LogIndex index, const Command& command) {
  FL_ASSERT(index == state_->applied + 1);
  state_->applied = index;
  Reply reply = state_->answer(command);
  state_->sweep_some(std::holds_alternative<CompactionReply>(reply.response) ? sweep_steps_at_once : sweep_steps_each);
  return reply;
}

void Store::skip(LogIndex index) {
  FL_ASSERT(index == state_->applied + 1);
  state_->applied = index;
}

LogIndex Store::applied() const { return state_->applied; }
Revision Store::revision() const { return state_->revision; }
Revision Store::compacted() const { return std::max<Revision>(state_->compacted, 0); }
StateHash Store::hash() const { return state_->hash(); }
std::uint64_t Store::record_count() const { return state_->history.size(); }
std::uint64_t Store::record_bytes() const { return state_->record_bytes; }

std::variant<Failure, RangeReply> Store::range(const Range& range) const {
  if (auto failure = check(range)) return std::move(*failure);
  if (auto failure = state_->check_revision(range.revision)) return std::move(*failure);
  return state_->read(range, range.revision > 0 ? range.revision : state_->revision);
}

std::optional<Lease> Store::lease(LeaseId id) const {
  const auto found = state_->leases.find(id);
  if (found == state_->leases.end()) return {};
  return found->second.lease;
}

std::vector<Lease> Store::leases() const {
  std::vector<Lease> leases;
  leases.reserve(state_->leases.size());
  for (const auto& [id, lease] : state_->leases) leases.push_back(lease.lease);
  return leases;
}

std::vector<std::string> Store::lease_keys(LeaseId id) const {
  const auto found = state_->leases.find(id);
  if (found == state_->leases.end()) return {};
  return {found->second.keys.begin(), found->second.keys.end()};
}

std::vector<Session> Store::sessions() const {
  std::vector<Session> sessions;
  sessions.reserve(state_->sessions.size());
  for (const auto& [id, session] : state_->sessions) sessions.push_back(session.session);
  return sessions;
}

namespace {

std::optional<WatchEvent> event_of(const Store::State& state, const Watch& watch, const Record& record) {
  if (record.tombstone ? watch.no_delete : watch.no_put) return {};
  if (!in_range(record.key, watch.key, watch.range_end)) return {};
  WatchEvent event{.deleted = record.tombstone, .kv = to_kv(record)};
  if (watch.prev_kv && record.main - 1 >= state.compacted) {
    if (const Record* before = state.find(record.key, record.main - 1)) event.prev_kv = to_kv(*before);
  }
  return event;
}

}  // namespace

WatchPage Store::watch(const Watch& watch) const {
  WatchPage page;
  if (watch.start_revision < state_->compacted) {
    page.compacted = state_->compacted;
    return page;
  }
  page.next = std::max(state_->revision + 1, watch.start_revision);
  std::size_t looked_at = 0;
  Revision current = watch.start_revision;
  state_->history.each_from({watch.start_revision, 0}, [&](const Record& record) {
    if (looked_at >= watch.records_max && record.main != current) {
      page.next = record.main;
      return false;
    }
    ++looked_at;
    current = record.main;
    if (auto event = event_of(*state_, watch, record)) {
      if (page.batches.empty() || page.batches.back().revision != current)
        page.batches.push_back({.revision = current});
      page.batches.back().events.push_back(std::move(*event));
    }
    return true;
  });
  return page;
}

View Store::view() {
  auto frozen = std::make_unique<View::Frozen>();
  frozen->applied = state_->applied;
  frozen->revision = state_->revision;
  frozen->compacted = state_->compacted;
  frozen->sweep = state_->sweep;
  frozen->hash = state_->hash();
  frozen->records = state_->history.size();
  frozen->record_bytes = state_->record_bytes;
  frozen->leases = leases();
  for (const auto& [id, session] : state_->sessions) frozen->sessions.push_back(session);
  frozen->history = state_->history.freeze();
  return View(std::move(frozen));
}

}  // namespace faultline::raft::kv
