#include "options.hpp"

#include <faultline/text.hpp>
#include <faultline/time.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "units.hpp"

namespace faultline::cli {

namespace {

using enum OptionKind;

// How a history is read and what it means: of every verb that judges one.
std::vector<OptionSpec> meaning_options() {
  return {
      {"model", text, "MODEL", "auto",
       "register, cas-register, kv, mutex, set, counter, fifo-queue, unordered-queue, stack, priority-queue, "
       "unique-ids, append-list, fenced-mutex",
       ""},
      {"format", choice, "FORMAT", "auto", "how the history is written",
       "auto|jsonl|jepsen-edn|jepsen-log|jepsen-tsv|kv-log"},
      {"independent", flag, "", "", "every client value is [key value]: judge each key alone", ""},
      {"initial", value, "VALUE", "nil", "what a register holds before the first operation", ""},
      {"failed-cas", choice, "MEANING", "drop", "a failed cas says nothing, or proves value != expected",
       "drop|observe"},
      {"nil-read", choice, "MEANING", "auto", "a nil read saw the absent value, or may have seen anything",
       "auto|value|unknown"},
      {"engine", text, "ENGINE", "auto", "force one search engine", ""},
      {"threads", number, "N", "0", "search keys in parallel; 0: all cores", ""},
      {"memory-limit", size, "SIZE", "", "most memory the search may hold; default: half of what is free", ""},
  };
}

std::vector<OptionSpec> with_meaning(std::vector<OptionSpec> own) {
  std::vector<OptionSpec> all = meaning_options();
  all.insert(all.end(), own.begin(), own.end());
  return all;
}

std::vector<OptionSpec> check_options() {
  return with_meaning({
      {"time-limit", duration, "DURATION", "", "stop judging after this long: unknown", ""},
      {"stop-at-first", flag, "", "", "leave other keys undecided once one is invalid", ""},
      {"certificate", text, "FILE", "", "write the proof of the verdict, for `faultline verify`", ""},
      {"report", text, "FILE", "", "write the page that explains the verdict", ""},
      {"minimal", text, "FILE", "", "write the smallest counterexample found, as a history", ""},
  });
}

std::vector<OptionSpec> shrink_options() {
  return with_meaning({
      {"time-limit", duration, "DURATION", "60s", "judge and shrink for this long at most", ""},
      {"out", text, "FILE", "",
       "where the result goes [minimal.jsonl; of a run into its directory; of a simulated one scenario.json]", ""},
      {"save", text, "FILE", "", "of a simulated run: keep the scenario as a regression, too", ""},
      {"candidates", number, "N", "2000", "of a run's faults: try so many smaller schedules at most", ""},
      {"faults", flag, "", "",
       "of a live run: shrink its faults instead, by running it again and again with fewer (--time-limit 10m)", ""},
  });
}

std::vector<OptionSpec> run_options() {
  return {
      {"target", choice, "TARGET", "raft", "the system under test", "raft|etcd|redis"},
      {"endpoints", list, "URL,…", "", "test a cluster that is already running (no process or network faults)", ""},
      {"workload", choice, "WORKLOAD", "register", "what the clients do",
       "register|cas-register|kv-append|set|lock|fenced-lock|lease"},
      {"nemesis", list, "FAULTS", "partition,kill,pause", "which faults to inject",
       "partition|directed|packet|frames|clog|kill|rolling|upgrade|pause|membership|clock|power|crash|disk|wipe|"
       "pressure|none"},
      {"schedule", text, "FILE", "", "perform these faults, at their times and events, instead of drawn ones", ""},
      {"binary", text, "PROGRAM", "", "the daemon to run: raft, etcd; default: the usual one", ""},
      {"upgrade-to", list, "PROGRAM,…", "", "further versions of it, for --nemesis upgrade", ""},
      {"inventory", text, "FILE.toml", "", "remote nodes, reached by ssh, instead of this machine", ""},
      {"nodes", number, "N", "3", "replicas", ""},
      {"concurrency", number, "C", "10", "clients at work at once", ""},
      {"keys", number, "K", "10", "objects the clients work on", ""},
      {"rate", rate, "RATE", "500/s", "operations started per second, all clients together", ""},
      {"ttl", duration, "DURATION", "10s", "lock, fenced-lock, lease: of a lease that is not kept alive", ""},
      {"time-limit", duration, "DURATION", "30s", "how long to generate operations and faults", ""},
      {"operation-timeout", duration, "DURATION", "5s", "a client gives up on an operation after this long", ""},
      {"reads", choice, "PATH", "", "the read path of the target; default: its linearizable one",
       "index|lease|local|linearizable|serializable"},
      {"max-clock-drift", share, "SHARE", "0.01", "what raftd's lease reads may rely on: 0.01 if no clock is 1 % off",
       ""},
      {"fsync", choice, "WHEN", "always",
       "when nodes sync what they acknowledge: raft always, off; redis always, everysec, no", "always|everysec|no|off"},
      {"network", choice, "KIND", "auto", "how nodes are joined and cut apart", "auto|namespaces|proxy"},
      {"seed", number, "SEED", "", "repeat the same workload and faults; default: drawn", ""},
      {"online", flag, "", "", "judge while the run goes on, and stop it within a second of a proved violation", ""},
      {"keep-going", flag, "", "", "with --online: say what was found, and run to the end", ""},
      {"out", text, "DIR", "runs", "where run directories go", ""},
      {"check-time-limit", duration, "DURATION", "60s", "stop judging after this long: unknown", ""},
      {"memory-limit", size, "SIZE", "", "most memory the search may hold; default: half of what is free", ""},
      {"threads", number, "N", "0", "search keys in parallel; 0: all cores", ""},
  };
}

std::vector<OptionSpec> sim_options() {
  return {
      {"seeds", text, "A..B", "1..100", "which seeds to run", ""},
      {"target", choice, "TARGET", "raft", "the system under test", "raft"},
      {"workload", choice, "WORKLOAD", "", "what the clients do; default: drawn",
       "register|cas-register|kv-append|set"},
      {"nemesis", list, "FAULTS", "", "packages of faults, all of them",
       "partition|kill|rolling|pause|membership|directed|clog|packet|frames|power|crash|clock|disk|wipe|pressure|none"},
      {"preset", choice, "PRESET", "", "packages of faults by their common name; default: default",
       "none|kill|partition|directed|frames|power|io|pause|clock|membership|snapshot|swarm|default"},
      {"nodes", number, "N", "", "replicas; default: drawn", ""},
      {"concurrency", number, "C", "", "clients at work at once; default: drawn", ""},
      {"keys", number, "K", "", "objects the clients work on; default: drawn", ""},
      {"rate", rate, "RATE", "", "operations started per second of virtual time; default: drawn", ""},
      {"reads", choice, "PATH", "", "the read path; default: drawn, never local", "index|lease|local"},
      {"time-limit", duration, "DURATION", "", "how long workload and faults last, in virtual time; default: drawn",
       ""},
      {"operation-timeout", duration, "DURATION", "", "a client gives up after this long; default: drawn", ""},
      {"options", list, "KEY=VALUE,…", "", "further options of a simulated run: fsync=off, snapshot_entries=16", ""},
      {"detectors", choice, "WHICH", "all", "invariants and liveness too, or what clients see alone", "all|history"},
      {"keep-going", flag, "", "", "run all seeds and count the failures", ""},
      {"threads", number, "N", "0", "seeds at once; 0: all cores", ""},
      {"out", text, "DIR", "runs", "where the run directories of failures go", ""},
  };
}

std::vector<OptionSpec> replay_options() {
  return {
      {"in", choice, "WORLD", "", "where; default: where it ran", "sim|live"},
      {"out", text, "DIR", "runs", "where run directories of live runs go", ""},
      {"check-time-limit", duration, "DURATION", "60s", "stop judging after this long: unknown", ""},
  };
}

std::vector<OptionSpec> campaign_options() {
  return {
      {"out", text, "DIR", "", "the campaign's folder; named again, it goes on there [campaigns/NAME/UTC]", ""},
      {"shard", text, "I/N", "", "do only these runs; default: as the environment of the CI says, else all", ""},
      {"history", text, "DIR", "", "folder with a small file per night, for trends; default: as in the file", ""},
      {"parallel", number, "N", "", "runs at once; default: as in the file, else one per core", ""},
      {"dry-run", flag, "", "", "print the plan, its time and its disk use, and run nothing", ""},
  };
}

std::vector<OptionSpec> merge_options() {
  return {
      {"out", text, "DIR", "merged", "where the merged result goes", ""},
      {"history", text, "DIR", "", "folder with a small file per night, for trends; default: as in the file", ""},
  };
}

std::vector<OptionSpec> verify_options() {
  return {
      {"format", choice, "FORMAT", "auto", "how the history is written",
       "auto|jsonl|jepsen-edn|jepsen-log|jepsen-tsv|kv-log"},
      {"independent", flag, "", "", "every client value is [key value]", ""},
  };
}

std::vector<OptionSpec> report_options() {
  return {
      {"check-time-limit", duration, "DURATION", "60s", "stop judging after this long: unknown", ""},
      {"memory-limit", size, "SIZE", "", "most memory the search may hold; default: half of what is free", ""},
      {"threads", number, "N", "0", "search keys in parallel; 0: all cores", ""},
  };
}

std::vector<OptionSpec> serve_options() {
  return {
      {"port", number, "PORT", "", "where to listen; 0: any that is free; default: 7117, else one that is free", ""},
      {"bind", text, "ADDRESS", "127.0.0.1", "the address to listen at; others than the loopback are open to all", ""},
  };
}

const std::vector<OptionSpec>& common_table() {
  static const std::vector<OptionSpec> table{
      {"json", flag, "", "", "print one JSON object on stdout", ""},
      {"events", choice, "FORMAT", "text", "progress and logs on stderr as text or as one JSON object a line",
       "text|jsonl"},
      {"quiet", flag, "", "", "print only the result", ""},
      {"verbose", flag, "", "", "print logs too", ""},
      {"color", choice, "WHEN", "auto", "colour the result", "auto|always|never"},
      {"open", flag, "", "", "open the report when it is written", ""},
      {"help", flag, "", "", "print this help", ""},
  };
  return table;
}

const std::vector<VerbSpec>& verb_table() {
  constexpr std::size_t many = 10'000;
  static const std::vector<VerbSpec> table{
      {"run", "[CONFIG.toml]", "test a live cluster: workload, faults, verdict, report",
       "faultline run --target etcd --nemesis partition --time-limit 30s", 0, 1, run_options()},
      {"sim", "", "the same test in the simulator, many seeds", "faultline sim --seeds 1..1000", 0, 0, sim_options()},
      {"replay", "RUN|SCENARIO.json", "repeat a run: a simulated one exactly, a live one's faults",
       "faultline replay runs/latest", 1, 1, replay_options()},
      {"check", "HISTORY…", "judge a history recorded anywhere", "faultline check history.jsonl --model register", 1,
       many, check_options()},
      {"shrink", "HISTORY|RUN", "find what little proves a history wrong, or makes a simulated run fail",
       "faultline shrink history.jsonl --model register", 1, 1, shrink_options()},
      {"verify", "HISTORY CERTIFICATE", "re-check a verdict's certificate with independent code",
       "faultline verify history.jsonl certificate.json", 2, 2, verify_options()},
      {"report", "RUN", "judge a run directory again and write all its pages anew", "faultline report runs/latest", 1,
       1, report_options()},
      {"serve", "[DIR]", "browse the runs of a folder, and watch those that go on", "faultline serve runs --open", 0, 1,
       serve_options()},
      {"campaign", "FILE.toml", "matrices of runs, unattended: what broke, since when, how to repeat it",
       "faultline campaign tests/campaigns/smoke.toml", 1, 1, campaign_options()},
      {"merge", "DIR…", "one result of the shards of a campaign", "faultline merge shard-1 shard-2 --out night", 1,
       many, merge_options()},
      {"doctor",
       "",
       "say what this machine can do, what is missing and what adds it",
       "faultline doctor --heal",
       0,
       0,
       {{"heal", flag, "", "", "undo whatever a run that was killed has left behind", ""},
        {"inventory", text, "FILE.toml", "", "say what the remote nodes of this inventory can do", ""}}},
  };
  return table;
}

std::optional<std::string> not_a_choice(const OptionSpec& option, std::string_view text) {
  const auto choices = split(option.choices, '|');
  if (std::find(choices.begin(), choices.end(), text) != choices.end()) return std::nullopt;
  std::string message = fmt::format("'{}' is none of {}", escape_controls(text), join(choices, ", "));
  const std::vector<std::string_view> views(choices.begin(), choices.end());
  if (const auto near = nearest(text, views); !near.empty()) message += fmt::format("; did you mean '{}'?", near);
  return message;
}

std::string left_column(const OptionSpec& option) {
  std::string text = fmt::format("--{}", option.name);
  if (option.kind != flag) text += fmt::format(" {}", option.placeholder);
  return text;
}

std::string option_lines(std::span<const OptionSpec> options) {
  std::string out;
  for (const OptionSpec& option : options) {
    std::string help(option.help);
    if (!option.choices.empty()) help += fmt::format(" ({})", join(split(option.choices, '|'), ", "));
    if (!option.fallback.empty()) help += fmt::format(" [{}]", option.fallback);
    out += fmt::format("  {:<30} {}\n", left_column(option), help);
  }
  return out;
}

constexpr std::string_view exit_codes =
    "0 valid, 1 violation found, 2 unknown, 3 harness or cluster failure, 64 usage, 130 interrupted";

}  // namespace

std::span<const VerbSpec> verbs() { return verb_table(); }

std::span<const OptionSpec> common_options() { return common_table(); }

const VerbSpec* find_verb(std::string_view name) {
  for (const VerbSpec& verb : verb_table()) {
    if (verb.name == name) return &verb;
  }
  return nullptr;
}

const OptionSpec* find_option(const VerbSpec& verb, std::string_view name) {
  for (const OptionSpec& option : verb.options) {
    if (option.name == name) return &option;
  }
  for (const OptionSpec& option : common_table()) {
    if (option.name == name) return &option;
  }
  return nullptr;
}

std::optional<std::string> why_not(const OptionSpec& option, std::string_view text) {
  switch (option.kind) {
    case OptionKind::text: return text.empty() ? std::optional<std::string>("needs a value") : std::nullopt;
    case flag: return text == "true" || text == "false" ? std::nullopt : std::optional<std::string>("is true or false");
    case number: {
      std::uint64_t parsed = 0;
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), parsed);
      if (error == std::errc{} && end == text.data() + text.size()) return std::nullopt;
      return "needs a whole number from 0 to 18446744073709551615";
    }
    case duration:
      return parse_duration(text).ok() ? std::nullopt
                                       : std::optional<std::string>(R"(a duration needs a unit: "30s", "5m")");
    case size:
      return parse_size(text).has_value() ? std::nullopt
                                          : std::optional<std::string>(R"(a size needs a unit: "512MiB", "4GiB")");
    case rate:
      return parse_rate(text).has_value() ? std::nullopt
                                          : std::optional<std::string>(R"(a rate needs a unit: "200/s")");
    case share:
      return parse_share(text).has_value() ? std::nullopt
                                           : std::optional<std::string>("needs a number from 0 to 1, as 0.01");
    case choice: return not_a_choice(option, text);
    case list:
      if (text.empty()) return "is an empty list: leave it out";
      if (text.starts_with(',') || text.ends_with(',') || text.find(",,") != std::string_view::npos)
        return "has an empty item";
      if (option.choices.empty()) return std::nullopt;
      for (const std::string& item : split(text, ',')) {
        if (auto problem = not_a_choice(option, item)) return problem;
      }
      return std::nullopt;
    case value: return std::nullopt;
  }
  return std::nullopt;
}

