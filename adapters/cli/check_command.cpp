// faultline check: judges histories recorded anywhere.
#include <fmt/format.h>

#include "checking.hpp"
#include "commands.hpp"
#include "judge.hpp"

namespace faultline::cli {

namespace {

constexpr int invalid_exit = 1, unknown_exit = 2, harness_exit = 3, interrupted_exit = 130;

// The worst in the order violation > harness failure > unknown > valid; an interrupt shows unless a violation was found.
int worse(int a, int b) {
  constexpr int order[] = {0, unknown_exit, interrupted_exit, harness_exit, 64, invalid_exit};
  const auto rank = [&](int code) { return std::find(std::begin(order), std::end(order), code) - std::begin(order); };
  return rank(a) >= rank(b) ? a : b;
}

Result<void> write_requested(const Settings& settings, const ReportInput& input, const Judgement& judgement) {
  if (settings.given("report")) {
    if (auto written = write_page(settings.text("report"), input); !written) return written;
  }
  if (settings.given("certificate") && judgement.certificate) {
    if (auto written = write_file(settings.text("certificate"), to_json(*judgement.certificate)); !written)
      return written;
  }
  if (settings.given("minimal") && !judgement.verdict.anomalies.empty()) {
    return write_file(settings.text("minimal"),
                      render_minimal_jsonl(*input.history, judgement.verdict.anomalies.front()));
  }
  return {};
}

struct Checked {
  int exit = 0;
  std::string json;
};

Result<Checked> check_one(const std::string& path, const Settings& settings, Console& console) {
  const Stopwatch since;
  const Limits limits = limits_of(settings, "time-limit", since);
  auto loaded = load(path, settings, limits, console);
  if (!loaded) return loaded.error();
  const auto& [read, model, unfinished] = loaded.value();
  ReportInput input{.history = &read.history, .source = path, .model_options = meaning_of(settings)};
  input.seconds_parse = since.elapsed();
  const bool want_certificate = settings.given("certificate") || settings.given("report");
  const int interrupts_before = interrupts();
  CheckOptions options = check_options(settings, read.format);
  options.stop_at_first = settings.flag("stop-at-first");
  auto judged = unfinished.empty() ? judge(*input.history, model, std::move(options), limits, want_certificate, console)
                                   : Judgement{.verdict = unread(loaded.value())};
  if (!judged) return in_file(path, judged.error());
  Judgement& judgement = judged.value();
  for (const Remark& remark : read.remarks) judgement.verdict.ignored.push_back(remark.text);
  input.verdict = judgement.verdict;
  input.certificate_verified = judgement.certificate_verified;
  if (interrupts() > interrupts_before) input.ending = Ending::interrupted;
  input.time_limit = limits.time;
  input.memory_limit = limits.memory;
  for (auto [option, target] : {std::pair{"report", &input.report_path},
                                {"minimal", &input.minimal_path},
                                {"certificate", &input.certificate_path}}) {
    if (settings.given(option)) *target = settings.text(option);
  }
  // The minimal history, if there is one, is what the reproduce command judges.
  if (!input.minimal_path.empty() && !judgement.verdict.anomalies.empty())
    input.model_options = meaning_of_native(settings, read.format);
  describe_tool(input);
  if (auto written = write_requested(settings, input, judgement); !written) return written.error();
  const std::string json = render_verdict_json(input);
  if (console.json()) {
    annotate(input, console);
  } else {
    print_result(input, console);
  }
  if (settings.flag("open") && settings.given("report")) open_in_browser(settings.text("report"), console);
  return Checked{exit_code(input), json};
}

}  // namespace

int check_command(const Settings& settings, Console& console) {
  const auto& paths = settings.arguments();
  if (paths.size() > 1) {
    for (const char* single : {"report", "certificate", "minimal"}) {
      if (settings.given(single)) {
        return fail(Error::bad_input(fmt::format("--{} takes one history, not {}", single, paths.size())), console);
      }
    }
  }
  int exit = 0;
  std::string objects;
  for (const std::string& path : paths) {
    if (interrupts() > 0) break;
    if (paths.size() > 1 && !console.json()) console.result(path + "\n");
    auto checked = check_one(path, settings, console);
    if (!checked) {
      if (paths.size() == 1) return fail(checked.error(), console);
      console.error(checked.error().to_string());
      objects += (objects.empty() ? "" : ",\n") + error_json(checked.error(), path);
      exit = worse(exit, checked.error().exit_code());
      continue;
    }
    objects += (objects.empty() ? "" : ",\n") + checked.value().json;
    exit = worse(exit, checked.value().exit);
  }
  if (console.json()) console.result(paths.size() == 1 ? objects + "\n" : "[" + objects + "]\n");
  return exit;
}

}  // namespace faultline::cli
