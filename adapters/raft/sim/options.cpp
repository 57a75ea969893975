// SimRun as data: each option by name, read, written and set in one way.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include <faultline/raft/sim/simulation.hpp>
#include <faultline/text.hpp>

#include "options.hpp"

namespace faultline::raft::sim {
namespace {

// The one list of all options.
template <class Run, class Visit>
void each_option(Run& run, Visit&& visit) {
  visit("seed", run.seed);
  visit("nodes", run.nodes);
  visit("spares", run.spares);
  visit("reads", run.reads);
  visit("max_clock_drift", run.max_clock_drift);
  visit("pre_vote", run.pre_vote);
  visit("fsync", run.fsync);
  visit("election_timeout", run.election_timeout);
  visit("heartbeat", run.heartbeat);
  visit("snapshot_entries", run.snapshot_entries);
  visit("segment_bytes", run.segment_bytes);
  visit("compaction_tail", run.compaction_tail);
  visit("chunk_bytes", run.chunk_bytes);
  visit("batch_bytes", run.batch_bytes);
  visit("window_messages", run.window_messages);
  visit("keep_revisions", run.keep_revisions);
  visit("workload", run.workload);
  visit("concurrency", run.concurrency);
  visit("rate", run.rate);
  visit("keys", run.keys);
  visit("duration", run.duration);
  visit("serializable", run.serializable);
  visit("retries", run.retries);
  visit("operation_timeout", run.operation_timeout);
  visit("schedule", run.schedule);
  visit("mix", run.mix);
  visit("nemesis", run.nemesis);
  visit("preset", run.preset);
  visit("fault_interval", run.fault_interval);
  visit("beyond_model", run.beyond_model);
  visit("world", run.world);
  visit("detectors", run.detectors);
  visit("explain", run.explain);
  visit("trace", run.trace);
  visit("trace_frames", run.trace_frames);
  visit("hash_every", run.hash_every);
}

Error no_value(std::string_view what, std::string_view found) {
  return Error::bad_input(fmt::format("expected {}, found {}", what, escape_controls(clip(found, 80))));
}

// Exact, in the largest unit that divides it.
std::string exact_text(Duration duration) {
  const std::int64_t ns = duration.count();
  if (ns % 1'000'000'000 == 0) return fmt::format("{}s", ns / 1'000'000'000);
  if (ns % 1'000'000 == 0) return fmt::format("{}ms", ns / 1'000'000);
  if (ns % 1'000 == 0) return fmt::format("{}us", ns / 1'000);
  return fmt::format("{}ns", ns);
}

// --- to values ------------------------------------------------------------------------------------------------------------------

// What is beyond the integers of a Value is a text, as in schedules.
Value written(std::uint64_t number) {
  if (number > static_cast<std::uint64_t>(INT64_MAX)) return {std::to_string(number)};
  return {static_cast<std::int64_t>(number)};
}
Value written(bool flag) { return {flag}; }
Value written(double number) { return {number}; }
Value written(Duration duration) { return {exact_text(duration)}; }
Value written(const std::string& text) { return {text}; }
Value written(const std::vector<std::string>& words) { return Value::list({words.begin(), words.end()}); }
Value written(const Schedule& schedule) { return to_value(schedule); }
Value written(const Mix& mix) { return to_value(mix); }
Value written(const faultline::sim::SimOptions& options) { return to_value(options); }
Value written(Detectors detectors) { return {detectors == Detectors::all ? "all" : "history"}; }

// --- from values ----------------------------------------------------------------------------------------------------------------

Result<void> parse(std::string_view text, std::uint64_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return no_value("a number", text);
  return {};
}

Result<void> read(const Value& value, std::uint64_t& number) {
  if (value.is_string()) return parse(value.as_text(), number);
  if (!value.is_integer() || value.as_integer() < 0) return no_value("a number", value.to_string());
  number = static_cast<std::uint64_t>(value.as_integer());
  return {};
}
Result<void> read(const Value& value, bool& flag) {
  if (!value.is_boolean()) return no_value("true or false", value.to_string());
  flag = value.as_boolean();
  return {};
}
Result<void> read(const Value& value, double& number) {
  if (value.is_integer()) {
    number = static_cast<double>(value.as_integer());
    return {};
  }
  if (!value.is_real()) return no_value("a number", value.to_string());
  number = value.as_real();
  return {};
}
Result<void> read(const Value& value, std::string& text) {
  if (!value.is_string()) return no_value("a text", value.to_string());
  text = value.as_text();
  return {};
}
Result<void> read(const Value& value, Duration& duration) {
  if (!value.is_string()) return no_value("a duration such as \"500ms\"", value.to_string());
  const auto parsed = parse_duration(value.as_text());
  if (!parsed) return parsed.error();
  duration = parsed.value();
  return {};
}
Result<void> read(const Value& value, std::vector<std::string>& words) {
  if (!value.is_list()) return no_value("a list of names", value.to_string());
  for (const Value& item : value.as_list()) {
    if (auto each = read(item, words.emplace_back()); !each) return each;
  }
  return {};
}
template <class T>
Result<void> take(Result<T> parsed, T& into) {
  if (!parsed) return parsed.error();
  into = std::move(parsed).value();
  return {};
}
Result<void> read(const Value& value, Schedule& schedule) { return take(schedule_from_value(value, {}), schedule); }
Result<void> read(const Value& value, Mix& mix) { return take(mix_from_value(value), mix); }
Result<void> read(const Value& value, faultline::sim::SimOptions& options) {
  return take(faultline::sim::options_from_value(value), options);
}
Result<void> read(const Value& value, Detectors& detectors) {
  const std::string_view text = value.is_string() ? value.as_text() : std::string_view();
  if (text != "all" && text != "history") return no_value("all or history", value.to_string());
  detectors = text == "all" ? Detectors::all : Detectors::history;
  return {};
}

// --- from texts -----------------------------------------------------------------------------------------------------------------

Result<void> parse(std::string_view text, double& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return no_value("a number", text);
  return {};
}
Result<void> parse(std::string_view text, bool& flag) {
  const bool yes = text == "true" || text == "on";
  if (!yes && text != "false" && text != "off") return no_value("on or off", text);
  flag = yes;
  return {};
}
Result<void> parse(std::string_view text, std::vector<std::string>& words) {
  words.clear();
  if (text.empty() || text == "none") return {};
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find(',', at), text.size());
    words.emplace_back(text.substr(at, end - at));
    at = end + 1;
  }
  return {};
}
Result<void> parse(std::string_view text, std::string& word) { return read(Value(text), word); }
Result<void> parse(std::string_view text, Duration& duration) { return read(Value(text), duration); }
Result<void> parse(std::string_view text, Detectors& detectors) { return read(Value(text), detectors); }
Result<void> parse(std::string_view, Schedule&) { return Error::bad_input("a schedule is no text"); }
Result<void> parse(std::string_view, Mix&) { return Error::bad_input("a mix is no text"); }
Result<void> parse(std::string_view, faultline::sim::SimOptions&) { return Error::bad_input("a world is no text"); }

