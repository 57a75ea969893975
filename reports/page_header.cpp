#include "page_header.hpp"

#include <faultline/formats.hpp>

#include <algorithm>
#include <limits>
#include <optional>
#include <unordered_map>

#include "faults.hpp"
#include "json_writer.hpp"
#include "node_state.hpp"
#include "words.hpp"

namespace faultline::reports {

namespace {

constexpr std::size_t max_verdicts = 100'000;
constexpr std::size_t max_anomalies = 200;
constexpr std::size_t max_anomaly_operations = 2'000;
constexpr std::size_t max_bands = 20'000;
constexpr std::size_t max_log_lines = 4'000;  // of one file
constexpr std::size_t log_line_limit = 300;
constexpr std::size_t reason_limit = 300;

// Positions of operations among those that the page carries.
class Carried {
 public:
  explicit Carried(const std::vector<bool>& carried) : position_(carried.size(), none) {
    std::uint32_t next = 0;
    for (std::size_t o = 0; o < carried.size(); ++o) {
      if (carried[o]) position_[o] = next++;
    }
  }
  [[nodiscard]] std::optional<std::uint32_t> operator()(OperationIndex o) const {
    if (o >= position_.size() || position_[o] == none) return std::nullopt;
    return position_[o];
  }

 private:
  std::vector<std::uint32_t> position_;
};

void write_texts(JsonWriter& json, std::string_view name, const std::vector<std::string>& texts) {
  json.key(name).open_list(true);
  for (const std::string& text : texts) json.string(text);
  json.close();
}

void write_names(JsonWriter& json, const History& history, const PageHeader& header) {
  std::vector<std::string> functions;
  json.key("observers").open_list(true);
  for (const std::string& f : history.functions()) {
    functions.push_back(outside(f, 40));
    json.boolean(only_observes(f));
  }
  json.close();
  std::vector<std::string> keys;
  for (const Value& key : history.keys()) keys.push_back(key.is_null() ? "" : show_key(key, 80));
  write_texts(json, "functions", functions);
  write_texts(json, "keys", keys);
  write_texts(json, "nodes", header.nodes);
  write_texts(json, "errors", header.errors);
  write_texts(json, "values", header.values);
  json.key("columns").open_list(true);
  for (const char* name : {"kind", "index", "time", "lane", "line", "process", "f", "key", "node", "error", "input",
                           "output", "input2", "output2"}) {
    json.string(name);
  }
  json.close();
}

void write_faults(JsonWriter& json, const History& history, const PageClock& clock) {
  json.key("faults").open_list();
  std::size_t written = 0;
  for (const FaultBand& band : fault_bands(history)) {
    if (!clock.knows(history, band.from) || written++ >= max_bands) continue;
    json.open_object(true).key("label").string(band.label()).key("kind").string(band.kind);
    json.key("from").integer(clock.tick(history, band.from)).key("to");
    const bool ends = band.to != none && clock.knows(history, band.to);
    if (ends) {
      json.integer(clock.tick(history, band.to));
    } else {
      json.null();
    }
    json.key("nodes").open_list(true);
    for (const std::string& node : band.affected) json.string(outside(node, 40));
    json.close().close();
  }
  json.close();
}

void write_verdicts(JsonWriter& json, const ReportInput& input) {
  std::unordered_map<Value, std::size_t> ids;
  const auto keys = input.history->keys();
  for (std::size_t id = 0; id < keys.size(); ++id) ids.emplace(keys[id], id);
  json.key("verdicts").open_list();
  const std::size_t count = input.verdict ? std::min(max_verdicts, input.verdict->by_key.size()) : 0;
  for (std::size_t i = 0; i < count; ++i) {
    const KeyVerdict& key = input.verdict->by_key[i];
    json.open_list(true).string(key.key.is_null() ? "(all)" : show_key(key.key, 80));
    json.number(key.kind == VerdictKind::valid ? 0 : key.kind == VerdictKind::unknown ? 1 : 2);
    json.number(key.operations).number(key.longest_prefix).string(outside(key.engine, 40));
    json.string(outside(key.reason, reason_limit)).open_list(true);
    const auto add = [&](const Value& one) {
      if (const auto found = ids.find(one); found != ids.end()) json.number(found->second);
    };
    if (ids.contains(key.key) || !key.key.is_list()) {
      add(key.key);
    } else {
      for (const Value& one : key.key.as_list()) add(one);
    }
    json.close().close();
  }
  json.close();
}

void write_operations(JsonWriter& json, std::string_view name, const std::vector<OperationIndex>& operations,
                      const Carried& carried) {
  json.key(name).open_list(true);
  for (std::size_t i = 0; i < std::min(operations.size(), max_anomaly_operations); ++i) {
    if (const auto position = carried(operations[i])) json.number(*position);
  }
  json.close();
}

void write_anomalies(JsonWriter& json, const ReportInput& input, const Carried& carried) {
  json.key("anomalies").open_list();
  const std::size_t count = input.verdict ? std::min(max_anomalies, input.verdict->anomalies.size()) : 0;
  for (std::size_t i = 0; i < count; ++i) {
    const Anomaly& anomaly = input.verdict->anomalies[i];
    json.open_object().key("key").string(anomaly.key.is_null() ? "" : show_key(anomaly.key, 80));
    json.key("name").string(outside(anomaly.name, 40)).key("sentence").string(spoken(anomaly.sentence));
    for (const auto& [name, operation] :
         {std::pair{"culprit", anomaly.culprit}, std::pair{"contradicted", anomaly.contradicted}}) {
      if (const auto position = carried(operation)) json.key(name).number(*position);
    }
    write_operations(json, "core", anomaly.core, carried);
    write_operations(json, "context", anomaly.context, carried);
    json.key("prefix").open_list();
    for (std::size_t s = 0; s < std::min(anomaly.prefix.size(), max_anomaly_operations); ++s) {
      const auto position = carried(anomaly.prefix[s].operation);
      if (position) json.open_list(true).number(*position).string(outside(anomaly.prefix[s].state)).close();
    }
    json.close().close();
  }
  json.close();
}

std::int64_t tick_of(const Moment& moment, const History& history, const PageClock& clock) {
  return moment.event == none ? clock.tick(moment.since) : clock.tick(history, moment.event);
}

void write_terms(JsonWriter& json, const ReportInput& input, const PageClock& clock) {
  const Terms terms = terms_seen(input);
  json.key("terms").open_list();
  for (const TermPoint& p : terms.overall) {
    json.open_list(true).integer(tick_of(p.at, *input.history, clock)).integer(p.term).string(p.leader).close();
  }
  json.close().key("node_terms").open_list();
  for (const NodeTerm& p : terms.by_node) {
    json.open_list(true).string(p.node).integer(tick_of(p.at, *input.history, clock)).integer(p.term);
    json.string(p.role).close();
  }
  json.close();
}

void write_offsets(JsonWriter& json, const History& history, const PageClock& clock) {
  json.key("offsets").open_list();
  if (clock.timed()) {
    for (const ClockOffset& offset : clock_offsets(history)) {
      json.open_list(true).string(outside(offset.node, 40)).integer(clock.tick(offset.time.time_since_epoch()));
      json.seconds(offset.seconds).close();
    }
  }
  json.close();
}

// The lines nearest to the first contradiction, else the last ones.
std::size_t first_line_shown(const std::vector<LogLine>& lines, std::optional<Duration> centre) {
  if (lines.size() <= max_log_lines) return 0;
  const std::size_t last_start = lines.size() - max_log_lines;
  if (!centre) return last_start;
  const auto near = std::lower_bound(lines.begin(), lines.end(), *centre,
                                     [](const LogLine& line, Duration t) { return line.since < t; });
  const auto at = static_cast<std::size_t>(near - lines.begin());
  return std::min(last_start, at - std::min(at, max_log_lines * 3 / 4));
}

// A line of an event log as its event and text; what else it holds is its time. Any other line as it is.
std::string as_read(const std::string& line) {
  if (!line.starts_with("{\"wall\":")) return line;
  const auto parsed = parse_json(line);
  if (!parsed || !parsed.value().get("event").is_string() || !parsed.value().get("text").is_string()) return line;
  return std::string(parsed.value().get("event").as_text()) + ": " + std::string(parsed.value().get("text").as_text());
}

void write_logs(JsonWriter& json, const ReportInput& input, const PageClock& clock) {
  std::optional<Duration> centre;
  if (input.verdict && !input.verdict->anomalies.empty()) {
    const OperationIndex culprit = input.verdict->anomalies.front().culprit;
    if (culprit < input.history->operation_count())
      centre = input.history->time(input.history->invoked(culprit)).time_since_epoch();
  }
  json.key("logs").open_list();
  if (input.run && clock.timed()) {
    for (const NodeLog& log : input.run->logs) {
      const std::size_t first = first_line_shown(log.lines, centre);
      const std::size_t last = std::min(log.lines.size(), first + max_log_lines);
      json.open_object().key("node").string(outside(log.node, 40)).key("file").string(outside(log.file));
      json.key("left_out").number(log.lines.size() - (last - first));
      json.key("bytes_left_out").number(log.bytes_left_out).key("lines").open_list();
      for (std::size_t i = first; i < last; ++i) {
        json.open_list(true).integer(clock.tick(log.lines[i].since));
        json.string(outside(as_read(log.lines[i].text), log_line_limit)).close();
      }
      json.close().close();
    }
  }
  json.close();
}

}  // namespace

PageClock::PageClock(const History& history, std::int64_t unit) : unit_(unit), timed_(history.has_times()) {
  std::int64_t last = std::numeric_limits<std::int64_t>::min();
  first_ = std::numeric_limits<std::int64_t>::max();
  for (EventIndex e = 0; e < history.size() && timed_; ++e) {
    if (history.time(e) == no_time) {
      timed_ = history.operation_of(e) == none;
      continue;
    }
    first_ = std::min(first_, history.time(e).time_since_epoch().count());
    last = std::max(last, history.time(e).time_since_epoch().count());
  }
  timed_ = timed_ && last > first_;
  if (!timed_) first_ = 0;
  last_ = timed_ ? (last - first_) / unit_ : static_cast<std::int64_t>(history.size()) - 1;
}

std::string page_header_json(const ReportInput& input, const PageClock& clock, const PageHeader& header) {
  const History& history = *input.history;
  const Carried carried(*header.carried);
  JsonWriter json;
  json.open_object().key("schema").number(1).key("unit").integer(clock.unit()).key("timed").boolean(clock.timed());
  json.key("origin").integer(clock.origin()).key("last").integer(clock.last());
  json.key("total").number(history.operation_count()).key("carried").number(header.operations);
  json.key("stride").number(header.stride).key("lanes").number(header.lane_count).key("lines").boolean(header.lines);
  write_names(json, history, header);
  write_faults(json, history, clock);
  write_verdicts(json, input);
  write_anomalies(json, input, carried);
  write_terms(json, input, clock);
  write_offsets(json, history, clock);
  write_logs(json, input, clock);
  return json.close().take();
}

}  // namespace faultline::reports
