#include "space_frontier.hpp"

#include <faultline/rng.hpp>

#include <algorithm>

namespace faultline::online {

namespace {

constexpr std::size_t most_configurations = 1'000;
constexpr std::uint64_t most_steps = 20'000;  // of one completion
constexpr std::size_t most_open_kinds = 1'000;

using Spent = std::vector<std::pair<std::uint32_t, std::uint32_t>>;

std::uint32_t spent_of(const Spent& spent, std::uint32_t kind) {
  const auto at = std::lower_bound(spent.begin(), spent.end(), std::pair(kind, 0U));
  return at != spent.end() && at->first == kind ? at->second : 0;
}

void spend(Spent& spent, std::uint32_t kind) {
  const auto at = std::lower_bound(spent.begin(), spent.end(), std::pair(kind, 0U));
  if (at != spent.end() && at->first == kind) {
    ++at->second;
  } else {
    spent.insert(at, {kind, 1});
  }
}

// `a` has spent no more of any kind than `b`.
bool no_more(const Spent& a, const Spent& b) {
  if (a.size() > b.size()) return false;
  return std::all_of(a.begin(), a.end(), [&](const auto& entry) { return entry.second <= spent_of(b, entry.first); });
}

}  // namespace

SpaceFrontier::SpaceFrontier(std::unique_ptr<Space> space, Clone clone)
    : space_(std::move(space)), clone_(std::move(clone)) {
  configs_.push_back({.placed = {}, .state = space_->initial(), .spent = {}});
}

SpaceFrontier::SpaceFrontier(const SpaceFrontier& other)
    : space_(other.clone_(*other.space_)),
      clone_(other.clone_),
      possible_(other.possible_),
      blind_(other.blind_),
      next_handle_(other.next_handle_),
      slots_by_handle_(other.slots_by_handle_),
      slots_(other.slots_),
      free_(other.free_),
      observers_(other.observers_),
      mutators_(other.mutators_),
      open_kinds_(other.open_kinds_),
      kind_of_(other.kind_of_),
      configs_(other.configs_),
      forget_at_(other.forget_at_) {}

SpaceFrontier::Handle SpaceFrontier::invoke(const Call& call, EventIndex deadline) {
  const Handle handle = next_handle_++;
  if (!possible_ || blind_) return handle;
  const bool observes = space_->observer(call);
  if (deadline == none) {
    if (!observes) add_open(call);
    return handle;
  }
  if (free_.empty()) {
    free_.push_back(static_cast<Slot>(slots_.size()));
    slots_.emplace_back();
  }
  const Slot slot = free_.back();
  free_.pop_back();
  slots_by_handle_.emplace(handle, slot);
  slots_[slot] = {.call = call, .deadline = deadline, .observes = observes};
  (observes ? observers_ : mutators_).set(slot);
  if (!observes) return handle;
  for (Config& config : configs_) {
    if (space_->step(config.state, call) != refused) config.placed.set(slot);
  }
  return handle;
}

void SpaceFrontier::add_open(const Call& call) {
  const auto [entry, fresh] =
      kind_of_.try_emplace({call.f, call.input}, static_cast<std::uint32_t>(open_kinds_.size()));
  if (fresh) open_kinds_.push_back({.call = call});
  ++open_kinds_[entry->second].capacity;
  if (open_kinds_.size() > most_open_kinds) give_up();
}

bool SpaceFrontier::complete(Handle handle) {
  if (!possible_ || blind_) return possible_;
  const auto found = slots_by_handle_.find(handle);
  FL_ASSERT(found != slots_by_handle_.end());
  const Slot slot = found->second;
  slots_by_handle_.erase(found);
  const bool placed_by_all =
      std::all_of(configs_.begin(), configs_.end(), [&](const Config& config) { return config.placed.test(slot); });
  if (placed_by_all) {
    // They differ as they did before.
    for (Config& config : configs_) config.placed.clear(slot);
  } else {
    search(slot);
  }
  if (blind_) return true;
  (slots_[slot].observes ? observers_ : mutators_).clear(slot);
  slots_[slot] = {};
  free_.push_back(slot);
  possible_ = !configs_.empty();
  if (!possible_) return false;
  if (configs_.size() > most_configurations) {
    give_up();
  } else {
    forget_states();
  }
  return true;
}

// Extends every configuration that lacks what is due until it is placed.
void SpaceFrontier::search(Slot due) {
  steps_ = 0;
  find_relevant(due);
  for (Config& config : configs_) {
    const bool placed = config.placed.test(due);
    if (placed) config.placed.clear(due);
    insert(placed ? survivors_ : reached_, std::move(config));
  }
  for (std::size_t i = 0; i < reached_.list.size() && steps_ <= most_steps; ++i) {
    if (reached_.list[i].state == refused) continue;
    const Config from = reached_.list[i];
    expand(from, due);
  }
  configs_.clear();
  for (Config& config : survivors_.list) {
    if (config.state != refused) configs_.push_back(std::move(config));
  }
  reached_ = {};
  survivors_ = {};
  if (steps_ > most_steps) give_up();
}

// What is due, and whatever does not commute with one that matters: the others may wait (search/sight.hpp).
void SpaceFrontier::find_relevant(Slot due) {
  relevant_slots_.assign(slots_.size(), false);
  relevant_kinds_.assign(open_kinds_.size(), false);
  relevant_slots_[due] = true;
  std::vector<const Call*> to_follow{&slots_[due].call};
  while (!to_follow.empty()) {
    const Call& call = *to_follow.back();
    to_follow.pop_back();
    const auto visit = [&](std::size_t slot) {
      if (relevant_slots_[slot] || space_->commute(call, slots_[slot].call)) return;
      relevant_slots_[slot] = true;
      to_follow.push_back(&slots_[slot].call);
    };
    mutators_.for_each(visit);
    observers_.for_each(visit);
    for (std::size_t kind = 0; kind < open_kinds_.size(); ++kind) {
      if (relevant_kinds_[kind] || space_->commute(call, open_kinds_[kind].call)) continue;
      relevant_kinds_[kind] = true;
      to_follow.push_back(&open_kinds_[kind].call);
    }
  }
}

void SpaceFrontier::expand(const Config& from, Slot due) {
  const Mask movable = mutators_.without(from.placed);
  movable.for_each([&](std::size_t slot) {
    if (!relevant_slots_[slot]) return;
    const Pending& pending = slots_[slot];
    bool twin_first = false;  // of two equal calls the one with the earlier deadline goes first
    movable.for_each([&](std::size_t other) {
      const Pending& twin = slots_[other];
      twin_first = twin_first || (twin.deadline < pending.deadline && twin.call.f == pending.call.f &&
                                  twin.call.input == pending.call.input && twin.call.output == pending.call.output &&
                                  twin.call.failed == pending.call.failed);
    });
    if (twin_first) return;
    ++steps_;
    const StateId state = space_->step(from.state, pending.call);
    if (state == refused) return;
    Config next{.placed = from.placed, .state = state, .spent = from.spent};
    next.placed.set(slot);
    reach(std::move(next), due);
  });
  for (std::uint32_t kind = 0; kind < open_kinds_.size(); ++kind) {
    if (!relevant_kinds_[kind] || spent_of(from.spent, kind) == open_kinds_[kind].capacity) continue;
    ++steps_;
    const StateId state = space_->step(from.state, open_kinds_[kind].call);
    // One that changes nothing might as well never have happened.
    if (state == refused || state == from.state) continue;
    Config next{.placed = from.placed, .state = state, .spent = from.spent};
    spend(next.spent, kind);
    reach(std::move(next), due);
  }
}

// Places every observer that holds in the new state, and files the configuration.
void SpaceFrontier::reach(Config next, Slot due) {
  observers_.without(next.placed).for_each([&](std::size_t slot) {
    if (space_->step(next.state, slots_[slot].call) != refused) next.placed.set(slot);
  });
  const bool done = next.placed.test(due);
  if (done) next.placed.clear(due);
  insert(done ? survivors_ : reached_, std::move(next));
}

void SpaceFrontier::insert(Set& set, Config config) {
  const Mask placed_mutators = config.placed.without(observers_);
  const std::uint64_t hash = mix64(placed_mutators.hash() + config.state * 0x9e3779b97f4a7c15ULL);
  std::vector<std::uint32_t>& bucket = set.buckets[hash];
  for (const std::uint32_t i : bucket) {
    Config& other = set.list[i];
    ++steps_;
    if (other.state != config.state || !(other.placed.without(observers_) == placed_mutators)) continue;
    if (other.placed.contains(config.placed) && no_more(other.spent, config.spent)) return;
    if (config.placed.contains(other.placed) && no_more(config.spent, other.spent)) other.state = refused;
  }
  std::erase_if(bucket, [&](std::uint32_t i) { return set.list[i].state == refused; });
  bucket.push_back(static_cast<std::uint32_t>(set.list.size()));
  set.list.push_back(std::move(config));
}

void SpaceFrontier::give_up() {
  blind_ = true;
  configs_ = {};
  slots_by_handle_.clear();
  slots_ = {};
  open_kinds_ = {};
  kind_of_.clear();
  observers_ = {};
  mutators_ = {};
  space_->keep(std::vector<bool>(space_->ids()));
}

void SpaceFrontier::forget_states() {
  if (space_->held() < forget_at_) return;
  std::vector<bool> live(space_->ids());
  for (const Config& config : configs_) live[config.state] = true;
  space_->keep(live);
  forget_at_ = 1024 + 4 * space_->held();
}

std::uint64_t SpaceFrontier::bytes() const {
  std::uint64_t bytes = space_->bytes() + slots_.capacity() * sizeof(Pending) + open_kinds_.size() * 160;
  for (const Config& config : configs_) {
    bytes += sizeof(Config) + config.placed.heap_bytes() + config.spent.capacity() * sizeof(Spent::value_type);
  }
  return bytes;
}

}  // namespace faultline::online
