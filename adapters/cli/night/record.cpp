#include "night/record.hpp"

#include <faultline/text.hpp>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <set>

#include "units.hpp"

namespace faultline::cli::night {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t longest_sentence = 1000, longest_story = 4000, longest_shape = 400;

std::string text_in(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::uint64_t number_in(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_number_unsigned() ? found->get<std::uint64_t>() : 0;
}

double real_in(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_number() ? found->get<double>() : 0;
}

bool flag_in(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_boolean() && found->get<bool>();
}

const Json& object_in(const Json& object, const char* name) {
  static const Json nothing = Json::object();
  const auto found = object.find(name);
  return found != object.end() && found->is_object() ? *found : nothing;
}

const Json& list_in(const Json& object, const char* name) {
  static const Json nothing = Json::array();
  const auto found = object.find(name);
  return found != object.end() && found->is_array() ? *found : nothing;
}

// Wall-clock times have more digits than they mean.
double rounded(double seconds) { return static_cast<double>(static_cast<std::uint64_t>(seconds * 1e6 + 0.5)) / 1e6; }

Json measured_json(const Measured& m) {
  Json object{{"seconds", rounded(m.seconds)}, {"seconds_check", rounded(m.seconds_check)}, {"attempts", m.attempts}};
  object["peak_rss_bytes"] = m.peak_rss_bytes;
  object["began_ms"] = m.began_ms;
  object["ended_ms"] = m.ended_ms;
  if (!m.directory.empty()) object["directory"] = m.directory;
  if (!m.earlier.empty()) object["earlier"] = m.earlier;
  return object;
}

Measured measured_from(const Json& object) {
  return {.seconds = real_in(object, "seconds"),
          .seconds_check = real_in(object, "seconds_check"),
          .attempts = number_in(object, "attempts"),
          .peak_rss_bytes = number_in(object, "peak_rss_bytes"),
          .directory = text_in(object, "directory"),
          .earlier = text_in(object, "earlier"),
          .began_ms = number_in(object, "began_ms"),
          .ended_ms = number_in(object, "ended_ms")};
}

void read_simulated(Record& record, const Json& object) {
  record.operations = number_in(object, "operations");
  record.ok = number_in(object, "operations_ok");
  record.hash = text_in(object, "hash");
  record.vacuous = number_in(object, "vacuous") > 0 && number_in(object, "undecided") == 0;
  const Json& probes = object_in(object, "probes");
  for (const auto& [name, hits] : probes.items()) {
    if (hits.is_number_unsigned() && hits.get<std::uint64_t>() > 0) record.probes[name] = hits.get<std::uint64_t>();
  }
  record.faults.clear();
  for (const Json& fault : list_in(object, "faults"))
    record.faults.push_back({text_in(fault, "kind"), number_in(fault, "count"), number_in(fault, "bit") > 0});
  record.leader_changes = number_in(object, "leader_changes");
  if (record.outcome == Outcome::unknown)
    record.sentence = record.vacuous ? "no fault had an effect" : "the check was not finished within its limits";
  for (const Json& failure : list_in(object, "failures")) {
    record.sentence = clip(text_in(failure, "reason"), longest_sentence);
    for (const Json& detector : list_in(failure, "detectors")) {
      if (detector.is_string()) record.classes.push_back(detector.get<std::string>());
    }
  }
}

void read_live(Record& record, const Json& object) {
  const Json& coverage = object_in(object, "coverage");
  record.operations = number_in(coverage, "operations");
  record.ok = number_in(coverage, "ok");
  record.info = number_in(coverage, "info");
  record.under_fault = number_in(coverage, "under_fault");
  record.leader_changes = number_in(object, "leader_changes");
  record.vacuous = flag_in(object, "vacuous") && number_in(object, "keys_unknown") == 0;
  record.measured.seconds_check = real_in(object, "seconds_check");
  record.measured.peak_rss_bytes = number_in(object, "peak_rss_bytes");
  record.faults.clear();
  for (const Json& fault : list_in(object, "faults"))
    record.faults.push_back({text_in(fault, "kind"), number_in(fault, "count"), flag_in(fault, "bit")});
  if (record.outcome != Outcome::valid) record.sentence = clip(text_in(object, "reason"), longest_sentence);
  std::set<std::string> seen;
  for (const Json& anomaly : list_in(object, "anomalies")) {
    std::string name = text_in(anomaly, "class");
    if (!name.empty() && seen.insert(name).second) record.classes.push_back(std::move(name));
  }
  for (const Json& observed : list_in(object, "observed")) {
    std::string name = text_in(observed, "detector");
    if (!name.empty() && seen.insert(name).second) record.classes.push_back(std::move(name));
  }
}

// The packages that were asked for, until the run says which of them did something.
std::vector<FaultSeen> asked_faults(const RunSpec& run) {
  std::vector<FaultSeen> faults;
  const auto named = run.options.find("nemesis");
  for (const std::string& kind : split(named == run.options.end() ? "" : named->second, ',')) {
    if (kind != "none") faults.push_back({kind, 0, false});
  }
  return faults;
}

}  // namespace

std::string_view to_string(Outcome outcome) {
  switch (outcome) {
    case Outcome::valid: return "valid";
    case Outcome::invalid: return "invalid";
    case Outcome::unknown: return "unknown";
    case Outcome::broken: return "broken";
  }
  FL_ASSERT(false && "unknown outcome");
}

std::string to_line(const Record& record, bool with_measured) {
  Json object{{"index", record.index}, {"run", record.run}, {"outcome", to_string(record.outcome)}};
  if (!record.classes.empty()) object["classes"] = record.classes;
  if (!record.sentence.empty()) object["sentence"] = record.sentence;
  if (record.vacuous) object["vacuous"] = true;
  object["operations"] = record.operations;
  object["ok"] = record.ok;
  object["info"] = record.info;
  object["under_fault"] = record.under_fault;
  object["leader_changes"] = record.leader_changes;
  object["faults"] = Json::array();
  for (const FaultSeen& fault : record.faults)
    object["faults"].push_back({{"kind", fault.kind}, {"count", fault.count}, {"bit", fault.bit}});
  if (!record.probes.empty()) object["probes"] = record.probes;
  if (!record.hash.empty()) object["hash"] = record.hash;
  if (!record.shape.empty()) object["shape"] = record.shape;
  if (!record.shrunk.empty()) object["shrunk"] = record.shrunk;
  if (!record.story.empty()) object["story"] = record.story;
  if (!record.first_failing.empty()) object["first_failing"] = record.first_failing;
  if (with_measured) object["measured"] = measured_json(record.measured);
  return object.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Result<Record> record_from(std::string_view line) {
  const Json object = Json::parse(line, nullptr, false);
  if (!object.is_object() || text_in(object, "run").empty() || !object.contains("index"))
    return Error::environment("this is no line of a campaign's results");
  Record record;
  record.index = number_in(object, "index");
  record.run = text_in(object, "run");
  const std::string outcome = text_in(object, "outcome");
  for (const Outcome o : {Outcome::valid, Outcome::invalid, Outcome::unknown}) {
    if (outcome == to_string(o)) record.outcome = o;
  }
  for (const Json& name : list_in(object, "classes")) {
    if (name.is_string()) record.classes.push_back(name.get<std::string>());
  }
  record.sentence = text_in(object, "sentence");
  record.vacuous = flag_in(object, "vacuous");
  record.operations = number_in(object, "operations");
  record.ok = number_in(object, "ok");
  record.info = number_in(object, "info");
  record.under_fault = number_in(object, "under_fault");
  record.leader_changes = number_in(object, "leader_changes");
  for (const Json& fault : list_in(object, "faults"))
    record.faults.push_back({text_in(fault, "kind"), number_in(fault, "count"), flag_in(fault, "bit")});
  for (const auto& [name, hits] : object_in(object, "probes").items()) {
    if (hits.is_number_unsigned()) record.probes[name] = hits.get<std::uint64_t>();
  }
  record.hash = text_in(object, "hash");
  record.shape = text_in(object, "shape");
  record.shrunk = text_in(object, "shrunk");
  record.story = text_in(object, "story");
  record.first_failing = text_in(object, "first_failing");
  record.measured = measured_from(object_in(object, "measured"));
  return record;
}

Record read_outcome(const Plan& plan, const RunSpec& run, int exit_code, std::string_view printed) {
  Record record{.index = run.index, .run = run.id, .faults = asked_faults(run)};
  const Json object = Json::parse(printed, nullptr, false);
  if (!object.is_object()) {
    record.sentence = fmt::format("it ended with exit code {} and printed no result", exit_code);
    return record;
  }
  const auto printed_code = object.find("exit_code");
  const bool agrees =
      printed_code != object.end() && printed_code->is_number_integer() && printed_code->get<int>() == exit_code;
  switch (exit_code) {
    case 0: record.outcome = Outcome::valid; break;
    case 1: record.outcome = Outcome::invalid; break;
    case 2: record.outcome = Outcome::unknown; break;
    default: break;
  }
  if (!agrees) record.outcome = Outcome::broken;
  if (record.outcome == Outcome::broken) {
    record.sentence = clip(text_in(object, "error"), longest_sentence);
    if (record.sentence.empty()) record.sentence = clip(text_in(object, "reason"), longest_sentence);
    for (const Json& failure : list_in(object, "failures"))
      record.sentence = clip(text_in(failure, "reason"), longest_sentence);
    if (record.sentence.empty()) record.sentence = fmt::format("it ended with exit code {}", exit_code);
    return record;
  }
  plan.simulated(run) ? read_simulated(record, object) : read_live(record, object);
  if (record.outcome == Outcome::invalid && record.classes.empty()) record.classes.push_back("not-linearizable");
  if (record.outcome != Outcome::invalid) record.classes.clear();
  return record;
}

std::string directory_in(const Plan& plan, const RunSpec& run, std::string_view printed) {
  const Json object = Json::parse(printed, nullptr, false);
  if (!object.is_object()) return {};
  if (!plan.simulated(run)) return text_in(object, "run");
  for (const Json& failure : list_in(object, "failures")) return text_in(failure, "run");
  return {};
}

void add_scenario(Record& record, std::string_view printed, std::string_view scenario) {
  const Json object = Json::parse(printed, nullptr, false);
  const Json written = Json::parse(scenario, nullptr, false);
  if (!object.is_object() || !written.is_object()) return;
  std::vector<std::string> kinds;
  const Json& schedule = object_in(object_in(written, "run"), "schedule");
  for (const Json& decision : list_in(schedule, "decisions"))
    kinds.push_back(text_in(object_in(decision, "fault"), "kind"));
  std::sort(kinds.begin(), kinds.end());
  std::vector<std::string> distinct = kinds;
  distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
  record.shape = clip(distinct.empty() ? "no fault" : join(distinct, "+"), longest_shape);
  record.shrunk = fmt::format("{} decision{}, {} nodes, {} client{}{}", kinds.size(), kinds.size() == 1 ? "" : "s",
                              number_in(object, "nodes"), number_in(object, "concurrency"),
                              number_in(object, "concurrency") == 1 ? "" : "s",
                              flag_in(object, "one_minimal") ? "; nothing can be left out" : "");
  std::string story;
  for (const Json& sentence : list_in(object, "story")) {
    if (sentence.is_string()) story += sentence.get<std::string>() + "\n";
  }
  record.story = clip(story, longest_story);
}

void add_minimal(Record& record, std::string_view history) {
  std::vector<std::string> operations;
  std::size_t lines = 0;
  while (!history.empty()) {
    const std::size_t end = std::min(history.find('\n'), history.size());
    const Json event = Json::parse(history.substr(0, end), nullptr, false);
    history.remove_prefix(std::min(end + 1, history.size()));
    if (!event.is_object()) continue;
    ++lines;
    if (text_in(event, "type") == "invoke") operations.push_back(text_in(event, "f"));
  }
  if (lines == 0) return;
  record.shrunk = fmt::format("{} operation{}", operations.size(), operations.size() == 1 ? "" : "s");
  // How often it was repeated says more about the luck of the run than about the defect.
  operations.erase(std::unique(operations.begin(), operations.end()), operations.end());
  record.shape = clip(join(operations, " "), longest_shape);
}

void add_faults(Record& record, std::string_view printed) {
  const Json object = Json::parse(printed, nullptr, false);
  if (!object.is_object() || number_in(object, "measured") == 0) return;
  std::string text = record.shrunk.empty() ? "" : record.shrunk + "; ";
  const std::uint64_t left = number_in(object, "decisions"), removed = number_in(object, "removed");
  if (number_in(object, "exit_code") == 1) {
    std::vector<std::string> kinds;
    for (const Json& kind : list_in(object, "kinds")) {
      if (kind.is_string()) kinds.push_back(kind.get<std::string>());
    }
    text += fmt::format("{} of {} fault{} needed ({})", left, left + removed, left + removed == 1 ? "" : "s",
                        kinds.empty() ? "none" : join(kinds, ", "));
    const std::string repro = text_in(object, "repro");
    if (!repro.empty()) record.story = clip("With the fewest faults: " + repro + "\n", longest_story);
    text += "; ";
  }
  record.shrunk =
      text + fmt::format("fails in {} of {} runs", number_in(object, "failed"), number_in(object, "measured"));
}

}  // namespace faultline::cli::night
