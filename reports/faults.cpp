#include "faults.hpp"

#include <algorithm>
#include <array>
#include <functional>
#include <string_view>
#include <utility>

#include <faultline/time.hpp>

#include "words.hpp"

namespace faultline::reports {

namespace {

using Drops = std::map<std::string, std::set<std::string>>;

std::string name_of(const Value& value) {
  return value.is_string() || value.is_keyword() ? std::string(value.as_text()) : value.to_string();
}

// The map that describes the fault, wherever the note carries it.
const Value& description(const Value& value) {
  const Value& inner = value.get("fault");
  return inner.is_map() ? inner : value;
}

std::vector<std::string> named_nodes(const Value& fault) {
  std::vector<std::string> names;
  const Value& nodes = fault.get("nodes");
  if (!nodes.is_list()) return names;
  for (const Value& node : nodes.as_list()) names.push_back(name_of(node));
  return names;
}

Drops named_drops(const Value& fault) {
  Drops drops;
  const Value& grudge = fault.get("grudge");
  if (!grudge.is_map()) return drops;
  for (const auto& [node, dropped] : grudge.as_map()) {
    if (!dropped.is_list()) continue;
    for (const Value& other : dropped.as_list()) drops[name_of(node)].insert(name_of(other));
  }
  return drops;
}

std::set<std::string> everyone(const Drops& drops) {
  std::set<std::string> all;
  for (const auto& [node, dropped] : drops) {
    all.insert(node);
    all.insert(dropped.begin(), dropped.end());
  }
  return all;
}

bool hear_each_other(const Drops& drops, const std::string& a, const std::string& b) {
  const auto refuses = [&](const std::string& x, const std::string& y) {
    const auto found = drops.find(x);
    return found != drops.end() && found->second.contains(y);
  };
  return !refuses(a, b) && !refuses(b, a);
}

// Nodes that no longer reach a majority; if there are none, all that were cut from somebody.
std::set<std::string> cut_off(const Drops& drops) {
  const std::set<std::string> all = everyone(drops);
  std::set<std::string> minority;
  for (const std::string& node : all) {
    const auto reached = std::count_if(all.begin(), all.end(),
                                       [&](const std::string& other) { return hear_each_other(drops, node, other); });
    if (static_cast<std::size_t>(reached) * 2 <= all.size()) minority.insert(node);
  }
  return minority.empty() ? all : minority;
}

// "n1 | n2 n3" when the nodes fall apart into groups, else empty.
std::string groups_text(const Drops& drops) {
  std::set<std::string> left = everyone(drops);
  std::vector<std::vector<std::string>> groups;
  while (!left.empty()) {
    std::vector<std::string> group{*left.begin()};
    left.erase(left.begin());
    for (std::size_t i = 0; i < group.size(); ++i) {
      for (auto other = left.begin(); other != left.end();) {
        if (hear_each_other(drops, group[i], *other)) {
          group.push_back(*other);
          other = left.erase(other);
        } else {
          ++other;
        }
      }
    }
    std::sort(group.begin(), group.end());
    groups.push_back(std::move(group));
  }
  if (groups.size() < 2) return {};
  std::stable_sort(groups.begin(), groups.end(), [](const auto& a, const auto& b) { return a.size() < b.size(); });
  std::string text;
  for (const auto& group : groups) {
    if (!text.empty()) text += " |";
    for (const std::string& node : group) text += (text.empty() ? "" : " ") + outside(node, 40);
  }
  return text;
}

void describe(FaultBand& band, const Value& value) {
  const Value& fault = description(value);
  const Drops drops = named_drops(fault);
  const std::vector<std::string> nodes = named_nodes(fault);
  if (!drops.empty()) {
    band.affected = cut_off(drops);
    band.target = groups_text(drops);
  }
  if (!nodes.empty() && drops.empty()) {
    band.affected = std::set<std::string>(nodes.begin(), nodes.end());
    band.target.clear();
    for (const std::string& node : band.affected) band.target += (band.target.empty() ? "" : " ") + outside(node, 40);
  }
  const Value& shape = fault.get("parameters").get("shape");
  if (band.target.empty() && shape.is_string()) band.target = "(" + outside(shape.as_text(), 40) + ")";
  band.target = cut(band.target, 80);
}

// Start and stop of the same fault carry the same description; a stop without one ends every fault of its kind.
struct OpenBand {
  std::size_t band;
  Value fault;
};

class BandReader {
 public:
  explicit BandReader(const History& history) : history_(history) {}

