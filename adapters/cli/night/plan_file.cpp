#include "night/plan_file.hpp"

#include <faultline/text.hpp>

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <set>

#include "options.hpp"
#include "units.hpp"

namespace faultline::cli::night {

namespace {

constexpr std::uint64_t most_seeds = 1'000'000;

// What the campaign decides itself for each run.
constexpr std::array<std::string_view, 12> own_options{"seed",  "seeds",   "out",   "threads", "keep-going", "json",
                                                       "quiet", "verbose", "color", "events",  "open",       "help"};
constexpr std::array<std::string_view, 7> top_keys{"name", "history", "budget", "targets", "matrix", "canary", "known"};
constexpr std::array<std::string_view, 9> budget_keys{"run",    "total",       "parallel",   "parallel-live", "retries",
                                                      "shrink", "shrink-live", "candidates", "disk"};
constexpr std::array<std::string_view, 6> known_keys{"target", "workload", "nemesis", "class", "until", "why"};

Place place_of(const toml::source_region& region) { return {region.begin.line, region.begin.column}; }

template <class Names>
std::string near_text(std::string_view word, const Names& names) {
  const std::vector<std::string_view> views(std::begin(names), std::end(names));
  const std::string_view near = nearest(word, views);
  return near.empty() ? "" : fmt::format("; did you mean '{}'?", near);
}

const VerbSpec& verb_of(bool simulated) { return *find_verb(simulated ? "sim" : "run"); }

bool is_own(std::string_view name) {
  return std::find(own_options.begin(), own_options.end(), name) != own_options.end();
}

class Reader {
 public:
  explicit Reader(PlanFile& file) : file_(file) {}

  void read(const toml::table& table) {
    for (const auto& [key, node] : table) {
      const std::string name(key.str());
      if (name == "name") {
        if (const auto text = string_of(node, "name")) file_.plan.name = *text;
        if (!plain(file_.plan.name)) problem(place_of(node.source()), "name: letters, digits, '-', '_' and '.' only");
      } else if (name == "history") {
        if (const auto text = string_of(node, "history")) file_.plan.history = *text;
      } else if (name == "budget") {
        if (const auto* budget = table_of(node, "budget")) read_budget(*budget);
      } else if (name == "targets") {
        if (const auto* targets = table_of(node, "targets")) read_targets(*targets);
      } else if (name == "matrix" || name == "canary") {
        each_table(node, name, [&](const toml::table& block) { read_block(block, name == "canary"); });
      } else if (name == "known") {
        each_table(node, name, [&](const toml::table& known) { read_known(known); });
      } else {
        problem(place_of(key.source()), fmt::format("unknown key '{}'{}", name, near_text(name, top_keys)));
      }
    }
    if (!table.contains("name")) problem({1, 1}, "the campaign has no name: write name = \"nightly\"");
    if (!table.contains("matrix") && !table.contains("canary"))
      problem({1, 1}, "nothing is to be run: write a [matrix] with target, workload, nemesis and seeds");
  }

  // Of [[known]]: to be looked up when all targets are read.
  [[nodiscard]] const std::vector<Item>& known_targets() const { return known_targets_; }

 private:
  void problem(Place place, std::string text) { file_.problems.push_back({place, std::move(text)}); }

  static bool plain(const std::string& name) {
    return !name.empty() && name.front() != '.' && std::all_of(name.begin(), name.end(), [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
             c == '.';
    });
  }

  std::optional<std::string> string_of(const toml::node& node, std::string_view what) {
    if (const auto* text = node.as_string(); text && !(**text).empty()) return **text;
    problem(place_of(node.source()), fmt::format("{}: a text in quotes is expected", what));
    return std::nullopt;
  }

  const toml::table* table_of(const toml::node& node, std::string_view what) {
    if (!node.is_table()) problem(place_of(node.source()), fmt::format("{} is a table: [{}]", what, what));
    return node.as_table();
  }

