// Small histories of one object, made to be hard to judge: operations take effect in a known order, each somewhere inside its interval;
// then, half of the time, a result or an interval is bent, and some operations never return. And what a monitor's answer is held against.
#pragma once

#include <algorithm>
#include <functional>
#include <vector>

#include <faultline/rng.hpp>

#include "checker/proof/brute_force.hpp"

namespace faultline::test {

// An operation as it took effect: its call with the true result, and the version it read or made.
struct Deed {
  Call call;
  std::int64_t version = unversioned;
};

inline Call did(std::string_view f, Value input = {}, Value output = {}) {
  return {.f = f, .input = std::move(input), .output = std::move(output), .result_known = true};
}

// Spreads deeds over overlapping intervals; `open_rate` of those that are no observers never return.
template <class M>
Items scene(const M& model, const std::vector<Deed>& deeds, Rng& rng, double open_rate) {
  struct Moment {
    std::int64_t time;
    std::uint64_t tie;
    std::uint32_t deed;
  };
  std::vector<Moment> moments;
  const auto width = static_cast<std::uint64_t>(rng.between(1, 45));
  for (std::uint32_t d = 0; d < deeds.size(); ++d) {
    std::int64_t at = std::int64_t{10} * d;
    if (rng.chance(0.06)) at += rng.between(-40, 40);
    moments.push_back({at - static_cast<std::int64_t>(rng.below(width)), rng.below(1000), d});
    moments.push_back({at + 1 + static_cast<std::int64_t>(rng.below(width)), rng.below(1000), d});
  }
  std::sort(moments.begin(), moments.end(), [](const Moment& a, const Moment& b) {
    return std::tuple(a.time, a.tie, a.deed) < std::tuple(b.time, b.tie, b.deed);
  });
  std::vector<Item> all(deeds.size());
  std::vector<bool> begun(deeds.size(), false);
  for (std::uint32_t position = 0; position < moments.size(); ++position) {
    Item& item = all[moments[position].deed];
    (begun[moments[position].deed] ? item.completed : item.invoked) = position;
    begun[moments[position].deed] = true;
  }
  Items items;
  for (std::uint32_t d = 0; d < deeds.size(); ++d) {
    Item& item = all[d];
    item.call = deeds[d].call;
    item.version = deeds[d].version;
    if (rng.chance(open_rate)) {
      item.completed = none;
      item.version = unversioned;
      item.call.result_known = false;
      item.call.output = {};
      if (model.observer(item.call)) continue;
    }
    items.push_back(item);
  }
  std::sort(items.begin(), items.end(), [](const Item& a, const Item& b) { return a.invoked < b.invoked; });
  for (std::uint32_t i = 0; i < items.size(); ++i) items[i].operation = i;
  return items;
}

template <class M>
void relax(const M& model, Items& into, Item item) {
  item.completed = none;
  item.version = unversioned;
  item.call.result_known = false;
  item.call.output = {};
  if (!item.call.failed && !model.observer(item.call)) into.push_back(std::move(item));
}

// The history up to an event: what is in flight then is open.
template <class M>
Items until(const M& model, const Items& items, EventIndex last) {
  Items cut;
  for (const Item& item : items) {
    if (item.invoked > last) break;
    if (item.completed <= last) {
      cut.push_back(item);
    } else {
      relax(model, cut, item);
    }
  }
  return cut;
}

// Only these as they were, all others relaxed.
template <class M>
Items kept(const M& model, const Items& items, const std::vector<std::uint32_t>& core) {
  Items few;
  for (std::uint32_t i = 0; i < items.size(); ++i) {
    if (std::find(core.begin(), core.end(), i) != core.end()) {
      few.push_back(items[i]);
    } else {
      relax(model, few, items[i]);
    }
  }
  return few;
}

inline std::string to_text(const Items& items) {
  std::string text;
  for (const Item& item : items) {
    text += std::to_string(item.invoked) + " .. " + (item.completed == none ? "" : std::to_string(item.completed)) +
            "  " + std::string(item.call.f) + " " + item.call.input.to_string() + " -> " +
            item.call.output.to_string() +
            (item.version == unversioned ? "" : "  version " + std::to_string(item.version)) +
            (item.call.failed ? "  failed" : "") + "\n";
  }
  return text;
}

}  // namespace faultline::test
