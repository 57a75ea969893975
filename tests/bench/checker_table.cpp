// Prints the checker's table of figures: for each row, times and memory, the figures set for it, and whether it meets
// them.
//
//   checker_table [--json FILE] [--only TEXT]      measures the rows whose name contains TEXT
//   checker_table --compare OLD.json NEW.json      two results of --json side by side
//
// Two processes per row: one writes the history to a temporary file, the other reads and checks it, so that the peak of
// resident memory is the row's own and that of a user's `faultline check`: program, history and search together.
// Exits 1 if a row is wrong or misses its figures.
#include "checker_table.hpp"

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string_view>

#include <faultline/formats.hpp>

namespace faultline::bench {

namespace {

constexpr double megabyte = 1e6;

// What the child writes to the pipe; nothing if it died.
std::optional<Outcome> in_child(const std::function<Outcome()>& work) {
  int ends[2];
  if (pipe(ends) != 0) return std::nullopt;
  std::fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    const Outcome mine = work();
    const bool sent = write(ends[1], &mine, sizeof mine) == static_cast<ssize_t>(sizeof mine);
    _exit(sent ? 0 : 1);
  }
  close(ends[1]);
  Outcome theirs;
  const bool got = child > 0 && read(ends[0], &theirs, sizeof theirs) == static_cast<ssize_t>(sizeof theirs);
  close(ends[0]);
  if (child > 0) waitpid(child, nullptr, 0);
  return got ? std::optional(theirs) : std::nullopt;
}

Outcome measure(const Row& row) {
  std::vector<std::string> files = row.files;
  std::string made;
  if (row.make) {
    made = (std::filesystem::temp_directory_path() / fmt::format("checker-table-{}.jsonl", getpid())).string();
    in_child([&] {
      row.make(made);
      return Outcome();
    });
    files = {made};
  }
  const auto outcome = in_child([&] { return measure_here(row, files); });
  if (!made.empty()) std::filesystem::remove(made);
  return outcome.value_or(Outcome());
}

double operations_per_second(const Outcome& o) {
  return static_cast<double>(o.operations) / (o.seconds_parse + o.seconds_check);
}

// "met", or what is amiss.
std::string_view met(const Row& row, const Outcome& o) {
  if (std::strcmp(o.verdict, "crashed") == 0) return "CRASHED";
  if (!row.expected.empty() && row.expected != o.verdict) return "WRONG";
  if (row.seconds_at_most > 0 && o.seconds_check > row.seconds_at_most) return "slow";
  if (row.megabytes_at_most > 0 && static_cast<double>(o.peak_bytes) > row.megabytes_at_most * megabyte) return "large";
  if (row.operations_per_second_at_least > 0 && operations_per_second(o) < row.operations_per_second_at_least) {
    return "slow";
  }
  if (row.speedup_at_least > 0 && o.speedup < row.speedup_at_least) return "slow";
  return "met";
}

std::string figures(const Row& row) {
  std::string text;
  const auto add = [&](double figure, std::string_view form) {
    if (figure > 0) text += (text.empty() ? "" : ", ") + fmt::format(fmt::runtime(form), figure);
  };
  add(row.seconds_at_most, "<= {:.3g} s");
  add(row.megabytes_at_most, "<= {:g} MB");
  add(row.operations_per_second_at_least / 1e6, ">= {:g} M operations/s");
  add(row.speedup_at_least, ">= {:g} times");
  return text.empty() ? "-" : text;
}

std::string json(const Row& row, const Outcome& o) {
  return fmt::format(
      R"({{"row":"{}","verdict":"{}","engine":"{}","operations":{},"seconds_parse":{:.6f},"seconds_check":{:.6f},)"
      R"("seconds_explain":{:.6f},"operations_per_second":{:.0f},"speedup":{:.2f},"peak_rss_bytes":{},)"
      R"("baseline_rss_bytes":{},"figures":"{}","met":"{}"}})",
      row.name, o.verdict, o.engine, o.operations, o.seconds_parse, o.seconds_check, o.seconds_explain,
      operations_per_second(o), o.speedup, o.peak_bytes, o.baseline_bytes, figures(row), met(row, o));
}

void print(const Row& row, const Outcome& o) {
  std::string more;
  if (o.speedup > 0) more = fmt::format(" ({:.2f} times)", o.speedup);
  if (row.operations_per_second_at_least > 0) {
    more = fmt::format(" ({:.2f} M operations/s)", operations_per_second(o) / 1e6);
  }
  const auto explain = o.seconds_explain > 0 ? fmt::format("{:.3f}", o.seconds_explain) : std::string("-");
  fmt::print("{:70} {:>8} {:>11} {:>8.3f} {:>8.4f} {:>8} {:>7.1f} {:>5.1f}  {:24} {}{}\n", row.name, o.verdict,
             o.engine, o.seconds_parse, o.seconds_check, explain, static_cast<double>(o.peak_bytes) / megabyte,
             static_cast<double>(o.baseline_bytes) / megabyte, figures(row), met(row, o), more);
}

int run_table(const std::string& only, const std::string& json_file) {
  Table table;
  add_register_rows(table);
  add_object_rows(table);
  fmt::print(
      "Times are seconds of processor time, one thread; MB are 10^6 bytes of resident memory: the peak of the\n"
      "process that read and decided the history, and (base) what it held before.\n\n");
  fmt::print("{:70} {:>8} {:>11} {:>8} {:>8} {:>8} {:>7} {:>5}  {:24}\n", "history", "verdict", "engine", "parse",
             "check", "explain", "MB", "base", "figures to reach");
  std::string objects;
  bool all = true;
  for (const Row& row : table) {
    if (row.name.find(only) == std::string::npos) continue;
    if (!row.make && row.files.empty()) {
      fmt::print("{:70} not present\n", row.name);
      continue;
    }
    const Outcome o = measure(row);
    print(row, o);
    objects += (objects.empty() ? "[\n" : ",\n") + json(row, o);
    all = all && met(row, o) == "met";
  }
  if (!json_file.empty()) std::ofstream(json_file) << (objects.empty() ? "[" : objects) << "\n]\n";
  return all ? 0 : 1;
}

std::optional<Value> load(const std::string& path) {
  std::ifstream file(path);
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  auto parsed = parse_json(text);
  if (!parsed || !parsed.value().is_list()) {
    fmt::print(stderr, "{}: error: expected a result of --json\n", path);
    return std::nullopt;
  }
  return std::move(parsed).value();
}

double number(const Value& row, std::string_view field) {
  const Value& value = row.get(field);
  return value.is_real() ? value.as_real() : value.is_integer() ? static_cast<double>(value.as_integer()) : 0;
}

int compare(const std::string& old_file, const std::string& new_file) {
  const auto before = load(old_file);
  const auto after = load(new_file);
  if (!before || !after) return 64;
  fmt::print("{:70} {:>9} {:>9} {:>6}  {:>9} {:>9} {:>6}  {:>8} {:>8}\n", "history", "check", "new", "x", "parse",
             "new", "x", "MB", "new");
  for (const Value& now : after->as_list()) {
    for (const Value& then : before->as_list()) {
      if (!(then.get("row") == now.get("row"))) continue;
      const auto ratio = [&](std::string_view field) {
        return number(then, field) > 0 ? number(now, field) / number(then, field) : 0;
      };
      fmt::print("{:70} {:>9.4f} {:>9.4f} {:>6.2f}  {:>9.4f} {:>9.4f} {:>6.2f}  {:>8.1f} {:>8.1f}\n",
                 now.get("row").as_text(), number(then, "seconds_check"), number(now, "seconds_check"),
                 ratio("seconds_check"), number(then, "seconds_parse"), number(now, "seconds_parse"),
                 ratio("seconds_parse"), number(then, "peak_rss_bytes") / megabyte,
                 number(now, "peak_rss_bytes") / megabyte);
    }
  }
  return 0;
}

int run(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  if (arguments.size() == 3 && arguments[0] == "--compare") return compare(arguments[1], arguments[2]);
  std::string json_file;
  std::string only;
  for (std::size_t i = 0; i < arguments.size(); i += 2) {
    if ((arguments[i] != "--json" && arguments[i] != "--only") || i + 1 == arguments.size()) {
      fmt::print(stderr, "usage: checker_table [--json FILE] [--only TEXT] | --compare OLD.json NEW.json\n");
      return 64;
    }
    (arguments[i] == "--json" ? json_file : only) = arguments[i + 1];
  }
  return run_table(only, json_file);
}

}  // namespace
}  // namespace faultline::bench

int main(int argc, char** argv) { return faultline::bench::run(argc, argv); }
