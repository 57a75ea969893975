#include <faultline/effects.hpp>

#include <faultline/nemesis.hpp>

#include <algorithm>
#include <charconv>
#include <optional>
#include <set>

#include "strict.hpp"

namespace faultline {

namespace {

// The first rises and changes that completions tell of, one event after the other.
class Leadership {
 public:
  // Whether this event tells of a leader other than the last known.
  bool changed(const Value& extra) {
    if (const auto term = number_of(extra.get("raft_term"))) {
      const bool rose = term_ && *term > *term_;
      term_ = std::max(term_.value_or(*term), *term);
      return rose;
    }
    const Value& leader = extra.get("leader");
    if (term_ || leader.is_null()) return false;
    const bool other = !leader_.is_null() && leader != leader_;
    leader_ = leader;
    return other;
  }

 private:
  static std::optional<std::int64_t> number_of(const Value& value) {
    if (value.is_integer()) return value.as_integer();
    if (!value.is_string()) return std::nullopt;
    const std::string_view text = value.as_text();
    std::int64_t n = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return n;
  }
  std::optional<std::int64_t> term_;
  Value leader_;
};

std::string kind_of(std::string_view f) {
  for (const std::string_view prefix : {"start-", "stop-"}) {
    if (f.starts_with(prefix)) return std::string(f.substr(prefix.size()));
  }
  return {};
}

std::int64_t amount(const Value& counter) {
  if (counter.is_integer()) return counter.as_integer();
  if (counter.is_list()) return static_cast<std::int64_t>(counter.as_list().size());
  if (counter.is_map()) return static_cast<std::int64_t>(counter.as_map().size());
  return 0;
}

class Collector {
 public:
  void see_completion(const Value& extra) {
    if (!leadership_.changed(extra)) return;
    for (const std::string& kind : active_) ++effect(kind).leader_changes;
  }

  void see_note(const Event& event) {
    if (event.f == "heal-all") return heal_all(event);
    const std::string kind = kind_of(event.f);
    if (kind.empty()) return;
    const bool starts = event.f.starts_with("start-");
    if (event.type == EventType::invoke) {
      if (starts) active_.insert(kind);
      return;
    }
    KindEffect& mine = effect(kind);
    add(mine, event.value.get("done"));
    if (!starts) {
      active_.erase(kind);
    } else if (event.error().is_null()) {
      ++mine.count;
    } else {
      ++mine.failed;
      if (mine.error.empty())
        mine.error = event.error().is_string() ? event.error().as_text() : event.error().to_string();
    }
  }

  std::vector<KindEffect> finish() && {
    for (KindEffect& mine : effects_) describe(mine);
    return std::move(effects_);
  }

 private:
  KindEffect& effect(const std::string& kind) {
    const auto found =
        std::find_if(effects_.begin(), effects_.end(), [&](const KindEffect& e) { return e.kind == kind; });
    if (found != effects_.end()) return *found;
    effects_.emplace_back().kind = kind;
    return effects_.back();
  }

  static void add(KindEffect& mine, const Value& done) {
    if (!done.is_map()) return;
    for (const auto& [name, counter] : done.as_map()) {
      if (const std::int64_t n = amount(counter); n > 0 && name.is_string())
        mine.counters[std::string(name.as_text())] += n;
    }
  }

  void heal_all(const Event& event) {
    if (event.type == EventType::invoke) return;
    const Value& stopped = event.value.get("stopped");
    if (stopped.is_list()) {
      for (const Value& one : stopped.as_list()) {
        if (one.get("kind").is_string()) add(effect(std::string(one.get("kind").as_text())), one.get("done"));
      }
    }
    active_.clear();
  }

  static void describe(KindEffect& mine) {
    const auto append = [&](std::string_view text) {
      mine.text += (mine.text.empty() ? "" : ", ") + std::string(text);
    };
    if (const Kind* kind = find_kind(mine.kind); kind != nullptr) {
      for (const Evidence& evidence : kind->evidence) {
        const auto found = mine.counters.find(std::string(evidence.counter));
        if (found != mine.counters.end()) append(fmt::format("{} {}", found->second, evidence.text));
      }
    } else {
      for (const auto& [name, n] : mine.counters) append(fmt::format("{} {}", n, name));
    }
    mine.bit = !mine.text.empty() || mine.leader_changes > 0;
    if (mine.leader_changes > 0)
      append(fmt::format("{} leader change{}", mine.leader_changes, mine.leader_changes == 1 ? "" : "s"));
    if (mine.text.empty())
      mine.text = mine.count == 0 && mine.failed > 0 ? "never applied: " + mine.error : "no effect";
  }

  std::vector<KindEffect> effects_;
  std::set<std::string> active_;
  Leadership leadership_;
};

}  // namespace

std::vector<KindEffect> fault_effects(const History& history) {
  Collector collector;
  for (EventIndex i = 0; i < history.size(); ++i) {
    if (history.process(i) == nemesis_process) {
      collector.see_note(history.event(i));
    } else if (history.type(i) != EventType::invoke) {
      collector.see_completion(history.extra(i));
    }
  }
  return std::move(collector).finish();
}

std::size_t leader_changes(const History& history) {
  Leadership leadership;
  std::size_t count = 0;
  for (EventIndex i = 0; i < history.size(); ++i) {
    if (history.process(i) != nemesis_process && history.type(i) != EventType::invoke &&
        leadership.changed(history.extra(i)))
      ++count;
  }
  return count;
}

std::string vacuous(const History& history, std::span<const std::string> requested) {
  if (requested.empty()) return {};
  const std::vector<KindEffect> effects = fault_effects(history);
  if (effects.empty()) return "the run ended before the first fault";
  if (std::none_of(effects.begin(), effects.end(), [](const KindEffect& e) { return e.bit; })) {
    std::string reason;
    for (const KindEffect& e : effects) reason += fmt::format("{}{}: {}", reason.empty() ? "" : "; ", e.kind, e.text);
    return reason;
  }
  bool began = false;
  for (EventIndex i = 0; i < history.size(); ++i) {
    if (history.process(i) == nemesis_process) {
      began = began || !kind_of(history.functions()[history.function(i)]).empty();
    } else if (began && history.type(i) == EventType::ok) {
      return {};
    }
  }
  return "no operation succeeded after the first fault began";
}

}  // namespace faultline
