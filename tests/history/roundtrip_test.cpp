// What is written comes back: random histories through every format, and random values through JSON and EDN.
#include <faultline/formats.hpp>

#include <gtest/gtest.h>

#include "random_values.hpp"

namespace faultline {
namespace {

constexpr int rounds = 400;

void expect_roundtrip(Format format, const RandomShape& shape, bool independent = false, bool warnings = false) {
  for (int seed = 0; seed < rounds; ++seed) {
    Rng rng(static_cast<std::uint64_t>(seed));
    const History history = random_history(rng, shape);
    const auto written = write_history(history, format);
    ASSERT_TRUE(written.ok()) << "seed " << seed << ": " << written.error().to_string();
    EXPECT_TRUE(warnings || written.value().warnings.empty()) << "seed " << seed << written.value().warnings[0];
    const auto read = read_history(written.value().text, {.format = format, .independent = independent});
    ASSERT_TRUE(read.ok()) << "seed " << seed << ": " << read.error().to_string();
    const std::string differs = difference(history, read.value().history);
    ASSERT_EQ(differs, "") << "seed " << seed << "\n" << written.value().text;
    if (history.empty()) continue;
    const auto recognised = read_history(written.value().text, {.independent = independent});
    ASSERT_TRUE(recognised.ok()) << "seed " << seed << ": " << recognised.error().to_string();
    EXPECT_EQ(recognised.value().format, format) << "seed " << seed << "\n" << written.value().text;
  }
}

TEST(RoundTrip, JsonlCarriesEverything) {
  expect_roundtrip(Format::jsonl, {});
  expect_roundtrip(Format::jsonl, {.times = false, .keys = true});
}

TEST(RoundTrip, JepsenEdnCarriesEverything) {
  expect_roundtrip(Format::jepsen_edn, {});
  expect_roundtrip(Format::jepsen_edn, {.times = false, .keys = true});
}

TEST(RoundTrip, JepsenLogCarriesValuesAndErrors) {
  expect_roundtrip(
      Format::jepsen_log,
      {.functions = {"read", "write", "cas", "ns/f"}, .times = false, .extras = false, .keyword_names = true});
}

TEST(RoundTrip, JepsenTsvCarriesValuesAndErrorsAsText) {
  expect_roundtrip(Format::jepsen_tsv, {.functions = {"read", "write", "cas"},
                                        .times = false,
                                        .extras = false,
                                        .keyword_names = true,
                                        .text_errors = true});
}

TEST(RoundTrip, KvLogCarriesGetsPutsAndAppendsOfText) {
  for (int seed = 0; seed < rounds; ++seed) {
    Rng rng(static_cast<std::uint64_t>(seed));
    const History with_errors = random_history(rng, {.functions = {"get", "put", "append"},
                                                     .times = false,
                                                     .keys = true,
                                                     .text_keys = true,
                                                     .extras = false,
                                                     .text_values = true,
                                                     .notes = false});
    History history;
    for (EventIndex i = 0; i < with_errors.size(); ++i) {
      Event event = with_errors.event(i);
      event.extra = {};
      ASSERT_TRUE(history.append(event).ok());
    }
    const auto written = write_history(history, Format::kv_log);
    ASSERT_TRUE(written.ok());
    EXPECT_TRUE(written.value().warnings.empty());
    const auto read = read_history(written.value().text);
    ASSERT_TRUE(read.ok()) << read.error().to_string();
    EXPECT_TRUE(history.empty() || read.value().format == Format::kv_log);
    ASSERT_EQ(difference(history, read.value().history), "") << "seed " << seed;
  }
}

TEST(RoundTrip, FormatsWithoutKeysWriteThemIntoTheValues) {
  const RandomShape log{.functions = {"read", "write"}, .times = false, .keys = true, .extras = false, .notes = false};
  expect_roundtrip(Format::jepsen_log, log, true, true);
  RandomShape tsv = log;
  tsv.text_errors = true;
  expect_roundtrip(Format::jepsen_tsv, tsv, true, true);
}

TEST(RoundTrip, EveryValueSurvivesJsonAndEdn) {
  for (std::uint64_t seed = 0; seed < 20000; ++seed) {
    Rng rng(seed);
    const Value value = random_value(rng, 4);
    const auto json = parse_json(to_json(value));
    ASSERT_TRUE(json.ok()) << to_json(value) << ": " << json.error().to_string();
    ASSERT_EQ(json.value(), value) << to_json(value);
    const auto edn = parse_edn(to_edn(value));
    ASSERT_TRUE(edn.ok()) << to_edn(value) << ": " << edn.error().to_string();
    ASSERT_EQ(edn.value(), value) << to_edn(value);
  }
}

}  // namespace
}  // namespace faultline
