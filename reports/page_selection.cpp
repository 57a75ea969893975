#include "page_selection.hpp"

#include <algorithm>
#include <functional>
#include <queue>
#include <unordered_map>
#include <unordered_set>

#include "faults.hpp"

namespace faultline::reports {

namespace {

constexpr std::size_t most_own_lanes = 40;
constexpr auto around = std::chrono::seconds(5);

// Where something happened that a reader will want to see in full.
std::vector<Instant> moments_of_interest(const ReportInput& input) {
  const History& history = *input.history;
  std::vector<Instant> moments;
  const auto add = [&](EventIndex e) {
    if (e != none && history.time(e) != no_time) moments.push_back(history.time(e));
  };
  if (input.verdict) {
    for (const Anomaly& anomaly : input.verdict->anomalies) {
      if (anomaly.culprit < history.operation_count()) add(history.invoked(anomaly.culprit));
    }
  }
  for (const FaultBand& band : fault_bands(history)) {
    add(band.from);
    add(band.to);
  }
  std::sort(moments.begin(), moments.end());
  return moments;
}

bool near_any(const std::vector<Instant>& moments, Instant time) {
  if (time == no_time) return false;
  const auto next = std::lower_bound(moments.begin(), moments.end(), time - around);
  return next != moments.end() && *next <= time + around;
}

// The ids of keys that failed; of keys judged together, each of them.
std::unordered_set<std::uint32_t> failed_keys(const ReportInput& input) {
  std::unordered_set<Value> failed;
  if (input.verdict) {
    for (const KeyVerdict& key : input.verdict->by_key) {
      if (key.kind != VerdictKind::invalid) continue;
      failed.insert(key.key);
      if (key.key.is_list()) failed.insert(key.key.as_list().begin(), key.key.as_list().end());
    }
  }
  std::unordered_set<std::uint32_t> ids;
  const auto keys = input.history->keys();
  for (std::uint32_t id = 0; id < keys.size(); ++id) {
    if (failed.contains(keys[id])) ids.insert(id);
  }
  return ids;
}

void carry_operations_of_anomalies(const ReportInput& input, PageSelection& selection) {
  if (!input.verdict) return;
  for (const Anomaly& anomaly : input.verdict->anomalies) {
    for (const auto* list : {&anomaly.core, &anomaly.context}) {
      for (const OperationIndex o : *list) {
        if (o >= selection.carried.size() || selection.carried[o]) continue;
        selection.carried[o] = true;
        ++selection.operations;
      }
    }
  }
}

}  // namespace

PageSelection select_operations(const ReportInput& input, std::size_t max_operations) {
  const History& history = *input.history;
  const std::size_t count = history.operation_count();
  PageSelection selection{.carried = std::vector<bool>(count, count <= max_operations), .operations = 0};
  if (count <= max_operations) {
    selection.operations = count;
    return selection;
  }
  carry_operations_of_anomalies(input, selection);
  const std::vector<Instant> moments = moments_of_interest(input);
  const std::unordered_set<std::uint32_t> failed = failed_keys(input);
  // Half of the room goes to what is wanted whole, the rest shows how everything else went.
  for (OperationIndex o = 0; o < count && selection.operations < max_operations / 2; ++o) {
    if (selection.carried[o]) continue;
    if (!failed.contains(history.operation_key_id(o)) && !near_any(moments, history.time(history.invoked(o)))) continue;
    selection.carried[o] = true;
    ++selection.operations;
  }
  const std::size_t room = std::max<std::size_t>(1, max_operations - std::min(max_operations, selection.operations));
  selection.stride = (count + room - 1) / room;
  for (OperationIndex o = 0; o < count; ++o) {
    if (o % selection.stride != 0 || selection.carried[o]) continue;
    selection.carried[o] = true;
    ++selection.operations;
  }
  return selection;
}

std::vector<std::uint32_t> lanes_of(const History& history) {
  const std::size_t count = history.operation_count();
  std::vector<bool> is_last(count);  // of its process
  std::unordered_set<Process> seen;
  for (std::size_t o = count; o-- > 0;)
    is_last[o] = seen.insert(history.process(history.invoked(static_cast<OperationIndex>(o)))).second;
  const bool shares = seen.size() > most_own_lanes;
  std::vector<std::uint32_t> lanes(count);
  std::unordered_map<Process, std::uint32_t> lane_of;
  std::priority_queue<std::uint32_t, std::vector<std::uint32_t>, std::greater<>> free;
  std::uint32_t used = 0;
  for (EventIndex e = 0; e < history.size(); ++e) {
    const OperationIndex o = history.operation_of(e);
    if (o == none) continue;
    const Process process = history.process(e);
    const bool begins = history.invoked(o) == e;
    if (begins) {
      const auto [found, fresh] = lane_of.emplace(process, used);
      if (fresh && !free.empty()) {
        found->second = free.top();
        free.pop();
      } else if (fresh) {
        ++used;
      }
      lanes[o] = found->second;
    }
    if (shares && is_last[o] && (!begins || history.completed(o) == none)) {
      free.push(lanes[o]);
      lane_of.erase(process);
    }
  }
  return lanes;
}

}  // namespace faultline::reports