std::string help_text() {
  std::string out =
      "faultline tests distributed systems: clients, faults, recorded histories, verdicts with proofs\n\n";
  out += "  faultline run --time-limit 30s          three nodes, faults, a verdict and a report\n";
  out += "  faultline check history.jsonl           judge a history recorded anywhere\n\nVerbs:\n";
  for (const VerbSpec& verb : verbs()) out += fmt::format("  {:<10} {}\n", verb.name, verb.summary);
  out += "\nfaultline VERB --help explains each; --version, --man, --completion bash|zsh|fish\n";
  return out + fmt::format("Exit codes: {}\n", exit_codes);
}

std::string help_text(const VerbSpec& verb) {
  std::string out = fmt::format("  {}\n\n{}\n\nusage: faultline {} {} [options]\n\n", verb.example, verb.summary,
                                verb.name, verb.arguments);
  out += option_lines(verb.options);
  if (verb.name == "run") {
    out += fmt::format("  {:<30} {}\n", "--set KEY=VALUE", "any key of the configuration: nemesis.pause.interval=5s");
  }
  out += "\n" + option_lines(common_table());
  return out + fmt::format("\nExit codes: {}\n", exit_codes);
}

std::string man_page() {
  std::string out =
      ".TH FAULTLINE 1\n.SH NAME\nfaultline \\- fault tests for distributed systems, with verdicts that can be "
      "checked\n.SH SYNOPSIS\n";
  for (const VerbSpec& verb : verbs())
    out += fmt::format(".B faultline {}\n{} [options]\n.br\n", verb.name, verb.arguments);
  for (const VerbSpec& verb : verbs()) {
    out += fmt::format(".SH {}\n{}.\nExample:\n.B {}\n", verb.name, verb.summary, verb.example);
    for (const OptionSpec& option : verb.options)
      out += fmt::format(".TP\n.B {}\n{}\n", left_column(option), option.help);
  }
  out += ".SH COMMON OPTIONS\n";
  for (const OptionSpec& option : common_table())
    out += fmt::format(".TP\n.B {}\n{}\n", left_column(option), option.help);
  return out + fmt::format(".SH EXIT STATUS\n{}\n", exit_codes);
}

