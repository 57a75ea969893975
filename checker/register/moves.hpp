// Moves: every way to place an operation that is due, and nothing else.
//
// Take a linearization and call a write of the value already held an *observer*, like a read or a failed cas; any other
// write is *blind* and starts an *episode*, which a chain of cas may continue. What changes the register is thus a
// walk: episodes one after the other, the first starting from the initial value. A configuration stands for a walk over
// some of the operations invoked so far, such that every operation that has completed is in it, observes a value of it,
// or is a write it hides.
//
// An operation may be inserted at a place of the walk iff it was invoked no later than every operation standing after
// that place completed: the earliest such completion is the place's *limit*. (Everything inserted is still in flight or
// open, so nothing standing before the place completed before its invocation.) Places, with what they ask of an
// insertion:
//   end     after everything; no limit
//   gap     just before the last blind write: an episode of its own. A blind write looks at nothing, so anything may
//   precede it tail    the end of an episode that another follows: a chain of cas from its value loop    within an
//   episode, where it holds x: a chain of cas from x back to x
//
// *Laziness*: nothing is placed before its deadline. Let L be a linearization that contains a configuration's walk S,
// and let o be due. Take from L the least walk S' that contains S and o's own position in L: leave out every episode,
// every rest of an episode and every loop not needed for that. S' contains exactly one insertion more than S, at one of
// these places:
//   - o lies in an episode S knows, behind its last known step: a chain at the end or the tail, loops left out, ending
//   with o
//   - o lies on a loop of L that S left out: a loop
//   - o lies in an episode S left out: its blind write and a chain ending with o; in the gap if S has a later episode,
//   else at the end
// What was left out can be inserted later, because places only ever gain companions of the same limit: what is inserted
// makes a tail or loop place of every value it passes, with the limit of the place it went to.
//
// *Later is better*: a gap, a tail or a loop of the same value with the later limit takes whatever the earlier one
// takes, so one gap, and one loop per value, are enough. *Observers are free*: entering x at a place satisfies everyone
// in flight who waits for x and was invoked within its limit; a read changes nothing, so it may stand at the first
// position that fits. A write of x is then hidden: it may stand there too. *Absorption*: a blind write hides every
// write invoked before it: those can stand in its gap. When such a write is due and unused, it takes its readers with
// it into the gap, and leaves a tail: nothing is spent that would not be lost. *Progress*: a write that is due and
// hidden is made visible, at the end, only if somebody may notice its value later. *Twins*: of pending writes of one
// value use the one due first. Let L use w2 where w1, due earlier, was possible. If w1 comes later in L, swap them. If
// w1 starts an episode S left out, that episode can as well stand in the gap before w2's (at the end, when w2's starts
// there: its limit is now; in the gap, w2's limit is that of all others there), and then swap. Of pending cas with
// equal values only those are tried that are due first or were invoked last: the others lose to one that is both. An
// open operation is due never; once joined it was invoked before any limit: every pending twin that fits goes first.
//
// Wing, Gong 1993 and Lowe 2017 (just-in-time linearization) place operations at the end only; the gap, tails and loops
// are what lets everything else wait for its own deadline.
#pragma once

#include <algorithm>

#include "configuration.hpp"
#include "meter.hpp"
#include "window.hpp"

namespace faultline::registers {

// What every configuration of one search refers to.
template <class M>
struct Setting {
  Window<M> window;
  Trace trace;
  Interner places;
  Interner uses;
  Prunings prunings;
  std::vector<bool> counted;                           // by class; others never run dry: a superset of what can happen
  std::vector<std::uint32_t> capacity;                 // by class: members that have joined
  std::vector<OpenClass> classes;                      // by class
  std::vector<ClassId> write_class;                    // by value: the class of open writes of it, or none
  std::vector<std::vector<ClassId>> cas_classes_into;  // by value
  ValueId forgotten = 0;                               // stands for every value nobody mentions any more

  Setting(std::uint32_t values, bool recording) : window(values), trace(recording), forgotten(values) {}

  [[nodiscard]] std::uint64_t bytes() const {
    return window.bytes() + trace.bytes() + places.bytes() + uses.bytes() + write_class.capacity() * sizeof(ClassId) +
           cas_classes_into.capacity() * sizeof(cas_classes_into[0]);
  }
};

template <class M>
class Moves {
 public:
  using Config = Configuration<M>;

  explicit Moves(Setting<M>& setting) : s_(setting) {}

  // --- the deterministic part
  // --------------------------------------------------------------------------------------------- The operation in
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

  // --- an operation is due
  // ------------------------------------------------------------------------------------------------ Appends to `out`
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

  // --- housekeeping
  // ------------------------------------------------------------------------------------------------------- Brings what
  // a configuration says about places to the one form that all alike share.
  void canonicalise(Config& c) {
    c.blind = s_.window.latest_before(c.blind, c.placed);
    if (c.places == 0) return;
    load_spots(c);
    store_spots(c);
  }

