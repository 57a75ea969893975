// The table's rows about registers. Histories are made here, deterministically, except the recorded ones of FAULTLINE_SHARED.
#include <faultline/formats.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "checker/register/register.hpp"
#include "checker_table.hpp"
#include "tests/support/synthetic.hpp"

namespace faultline::bench {

namespace {

constexpr std::uint64_t megabyte = 1'000'000;

// Compiling counts: it is what a check begins with.
Measured check_once(const History& history, const Value& initial) {
  const double start = processor_seconds();
  const RegisterProblem problem = compile(history, {.initial = initial, .failed_cas = FailedCas::observe});
  const SearchResult result = search_register(problem, {});
  return {.verdict = std::string(to_string(result.kind)),
          .engine = result.engine,
          .operations = history.operation_count(),
          .seconds = processor_seconds() - start,
          .engine_bytes = result.cost.peak_bytes};
}

Measured check_often(const History& history, const Value& initial, const std::function<void()>& begin) {
  begin();
  std::vector<Measured> runs;
  double total = 0;
  while (runs.empty() || (runs.size() < 15 && total < 1)) {
    runs.push_back(check_once(history, initial));
    total += runs.back().seconds;
  }
  const auto middle = runs.begin() + static_cast<std::ptrdiff_t>(runs.size() / 2);
  std::nth_element(runs.begin(), middle, runs.end(),
                   [](const Measured& a, const Measured& b) { return a.seconds < b.seconds; });
  return *middle;
}

void add(Table& table, std::string name, double seconds, std::uint64_t megabytes, const synthetic::Options& options) {
  const bool valid = options.bad == synthetic::Bad::none;
  table.push_back({.name = std::move(name) + (valid ? ", valid" : ", stale"),
                   .seconds_at_most = seconds,
                   .bytes_at_most = megabytes * megabyte,
                   .expected = valid ? "valid" : "invalid",
                   .run = [options](const std::function<void()>& begin) {
                     return check_often(synthetic::history(options), Value(), begin);
                   }});
}

std::filesystem::path shared() {
  const char* set = std::getenv("FAULTLINE_SHARED");
  return set != nullptr ? std::filesystem::path(set) : std::filesystem::path(FL_SOURCE_DIR) / ".." / "shared";
}

// What the manifest says porcupine needed for the files under `folder`, in all.
double porcupine_seconds(std::string_view folder) {
  std::ifstream file(shared() / "histories" / "manifest.json");
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const auto manifest = parse_json(text);
  double sum = 0;
  if (!manifest || !manifest.value().is_list()) return sum;
  for (const Value& entry : manifest.value().as_list()) {
    const Value& seconds = entry.get("porcupine_seconds");
    if (entry.get("file").as_text().starts_with(folder) && seconds.is_real()) sum += seconds.as_real();
  }
  return sum;
}

void add_recorded(Table& table) {
  const auto logs = shared() / "histories" / "etcd";
  if (std::filesystem::exists(logs)) {
    table.push_back({.name = "etcd logs, sum",
                     .seconds_at_most = porcupine_seconds("etcd/") / 30,
                     .run = [logs](const std::function<void()>& begin) {
                       std::vector<History> histories;
                       for (const auto& file : std::filesystem::directory_iterator(logs)) {
                         auto read = read_history_file(file.path().string(), {.format = Format::jepsen_log});
                         if (read) histories.push_back(std::move(read.value().history));
                       }
                       begin();
                       Measured sum{.verdict = "-", .engine = "-"};
                       for (const History& history : histories) {
                         const Measured one = check_once(history, Value());
                         sum.operations += one.operations;
                         sum.seconds += one.seconds;
                         sum.engine_bytes = std::max(sum.engine_bytes, one.engine_bytes);
                       }
                       return sum;
                     }});
  }
  const auto redis = shared() / "histories" / "redis" / "latency-injection.edn";
  if (std::filesystem::exists(redis)) {
    table.push_back({.name = "redis latency-injection",
                     .seconds_at_most = 0.003,
                     .bytes_at_most = 20 * megabyte,
                     .run = [redis](const std::function<void()>& begin) {
                       auto read = read_history_file(redis.string(), {.format = Format::jepsen_edn});
                       FL_ASSERT(read.ok());
                       return check_often(read.value().history, Value(), begin);
                     }});
  }
}

}  // namespace

void add_register_rows(Table& table) {
  using synthetic::Bad;
  using synthetic::Mix;
  using synthetic::Values;
  add_recorded(table);
  add(table, "cas, 5 values, C=20, N=1,000", 0.005, 20, {.operations = 1'000, .clients = 20});
  for (const Bad bad : {Bad::none, Bad::stale}) {
    add(table, "cas, 5 values, C=20, N=1,000,000", 3, 200, {.operations = 1'000'000, .clients = 20, .bad = bad});
    add(table, "cas, 5 values, C=50, N=100,000", 5, 500, {.operations = 100'000, .clients = 50, .bad = bad});
    add(table, "cas, 5 values, C=100, N=100,000", bad == Bad::none ? 10 : 0, 1000,
        {.operations = 100'000, .clients = 100, .bad = bad});
    add(table, "cas, 5 values, 1 % info, C=20, N=100,000", 10, 1000,
        {.operations = 100'000, .clients = 20, .info = 0.01, .bad = bad});
    add(table, "cas, 5 values, 10 % info, C=20, N=100,000", 0, 0,
        {.operations = 100'000, .clients = 20, .info = 0.1, .bad = bad});
    add(table, "cas, unique values, 1 % info, C=20, N=100,000", 5, 1000,
        {.operations = 100'000, .clients = 20, .values = Values::unique, .info = 0.01, .bad = bad});
    add(table, "read/write, unique values, C=100, N=1,000,000", bad == Bad::none ? 0.1 : 0, 200,
        {.operations = 1'000'000, .clients = 100, .mix = Mix::rw, .values = Values::unique, .bad = bad});
  }
}

}  // namespace faultline::bench
