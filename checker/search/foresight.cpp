#include "foresight.hpp"

#include <algorithm>
#include <array>

namespace faultline::search {

// --- kv ----------------------------------------------------------------------------------------------------

KvSpace::KvSpace(const Kv& model, const Items& items, const Budget& budget)
    : ModelSpace(model),
      items_(items),
      next_get_(items.size() + 1, none),
      next_put_(items.size() + 1, none),
      appended_(items.size() + 1),
      first_behind_(items.size()),
      next_sure_put_(items.size() + 1, none) {
  Poll poll(budget);
  for (std::uint32_t i = 0; i < items.size() && !poll(); ++i) {
    const Item& item = items[i];
    appended_[i + 1] = appended_[i] + (item.call.f == "append" ? item.call.input.as_text().size() : 0);
    const auto invoked_later = [](EventIndex completion, const Item& other) { return completion < other.invoked; };
    const auto behind = std::upper_bound(items.begin() + i, items.end(), item.completed, invoked_later);
    first_behind_[i] = static_cast<std::uint32_t>(behind - items.begin());
  }
  for (auto i = static_cast<std::uint32_t>(items.size()); i-- > 0 && !poll();) {
    next_get_[i] = next_get_[i + 1];
    next_put_[i] = next_put_[i + 1];
    next_sure_put_[i] = next_sure_put_[i + 1];
    if (items[i].call.f == "put") {
      next_put_[i] = i;
      const std::uint32_t other = next_sure_put_[i];
      if (other == none || items[i].completed < items[other].completed) next_sure_put_[i] = i;
    }
    const bool earlier = next_get_[i] == none || items[i].completed < items[next_get_[i]].completed;
    if (items[i].call.f == "get" && items[i].completed != none && earlier) next_get_[i] = i;
  }
  choose_hidden(model.init());
}

// One byte that no text begins with, so that it is none of the texts the key can hold.
void KvSpace::choose_hidden(const Text& initial) {
  std::array<bool, 256> begins{};
  const auto mark = [&](std::string_view text) {
    if (!text.empty()) begins[static_cast<unsigned char>(text.front())] = true;
  };
  mark(initial.to_string());
  for (const Item& item : items_) {
    if (item.call.f != "get") mark(item.call.input.as_text());
  }
  const auto unused = std::find(begins.begin(), begins.end(), false);
  if (unused == begins.end()) return;
  hidden_ = intern(Text(std::string(1, static_cast<char>(unused - begins.begin()))));
}

std::string_view KvSpace::goal(std::uint32_t get) const {
  const Value& output = items_[get].call.output;
  return output.is_null() ? std::string_view() : output.as_text();
}

StateId KvSpace::step(StateId id, const Call& call) {
  if (id != hidden_ || call.f == "put") return ModelSpace::step(id, call);
  return call.f == "append" || !call.result_known ? hidden_ : faultline::refused;
}

void KvSpace::keep(const std::vector<bool>& live) {
  std::vector<bool> more = live;
  if (hidden_ != none) more[hidden_] = true;
  ModelSpace::keep(more);
}

// Hidden: no get that may be placed before the put with the earliest deadline can see what the text grows into.
StateId KvSpace::simplified(StateId id, std::span<const std::uint32_t> unplaced, std::uint32_t next) {
  if (hidden_ == none || id == hidden_) return id;
  std::uint32_t put = next_sure_put_[next];
  for (const std::uint32_t item : unplaced) {
    const bool sure = items_[item].call.f == "put" && items_[item].completed != none;
    if (sure && (put == none || items_[item].completed < items_[put].completed)) put = item;
  }
  if (put == none || items_[put].completed == none) return id;
  const Text& text = state(id);
  const auto sees = [&](std::uint32_t item) {
    return items_[item].call.f == "get" && items_[item].call.result_known && text.may_begin(goal(item));
  };
  if (std::any_of(unplaced.begin(), unplaced.end(), sees)) return id;
  constexpr std::uint32_t patience = 256;  // a put that is far away hides little
  if (first_behind_[put] > next + patience) return id;
  for (std::uint32_t item = next; item < first_behind_[put]; ++item) {
    if (sees(item)) return id;
  }
  return hidden_;
}

std::size_t KvSpace::appended_before(std::uint32_t get, std::span<const std::uint32_t> unplaced,
                                     std::uint32_t next) const {
  std::size_t bytes = first_behind_[get] > next ? appended_[first_behind_[get]] - appended_[next] : 0;
  for (const std::uint32_t item : unplaced) {
    if (items_[item].call.f == "append") bytes += items_[item].call.input.as_text().size();
  }
  return bytes;
}

bool KvSpace::can_become(const Text& text, std::uint32_t get, std::span<const std::uint32_t> unplaced,
                         std::uint32_t next) const {
  const std::string_view goal = this->goal(get);
  const std::size_t appended = appended_before(get, unplaced, next);
  if (text.size() + appended >= goal.size() && text.may_begin(goal)) return true;
  const auto helps = [&](std::uint32_t item) {
    if (items_[item].call.f != "put") return false;
    const std::string_view fresh = items_[item].call.input.as_text();
    return fresh.size() + appended >= goal.size() && goal.starts_with(fresh);
  };
  if (std::any_of(unplaced.begin(), unplaced.end(), helps)) return true;
  for (std::uint32_t put = next_put_[next]; put != none && put < first_behind_[get]; put = next_put_[put + 1]) {
    if (helps(put)) return true;
  }
  return false;
}

EventIndex KvSpace::refuted(StateId id, std::span<const std::uint32_t> unplaced, std::uint32_t next) {
  const Text& text = state(id);
  for (const std::uint32_t item : unplaced) {
    const bool get = items_[item].call.f == "get" && items_[item].completed != none;
    if (get && !can_become(text, item, unplaced, next)) return items_[item].completed;
  }
  const std::uint32_t get = next_get_[next];
  return get == none || can_become(text, get, unplaced, next) ? none : items_[get].completed;
}

// --- fifo-queue --------------------------------------------------------------------------------------------

FifoSpace::FifoSpace(const FifoQueue& model, const Items& items, const Budget& budget)
    : ModelSpace(model), items_(items) {
  Poll poll(budget);
  collect(model.initial, poll);
  look_ahead(poll);
  if (poll.stopped()) return;
  refuted_ = std::min({broken_life(poll), broken_order(poll), broken_emptiness(poll)});
}

void FifoSpace::collect(const Line& initial, Poll& poll) {
  initial.for_each([&](const Value& value) { ++lives_[value].enqueues; });
  for (std::uint32_t i = 0; i < items_.size() && !poll(); ++i) {
    const Call& call = items_[i].call;
    if (call.f == "enqueue") {
      Life& life = lives_[call.input];
      ++life.enqueues;
      life.enqueue = i;
    } else if (!call.result_known) {
      open_dequeue_ = true;
    } else if (!call.output.is_null()) {
      Life& life = lives_[call.output];
      ++life.dequeues;
      life.dequeue = i;
    }
  }
}

EventIndex FifoSpace::leaves_after(const Life& life) const {
  if (!life.once()) return 0;
  if (life.dequeue != none) return items_[life.dequeue].invoked;
  return open_dequeue_ ? 0 : never;
}

EventIndex FifoSpace::wants_others_gone_by(std::uint32_t item) const {
  const Call& call = items_[item].call;
  if (call.f == "dequeue") return call.result_known && call.output.is_null() ? items_[item].completed : none;
  const auto found = lives_.find(call.input);
  if (found == lives_.end() || !found->second.once() || found->second.dequeue == none) return none;
  return items_[found->second.dequeue].completed;
}

void FifoSpace::look_ahead(Poll& poll) {
  gone_by_.assign(items_.size() + 1, none);
  for (auto i = static_cast<std::uint32_t>(items_.size()); i-- > 0 && !poll();) {
    gone_by_[i] = std::min(gone_by_[i + 1], wants_others_gone_by(i));
  }
}

// Something was dequeued that was never enqueued, or only later, or more often.
EventIndex FifoSpace::broken_life(Poll& poll) const {
  EventIndex earliest = none;
  std::unordered_map<Value, std::size_t> left;
  for (const auto& item : items_) {
    if (poll()) return none;
    const Call& call = item.call;
    if (call.f != "dequeue" || !call.result_known || call.output.is_null()) continue;
    const Life& life = lives_.at(call.output);
    const bool late = life.once() && life.enqueue != none && items_[life.enqueue].invoked > item.completed;
    if (life.dequeues > life.enqueues) {
      // Known for certain only when the last of them completes.
      EventIndex last = 0;
      for (const auto& other : items_) {
        if (poll()) return none;
        const bool same = other.call.f == "dequeue" && other.call.result_known && other.call.output == call.output;
        if (same) last = std::max(last, other.completed);
      }
      earliest = std::min(earliest, last);
    } else if (late) {
      earliest = std::min(earliest, item.completed);
    }
  }
  return earliest;
}

// a was enqueued wholly before b, yet b was dequeued wholly before a, or a never.
EventIndex FifoSpace::broken_order(Poll& poll) const {
  std::vector<std::pair<EventIndex, EventIndex>> ends;  // an enqueue's completion, and what its value leaves after
  for (std::uint32_t i = 0; i < items_.size(); ++i) {
    if (poll()) return none;
    if (items_[i].call.f != "enqueue" || items_[i].completed == none) continue;
    ends.emplace_back(items_[i].completed, leaves_after(lives_.at(items_[i].call.input)));
  }
  std::sort(ends.begin(), ends.end());
  EventIndex latest = 0;
  EventIndex earliest = none;
  std::size_t done = 0;
  for (std::uint32_t i = 0; i < items_.size(); ++i) {
    if (poll()) return none;
    for (; done < ends.size() && ends[done].first < items_[i].invoked; ++done)
      latest = std::max(latest, ends[done].second);
    if (items_[i].call.f != "enqueue") continue;
    if (const EventIndex by = wants_others_gone_by(i); by != none && latest > by) earliest = std::min(earliest, by);
  }
  return earliest;
}

// The queue was found empty although at every moment in question something certainly was in it.
EventIndex FifoSpace::broken_emptiness(Poll& poll) const {
  std::vector<std::pair<EventIndex, EventIndex>> inside;
  for (const auto& item : items_) {
    if (poll()) return none;
    if (item.call.f != "enqueue" || item.completed == none) continue;
    if (const EventIndex until = leaves_after(lives_.at(item.call.input)); until > item.completed) {
      inside.emplace_back(item.completed, until);
    }
  }
  std::sort(inside.begin(), inside.end());
  std::vector<std::pair<EventIndex, EventIndex>> merged;
  for (const auto& interval : inside) {
    if (!merged.empty() && interval.first < merged.back().second) {
      merged.back().second = std::max(merged.back().second, interval.second);
    } else {
      merged.push_back(interval);
    }
  }
  for (const auto& item : items_) {
    if (poll()) return none;
    if (item.call.f != "dequeue" || !item.call.result_known || !item.call.output.is_null()) continue;
    auto at = std::upper_bound(merged.begin(), merged.end(), std::pair(item.invoked, never));
    if (at != merged.begin() && (--at)->second > item.completed) return item.completed;
  }
  return none;
}

EventIndex FifoSpace::refuted(StateId id, std::span<const std::uint32_t> unplaced, std::uint32_t next) {
  if (refuted_ != none) return refuted_;
  EventIndex latest = 0;  // those looked at so far cannot all be gone before this
  EventIndex broken = none;
  state(id).for_each([&](const Value& value) {
    const auto found = lives_.find(value);
    if (found == lives_.end() || !found->second.once()) return;
    const Life& life = found->second;
    if (life.dequeue != none && latest > items_[life.dequeue].completed) {
      broken = std::min(broken, items_[life.dequeue].completed);
    }
    latest = std::max(latest, leaves_after(life));
  });
  for (const std::uint32_t item : unplaced) {
    if (const EventIndex by = wants_others_gone_by(item); by != none && latest > by) broken = std::min(broken, by);
  }
  if (gone_by_[next] != none && latest > gone_by_[next]) broken = std::min(broken, gone_by_[next]);
  return broken;
}

// --- append-list -------------------------------------------------------------------------------------------

ListSpace::ListSpace(const AppendList& model, const Items& items, const Budget& budget)
    : ModelSpace(model), items_(items), next_read_(items.size() + 1, none) {
  Poll poll(budget);
  for (auto i = static_cast<std::uint32_t>(items.size()); i-- > 0 && !poll();) {
    next_read_[i] = next_read_[i + 1];
    const bool reads = items[i].call.f == "read" && items[i].call.result_known;
    const bool first = next_read_[i] == none || items[i].completed < items[next_read_[i]].completed;
    if (reads && first) next_read_[i] = i;
  }
}

std::span<const Value> ListSpace::goal(std::uint32_t read) const {
  const Value& output = items_[read].call.output;
  return output.is_null() ? std::span<const Value>() : output.as_list();
}

EventIndex ListSpace::refuted(StateId id, std::span<const std::uint32_t> unplaced, std::uint32_t next) {
  const Line& line = state(id);
  for (const std::uint32_t item : unplaced) {
    const bool reads = items_[item].call.f == "read" && items_[item].call.result_known;
    if (reads && !line.may_begin(goal(item))) return items_[item].completed;
  }
  const std::uint32_t read = next_read_[next];
  return read == none || line.may_begin(goal(read)) ? none : items_[read].completed;
}

}  // namespace faultline::search
