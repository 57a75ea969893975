#include "order.hpp"

#include <algorithm>

namespace faultline::registers {

namespace {

using Element = std::uint32_t;

class Replay {
 public:
  // Of the first `events` events.
  Replay(const Timeline& timeline, std::size_t events)
      : timeline_(timeline), value_(timeline.problem().initial), members_(timeline.classes().size()) {
    elements_.reserve(operations_in(timeline, events) + 1);
    elements_.push_back({});  // before everything
  }
  // What it will hold, and the order made of it.
  static std::uint64_t bytes_for(const Timeline& timeline, std::size_t events) {
    return operations_in(timeline, events) * (sizeof(Entry) + sizeof(std::uint32_t));
  }

  void invoke(std::uint32_t o) {
    pending_.push_back({.operation = o});
    const RegisterOperation& op = timeline_.operation(o);
    if (op.open()) return;
    if (observes(op, value_)) pending_.back().position = insert_after(end_, o);
  }

  void complete(std::uint32_t o, std::span<const Move> moves) {
    const Time now = timeline_.completed(o);
    for (std::size_t i = 0; i < moves.size();) {
      std::size_t j = i + 1;
      while (j < moves.size() && moves[j].place == Place::more) ++j;
      apply(moves.subspan(i, j - i), now);
      i = j;
    }
    const auto p = find(o);
    const RegisterOperation& op = timeline_.operation(o);
    if (op.kind == RegisterKind::write && !p->used) {
      if (timeline_.invoked(o) <= blind_limit_) {
        absorb(o);
      } else {
        FL_ASSERT(p->position != none);
      }
    } else {
      FL_ASSERT(p->used || p->position != none);
    }
    pending_.erase(find(o));
  }

  void join(std::uint32_t o) {
    const auto p = find(o);
    if (!p->used) members_[timeline_.class_of(o)].push_back(o);
    pending_.erase(p);
  }

  std::vector<std::uint32_t> finish() {
    std::vector<std::uint32_t> order;
    order.reserve(elements_.size());
    for (Element e = elements_[0].next; e != none; e = elements_[e].next) {
      if (elements_[e].operation != none) order.push_back(elements_[e].operation);
    }
    return order;
  }

 private:
  struct Entry {
    std::uint32_t operation = none;  // none: was moved elsewhere
    Element previous = none;
    Element next = none;
  };
  struct Pending {
    std::uint32_t operation;
    Element position = none;  // as an observer
    bool used = false;        // in the walk itself
  };
  struct Spot {
    ValueId value;
    Time limit;
    bool tail;
    Element after;
  };

  static std::size_t operations_in(const Timeline& timeline, std::size_t events) {
    return std::min(events, timeline.problem().operations.size());
  }

  // Whether an operation changes nothing when the register holds `value`.
  static bool observes(const RegisterOperation& op, ValueId value) {
    switch (op.kind) {
      case RegisterKind::read: return op.from == value;
      case RegisterKind::differs: return op.from != value;
      case RegisterKind::write: return op.to == value;
      default: return false;
    }
  }

  std::vector<Pending>::iterator find(std::uint32_t o) {
    const auto p = std::lower_bound(pending_.begin(), pending_.end(), o,
                                    [](const Pending& a, std::uint32_t b) { return a.operation < b; });
    FL_ASSERT(p != pending_.end() && p->operation == o);
    return p;
  }

  Element insert_after(Element at, std::uint32_t operation) {
    const auto e = static_cast<Element>(elements_.size());
    elements_.push_back({operation, at, elements_[at].next});
    if (elements_[e].next != none) elements_[elements_[e].next].previous = e;
    elements_[at].next = e;
    if (at == end_) end_ = e;
    return e;
  }

  // Puts an operation into the walk behind `at`; whoever waits for what it stores follows. Returns the last element
  // put.
  Element put(Element at, std::uint32_t o, Time limit) {
    at = insert_after(at, o);
    const ValueId value = timeline_.operation(o).to;
    for (Pending& p : pending_) {
      if (timeline_.invoked(p.operation) > limit) break;
      const RegisterOperation& op = timeline_.operation(p.operation);
      if (op.open() || p.used || p.position != none || p.operation == o || !observes(op, value)) continue;
      at = p.position = insert_after(at, p.operation);
    }
    return at;
  }

  void mark_used(std::uint32_t o) {
    const auto p = find(o);
    FL_ASSERT(!p->used);
    p->used = true;
    if (p->position != none) elements_[p->position].operation = none;
    p->position = none;
  }

  // The operation a move stands for.
  std::uint32_t resolve(const Move& move) {
    if ((move.what & Move::class_bit) == 0) {
      mark_used(move.what);
      return move.what;
    }
    const ClassId id = move.what & ~Move::class_bit;
    FL_ASSERT(!members_[id].empty());
    const std::uint32_t o = members_[id].back();
    members_[id].pop_back();
    return o;
  }

