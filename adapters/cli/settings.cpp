#include "settings.hpp"

#include <faultline/nemesis.hpp>
#include <faultline/text.hpp>

#include <fmt/format.h>
#include <toml++/toml.h>
#include <CLI/CLI.hpp>

#include <filesystem>
#include <memory>

#include "units.hpp"

namespace faultline::cli {

namespace {

// Package parameters of the nemesis that may be set, each a duration.
constexpr std::array<std::string_view, 2> nemesis_parameter_names{"interval", "dwell"};

Error all_problems(const std::vector<std::string>& problems) { return Error::bad_input(join(problems, "\n")); }

std::string suggestion(std::string_view word, const std::vector<std::string_view>& known) {
  const std::string_view near = nearest(word, known);
  return near.empty() ? "" : fmt::format("; did you mean '{}'?", near);
}

std::vector<std::string_view> option_names(const VerbSpec& verb) {
  std::vector<std::string_view> names;
  for (const OptionSpec& option : verb.options) names.push_back(option.name);
  for (const OptionSpec& option : common_options()) names.push_back(option.name);
  return names;
}

// A TOML scalar or array of strings as the text a flag would carry; nullopt with the reason in `problem` if it cannot
// be one.
std::optional<std::string> text_of(const OptionSpec& option, const toml::node& node, std::string& problem) {
  if (const auto* text = node.as_string()) return **text;
  if (const auto* boolean = node.as_boolean(); boolean && option.kind == OptionKind::flag)
    return **boolean ? "true" : "false";
  if (const auto* integer = node.as_integer()) {
    if (option.kind == OptionKind::number || option.kind == OptionKind::value) return std::to_string(**integer);
    problem = fmt::format("{} = {}: {}", option.name, **integer,
                          why_not(option, std::to_string(**integer)).value_or("needs text"));
    return std::nullopt;
  }
  if (const auto* real = node.as_floating_point();
      real && (option.kind == OptionKind::value || option.kind == OptionKind::share))
    return fmt::format("{}", **real);
  if (const auto* array = node.as_array(); array && option.kind == OptionKind::list) {
    std::vector<std::string> items;
    for (const toml::node& item : *array) {
      const auto* text = item.as_string();
      if (!text) {
        problem = fmt::format("{}: an array of strings is expected", option.name);
        return std::nullopt;
      }
      if ((**text).empty() || (**text).find(',') != std::string::npos) {
        problem = fmt::format("{}: an item is neither empty nor holds a comma", option.name);
        return std::nullopt;
      }
      items.push_back(**text);
    }
    return join(items, ",");
  }
  problem = fmt::format("{}: a {} cannot be read from this type", option.name,
                        option.placeholder.empty() ? "true or false" : option.placeholder);
  return std::nullopt;
}

std::string place_of(const std::string& path, const toml::source_position& position) {
  return fmt::format("{}:{}:{}", path, position.line, position.column);
}

}  // namespace

const std::string* Settings::find(std::string_view name) const {
  const auto found = values_.find(name);
  return found == values_.end() ? nullptr : &found->second;
}

void Settings::assign(std::string_view name, const std::string& text, const std::string& place,
                      std::vector<std::string>& problems) {
  const OptionSpec* option = find_option(*verb_, name);
  if (!option) {
    problems.push_back(
        fmt::format("{}: error: unknown key '{}'{}", place, name, suggestion(name, option_names(*verb_))));
    return;
  }
  if (const auto why = why_not(*option, text)) {
    problems.push_back(fmt::format("{}: error: {} = {}: {}", place, name, escape_controls(text), *why));
    return;
  }
  values_[std::string(name)] = text;
}

// nemesis.PACKAGE.PARAMETER is the only nested key.
namespace {

// Of a question that the package leaves to chance: what is wrong with the answer, empty if nothing. None: it asks no such question.
std::optional<std::string> taste_problem(std::string_view package, std::string_view name, const std::string& text) {
  const auto known = find_package(package);
  if (!known) return std::nullopt;
  for (const Question& question : known.value()->questions) {
    if (question.name != name) continue;
    std::vector<std::string> words;
    for (const Choice& choice : question.choices) words.emplace_back(choice.word);
    if (std::find(words.begin(), words.end(), text) != words.end()) return "";
    return fmt::format("{}: it is one of {}", escape_controls(text), join(words, ", "));
  }
  return std::nullopt;
}

// By what the faults of a package are done, where there is a choice.
std::vector<std::string> mechanisms_of(std::string_view package) {
  if (package == "power") return {"supervisor", "image"};
  if (package == "packet") return {"auto", "netem", "nfqueue"};
  return {};
}

}  // namespace

void Settings::assign_dotted(const std::string& name, const std::string& text, const std::string& place,
                             std::vector<std::string>& problems) {
  const auto parts = split(name, '.');
  if (parts.size() == 1) return assign(name, text, place, problems);
  if (parts.size() != 3 || parts[0] != "nemesis") {
    problems.push_back(
        fmt::format("{}: error: unknown key '{}'; nested keys are nemesis.FAULT.PARAMETER", place, name));
    return;
  }
  const OptionSpec& nemesis = *find_option(*verb_, "nemesis");
  if (const auto why = why_not(nemesis, parts[1])) {
    problems.push_back(fmt::format("{}: error: unknown key '{}': {}", place, name, *why));
    return;
  }
  if (const auto problem = taste_problem(parts[1], parts[2], text)) {
    if (!problem->empty()) problems.push_back(fmt::format("{}: error: {} = {}", place, name, *problem));
    if (problem->empty()) nemesis_[parts[1] + "." + parts[2]] = text;
    return;
  }
  if (const auto mechanisms = mechanisms_of(parts[1]); parts[2] == "mechanism" && !mechanisms.empty()) {
    if (std::find(mechanisms.begin(), mechanisms.end(), text) != mechanisms.end()) {
      nemesis_[parts[1] + ".mechanism"] = text;
    } else {
      problems.push_back(fmt::format("{}: error: {} = {}: it is one of {}", place, name, escape_controls(text),
                                     join(mechanisms, ", ")));
    }
    return;
  }
  const std::vector<std::string_view> known(nemesis_parameter_names.begin(), nemesis_parameter_names.end());
  if (std::find(known.begin(), known.end(), parts[2]) == known.end()) {
    problems.push_back(fmt::format("{}: error: unknown key '{}'{}", place, name, suggestion(parts[2], known)));
    return;
  }
  if (!parse_duration(text)) {
    problems.push_back(fmt::format("{}: error: {} = {}: a duration needs a unit: \"30s\", \"5m\"", place, name,
                                   escape_controls(text)));
    return;
  }
  nemesis_[parts[1] + "." + parts[2]] = text;
}

void Settings::read_file(const std::string& path, std::vector<std::string>& problems) {
  toml::table table;
  try {
    table = toml::parse_file(path);
  } catch (const toml::parse_error& error) {
    problems.push_back(fmt::format("{}: error: {}", place_of(path, error.source().begin), error.description()));
    return;
  }
  std::vector<std::string> packages;
  for (const auto& [key, node] : table) {
    const std::string name(key.str());
    const std::string place = place_of(path, key.source().begin);
    if (name == "nemesis" && node.is_table()) {
      for (const auto& [package, parameters] : *node.as_table()) {
        packages.emplace_back(package.str());
        if (!parameters.is_table()) {
          problems.push_back(fmt::format("{}: error: nemesis.{} is a table of parameters",
                                         place_of(path, package.source().begin), package.str()));
          continue;
        }
        for (const auto& [parameter, setting] : *parameters.as_table()) {
          const auto* text = setting.as_string();
          assign_dotted(fmt::format("nemesis.{}.{}", package.str(), parameter.str()), text ? **text : "",
                        place_of(path, parameter.source().begin), problems);
        }
      }
      continue;
    }
    const OptionSpec* option = find_option(*verb_, name);
    std::string problem;
    const auto text = option ? text_of(*option, node, problem) : std::optional<std::string>("");
    if (!text) {
      problems.push_back(fmt::format("{}: error: {}", place_of(path, node.source().begin), problem));
    } else {
      assign(name, *text, option ? place_of(path, node.source().begin) : place, problems);
    }
  }
  if (!packages.empty()) assign("nemesis", join(packages, ","), path, problems);
}

Result<Settings> Settings::from_file(const VerbSpec& verb, const std::string& path) {
  if (!std::filesystem::exists(path)) {
    return Error::environment(fmt::format("{}: no such file", path),
                              "give the path of a configuration or a run directory");
  }
  Settings settings(verb);
  std::vector<std::string> problems;
  settings.read_file(path, problems);
  if (!problems.empty()) return all_problems(problems);
  return settings;
}

Result<Settings> Settings::parse(const VerbSpec& verb, const std::vector<std::string>& words) {
  CLI::App app;
  app.set_help_flag();
  app.allow_extras();
  std::map<std::string_view, std::unique_ptr<std::vector<std::string>>> typed;
  std::map<std::string_view, CLI::Option*> options;
  const auto declare = [&](const OptionSpec& option) {
    const std::string flags = fmt::format("{}--{}",
                                          option.name == "verbose" ? "-v,"
                                          : option.name == "help"  ? "-h,"
                                                                   : "",
                                          option.name);
    auto& storage = typed[option.name] = std::make_unique<std::vector<std::string>>();
    options[option.name] = option.kind == OptionKind::flag
                               ? app.add_flag(flags)
                               : app.add_option(flags, *storage)->type_size(1)->allow_extra_args(false);
  };
  for (const OptionSpec& option : verb.options) declare(option);
  for (const OptionSpec& option : common_options()) declare(option);
  std::vector<std::string> sets;
  if (verb.name == "run") app.add_option("--set", sets)->allow_extra_args(false);

  Settings settings(verb);
  std::vector<std::string> problems;
  try {
    std::vector<std::string> reversed(words.rbegin(), words.rend());
    app.parse(reversed);
  } catch (const CLI::ParseError& error) {
    return Error::bad_input(fmt::format("faultline {}: error: {}", verb.name, error.what()),
                            fmt::format("`faultline {} --help` lists the options", verb.name));
  }
  if (options["help"]->count() > 0) {
    settings.values_["help"] = "true";
    return settings;
  }
  for (const std::string& word : app.remaining()) {
    if (word.size() > 1 && word.front() == '-') {
      const std::string name = word.substr(word.find_first_not_of('-'));
      problems.push_back(fmt::format("faultline {}: error: unknown option '{}'{}", verb.name, escape_controls(word),
                                     suggestion(name, option_names(verb))));
    } else {
      settings.arguments_.push_back(word);
    }
  }
  if (verb.name == "run" && !settings.arguments_.empty()) {
    if (!std::filesystem::exists(settings.arguments_[0])) {
      problems.push_back(fmt::format("{}: error: no such configuration file", settings.arguments_[0]));
    } else {
      settings.read_file(settings.arguments_[0], problems);
    }
  }
  for (const std::string& text : sets) {
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos) {
      problems.push_back(fmt::format("--set {}: error: KEY=VALUE is expected", escape_controls(text)));
    } else {
      settings.assign_dotted(text.substr(0, equals), text.substr(equals + 1), "--set", problems);
    }
  }
  for (const auto& [name, option] : options) {
    if (option->count() == 0) continue;
    const std::string text = find_option(verb, name)->kind == OptionKind::flag ? "true" : typed[name]->back();
    settings.assign(name, text, fmt::format("--{}", name), problems);
  }
  if (settings.arguments_.size() < verb.arguments_min || settings.arguments_.size() > verb.arguments_max) {
    problems.push_back(fmt::format("faultline {}: error: expected {}, found {} argument{}", verb.name,
                                   verb.arguments.empty() ? "no arguments" : verb.arguments, settings.arguments_.size(),
                                   settings.arguments_.size() == 1 ? "" : "s"));
  }
  if (!problems.empty()) return all_problems(problems);
  return settings;
}

