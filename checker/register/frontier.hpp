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

namespace faultline::registers {

template <class M>
class Frontier {
 public:
  using Config = Configuration<M>;

  struct Options {
    Prunings prunings;
    bool count_all = false;     // classes of open operations are counted, all of them,
    std::vector<bool> counted;  // or these; the others never run dry
    bool recording = true;
    bool renewing = true;  // may renumber places and uses; not while somebody else holds configurations
  };

  Frontier(ValueId initial, std::uint32_t values, Options options)
      : setting_(values, options.recording), moves_(setting_), antichain_(setting_), options_(std::move(options)) {
    setting_.prunings = options_.prunings;
    Config first;
    first.value = initial;
    configs_.push_back(first);
  }
  // A frontier of its own that stands where the other does. REQUIRES: no moves are recorded.
  Frontier(const Frontier& other)
      : setting_(other.setting_),
        moves_(setting_),
        antichain_(setting_),
        options_(other.options_),
        configs_(other.configs_),
        last_(other.last_) {
    FL_ASSERT(!options_.recording);
  }
  Frontier& operator=(const Frontier&) = delete;

  void invoke(Slot slot, std::uint32_t operation, const RegisterOperation& op) {
    setting_.window.add(slot, operation, op);
    for (Config& c : configs_) moves_.invoke(c, slot);
  }

  // What `complete` must know of the future; when it is not known, `true` is always right.
  struct Outlook {
    bool noticed = true;                 // by somebody who completes later: the value the operation stores
    const Timeline* timeline = nullptr;  // to forget values; null: none is forgotten
    const Demand* demand = nullptr;      // to stop counting; null: never
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
    if (meter.spent()) return false;
    const bool write = setting_.window[slot].kind == RegisterKind::write;
    const bool changed = write || !made_.empty();
    if (!meter.may_grow(configs_, made_.size(), config_bytes())) return false;
    configs_.insert(configs_.end(), std::make_move_iterator(made_.begin()), std::make_move_iterator(made_.end()));
    setting_.window.remove(slot);
    for (Config& c : configs_) {
      c.placed.reset(slot);
      c.bare.reset(slot);
    }
    if (changed || setting_.window.in_flight() == 0) return settle(now, outlook, meter);
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
      setting_.count_use(c, id);
    }
  }

  // --- going back (depth_first.hpp): the window only; configurations are handed in with `restore` ---
  void undo_invoke(Slot slot) { setting_.window.remove(slot); }
  void undo_complete(Slot slot, std::uint32_t operation, const RegisterOperation& op) {
    setting_.window.add(slot, operation, op);
  }
  void undo_join(Slot slot, std::uint32_t operation, const RegisterOperation& op, ClassId id) {
    --setting_.capacity[id];
    setting_.window.add(slot, operation, op);
  }
  // Takes over configurations and their references to the trace.
  void restore(std::vector<Config> configs) {
    for (const Config& c : configs_) setting_.trace.release(c.node);
    configs_ = std::move(configs);
  }
  // Gives away, with their references, all but the most promising: the ones with more still to be placed first.
  std::vector<Config> shed(Meter& meter) {
    ranks_.clear();
    for (std::uint32_t i = 0; i < configs_.size(); ++i) ranks_.emplace_back(promise(configs_[i]), i);
    sort_metered(ranks_, meter, std::greater<>());
    std::vector<Config> rest;
    for (const auto& [rank, i] : ranks_) rest.push_back(std::move(configs_[i]));
    configs_.assign(1, std::move(rest.back()));
    rest.pop_back();
    return rest;
  }
  // Gives up configurations that imitate nobody new: each is imitated by one of `dead`.
  void drop_imitators(const std::vector<Config>& dead, Meter& meter) {
    std::erase_if(configs_, [&](const Config& c) {
      if (meter.tick(dead.size() / 8)) return false;
      const bool hopeless = antichain_.imitated(c, dead);
      if (hopeless) setting_.trace.release(c.node);
      return hopeless;
    });
  }
  void hold(Trace::Node node) { setting_.trace.hold(node); }
  void release(Trace::Node node) { setting_.trace.release(node); }
  [[nodiscard]] Trace::Node last() const { return last_; }
  [[nodiscard]] bool wants_cut() const { return setting_.trace.wants_cut(); }
  // `others` and this frontier's own must be all nodes held.
  void cut(std::span<const Trace::Node> others, Meter& meter) {
    leaves_.assign(others.begin(), others.end());
    leaves_.push_back(last_);
    for (const Config& c : configs_) leaves_.push_back(c.node);
    setting_.trace.cut(leaves_, meter);
  }