  template <class Take>
  void each_table(const toml::node& node, std::string_view what, const Take& take) {
    if (const auto* one = node.as_table()) return take(*one);
    const auto* several = node.as_array();
    if (several == nullptr) return problem(place_of(node.source()), fmt::format("{} is a table: [[{}]]", what, what));
    for (const toml::node& item : *several) {
      if (const auto* one = item.as_table()) {
        take(*one);
      } else {
        problem(place_of(item.source()), fmt::format("{} is a table: [[{}]]", what, what));
      }
    }
  }

  // A text, or a list of texts; an inner list is one text with commas.
  std::vector<Item> texts_of(const toml::node& node, std::string_view what) {
    std::vector<Item> items;
    const auto add = [&](const toml::node& one) {
      if (const auto* inner = one.as_array(); inner && !inner->empty()) {
        std::vector<std::string> parts;
        for (const toml::node& part : *inner) {
          if (const auto text = string_of(part, what)) parts.push_back(*text);
        }
        return items.push_back({join(parts, ","), place_of(one.source())});
      }
      if (const auto text = string_of(one, what)) items.push_back({*text, place_of(one.source())});
    };
    if (const auto* list = node.as_array()) {
      if (list->empty())
        problem(place_of(node.source()),
                fmt::format("{}: an empty list leaves nothing to run: name at least one, or leave the key out", what));
      for (const toml::node& one : *list) add(one);
    } else {
      add(node);
    }
    return items;
  }

  std::optional<std::string> option_text(const OptionSpec& option, const toml::node& node) {
    if (const auto* text = node.as_string()) return **text;
    if (const auto* flag = node.as_boolean(); flag && option.kind == OptionKind::flag) return **flag ? "true" : "false";
    if (const auto* integer = node.as_integer()) return std::to_string(**integer);
    if (const auto* real = node.as_floating_point()) return fmt::format("{}", **real);
    if (const auto* list = node.as_array(); list && option.kind == OptionKind::list) {
      std::vector<std::string> parts;
      for (const toml::node& item : *list) {
        if (const auto text = string_of(item, option.name)) parts.push_back(*text);
      }
      return join(parts, ",");
    }
    problem(place_of(node.source()), fmt::format("{}: a {} cannot be read from this type", option.name,
                                                 option.placeholder.empty() ? "true or false" : option.placeholder));
    return std::nullopt;
  }

  // nullptr: it is none.
  Duration* limit_of(std::string_view name) {
    Budget& budget = file_.plan.budget;
    if (name == "run") return &budget.run;
    if (name == "total") return &budget.total;
    if (name == "shrink") return &budget.shrink;
    return name == "shrink-live" ? &budget.shrink_live : nullptr;
  }

  void read_budget(const toml::table& table) {
    Budget& budget = file_.plan.budget;
    for (const auto& [key, node] : table) {
      const std::string name(key.str());
      const Place place = place_of(node.source());
      if (Duration* limit = limit_of(name); limit != nullptr) {
        const auto text = string_of(node, name);
        if (!text) continue;
        const auto parsed = parse_duration(*text);
        if (!parsed || parsed.value() < Duration::zero() ||
            (parsed.value() == Duration::zero() && name != "shrink-live")) {
          problem(place, fmt::format(R"(budget.{} = "{}": a duration needs a unit: "30s", "5m")", name,
                                     escape_controls(*text)));
        } else {
          *limit = parsed.value();
        }
      } else if (name == "disk") {
        const auto text = string_of(node, name);
        const auto parsed = text ? parse_size(*text) : std::nullopt;
        if (parsed) budget.disk = *parsed;
        if (text && !parsed)
          problem(place,
                  fmt::format(R"(budget.disk = "{}": a size needs a unit: "512MiB", "4GiB")", escape_controls(*text)));
      } else if (std::find(budget_keys.begin(), budget_keys.end(), name) != budget_keys.end()) {
        constexpr std::int64_t most = 1'000'000;
        const auto* number = node.as_integer();
        if (number == nullptr || **number < 0 || **number > most) {
          problem(place, fmt::format("budget.{}: a whole number from 0 to {} is expected", name, most));
          continue;
        }
        const auto n = static_cast<std::size_t>(**number);
        (name == "parallel"        ? budget.parallel
         : name == "parallel-live" ? budget.parallel_live
         : name == "retries"       ? budget.retries
                                   : budget.candidates) = n;
      } else {
        problem(place_of(key.source()), fmt::format("unknown key 'budget.{}'{}", name, near_text(name, budget_keys)));
      }
    }
  }

