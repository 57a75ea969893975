// Frontier: the set of all configurations possible after the events so far, reduced to those nobody else imitates.
//
// Fed one event at a time; empty is final, because what comes later cannot help (linearizability is prefix-closed).
// Memory follows the operations in flight and the size of the set, not the length, except for the record of moves
// (Trace) if one is kept. Lowe 2017, "Testing for linearizability", section on just-in-time linearization; the moves
// and their arguments are in moves.hpp.
#pragma once

#include "antichain.hpp"
#include "meter.hpp"
#include "moves.hpp"

namespace faultline {

template <class M>
class Frontier {
 public:
  using Config = Configuration<M>;

  struct Options {
    Prunings prunings;
    Counting counting = Counting::unlimited;
    std::vector<bool> counted;  // by class, under exact; empty: all
    bool recording = true;
  };

  Frontier(ValueId initial, std::uint32_t values, Options options)
      : setting_(values, options.recording), moves_(setting_), antichain_(setting_), options_(std::move(options)) {
    setting_.prunings = options_.prunings;
    setting_.counting = options_.counting;
    Config first;
    first.value = initial;
    configs_.push_back(first);
  }

  void invoke(Slot slot, std::uint32_t operation, const RegisterOperation& op) {
    setting_.window.add(slot, operation, op);
    for (Config& c : configs_) moves_.invoke(c, slot);
  }

  // What `complete` must know of the future; when it is not known, `true` is always right.
  struct Outlook {
    bool noticed = true;                 // by somebody who completes later: the value the operation stores
    const Timeline* timeline = nullptr;  // to forget values; null: none is forgotten
  };

  // False if no configuration survives, or the meter is spent. Then `last` still names a configuration from before.
  bool complete(Slot slot, Time now, const Outlook& outlook, Meter& meter) {
    setting_.trace.release(last_);
    last_ = configs_[0].node;
    setting_.trace.hold(last_);
    made_.clear();
    std::size_t kept = 0;
    for (Config& c : configs_) {
      if (moves_.complete(c, slot, now, outlook.noticed, made_, meter)) {
        if (&configs_[kept] != &c) configs_[kept] = std::move(c);
        ++kept;
      } else {
        setting_.trace.release(c.node);
      }
      if (meter.tick()) return false;
    }
    configs_.resize(kept);
    const bool write = setting_.window[slot].kind == RegisterKind::write;
    const bool changed = write || !made_.empty();
    configs_.insert(configs_.end(), std::make_move_iterator(made_.begin()), std::make_move_iterator(made_.end()));
    setting_.window.remove(slot);
    for (Config& c : configs_) {
      c.placed.reset(slot);
      c.bare.reset(slot);
    }
    if (changed || setting_.window.in_flight() == 0) return settle(now, outlook.timeline, meter);
    return !configs_.empty();
  }

  // The open operation in `slot` joins its class (timeline.hpp).
  void join(Slot slot, ClassId id, const OpenClass& kind) {
    add_class(id, kind);
    ++setting_.capacity[id];
    setting_.window.remove(slot);
    for (Config& c : configs_) {
      if (!c.placed.test(slot)) continue;
      c.placed.reset(slot);
      moves_.count_use(c, id);
    }
  }

  [[nodiscard]] const std::vector<Config>& configurations() const { return configs_; }
  [[nodiscard]] std::vector<Move> moves_of(const Config& c) const { return setting_.trace.path(c.node); }
  // Of a configuration that was possible before the latest completion.
  [[nodiscard]] std::vector<Move> last_moves() const { return setting_.trace.path(last_); }
  [[nodiscard]] std::uint64_t bytes() const {
    return setting_.bytes() + antichain_.bytes() +
           (configs_.capacity() + made_.capacity()) * (sizeof(Config) + 2 * setting_.window.all().heap_bytes());
  }

 private:
  void add_class(ClassId id, const OpenClass& kind) {
    if (id < setting_.classes.size()) return;
    FL_ASSERT(id == setting_.classes.size());
    setting_.classes.push_back(kind);
    setting_.capacity.push_back(0);
    setting_.counted.push_back(id >= options_.counted.size() || options_.counted[id]);
    const auto grown = [&](auto& by_value, auto empty) -> auto& {
      if (by_value.size() <= kind.to) by_value.resize(kind.to + 1, empty);
      return by_value[kind.to];
    };
    if (kind.kind == RegisterKind::write) {
      grown(setting_.write_class, none) = id;
    } else {
      grown(setting_.cas_classes_into, std::vector<ClassId>()).push_back(id);
    }
  }

  bool settle(Time now, const Timeline* timeline, Meter& meter) {
    const bool forgets = timeline != nullptr && setting_.prunings.forgetting;
    for (Config& c : configs_) {
      if (forgets && c.value != setting_.forgotten && !timeline->mentioned_after(c.value, now))
        c.value = setting_.forgotten;
      moves_.canonicalise(c);
    }
    if (meter.tick(configs_.size())) return false;
    if (configs_.size() > 1 && !antichain_.reduce(configs_, meter)) return false;
    tidy();
    return !configs_.empty();
  }

  void tidy() {
    if (setting_.trace.wants_cut()) {
      leaves_.clear();
      leaves_.push_back(last_);
      for (const Config& c : configs_) leaves_.push_back(c.node);
      setting_.trace.cut(leaves_);
    }
    renew(setting_.places, &Config::places);
    renew(setting_.uses, &Config::uses);
  }
  // Keeps only what configurations refer to, once much more has gathered.
  void renew(Interner& interner, Interner::Id Config::*field) {
    if (interner.size() < 1024 + 4 * configs_.size()) return;
    Interner fresh;
    for (Config& c : configs_) c.*field = fresh.intern(interner.get(c.*field));
    interner = std::move(fresh);
  }

  Setting<M> setting_;
  Moves<M> moves_;
  Antichain<M> antichain_;
  Options options_;
  std::vector<Config> configs_;
  std::vector<Config> made_;
  std::vector<Trace::Node> leaves_;
  Trace::Node last_ = Trace::root;
};

}  // namespace faultline
