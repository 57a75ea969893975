#include "night/plan.hpp"

#include <faultline/rng.hpp>
#include <faultline/text.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "night/plan_file.hpp"
#include "options.hpp"
#include "units.hpp"

namespace faultline::cli::night {

namespace {

constexpr std::size_t most_runs = 100'000;
constexpr std::string_view preset_prefix = "preset:";

// A name for a folder: what is not plain becomes one dash.
std::string slug(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_';
    if (plain) out += c;
    if (!plain && !out.empty() && out.back() != '-') out += '-';
  }
  constexpr std::size_t longest = 60;
  return out.substr(0, longest);
}

std::uint64_t fnv(std::uint64_t hash, std::string_view text) {
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return (hash ^ 0xff) * 0x100000001b3ULL;
}

class Expansion {
 public:
  explicit Expansion(PlanFile& file) : file_(file), plan_(file.plan) {}

  void go() {
    for (const Block& block : file_.blocks) expand(block);
    if (file_.problems.empty()) plan_.hash = hash();
  }

 private:
  void problem(Place place, std::string text) { file_.problems.push_back({place, std::move(text)}); }

  std::size_t target_named(const Item& item) {
    for (std::size_t t = 0; t < plan_.targets.size(); ++t) {
      if (plan_.targets[t].name != item.text) continue;
      // One that needs no table is spoken of where it is first named.
      if (plan_.targets[t].place.line == 0) plan_.targets[t].place = item.place;
      return t;
    }
    std::vector<std::string_view> names;
    for (const Target& target : plan_.targets) names.push_back(target.name);
    const std::string_view near = nearest(item.text, names);
    problem(item.place,
            fmt::format("there is no target '{}'{}; targets are: {}", escape_controls(item.text),
                        near.empty() ? "" : fmt::format("; did you mean '{}'?", near), fmt::join(names, ", ")));
    return none;
  }

  bool fits(const Target& target, std::string_view option, const Item& item) {
    std::string why = why_not_for(target, option, item.text);
    if (why.empty()) return true;
    // The same text is refused once, however many targets share it.
    const std::string text =
        fmt::format("{} = {}: {}{}", option, escape_controls(item.text), why,
                    find_option(*find_verb(target.simulated ? "sim" : "run"), option) == nullptr
                        ? "; give it to others in a [[matrix]] of its own"
                        : fmt::format(" (target '{}', {})", target.name, target.simulated ? "simulated" : "live"));
    if (told_.emplace(item.place.line, item.place.column).second) problem(item.place, text);
    return false;
  }

  bool mix_fits(const Target& target, const Item& mix) {
    if (!std::string_view(mix.text).starts_with(preset_prefix)) return fits(target, "nemesis", mix);
    return fits(target, "preset", {mix.text.substr(preset_prefix.size()), mix.place});
  }

  bool block_fits(const Block& block, const Target& target) {
    bool fine = true;
    for (const Item& workload : block.workloads) fine = fits(target, "workload", workload) && fine;
    for (const Item& mix : block.mixes) fine = mix_fits(target, mix) && fine;
    for (const auto& [name, item] : block.fixed) fine = fits(target, name, item) && fine;
    for (const Lists* lists : {&block.lists, &block.swarm}) {
      for (const auto& [name, items] : *lists) {
        for (const Item& item : items) fine = fits(target, name, item) && fine;
      }
    }
    return fine;
  }

  void expand(Block block) {
    if (block.workloads.empty()) block.workloads.push_back({"register", block.place});
    if (block.mixes.empty()) block.mixes.push_back({"partition,kill,pause", block.place});
    std::size_t canary = none;
    if (!block.canary.empty()) {
      canary = plan_.canaries.size();
      plan_.canaries.push_back({.name = block.canary, .expect = {}});
      for (const Item& item : block.expect) plan_.canaries.back().expect.push_back(item.text);
    }
    for (const Item& named : block.targets) {
      const std::size_t target = target_named(named);
      if (target == none || !block_fits(block, plan_.targets[target])) continue;
      for (const Item& workload : block.workloads) {
        for (const Item& mix : block.mixes)
          expand_lists(block, {.target = target, .canary = canary, .workload = workload.text, .nemesis = mix.text});
      }
    }
  }

  // The further lists, the last one turning fastest.
  void expand_lists(const Block& block, const Cell& base) {
    std::vector<std::size_t> turn(block.lists.size(), 0);
    while (true) {
      Cell cell = base;
      Options options = plan_.targets[base.target].options;
      options["workload"] = base.workload;
      const bool preset = std::string_view(base.nemesis).starts_with(preset_prefix);
      options[preset ? "preset" : "nemesis"] = preset ? base.nemesis.substr(preset_prefix.size()) : base.nemesis;
      for (const auto& [name, item] : block.fixed) options[name] = item.text;
      for (std::size_t i = 0; i < turn.size(); ++i) {
        const auto& [name, items] = block.lists[i];
        options[name] = items[turn[i]].text;
        cell.nemesis += fmt::format(" {}={}", name, items[turn[i]].text);
      }
      add_runs(block, cell, options);
      std::size_t i = turn.size();
      while (i > 0 && ++turn[i - 1] == block.lists[i - 1].second.size()) turn[--i] = 0;
      if (i == 0) return;
    }
  }