bool Settings::given(std::string_view name) const { return find(name) != nullptr; }

std::string Settings::text(std::string_view name) const {
  if (const std::string* text = find(name)) return *text;
  const OptionSpec* option = find_option(*verb_, name);
  FL_ASSERT(option != nullptr);
  return std::string(option->fallback);
}

bool Settings::flag(std::string_view name) const { return text(name) == "true"; }

std::uint64_t Settings::number(std::string_view name) const {
  const std::string digits = text(name);
  FL_ASSERT(!digits.empty());
  return std::stoull(digits);
}

std::optional<Duration> Settings::optional_duration(std::string_view name) const {
  const std::string written = text(name);
  if (written.empty()) return std::nullopt;
  return parse_duration(written).value();
}

Duration Settings::duration(std::string_view name) const {
  const auto parsed = optional_duration(name);
  FL_ASSERT(parsed.has_value());
  return *parsed;
}

std::optional<std::uint64_t> Settings::optional_size(std::string_view name) const { return parse_size(text(name)); }

double Settings::rate(std::string_view name) const {
  const auto parsed = parse_rate(text(name));
  FL_ASSERT(parsed.has_value());
  return *parsed;
}

double Settings::share(std::string_view name) const {
  const auto parsed = parse_share(text(name));
  FL_ASSERT(parsed.has_value());
  return *parsed;
}

