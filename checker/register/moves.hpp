// Moves: every way to place an operation that is due, and nothing else.
//
// Take a linearization. Call a write of the value already held there an *observer*, like a read or a failed cas; any
// other write is *blind* and starts an *episode*, which a chain of cas may continue. What changes the register is thus
// a walk: episodes one after the other, the first starting from the initial value. A configuration stands for a walk
// over some of the operations invoked so far, such that every operation that has completed is in it, observes a value
// of it, or is a write it hides.
//
// An operation may be inserted at a place of the walk iff it was invoked before everything standing after that place
// completed: the earliest such completion is the place's *limit*. (What is inserted is in flight or open, so nothing
// before the place was invoked after it completed.) The places, and what may be inserted there:
//
//   - end: after everything; a chain of cas from the current value, or a blind write and a chain. No limit.
//   - gap: just before the last blind write; a blind write and a chain. What follows looks at nothing before it.
//   - tail: the end of an episode that another one follows; a chain of cas from its value.
//   - loop: within an episode, where it holds x; a chain of cas from x back to x.
//
// Laziness. Nothing is placed before its deadline. Let L be a linearization that contains a configuration's walk S, and
// let o be due. Take the least walk S' between S and L that contains o's own position: leave out every episode, every
// rest of an episode and every loop not needed for that. S' has exactly one insertion more than S:
//
//   - o lies in an episode S knows, behind its last step in S: a chain without loops ending with o, at the end or tail.
//   - o lies on a loop of L that S left out: a simple way to o and a simple way back, at a loop place.
//   - o lies in an episode S left out: its blind write and a chain without loops ending with o, in the gap if S knows a
//     later episode, else at the end.
//
// What was left out can still be inserted later: the insertion makes a tail or a loop of every value it passes, with
// the limit of the place it went to; the end makes them with the limit now. L stays the witness: nothing is lost.
//
// Later is better. A gap, a tail or a loop of the same value with the later limit takes whatever the earlier one takes
// (what is inserted stands later among what is not yet due). So one gap and one loop per value are enough; a tail
// serves as a loop, too; and of the tails of one value no more are needed than chains can leave it.
//
// Observers are free. Entering x at a place satisfies everyone in flight who waits for x and was invoked within its
// limit: a read changes nothing, so it may stand at the first position that fits. A write of x is then hidden: it may
// stand there as well, unless it is used elsewhere.
//
// Absorption. A blind write at the end hides every write in flight: those can stand in its gap, unseen. When one
// invoked within the gap's limit is due and unused, it goes there with its readers, and leaves a tail: nothing is spent
// that would not be lost, and everything it could have given there is kept.
//
// Progress. A write that is due and hidden is put at the end, too, but only if somebody may notice its value later: as
// an episode of L without observers it can be hidden instead. If its value is held already, it is put at the end and
// nowhere else: that costs nothing, satisfies nobody less, and the gap before it is as late as a gap can be.
//
// Twins. Of pending writes of one value within the limit use the one due first. Let L use w2 here and w1 be due
// earlier. If w1 comes later in L, or stands hidden, swap them. If w1 starts an episode S left out, that episode may
// stand in the gap instead, right before w2's (at the end, w2's own gap has the limit now; in the gap, both have its
// limit): then swap. Of pending cas with equal values one loses to a twin that fits the place, was invoked later and is
// due no later: the twin takes its position, and the loser fits where the twin stood. Open operations are due never; those
// that joined a class were invoked before any limit that matters, so every pending twin that fits goes first. Of open
// writes not yet joined the one invoked last goes first: it fits the fewest other places.
//
// Endless classes. Where open writes of x never run dry, x need not be reached by a chain: add one to L right there.
//
// Wing, Gong 1993 and Lowe 2017 (just-in-time linearization) place operations at the end only. The gap, tails and loops
// are what lets everything else wait for its own deadline, which keeps configurations few.
#pragma once

