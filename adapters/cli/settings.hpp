// Settings: every option of a verb with the value that won, and where it came from.
//
// Precedence: default < configuration file < --set < flag. Everything is validated before anything starts and all
// problems are reported together, each with its place and what to do; afterwards the typed accessors cannot fail.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <faultline/result.hpp>
#include <faultline/time.hpp>
#include <faultline/value.hpp>

#include "options.hpp"

namespace faultline::cli {

class Settings {
 public:
  // What the user typed after the verb. Reads the configuration file of `run` if one is named.
  static Result<Settings> parse(const VerbSpec& verb, const std::vector<std::string>& words);
  // A file alone, e.g. the run.toml of an earlier run.
  static Result<Settings> from_file(const VerbSpec& verb, const std::string& path);

  [[nodiscard]] const std::vector<std::string>& arguments() const { return arguments_; }

  // Given by the user (file, --set or flag), not by default.
  [[nodiscard]] bool given(std::string_view name) const;
  [[nodiscard]] bool flag(std::string_view name) const;
  [[nodiscard]] std::string text(std::string_view name) const;
  [[nodiscard]] std::uint64_t number(std::string_view name) const;
  [[nodiscard]] Duration duration(std::string_view name) const;
  [[nodiscard]] std::optional<Duration> optional_duration(std::string_view name) const;
  [[nodiscard]] std::optional<std::uint64_t> optional_size(std::string_view name) const;
  [[nodiscard]] double rate(std::string_view name) const;
  [[nodiscard]] double share(std::string_view name) const;
  [[nodiscard]] std::vector<std::string> list(std::string_view name) const;
  [[nodiscard]] Value value(std::string_view name) const;
  // "5s" for nemesis.pause.interval, if it was set.
  [[nodiscard]] std::optional<std::string> nemesis_parameter(std::string_view package, std::string_view name) const;
  [[nodiscard]] const std::map<std::string, std::string>& nemesis_parameters() const { return nemesis_; }

  void set(std::string_view name, std::string text) { values_[std::string(name)] = std::move(text); }

  // All values, resolved, as a configuration that repeats the run.
  [[nodiscard]] std::string to_toml() const;

 private:
  explicit Settings(const VerbSpec& verb) : verb_(&verb) {}
  void read_file(const std::string& path, std::vector<std::string>& problems);
  void assign(std::string_view name, const std::string& text, const std::string& place,
              std::vector<std::string>& problems);
  void assign_dotted(const std::string& name, const std::string& text, const std::string& place,
                     std::vector<std::string>& problems);
  [[nodiscard]] const std::string* find(std::string_view name) const;

  const VerbSpec* verb_;
  std::vector<std::string> arguments_;
  std::map<std::string, std::string, std::less<>> values_;  // given ones only
  std::map<std::string, std::string> nemesis_;              // "pause.interval" -> "5s"
};

}  // namespace faultline::cli
