// Window: the operations in flight, by slot, and for each value they mention who reads, stores, refuses or leaves it.
//
// It moves forwards and backwards along a timeline; the same slot is given at both. Memory follows what is in flight,
// except four bytes per distinct value.
#pragma once

#include "mask.hpp"
#include "timeline.hpp"

namespace faultline::registers {

template <class M>
class Window {
 public:
  struct Pending {
    std::uint32_t operation = none;
    RegisterKind kind = RegisterKind::nothing;
    bool open = false;
    ValueId from = 0;
    ValueId to = 0;
    Time invoked = 0;
    Time completed = never;
  };
  // Slots by what their operation does to one value.
  struct Watch {
    M reads, differs, writes, leaves, enters;  // leaves, enters: cas from it and cas to it
    std::uint32_t mentions = 0;
  };

  // `values`: how many to expect; more may come.
  explicit Window(std::uint32_t values) : watch_of_(values) { watches_.emplace_back(); }

  void add(Slot slot, std::uint32_t operation, const RegisterOperation& op) {
    if (slots_.size() <= slot) slots_.resize(slot + 1);
    slots_[slot] = {
        operation, op.kind, op.open(), op.from, op.to, op.invoked + 1, op.open() ? never : op.completed + 1};
    change(slot, true);
    const auto at = std::upper_bound(order_.begin(), order_.end(), slots_[slot].invoked,
                                     [&](Time t, Slot s) { return t < slots_[s].invoked; });
    known_prefixes_ = std::min<std::size_t>(known_prefixes_, static_cast<std::size_t>(at - order_.begin()));
    order_.insert(at, slot);
  }

  void remove(Slot slot) {
    change(slot, false);
    const auto at = std::lower_bound(order_.begin(), order_.end(), slots_[slot].invoked,
                                     [&](Slot s, Time t) { return slots_[s].invoked < t; });
    known_prefixes_ = std::min<std::size_t>(known_prefixes_, static_cast<std::size_t>(at - order_.begin()));
    order_.erase(at);
    slots_[slot].operation = none;
  }

  [[nodiscard]] const Pending& operator[](Slot slot) const { return slots_[slot]; }
  [[nodiscard]] std::size_t in_flight() const { return order_.size(); }
  [[nodiscard]] const std::vector<Slot>& by_invocation() const { return order_; }
  [[nodiscard]] const Watch& watch(ValueId value) const {
    return watches_[value < watch_of_.size() ? watch_of_[value] : 0];
  }
  [[nodiscard]] const M& all() const { return all_; }
  [[nodiscard]] const M& writes() const { return writes_; }
  // Cas that must take effect: to have placed one is neither better nor worse than not to.
  [[nodiscard]] const M& duties() const { return duties_; }
  // Writes and open cas: the fewer are placed, the more are left to use.
  [[nodiscard]] const M& supplies() const { return supplies_; }
  [[nodiscard]] const M& differs() const { return differs_; }

  // Who was invoked at or before `limit`.
  [[nodiscard]] const M& before(Time limit) { return prefix(rank(limit)); }
  // The latest invocation at or before `limit` of an operation not in `except`; 0 if there is none. Two limits are as
  // good as each other for the others iff these are equal.
  [[nodiscard]] Time latest_before(Time limit, const M& except) const {
    std::size_t count = rank(limit);
    while (count > 0 && except.test(order_[count - 1])) --count;
    return count == 0 ? 0 : slots_[order_[count - 1]].invoked;
  }

  [[nodiscard]] std::uint64_t bytes() const {
    const std::uint64_t mask = sizeof(M) + all_.heap_bytes();
    return watch_of_.capacity() * sizeof(std::uint32_t) + watches_.capacity() * (5 * mask + 8) +
           slots_.capacity() * sizeof(Pending) + prefixes_.capacity() * mask;
  }

 private:
  [[nodiscard]] std::size_t rank(Time limit) const {
    // Limits are mostly recent or long gone: look at both ends before searching.
    if (order_.empty() || slots_[order_.front()].invoked > limit) return 0;
    if (slots_[order_.back()].invoked <= limit) return order_.size();
    const auto at =
        std::upper_bound(order_.begin(), order_.end(), limit, [&](Time t, Slot s) { return t < slots_[s].invoked; });
    return static_cast<std::size_t>(at - order_.begin());
  }

  const M& prefix(std::size_t count) {
    if (count == order_.size()) return all_;
    if (prefixes_.size() <= count) prefixes_.resize(order_.size() + 1);
    while (known_prefixes_ < count) {
      prefixes_[known_prefixes_ + 1] = prefixes_[known_prefixes_];
      prefixes_[known_prefixes_ + 1].set(order_[known_prefixes_]);
      ++known_prefixes_;
    }
    return prefixes_[count];
  }

  Watch& mention(ValueId value, bool adding) {
    if (watch_of_.size() <= value) watch_of_.resize(value + 1);
    if (watch_of_[value] == 0) {
      FL_ASSERT(adding);
      if (unused_.empty()) {
        unused_.push_back(static_cast<std::uint32_t>(watches_.size()));
        watches_.emplace_back();
      }
      watch_of_[value] = unused_.back();
      unused_.pop_back();
    }
    Watch& watch = watches_[watch_of_[value]];
    if (adding) {
      ++watch.mentions;
    } else if (--watch.mentions == 0) {
      unused_.push_back(watch_of_[value]);
      watch_of_[value] = 0;
    }
    return watch;
  }

  void change(Slot slot, bool adding) {
    const auto put = [&](M& mask) { adding ? mask.set(slot) : mask.reset(slot); };
    const Pending& p = slots_[slot];
    put(all_);
    switch (p.kind) {
      case RegisterKind::read: put(mention(p.from, adding).reads); break;
      case RegisterKind::differs:
        put(differs_);
        put(mention(p.from, adding).differs);
        break;
      case RegisterKind::write:
        put(writes_);
        put(supplies_);
        put(mention(p.to, adding).writes);
        break;
      case RegisterKind::cas:
        put(p.open ? supplies_ : duties_);
        put(mention(p.from, adding).leaves);
        put(mention(p.to, adding).enters);
        break;
      case RegisterKind::nothing: FL_ASSERT(false); break;
    }
  }

  std::vector<Pending> slots_;
  std::vector<Slot> order_;       // by invocation
  std::vector<M> prefixes_{M()};  // of order_: the first i members
  std::size_t known_prefixes_ = 0;
  std::vector<std::uint32_t> watch_of_;  // by value; 0: nobody mentions it
  std::vector<Watch> watches_;           // 0 stays empty
  std::vector<std::uint32_t> unused_;
  M all_, writes_, supplies_, duties_, differs_;
};

}  // namespace faultline::registers