#include <algorithm>

#include "meter.hpp"
#include "setting.hpp"
#include "spots.hpp"

namespace faultline::registers {

template <class M>
class Moves {
 public:
  using Config = Configuration<M>;

  explicit Moves(Setting<M>& setting) : s_(setting), spots_(setting) {}

  // --- the deterministic part ---
  // `slot` has been invoked, at the end of everything.
  void invoke(Config& c, Slot slot) const {
    const auto& p = s_.window[slot];
    if (p.open) return;
    switch (p.kind) {
      case RegisterKind::read:
        if (c.value == p.from) c.placed.set(slot);
        break;
      case RegisterKind::differs:
        if (c.value != p.from) c.placed.set(slot);
        break;
      case RegisterKind::write:
        if (c.value != p.to) c.bare.set(slot);
        break;
      default: break;
    }
  }

  // --- an operation is due ---
  // every configuration in which it has been placed. The slot's bit stays for the caller to clear. Returns whether `c`
  // itself lives on as it is now (it may have been improved by absorption); if so it is not in `out`.
  bool complete(Config& c, Slot slot, Time now, bool noticed, std::vector<Config>& out, Meter& meter) {
    const auto& p = s_.window[slot];
    now_ = now;
    due_ = slot;
    out_ = &out;
    meter_ = &meter;
    if (c.placed.test(slot)) return true;
    if (p.kind != RegisterKind::write) {
      place(c);
      return false;
    }
    const bool bare = c.bare.test(slot);
    if (c.value == p.to) {
      // As it is held already, storing it once more costs nothing and makes the gap as late as can be.
      make_visible(c);
      return false;
    }
    if (bare || noticed || !s_.prunings.progress) make_visible(c);
    if (bare) {
      place(c);
      return false;
    }
    if (p.invoked <= c.blind) absorb(c);
    return true;
  }

  // --- housekeeping ---
  // a configuration says about places to the one form that all alike share.
  void canonicalise(Config& c) {
    c.blind = s_.window.latest_before(c.blind, c.placed);
    if (c.places == 0) return;
    spots_.load(c);
    spots_.store(c);
  }

 private:
  struct Link {
    std::uint32_t what;  // a slot, or Move::class_bit | class
    ValueId from, to;
    Time invoked;
  };

  // --- searching backwards from what is due ---
  void place(const Config& c) {
    const auto& p = s_.window[due_];
    c_ = &c;
    links_.clear();
    switch (p.kind) {
      case RegisterKind::read: reach(p.from, p.invoked); break;
      case RegisterKind::write: reach(p.to, p.invoked); break;
      case RegisterKind::cas:
        links_.push_back({due_, p.from, p.to, p.invoked});
        reach(p.from, p.invoked);
        break;
      case RegisterKind::differs: reach_other(p.from, p.invoked); break;
      case RegisterKind::nothing: FL_ASSERT(false); break;
    }
  }

  // All ways to hold `value` where links_ (from there on, last first) and what is due can follow. `since`: the latest
  // invocation among those, which the limit of the place must not precede.
  void reach(ValueId value, Time since) {
    if (meter_->tick()) return;
    start_at(value, since);
    // Whoever can store the value at will need not come to it by a cas: the open write may as well be added to L there.
    if (s_.endless_write(value) && s_.window[due_].kind != RegisterKind::write) return;
    step_back(value, since);
  }

  void step_back(ValueId value, Time since) {
    const M candidates = s_.window.watch(value).enters - c_->placed;
    candidates.each([&](unsigned slot) {
      const auto& q = s_.window[slot];
      if (on_path(slot, q.from)) return;
      links_.push_back({slot, q.from, value, q.invoked});
      reach(q.from, std::max(since, q.invoked));
      links_.pop_back();
    });
    if (value >= s_.cas_classes_into.size()) return;
    for (const ClassId id : s_.cas_classes_into[value]) {
      const ValueId from = s_.classes[id].from;
      const std::uint32_t what = Move::class_bit | id;
      if (on_path(what, from) || !s_.has(*c_, id)) continue;
      links_.push_back({what, from, value, 0});
      reach(from, since);
      links_.pop_back();
    }
  }