  std::vector<FaultBand> read() {
    for (const EventIndex note : history_.notes()) {
      const std::string_view f = history_.functions()[history_.function(note)];
      if (f.starts_with("start-") || f == "start") {
        start(note, f == "start" ? "fault" : f.substr(6));
      } else if (f.starts_with("stop-") || f == "stop") {
        stop(note, f == "stop" ? "fault" : f.substr(5));
      } else if (f == "heal-all") {
        for (auto& [kind, open] : open_) close(open, note, std::nullopt);
        unanswered_.clear();
        unanswered_stops_.clear();
      }
    }
    return std::move(bands_);
  }

 private:
  void start(EventIndex note, std::string_view kind_name) {
    const std::string kind(kind_name);
    const Value& fault = description(history_.value(note));
    std::vector<OpenBand>& open = open_[kind];
    // The second note of a pair tells what was really done; a note about other nodes is another fault.
    const bool completes =
        !open.empty() && history_.type(note) != EventType::invoke && unanswered_.contains(kind) &&
        (fault.get("kind").is_null() || fault == open.back().fault || !names_target(open.back().fault));
    if (completes) {
      describe(bands_[open.back().band], fault);
      if (names_target(fault)) open.back().fault = fault;
      unanswered_.erase(kind);
      return;
    }
    FaultBand band{.kind = outside(kind, 40), .from = note};
    describe(band, fault);
    open.push_back({bands_.size(), fault});
    bands_.push_back(std::move(band));
    unanswered_.insert(kind);
    unanswered_stops_.erase(kind);
  }

  void stop(EventIndex note, std::string_view kind_name) {
    const std::string kind(kind_name);
    unanswered_.erase(kind);
    const Value& fault = description(history_.value(note));
    std::vector<OpenBand>& open = open_[kind];
    const bool known = std::any_of(open.begin(), open.end(), [&](const OpenBand& o) { return o.fault == fault; });
    // The completion of a stop must not end a second fault of the same kind.
    const bool completes = !known && history_.type(note) != EventType::invoke && unanswered_stops_.erase(kind) > 0;
    if (completes) return;
    close(open, note, known ? std::optional<Value>(fault) : std::nullopt);
    unanswered_stops_.insert(kind);
  }

  // Without a fault: all of them.
  void close(std::vector<OpenBand>& open, EventIndex note, const std::optional<Value>& fault) {
    std::erase_if(open, [&](const OpenBand& o) {
      if (fault && o.fault != *fault) return false;
      bands_[o.band].to = note;
      return true;
    });
  }

  static bool names_target(const Value& fault) {
    return !fault.get("nodes").is_null() || !fault.get("grudge").is_null();
  }

  const History& history_;
  std::vector<FaultBand> bands_;
  std::map<std::string, std::vector<OpenBand>> open_;
  std::set<std::string> unanswered_;        // kinds whose last start may still be completed
  std::set<std::string> unanswered_stops_;  // likewise for stops
};

std::string ending_word(std::string_view kind) {
  if (kind == "pause") return "resume";
  if (kind == "kill") return "restart";
  if (kind == "membership") return "return of the members";
  return kind == "partition" ? "heal" : "end of " + std::string(kind);
}

}  // namespace

std::vector<FaultBand> fault_bands(const History& history) { return BandReader(history).read(); }

bool overlaps(const History& history, const FaultBand& band, OperationIndex operation) {
  const EventIndex began = history.invoked(operation);
  const EventIndex ended = history.completed(operation) == none ? began : history.completed(operation);
  return ended >= band.from && began <= band.to;  // none is the largest index
}

std::string fault_phase(const History& history, const std::vector<FaultBand>& bands, OperationIndex operation) {
  if (operation == none || operation >= history.operation_count()) return {};
  const Value& node = history.operation_extra(operation, "node");
  const std::string node_name = node.is_null() ? std::string() : name_of(node);
  const EventIndex began = history.invoked(operation);
  const auto since = [&](EventIndex event) -> std::optional<Duration> {
    const Instant a = history.time(event);
    const Instant b = history.time(began);
    if (a == no_time || b == no_time || b < a) return std::nullopt;
    return elapsed(a.time_since_epoch().count(), b.time_since_epoch().count());
  };
  // Later bands replace earlier ones of the same rank; a rank is: still on and about this node, on, ended and about
  // this node.
  std::string best;
  int best_rank = 0;
  for (const FaultBand& band : bands) {
    if (band.from > began) break;
    const bool here = band.affected.empty() || band.affected.contains(node_name);
    const bool on = band.to == none || band.to > began;
    const int rank = on ? (here ? 3 : 2) : here ? 1 : 0;
    if (rank == 0 || rank < best_rank) continue;
    best_rank = rank;
    const auto distance = since(on ? band.from : band.to);
    if (on) {
      best = (distance ? to_text(*distance) + " into " : "during ") + band.label();
    } else {
      best = (distance ? to_text(*distance) + " after " : "after ") + ending_word(band.kind) +
             (band.target.empty() ? "" : " of " + band.target);
    }
  }
  return best;
}

}  // namespace faultline::reports
