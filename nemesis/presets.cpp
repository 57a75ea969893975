// The presets: which packages the columns of the matrix of planted bugs stand for.
#include <faultline/swarm.hpp>

#include <algorithm>
#include <array>

#include "draw.hpp"
#include "strict.hpp"

namespace faultline {

namespace {

using Word = std::string_view;
constexpr std::array<Word, 1> kill{"kill"}, partition{"partition"}, directed{"directed"}, pause{"pause"};
constexpr std::array<Word, 3> frames{"kill", "packet", "frames"};
constexpr std::array<Word, 2> power{"power", "crash"};
constexpr std::array<Word, 3> io{"kill", "power", "disk"};
constexpr std::array<Word, 2> clock{"partition", "clock"};
constexpr std::array<Word, 2> membership{"partition", "membership"};
constexpr std::array<Word, 5> snapshot{"partition", "kill", "pause", "packet", "frames"};
constexpr std::array<Word, 14> everything{"partition", "kill",  "pause", "membership", "directed", "clog", "packet",
                                          "frames",    "power", "crash", "clock",      "disk",     "wipe", "pressure"};
constexpr std::array<Word, 15> and_plays{"partition", "kill",   "pause",  "membership", "directed",
                                         "clog",      "packet", "frames", "power",      "crash",
                                         "clock",     "disk",   "wipe",   "pressure",   "plays"};
constexpr std::array<std::pair<Word, Word>, 1> lease{{{"reads", "lease"}}};
constexpr std::array<std::pair<Word, Word>, 1> often{{{"snapshot_entries", "16"}}};

constexpr std::array<Preset, 13> all{{
    {"none", "no fault at all", {}, false, {}},
    {"kill", "daemons killed", kill, false, {}},
    {"partition", "networks cut, all shapes", partition, false, {}},
    {"directed", "one-way cuts, bridges, rings, clients cut off", directed, false, {}},
    {"frames", "frames reordered, delayed, doubled, lost; daemons killed", frames, false, {}},
    {"power", "power losses, and crashes at calls of the disk", power, false, {}},
    {"io", "failing disks and rot, with kills and power losses", io, false, {}},
    {"pause", "daemons paused", pause, false, {}},
    {"clock", "clocks set, bent and stopped, networks cut, reads by lease", clock, false, lease},
    {"membership", "members leaving and joining, networks cut", membership, false, {}},
    {"snapshot", "snapshots every few entries under cuts, kills, pauses and bad packets", snapshot, false, often},
    {"swarm", "a draw of everything there is, anew for each run", everything, true, {}},
    {"default", "as swarm, and of faults that belong together", and_plays, true, {}},
}};

// Other weights for each question; a word gets none once in four times.
Taste draw_taste(const Package& package, Rng rng) {
  Taste taste;
  for (const Question& question : questions_of(package)) {
    Rng stream = rng.fork(question.name);
    std::vector<std::uint64_t> weights;
    for (std::size_t i = 0; i < question.choices.size(); ++i)
      weights.push_back(stream.chance(0.25) ? 0 : log_uniform(1, 63, stream));
    if (std::all_of(weights.begin(), weights.end(), [](std::uint64_t weight) { return weight == 0; }))
      stream.pick(weights) = 1;
    // Events may never come, times always do: at least half of the decisions begin at one.
    if (question.name == "start") weights[0] = std::max(weights[0], weights[1] + weights[2]);
    taste.emplace(question.name, std::move(weights));
  }
  return taste;
}

std::vector<const Package*> among(std::span<const std::string> names) {
  std::vector<const Package*> chosen;
  for (const Package& package : packages()) {
    if (std::find(names.begin(), names.end(), package.name) != names.end()) chosen.push_back(&package);
  }
  return chosen;
}

Result<Taste> taste_from_value(const Package& package, const Value& value) {
  const std::vector<Question> questions = questions_of(package);
  std::vector<std::string_view> names;
  for (const Question& question : questions) names.push_back(question.name);
  if (auto known = only_fields(value, fmt::format("taste of {}", package.name), names); !known) return known.error();
  Taste taste;
  for (const Question& question : questions) {
    const Value& answers = value.get(question.name);
    if (answers.is_null()) continue;
    const std::string what = fmt::format("{} of {}", question.name, package.name);
    std::vector<std::string_view> words;
    for (const Choice& choice : question.choices) words.push_back(choice.word);
    if (auto known = only_fields(answers, what, words); !known) return known.error();
    std::vector<std::uint64_t> weights;
    std::uint64_t total = 0;
    for (const std::string_view word : words) {
      const Value& weight = answers.get(word);
      constexpr std::int64_t most = 1'000'000;
      if (!weight.is_null() && !(weight.is_integer() && weight.as_integer() >= 0 && weight.as_integer() <= most)) {
        return Error::bad_input(fmt::format("{}: the weight of {} is no whole number from 0 to {}", what, word, most));
      }
      weights.push_back(weight.is_null() ? 0 : static_cast<std::uint64_t>(weight.as_integer()));
      total += weights.back();
    }
    if (total == 0) return Error::bad_input(what + " leaves no word any weight");
    taste.emplace(question.name, std::move(weights));
  }
  return taste;
}

}  // namespace

Mix draw_mix(const Rng& rng, std::span<const std::string> from, double quiet) {
  Mix mix;
  if (rng.fork("quiet").chance(quiet)) return mix;
  const std::vector<const Package*> known = among(from);
  for (const Package* package : known) {
    if (rng.fork("on").fork(package->name).chance(0.5)) mix.packages.emplace_back(package->name);
  }
  if (mix.packages.empty() && !known.empty()) mix.packages.emplace_back(rng.fork("one").pick(known)->name);
  for (const Package* package : among(mix.packages))
    mix.tastes.emplace(package->name, draw_taste(*package, rng.fork("taste").fork(package->name)));
  return mix;
}

Mix mix_of(const Preset& preset, const Rng& rng) {
  const std::vector<std::string> names(preset.packages.begin(), preset.packages.end());
  Mix mix;
  if (preset.swarm) {
    mix = draw_mix(rng, names);
    // A play shows most where nothing disturbs it.
    if (const auto plays = mix.tastes.find("plays"); plays != mix.tastes.end() && rng.fork("undisturbed").chance(0.5))
      mix = {.packages = {"plays"}, .tastes = {*plays}};
    return mix;
  }
  for (const Package* package : among(names)) {
    mix.packages.emplace_back(package->name);
    // Half the runs keep the catalogue's own weights.
    if (rng.fork("own").chance(0.5))
      mix.tastes.emplace(package->name, draw_taste(*package, rng.fork("taste").fork(package->name)));
  }
  return mix;
}

Value to_value(const Mix& mix) {
  std::vector<Value::Entry> entries;
  for (const Package* package : among(mix.packages)) {
    std::vector<Value::Entry> questions;
    const auto taste = mix.tastes.find(package->name);
    for (const Question& question : questions_of(*package)) {
      if (taste == mix.tastes.end()) break;
      const auto weights = taste->second.find(question.name);
      if (weights == taste->second.end()) continue;
      std::vector<Value::Entry> words;
      for (std::size_t i = 0; i < question.choices.size(); ++i)
        words.emplace_back(question.choices[i].word, static_cast<std::int64_t>(weights->second[i]));
      questions.emplace_back(question.name, Value::map(std::move(words)));
    }
    entries.emplace_back(package->name, Value::map(std::move(questions)));
  }
  return Value::map(std::move(entries));
}

Result<Mix> mix_from_value(const Value& value) {
  if (!value.is_map()) return Error::bad_input("a mix of faults is no object: " + clip(value.to_string(), 80));
  std::vector<std::string> names;
  for (const auto& [name, taste] : value.as_map()) {
    if (!name.is_string()) return Error::bad_input("a mix has a package that is no string: " + name.to_string());
    if (const auto known = find_package(name.as_text()); !known) return known.error();
    names.emplace_back(name.as_text());
  }
  Mix mix;
  for (const Package* package : among(names)) {
    mix.packages.emplace_back(package->name);
    auto taste = taste_from_value(*package, value.get(package->name));
    if (!taste) return taste.error();
    if (!taste.value().empty()) mix.tastes.emplace(package->name, std::move(taste).value());
  }
  return mix;
}

std::span<const Preset> presets() { return all; }

Result<const Preset*> find_preset(std::string_view name) {
  std::vector<std::string_view> known;
  for (const Preset& preset : all) {
    if (preset.name == name) return &preset;
    known.push_back(preset.name);
  }
  return unknown_word("preset", name, known);
}

}  // namespace faultline
