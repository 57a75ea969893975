// verdict.json, which is also what --json prints: one object, schema 1. Consumers ignore fields they do not know; a
// removal would raise the schema. Lists are bounded, and what is left out is counted. Times of a run are nanoseconds
// since it began.
//
// What the search was and what it cost:
//   engine          the one that decided the worst key; "mixed" if all are valid under several
//   seconds_parse, seconds_check, seconds_explain     reading; searching; shrinking and naming what was found
//   cost            {configurations, peak_bytes, seconds}: visited by all searches, the most any one held, all but parsing
//   engines         one per engine that decided a key, the costliest first: {engine, keys, configurations, peak_bytes,
//                   seconds}, summed over its keys (bytes: the most of any); "none" had nothing to search
//   by_key          worst first, then in order of appearance, at most 1,000: {key, verdict, engine, operations,
//                   longest_prefix, configurations, peak_bytes, seconds, [reason]}
// `configurations` counts what an engine visits; one that visits none (zones, monitors) counts its steps.
//
// What the check during a run saw (`run --online`):
//   online          {violations, [stopped], keys, keys_relaxed, keys_given_up, [reason]}
//   violations      in order of finding, one per key: {key, event, time, found}: no order explains the key's events up to
//                   that one; when it came, and when that was known
//   stopped         when the run stopped because of the first
//   keys_relaxed    watched by a relaxation alone; keys_given_up: left to the check after the run, the first for `reason`
#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "json_writer.hpp"
#include "story.hpp"
#include "words.hpp"

