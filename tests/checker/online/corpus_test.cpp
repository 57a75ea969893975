// Recorded histories with known verdicts, where they are present: watched online they get the same.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <faultline/formats.hpp>
#include <faultline/online.hpp>

namespace faultline::test {
namespace {

std::filesystem::path corpus() {
  const char* folder = std::getenv("FAULTLINE_SHARED");
  const std::filesystem::path shared =
      folder != nullptr ? folder : std::filesystem::path(FL_SOURCE_DIR) / ".." / "shared";
  return shared / "histories";
}

struct Tally {
  std::size_t files = 0, invalid = 0, given_up = 0, relaxed = 0;
};

void watch(const Value& entry, Tally& tally) {
  const std::string format(entry.get("format").as_text());
  const auto read =
      read_history_file((corpus() / entry.get("file").as_text()).string(), {.format = *parse_format(format)});
  ASSERT_TRUE(read.ok()) << read.error().to_string();
  const History& history = read.value().history;
  // EDN prints nil for "not known".
  OnlineOptions options{.nil_read = format == "jepsen-edn" ? NilRead::unknown : NilRead::value, .lag = Duration(40)};
  if (entry.get("options").is_list() && !entry.get("options").as_list().empty())
    options.failed_cas = FailedCas::observe;
  OnlineChecker online = OnlineChecker::make(entry.get("model").as_text(), options).value();
  bool violated = false;
  for (EventIndex i = 0; i < history.size(); ++i) {
    Event event = history.event(i);
    event.time = Instant(Duration(i));
    violated = online.feed(event).has_value() || violated;
    violated = !online.look(event.time).empty() || violated;
  }
  violated = !online.finish().empty() || violated;
  const OnlineStatus status = online.status();
  const bool invalid = entry.get("expected").as_text() == "invalid";
  ++tally.files;
  tally.invalid += invalid;
  tally.given_up += status.given_up;
  tally.relaxed += status.relaxed;
  if (violated || status.given_up + status.relaxed == 0) {
    EXPECT_EQ(violated, invalid) << status.given_up << " keys given up: " << status.reason;
  }
}

TEST(OnlineCorpus, EveryFileGetsTheVerdictOfTheCheckAfterwards) {
  std::ifstream file(corpus() / "manifest.json");
  if (!file) {
    std::printf("%s: not present\n", corpus().c_str());
    return;
  }
  std::stringstream text;
  text << file.rdbuf();
  const auto manifest = parse_json(text.str());
  ASSERT_TRUE(manifest.ok()) << manifest.error().to_string();
  Tally tally;
  for (const Value& entry : manifest.value().as_list()) {
    SCOPED_TRACE(std::string(entry.get("file").as_text()));
    watch(entry, tally);
  }
  std::printf("%zu files, %zu invalid; keys given up %zu, relaxed %zu\n", tally.files, tally.invalid, tally.given_up,
              tally.relaxed);
  // Few enough that the comparison means something.
  EXPECT_LE(tally.given_up + tally.relaxed, tally.files / 20);
}

}  // namespace
}  // namespace faultline::test
