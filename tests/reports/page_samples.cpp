// Samples for the interactive half: what only shows in a browser, and histories of any size.
#include "samples.hpp"

#include <faultline/rng.hpp>

#include <algorithm>
#include <queue>
#include <utility>

namespace faultline::samples {

namespace {

Instant at_us(std::int64_t microseconds) { return Instant(std::chrono::microseconds(microseconds)); }

// Events in any order of making, appended in order of time.
class Recording {
 public:
  void add(std::int64_t us, EventType type, Process process, std::string f, Value key, Value value, Value extra = {}) {
    events_.push_back({.type = type,
                       .process = process,
                       .f = std::move(f),
                       .key = std::move(key),
                       .value = std::move(value),
                       .time = at_us(us),
                       .extra = std::move(extra)});
  }
  std::unique_ptr<History> take() {
    std::stable_sort(events_.begin(), events_.end(), [](const Event& a, const Event& b) { return a.time < b.time; });
    auto history = std::make_unique<History>();
    for (Event& e : events_) FL_ASSERT(history->append(std::move(e)).ok());
    return history;
  }

 private:
  std::vector<Event> events_;
};

void fault(Recording& r, std::int64_t from, std::int64_t to, const std::string& kind, const std::string& node) {
  const Value value = Value::map({{"kind", kind}, {"nodes", Value::list({node})}});
  for (const EventType type : {EventType::invoke, EventType::info}) {
    r.add(from, type, nemesis_process, "start-" + kind, {}, value);
    r.add(to, type, nemesis_process, "stop-" + kind, {}, value);
  }
}

ReportInput input_of(const History& history) {
  ReportInput input;
  input.history = &history;
  input.utc = "2026-11-20 02:14:06 UTC";
  input.tool = {{"version", "0.1.0"}, {"commit", "0123abc"}, {"compiler", "g++ 12.2"}};
  input.source = "history.jsonl";
  return input;
}

Verdict verdict_of(const History& history, const Value& failed) {
  Verdict v{.kind = failed.is_null() ? VerdictKind::valid : VerdictKind::invalid,
            .model = "register",
            .engine = "zones",
            .operations = history.operation_count()};
  std::vector<std::size_t> counts(history.keys().size());
  for (OperationIndex o = 0; o < history.operation_count(); ++o) ++counts[history.operation_key_id(o)];
  for (std::size_t k = 0; k < counts.size(); ++k) {
    if (counts[k] == 0) continue;
    KeyVerdict key{.key = history.keys()[k], .engine = "zones", .operations = counts[k], .longest_prefix = counts[k]};
    if (!failed.is_null() && key.key == failed) key.kind = VerdictKind::invalid;
    v.by_key.insert(key.kind == VerdictKind::invalid ? v.by_key.begin() : v.by_key.end(), key);
  }
  v.keys = v.by_key.size();
  return v;
}

// Leaders, terms, clocks and logs around a stale read.
Sample nodes() {
  Recording r;
  const auto answered = [](std::string node, int term) {
    return Value::map({{"node", node}, {"raft_term", term}, {"leader", term < 4 ? "n1" : "n2"}});
  };
  r.add(1'000, EventType::invoke, 1, "write", "x", 1);
  r.add(2'000, EventType::ok, 1, "write", "x", 1, answered("n1", 3));
  r.add(30'000, EventType::invoke, 2, "write", "x", 2);
  r.add(42'000, EventType::ok, 2, "write", "x", 2, answered("n2", 4));
  r.add(60'000, EventType::invoke, 3, "read", "x", {});
  r.add(61'000, EventType::ok, 3, "read", "x", 1, answered("n1", 3));
  r.add(70'000, EventType::invoke, 4, "write", "x", 3);
  r.add(75'000, EventType::info, 4, "write", "x", 3, Value::map({{"error", "timeout"}, {"node", "n3"}}));
  r.add(80'000, EventType::invoke, 2, "read", "x", {});
  r.add(83'000, EventType::ok, 2, "read", "x", 2, answered("n3", 4));
  fault(r, 10'000, 66'000, "pause", "n1");
  for (int i = 0; i < 8; ++i) {
    r.add(5'000 + i * 10'000, EventType::info, nemesis_process, "check-offsets", {}, {},
          Value::map({{"clock-offsets", Value::map({{"n1", 0.001 * i}, {"n2", -0.004 * i}, {"n3", 0.0}})}}));
  }
  Sample sample{"nodes", r.take(), {}};
  sample.input = input_of(*sample.history);
  Verdict v = verdict_of(*sample.history, "x");
  v.reason = "Process 3 read x = 1 from n1, although write 2 by process 2 had completed 18 ms before the read began.";
  v.anomalies = {{.key = "x",
                  .name = "stale-read",
                  .sentence = v.reason,
                  .culprit = 2,
                  .contradicted = 1,
                  .gap = std::chrono::milliseconds(18),
                  .core = {0, 1, 2},
                  .one_minimal = true,
                  .prefix = {{0, "1"}, {1, "2"}},
                  .candidates = {{2, false, "1", "2", "read by process 3 returned 1, but the register holds 2"}}}};
  sample.input.verdict = std::move(v);
  sample.input.run = RunInfo{.directory = "runs/register-pause/20261120T021406Z",
                             .target = "raft",
                             .workload = "register",
                             .nemesis = {"pause"},
                             .seed = 7,
                             .nodes = 3,
                             .concurrency = 5};
  sample.input.run->faults = {{"pause", 1, "56 ms without an answer from n1", true}};
  constexpr std::int64_t began = 1'795'226'400'000'000'000;
  sample.input.run->logs = {
      parse_node_log("n1", "nodes/n1/daemon.log",
                     "2026-11-21T02:00:00.001Z became leader at term 3\n2026-11-21T02:00:00.0675Z woke up\n",
                     {.began = began}),
      parse_node_log("n2", "nodes/n2/daemon.log",
                     "2026-11-21 02:00:00.021 heard nothing from n1\n2026-11-21 02:00:00.025 became leader at term 4\n"
                     "  with the votes of n2 and n3\n",
                     {.began = began})};
  return sample;
}

// 64 writers at once in each of 400 rounds would be 25,600 operations; a prefix of 400 of them, then a read that nobody explains.
Sample wide_and_deep() {
  Recording r;
  constexpr int width = 64, rounds = 7;
  for (int round = 0; round < rounds; ++round) {
    for (int p = 0; p < width; ++p) {
      if (round * width + p >= 400) continue;
      const std::int64_t begin = round * 10'000 + p * 20;
      const Value value(round * width + p);
      r.add(begin, EventType::invoke, p, "write", {}, value);
      r.add(begin + 7'000 + p * 11, EventType::ok, p, "write", {}, value,
            Value::map({{"node", "n" + std::to_string(p % 5)}}));
    }
  }
  r.add(90'000, EventType::invoke, 70, "read", {}, {});
  r.add(91'000, EventType::ok, 70, "read", {}, 5, Value::map({{"node", "n1"}}));
  Sample sample{"wide-and-deep", r.take(), {}};
  const History& history = *sample.history;
  sample.input = input_of(history);
  Verdict v = verdict_of(history, {});
  v.kind = v.by_key.front().kind = VerdictKind::invalid;
  v.reason = "After the longest legal prefix (400 operations) the only operation that may come next is not legal.";
  Anomaly a{.name = "no-legal-order", .sentence = v.reason, .culprit = 400};
  for (OperationIndex o = 0; o < history.operation_count(); ++o) {
    a.core.push_back(o);
    if (o < 400) a.prefix.push_back({o, history.value(history.invoked(o)).to_string()});
  }
  a.candidates = {{400, false, "5", "399", "read by process 70 returned 5, but the register holds 399"}};
  v.anomalies = {a};
  sample.input.verdict = std::move(v);
  return sample;
}

// A valid history whose order is known.
Sample ordered() {
  Recording r;
  const auto operation = [&r](std::int64_t from, std::int64_t to, Process p, const char* f, Value in, Value out) {
    r.add(from, EventType::invoke, p, f, "x", std::move(in));
    r.add(to, EventType::ok, p, f, "x", std::move(out), Value::map({{"node", "n1"}}));
  };
  operation(1'000, 5'000, 0, "write", 1, 1);
  operation(2'000, 4'000, 1, "read", {}, {});
  operation(6'000, 9'000, 1, "write", 2, 2);
  operation(7'000, 8'000, 2, "read", {}, 1);
  operation(10'000, 12'000, 2, "read", {}, 2);
  Sample sample{"ordered", r.take(), {}};
  sample.input = input_of(*sample.history);
  Verdict v = verdict_of(*sample.history, {});
  v.by_key.front().order = {1, 0, 3, 2, 4};
  sample.input.verdict = std::move(v);
  sample.input.certificate_verified = true;
  return sample;
}

}  // namespace

std::vector<Sample> pages() {
  std::vector<Sample> list;
  list.push_back(nodes());
  list.push_back(wide_and_deep());
  list.push_back(ordered());
  return list;
}

Sample sized(std::size_t operations) {
  constexpr std::size_t keys = 20;
  const std::size_t workers = operations < 100 ? 3 : 50;
  const auto length = static_cast<std::int64_t>(operations / workers) * 400;
  Rng rng(operations);
  Recording notes;
  for (int i = 0; i < 4; ++i) {
    const std::string kind = i % 2 == 0 ? "partition" : "pause";
    fault(notes, length * (2 * i + 1) / 9, length * (2 * i + 2) / 9, kind, "n1");
  }
  const auto faults = notes.take();
  EventIndex next_fault = 0;
  auto history = std::make_unique<History>();
  struct Next {
    std::int64_t time;
    std::size_t worker;
    OperationIndex open;
    bool operator>(const Next& other) const { return std::tie(time, worker) > std::tie(other.time, other.worker); }
  };
  std::priority_queue<Next, std::vector<Next>, std::greater<>> queue;
  for (std::size_t w = 0; w < workers; ++w) queue.push({static_cast<std::int64_t>(rng.below(100)), w, none});
  std::vector<std::int64_t> held(keys, 0);
  std::vector<Process> process(workers);
  for (std::size_t w = 0; w < workers; ++w) process[w] = static_cast<Process>(w);
  std::size_t begun = 0;
  const auto culprit = static_cast<OperationIndex>(operations * 19 / 20);
  while (!queue.empty()) {
    Next next = queue.top();
    queue.pop();
    const Instant now = at_us(next.time);
    for (; next_fault < faults->size() && faults->time(next_fault) <= now; ++next_fault)
      FL_ASSERT(history->append(faults->event(next_fault)).ok());
    if (next.open == none) {
      if (begun == operations) continue;
      const std::size_t key = begun % keys;
      const bool write = begun != culprit && (begun < keys || rng.below(2) == 0);
      const Value value = write ? Value(static_cast<std::int64_t>(begun)) : Value();
      next.open =
          history->invoke(process[next.worker], write ? "write" : "read", value, "k" + std::to_string(key), now);
      ++begun;
      const std::int64_t slow = rng.below(500) == 0 ? 30'000 : 0;
      queue.push({next.time + 50 + static_cast<std::int64_t>(rng.below(600)) + slow, next.worker, next.open});
      continue;
    }
    const Operation o = history->operation(next.open);
    std::int64_t& register_value = held[history->operation_key_id(next.open) - 1];
    if (rng.below(2000) == 0 && next.open != culprit) {
      history->info(next.open, "timeout", now);
      process[next.worker] += 1000;
    } else {
      if (o.f == "write") register_value = o.input.as_integer();
      history->ok(next.open, o.f == "write" ? Value() : Value(next.open == culprit ? -1 : register_value), now);
    }
    queue.push({next.time + static_cast<std::int64_t>(rng.below(100)), next.worker, none});
  }
  Sample sample{"sized-" + std::to_string(operations), std::move(history), {}};
  const History& h = *sample.history;
  sample.input = input_of(h);
  const Value& key = h.key(h.invoked(culprit));
  Verdict v = verdict_of(h, key);
  v.reason = "Process " + std::to_string(h.process(h.invoked(culprit))) + " read " + std::string(key.as_text()) +
             " = -1, but no operation ever wrote -1.";
  v.anomalies = {{.key = key,
                  .name = "never-written",
                  .sentence = v.reason,
                  .culprit = culprit,
                  .core = {culprit},
                  .one_minimal = true,
                  .candidates = {{culprit, false, "-1", "nil", "the register never held -1"}}}};
  sample.input.verdict = std::move(v);
  return sample;
}

}  // namespace faultline::samples
