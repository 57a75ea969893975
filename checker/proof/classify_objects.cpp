// Classes of kv stores with appends, locks, sets, counters, queues and stacks. Words as in classify_register.cpp: *before* and
// *after* are real time; an operation that is not known to have failed *may* take effect.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include <faultline/states.hpp>

#include "classify.hpp"

namespace faultline {

namespace {

bool before(const Fact& a, const Fact& b) { return a.certain() && a.returned < b.invoked; }

// The operations of one function that may take effect; with an argument: only those with it.
std::vector<const Fact*> effects(const Facts& facts, std::string_view f) {
  std::vector<const Fact*> found;
  for (const Fact& fact : facts.all()) {
    if (fact.call.f == f && !fact.failed()) found.push_back(&fact);
  }
  return found;
}
std::vector<const Fact*> effects(const Facts& facts, std::string_view f, const Value& argument) {
  std::vector<const Fact*> found = effects(facts, f);
  std::erase_if(found, [&](const Fact* fact) { return fact->call.input != argument; });
  return found;
}

std::vector<const Fact*> failures(const Facts& facts, std::string_view f, const Value& argument) {
  std::vector<const Fact*> found;
  for (const Fact& fact : facts.all()) {
    if (fact.call.f == f && fact.failed() && fact.call.input == argument) found.push_back(&fact);
  }
  return found;
}

bool all_after(const std::vector<const Fact*>& effects, const Fact& observer) {
  return std::all_of(effects.begin(), effects.end(), [&](const Fact* effect) { return before(observer, *effect); });
}

std::vector<Value> elements_of(const Value& value) {
  if (value.is_null()) return {};
  const auto items = value.is_tagged() ? value.tagged_value().as_list() : value.as_list();
  return {items.begin(), items.end()};
}

bool contains(const std::vector<Value>& values, const Value& value) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

std::string observer_name(const Fact& fact) { return fmt::format("The {} by process {}", fact.call.f, fact.process); }

Naming make(const Facts& facts, std::string name, const Fact& culprit, const Fact* contradicted, std::string sentence) {
  Naming naming{.name = std::move(name), .sentence = std::move(sentence), .culprit = culprit.operation};
  if (contradicted == nullptr) return naming;
  naming.contradicted = contradicted->operation;
  if (before(*contradicted, culprit)) naming.gap = facts.duration(contradicted->returned, culprit.invoked);
  if (before(culprit, *contradicted)) naming.gap = facts.duration(culprit.returned, contradicted->invoked);
  return naming;
}

Naming misses(const Facts& facts, const Fact& observer, const Fact& effect) {
  return make(facts, "lost-element", observer, &effect,
              fmt::format("{} misses {}, acknowledged to process {}.", observer_name(observer),
                          shown(effect.call.input), effect.process));
}

// Nothing that could have put the value there began before the observer had returned.
std::optional<Naming> unexpected(const Facts& facts, const Fact& observer, const Value& value, std::string_view adder,
                                 std::string_view has, std::string_view never) {
  const auto added = effects(facts, adder, value);
  if (!all_after(added, observer)) return std::nullopt;
  const std::string start = fmt::format("{} {} {}", observer_name(observer), has, shown(value));
  if (!added.empty()) {
    return make(facts, "unexpected", observer, added[0],
                fmt::format("{}, whose only {} began {} later.", start, adder,
                            facts.gap(observer.returned, added[0]->invoked)));
  }
  const auto failed = failures(facts, adder, value);
  if (failed.empty()) return make(facts, "unexpected", observer, nullptr, fmt::format("{}, never {}.", start, never));
  return make(facts, "unexpected", observer, failed[0],
              fmt::format("{}, whose {} by process {} had definitely failed.", start, adder, failed[0]->process));
}

// The fewest times `piece` can occur when the text is cut into the given pieces; none if it cannot be cut so.
std::optional<std::size_t> fewest_uses(std::string_view text, const std::set<std::string_view>& pieces,
                                       std::string_view piece) {
  constexpr std::size_t impossible = SIZE_MAX;
  std::vector<std::size_t> fewest(text.size() + 1, impossible);
  fewest[0] = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (fewest[at] == impossible) continue;
    for (const std::string_view next : pieces) {
      if (next.empty() || text.substr(at, next.size()) != next) continue;
      std::size_t& there = fewest[at + next.size()];
      there = std::min(there, fewest[at] + (next == piece ? 1 : 0));
    }
  }
  return fewest.back() == impossible ? std::nullopt : std::optional(fewest.back());
}

// The one append of a text, whose text the result holds twice however it is cut into the texts that were ever written.
std::optional<Naming> double_append(const Facts& facts, const Fact& get, const Value& initial) {
  const std::string_view text = get.call.output.as_text();
  std::set<std::string_view> pieces;
  std::map<std::string_view, std::size_t> issued;
  if (initial.is_string()) pieces.insert(initial.as_text());
  for (const std::string_view f : {"put", "append"}) {
    for (const Fact* fact : effects(facts, f)) {
      pieces.insert(fact->call.input.as_text());
      ++issued[fact->call.input.as_text()];
    }
  }
  for (const Fact* append : effects(facts, "append")) {
    const std::string_view piece = append->call.input.as_text();
    const std::size_t first = text.find(piece);
    const bool initially = initial.is_string() && initial.as_text() == piece;
    if (piece.empty() || initially || issued[piece] != 1 || first == std::string_view::npos) continue;
    if (text.find(piece, first + piece.size()) == std::string_view::npos) continue;
    const auto fewest = fewest_uses(text, pieces, piece);
    if (!fewest || *fewest < 2) continue;
    return make(
        facts, "double-apply", get, append,
        fmt::format("Process {} issued {} once; the get by process {} shows it {}.", append->process,
                    phrase(append->call), get.process, *fewest == 2 ? "twice" : fmt::format("{} times", *fewest)));
  }
  return std::nullopt;
}

Naming inversion(const Facts& facts, const Fact& newer, const Fact& older) {
  return make(facts, "inversion", older, &newer,
              fmt::format("Process {} read {}; {} later process {} read the older {}.", newer.process,
                          facts.key_is(newer.call.output), facts.gap(newer.returned, older.invoked), older.process,
                          shown(older.call.output)));
}

// A get before a get whose result is a beginning of the first's, and whatever could clear the key is before the first or after the
// second: texts only grow in between.
std::optional<Naming> append_inversion(const Facts& facts) {
  const auto text = [](const Fact& get) {
    return get.call.output.is_null() ? std::string_view() : get.call.output.as_text();
  };
  const auto core = facts.core();
  const auto puts = effects(facts, "put");
  for (const Fact* newer : core) {
    for (const Fact* older : core) {
      if (newer->call.f != "get" || older->call.f != "get" || !before(*newer, *older)) continue;
      if (text(*older).size() >= text(*newer).size() || !text(*newer).starts_with(text(*older))) continue;
      const bool kept = std::all_of(puts.begin(), puts.end(),
                                    [&](const Fact* put) { return before(*put, *newer) || before(*older, *put); });
      if (kept) return inversion(facts, *newer, *older);
    }
  }
  return std::nullopt;
}

// A read before a read that returns only some of its elements: nothing is ever removed.
std::optional<Naming> set_inversion(const Facts& facts) {
  const auto core = facts.core();
  for (const Fact* newer : core) {
    for (const Fact* older : core) {
      if (newer->call.f != "read" || older->call.f != "read" || !before(*newer, *older)) continue;
      const auto many = elements_of(newer->call.output), few = elements_of(older->call.output);
      const bool part = std::all_of(few.begin(), few.end(), [&](const Value& value) { return contains(many, value); });
      if (part && few.size() < many.size()) return inversion(facts, *newer, *older);
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<Naming> classify_append(const Facts& facts, const Value& initial) {
  const auto core = facts.core();
  for (const Fact* get : core) {
    if (get->call.f != "get") continue;
    if (!get->call.output.is_null()) {
      if (auto naming = double_append(facts, *get, initial)) return naming;
    }
    const std::string_view text = get->call.output.is_null() ? std::string_view() : get->call.output.as_text();
    const auto puts = effects(facts, "put");
    for (const Fact* append : core) {
      // Appended before the get, and whatever could clear the key is before the append or after the get.
      if (append->call.f != "append" || !before(*append, *get) ||
          text.find(append->call.input.as_text()) != std::string_view::npos)
        continue;
      const bool kept = std::all_of(puts.begin(), puts.end(),
                                    [&](const Fact* put) { return before(*put, *append) || before(*get, *put); });
      if (kept) return misses(facts, *get, *append);
    }
  }
  return append_inversion(facts);
}

namespace {

// Both have returned and neither has been asked to let go: from the later return to the first release by one of the two.
Naming two_holders(const Facts& facts, const std::vector<const Fact*>& releases, const Fact& first,
                   const Fact& second) {
  const EventIndex both = std::max(first.returned, second.returned);
  auto end = static_cast<EventIndex>(facts.history().size() - 1);
  for (const Fact* release : releases) {
    if (release->invoked > both) end = std::min(end, release->invoked);
  }
  const std::string overlap = end > both ? "for " + facts.gap(both, end) : "when the history ended";
  const std::string lock = facts.key_name("");
  return make(facts, "two-holders", second, &first,
              fmt::format("Processes {} and {} both held {} {}.", first.process, second.process,
                          lock.empty() ? "the lock" : "lock " + lock, overlap));
}

// When an acquisition had returned, there were two more that had returned than releases that had been asked for: so another holder was
// left. It is the last whose process had not asked for a release since.
std::optional<Naming> overdrawn(const Facts& facts, const std::vector<const Fact*>& releases) {
  for (const Fact* second : facts.core()) {
    if (second->call.f != "acquire") continue;
    std::size_t acquired = 0, released = 0;
    const Fact* holder = nullptr;
    const auto let_go_since = [&](const Fact& acquire) {
      return std::any_of(releases.begin(), releases.end(), [&](const Fact* release) {
        return release->process == acquire.process && release->invoked > acquire.returned &&
               release->invoked < second->returned;
      });
    };
    for (const Fact* release : releases) released += release->invoked < second->returned;
    for (const Fact& fact : facts.all()) {
      if (fact.call.f != "acquire" || !fact.certain() || fact.returned > second->returned) continue;
      ++acquired;
      const bool later = holder == nullptr || fact.returned > holder->returned;
      if (fact.process != second->process && later && !let_go_since(fact)) holder = &fact;
    }
    if (acquired <= released + 1 || holder == nullptr) continue;
    std::vector<const Fact*> theirs = releases;
    std::erase_if(theirs, [&](const Fact* release) {
      return release->process != second->process && release->process != holder->process;
    });
    return two_holders(facts, theirs, *holder, *second);
  }
  return std::nullopt;
}

}  // namespace

// Two acquisitions, and whatever could release the lock is before both or after both; or more acquisitions than releases make room for.
std::optional<Naming> classify_mutex(const Facts& facts) {
  const auto core = facts.core();
  const auto releases = effects(facts, "release");
  for (const Fact* second : core) {
    for (const Fact* first : core) {
      if (first == second) break;
      if (first->call.f != "acquire" || second->call.f != "acquire" || first->process == second->process) continue;
      const auto outside = [&](const Fact* release) {
        return (before(*release, *first) && before(*release, *second)) ||
               (before(*first, *release) && before(*second, *release));
      };
      if (!std::all_of(releases.begin(), releases.end(), outside)) continue;
      return two_holders(facts, releases, *first, *second);
    }
  }
  return overdrawn(facts, releases);
}

std::optional<Naming> classify_set(const Facts& facts, const Value& initial) {
  const std::vector<Value> beginning = elements_of(initial);
  const auto core = facts.core();
  for (const Fact* read : core) {
    const bool asks = read->call.f == "contains";
    if (read->call.f != "read" && !asks) continue;
    std::vector<Value> seen;
    if (!asks) seen = elements_of(read->call.output);
    if (asks && read->call.output == Value(true)) seen.push_back(read->call.input);
    for (std::size_t i = 0; i < seen.size(); ++i) {
      if (std::find(seen.begin(), seen.begin() + static_cast<std::ptrdiff_t>(i), seen[i]) !=
          seen.begin() + static_cast<std::ptrdiff_t>(i)) {
        return make(facts, "duplicate", *read, nullptr,
                    fmt::format("{} has {} twice.", observer_name(*read), shown(seen[i])));
      }
      if (contains(beginning, seen[i])) continue;
      if (auto naming = unexpected(facts, *read, seen[i], "add", asks ? "found" : "has", "added")) return naming;
    }
    for (const Fact* add : core) {  // nothing is ever removed
      const bool looked_for = !asks || (read->call.input == add->call.input && read->call.output == Value(false));
      if (add->call.f == "add" && before(*add, *read) && looked_for && !contains(seen, add->call.input))
        return misses(facts, *read, *add);
    }
  }
  return set_inversion(facts);
}

namespace {

// What an addition adds; none if sums of such amounts might wrap around.
std::optional<std::int64_t> amount_of(const Call& call) {
  const std::int64_t n = call.input.is_null() ? 1 : call.input.as_integer();
  if (n > INT32_MAX || n < -INT32_MAX) return std::nullopt;
  return call.f == "dec" ? -n : n;
}

bool adds_up(const Facts& facts, std::int64_t start) {
  const bool small = start <= INT32_MAX && start >= -INT32_MAX;
  return small && std::all_of(facts.all().begin(), facts.all().end(), [](const Fact& fact) {
           return fact.call.f == "read" || fact.failed() || amount_of(fact.call);
         });
}

// A read below all that was certainly added when it began, or above all that may have been added when it returned;
// whatever can be taken away counts as taken away, and as not, respectively. REQUIRES: it adds up.
std::optional<Naming> out_of_range(const Facts& facts, const Fact& read, std::int64_t start) {
  std::int64_t least = start, most = start;
  for (const Fact& fact : facts.all()) {
    if (fact.call.f == "read" || fact.failed() || before(read, fact)) continue;
    const std::int64_t amount = *amount_of(fact.call);
    const bool done = before(fact, read);
    if (done || amount < 0) least += amount;
    if (done || amount > 0) most += amount;
  }
  const std::int64_t seen = read.call.output.as_integer();
  if (seen >= least && seen <= most) return std::nullopt;
  const bool lost = seen < least;
  return make(facts, lost ? "lost-update" : "unexpected", read, nullptr,
              fmt::format("{} returned {}, but {} {}.", observer_name(read), seen,
                          lost ? "what was acknowledged before it makes at least"
                               : "all that may have been added makes at most",
                          lost ? least : most));
}

// Nothing is ever taken away. REQUIRES: it adds up.
bool only_grows(const Facts& facts) {
  return std::all_of(facts.all().begin(), facts.all().end(), [](const Fact& fact) {
    return fact.call.f == "read" || fact.failed() || *amount_of(fact.call) >= 0;
  });
}

}  // namespace

// First where a single addition explains everything: one that may have happened when the read returned.
std::optional<Naming> classify_counter(const Facts& facts, const Value& initial) {
  const std::int64_t start = initial.is_integer() ? initial.as_integer() : 0;
  for (const Fact* read : facts.core()) {
    if (read->call.f != "read") continue;
    std::vector<const Fact*> additions;
    for (const Fact& fact : facts.all()) {
      if (fact.call.f != "read" && !fact.failed() && !before(*read, fact)) additions.push_back(&fact);
    }
    if (additions.size() != 1) continue;
    const Fact& only = *additions[0];
    const std::int64_t amount = amount_of(only.call).value_or(0);
    const std::int64_t seen = read->call.output.as_integer();
    if (amount == 0 || start > INT32_MAX || start < INT32_MIN) continue;
    if (seen == start + 2 * amount) {
      return make(facts, "double-apply", *read, &only,
                  fmt::format("Process {} issued {} once; the read by process {} shows it twice.", only.process,
                              phrase(only.call), read->process));
    }
    if (seen == start && before(only, *read)) {
      return make(facts, "lost-element", *read, &only,
                  fmt::format("{} misses {}, acknowledged to process {}.", observer_name(*read), phrase(only.call),
                              only.process));
    }
  }
  if (!adds_up(facts, start)) return std::nullopt;
  for (const Fact* read : facts.core()) {
    if (read->call.f != "read") continue;
    if (auto naming = out_of_range(facts, *read, start)) return naming;
  }
  if (!only_grows(facts)) return std::nullopt;
  const auto core = facts.core();
  for (const Fact* newer : core) {  // a read before a read that returns less, where nothing is ever taken away
    for (const Fact* older : core) {
      if (newer->call.f != "read" || older->call.f != "read" || !before(*newer, *older)) continue;
      if (older->call.output < newer->call.output) return inversion(facts, *newer, *older);
    }
  }
  return std::nullopt;
}

namespace {

// The functions of a container, and their past for sentences.
struct Words {
  std::string_view insert, inserted, remove, removed;
};
constexpr Words queue_words{"enqueue", "enqueued", "dequeue", "dequeued"};
constexpr Words stack_words{"push", "pushed", "pop", "popped"};

// Nobody can have removed it until the observer had returned: every removal that may have done so began later.
bool surely_inside(const std::vector<const Fact*>& removals, const Value& value, const Fact& observer) {
  return std::all_of(removals.begin(), removals.end(), [&](const Fact* taker) {
    return (taker->certain() && taker->call.output != value) || before(observer, *taker);
  });
}

std::optional<Naming> classify_container(const Facts& facts, const Value& initial, const Words& words) {
  const std::vector<Value> beginning = elements_of(initial);
  const auto core = facts.core();
  const auto removals = effects(facts, words.remove);
  for (const Fact* removal : core) {
    if (removal->call.f != words.remove) continue;
    const Value& value = removal->call.output;
    if (value.is_null()) {
      // Inserted before, and whatever could have taken it is after.
      for (const Fact* insertion : core) {
        if (insertion->call.f != words.insert || !before(*insertion, *removal)) continue;
        if (surely_inside(removals, insertion->call.input, *removal)) return misses(facts, *removal, *insertion);
      }
      continue;
    }
    if (contains(beginning, value)) continue;
    if (auto naming = unexpected(facts, *removal, value, words.insert, "returned", words.inserted)) return naming;
    for (const Fact* other : core) {
      if (other == removal) break;
      if (other->call.f != words.remove || other->call.output != value ||
          effects(facts, words.insert, value).size() != 1)
        continue;
      const std::string name = facts.key_name("");
      return make(facts, "duplicate", *removal, other,
                  fmt::format("Processes {} and {} both {} {}{}, {} only once.", other->process, removal->process,
                              words.removed, shown(value), name.empty() ? "" : " from " + name, words.inserted));
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<Naming> classify_queue(const Facts& facts, const Value& initial) {
  return classify_container(facts, initial, queue_words);
}

// Besides what can be wrong with any container: something was pushed after the value, which was pushed once, and before it was popped, and
// nobody can have popped that in between.
std::optional<Naming> classify_stack(const Facts& facts, const Value& initial) {
  if (auto naming = classify_container(facts, initial, stack_words)) return naming;
  const std::vector<Value> beginning = elements_of(initial);
  const auto core = facts.core();
  const auto pops = effects(facts, "pop");
  for (const Fact* pop : core) {
    if (pop->call.f != "pop" || pop->call.output.is_null() || contains(beginning, pop->call.output)) continue;
    const auto pushes = effects(facts, "push", pop->call.output);
    if (pushes.size() != 1) continue;
    for (const Fact* above : core) {
      if (above->call.f != "push" || above->call.input == pop->call.output) continue;
      if (!before(*pushes[0], *above) || !before(*above, *pop)) continue;
      if (!surely_inside(pops, above->call.input, *pop)) continue;
      return make(facts, "out-of-order", *pop, above,
                  fmt::format("{} returned {} from under {}, pushed later by process {} and not popped yet.",
                              observer_name(*pop), shown(pop->call.output), shown(above->call.input), above->process));
    }
  }
  return std::nullopt;
}

// Besides what can be wrong with any container: something greater was enqueued before the dequeue, and nobody can have taken it by then.
std::optional<Naming> classify_priority_queue(const Facts& facts, const Value& initial) {
  if (auto naming = classify_container(facts, initial, queue_words)) return naming;
  const auto core = facts.core();
  const auto dequeues = effects(facts, "dequeue");
  for (const Fact* dequeue : core) {
    if (dequeue->call.f != "dequeue" || dequeue->call.output.is_null()) continue;
    for (const Fact* greater : core) {
      if (greater->call.f != "enqueue" || by_priority(greater->call.input, dequeue->call.output) <= 0) continue;
      if (!before(*greater, *dequeue) || !surely_inside(dequeues, greater->call.input, *dequeue)) continue;
      return make(facts, "out-of-order", *dequeue, greater,
                  fmt::format("{} returned {}, though {}, enqueued by process {}, is greater and was not dequeued yet.",
                              observer_name(*dequeue), shown(dequeue->call.output), shown(greater->call.input),
                              greater->process));
    }
  }
  return std::nullopt;
}

// Two operations got the same id, or one that was given out before the history began.
std::optional<Naming> classify_unique_ids(const Facts& facts, const Value& initial) {
  const std::vector<Value> beginning = elements_of(initial);
  std::map<Value, const Fact*> holders;
  for (const Fact* fact : facts.core()) {
    const Value& id = fact->call.output;
    if (contains(beginning, id)) {
      return make(facts, "duplicate", *fact, nullptr,
                  fmt::format("Process {} was given {}, which was given out before the history began.", fact->process,
                              shown(id)));
    }
    const auto [holder, fresh] = holders.emplace(id, fact);
    if (fresh) continue;
    return make(
        facts, "duplicate", *fact, holder->second,
        fmt::format("Processes {} and {} were both given {}.", holder->second->process, fact->process, shown(id)));
  }
  return std::nullopt;
}

namespace {

std::string times(std::ptrdiff_t count) {
  return count == 1 ? "once" : count == 2 ? "twice" : fmt::format("{} times", count);
}

std::string list_text(const Fact& read) { return shown(Value::list(elements_of(read.call.output))); }

// A read before a read that returns a shorter list (nothing is ever removed), or two reads that disagree on a place.
std::optional<Naming> disagreement(const Facts& facts) {
  const auto core = facts.core();
  for (const Fact* newer : core) {
    for (const Fact* older : core) {
      if (newer == older || newer->call.f != "read" || older->call.f != "read") continue;
      const auto many = elements_of(newer->call.output), few = elements_of(older->call.output);
      if (few.size() > many.size()) continue;
      const bool part = std::equal(few.begin(), few.end(), many.begin());
      if (part && few.size() < many.size() && before(*newer, *older)) return inversion(facts, *newer, *older);
      if (part) continue;
      return make(facts, "reordered", *older, newer,
                  fmt::format("{} returned {}, the one by process {} {}: neither can have become the other.",
                              observer_name(*older), list_text(*older), newer->process, list_text(*newer)));
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<Naming> classify_append_list(const Facts& facts, const Value& initial) {
  const std::vector<Value> beginning = elements_of(initial);
  const auto core = facts.core();
  for (const Fact* read : core) {
    if (read->call.f != "read") continue;
    const std::vector<Value> seen = elements_of(read->call.output);
    for (const Value& value : seen) {
      const auto there = std::count(beginning.begin(), beginning.end(), value);
      if (there == 0) {
        if (auto naming = unexpected(facts, *read, value, "append", "has", "appended")) return naming;
      }
      // More often than it was there at first and can have been appended.
      const auto appends = effects(facts, "append", value);
      const auto shows = std::count(seen.begin(), seen.end(), value);
      if (shows <= there + static_cast<std::ptrdiff_t>(appends.size())) continue;
      return make(facts, "duplicate", *read, appends.empty() ? nullptr : appends[0],
                  fmt::format("{} shows {} {}, but it was appended {} at most.", observer_name(*read), shown(value),
                              times(shows), times(static_cast<std::ptrdiff_t>(appends.size()))));
    }
    for (const Fact* append : core) {  // nothing is ever removed
      if (append->call.f == "append" && before(*append, *read) && !contains(seen, append->call.input))
        return misses(facts, *read, *append);
    }
  }
  return disagreement(facts);
}

namespace {

Naming both_given(const Facts& facts, const Fact& first, const Fact& second) {
  return make(facts, "duplicate", second, &first,
              fmt::format("Processes {} and {} both were given token {}.", first.process, second.process,
                          shown(second.call.output)));
}

}  // namespace

// Two acquisitions with one token, or the later with the smaller; a write accepted after a greater token was given out.
std::optional<Naming> classify_tokens(const Facts& facts) {
  const auto core = facts.core();
  for (const Fact* second : core) {
    for (const Fact* first : core) {
      if (first == second || first->call.f != "acquire") continue;
      const Value& newest = first->call.output;
      if (second->call.f == "acquire" && second->call.output == newest) return both_given(facts, *first, *second);
      if (!before(*first, *second)) continue;
      if (second->call.f == "acquire" && second->call.output < newest) {
        return make(facts, "decreasing-token", *second, first,
                    fmt::format("Process {} was given token {}; {} later process {} was given the smaller {}.",
                                first->process, shown(newest), facts.gap(first->returned, second->invoked),
                                second->process, shown(second->call.output)));
      }
      if (second->call.f == "write" && second->call.input.as_list()[0] < newest) {
        return make(facts, "stale-token", *second, first,
                    fmt::format("Process {} was given token {}; {} later a write by process {} with the older token {} "
                                "was accepted.",
                                first->process, shown(newest), facts.gap(first->returned, second->invoked),
                                second->process, shown(second->call.input.as_list()[0])));
      }
    }
  }
  return std::nullopt;
}

std::optional<Naming> classify_fenced_mutex(const Facts& facts) {
  if (auto naming = classify_tokens(facts)) return naming;
  return classify_mutex(facts);
}

}  // namespace faultline