  // A failed cas refusing `value` is due: any other value will do, reached directly or by one cas from `value` itself.
  void reach_other(ValueId value, Time since) {
    const M writes = s_.window.writes() - c_->placed - s_.window.watch(value).writes;
    seen_.clear();
    writes.each([&](unsigned slot) { seen_.push_back(s_.window[slot].to); });
    for (const OpenClass& k : s_.classes) {
      if (k.kind == RegisterKind::write && k.to != value) seen_.push_back(k.to);
    }
    std::sort(seen_.begin(), seen_.end());
    seen_.erase(std::unique(seen_.begin(), seen_.end()), seen_.end());
    const std::vector<ValueId> others = seen_;
    for (const ValueId other : others) start_at(other, since);
    const M leaving = s_.window.watch(value).leaves - c_->placed;
    leaving.each([&](unsigned slot) {
      const auto& q = s_.window[slot];
      links_.push_back({slot, value, q.to, q.invoked});
      start_at(value, std::max(since, q.invoked));
      links_.pop_back();
    });
    for (ClassId id = 0; id < s_.classes.size(); ++id) {
      const OpenClass& k = s_.classes[id];
      if (k.kind != RegisterKind::cas || k.from != value || !s_.has(*c_, id)) continue;
      links_.push_back({Move::class_bit | id, value, k.to, 0});
      start_at(value, since);
      links_.pop_back();
    }
  }

  // Chains pass no value twice (a loop not needed is left out) and use nothing twice.
  [[nodiscard]] bool on_path(std::uint32_t what, ValueId from) const {
    for (const Link& link : links_) {
      if (link.what == what) return true;
      // The due operation's own target may be passed before it.
      if (link.to == from && link.what != due_) return true;
      if (link.from == from) return true;
    }
    return false;
  }
  // Whether some link has a twin that fits the place as well and should go first.
  [[nodiscard]] bool beaten(const M& within) const {
    if (!s_.prunings.twins) return false;
    return std::any_of(links_.begin(), links_.end(),
                       [&](const Link& link) { return link.what != due_ && beaten(link, within); });
  }
  [[nodiscard]] bool beaten(const Link& link, const M& within) const {
    const bool pending = (link.what & Move::class_bit) == 0;
    const Time invoked = pending ? link.invoked : 0;
    const Time completed = pending ? s_.window[link.what].completed : never;
    bool found = false;
    M twins = s_.window.watch(link.from).leaves & s_.window.watch(link.to).enters & within;
    twins -= c_->placed;
    twins.each([&](unsigned slot) {
      const auto& p = s_.window[slot];
      if (p.invoked <= invoked || p.completed > completed) return;
      found = found || std::none_of(links_.begin(), links_.end(), [&](const Link& l) { return l.what == slot; });
    });
    return found;
  }

  // --- starting points ---
  void start_at(ValueId value, Time since) {
    const Config& c = *c_;
    if (c.value == value && !links_.empty()) insert_at_end(value);
    const bool blind = s_.window[due_].kind != RegisterKind::write;
    if (blind) each_source(value, now_, [&](std::uint32_t what) { rewrite(what, value); });
    if (blind && c.blind >= since) {
      each_source(value, c.blind, [&](std::uint32_t what) { insert_in_gap(what, value); });
    }
    if (c.places == 0 || links_.empty()) return;
    const auto raw = s_.places.get(c.places);
    for (std::size_t i = 0; i < raw.size(); i += 3) {
      const Spot spot{s_.places.get(c.places)[i], s_.places.get(c.places)[i + 1], s_.places.get(c.places)[i + 2] != 0};
      if (spot.value != value || spot.limit < since) continue;
      if (spot.tail) {
        insert_at_tail(spot);
      } else {
        close_loop(spot);
      }
    }
  }