// --- options, which may be absent -------------------------------------------------------------------------------------------------

template <class T>
Result<void> read(const Value& value, std::optional<T>& option) {
  option.emplace();
  return read(value, *option);
}
template <class T>
Result<void> parse(std::string_view text, std::optional<T>& option) {
  option.emplace();
  return parse(text, *option);
}

Error in_option(std::string_view name, const Error& error) {
  return Error::bad_input(fmt::format("{}: {}", name, error.message), error.remedy);
}

Error unknown_option(std::string_view name) {
  std::vector<std::string_view> names;
  SimRun run;
  each_option(run, [&](std::string_view known, const auto&) { names.push_back(known); });
  const std::string_view near = nearest(name, names);
  return Error::bad_input(fmt::format("a simulated run has no option '{}'", escape_controls(clip(name, 80))),
                          near.empty() ? std::string() : fmt::format("did you mean '{}'?", near));
}

}  // namespace

Value to_value(const SimRun& run) {
  std::vector<Value::Entry> fields;
  each_option(run, [&](std::string_view name, const auto& option) {
    if constexpr (requires { option.has_value(); }) {
      if (option) fields.emplace_back(Value(name), written(*option));
    } else {
      fields.emplace_back(Value(name), written(option));
    }
  });
  return Value::map(std::move(fields));
}

Result<SimRun> sim_run_from_value(const Value& value) {
  if (!value.is_map()) return no_value("an object of options", value.to_string());
  SimRun run;
  std::size_t taken = 0;
  Result<void> outcome;
  each_option(run, [&](std::string_view name, auto& option) {
    const auto fields = value.as_map();
    const auto field = std::find_if(fields.begin(), fields.end(), [&](const Value::Entry& entry) {
      return entry.first.is_string() && entry.first.as_text() == name;
    });
    if (field == fields.end()) return;
    ++taken;
    if (auto got = read(field->second, option); !got && outcome) outcome = in_option(name, got.error());
  });
  if (!outcome) return outcome.error();
  if (taken == value.as_map().size()) return run;
  for (const auto& [key, field] : value.as_map()) {
    const std::string name = key.is_string() ? std::string(key.as_text()) : key.to_string();
    bool known = false;
    each_option(run, [&](std::string_view each, const auto&) { known = known || each == name; });
    if (!known) return unknown_option(name);
  }
  return run;
}

Result<void> set_option(SimRun& run, std::string_view name, std::string_view text) {
  Result<void> outcome = unknown_option(name);
  each_option(run, [&](std::string_view known, auto& option) {
    if (known != name) return;
    outcome = parse(text, option);
    if (!outcome) outcome = in_option(name, outcome.error());
  });
  return outcome;
}

bool is_given(const SimRun& run, std::string_view name) {
  bool given = false;
  each_option(run, [&](std::string_view known, const auto& option) {
    if constexpr (requires { option.has_value(); }) given = given || (known == name && option.has_value());
  });
  return given;
}

}  // namespace faultline::raft::sim
