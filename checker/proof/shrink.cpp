#include "shrink.hpp"

#include <algorithm>
#include <optional>
#include <set>

namespace faultline {

namespace {

// One search may not eat the whole budget, nor all together go on for ever: engines poll `stop` at least every 1,000 steps.
constexpr std::uint64_t max_polls_per_search = 1'000;
constexpr std::uint64_t max_polls = 20'000;
// And of histories of which nearly everything is needed: so many items may be looked at, in all searches together.
constexpr std::size_t max_items = 3'000'000;
constexpr std::size_t max_passes = 60;  // over everything, at least
// Starting points tried: the nearest ones, then ever farther ones.
constexpr std::size_t near_starts = 8;

// What the operation needs the object to hold, if it is a read or a cas.
std::optional<Value> needed_value(const Call& call) {
  if ((call.f == "read" || call.f == "get") && call.result_known) return call.output;
  if (call.f == "cas" && !call.failed) return call.input.as_list()[0];
  return std::nullopt;
}

class Shrinker {
 public:
  Shrinker(const ModelView& model, const Items& items, const Engine& engine, const Budget& budget)
      : model_(model), items_(items), engine_(engine), budget_(budget) {}

  Core run() {
    choice_.kept.assign(items_.size(), true);
    choose_start();
    halve();
    advance_start();
    show_old_values();
    drop_start();
    const bool all_tried = try_singles();
    return result(all_tried);
  }

  // The same from a few operations that are said to contradict each other; nullopt if the engine does not agree.
  std::optional<Core> run_from(const std::vector<std::uint32_t>& suspects) {
    Choice choice{.kept = std::vector<bool>(items_.size(), false)};
    for (const std::uint32_t i : suspects) choice.kept[i] = true;
    if (!accept(std::move(choice))) return std::nullopt;
    const bool all_tried = try_singles();
    return result(all_tried);
  }

 private:
  enum class Answer { accepted, legal, unknown };

  Answer ask(const Choice& choice) { return ask_about(items_, choice); }

  Answer ask_about(const Items& items, const Choice& choice) {
    if (spent()) return Answer::unknown;
    looked_at_ += items.size();
    std::uint64_t polls = 0;
    const std::uint64_t limit = max_polls_per_search + items_.size() / 100;
    const Budget step{.stop = [&] { return ++polls > limit || (budget_.stop && budget_.stop()); },
                      .memory_limit = budget_.memory_limit,
                      .kind_only = true};
    const SearchResult found = engine_(relaxed(model_, items, choice), step);
    polls_ += polls;
    if (found.kind == VerdictKind::unknown) {
      const bool stopped = budget_.stop && budget_.stop();
      return in_doubt(stopped                             ? "the time for shrinking was up"
                      : found.reason == stopped_by_memory ? "the search for a smaller one ran out of memory"
                                                          : "the search for a smaller one took too many steps");
    }
    return found.kind == VerdictKind::invalid ? Answer::accepted : Answer::legal;
  }

  // Says why, for the core that is left.
  bool spent() {
    if (budget_.stopped()) {
      doubt_ = "the time for shrinking was up";
    } else if (polls_ > max_polls || looked_at_ > max_items + max_passes * items_.size()) {
      doubt_ = "the searches for smaller ones took all the steps they may take together";
    } else {
      return false;
    }
    return true;
  }
  Answer in_doubt(std::string_view why) {
    doubt_ = why;
    return Answer::unknown;
  }

  bool accept(Choice choice) {
    const bool accepted = ask(choice) == Answer::accepted;
    if (accepted) choice_ = std::move(choice);
    return accepted;
  }

  // Kept with this start: what was invoked after it returned, and what can be put in front of it.
  [[nodiscard]] Choice starting_at(std::uint32_t start) const {
    Choice choice{.kept = choice_.kept, .since = start};
    const Item& begin = items_[start];
    for (std::uint32_t i = 0; i < items_.size(); ++i) {
      const bool after = items_[i].invoked > begin.completed;
      const bool beside = items_[i].completed > begin.invoked && is_blind(model_, items_[i].call);
      choice.kept[i] = choice.kept[i] && (after || beside);
    }
    choice.kept[start] = true;
    return choice;
  }

  void choose_start() {
    std::vector<std::uint32_t> starts;
    for (std::uint32_t i = 0; i < items_.size(); ++i) {
      if (items_[i].completed != none && settles(model_, items_[i].call)) starts.push_back(i);
    }
    std::sort(starts.begin(), starts.end(), [&](auto a, auto b) { return items_[a].completed > items_[b].completed; });
    for (std::size_t i = 0; i < starts.size(); i = i < near_starts ? i + 1 : i + i / 4) {
      if (accept(starting_at(starts[i]))) return;
    }
  }

  // The kept operations that may be relaxed, far from the death first.
  [[nodiscard]] std::vector<std::uint32_t> kept() const {
    std::vector<std::uint32_t> indices;
    for (std::uint32_t i = 0; i < items_.size(); ++i) {
      if (choice_.kept[i] && items_[i].completed != none && i != choice_.since) indices.push_back(i);
    }
    std::sort(indices.begin(), indices.end(),
              [&](auto a, auto b) { return items_[a].completed < items_[b].completed; });
    return indices;
  }