namespace faultline {

using namespace reports;

namespace {

constexpr std::size_t max_keys = 1000;
constexpr std::size_t max_anomalies = 100;
constexpr std::size_t max_operations = 10000;  // per list of an anomaly

// A key of ordinary size as the value it is, a huge one as text that says so.
JsonWriter& write_key_value(JsonWriter& json, const Value& key) {
  return json_text(key).size() <= value_limit ? json.value(key) : json.string(show_key(key));
}

double in_seconds(Duration d) { return std::chrono::duration<double>(d).count(); }

void write_operation(JsonWriter& json, const History& history, OperationIndex index, bool in_core) {
  const Operation o = history.operation(index);
  json.open_object(true).key("operation").number(index);
  if (const std::uint32_t line = history.line(o.invoked); line > 0) json.key("line").number(line);
  if (o.completed != none && history.line(o.completed) > 0)
    json.key("completed_line").number(history.line(o.completed));
  json.key("process").integer(o.process).key("text").string(operation_text(history, index));
  json.key("outcome").string(to_string(o.outcome));
  if (const std::string node = node_text(history, index); !node.empty()) json.key("node").string(node);
  if (const Instant t = history.time(o.invoked); t != no_time) json.key("time").integer(t.time_since_epoch().count());
  if (o.completed != none && history.time(o.completed) != no_time) {
    json.key("completed_time").integer(history.time(o.completed).time_since_epoch().count());
  }
  json.key("role").string(in_core ? "core" : "context").close();
}

void write_candidates(JsonWriter& json, const std::vector<Candidate>& candidates) {
  json.key("candidates").open_list();
  for (const Candidate& candidate : candidates) {
    json.open_object(true).key("operation").number(candidate.operation).key("legal").boolean(candidate.legal);
    json.key("needs")
        .string(outside(candidate.needs))
        .key("has")
        .string(outside(candidate.has))
        .key("why")
        .string(spoken(candidate.why))
        .close();
  }
  json.close();
}

void write_anomaly(JsonWriter& json, const History& history, const Anomaly& anomaly) {
  json.open_object().key("class").string(anomaly.name).key("key");
  write_key_value(json, anomaly.key).key("sentence").string(spoken(anomaly.sentence));
  if (anomaly.culprit != none) json.key("culprit").number(anomaly.culprit);
  if (anomaly.contradicted != none) json.key("contradicted").number(anomaly.contradicted);
  if (anomaly.gap) json.key("gap_ns").integer(anomaly.gap->count());
  json.key("one_minimal").boolean(anomaly.one_minimal);
  if (!anomaly.doubt.empty()) json.key("doubt").string(anomaly.doubt);
  json.key("operations").open_list();
  for (std::size_t i = 0; i < std::min(anomaly.core.size(), max_operations); ++i)
    write_operation(json, history, anomaly.core[i], true);
  for (std::size_t i = 0; i < std::min(anomaly.context.size(), max_operations); ++i) {
    write_operation(json, history, anomaly.context[i], false);
  }
  json.close();
  json.key("core_operations").number(anomaly.core.size()).key("context_operations").number(anomaly.context.size());
  json.key("prefix").open_list();
  for (std::size_t i = 0; i < std::min(anomaly.prefix.size(), max_operations); ++i) {
    json.open_object(true)
        .key("operation")
        .number(anomaly.prefix[i].operation)
        .key("state")
        .string(outside(anomaly.prefix[i].state))
        .close();
  }
  json.close();
  write_candidates(json, anomaly.candidates);
  json.close();
}

void write_key(JsonWriter& json, const KeyVerdict& key) {
  write_key_value(json.open_object(true).key("key"), key.key)
      .key("verdict")
      .string(to_string(key.kind))
      .key("engine")
      .string(key.engine);
  json.key("operations").number(key.operations).key("longest_prefix").number(key.longest_prefix);
  json.key("configurations").number(key.cost.configurations).key("peak_bytes").number(key.cost.peak_bytes);
  json.key("seconds").seconds(in_seconds(key.cost.time));
  if (!key.reason.empty()) json.key("reason").string(spoken(key.reason));
  json.close();
}

struct EngineCost {
  std::string engine;
  std::size_t keys = 0;
  SearchCost cost;
};

std::vector<EngineCost> costs_by_engine(const Verdict& verdict) {
  std::vector<EngineCost> engines;
  for (const KeyVerdict& key : verdict.by_key) {
    auto found = std::find_if(engines.begin(), engines.end(), [&](const auto& e) { return e.engine == key.engine; });
    if (found == engines.end()) found = engines.insert(found, {.engine = key.engine, .cost = {}});
    ++found->keys;
    found->cost.configurations += key.cost.configurations;
    found->cost.peak_bytes = std::max(found->cost.peak_bytes, key.cost.peak_bytes);
    found->cost.time += key.cost.time;
  }
  std::stable_sort(engines.begin(), engines.end(),
                   [](const EngineCost& a, const EngineCost& b) { return a.cost.time > b.cost.time; });
  return engines;
}

void write_engines(JsonWriter& json, const Verdict& verdict) {
  json.key("engines").open_list();
  for (const EngineCost& engine : costs_by_engine(verdict)) {
    json.open_object(true).key("engine").string(engine.engine).key("keys").number(engine.keys);
    json.key("configurations").number(engine.cost.configurations).key("peak_bytes").number(engine.cost.peak_bytes);
    json.key("seconds").seconds(in_seconds(engine.cost.time)).close();
  }
  json.close();
}

void write_run(JsonWriter& json, const RunInfo& run) {
  json.key("run").string(run.directory).key("target").string(run.target).key("workload").string(run.workload);
  json.key("nemesis").open_list(true);
  for (const std::string& nemesis : run.nemesis) json.string(nemesis);
  json.close();
  json.key("faults").open_list();
  for (const FaultEffect& fault : run.faults) {
    json.open_object(true)
        .key("kind")
        .string(fault.kind)
        .key("count")
        .number(fault.count)
        .key("effect")
        .string(fault.effect);
    json.key("bit").boolean(fault.bit).close();
  }
  json.close();
  json.key("seed").number(run.seed).key("nodes").number(run.nodes).key("concurrency").number(run.concurrency);
  json.key("leader_changes").number(run.leader_changes);
  json.key("versions").open_object(true);
  for (const auto& [name, version] : run.versions) json.key(name).string(version);
  json.close();
  json.key("artefacts").open_list();
  for (const auto& [name, hash] : run.artefacts)
    json.open_object(true).key("file").string(name).key("sha256").string(hash).close();
  json.close();
}

void write_online(JsonWriter& json, const OnlineInfo& online) {
  json.key("online").open_object().key("violations").open_list();
  for (std::size_t i = 0; i < std::min(online.violations.size(), max_keys); ++i) {
    const OnlineFinding& finding = online.violations[i];
    write_key_value(json.open_object(true).key("key"), finding.key).key("event").number(finding.event);
    json.key("time").integer(finding.time.time_since_epoch().count());
    json.key("found").integer(finding.found.time_since_epoch().count()).close();
  }
  json.close();
  if (online.stopped != no_time) json.key("stopped").integer(online.stopped.time_since_epoch().count());
  json.key("keys").number(online.keys).key("keys_relaxed").number(online.keys_relaxed);
  json.key("keys_given_up").number(online.keys_given_up);
  if (!online.reason.empty()) json.key("reason").string(spoken(online.reason));
  json.close();
}

void write_totals(JsonWriter& json, const ReportInput& input) {
  const Coverage c = coverage(*input.history);
  const Verdict none_yet;
  const Verdict& verdict = input.verdict ? *input.verdict : none_yet;
  const KeyCounts keys = key_counts(input);
  json.key("model").string(verdict.model).key("engine").string(verdict.engine);
  json.key("operations").number(input.verdict ? verdict.operations : c.operations).key("keys").number(keys.total);
  json.key("seconds_parse")
      .seconds(in_seconds(input.seconds_parse))
      .key("seconds_check")
      .seconds(in_seconds(verdict.cost.time - verdict.explaining));
  json.key("seconds_explain").seconds(in_seconds(verdict.explaining));
  json.key("peak_rss_bytes").number(input.peak_rss_bytes);
  json.key("certificate_verified").boolean(input.certificate_verified);
  json.key("keys_valid")
      .number(keys.valid)
      .key("keys_invalid")
      .number(keys.invalid)
      .key("keys_unknown")
      .number(keys.unknown);
  json.key("failed_operations")
      .number(verdict.failed_operations)
      .key("open_operations")
      .number(verdict.open_operations);
  json.key("coverage")
      .open_object(true)
      .key("operations")
      .number(c.operations)
      .key("under_fault")
      .number(c.under_fault);
  json.key("ok").number(c.ok).key("fail").number(c.fail).key("info").number(c.open).close();
  json.key("cost").open_object(true).key("configurations").number(verdict.cost.configurations);
  json.key("peak_bytes").number(verdict.cost.peak_bytes).key("seconds").seconds(in_seconds(verdict.cost.time)).close();
  write_engines(json, verdict);
}

void write_details(JsonWriter& json, const ReportInput& input) {
  const Verdict none_yet;
  const Verdict& verdict = input.verdict ? *input.verdict : none_yet;
  json.key("anomalies").open_list();
  for (std::size_t i = 0; i < std::min(verdict.anomalies.size(), max_anomalies); ++i) {
    write_anomaly(json, *input.history, verdict.anomalies[i]);
  }
  json.close();
  json.key("anomalies_left_out").number(verdict.anomalies.size() - std::min(verdict.anomalies.size(), max_anomalies));
  json.key("by_key").open_list();
  for (std::size_t i = 0; i < std::min(verdict.by_key.size(), max_keys); ++i) write_key(json, verdict.by_key[i]);
  json.close();
  json.key("by_key_left_out").number(verdict.by_key.size() - std::min(verdict.by_key.size(), max_keys));
  json.key("ignored").open_list();
  for (const std::string& text : verdict.ignored) json.string(text);
  json.close();
  json.key("warnings").open_list();
  for (const std::string& text : input.history->warnings()) json.string(text);
  json.close();
}

std::string_view ending_word(Ending ending) {
  switch (ending) {
    case Ending::judged: return "judged";
    case Ending::not_checked_yet: return "not-checked-yet";
    case Ending::interrupted: return "interrupted";
    case Ending::harness_failure: return "harness-failure";
  }
  FL_ASSERT(false && "unknown ending");
}

}  // namespace

std::string render_verdict_json(const ReportInput& input) {
  JsonWriter json;
  const VerdictKind kind = effective_verdict(input);
  json.open_object()
      .key("schema")
      .number(1)
      .key("verdict")
      .string(to_string(kind))
      .key("exit_code")
      .integer(exit_code(input));
  json.key("ending")
      .string(ending_word(input.ending))
      .key("headline")
      .string(headline(input))
      .key("property")
      .string(property(input));
  const bool plainly_valid = kind == VerdictKind::valid && input.ending == Ending::judged;
  json.key("reason").text_or_null(plainly_valid ? "" : contradiction(input));
  json.key("vacuous").boolean(!input.vacuous.empty());
  if (!input.failure.empty()) json.key("error").string(spoken(input.failure));
  write_totals(json, input);
  if (!input.observed.empty()) {
    json.key("observed").open_list();
    for (const Observation& seen : input.observed)
      json.open_object().key("detector").string(seen.detector).key("sentence").string(spoken(seen.sentence)).close();
    json.close();
  }
  if (!input.story.empty()) {
    json.key("story").open_list();
    for (const std::string& sentence : input.story) json.string(spoken(sentence));
    json.close();
  }
  if (input.run) write_run(json, *input.run);
  if (input.online) write_online(json, *input.online);
  json.key("source").text_or_null(history_file(input)).key("utc").text_or_null(input.utc);
  json.key("tool").open_object(true);
  for (const auto& [name, text] : input.tool) json.key(name).string(text);
  json.close();
  json.key("commands").open_list();
  for (const Command& command : commands(input)) json.string(command.line);
  json.close();
  write_details(json, input);
  return json.close().take();
}

}  // namespace faultline