  // Every value it still refers to.
  template <class Visit>
  void each_value(Visit visit) const {
    for (const Config& c : configs_) {
      visit(c.value);
      const auto places = setting_.places.get(c.places);
      for (std::size_t i = 0; i < places.size(); i += 3) visit(places[i]);
    }
    for (const OpenClass& k : setting_.classes) {
      visit(k.from);
      visit(k.to);
    }
  }

  [[nodiscard]] const std::vector<Config>& configurations() const { return configs_; }
  [[nodiscard]] std::vector<Move> moves_of(const Config& c) const { return setting_.trace.path(c.node); }
  [[nodiscard]] std::vector<Move> moves_to(Trace::Node node) const { return setting_.trace.path(node); }
  // Of a configuration that was possible before the latest completion.
  [[nodiscard]] std::vector<Move> last_moves() const { return setting_.trace.path(last_); }
  [[nodiscard]] std::uint64_t bytes() const {
    return setting_.bytes() + antichain_.bytes() + (configs_.capacity() + made_.capacity()) * config_bytes();
  }

 private:
  void add_class(ClassId id, const OpenClass& kind) {
    if (id < setting_.classes.size()) return;
    FL_ASSERT(id == setting_.classes.size());
    setting_.classes.push_back(kind);
    setting_.capacity.push_back(0);
    setting_.counted.push_back(options_.count_all || (id < options_.counted.size() && options_.counted[id]));
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

  [[nodiscard]] std::uint64_t config_bytes() const { return sizeof(Config) + 2 * setting_.window.all().heap_bytes(); }

  // Fewer is better: what must still be placed, and open operations spent.
  [[nodiscard]] std::uint64_t promise(const Config& c) const {
    const M owed = setting_.window.all() - setting_.window.supplies() - c.placed;
    return std::uint64_t{owed.count()} + c.bare.count() + c.cost;
  }

  bool settle(Time now, const Outlook& outlook, Meter& meter) {
    const Timeline* timeline = setting_.prunings.forgetting ? outlook.timeline : nullptr;
    for (Config& c : configs_) {
      const bool forgets =
          timeline != nullptr && c.value != setting_.forgotten && !timeline->mentioned_after(c.value, now);
      if (forgets) c.value = setting_.forgotten;
      if (outlook.demand != nullptr) setting_.saturate(c, *outlook.demand);
      moves_.canonicalise(c);
      if (meter.tick()) return false;
    }
    if (configs_.size() > 1 && !antichain_.reduce(configs_, meter)) return false;
    tidy(meter);
    return !configs_.empty() && !meter.spent();
  }

  void tidy(Meter& meter) {
    if (!options_.renewing) return;
    if (wants_cut()) cut({}, meter);
    renew(setting_.places, &Config::places, meter);
    renew(setting_.uses, &Config::uses, meter);
  }
  // Keeps only what configurations refer to, once much more has gathered.
  void renew(Interner& interner, Interner::Id Config::*field, Meter& meter) {
    if (interner.size() < 1024 + 4 * configs_.size()) return;
    Interner fresh;
    for (Config& c : configs_) {
      c.*field = fresh.intern(interner.get(c.*field));
      meter.tick();
    }
    interner = std::move(fresh);
  }

  Setting<M> setting_;
  Moves<M> moves_;
  Antichain<M> antichain_;
  Options options_;
  std::vector<Config> configs_;
  std::vector<Config> made_;
  std::vector<Trace::Node> leaves_;
  std::vector<std::pair<std::uint64_t, std::uint32_t>> ranks_;
  Trace::Node last_ = Trace::root;
};

}  // namespace faultline::registers
