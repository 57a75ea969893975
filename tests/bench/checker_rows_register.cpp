// The table's rows about registers: made here, deterministically, or recorded ones of FAULTLINE_SHARED.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <faultline/formats.hpp>

#include "checker_table.hpp"
#include "tests/support/synthetic.hpp"

namespace faultline::bench {

namespace {

using synthetic::Bad;
using synthetic::Mix;
using synthetic::Values;

void write_lines(const synthetic::Options& options, const std::string& path) {
  const synthetic::Run run = synthetic::simulate(options);
  std::ofstream out(path, std::ios::binary);
  EventIndex index = 0;
  for (const synthetic::Recorded& e : run.events) {
    out << native_line(index++, synthetic::event_of(run.operations[e.operation], e.completion, options.keys > 1));
  }
}

Row made(std::string name, const synthetic::Options& options) {
  const bool valid = options.bad == Bad::none;
  return {.name = std::move(name) + (valid ? ", valid" : ", stale"),
          .model = "cas-register",
          .expected = valid ? "valid" : "invalid",
          .make = [options](const std::string& path) { write_lines(options, path); }};
}

std::filesystem::path shared() {
  const char* set = std::getenv("FAULTLINE_SHARED");
  return (set != nullptr ? std::filesystem::path(set) : std::filesystem::path(FL_SOURCE_DIR) / ".." / "shared") /
         "histories";
}

// What the manifest says porcupine needed for the files under `folder`, in all.
double porcupine_seconds(std::string_view folder) {
  std::ifstream file(shared() / "manifest.json");
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
  Row etcd{.name = "etcd logs, sum", .model = "cas-register", .seconds_at_most = porcupine_seconds("etcd/") / 30};
  if (std::filesystem::is_directory(shared() / "etcd")) {
    for (const auto& file : std::filesystem::directory_iterator(shared() / "etcd")) {
      etcd.files.push_back(file.path().string());
    }
    std::sort(etcd.files.begin(), etcd.files.end());
  }
  table.push_back(std::move(etcd));
  Row redis{.name = "redis latency-injection",
            .model = "register",
            .expected = "invalid",
            .seconds_at_most = 0.003,
            .megabytes_at_most = 20};
  const auto file = shared() / "redis" / "latency-injection.edn";
  if (std::filesystem::exists(file)) redis.files.push_back(file.string());
  table.push_back(std::move(redis));
}

void add(Table& table, std::string name, double seconds, double megabytes, const synthetic::Options& options) {
  Row row = made(std::move(name), options);
  row.seconds_at_most = seconds;
  row.megabytes_at_most = megabytes;
  table.push_back(std::move(row));
}

}  // namespace

void add_register_rows(Table& table) {
  add_recorded(table);
  add(table, "cas, 5 values, C=20, N=1,000", 0.005, 20, {.operations = 1'000, .clients = 20});
  for (const Bad bad : {Bad::none, Bad::stale}) {
    add(table, "cas, 5 values, C=20, N=1,000,000", 3, 200, {.operations = 1'000'000, .clients = 20, .bad = bad});
    add(table, "cas, 5 values, C=50, N=100,000", 5, 500, {.operations = 100'000, .clients = 50, .bad = bad});
    add(table, "cas, 5 values, C=100, N=100,000", bad == Bad::none ? 10 : 0, 1000,
        {.operations = 100'000, .clients = 100, .bad = bad});
    add(table, "cas, 5 values, 1 % info, C=20, N=100,000", 10, 1000,
        {.operations = 100'000, .clients = 20, .info = 0.01, .bad = bad});
    add(table, "cas, unique values, 1 % info, C=20, N=100,000", 5, 1000,
        {.operations = 100'000, .clients = 20, .values = Values::unique, .info = 0.01, .bad = bad});
    add(table, "read/write, unique values, C=100, N=1,000,000", bad == Bad::none ? 0.1 : 0, 200,
        {.operations = 1'000'000, .clients = 100, .mix = Mix::rw, .values = Values::unique, .bad = bad});
  }
  Row lines = made("native JSONL to verdict, register, 10 keys, N=1,000,000",
                   {.operations = 1'000'000, .clients = 10, .mix = Mix::rw, .keys = 10, .values = Values::unique});
  lines.model = "register";
  lines.operations_per_second_at_least = 2'000'000;
  table.push_back(std::move(lines));
  Row keys = made("64 keys, cas, 5 values, C=20 a key, N=2,000,000: 4 threads against 1",
                  {.operations = 2'000'000, .clients = 20 * 64, .keys = 64});
  keys.speedup_at_least = 3;
  table.push_back(std::move(keys));
}

}  // namespace faultline::bench