  void read_targets(const toml::table& table) {
    for (const auto& [key, node] : table) {
      const auto* keys = table_of(node, fmt::format("targets.{}", key.str()));
      if (keys == nullptr) continue;
      Target target{.name = std::string(key.str()), .options = {}, .versions = {}, .place = place_of(key.source())};
      if (!plain(target.name))
        problem(target.place,
                fmt::format("targets.{}: letters, digits, '-', '_' and '.' only", escape_controls(target.name)));
      if (const toml::node* world = keys->get("world")) {
        const auto text = string_of(*world, "world");
        target.simulated = text && *text == "sim";
        if (text && *text != "sim" && *text != "live")
          problem(place_of(world->source()),
                  fmt::format("world = \"{}\" is neither \"live\" nor \"sim\"", escape_controls(*text)));
      }
      for (const auto& [option, setting] : *keys) read_target_key(target, std::string(option.str()), option, setting);
      file_.plan.targets.push_back(std::move(target));
    }
  }

  void read_target_key(Target& target, const std::string& name, const toml::key& key, const toml::node& node) {
    if (name == "world") return;
    if (name == "versions") return read_versions(target, node);
    const OptionSpec* option = find_option(verb_of(target.simulated), name);
    if (option == nullptr || is_own(name)) return unknown_option(target.simulated, name, place_of(key.source()), true);
    const auto text = option_text(*option, node);
    if (!text) return;
    if (const std::string why = why_not_for(target, name, *text); !why.empty())
      return problem(place_of(node.source()), fmt::format("{} = {}: {}", name, escape_controls(*text), why));
    target.options[name] = *text;
  }

  void read_versions(Target& target, const toml::node& node) {
    for (const Item& item : texts_of(node, "versions")) {
      const std::size_t equals = item.text.find('=');
      if (equals == 0 || equals == std::string::npos || equals + 1 == item.text.size()) {
        problem(item.place, "versions: NAME=PATH is expected, e.g. \"0.1=/opt/0.1/bin/faultline\"");
      } else {
        target.versions.push_back({item.text.substr(0, equals), item.text.substr(equals + 1)});
      }
    }
  }

  void unknown_option(bool simulated, const std::string& name, Place place, bool of_target) {
    if (is_own(name)) return problem(place, fmt::format("'{}' is decided by the campaign for each run", name));
    std::vector<std::string_view> names;
    for (const OptionSpec& option : verb_of(simulated).options) {
      if (!is_own(option.name)) names.push_back(option.name);
    }
    if (of_target) names.insert(names.end(), {"world", "versions"});
    if (find_option(verb_of(!simulated), name) != nullptr) {
      return problem(place, fmt::format("'{}' is an option of {} runs (world = \"{}\")", name,
                                        simulated ? "live" : "simulated", simulated ? "live" : "sim"));
    }
    problem(place, fmt::format("unknown key '{}'{}", name, near_text(name, names)));
  }