std::string completion_script(std::string_view shell) {
  std::string verb_names;
  for (const VerbSpec& verb : verbs()) verb_names += fmt::format("{}{}", verb_names.empty() ? "" : " ", verb.name);
  const auto flags_of = [](const VerbSpec& verb) {
    std::string flags;
    for (const OptionSpec& option : verb.options) flags += fmt::format("--{} ", option.name);
    for (const OptionSpec& option : common_table()) flags += fmt::format("--{} ", option.name);
    flags.pop_back();
    return flags;
  };
  if (shell == "fish") {
    std::string out = fmt::format("complete -c faultline -n __fish_use_subcommand -f -a '{}'\n", verb_names);
    for (const VerbSpec& verb : verbs()) {
      for (const OptionSpec& option : verb.options) {
        out += fmt::format("complete -c faultline -n '__fish_seen_subcommand_from {}' -l {} -d '{}'\n", verb.name,
                           option.name, option.help);
      }
    }
    return out;
  }
  if (shell != "bash" && shell != "zsh") return "";
  std::string out = shell == "zsh" ? "autoload -U +X bashcompinit && bashcompinit\n" : "";
  out += "_faultline() {\n  local word=${COMP_WORDS[COMP_CWORD]} words=\"" + verb_names +
         "\"\n  case ${COMP_WORDS[1]} in\n";
  for (const VerbSpec& verb : verbs()) {
    out += fmt::format("    {}) [ \"$COMP_CWORD\" -gt 1 ] && words=\"{}\" ;;\n", verb.name, flags_of(verb));
  }
  return out +
         "  esac\n  COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n}\ncomplete -o default -F _faultline "
         "faultline\n";
}

}  // namespace faultline::cli
