#include "judge.hpp"

#include <faultline/models.hpp>

#include <fmt/format.h>

#include <spawn.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "sha256.hpp"
#include "units.hpp"

extern char** environ;

namespace faultline::cli {

std::uint64_t rss_now() {
  std::ifstream file("/proc/self/statm");
  std::uint64_t total = 0, resident = 0;
  file >> total >> resident;
  return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

namespace {

std::string progress_text(const CheckProgress& progress, const Limits& limits) {
  return fmt::format("{}/{} keys  {:.1f}M states  {}/{}  {} valid {} invalid",
                     progress.keys_valid + progress.keys_invalid + progress.keys_unknown, progress.keys_total,
                     static_cast<double>(progress.configurations) / 1e6, bytes_text(rss_now()),
                     bytes_text(limits.memory), progress.keys_valid, progress.keys_invalid);
}

// Proofs of every key that was decided the way the whole verdict was.
std::optional<Certificate> certify(const History& history, const std::string& model, const CheckOptions& options,
                                   const Verdict& verdict) {
  std::vector<KeyProof> proofs;
  if (verdict.kind == VerdictKind::valid) {
    for (const KeyVerdict& key : verdict.by_key) {
      if (!key.order.empty()) proofs.push_back({.key = key.key, .kind = VerdictKind::valid, .order = key.order});
    }
  } else if (verdict.kind == VerdictKind::invalid) {
    for (const Anomaly& anomaly : verdict.anomalies) proofs.push_back(proof_of(anomaly));
    if (proofs.empty()) return std::nullopt;
  } else {
    return std::nullopt;
  }
  return make_certificate(history, model, options, verdict.kind, std::move(proofs));
}

Result<void> write_or_remove(const std::filesystem::path& path, const std::optional<std::string>& bytes) {
  if (bytes) return write_file(path, *bytes);
  std::error_code ignored;
  std::filesystem::remove(path, ignored);
  return {};
}

// What a verdict rests on, by its hash; files that are not there have none.
std::vector<std::pair<std::string, std::string>> hashes_of(const std::filesystem::path& directory) {
  std::vector<std::pair<std::string, std::string>> hashes;
  std::string chunk(std::size_t{1} << 16U, '\0');
  for (const char* name : {"run.toml", "simulation.json", "clock.json", "schedule.json", "history.jsonl",
                           "minimal.jsonl", "certificate.json"}) {
    std::ifstream file(directory / name, std::ios::binary);
    if (!file) continue;
    reports::Sha256 hash;
    while (file.read(chunk.data(), static_cast<std::streamsize>(chunk.size())) || file.gcount() > 0)
      hash.add(std::string_view(chunk).substr(0, static_cast<std::size_t>(file.gcount())));
    hashes.emplace_back(name, reports::hexadecimal(hash.finish()));
  }
  return hashes;
}

}  // namespace

Limits limits_of(const Settings& settings, std::string_view time_limit, Stopwatch since) {
  Limits limits{.time = settings.optional_duration(time_limit), .since = since};
  limits.memory = settings.optional_size("memory-limit").value_or(default_memory_limit());
  const auto threads = static_cast<unsigned>(std::min<std::uint64_t>(settings.number("threads"), 1024));
  limits.threads = threads == 0 ? core_count() : threads;
  return limits;
}

Result<Judgement> judge(const History& history, const std::string& model, CheckOptions options, const Limits& limits,
                        bool want_certificate, Console& console) {
  console.phase("check", fmt::format("{} operations, model {}", history.operation_count(), model));
  options.threads = limits.threads;
  options.certify = want_certificate;
  options.elapsed = [since = limits.since] { return since.elapsed(); };
  options.cancelled = [before = interrupts()] { return interrupts() > before; };
  if (limits.time) options.time_limit = *limits.time;
  const std::uint64_t used = rss_now();
  options.memory_limit = limits.memory > used ? limits.memory - used : 0;
  options.progress = [&](const CheckProgress& progress) {
    console.progress(progress_text(progress, limits));
    if (limits.on_progress) limits.on_progress(progress);
  };
  auto verdict = check(history, model, options);
  if (!verdict) return verdict.error();
  Judgement judgement{.verdict = std::move(verdict).value()};
  if (!want_certificate) return judgement;
  judgement.certificate = certify(history, model, options, judgement.verdict);
  if (judgement.certificate) {
    const auto verification = verify(history, *judgement.certificate);
    if (!verification) return verification.error();
    judgement.certificate_verified = verification.value().outcome == Verification::Outcome::confirmed;
    if (verification.value().outcome == Verification::Outcome::rejected) {
      return Error::environment(fmt::format("the verdict '{}' is withdrawn: its own certificate is refused: {}",
                                            to_string(judgement.verdict.kind), verification.value().reason),
                                "this is a defect of the checker; keep the history and report it");
    }
  }
  return judgement;
}

Result<std::string> choose_model(const History& history) {
  std::vector<std::string> functions;
  bool reads_lists = false;
  bool acquires_tokens = false;
  for (OperationIndex o = 0; o < history.operation_count(); ++o) {
    const std::string& f = history.functions()[history.function(history.invoked(o))];
    if (std::find(functions.begin(), functions.end(), f) == functions.end()) functions.push_back(f);
    if (history.outcome(o) != Outcome::ok) continue;
    const Value& result = history.value(history.completed(o));
    if (f == "read") reads_lists = reads_lists || result.is_list() || result.is_tagged();
    if (f == "acquire") acquires_tokens = acquires_tokens || result.is_integer();
  }
  for (const std::string_view name : {"register", "cas-register", "kv", "mutex", "fenced-mutex", "set", "counter",
                                      "fifo-queue", "stack", "unique-ids", "append-list"}) {
    if (name == "mutex" && acquires_tokens) continue;
    if (name == "set" && !reads_lists && functions == std::vector<std::string>{"add", "read"}) continue;
    const auto model = make_model(name);
    const bool knows_all =
        model.ok() && std::all_of(functions.begin(), functions.end(), [&](const std::string& f) {
          return std::visit([&](const auto& concrete) { return concrete.accepts(f); }, model.value());
        });
    if (knows_all) return std::string(name);
  }
  return Error::bad_input(fmt::format("no model knows all operations of this history: {}", join(functions, ", ")),
                          fmt::format("name one with --model: {}", fmt::join(model_names(), ", ")));
}

void describe_tool(ReportInput& input) {
  input.tool = tool_versions();
  if (input.utc.empty()) input.utc = utc_text();
  input.peak_rss_bytes = peak_rss_bytes();
}

Result<void> write_page(const std::filesystem::path& file, const ReportInput& input) {
  return write_file(file, [&input](const Sink& sink) { write_html(input, sink); });
}

Result<void> write_run_files(const std::filesystem::path& directory, ReportInput& input,
                             const std::optional<Certificate>& certificate) {
  Result<void> first_problem;
  const auto keep = [&first_problem](Result<void> written) {
    if (!written && first_problem.ok()) first_problem = std::move(written);
  };
  std::optional<std::string> minimal;
  if (input.verdict && !input.verdict->anomalies.empty()) {
    minimal = render_minimal_jsonl(*input.history, input.verdict->anomalies.front());
  }
  keep(write_or_remove(directory / "minimal.jsonl", minimal));
  keep(write_or_remove(directory / "certificate.json",
                       certificate ? std::optional(to_json(*certificate)) : std::nullopt));
  if (input.run && input.ending != Ending::not_checked_yet) input.run->artefacts = hashes_of(directory);
  keep(write_file(directory / "verdict.json", render_verdict_json(input)));
  keep(write_file(directory / "report.json", render_report_json(input)));
  keep(write_file(directory / "summary.md", render_markdown(input)));
  keep(write_file(directory / "junit.xml", render_junit(input)));
  keep(write_page(directory / "report.html", input));
  return first_problem;
}

void annotate(const ReportInput& input, Console& console) {
  const char* where = std::getenv("GITHUB_ACTIONS");
  if (where != nullptr && std::string_view(where) == "true") console.annotations(render_annotations(input));
}

void print_result(const ReportInput& input, Console& console) {
  annotate(input, console);
  console.result(console.json() ? render_verdict_json(input) + "\n" : render_terminal(input, console.style()));
}

void open_in_browser(const std::string& what, Console& console) {
  const bool address = what.find("://") != std::string::npos;
  const std::string path = address ? what : std::filesystem::absolute(what).string();
  std::string program = "xdg-open";
  std::string argument = path;
  char* const arguments[] = {program.data(), argument.data(), nullptr};
  pid_t child = 0;
  if (::posix_spawnp(&child, program.c_str(), nullptr, nullptr, arguments, environ) != 0) {
    console.note(fmt::format("cannot open {}: xdg-open is not installed", path));
  }
}

}  // namespace faultline::cli
