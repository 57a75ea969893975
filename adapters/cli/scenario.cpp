#include "scenario.hpp"

#include <faultline/formats.hpp>
#include <faultline/story.hpp>
#include <faultline/text.hpp>

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <set>

#include "files.hpp"

namespace faultline::cli {

namespace {

using raft::sim::SimResult;
using raft::sim::SimRun;

std::string json_text(std::string_view text) { return faultline::to_json(Value(text)); }

// {"a":1,\n "b":2}: a line each, indented.
std::string lines_of(const Value& map, std::string_view indent) {
  std::string out;
  for (const auto& [key, value] : map.as_map()) {
    if (!out.empty()) out += fmt::format(",\n{} ", indent);
    out += fmt::format("{}:", faultline::to_json(key));
    if (key == Value("schedule")) {
      out += fmt::format("{{\"version\":1,\"seed\":{},\"decisions\":[", faultline::to_json(value.get("seed")));
      bool first = true;
      for (const Value& decision : value.get("decisions").as_list()) {
        out += fmt::format("{}\n{}  {}", first ? "" : ",", indent, faultline::to_json(decision));
        first = false;
      }
      out += "]}";
    } else {
      out += faultline::to_json(value);
    }
  }
  return "{" + out + "}";
}

Result<std::string> text_field(const Value& object, std::string_view name) {
  const Value& field = object.get(name);
  if (field.is_null()) return std::string();
  if (!field.is_string())
    return Error::bad_input(fmt::format("'{}' is no text: {}", name, clip(field.to_string(), 80)));
  return std::string(field.as_text());
}

Result<void> read_bugs(const Value& bugs, ScenarioFile& scenario) {
  for (const auto& [name, detectors] : bugs.as_map()) {
    if (!name.is_string() || !detectors.is_list())
      return Error::bad_input("'bugs' has names and lists of detectors, not " + clip(detectors.to_string(), 80));
    std::vector<std::string>& found = scenario.bugs[std::string(name.as_text())];
    for (const Value& detector : detectors.as_list()) {
      if (!detector.is_string()) return Error::bad_input("a detector is no text: " + clip(detector.to_string(), 80));
      found.emplace_back(detector.as_text());
    }
  }
  return {};
}

Result<void> read_expectations(const Value& expect, ScenarioFile& scenario) {
  if (expect.is_null()) return {};
  if (!expect.is_map()) return Error::bad_input("'expect' is no object: " + clip(expect.to_string(), 80));
  for (const auto& [key, value] : expect.as_map()) {
    if (key == Value("signature") && value.is_string()) {
      scenario.signature = std::string(value.as_text());
    } else if (key == Value("hash") && value.is_string()) {
      const std::string_view text = value.as_text();
      std::uint64_t hash = 0;
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), hash, 16);
      if (error != std::errc{} || end != text.data() + text.size())
        return Error::bad_input("'hash' is no hexadecimal number: " + clip(value.to_string(), 80));
      scenario.hash = hash;
    } else if (key == Value("bugs") && value.is_map()) {
      if (auto bugs = read_bugs(value, scenario); !bugs) return bugs;
    } else {
      return Error::bad_input(fmt::format("unknown or mistyped field of 'expect': {}", clip(key.to_string(), 80)),
                              "known: signature and hash, both text, and bugs, an object");
    }
  }
  return {};
}

Result<ScenarioFile> scenario_from_value(const Value& value) {
  constexpr std::array<std::string_view, 6> fields{"scenario", "name", "shows", "story", "expect", "run"};
  if (!value.is_map()) return Error::bad_input("a scenario is an object");
  for (const auto& [key, field] : value.as_map()) {
    const std::string_view name = key.is_string() ? key.as_text() : std::string_view();
    if (std::find(fields.begin(), fields.end(), name) != fields.end()) continue;
    const std::string_view near = nearest(name, fields);
    return Error::bad_input(
        fmt::format("unknown field of a scenario: '{}'", escape_controls(clip(name, 80))),
        near.empty() ? fmt::format("known: {}", fmt::join(fields, ", ")) : fmt::format("did you mean '{}'?", near));
  }
  if (value.get("scenario") != Value(1)) {
    return Error::bad_input("no scenario of version 1: it lacks \"scenario\":1", "`faultline shrink` writes scenarios");
  }
  ScenarioFile scenario;
  for (const auto& [name, into] : {std::pair("name", &scenario.name), std::pair("shows", &scenario.shows)}) {
    auto text = text_field(value, name);
    if (!text) return text.error();
    *into = std::move(text).value();
  }
  if (value.get("story").is_list()) {
    for (const Value& sentence : value.get("story").as_list()) {
      if (sentence.is_string()) scenario.story.emplace_back(sentence.as_text());
    }
  }
  if (auto expected = read_expectations(value.get("expect"), scenario); !expected) return expected.error();
  auto run = raft::sim::sim_run_from_value(value.get("run"));
  if (!run) return run.error();
  scenario.run = std::move(run).value();
  return scenario;
}

