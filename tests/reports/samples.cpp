#include "samples.hpp"

#include <faultline/rng.hpp>

#include <algorithm>
#include <cmath>
#include <utility>

namespace faultline::samples {

namespace {

Instant at(double milliseconds) {
  return Instant(Duration(static_cast<std::int64_t>(std::llround(milliseconds * 1e6))));
}
Duration ms(double milliseconds) { return at(milliseconds).time_since_epoch(); }

// Collects events in any order of writing and appends them in order of time.
class Script {
 public:
  void event(double milliseconds, EventType type, Process process, std::string f, Value key, Value value,
             Value extra = {}) {
    Event e{.type = type,
            .process = process,
            .f = std::move(f),
            .key = std::move(key),
            .value = std::move(value),
            .time = at(milliseconds)};
    e.extra = std::move(extra);
    events_.push_back(std::move(e));
  }

  // Returns nothing: operations are found again by time, once all is in place.
  void operation(double from, double to, EventType end, Process process, const std::string& f, const Value& key,
                 const Value& input, const Value& output, const std::string& node = {}) {
    const Value extra = node.empty() ? Value() : Value::map({{"node", node}});
    event(from, EventType::invoke, process, f, key, input);
    event(to, end, process, f, key, output, extra);
  }

  void fault(double from, double to, const std::string& kind, const Value& value) {
    event(from, EventType::invoke, nemesis_process, "start-" + kind, {}, value);
    event(from + 3, EventType::info, nemesis_process, "start-" + kind, {}, value);
    event(to, EventType::invoke, nemesis_process, "stop-" + kind, {}, value);
    event(to + 3, EventType::info, nemesis_process, "stop-" + kind, {}, value);
  }

  std::unique_ptr<History> history(bool timed = true) {
    std::stable_sort(events_.begin(), events_.end(), [](const Event& a, const Event& b) { return a.time < b.time; });
    auto h = std::make_unique<History>();
    std::uint32_t line = 0;
    for (Event e : events_) {
      e.line = ++line;
      if (!timed) e.time = no_time;
      const auto added = h->append(std::move(e));
      FL_ASSERT(added.ok());
    }
    return h;
  }