  void read_block(const toml::table& table, bool canary) {
    Block block{.place = place_of(table.source()), .canary = {}, .seeds = {}, .fixed = {}, .lists = {}, .swarm = {}};
    for (const auto& [key, node] : table) {
      const std::string name(key.str());
      if (canary && name == "name") {
        if (const auto text = string_of(node, "name")) block.canary = *text;
      } else if (canary && name == "expect") {
        block.expect = texts_of(node, "expect");
      } else if (name == "target") {
        block.targets = texts_of(node, name);
      } else if (name == "workload") {
        block.workloads = texts_of(node, name);
      } else if (name == "nemesis") {
        block.mixes = texts_of(node, name);
      } else if (name == "seeds") {
        read_seeds(block, node);
      } else if (name == "swarm") {
        if (const auto* swarm = table_of(node, "swarm")) read_lists(block.swarm, *swarm);
      } else {
        read_option(block, name, key, node, canary);
      }
    }
    const std::string what = canary ? "canary" : "matrix";
    if (!table.contains("target")) problem(block.place, fmt::format("{}: no target: write target = [\"raft\"]", what));
    if (!table.contains("seeds")) problem(block.place, fmt::format("{}: no seeds: write seeds = \"1..10\"", what));
    if (canary && !table.contains("name")) problem(block.place, "canary: no name");
    if (canary && !table.contains("expect"))
      problem(block.place, "canary: it does not say what has to be found: write expect = [\"stale-read\"]");
    file_.blocks.push_back(std::move(block));
  }

  void read_option(Block& block, const std::string& name, const toml::key& key, const toml::node& node, bool canary) {
    const OptionSpec* option = find_option(*find_verb("run"), name);
    if (option == nullptr) option = find_option(*find_verb("sim"), name);
    if (option == nullptr || is_own(name)) {
      if (is_own(name)) return unknown_option(false, name, place_of(key.source()), false);
      std::set<std::string_view> names{"swarm"};
      if (canary) names.insert({"name", "expect"});
      names.insert("seeds");
      for (const char* verb : {"run", "sim"}) {
        for (const OptionSpec& known : find_verb(verb)->options) {
          if (!is_own(known.name)) names.insert(known.name);
        }
      }
      return problem(place_of(key.source()), fmt::format("unknown key '{}'{}", name, near_text(name, names)));
    }
    const auto* list = node.as_array();
    if (list != nullptr && option->kind != OptionKind::list) {
      std::vector<Item> items;
      for (const toml::node& item : *list) {
        if (const auto text = option_text(*option, item)) items.push_back({*text, place_of(item.source())});
      }
      if (list->empty())
        problem(place_of(node.source()),
                fmt::format("{}: an empty list leaves nothing to run: name at least one, or leave the key out", name));
      if (!items.empty()) block.lists.emplace_back(name, std::move(items));
      return;
    }
    if (const auto text = option_text(*option, node))
      block.fixed.emplace_back(name, Item{*text, place_of(node.source())});
  }

  void read_lists(Lists& lists, const toml::table& table) {
    for (const auto& [key, node] : table) {
      const std::string name(key.str());
      const OptionSpec* option = find_option(*find_verb("run"), name);
      if (option == nullptr) option = find_option(*find_verb("sim"), name);
      if (option == nullptr || is_own(name)) {
        unknown_option(false, name, place_of(key.source()), false);
        continue;
      }
      std::vector<Item> items;
      if (const auto* list = node.as_array()) {
        for (const toml::node& item : *list) {
          if (const auto text = option_text(*option, item)) items.push_back({*text, place_of(item.source())});
        }
      }
      if (items.empty()) {
        problem(place_of(node.source()), fmt::format("swarm.{}: a list to draw from is expected", name));
      } else {
        lists.emplace_back(name, std::move(items));
      }
    }
  }