// A line of the trace as a sentence. Told are leaders, not those who follow or stand for it; starts but the first; what daemons say of their
// members and snapshots; crashes, refusals, violations.
std::optional<Moment> moment_of(const raft::sim::TraceLine& line) {
  Moment moment{.time = line.time, .node = line.node, .kind = line.kind, .text = {}};
  const std::string because = line.text.empty() ? std::string() : ": " + line.text;
  if (line.kind == "note") {
    const std::size_t colon = line.text.find(": ");
    moment.kind = line.text.substr(0, colon);
    const std::string told = colon == std::string::npos ? std::string() : line.text.substr(colon + 2);
    if (moment.kind == "elected" || moment.kind == "commit" || moment.kind == "log") {
      moment.text = told;
    } else if (moment.kind == "config") {
      moment.text = fmt::format("{} acts under the members {}", line.node, told);
    } else if (moment.kind == "snapshot") {
      moment.text = fmt::format("{}: a snapshot is {}", line.node, told);
    } else {
      return std::nullopt;
    }
  } else if (line.kind == "boot") {
    if (line.time == Instant{}) return std::nullopt;
    moment.text = line.node + " starts again" + because;
  } else if (line.kind == "crash") {
    moment.text = line.node + " goes down" + because;
  } else if (line.kind == "refused") {
    moment.text = line.node + " refuses to start" + because;
  } else if (line.kind == "violation") {
    moment.text = line.text;
  } else {
    return std::nullopt;
  }
  return moment;
}

// A snapshot matters to a reader once a node starts from it, or another gets it.
void drop_idle_snapshots(std::vector<Moment>& moments) {
  bool is_sent = false;
  std::set<NodeName> start_later;
  for (auto moment = moments.rbegin(); moment != moments.rend(); ++moment) {
    if (moment->kind == "boot") start_later.insert(moment->node);
    if (moment->kind != "snapshot") continue;
    const bool is_taken = moment->text.find("a snapshot is taken") != std::string::npos;
    is_sent = is_sent || !is_taken;
    if (is_taken && !is_sent && !start_later.contains(moment->node)) moment->kind.clear();
  }
}

}  // namespace

std::string to_json(const ScenarioFile& scenario) {
  std::string out = fmt::format("{{\"scenario\":1,\n \"name\":{},\n \"shows\":{},\n \"story\":[",
                                json_text(scenario.name), json_text(scenario.shows));
  for (std::size_t i = 0; i < scenario.story.size(); ++i)
    out += fmt::format("{}\n  {}", i == 0 ? "" : ",", json_text(scenario.story[i]));
  out += "],\n \"expect\":{";
  if (scenario.signature) out += fmt::format("\"signature\":{}", json_text(*scenario.signature));
  if (scenario.hash) out += fmt::format("{}\"hash\":\"{:016x}\"", scenario.signature ? "," : "", *scenario.hash);
  std::string bugs;
  for (const auto& [name, detectors] : scenario.bugs) {
    std::vector<Value> words(detectors.begin(), detectors.end());
    bugs += fmt::format("{}{}:{}", bugs.empty() ? "" : ",", json_text(name),
                        faultline::to_json(Value::list(std::move(words))));
  }
  if (!bugs.empty()) out += fmt::format("{}\"bugs\":{{{}}}", scenario.signature || scenario.hash ? "," : "", bugs);
  return out + fmt::format("}},\n \"run\":{}}}\n", lines_of(raft::sim::to_value(scenario.run), " "));
}

Result<ScenarioFile> read_scenario(const std::filesystem::path& path) {
  const auto bytes = read_file(path);
  if (!bytes) return bytes.error();
  const auto in_file = [&](const Error& error) {
    return Error::bad_input(fmt::format("{}: {}", path.string(), error.message), error.remedy);
  };
  const auto value = parse_json(bytes.value());
  if (!value) return in_file(value.error());
  auto scenario = scenario_from_value(value.value());
  if (!scenario) return in_file(scenario.error());
  return scenario;
}

ScenarioFile scenario_of(const SimResult& result, std::string name) {
  ScenarioFile scenario{.name = std::move(name), .shows = {}, .story = story_of(result), .run = result.run};
  scenario.signature = result.signature();
  scenario.hash = result.hash;
  scenario.shows = result.failed() ? result.signature() + ": " + sentence_of(result) : "no failure";
  // What is only told of a run, and what the decisions below have replaced.
  scenario.run.trace = false;
  scenario.run.trace_frames = 0;
  scenario.run.hash_every = 0;
  scenario.run.preset.reset();
  scenario.run.nemesis.reset();
  scenario.run.mix.reset();
  scenario.run.fault_interval.reset();
  return scenario;
}

std::string sentence_of(const SimResult& result) {
  if (!result.violations.empty()) return result.violations.front().sentence;
  if (result.verdict.kind == VerdictKind::invalid) {
    return result.verdict.anomalies.empty() ? result.verdict.reason : result.verdict.anomalies.front().sentence;
  }
  return result.liveness.kind == raft::sim::Liveness::Kind::failed ? result.liveness.text : std::string();
}

std::vector<std::string> story_of(const SimResult& result) {
  std::vector<Moment> moments;
  std::string members;
  for (const raft::sim::TraceLine& line : result.trace) {
    auto moment = moment_of(line);
    if (!moment) continue;
    // The members are told when they change, not of every node and start.
    if (moment->kind == "config") {
      const std::string_view now = std::string_view(line.text).substr(line.text.find(": "));
      const bool first = members.empty();
      if (std::exchange(members, now) == now || first) continue;
    }
    moments.push_back(std::move(*moment));
  }
  drop_idle_snapshots(moments);
  return story(result.done, moments);
}

}  // namespace faultline::cli