  void apply(std::span<const Move> plan, Time now) {
    const Place place = plan[0].place;
    Time limit = now;
    Element at = end_;
    std::size_t spot = spots_.size();
    if (place == Place::gap) {
      limit = blind_limit_;
      at = elements_[blind_].previous;
    } else if (place == Place::tail || place == Place::loop) {
      spot = find_spot(plan[0]);
      limit = spots_[spot].limit;
      at = spots_[spot].after;
    }
    if (place == Place::rewrite) spots_.push_back({value_, now, true, end_});
    ValueId value = plan[0].value;
    for (const Move& move : plan) {
      const std::uint32_t o = resolve(move);
      const RegisterOperation& op = timeline_.operation(o);
      if (op.kind == RegisterKind::cas) {
        FL_ASSERT(place == Place::gap || place == Place::rewrite || &move != &plan[0] || op.from == value);
        spots_.push_back({op.from, limit, false, at});
      }
      at = put(at, o, limit);
      value = op.to;
      if (place == Place::rewrite && &move == &plan[0]) {
        blind_ = find_element(at, o);
        blind_limit_ = now;
      }
    }
    settle(place, spot, value, limit, at);
  }

  void settle(Place place, std::size_t spot, ValueId value, Time limit, Element at) {
    switch (place) {
      case Place::end:
      case Place::rewrite: value_ = value; break;
      case Place::gap: spots_.push_back({value, limit, true, at}); break;
      case Place::tail:
        spots_[spot].value = value;
        spots_[spot].after = at;
        break;
      case Place::loop: spots_[spot].after = at; break;
      case Place::more: FL_ASSERT(false); break;
    }
    if (spots_.size() < prune_at_) return;
    const Time oldest = pending_.empty() ? never : timeline_.invoked(pending_.front().operation);
    std::erase_if(spots_, [&](const Spot& s) { return s.limit < oldest; });
    prune_at_ = 2 * spots_.size() + 64;
  }

  // Observers may follow the operation just put: walk back to it.
  [[nodiscard]] Element find_element(Element at, std::uint32_t o) const {
    while (elements_[at].operation != o) at = elements_[at].previous;
    return at;
  }

  // The moves name limits by the latest invocation before them that matters (moves.hpp): of the spots alike, the first
  // whose limit is not before that is as good as the one meant.
  [[nodiscard]] std::size_t find_spot(const Move& move) const {
    const bool tail = move.place == Place::tail;
    std::size_t best = spots_.size();
    for (std::size_t i = 0; i < spots_.size(); ++i) {
      const Spot& s = spots_[i];
      if (s.value != move.value || s.tail != tail || s.limit < move.limit) continue;
      if (best == spots_.size() || s.limit < spots_[best].limit) best = i;
    }
    FL_ASSERT(best < spots_.size());
    return best;
  }

  void absorb(std::uint32_t o) {
    mark_used(o);
    const Element at = put(elements_[blind_].previous, o, blind_limit_);
    settle(Place::gap, spots_.size(), timeline_.operation(o).to, blind_limit_, at);
  }

  const Timeline& timeline_;
  std::vector<Entry> elements_;
  Element end_ = 0;
  ValueId value_;
  Element blind_ = none;  // the last blind write's element
  Time blind_limit_ = 0;
  std::vector<Pending> pending_;  // by invocation
  std::vector<Spot> spots_;
  std::size_t prune_at_ = 64;
  std::vector<std::vector<std::uint32_t>> members_;  // by class: joined and unused
};

}  // namespace

std::vector<ClassId> overdrawn(const Timeline& timeline, std::span<const Move> moves) {
  std::vector<bool> used(timeline.problem().operations.size());
  std::vector<std::int64_t> left(timeline.classes().size());
  std::vector<bool> short_of(timeline.classes().size());
  std::size_t m = 0;
  for (std::size_t i = 0; i < timeline.size(); ++i) {
    const auto [o, step] = timeline[i];
    if (step == Timeline::Step::join && !used[o]) ++left[timeline.class_of(o)];
    if (step != Timeline::Step::complete) continue;
    for (; m < moves.size() && moves[m].when == timeline.completed(o); ++m) {
      if ((moves[m].what & Move::class_bit) == 0) {
        used[moves[m].what] = true;
      } else {
        const ClassId id = moves[m].what & ~Move::class_bit;
        if (--left[id] < 0) short_of[id] = true;
      }
    }
  }
  std::vector<ClassId> result;
  for (ClassId id = 0; id < short_of.size(); ++id) {
    if (short_of[id]) result.push_back(id);
  }
  return result;
}

std::vector<std::uint32_t> replay(const Timeline& timeline, std::span<const Move> moves, std::size_t until,
                                  Meter& meter) {
  if (!meter.may_hold(Replay::bytes_for(timeline, until))) return {};
  Replay replay(timeline, until);
  std::size_t m = 0;
  for (std::size_t i = 0; i < until; ++i) {
    if (meter.tick()) return {};
    const auto [o, step] = timeline[i];
    switch (step) {
      case Timeline::Step::invoke: replay.invoke(o); break;
      case Timeline::Step::join: replay.join(o); break;
      case Timeline::Step::complete: {
        std::size_t last = m;
        while (last < moves.size() && moves[last].when == timeline.completed(o)) ++last;
        replay.complete(o, moves.subspan(m, last - m));
        m = last;
        break;
      }
    }
  }
  return replay.finish();
}

}  // namespace faultline::registers
