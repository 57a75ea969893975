// Real histories with known facts, read from FAULTLINE_SHARED (default: ../shared beside the source). They are not part
// of the project, so these tests say so and pass where they are absent.
#include <faultline/formats.hpp>

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>

namespace faultline {
namespace {

std::filesystem::path shared_histories() {
  const char* named = std::getenv("FAULTLINE_SHARED");
  const std::filesystem::path shared =
      named != nullptr ? named : std::filesystem::path(FL_SOURCE_DIR) / ".." / "shared";
  return shared / "histories";
}

std::optional<Value> manifest() {
  std::ifstream file(shared_histories() / "manifest.json");
  if (!file) {
    std::cout << "not present: " << shared_histories() << '\n';
    return std::nullopt;
  }
  const auto parsed = parse_json(std::string(std::istreambuf_iterator<char>(file), {}));
  EXPECT_TRUE(parsed.ok());
  return parsed.ok() ? std::optional(parsed.value()) : std::nullopt;
}

bool same_events(const History& a, const History& b) {
  if (a.size() != b.size()) return false;
  for (EventIndex i = 0; i < a.size(); ++i) {
    Event x = a.event(i);
    Event y = b.event(i);
    x.line = y.line = 0;
    if (x != y) return false;
  }
  return true;
}

TEST(SharedHistories, ReadAsDeclaredAndByContentWithTheManifestsOperations) {
  const auto entries = manifest();
  if (!entries) return;
  for (const Value& entry : entries->as_list()) {
    const std::string path = shared_histories() / entry.get("file").as_text();
    const Format format = *parse_format(entry.get("format").as_text());
    const auto declared = read_history_file(path, {.format = format});
    ASSERT_TRUE(declared.ok()) << declared.error().to_string();
    const auto recognised = read_history_file(path);
    ASSERT_TRUE(recognised.ok()) << recognised.error().to_string();
    EXPECT_EQ(recognised.value().format, format) << path;
    EXPECT_TRUE(same_events(declared.value().history, recognised.value().history)) << path;
    EXPECT_GT(declared.value().history.size(), 0U) << path;  // one holds nothing but faults
    if (!entry.get("operations").is_null()) {
      EXPECT_EQ(static_cast<std::int64_t>(declared.value().history.operation_count()),
                entry.get("operations").as_integer())
          << path;
    }
    for (const Remark& remark : declared.value().remarks)
      EXPECT_NE(remark.kind, "other-messages") << path << remark.text;
  }
}

TEST(SharedHistories, ComeBackUnchangedFromTheNativeFormatAndFromEdn) {
  const auto entries = manifest();
  if (!entries) return;
  for (const Value& entry : entries->as_list()) {
    const std::string path = shared_histories() / entry.get("file").as_text();
    if (std::filesystem::file_size(path) > 200'000) continue;
    const auto read = read_history_file(path);
    ASSERT_TRUE(read.ok()) << read.error().to_string();
    for (const Format format : {Format::jsonl, Format::jepsen_edn, *parse_format(entry.get("format").as_text())}) {
      const auto written = write_history(read.value().history, format);
      ASSERT_TRUE(written.ok()) << written.error().to_string();
      const auto again = read_history(written.value().text, {.format = format});
      ASSERT_TRUE(again.ok()) << again.error().to_string();
      EXPECT_TRUE(same_events(read.value().history, again.value().history)) << path << " as " << to_string(format);
    }
  }
}

}  // namespace
}  // namespace faultline