  void read_seeds(Block& block, const toml::node& node) {
    const auto bad = [&] {
      problem(place_of(node.source()), R"(seeds: a range "1..20" or a list [1, 7, 9] is expected)");
    };
    if (const auto* list = node.as_array()) {
      for (const toml::node& item : *list) {
        const auto* number = item.as_integer();
        if (number == nullptr || **number < 0) return bad();
        block.seeds.push_back(static_cast<std::uint64_t>(**number));
      }
      return list->empty() ? bad() : void();
    }
    const auto* text = node.as_string();
    if (text == nullptr) return bad();
    const std::string_view view(**text);
    const std::size_t dots = view.find("..");
    std::uint64_t first = 0, last = 0;
    const auto parse = [](std::string_view digits, std::uint64_t& n) {
      const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), n);
      return error == std::errc{} && end == digits.data() + digits.size();
    };
    if (dots == std::string_view::npos ? !(parse(view, first) && parse(view, last))
                                       : !(parse(view.substr(0, dots), first) && parse(view.substr(dots + 2), last)))
      return bad();
    if (last < first)
      return problem(place_of(node.source()), fmt::format("seeds = \"{}\" ends before it begins", view));
    if (last - first >= most_seeds)
      return problem(place_of(node.source()), fmt::format("seeds = \"{}\": more than {} seeds", view, most_seeds));
    for (std::uint64_t seed = first; seed <= last; ++seed) block.seeds.push_back(seed);
  }

  void read_known(const toml::table& table) {
    Known known;
    for (const auto& [key, node] : table) {
      const std::string name(key.str());
      if (name == "until") {
        const auto* date = node.as_date();
        if (date == nullptr) {
          problem(place_of(node.source()), "until: a date without quotes is expected, e.g. until = 2027-03-01");
        } else {
          known.until = fmt::format("{:04}-{:02}-{:02}", (**date).year, (**date).month, (**date).day);
        }
      } else if (name == "class") {
        for (Item& item : texts_of(node, name)) known.classes.push_back(std::move(item.text));
      } else if (std::find(known_keys.begin(), known_keys.end(), name) != known_keys.end()) {
        const auto text = string_of(node, name);
        if (text) {
          (name == "target"     ? known.target
           : name == "workload" ? known.workload
           : name == "nemesis"  ? known.nemesis
                                : known.why) = *text;
        }
        if (name == "target") known_targets_.push_back({text.value_or(""), place_of(node.source())});
      } else {
        problem(place_of(key.source()), fmt::format("unknown key 'known.{}'{}", name, near_text(name, known_keys)));
      }
    }
    for (const char* needed : {"target", "class", "until", "why"}) {
      if (!table.contains(needed))
        problem(
            place_of(table.source()),
            fmt::format("known: no {}: a known failure says what it is, why it is accepted and until when", needed));
    }
    file_.plan.known.push_back(std::move(known));
  }

  PlanFile& file_;
  std::vector<Item> known_targets_;
};

}  // namespace

std::string why_not_for(const Target& target, std::string_view option, std::string_view text) {
  const OptionSpec* spec = find_option(verb_of(target.simulated), option);
  if (spec == nullptr) {
    return fmt::format("target '{}' is {}, and {} runs have no such option", target.name,
                       target.simulated ? "simulated" : "live", target.simulated ? "simulated" : "live");
  }
  return why_not(*spec, text).value_or("");
}

PlanFile read_plan_file(std::string_view path, std::string_view bytes) {
  PlanFile file;
  toml::table table;
  try {
    table = toml::parse(bytes, path);
  } catch (const toml::parse_error& error) {
    file.problems.push_back({place_of(error.source()), std::string(error.description())});
    return file;
  }
  Reader reader(file);
  reader.read(table);
  for (const char* name : {"raft", "etcd", "sim"}) {
    const auto same = [&](const Target& target) { return target.name == name; };
    if (std::any_of(file.plan.targets.begin(), file.plan.targets.end(), same)) continue;
    Target target{
        .name = name, .simulated = name == std::string_view("sim"), .options = {}, .versions = {}, .place = {}};
    target.options["target"] = target.simulated ? "raft" : name;
    file.plan.targets.push_back(std::move(target));
  }
  std::vector<std::string_view> names;
  for (const Target& target : file.plan.targets) names.push_back(target.name);
  for (const Item& item : reader.known_targets()) {
    if (!item.text.empty() && std::find(names.begin(), names.end(), item.text) == names.end()) {
      file.problems.push_back({item.place, fmt::format("known: there is no target '{}'{}", escape_controls(item.text),
                                                       near_text(item.text, names))});
    }
  }
  return file;
}

}  // namespace faultline::cli::night
