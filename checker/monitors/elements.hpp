// Elements: what went into a container and what came out of it, paired by value; shared by the monitors of stacks and priority queues.
//
// An element is an insertion and the removal that returned its value. It is *surely inside* from the completion of its insertion to the
// invocation of its removal, for ever if it was never removed: in every legal order it is there throughout these gaps.
//
// Open removals may have taken anything. They are judged by a bracket of two questions without them:
//   - Is there an order in which none of them happened? Then that is a legal order.
//   - Is there an order of the elements that are known to have been removed, and the others away? Taking an element out of a legal order,
//     together with whatever removed it, leaves the order legal, so if there is none there was none before: invalid. Open removals cannot
//     have taken these elements, for a value that is inserted once is removed once.
// Between the two it guesses which of them took which element. While the elements that were not removed contradict the others, one of the
// contradiction must have been taken, before the last of its operations completed; so one is given the last open removal that is early
// enough. Once there is an order it is legal, however it was come by. A guess may be wrong, so when it leads nowhere the monitor declines.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "../problem.hpp"
#include "ranks.hpp"

namespace faultline {

struct Element {
  std::uint32_t insertion = none;  // items
  std::uint32_t removal = none;    // none: never removed
};

// The gaps an element may be inserted and removed in: [first, end). Of one never removed: from the end of the history to `never_returns`.
struct Life {
  Rank insert_first = 0, insert_end = 0;
  Rank remove_first = 0, remove_end = 0;
};

struct Elements {
  std::vector<Element> elements;  // without those that never happened: open insertions whose value nobody saw
  std::vector<std::uint32_t> empty_removals;  // that found nothing
  std::vector<std::uint32_t> open_removals;
  std::vector<std::uint32_t> core;  // a contradiction among one value's operations, if there is one

  // nullopt: a value is inserted twice, or is nil, or a function is neither.
  static std::optional<Elements> of(const Items& items, std::string_view insert, std::string_view remove);

 private:
  void pair(const Items& items, std::uint32_t removal, std::uint32_t element);
};

Life life_of(const Element& element, const Ranks& ranks);

// Intervals of certain presence, one after the other without a gap between them, as few as possible, that cover [from, to): indices into
// `lives`. Empty if they do not cover it. `some`: those that may be used.
std::vector<std::uint32_t> covering_chain(const std::vector<Life>& lives, std::vector<std::uint32_t> some, Rank from,
                                          Rank to);

// What a monitor has found out about elements: one of the three, or nothing.
struct Finding {
  std::vector<std::uint32_t> core;      // items that contradict each other
  std::vector<std::uint32_t> elements;  // of the core
  bool lasting = false;                 // the core holds an element that was never removed
  std::optional<Layout> layout;         // a legal order
  bool stopped = false;                 // out of time
};

// These elements contradict each other, or that the removal found nothing.
Finding contradiction(const Elements& all, const std::vector<std::uint32_t>& some, std::uint32_t empty_removal = none);

// The result a finding amounts to; nullopt if it is none, or a layout that does not keep to the intervals.
std::optional<SearchResult> conclude(const Items& items, const Ranks& ranks, std::string_view engine,
                                     const Finding& finding, const Budget& budget);
// As an answer for want of memory.
SearchResult too_large(std::string_view engine);
inline constexpr std::uint64_t element_bytes_per_item = 100;  // what such a monitor holds, by estimate

// Guesses which open removal took which element, one contradiction after the other.
class Takers {
 public:
  Takers(const Items& items, const Elements& all);

  // Gives an element of the contradiction a taker, or an earlier one; false if it does not know how.
  bool relieve(const Finding& finding);
  [[nodiscard]] const Elements& elements() const { return guessed_; }

 private:
  [[nodiscard]] bool open(std::uint32_t element) const;
  // The last free open removal invoked before the event; none: there is none.
  [[nodiscard]] std::uint32_t last_before(EventIndex event) const;

  const Items& items_;
  Elements guessed_;
  std::vector<bool> used_;  // by open removal
  std::size_t attempts_;    // left; all together look at some ten million operations
};

// Judges by the bracket above. `Judge`: Finding(const Elements&, const Ranks&).
template <class Judge>
std::optional<SearchResult> bracketed(const Items& items, std::string_view insert, std::string_view remove,
                                      std::string_view engine, const Budget& budget, Judge&& judge) {
  if (items.size() * element_bytes_per_item > budget.memory_limit) return too_large(engine);
  std::optional<Elements> all = Elements::of(items, insert, remove);
  if (!all) return std::nullopt;
  const Ranks ranks = Ranks::of(items);
  if (!all->core.empty()) return conclude(items, ranks, engine, {.core = all->core, .layout = {}}, budget);
  const auto judge_removed = [&] {
    Elements removed = *all;
    std::erase_if(removed.elements, [](const Element& e) { return e.removal == none; });
    return judge(std::as_const(removed), ranks);
  };
  if (!all->open_removals.empty()) {
    const Finding finding = judge_removed();
    if (!finding.layout) return conclude(items, ranks, engine, finding, budget);
  }
  Finding finding = judge(std::as_const(*all), ranks);
  if (!all->open_removals.empty() && !finding.core.empty()) {
    for (Takers takers(items, *all); !finding.core.empty(); finding = judge(takers.elements(), ranks)) {
      if (!takers.relieve(finding)) return std::nullopt;
    }
    return conclude(items, ranks, engine, finding, budget);
  }
  if (finding.lasting) {  // a core of removed elements is worth another look: no relaxed removal can have taken them
    Finding other = judge_removed();
    if (!other.layout) finding = std::move(other);
  }
  return conclude(items, ranks, engine, finding, budget);
}

}  // namespace faultline