 private:
  struct Link {
    std::uint32_t what;  // a slot, or Move::class_bit | class
    ValueId from, to;
    Time invoked;
  };

  // --- classes of open operations
  // -----------------------------------------------------------------------------------------
  [[nodiscard]] std::uint32_t used(const Config& c, ClassId id) const {
    const auto pairs = s_.uses.get(c.uses);
    for (std::size_t i = 0; i < pairs.size(); i += 2) {
      if (pairs[i] == id) return pairs[i + 1];
    }
    return 0;
  }
  // Whether `c` may use a class `extra` times more.
  [[nodiscard]] bool has(const Config& c, ClassId id, std::uint32_t extra = 1) const {
    if (s_.capacity[id] == 0) return false;
    if (!s_.counted[id]) return true;
    return used(c, id) + extra <= s_.capacity[id];
  }
  [[nodiscard]] bool has_write(const Config& c, ValueId value) const {
    return value < s_.write_class.size() && s_.write_class[value] != none && has(c, s_.write_class[value]);
  }
  // Whether open writes of the value never run dry.
  [[nodiscard]] bool endless_write(ValueId value) const {
    if (value >= s_.write_class.size() || s_.write_class[value] == none) return false;
    const ClassId id = s_.write_class[value];
    return s_.capacity[id] > 0 && !s_.counted[id];
  }

 public:
  // One more member used. Public because an open operation used before it joined its class is counted then.
  void count_use(Config& c, ClassId id) {
    if (!s_.counted[id]) return;
    const auto pairs = s_.uses.get(c.uses);
    scratch_.assign(pairs.begin(), pairs.end());
    std::size_t i = 0;
    while (i < scratch_.size() && scratch_[i] < id) i += 2;
    if (i < scratch_.size() && scratch_[i] == id) {
      ++scratch_[i + 1];
    } else {
      scratch_.insert(scratch_.begin() + static_cast<std::ptrdiff_t>(i), {id, 1});
    }
    c.uses = s_.uses.intern(scratch_);
  }
  // Stops counting a class once more members are left than can be noticed.
  void saturate(Config& c, const Demand& demand) {
    if (c.uses == 0) return;
    const auto pairs = s_.uses.get(c.uses);
    scratch_.clear();
    for (std::size_t i = 0; i < pairs.size(); i += 2) {
      const ClassId id = pairs[i];
      if (s_.capacity[id] - pairs[i + 1] >= demand.of(s_.classes[id].to)) continue;
      scratch_.insert(scratch_.end(), {id, pairs[i + 1]});
    }
    c.uses = s_.uses.intern(scratch_);
  }

 private:
  // --- places
  // -------------------------------------------------------------------------------------------------------------
  void load_spots(const Config& c) {
    spots_.clear();
    const auto raw = s_.places.get(c.places);
    for (std::size_t i = 0; i < raw.size(); i += 3) spots_.push_back({raw[i], raw[i + 1], raw[i + 2] != 0});
  }

  // Keeps the spots that may still be of use to `c`, in canonical form.
  void store_spots(Config& c) {
    // Limits matter relative to what a chain can place: cas, and who still waits to see something.
    const M settled = settled_for(c);
    std::size_t kept = 0;
    for (Spot spot : spots_) {
      spot.limit = s_.window.latest_before(spot.limit, settled);
      if (spot.limit == 0 || (s_.prunings.forgetting && chains_from(c, spot) == 0)) continue;
      spots_[kept++] = spot;
    }
    spots_.resize(kept);
    std::sort(spots_.begin(), spots_.end(), std::greater<>());
    scratch_.clear();
    for (std::size_t i = 0; i < kept; ++i) {
      const Spot& spot = spots_[i];
      if (!surplus(c, i)) scratch_.insert(scratch_.end(), {spot.value, spot.limit, spot.tail ? 1U : 0U});
    }
    c.places = s_.places.intern(scratch_);
  }
  [[nodiscard]] M settled_for(const Config& c) const { return c.placed | (s_.window.writes() - c.bare); }
  // A loop is not needed if any spot of its value is as late: a tail serves as a loop too, its chain need not go on.
  // And no more tails of a value are needed than chains can leave it. Sorted by value and limit, the latest first.
  [[nodiscard]] bool surplus(const Config& c, std::size_t i) {
    std::size_t first_tail = i;
    std::size_t later_tails = 0;
    for (std::size_t k = i; k > 0 && spots_[k - 1].value == spots_[i].value; --k) {
      if (!spots_[i].tail) return true;
      if (!spots_[k - 1].tail) continue;
      first_tail = k - 1;
      ++later_tails;
    }
    return s_.prunings.forgetting && later_tails > 0 && later_tails >= chains_from(c, spots_[first_tail]);
  }
  // How many chains may still be put there at most: each needs something unplaced to leave by (and, for a loop, to come
  // back).
  [[nodiscard]] unsigned chains_from(const Config& c, const Spot& spot) {
    const auto& watch = s_.window.watch(spot.value);
    const M unplaced = s_.window.before(spot.limit) - c.placed;
    const bool open = !s_.classes.empty();
    const unsigned served = open ? (unplaced - s_.window.supplies()).count() : 0;
    const unsigned leaving = open && class_leaves(spot.value) ? served : (watch.leaves & unplaced).count();
    if (leaving == 0 || spot.tail) return leaving;
    return (watch.enters & unplaced).any() || (open && class_enters(spot.value)) ? 1 : 0;
  }
  [[nodiscard]] bool class_leaves(ValueId value) const {
    return std::any_of(s_.classes.begin(), s_.classes.end(),
                       [&](const OpenClass& k) { return k.kind == RegisterKind::cas && k.from == value; });
  }
  [[nodiscard]] bool class_enters(ValueId value) const {
    return value < s_.cas_classes_into.size() && !s_.cas_classes_into[value].empty();
  }