  void add_runs(const Block& block, const Cell& cell, const Options& options) {
    if (plan_.runs.size() + block.seeds.size() > most_runs) {
      if (!too_many_)
        problem(block.place, fmt::format("more than {} runs: shorten a list or the range of seeds", most_runs));
      too_many_ = true;
      return;
    }
    const std::size_t number = plan_.cells.size();
    plan_.cells.push_back(cell);
    const std::string& target = plan_.targets[cell.target].name;
    for (const std::uint64_t seed : block.seeds) {
      RunSpec run{.index = plan_.runs.size(),
                  .target = cell.target,
                  .cell = number,
                  .canary = cell.canary,
                  .seed = seed,
                  .options = options};
      draw(block, run);
      run.id = fmt::format("{:05}-{}-{}-{}-{}", run.index + 1, target, slug(cell.workload), slug(cell.nemesis), seed);
      std::string key = fmt::format("{} {} {} {} {}", target, cell.workload, cell.nemesis, seed, block.canary);
      if (!keys_.insert(key).second && !twice_) {
        twice_ = true;
        problem(block.place, fmt::format("the run {} × {} × {} with seed {} is in the campaign twice", target,
                                         cell.workload, cell.nemesis, seed));
      }
      plan_.runs.push_back(std::move(run));
    }
  }

  static void draw(const Block& block, RunSpec& run) {
    const Rng rng(run.seed);
    for (const auto& [name, items] : block.swarm) {
      Rng stream = rng.fork(name);
      if (name != "nemesis") {
        run.options[name] = items[stream.below(items.size())].text;
        continue;
      }
      std::vector<std::string> packages;
      for (const Item& item : items) {
        if (stream.below(2) == 1) packages.push_back(item.text);
      }
      if (packages.empty()) packages.push_back(items[stream.below(items.size())].text);
      run.options.erase("preset");
      run.options["nemesis"] = join(packages, ",");
    }
  }

  std::string hash() const {
    std::uint64_t h = fnv(0xcbf29ce484222325ULL, plan_.name);
    h = fnv(h, std::to_string(plan_.budget.candidates));
    for (const Target& target : plan_.targets) {
      for (const Version& version : target.versions) h = fnv(fnv(h, version.name), version.path);
    }
    for (const Canary& canary : plan_.canaries) h = fnv(h, canary.name + "=" + join(canary.expect, ","));
    for (const RunSpec& run : plan_.runs) {
      h = fnv(h, run.id);
      for (const std::string& word : command_of(plan_, run)) h = fnv(h, word);
    }
    return fmt::format("{:016x}", mix64(h));
  }

  PlanFile& file_;
  Plan& plan_;
  std::set<std::pair<std::size_t, std::size_t>> told_;
  std::set<std::string> keys_;
  bool too_many_ = false, twice_ = false;
};

}  // namespace

Result<Plan> read_plan(std::string_view path, std::string_view bytes) {
  PlanFile file = read_plan_file(path, bytes);
  Expansion(file).go();
  if (file.problems.empty()) return std::move(file.plan);
  std::stable_sort(file.problems.begin(), file.problems.end(), [](const Problem& a, const Problem& b) {
    return std::pair(a.place.line, a.place.column) < std::pair(b.place.line, b.place.column);
  });
  std::vector<std::string> lines;
  for (const Problem& problem : file.problems)
    lines.push_back(fmt::format("{}:{}:{}: error: {}", path, problem.place.line, problem.place.column, problem.text));
  return Error::bad_input(join(lines, "\n"));
}

std::vector<std::string> command_of(const Plan& plan, const RunSpec& run) {
  const bool simulated = plan.simulated(run);
  std::vector<std::string> words{simulated ? "sim" : "run"};
  const std::string seed = std::to_string(run.seed);
  words.insert(words.end(), simulated ? std::initializer_list<std::string>{"--seeds", seed + ".." + seed}
                                      : std::initializer_list<std::string>{"--seed", seed});
  words.insert(words.end(), {"--threads", "1"});
  for (const auto& [name, text] : run.options) {
    const OptionSpec* option = find_option(*find_verb(words[0]), name);
    if (option != nullptr && option->kind == OptionKind::flag) {
      if (text == "true") words.push_back("--" + name);
      continue;
    }
    words.push_back("--" + name);
    words.push_back(text);
  }
  return words;
}

const Known* known_for(const Plan& plan, const Cell& cell, std::string_view anomaly) {
  for (const Known& known : plan.known) {
    if (known.target != plan.targets[cell.target].name) continue;
    if (!known.workload.empty() && known.workload != cell.workload) continue;
    if (!known.nemesis.empty() && known.nemesis != cell.nemesis) continue;
    if (std::any_of(known.classes.begin(), known.classes.end(),
                    [&](const std::string& c) { return same_class(c, anomaly); }))
      return &known;
  }
  return nullptr;
}

bool same_class(std::string_view a, std::string_view b) {
  for (std::string_view* text : {&a, &b}) {
    if (text->starts_with("H:")) text->remove_prefix(2);
  }
  return a == b;
}

}  // namespace faultline::cli::night