std::vector<std::string> Settings::list(std::string_view name) const { return split(text(name), ','); }

Value Settings::value(std::string_view name) const { return parse_value(text(name)); }

std::optional<std::string> Settings::nemesis_parameter(std::string_view package, std::string_view name) const {
  const auto found = nemesis_.find(fmt::format("{}.{}", package, name));
  if (found == nemesis_.end()) return std::nullopt;
  return found->second;
}

std::string Settings::to_toml() const {
  toml::table table;
  for (const OptionSpec& option : verb_->options) {
    const std::string text = this->text(option.name);
    if (text.empty() || (option.name == "nemesis" && !nemesis_.empty())) continue;
    if (option.kind == OptionKind::flag) {
      table.insert(option.name, text == "true");
    } else if (option.kind == OptionKind::number && text.size() < 19 && (text.front() != '0' || text == "0")) {
      table.insert(option.name, static_cast<std::int64_t>(std::stoull(text)));
    } else if (option.kind == OptionKind::list) {
      toml::array items;
      for (const std::string& item : split(text, ',')) items.push_back(item);
      table.insert(option.name, std::move(items));
    } else {
      table.insert(option.name, text);
    }
  }
  if (!nemesis_.empty()) {
    toml::table packages;
    for (const std::string& package : list("nemesis")) packages.insert(package, toml::table{});
    for (const auto& [dotted, text] : nemesis_) {
      const auto parts = split(dotted, '.');
      packages.insert(parts[0], toml::table{});
      packages[parts[0]].as_table()->insert(parts[1], text);
    }
    table.insert("nemesis", std::move(packages));
  }
  // Quoted and escaped: the library's other ways of writing a string fail where it holds their own quotes.
  constexpr auto unsafe = toml::format_flags::allow_multi_line_strings | toml::format_flags::allow_literal_strings;
  std::ostringstream out;
  out << toml::toml_formatter(table, toml::toml_formatter::default_flags & ~unsafe) << "\n";
  return out.str();
}

}  // namespace faultline::cli
