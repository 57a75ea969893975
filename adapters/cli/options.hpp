// The one table of verbs and options. Parsing, --help, completion, the man page and the TOML configuration are all
// derived from it, so a flag and a configuration key of the same name can never drift apart.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace faultline::cli {

enum class OptionKind {
  flag,      // present or not; true/false in TOML
  text,      // anything
  number,    // a whole number >= 0
  duration,  // "30s"
  size,      // "2GiB"
  rate,      // "200/s"
  share,     // 0.01: from 0 to 1
  list,      // "a,b,c"; an array of strings in TOML
  choice,    // one of `choices`
  value      // a value of a history: 0, "text", nil
};

struct OptionSpec {
  std::string_view name;  // without dashes; also the TOML key
  OptionKind kind = OptionKind::text;
  std::string_view placeholder;  // "DURATION"
  std::string_view fallback;     // the default as text; empty: none
  std::string_view help;
  std::string_view choices;  // "a|b|c" for choice, and for list when its items are bounded
};

struct VerbSpec {
  std::string_view name;
  std::string_view arguments;  // "HISTORY…"
  std::string_view summary;
  std::string_view example;
  std::size_t arguments_min = 0;
  std::size_t arguments_max = 0;
  std::vector<OptionSpec> options;
};

std::span<const VerbSpec> verbs();
const VerbSpec* find_verb(std::string_view name);
const OptionSpec* find_option(const VerbSpec& verb, std::string_view name);
// Options every verb takes.
std::span<const OptionSpec> common_options();

// Why the text is no value for this option, e.g. `a duration needs a unit: "30s", "5m"`; nullopt if it is one.
std::optional<std::string> why_not(const OptionSpec& option, std::string_view text);

std::string help_text();
std::string help_text(const VerbSpec& verb);
std::string completion_script(std::string_view shell);  // empty for an unknown shell
std::string man_page();

}  // namespace faultline::cli