  // What can store `value` within `limit`: the pending write due first, else an open one.
  template <class Use>
  void each_source(ValueId value, Time limit, Use use) {
    // An endless supply costs nothing, and the pending one stays free for whoever comes.
    if (s_.endless_write(value)) return use(Move::class_bit | s_.write_class[value]);
    M writes = s_.window.watch(value).writes - c_->placed;
    if (limit != now_) writes &= s_.window.before(limit);
    if (writes.any() && s_.prunings.twins) {
      unsigned best = none;
      writes.each([&](unsigned slot) {
        if (best == none || better_source(slot, best)) best = slot;
      });
      return use(best);
    }
    writes.each([&](unsigned slot) { use(slot); });
    if (s_.has_write(*c_, value)) use(Move::class_bit | s_.write_class[value]);
  }
  [[nodiscard]] bool better_source(unsigned slot, unsigned than) const {
    const auto& p = s_.window[slot];
    const auto& q = s_.window[than];
    if (p.completed != q.completed) return p.completed < q.completed;
    return p.invoked > q.invoked;  // both open: the later one fits fewer places
  }

  // --- insertions ---
  void make_visible(const Config& c) {
    c_ = &c;
    links_.clear();
    rewrite(due_, s_.window[due_].to);
  }

  // Starts a new configuration from the one at hand, unless a twin makes a better one.
  bool begin(Place place, ValueId value, Time limit) {
    if (!meter_->may_hold_next(s_.growth())) return false;
    before_ = place == Place::end || place == Place::rewrite ? s_.window.all() : s_.window.before(limit);
    if (!links_.empty() && beaten(before_)) return false;
    made_ = *c_;
    s_.trace.hold(made_.node);
    spots_.load(*c_);
    first_ = {.when = now_, .what = 0, .place = place, .value = value, .limit = limit};
    limit_ = limit;
    return true;
  }
  void use(std::uint32_t what) {
    if ((what & Move::class_bit) != 0) {
      const ClassId id = what & ~Move::class_bit;
      if (!s_.has(made_, id)) broke_ = true;
      s_.count_use(made_, id);
      ++made_.cost;
      first_.what = what;
    } else {
      const auto& p = s_.window[what];
      made_.placed.set(what);
      made_.bare.reset(what);
      if (p.open) ++made_.cost;
      first_.what = p.operation;
    }
    const Trace::Node node = s_.trace.append(made_.node, first_);
    s_.trace.release(made_.node);
    made_.node = node;
    first_.place = Place::more;
  }
  void enter(ValueId value) {
    const auto& watch = s_.window.watch(value);
    made_.placed |= (watch.reads | (s_.window.differs() - watch.differs)) & before_;
    made_.bare -= watch.writes & before_;
  }
  // The links from `from` on, leaving a loop place at every value that is left.
  ValueId follow(ValueId from) {
    for (std::size_t i = links_.size(); i-- > 0;) {
      FL_ASSERT(links_[i].from == from);
      spots_.add({from, limit_, false});
      use(links_[i].what);
      from = links_[i].to;
      enter(from);
    }
    return from;
  }
  void finish() {
    if (broke_) {
      broke_ = false;
      s_.trace.release(made_.node);
      return;
    }
    spots_.store(made_);
    if (!meter_->may_grow(*out_, 1, sizeof(Config))) return s_.trace.release(made_.node);
    out_->push_back(made_);
  }

