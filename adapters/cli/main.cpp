// faultline: parses the verb and its options, calls it, and turns what nothing else caught into exit code 3.
#include <faultline/text.hpp>

#include <fmt/format.h>

#include <cstdio>
#include <exception>

#include "commands.hpp"
#include "units.hpp"

namespace faultline::cli {
namespace {

constexpr int usage_exit = 64;
constexpr int harness_exit = 3;

int usage(const std::string& text) {
  std::fputs((text + "\n").c_str(), stderr);
  return usage_exit;
}

int print(const std::string& text) {
  std::fputs(text.c_str(), stdout);
  return 0;
}

int unknown_verb(const std::string& word) {
  std::vector<std::string_view> names;
  for (const VerbSpec& verb : verbs()) names.push_back(verb.name);
  const std::string_view near = nearest(word, names);
  return usage(fmt::format("faultline: error: unknown verb '{}'{}\n  verbs: {}", escape_controls(word),
                           near.empty() ? "" : fmt::format("; did you mean '{}'?", near), fmt::join(names, ", ")));
}

int call(const VerbSpec& verb, const std::vector<std::string>& words) {
  auto settings = Settings::parse(verb, words);
  if (!settings) {
    if (std::find(words.begin(), words.end(), "--json") == words.end()) return usage(settings.error().to_string());
    auto plain = Settings::parse(*find_verb("doctor"), {"--json"});
    Console console(plain.value());
    return fail(settings.error(), console);
  }
  if (settings.value().flag("help")) return print(help_text(verb));
  install_signal_handlers();
  Console console(settings.value());
  if (verb.name == "run") return run_command(std::move(settings).value(), console);
  if (verb.name == "sim") return sim_command(settings.value(), console);
  if (verb.name == "replay") return replay_command(settings.value(), console);
  if (verb.name == "check") return check_command(settings.value(), console);
  if (verb.name == "shrink") return shrink_command(settings.value(), console);
  if (verb.name == "verify") return verify_command(settings.value(), console);
  if (verb.name == "report") return report_command(settings.value(), console);
  if (verb.name == "serve") return serve_command(settings.value(), console);
  if (verb.name == "campaign") return campaign_command(settings.value(), console);
  if (verb.name == "merge") return merge_command(settings.value(), console);
  FL_ASSERT(verb.name == "doctor");
  return doctor_command(settings.value(), console);
}

int dispatch(const std::vector<std::string>& words) {
  if (words.empty()) {
    std::fputs(help_text().c_str(), stderr);
    return usage_exit;
  }
  const std::string& word = words[0];
  if (word == "--help" || word == "-h" || word == "help") return print(help_text());
  if (word == "--man") return print(man_page());
  if (word == "--version") {
    const auto tool = tool_versions();
    return print(fmt::format("faultline {} ({}, {})\n", tool.at("version"), tool.at("commit"), tool.at("compiler")));
  }
  if (word == "--completion") {
    const std::string script = completion_script(words.size() > 1 ? words[1] : "");
    return script.empty() ? usage("faultline: error: --completion takes bash, zsh or fish") : print(script);
  }
  const VerbSpec* verb = find_verb(word);
  if (!verb) return unknown_verb(word);
  return call(*verb, {words.begin() + 1, words.end()});
}

}  // namespace
}  // namespace faultline::cli

int main(int argc, char** argv) {
  try {
    return faultline::cli::dispatch({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "faultline: error: %s\n", error.what());
    return faultline::cli::harness_exit;
  }
}