 private:
  std::vector<Event> events_;
};

Value isolate_n1() {
  return Value::map(
      {{"kind", "partition"},
       {"nodes", Value::list({"n1", "n2", "n3"})},
       {"grudge",
        Value::map({{"n1", Value::list({"n2", "n3"})}, {"n2", Value::list({"n1"})}, {"n3", Value::list({"n1"})}})}});
}

Value on_nodes(const std::string& kind, std::vector<Value> nodes) {
  return Value::map({{"kind", kind}, {"nodes", Value::list(std::move(nodes))}});
}

// The operation that was invoked at this time.
OperationIndex find(const History& history, Process process, double milliseconds) {
  for (OperationIndex o = 0; o < history.operation_count(); ++o) {
    if (history.process(history.invoked(o)) == process && history.time(history.invoked(o)) == at(milliseconds))
      return o;
  }
  FL_ASSERT(false && "no such operation in the sample");
}

// Operations of other keys and workers around the story, so that the overview has something to show. Workers from 20 up.
void add_crowd(Script& script, double until_ms, std::size_t workers, std::size_t keys) {
  Rng rng(7);
  for (std::size_t w = 0; w < workers; ++w) {
    auto process = static_cast<Process>(20 + w);
    for (double t = static_cast<double>(rng.below(40)) + 1; t < until_ms;) {
      const double took = 0.8 + static_cast<double>(rng.below(4000)) / 1000;
      const Value key("r" + std::to_string(20 + rng.below(keys)));
      const auto value = static_cast<std::int64_t>(rng.below(100));
      const std::uint64_t fate = rng.below(200);
      const bool read = rng.chance(0.5);
      const EventType end = fate == 0 ? EventType::info : fate < 5 ? EventType::fail : EventType::ok;
      script.operation(t, t + took, end, process, read ? "read" : "write", key, read ? Value() : Value(value),
                       end == EventType::fail ? Value("unavailable") : Value(value), "n" + std::to_string(1 + w % 3));
      if (end == EventType::info) process += static_cast<Process>(workers * 100);
      t += took + 60 + static_cast<double>(rng.below(120));
    }
  }
}

RunInfo run_info() {
  RunInfo run;
  run.directory = "runs/register-partition/20261120T021406Z";
  run.target = "etcd";
  run.workload = "register";
  run.nemesis = {"partition", "pause"};
  run.seed = 8817264;
  run.nodes = 3;
  run.concurrency = 10;
  run.faults = {{"partition", 3, "812 packets dropped, 3 leader changes", true},
                {"pause", 1, "no client noticed", false}};
  run.leader_changes = 3;
  run.versions = {{"etcd", "3.4.23"}};
  run.artefacts = {{"history.jsonl", std::string(64, 'a')}, {"certificate.json", std::string(64, 'b')}};
  return run;
}

ReportInput base_input(const History& history) {
  ReportInput input;
  input.history = &history;
  input.utc = "2026-11-20 02:14:06 UTC";
  input.tool = {{"version", "0.1.0"}, {"commit", "0123abc"}, {"compiler", "g++ 12.2"}};
  input.seconds_parse = ms(12);
  input.peak_rss_bytes = 48'500'000;
  return input;
}

Verdict base_verdict(const History& history, std::string model, VerdictKind kind) {
  Verdict v;
  v.kind = kind;
  v.model = std::move(model);
  v.engine = "frontier";
  v.operations = history.operation_count();
  v.cost = {12'345, 3'400'000, ms(210)};
  for (std::uint32_t k = 0; k < history.keys().size(); ++k) {
    KeyVerdict key{.key = history.keys()[k], .engine = "frontier", .cost = {120, 40'960, ms(2)}};
    for (OperationIndex o = 0; o < history.operation_count(); ++o)
      key.operations += history.key_id(history.invoked(o)) == k ? 1 : 0;
    key.longest_prefix = key.operations;
    if (key.operations > 0) v.by_key.push_back(key);
  }
  v.keys = v.by_key.size();
  return v;
}

// Marks a key as the one that failed and puts it first.
void fail_key(Verdict& v, const Value& key, std::size_t prefix) {
  const auto found = std::find_if(v.by_key.begin(), v.by_key.end(), [&](const KeyVerdict& k) { return k.key == key; });
  FL_ASSERT(found != v.by_key.end());
  found->kind = VerdictKind::invalid;
  found->longest_prefix = prefix;
  std::rotate(v.by_key.begin(), found, found + 1);
}

Sample stale_read() {
  Script s;
  s.operation(9650, 9652.4, EventType::ok, 1, "write", "r7", 3, 3, "n2");
  s.fault(10'480, 13'900, "partition", isolate_n1());
  s.fault(2000, 5000, "partition", isolate_n1());
  s.fault(17'000, 20'000, "partition", isolate_n1());
  s.fault(22'500, 23'500, "pause", on_nodes("pause", {"n2"}));
  s.operation(11'204, 11'209.2, EventType::ok, 2, "write", "r7", 5, 5, "n3");
  s.operation(11'621.2, 11'623, EventType::ok, 4, "read", "r7", {}, 3, "n1");
  s.operation(11'800, 11'803, EventType::ok, 5, "read", "r7", {}, 5, "n2");
  add_crowd(s, 27'000, 10, 60);
  Sample sample{"stale-read", s.history(), {}};
  const History& h = *sample.history;
  const OperationIndex w3 = find(h, 1, 9650);
  const OperationIndex w5 = find(h, 2, 11'204);
  const OperationIndex r3 = find(h, 4, 11'621.2);
  Verdict v = base_verdict(h, "register", VerdictKind::invalid);
  fail_key(v, "r7", 2);
  v.open_operations = 9;
  Anomaly a{.key = "r7",
            .name = "stale-read",
            .culprit = r3,
            .contradicted = w5,
            .gap = ms(412),
            .core = {w3, w5, r3},
            .one_minimal = true};
  a.sentence =
      "Process 4 read r7 = 3 from n1, although write 5 by process 2 had completed 412 ms before the read began.";
  a.prefix = {{w3, "3"}, {w5, "5"}};
  a.candidates = {
      {r3, false, "3", "5", "read by process 4 (line 1898) returned 3, but the register holds 5 (line 1820)"}};
  v.anomalies = {a};
  v.reason = a.sentence;
  sample.input = base_input(h);
  sample.input.run = run_info();
  sample.input.certificate_verified = true;
  sample.input.verdict = std::move(v);
  return sample;
}

Sample lost_update() {
  Script s;
  s.operation(0, 2, EventType::ok, 0, "write", "account", 10, 10);
  s.operation(5, 9.5, EventType::ok, 1, "cas", "account", Value::list({10, 11}), {});
  s.operation(7, 11, EventType::ok, 2, "cas", "account", Value::list({10, 12}), {});
  Sample sample{"lost-update", s.history(), {}};
  const History& h = *sample.history;
  Verdict v = base_verdict(h, "cas-register", VerdictKind::invalid);
  v.keys = 1;
  fail_key(v, "account", 2);
  Anomaly a{
      .key = "account", .name = "lost-update", .culprit = 2, .contradicted = 1, .core = {0, 1, 2}, .one_minimal = true};
  a.sentence = "Processes 1 and 2 both succeeded in replacing the same account = 10.";
  a.prefix = {{0, "10"}, {1, "11"}};
  a.candidates = {{2, false, "10", "11", "cas by process 2 (line 3) expected 10, but the register holds 11 (line 4)"}};
  v.anomalies = {a};
  v.reason = a.sentence;
  sample.input = base_input(h);
  sample.input.source = "two sessions.jsonl";
  sample.input.model_options = "--failed-cas observe";
  sample.input.verdict = std::move(v);
  return sample;
}

Sample double_apply() {
  Script s;
  s.operation(0, 12, EventType::ok, 0, "put", "cart", "milk ", "milk ", "n2");
  s.fault(400, 900, "partition", isolate_n1());
  s.operation(420, 1480, EventType::ok, 1, "append", "cart", "bread ", "bread ", "n1");
  s.operation(1900, 1904, EventType::ok, 2, "get", "cart", {}, "milk bread bread ", "n3");
  Sample sample{"double-apply", s.history(), {}};
  const History& h = *sample.history;
  const OperationIndex put = find(h, 0, 0);
  const OperationIndex append = find(h, 1, 420);
  const OperationIndex get = find(h, 2, 1900);
  Verdict v = base_verdict(h, "kv", VerdictKind::invalid);
  fail_key(v, "cart", 1);
  Anomaly a{.key = "cart",
            .name = "double-apply",
            .culprit = get,
            .contradicted = append,
            .core = {put, append, get},
            .one_minimal = true};
  a.sentence = "Process 1 issued append \"bread \" once; the get by process 2 shows it twice.";
  a.prefix = {{put, "\"milk \""}, {append, "\"milk bread \""}};
  a.candidates = {
      {get, false, "\"milk bread bread \"", "\"milk bread \"",
       "get by process 2 (line 8) returned \"milk bread bread \", but the value is \"milk bread \" (line 6)"}};
  v.anomalies = {a};
  v.reason = a.sentence;
  sample.input = base_input(h);
  sample.input.run = run_info();
  sample.input.run->workload = "kv-append";
  sample.input.verdict = std::move(v);
  return sample;
}

Sample two_holders() {
  Script s;
  s.operation(1000, 1040, EventType::ok, 0, "acquire", "mylock", {}, {}, "n1");
  s.fault(1500, 5500, "pause", on_nodes("pause", {"n1"}));
  s.operation(1900, 3100, EventType::info, 3, "release", "mylock", {}, {}, "n2");
  s.operation(4100, 4170, EventType::ok, 1, "acquire", "mylock", {}, {}, "n3");
  s.operation(5600, 5604, EventType::ok, 0, "release", "mylock", {}, {}, "n1");
  s.operation(6000, 6200, EventType::ok, 1, "release", "mylock", {}, {}, "n3");
  Sample sample{"two-holders", s.history(), {}};
  const History& h = *sample.history;
  const OperationIndex first = find(h, 0, 1000);
  const OperationIndex second = find(h, 1, 4100);
  const OperationIndex release = find(h, 0, 5600);
  const OperationIndex stray = find(h, 3, 1900);
  Verdict v = base_verdict(h, "mutex", VerdictKind::invalid);
  fail_key(v, "mylock", 1);
  Anomaly a{.key = "mylock",
            .name = "two-holders",
            .culprit = second,
            .contradicted = first,
            .core = {first, second, release}};
  a.gap = ms(3060);
  a.context = {stray};
  a.sentence = "Processes 0 and 1 both held lock mylock for 1.43 s.";
  a.prefix = {{first, "held by process 0"}};
  a.candidates = {{second, false, "free", "held by process 0",
                   "acquire by process 1 (line 8) succeeded, but process 0 holds the lock (line 2)"},
                  {stray, true, "held by process 3", "held by process 0",
                   "may have happened, but process 3 holds nothing to release"}};
  v.anomalies = {a};
  v.reason = a.sentence;
  sample.input = base_input(h);
  sample.input.run = run_info();
  sample.input.run->workload = "lock";
  sample.input.run->directory = "runs/lock-pause/20261120T021406Z";
  sample.input.run->repeat = "faultline run runs/lock-pause/20261120T021406Z/run.toml";
  sample.input.verdict = std::move(v);
  return sample;
}

Sample never_written() {
  Script s;
  s.operation(0, 4, EventType::ok, 0, "write", {}, "alpha", "alpha");
  s.operation(6, 9, EventType::ok, 1, "read", {}, {}, "omega");
  Sample sample{"never-written", s.history(), {}};
  Verdict v = base_verdict(*sample.history, "register", VerdictKind::invalid);
  fail_key(v, {}, 1);
  Anomaly a{.name = "never-written", .culprit = 1, .core = {1}, .one_minimal = true};
  a.sentence = "Process 1 read \"omega\", but no operation ever wrote \"omega\".";
  a.candidates = {
      {1, false, "\"omega\"", "nil", "read by process 1 (line 3) returned \"omega\", but the register holds nil"}};
  v.anomalies = {a};
  v.reason = a.sentence;
  sample.input = base_input(*sample.history);
  sample.input.source = "h.edn";
  sample.input.report_path = "out/h.html";
  sample.input.certificate_path = "out/h.certificate.json";
  sample.input.minimal_path = "out/h.minimal.jsonl";
  sample.input.verdict = std::move(v);
  return sample;
}

// No class is proved, the source has no times, an operation is open, one failed, one is only context.
Sample fallback() {
  Script s;
  s.operation(1, 6, EventType::ok, 0, "write", {}, 1, 1);
  s.event(2, EventType::invoke, 1, "write", {}, 2);
  s.operation(3, 8, EventType::fail, 2, "cas", {}, Value::list({3, 4}), Value::list({3, 4}));
  s.operation(4, 7, EventType::ok, 3, "write", {}, 9, 9);
  s.operation(9, 12, EventType::ok, 0, "read", {}, {}, 2);
  s.operation(13, 16, EventType::ok, 3, "read", {}, {}, 1);
  s.operation(17, 18, EventType::ok, 0, "read", {}, {}, 2);
  Sample sample{"fallback", s.history(false), {}};
  Verdict v = base_verdict(*sample.history, "cas-register", VerdictKind::invalid);
  fail_key(v, {}, 2);
  Anomaly a{.name = "no-legal-order", .culprit = 5, .core = {0, 1, 2, 4, 5}, .context = {3}};
  a.sentence =
      "After the longest legal prefix (3 operations, the register = 2) none of the 2 operations that may come next is "
      "legal.";
  a.prefix = {{0, "1"}, {1, "2"}, {4, "2"}};
  a.candidates = {{5, false, "1", "2", "read by process 3 (line 11) returned 1, but the register holds 2 (line 2)"},
                  {3, true, "", "2", "would make it 9; the read by process 3 (line 11) stays stuck"}};
  v.anomalies = {a};
  v.reason = a.sentence;
  sample.input = base_input(*sample.history);
  sample.input.source = "etcd_042.log";
  sample.input.verdict = std::move(v);
  return sample;
}

// Six classes at once, so that every format has to stop somewhere.
Sample many() {
  Script s;
  const std::vector<std::string> classes{"stale-read", "never-written", "lost-update",
                                         "inversion",  "non-monotonic", "failed-write"};
  for (int i = 0; i < 14; ++i) {
    s.operation(10 * i, 10 * i + 2, EventType::ok, 0, "write", "k" + std::to_string(i), 1, 1, "n1");
    s.operation(10 * i + 4, 10 * i + 6, EventType::ok, 1, "read", "k" + std::to_string(i), {}, 7, "n2");
  }
  Sample sample{"many", s.history(), {}};
  Verdict v = base_verdict(*sample.history, "register", VerdictKind::invalid);
  for (int i = 13; i >= 0; --i) fail_key(v, "k" + std::to_string(i), 1);
  for (OperationIndex i = 0; i < 14; ++i) {
    const std::string key = "k" + std::to_string(i);
    Anomaly a{
        .key = key, .name = classes[i % 6], .culprit = 2 * i + 1, .core = {2 * i, 2 * i + 1}, .one_minimal = true};
    a.sentence = "Process 1 read " + key + " = 7, and that is contradiction number " + std::to_string(i + 1) + ".";
    a.prefix = {{2 * i, "1"}};
    a.candidates = {{2 * i + 1, false, "7", "1", "read by process 1 returned 7, but the register holds 1"}};
    v.anomalies.push_back(a);
  }
  v.reason = v.anomalies.front().sentence;
  sample.input = base_input(*sample.history);
  sample.input.source = "many.jsonl";
  sample.input.verdict = std::move(v);
  return sample;
}

Sample quiet_run(std::string name, VerdictKind kind) {
  Script s;
  s.fault(4000, 7000, "partition", isolate_n1());
  s.fault(10'000, 13'000, "kill", on_nodes("kill", {"n2"}));
  s.fault(16'000, 19'000, "partition", isolate_n1());
  s.fault(20'000, 23'000, "pause", on_nodes("pause", {"n3"}));
  add_crowd(s, 27'000, 10, 40);
  Sample sample{std::move(name), s.history(), {}};
  sample.input = base_input(*sample.history);
  sample.input.run = run_info();
  sample.input.run->nemesis = {"partition", "kill", "pause"};
  sample.input.run->faults = {{"partition", 2, "812 packets dropped, 2 leader changes", true},
                              {"kill", 1, "n2 was down for 3 s", true},
                              {"pause", 1, "1 leader change", true}};
  sample.input.verdict = base_verdict(*sample.history, "register", kind);
  sample.input.certificate_verified = kind == VerdictKind::valid;
  return sample;
}

Sample valid() { return quiet_run("valid", VerdictKind::valid); }

Sample unknown() {
  Sample sample = quiet_run("unknown", VerdictKind::unknown);
  Verdict& v = *sample.input.verdict;
  for (std::size_t i = 0; i < 3; ++i) {
    v.by_key[i].kind = VerdictKind::unknown;
    v.by_key[i].reason = "time limit";
    v.by_key[i].longest_prefix = 11 + i;
  }
  sample.input.time_limit = ms(30'000);
  return sample;
}

Sample vacuous() {
  Sample sample = quiet_run("vacuous", VerdictKind::valid);
  sample.input.vacuous = "partition dropped no packet; pause: no client noticed";
  for (FaultEffect& fault : sample.input.run->faults) {
    fault.bit = false;
    fault.effect = "nothing changed";
  }
  return sample;
}

Sample harness() {
  Script s;
  s.operation(1, 4, EventType::ok, 0, "write", "r1", 1, 1, "n1");
  s.event(5, EventType::invoke, 1, "read", "r1", {});
  Sample sample{"harness", s.history(), {}};
  sample.input = base_input(*sample.history);
  sample.input.run = run_info();
  sample.input.run->faults.clear();
  sample.input.ending = Ending::harness_failure;
  sample.input.failure =
      "n2 did not become ready within 30 s (last error: \"bind: address already in use\", log: nodes/n2/etcd.log); "
      "stop what listens "
      "on port 2379, or choose other ports.";
  return sample;
}

Sample interrupted() {
  Sample sample = quiet_run("interrupted", VerdictKind::valid);
  sample.input.ending = Ending::interrupted;
  return sample;
}

Sample interrupted_invalid() {
  Sample sample = stale_read();
  sample.name = "interrupted-invalid";
  sample.input.ending = Ending::interrupted;
  return sample;
}

Sample not_checked_yet() {
  Sample sample = quiet_run("not-checked-yet", VerdictKind::valid);
  sample.input.ending = Ending::not_checked_yet;
  sample.input.verdict.reset();
  return sample;
}

Sample empty() {
  Sample sample{"empty", std::make_unique<History>(), {}};
  sample.input = base_input(*sample.history);
  sample.input.source = "empty.jsonl";
  sample.input.verdict = Verdict{.model = "register", .reason = "nothing to judge"};
  return sample;
}

}  // namespace

std::vector<Sample> all() {
  std::vector<Sample> samples;
  samples.push_back(stale_read());
  samples.push_back(lost_update());
  samples.push_back(double_apply());
  samples.push_back(two_holders());
  samples.push_back(never_written());
  samples.push_back(fallback());
  samples.push_back(many());
  samples.push_back(valid());
  samples.push_back(unknown());
  samples.push_back(vacuous());
  samples.push_back(harness());
  samples.push_back(interrupted());
  samples.push_back(interrupted_invalid());
  samples.push_back(not_checked_yet());
  samples.push_back(empty());
  return samples;
}

Sample named(const std::string& name) {
  for (Sample& sample : all()) {
    if (sample.name == name) return std::move(sample);
  }
  FL_ASSERT(false && "no such sample");
}

Sample hostile(const std::string& text) {
  Script s;
  const Value fault = Value::map({{"kind", text},
                                  {"nodes", Value::list({text})},
                                  {"grudge", Value::map({{text, Value::list({"n2"})}})},
                                  {"parameters", Value::map({{"shape", text}})}});
  s.fault(1, 40, text, fault);
  s.operation(2, 4, EventType::ok, 0, text, text, text, Value::list({text, Value::keyword(text)}), text);
  s.operation(6, 9, EventType::ok, 1, "read", text, {}, text, text);
  s.event(10, EventType::invoke, 2, "write", text, text);
  s.event(11, EventType::info, 2, "write", text, text, Value::map({{"error", text}, {"node", text}, {text, text}}));
  Sample sample{"hostile", s.history(), {}};
  sample.history->warn(text);
  Verdict v = base_verdict(*sample.history, text, VerdictKind::invalid);
  v.engine = text;
  v.reason = text;
  v.ignored = {text};
  fail_key(v, text, 1);
  v.by_key.front().engine = v.by_key.front().reason = text;
  Anomaly a{.key = text,
            .name = text,
            .sentence = text,
            .culprit = 1,
            .contradicted = 0,
            .gap = ms(2),
            .core = {0, 1},
            .context = {2}};
  a.prefix = {{0, text}};
  a.candidates = {{1, false, text, text, text}, {2, true, text, text, text}};
  v.anomalies = {a, a};
  sample.input = base_input(*sample.history);
  sample.input.run = RunInfo{
      .directory = text, .target = text, .workload = text, .nemesis = {text}, .seed = 1, .nodes = 3, .concurrency = 2};
  sample.input.run->faults = {{text, 1, text, true}};
  sample.input.run->versions = {{text, text}};
  sample.input.run->artefacts = {{text, text}};
  sample.input.run->logs = {{text, text, {{ms(1), text}, {ms(3), text}}}};
  sample.input.run->repeat = text;
  sample.input.source = sample.input.model_options = sample.input.utc = sample.input.failure = sample.input.vacuous =
      text;
  sample.input.report_path = sample.input.minimal_path = sample.input.certificate_path = text;
  sample.input.tool = {{text, text}, {"version", text}};
  sample.input.verdict = std::move(v);
  return sample;
}

}  // namespace faultline::samples
