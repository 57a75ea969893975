#include "checking.hpp"

#include <fmt/format.h>

#include "files.hpp"
#include "judge.hpp"
#include "units.hpp"

namespace faultline::cli {

namespace {

bool nil_is_unknown(const Settings& settings, Format format) {
  const std::string nil_read = settings.text("nil-read");
  return nil_read == "unknown" || (nil_read == "auto" && format == Format::jepsen_edn);
}

}  // namespace

Result<Loaded> load(const std::string& path, const Settings& settings, const Limits& limits, Console& console) {
  console.phase("read", path);
  ReadOptions options = read_options(settings);
  std::string_view stopped;
  options.stop = [&, before = interrupts()] {
    if (interrupts() > before) {
      stopped = "interrupted";
    } else if (limits.time && limits.since.elapsed() > *limits.time) {
      stopped = "time limit";
    } else if (rss_now() > limits.memory) {
      stopped = "memory limit";
    }
    return stopped;
  };
  auto read = read_history_file(path, options);
  if (!read && !stopped.empty()) {
    return Loaded{.read = {}, .model = settings.text("model"), .unfinished = std::string(stopped)};
  }
  if (!read) return read.error();
  console.log(read.value().chosen);
  for (const Remark& remark : read.value().remarks) console.note(fmt::format("{}: {}", path, remark.text));
  std::string model = settings.text("model");
  if (model == "auto") {
    auto chosen = choose_model(read.value().history);
    if (!chosen) return chosen.error();
    model = std::move(chosen).value();
    console.note(fmt::format("{}: model {} (--model names another)", path, model));
  }
  return Loaded{.read = std::move(read).value(), .model = std::move(model), .unfinished = {}};
}

Verdict unread(const Loaded& loaded) {
  Verdict verdict;
  verdict.model = loaded.model;
  verdict.engine = "none";
  verdict.unfinished = loaded.unfinished;
  verdict.reason = fmt::format("The search stopped: {}, while the history was being read.", loaded.unfinished);
  return verdict;
}

CheckOptions check_options(const Settings& settings, Format format) {
  CheckOptions options;
  options.initial = settings.value("initial");
  options.failed_cas = settings.text("failed-cas") == "observe" ? FailedCas::observe : FailedCas::drop;
  options.nil_read = nil_is_unknown(settings, format) ? NilRead::unknown : NilRead::value;
  options.engine = settings.text("engine");
  return options;
}

std::string meaning_of(const Settings& settings) {
  std::vector<std::string> flags;
  for (const char* name : {"failed-cas", "nil-read", "initial", "format"}) {
    if (settings.given(name)) flags.push_back(fmt::format("--{} {}", name, settings.text(name)));
  }
  if (settings.flag("independent")) flags.emplace_back("--independent");
  return join(flags, " ");
}

std::string meaning_of_native(const Settings& settings, Format format) {
  std::vector<std::string> flags;
  if (settings.text("failed-cas") == "observe") flags.emplace_back("--failed-cas observe");
  if (nil_is_unknown(settings, format)) flags.emplace_back("--nil-read unknown");
  if (settings.given("initial")) flags.push_back("--initial " + shell_word(settings.text("initial")));
  return join(flags, " ");
}

Error in_file(const std::string& path, Error error) {
  constexpr std::string_view line = "line ";
  const std::size_t colon = error.message.find(": ");
  if (error.message.starts_with(line) && colon != std::string::npos) {
    const std::string number = error.message.substr(line.size(), colon - line.size());
    error.message = fmt::format("{}:{}: error: {}", path, number, error.message.substr(colon + 2));
  } else {
    error.message = fmt::format("{}: error: {}", path, error.message);
  }
  return error;
}

}  // namespace faultline::cli