  void insert_at_end(ValueId value) {
    if (!begin(Place::end, value, now_)) return;
    made_.value = follow(value);
    finish();
  }
  void rewrite(std::uint32_t what, ValueId value) {
    if (!begin(Place::rewrite, value, now_)) return;
    spots_.add({c_->value, now_, true});
    use(what);
    made_.bare = M();
    made_.blind = now_;
    enter(value);
    made_.value = follow(value);
    finish();
  }
  void insert_in_gap(std::uint32_t what, ValueId value) {
    if (!begin(Place::gap, value, c_->blind)) return;
    use(what);
    enter(value);
    spots_.add({follow(value), limit_, true});
    finish();
  }
  void insert_at_tail(const Spot& spot) {
    if (!begin(Place::tail, spot.value, spot.limit)) return;
    first_.limit = spots_.limit(*c_, spot);
    spots_.remove(spot);
    spots_.add({follow(spot.value), spot.limit, true});
    finish();
  }

  // What is due lies on the way out (links_); now every simple way back.
  void close_loop(const Spot& spot) {
    const ValueId reached = links_.front().to;
    outward_ = links_;
    way_back_.clear();
    if (reached == spot.value) {
      insert_loop(spot);
    } else {
      come_back(spot, reached);
    }
  }
  void come_back(const Spot& spot, ValueId at) {
    if (meter_->tick()) return;
    const M candidates = (s_.window.watch(at).leaves & s_.window.before(spot.limit)) - c_->placed;
    candidates.each([&](unsigned slot) {
      const auto& q = s_.window[slot];
      if (back_tried(slot, q.to)) return;
      step_towards(spot, {slot, at, q.to, q.invoked});
    });
    for (ClassId id = 0; id < s_.classes.size(); ++id) {
      const OpenClass& k = s_.classes[id];
      const std::uint32_t what = Move::class_bit | id;
      if (k.kind != RegisterKind::cas || k.from != at || !s_.has(*c_, id) || back_tried(what, k.to)) continue;
      step_towards(spot, {what, at, k.to, 0});
    }
  }
  void step_towards(const Spot& spot, const Link& link) {
    way_back_.push_back(link);
    if (link.to == spot.value) {
      insert_loop(spot);
    } else {
      come_back(spot, link.to);
    }
    way_back_.pop_back();
  }
  [[nodiscard]] bool back_tried(std::uint32_t what, ValueId to) const {
    const bool pending = (what & Move::class_bit) == 0;
    for (const Link& link : outward_) {
      if (pending && link.what == what) return true;
    }
    for (const Link& link : way_back_) {
      if ((pending && link.what == what) || link.from == to) return true;
    }
    return false;
  }
  void insert_loop(const Spot& spot) {
    links_ = way_back_;
    std::reverse(links_.begin(), links_.end());
    links_.insert(links_.end(), outward_.begin(), outward_.end());
    if (begin(Place::loop, spot.value, spot.limit)) {
      first_.limit = spots_.limit(*c_, spot);
      follow(spot.value);
      finish();
    }
    links_ = outward_;
  }

  // A write that is due, unused and hidden by the last blind write goes into its gap, and its readers with it.
  void absorb(Config& c) {
    const auto& p = s_.window[due_];
    if (!s_.prunings.absorption) {
      c_ = &c;
      links_.clear();
      insert_in_gap(due_, p.to);
      return;
    }
    const auto& watch = s_.window.watch(p.to);
    const M& before = s_.window.before(c.blind);
    c.placed |= (watch.reads | (s_.window.differs() - watch.differs)) & before;
    if ((watch.leaves - c.placed).none() && s_.classes.empty()) return;
    spots_.load(c);
    spots_.add({p.to, c.blind, true});
    spots_.store(c);
  }

  Setting<M>& s_;
  Spots<M> spots_;
  const Config* c_ = nullptr;  // the configuration at hand
  Slot due_ = none;
  Time now_ = 0;
  std::vector<Config>* out_ = nullptr;
  Meter* meter_ = nullptr;
  std::vector<Link> links_, outward_, way_back_;
  Config made_;
  Move first_;
  M before_;
  Time limit_ = 0;
  bool broke_ = false;
  std::vector<ValueId> seen_;
};

}  // namespace faultline::registers
