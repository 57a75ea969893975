#include <faultline/rng.hpp>
#include <faultline/text.hpp>
#include <faultline/time.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <numeric>
#include <vector>

namespace faultline {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

// Replays depend on these: a stream must never change silently. The numbers are those of the reference implementation
// of xoshiro256** seeded with four outputs of SplitMix64.
TEST(Rng, GivesTheKnownAnswersOfXoshiro256) {
  Rng zero(0);
  for (const std::uint64_t expected :
       {0x99ec5f36cb75f2b4ULL, 0xbf6e1f784956452aULL, 0x1a5f849d4933e6e0ULL, 0x6aa594f1262d2d2cULL}) {
    EXPECT_EQ(zero.next(), expected);
  }
  Rng largest(UINT64_MAX);
  for (const std::uint64_t expected :
       {0x8f5520d52a7ead08ULL, 0xc476a018caa1802dULL, 0x81de31c0d260469eULL, 0xbf658d7e065f3c2fULL}) {
    EXPECT_EQ(largest.next(), expected);
  }
  EXPECT_EQ(Rng(42).fork("network").next(), 0x5a365fbe0da6579aULL);
  EXPECT_EQ(Rng(42).fork(7).next(), 0x6bb3c00125fd7c6aULL);
}

TEST(Rng, DerivedDrawsNeverChange) {
  Rng rng(42);
  EXPECT_EQ(rng.below(10), 0x15780b2e0c2ec716ULL % 10);
  EXPECT_EQ(rng.between(-5, 5), -5 + static_cast<std::int64_t>(0x6104d9866d113a7eULL % 11));
  EXPECT_EQ(rng.unit(), static_cast<double>(0xae17533239e499a1ULL >> 11) * 0x1.0p-53);
  std::array<int, 6> items{0, 1, 2, 3, 4, 5};
  Rng(1).shuffle(std::span<int>(items));
  std::array<int, 6> again{0, 1, 2, 3, 4, 5};
  Rng(1).shuffle(std::span<int>(again));
  EXPECT_EQ(items, again);
  EXPECT_TRUE(std::is_permutation(items.begin(), items.end(), std::array{0, 1, 2, 3, 4, 5}.begin()));
}

TEST(Rng, AForkDoesNotDependOnWhatWasDrawnNorOnOtherForks) {
  Rng parent(9);
  const std::uint64_t before = parent.fork("disk").next();
  for (int i = 0; i < 100; ++i) parent.next();
  EXPECT_EQ(parent.fork("disk").next(), before);
  EXPECT_NE(parent.fork("network").next(), before);
  EXPECT_NE(parent.fork("a").fork("b").next(), parent.fork("b").fork("a").next());
}

TEST(Rng, BelowAndBetweenStayInBoundsAndReachThem) {
  Rng rng(3);
  std::map<std::int64_t, int> seen;
  for (int i = 0; i < 3000; ++i) ++seen[rng.between(-1, 1)];
  ASSERT_EQ(seen.size(), 3U);
  for (const auto& [value, count] : seen) EXPECT_NEAR(count, 1000, 150) << value;
  EXPECT_EQ(rng.below(1), 0U);
  EXPECT_EQ(rng.between(INT64_MIN, INT64_MIN), INT64_MIN);
  rng.between(INT64_MIN, INT64_MAX);
}

TEST(Rng, ChanceIsNeverAtZeroAndAlwaysAtOne) {
  Rng rng(4);
  for (int i = 0; i < 1000; ++i) {
    EXPECT_FALSE(rng.chance(0.0));
    EXPECT_TRUE(rng.chance(1.0));
    const double unit = rng.unit();
    EXPECT_TRUE(unit >= 0.0 && unit < 1.0);
  }
  EXPECT_EQ(rng.draws(), 3000U);
}

TEST(Text, EscapesEveryControlCharacterAndBrokenByte) {
  EXPECT_EQ(escape_controls("a\nb\tc\rd\x1b[31m\x7f"), R"(a\nb\tc\x0dd\x1b[31m\x7f)");
  EXPECT_EQ(escape_controls(std::string_view("\0", 1)), R"(\x00)");
  EXPECT_EQ(escape_controls("\xff\xc0\x80"), R"(\xff\xc0\x80)");
  EXPECT_EQ(escape_controls("\xe2\x82"), R"(\xe2\x82)");                  // cut short
  EXPECT_EQ(escape_controls("\xed\xa0\x80"), R"(\xed\xa0\x80)");          // a surrogate
  EXPECT_EQ(escape_controls("\xf4\x90\x80\x80"), R"(\xf4\x90\x80\x80)");  // beyond Unicode
  EXPECT_EQ(escape_controls("grün €"), "grün €");
  EXPECT_EQ(escape_controls("\xe2\x80\xae"), "‹U+202E›");
  EXPECT_EQ(escape_controls("say \"a\\b\"", '"'), R"(say \"a\\b\")");
}

TEST(Text, ClipsBetweenCharactersAndSaysHowMuchThereWas) {
  EXPECT_EQ(clip("short", 5), "short");
  EXPECT_EQ(clip("longer", 4), "long… (6 bytes)");
  EXPECT_EQ(clip("aé", 2), "a… (3 bytes)");
  EXPECT_EQ(clip("", 0), "");
}

TEST(Text, SuggestsOnlyWhatIsALikelyMisspelling) {
  constexpr std::array<std::string_view, 3> words{"register", "cas-register", "mutex"};
  EXPECT_EQ(nearest("registre", words), "register");
  EXPECT_EQ(nearest("mutx", words), "mutex");
  EXPECT_EQ(nearest("queue", words), "");
  EXPECT_EQ(nearest("", words), "");
  EXPECT_EQ(nearest("x", {}), "");
}

TEST(Time, ReadsEveryUnit) {
  const std::vector<std::pair<std::string_view, Duration>> cases{
      {"250ms", milliseconds(250)}, {"1.5s", milliseconds(1500)}, {"2m", minutes(2)},    {"1h", hours(1)},
      {"10us", microseconds(10)},   {"5ns", Duration(5)},         {"30 s", seconds(30)}, {"0s", Duration(0)}};
  for (const auto& [text, expected] : cases) {
    const auto read = parse_duration(text);
    ASSERT_TRUE(read.ok()) << text;
    EXPECT_EQ(read.value(), expected) << text;
  }
}

TEST(Time, RefusesWhatIsNoDurationAndNamesTheUnits) {
  for (const std::string_view text :
       {"30", "", "s", "-1s", "1x", "1e300h", "nan s", "inf s", "1s2", "0x10s", "300000000h"}) {
    const auto read = parse_duration(text);
    ASSERT_FALSE(read.ok()) << text;
    EXPECT_EQ(read.error().exit_code(), 64);
    EXPECT_NE(read.error().remedy.find("ms"), std::string::npos);
  }
}

TEST(Time, ShowsThreeDigitsInTheLargestUnitThatFits) {
  const std::vector<std::pair<Duration, std::string_view>> cases{
      {Duration(0), "0 ns"},         {Duration(999), "999 ns"},     {microseconds(87), "87 us"},
      {milliseconds(412), "412 ms"}, {milliseconds(1500), "1.5 s"}, {Duration(1'234'567), "1.23 ms"},
      {Duration(999'999), "1 ms"},   {minutes(90), "5400 s"},       {-milliseconds(12), "-12 ms"},
      {Duration(99'960), "100 us"},  {Duration(12'340), "12.3 us"}, {Duration(9'996), "10 us"}};
  for (const auto& [duration, expected] : cases) EXPECT_EQ(to_text(duration), expected) << duration.count();
}

}  // namespace
}  // namespace faultline