  void halve() {
    for (std::size_t chunk = kept().size() / 2; chunk > 0; chunk /= 2) {
      const std::vector<std::uint32_t> candidates = kept();
      for (std::size_t from = 0; from < candidates.size(); from += chunk) {
        Choice choice = choice_;
        for (std::size_t i = from; i < std::min(from + chunk, candidates.size()); ++i)
          choice.kept[candidates[i]] = false;
        accept(std::move(choice));
      }
    }
  }

  // Among the few left there may be a later start, which makes the former one needless.
  void advance_start() {
    if (choice_.since == none) return;
    std::vector<std::uint32_t> starts = kept();
    std::reverse(starts.begin(), starts.end());
    for (const std::uint32_t start : starts) {
      if (items_[start].invoked < items_[choice_.since].completed || !settles(model_, items_[start].call)) continue;
      if (accept(starting_at(start))) return;
    }
  }

  // A read of an old value is hard to believe if nobody seems to have written it. Writes that returned before the start
  // do not make anything legal, so the last one of each such value may be shown.
  void show_old_values() {
    if (choice_.since == none) return;
    std::set<Value> shown{model_.initial};
    for (const Item& item : relaxed(model_, items_, choice_)) {
      if (is_blind(model_, item.call)) shown.insert(item.call.input);
    }
    for (const std::uint32_t reader : kept()) {
      const std::optional<Value> value = needed_value(items_[reader].call);
      if (!value || shown.contains(*value)) continue;
      std::uint32_t writer = none;
      for (std::uint32_t i = 0; i < items_.size(); ++i) {
        if (is_blind(model_, items_[i].call) && items_[i].call.input == *value &&
            items_[i].completed < items_[choice_.since].invoked) {
          writer = i;
        }
      }
      if (writer == none) continue;
      shown.insert(*value);
      Choice choice = choice_;
      choice.kept[writer] = true;
      accept(std::move(choice));
    }
  }

  // Without a start the proof is easier to follow, if it still is one.
  void drop_start() {
    if (choice_.since == none) return;
    Choice choice = choice_;
    choice.since = none;
    accept(std::move(choice));
  }

  // Relaxes single operations of the small history. True if each was tried and made it legal.
  bool try_singles() {
    bool all_tried = true;
    for (std::uint32_t i = 0; i < items_.size(); ++i) {
      if (!choice_.kept[i] || items_[i].completed == none) continue;
      if (spent()) {  // relaxing is work already, where much is kept
        if (all_tried) first_doubt_ = doubt_;
        return false;
      }
      const Answer answer = relax_single(i);
      if (answer == Answer::legal) continue;
      Choice without = choice_;
      without.kept[i] = false;
      const bool removed = answer == Answer::accepted && i != choice_.since && accept(std::move(without));
      if (removed || !all_tried) continue;
      all_tried = false;
      if (answer == Answer::accepted)
        doubt_ = "one operation less is still a proof, but not one that could be written down";
      first_doubt_ = doubt_;
    }
    return all_tried;
  }

  Answer relax_single(std::uint32_t i) {
    const Items small = relaxed(model_, items_, choice_);
    Choice others{.kept = std::vector<bool>(small.size(), true)};
    for (std::size_t j = 0; j < small.size(); ++j) others.kept[j] = small[j].operation != items_[i].operation;
    const Answer answer = ask_about(small, others);
    if (answer == Answer::legal || i != choice_.since) return answer;
    Choice without_start = choice_;  // relaxing the start brings back what was before it
    without_start.kept[i] = false;
    without_start.since = none;
    return ask(without_start);
  }

  [[nodiscard]] Core result(bool all_tried) const {
    return {.items = relaxed(model_, items_, choice_),
            .since = choice_.since == none ? none : items_[choice_.since].operation,
            .one_minimal = all_tried,
            .doubt = first_doubt_};
  }

  const ModelView& model_;
  const Items& items_;
  const Engine& engine_;
  const Budget& budget_;
  Choice choice_;
  std::uint64_t polls_ = 0;
  std::size_t looked_at_ = 0;
  std::string doubt_;        // why the latest answer was unknown
  std::string first_doubt_;  // of the single operations
};

// Operations in flight at the cut become open, later ones never happened.
Items cut(const Items& items, EventIndex last) {
  Items result;
  for (const Item& item : items) {
    if (item.invoked > last || (item.completed > last && item.call.failed)) continue;
    result.push_back(item);
    Item& kept = result.back();
    if (kept.completed == none || kept.completed <= last) continue;
    kept.completed = none;
    kept.call.output = {};
    kept.call.result_known = false;
  }
  return result;
}

}  // namespace

Core shrink(const ModelView& model, const Items& items, const SearchResult& found, const Engine& engine,
            const Budget& budget) {
  FL_ASSERT(found.kind == VerdictKind::invalid);
  if (!found.core.empty()) {
    if (auto core = Shrinker(model, items, engine, budget).run_from(found.core)) return *core;
  }
  const Items until_death = cut(items, found.died_at);
  Core core = Shrinker(model, until_death, engine, budget).run();
  // An engine may have died of what operations in flight were to return later (which token an acquisition will be given): then the cut is
  // legal, and the whole is not.
  const SearchResult again = engine(core.items, {.stop = budget.stop, .memory_limit = budget.memory_limit});
  if (again.kind != VerdictKind::valid) return core;
  return Shrinker(model, items, engine, budget).run();
}

}  // namespace faultline
