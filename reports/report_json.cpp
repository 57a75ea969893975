// report.json: what the page shows beside the verdict, for programs that draw their own: one object, schema 1 (report.schema.json).
// verdict.json says what was decided and why; here stand its words, and the run on its time axis. Consumers ignore fields they do not
// know; a removal would raise the schema. Times are nanoseconds since the run began; lists are bounded and say what is left out.
#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "facts.hpp"
#include "faults.hpp"
#include "json_writer.hpp"
#include "node_state.hpp"
#include "story.hpp"
#include "words.hpp"

namespace faultline {

using namespace reports;

namespace {

constexpr std::size_t most = 10'000;  // entries of one list
constexpr std::size_t most_findings = 100;

void write_facts_list(JsonWriter& json, std::string_view name, const std::vector<Fact>& facts) {
  json.key(name).open_list();
  for (const Fact& fact : facts)
    json.open_object(true).key("label").string(fact.label).key("value").string(fact.value).close();
  json.close();
}

void write_words(JsonWriter& json, const ReportInput& input) {
  json.key("headline").string(headline(input)).key("sentence").string(contradiction(input));
  json.key("scope").string(scope(input));
  write_facts_list(json, "facts", facts(input));
  write_facts_list(json, "configuration", configuration(input));
  const std::vector<Finding> found = findings(input);
  json.key("findings").open_list();
  for (std::size_t i = 0; i < std::min(found.size(), most_findings); ++i) {
    json.open_object(true).key("class").string(outside(found[i].name)).key("key");
    json.text_or_null(found[i].key.is_null() ? "" : show_key(found[i].key)).key("sentence").string(found[i].sentence);
    json.key("count").number(found[i].count).close();
  }
  json.close().key("commands").open_list();
  for (const Command& command : commands(input))
    json.open_object(true).key("line").string(command.line).key("note").string(command.note).close();
  json.close();
}

struct Latencies {
  std::size_t ok = 0, fail = 0, open = 0;
  std::vector<std::int64_t> spent;  // nanoseconds, of those that are ok

  std::int64_t at(double share) {
    const auto place = static_cast<std::size_t>(share * static_cast<double>(spent.size() - 1));
    std::nth_element(spent.begin(), spent.begin() + static_cast<std::ptrdiff_t>(place), spent.end());
    return spent[place];
  }
};

void write_operations(JsonWriter& json, const History& history) {
  std::map<std::string, Latencies> by_function;
  for (OperationIndex o = 0; o < history.operation_count(); ++o) {
    Latencies& latencies = by_function[history.functions()[history.operation_function(o)]];
    const Outcome outcome = history.outcome(o);
    (outcome == Outcome::ok ? latencies.ok : outcome == Outcome::fail ? latencies.fail : latencies.open) += 1;
    if (outcome != Outcome::ok || !history.has_times()) continue;
    const Instant from = history.time(history.invoked(o)), to = history.time(history.completed(o));
    if (from != no_time && to != no_time)
      latencies.spent.push_back(elapsed(from.time_since_epoch().count(), to.time_since_epoch().count()).count());
  }
  json.key("operations").open_list();
  for (auto& [f, latencies] : by_function) {
    json.open_object(true).key("f").string(outside(f, 40)).key("ok").number(latencies.ok).key("fail");
    json.number(latencies.fail).key("info").number(latencies.open).key("latency_ns");
    if (latencies.spent.empty()) {
      json.null();
    } else {
      json.open_object(true).key("p50").integer(latencies.at(0.5)).key("p90").integer(latencies.at(0.9));
      json.key("p99").integer(latencies.at(0.99)).key("max").integer(latencies.at(1)).close();
    }
    json.close();
  }
  json.close();
}

// A moment of the history; null where the source has no times.
JsonWriter& write_time(JsonWriter& json, const History& history, EventIndex e) {
  if (e == none || history.time(e) == no_time) return json.null();
  return json.integer(history.time(e).time_since_epoch().count());
}

void write_bands(JsonWriter& json, const History& history) {
  const std::vector<FaultBand> bands = fault_bands(history);
  json.key("fault_bands").open_list();
  for (std::size_t i = 0; i < std::min(bands.size(), most); ++i) {
    json.open_object(true).key("kind").string(bands[i].kind).key("label").string(bands[i].label()).key("from");
    write_time(json, history, bands[i].from).key("to");
    write_time(json, history, bands[i].to).key("nodes").open_list(true);
    for (const std::string& node : bands[i].affected) json.string(outside(node, 40));
    json.close().close();
  }
  json.close();
}

void write_nodes(JsonWriter& json, const ReportInput& input) {
  const History& history = *input.history;
  const Terms terms = terms_seen(input);
  const auto time_of = [&](const Moment& at) -> JsonWriter& {
    return at.event == none ? json.integer(at.since.count()) : write_time(json, history, at.event);
  };
  json.key("terms").open_list();
  for (std::size_t i = 0; i < std::min(terms.overall.size(), most); ++i) {
    const TermPoint& p = terms.overall[i];
    json.open_object(true).key("time");
    time_of(p.at).key("term").integer(p.term).key("leader").text_or_null(p.leader).close();
  }
  json.close().key("node_terms").open_list();
  for (std::size_t i = 0; i < std::min(terms.by_node.size(), most); ++i) {
    const NodeTerm& p = terms.by_node[i];
    json.open_object(true).key("node").string(p.node).key("time");
    time_of(p.at).key("term").integer(p.term).key("role").text_or_null(p.role).close();
  }
  json.close().key("clock_offsets").open_list();
  const std::vector<ClockOffset> offsets = clock_offsets(history);
  for (std::size_t i = 0; i < std::min(offsets.size(), most); ++i) {
    json.open_object(true).key("node").string(outside(offsets[i].node, 40)).key("time");
    json.integer(offsets[i].time.time_since_epoch().count()).key("seconds").seconds(offsets[i].seconds).close();
  }
  json.close().key("logs").open_list();
  if (input.run) {
    for (const NodeLog& log : input.run->logs) {
      json.open_object(true).key("node").string(outside(log.node, 40)).key("file").string(outside(log.file));
      json.key("lines").number(log.lines.size()).key("bytes_left_out").number(log.bytes_left_out).close();
    }
  }
  json.close();
}

}  // namespace

std::string render_report_json(const ReportInput& input) {
  JsonWriter json;
  json.open_object().key("schema").number(1).key("verdict").string(to_string(effective_verdict(input)));
  json.key("exit_code").integer(exit_code(input)).key("utc").text_or_null(input.utc);
  write_words(json, input);
  const Coverage c = coverage(*input.history);
  json.key("coverage").open_object(true).key("operations").number(c.operations).key("under_fault");
  json.number(c.under_fault).key("ok").number(c.ok).key("fail").number(c.fail).key("info").number(c.open).close();
  write_operations(json, *input.history);
  write_bands(json, *input.history);
  write_nodes(json, input);
  json.key("artefacts").open_list();
  if (input.run) {
    for (const auto& [name, hash] : input.run->artefacts)
      json.open_object(true).key("file").string(outside(name)).key("sha256").string(outside(hash)).close();
  }
  return json.close().close().take();
}

}  // namespace faultline
