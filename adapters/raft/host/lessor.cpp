#include "lessor.hpp"

#include <algorithm>

namespace faultline::raft {
namespace {

constexpr Duration again = std::chrono::seconds(1);

// A TTL may be centuries; more than this is as good as for ever and does not overflow.
Duration length_of(std::int64_t seconds) { return std::chrono::seconds(std::min<std::int64_t>(seconds, 1LL << 32)); }

}  // namespace

void Lessor::set(Key key, Instant end, std::uint64_t mark) {
  drop(key);
  countdowns_[key] = {end, end, mark};
  queue_.emplace(end, key);
}

void Lessor::drop(Key key) {
  const auto found = countdowns_.find(key);
  if (found == countdowns_.end()) return;
  queue_.erase({found->second.due, key});
  countdowns_.erase(found);
}

void Lessor::start(Instant now, const kv::Store& store) {
  stop();
  started_ = true;
  for (const kv::Lease& lease : store.leases()) {
    set({false, static_cast<std::uint64_t>(lease.id)}, now + length_of(lease.ttl), lease.renewal);
  }
  for (const kv::Session& session : store.sessions()) {
    set({true, static_cast<std::uint64_t>(session.id)}, now + session_idle_, session.last_used);
  }
}

void Lessor::stop() {
  started_ = false;
  countdowns_.clear();
  queue_.clear();
}

void Lessor::note(Instant now, const kv::LeaseReply& lease) {
  const Key key{false, static_cast<std::uint64_t>(lease.id)};
  if (!started_) return;
  if (lease.ttl == 0) {
    drop(key);
  } else {
    set(key, now + length_of(lease.ttl), lease.renewal);
  }
}

void Lessor::note(Instant now, const kv::SessionReply& session, std::uint64_t entry) {
  const Key key{true, static_cast<std::uint64_t>(session.id)};
  if (!started_) return;
  if (session.open) {
    set(key, now + session_idle_, entry);
  } else {
    drop(key);
  }
}

void Lessor::note_use(Instant now, kv::SessionId session, std::uint64_t entry) {
  const Key key{true, static_cast<std::uint64_t>(session)};
  if (started_ && countdowns_.contains(key)) set(key, now + session_idle_, entry);
}

std::vector<kv::Command> Lessor::due(Instant now) {
  std::vector<kv::Command> commands;
  while (!queue_.empty() && queue_.begin()->first <= now) {
    const Key key = queue_.begin()->second;
    queue_.erase(queue_.begin());
    Countdown& countdown = countdowns_.at(key);
    countdown.due = now + again;
    queue_.emplace(countdown.due, key);
    if (key.first) {
      commands.push_back({.client = {}, .request = kv::SessionExpire{kv::SessionId{key.second}, countdown.mark}});
    } else {
      const kv::LeaseId id{static_cast<std::int64_t>(key.second)};
      commands.push_back({.client = {}, .request = kv::LeaseExpire{id, countdown.mark}});
    }
  }
  return commands;
}

Instant Lessor::next() const { return queue_.empty() ? Instant::max() : queue_.begin()->first; }

std::int64_t Lessor::remaining(Instant now, kv::LeaseId id) const {
  const auto found = countdowns_.find({false, static_cast<std::uint64_t>(id)});
  if (found == countdowns_.end()) return -1;
  const Duration left = std::max(found->second.end - now, Duration::zero());
  return std::chrono::ceil<std::chrono::seconds>(left).count();
}

}  // namespace faultline::raft