  // --- searching backwards from what is due
  // ---------------------------------------------------------------------------------
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
    if (endless_write(value) && s_.window[due_].kind != RegisterKind::write) return;
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
      if (on_path(what, from) || !has(*c_, id)) continue;
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
      if (k.kind != RegisterKind::cas || k.from != value || !has(*c_, id)) continue;
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

  // --- starting points
  // ------------------------------------------------------------------------------------------------------
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
    if (endless_write(value)) return use(Move::class_bit | s_.write_class[value]);
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
    if (has_write(*c_, value)) use(Move::class_bit | s_.write_class[value]);
  }
  [[nodiscard]] bool better_source(unsigned slot, unsigned than) const {
    const auto& p = s_.window[slot];
    const auto& q = s_.window[than];
    if (p.completed != q.completed) return p.completed < q.completed;
    return p.invoked > q.invoked;  // both open: the later one fits fewer places
  }

  // --- insertions
  // -------------------------------------------------------------------------------------------------------------
  void make_visible(const Config& c) {
    c_ = &c;
    links_.clear();
    rewrite(due_, s_.window[due_].to);
  }

  // Starts a new configuration from the one at hand, unless a twin makes a better one.
  bool begin(Place place, ValueId value, Time limit) {
    before_ = place == Place::end || place == Place::rewrite ? s_.window.all() : s_.window.before(limit);
    if (!links_.empty() && beaten(before_)) return false;
    made_ = *c_;
    s_.trace.hold(made_.node);
    load_spots(*c_);
    first_ = {.when = now_, .what = 0, .place = place, .value = value, .limit = limit};
    limit_ = limit;
    return true;
  }
  void use(std::uint32_t what) {
    if ((what & Move::class_bit) != 0) {
      const ClassId id = what & ~Move::class_bit;
      if (!has(made_, id)) broke_ = true;
      count_use(made_, id);
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
  // In the canonical form of this moment, by which the record finds the spot again.
  [[nodiscard]] Time spot_limit(const Spot& spot) const {
    return s_.window.latest_before(spot.limit, settled_for(*c_));
  }
  // The links from `from` on, leaving a loop place at every value that is left.
  ValueId follow(ValueId from) {
    for (std::size_t i = links_.size(); i-- > 0;) {
      FL_ASSERT(links_[i].from == from);
      spots_.push_back({from, limit_, false});
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
    store_spots(made_);
    out_->push_back(made_);
  }

  void insert_at_end(ValueId value) {
    if (!begin(Place::end, value, now_)) return;
    made_.value = follow(value);
    finish();
  }
  void rewrite(std::uint32_t what, ValueId value) {
    if (!begin(Place::rewrite, value, now_)) return;
    spots_.push_back({c_->value, now_, true});
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
    spots_.push_back({follow(value), limit_, true});
    finish();
  }
  void insert_at_tail(const Spot& spot) {
    if (!begin(Place::tail, spot.value, spot.limit)) return;
    first_.limit = spot_limit(spot);
    spots_.erase(std::find(spots_.begin(), spots_.end(), spot));
    spots_.push_back({follow(spot.value), spot.limit, true});
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
      if (k.kind != RegisterKind::cas || k.from != at || !has(*c_, id) || back_tried(what, k.to)) continue;
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
      first_.limit = spot_limit(spot);
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
    load_spots(c);
    spots_.push_back({p.to, c.blind, true});
    store_spots(c);
  }

  Setting<M>& s_;
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
  std::vector<Spot> spots_;
  std::vector<std::uint32_t> scratch_;
  std::vector<ValueId> seen_;
};

}  // namespace faultline::registers
