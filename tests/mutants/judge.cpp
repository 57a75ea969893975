// judge HISTORY…: the checker's verdict on each file, "valid <file>" a line. The model stands in the name: good-two-keys.register.jsonl.
// What the bugs planted in the checker are tried on; exit 3 if a file cannot be judged at all.
#include <faultline/checker.hpp>
#include <faultline/formats.hpp>

#include <fmt/format.h>

#include <filesystem>

int main(int count, char** arguments) {
  for (int i = 1; i < count; ++i) {
    const std::filesystem::path file = arguments[i];
    const std::string model = file.stem().extension().string();
    const auto read = faultline::read_history_file(file.string());
    const auto verdict =
        read && !model.empty()
            ? faultline::check(read.value().history, model.substr(1))
            : faultline::Result<faultline::Verdict>(faultline::Error::bad_input("no history, or no model in its name"));
    if (!verdict) {
      fmt::print(stderr, "{}: {}\n", file.string(), verdict.error().to_string());
      return 3;
    }
    fmt::print("{} {}\n", faultline::to_string(verdict.value().kind), file.filename().string());
  }
  return 0;
}
