// The small parts: hashes, colours, words, the time axis, fault bands, endings.
#include "reports/faults.hpp"
#include "reports/palette.hpp"
#include "reports/sha256.hpp"
#include "reports/story.hpp"
#include "reports/time_axis.hpp"
#include "reports/timeline.hpp"
#include "reports/words.hpp"
#include "samples.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace faultline::reports {
namespace {

// --- SHA-256: FIPS 180-4 examples ----------------------------------------------------------------------------------------------------

std::string hex(std::string_view text) {
  std::string out;
  for (const std::uint8_t byte : sha256(text)) {
    constexpr std::string_view digits = "0123456789abcdef";
    out += digits[byte >> 4];
    out += digits[byte & 15];
  }
  return out;
}

TEST(Sha256, PublishedExamples) {
  EXPECT_EQ(hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(hex(std::string(1'000'000, 'a')), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Base64, PaddingOfEveryLength) {
  const auto encoded = [](std::string_view text) {
    const std::vector<std::uint8_t> bytes(text.begin(), text.end());
    return base64(bytes);
  };
  EXPECT_EQ(encoded(""), "");
  EXPECT_EQ(encoded("f"), "Zg==");
  EXPECT_EQ(encoded("fo"), "Zm8=");
  EXPECT_EQ(encoded("foo"), "Zm9v");
  EXPECT_EQ(encoded("foob"), "Zm9vYg==");
}

// --- Palette: WCAG 2.1 contrast, and confusability for red-green blind readers --------------------------------------------------------

using Linear = std::array<double, 3>;

Linear linear(std::uint32_t rgb) {
  Linear out{};
  for (std::size_t i = 0; i < 3; ++i) {
    const double c = static_cast<double>(rgb >> (16 - 8 * i) & 0xff) / 255;
    out[i] = c <= 0.04045 ? c / 12.92 : std::pow((c + 0.055) / 1.055, 2.4);
  }
  return out;
}

double luminance(const Linear& c) { return 0.2126 * c[0] + 0.7152 * c[1] + 0.0722 * c[2]; }

double contrast(std::uint32_t a, std::uint32_t b) {
  const double x = luminance(linear(a));
  const double y = luminance(linear(b));
  return (std::max(x, y) + 0.05) / (std::min(x, y) + 0.05);
}

std::uint32_t colour(std::string_view role, bool dark) {
  for (const Colour& c : palette()) {
    if (c.role == role) return dark ? c.dark : c.light;
  }
  ADD_FAILURE() << "no colour for " << role;
  return 0;
}

TEST(Palette, TextReaches4Point5To1InBothThemes) {
  using Pair = std::pair<const char*, const char*>;
  constexpr std::array<Pair, 34> pairs{
      {{"text", "page"},        {"text", "panel"},       {"text", "code"},       {"text", "bad-fill"},
       {"text", "change"},      {"text", "fault-tint"},  {"text", "fault-fill"}, {"text", "open-fill"},
       {"soft", "page"},        {"soft", "panel"},       {"soft", "fault-tint"}, {"bad", "page"},
       {"bad", "bad-fill"},     {"bad", "fault-tint"},   {"good", "page"},       {"unknown", "page"},
       {"broken", "page"},      {"open", "page"},        {"open", "open-fill"},  {"open", "fault-tint"},
       {"fault", "page"},       {"fault", "fault-fill"}, {"disc-text", "disc"},  {"bad-disc-text", "bad"},
       {"ok", "page"},          {"fail", "page"},        {"soft", "code"},       {"text", "ok-fill"},
       {"good", "panel"},       {"bad", "panel"},        {"unknown", "panel"},   {"fault", "fault-tint"},
       {"unknown", "bad-fill"}, {"fault", "panel"}}};
  for (const bool dark : {false, true}) {
    for (const auto& [front, back] : pairs) {
      EXPECT_GE(contrast(colour(front, dark), colour(back, dark)), 4.5)
          << front << " on " << back << (dark ? ", dark" : ", light");
    }
  }
}

TEST(Palette, MarksReach3To1InBothThemes) {
  for (const bool dark : {false, true}) {
    for (const char* mark : {"ok", "open", "fail", "bad", "disc", "fault", "focus", "soft"}) {
      for (const char* back : {"page", "fault-tint"}) {
        EXPECT_GE(contrast(colour(mark, dark), colour(back, dark)), 3.0)
            << mark << " on " << back << (dark ? ", dark" : ", light");
      }
    }
    EXPECT_GE(contrast(colour("ok", dark), colour("ok-fill", dark)), 3.0);
    EXPECT_GE(contrast(colour("disc", dark), colour("ok-fill", dark)), 3.0);
    EXPECT_GE(contrast(colour("bad", dark), colour("bad-fill", dark)), 3.0);
  }
}

// Viénot, Brettel, Mollon: "Digital video colourmaps for checking the legibility of displays by dichromats", 1999.
Linear as_seen(const Linear& c, bool protan) {
  const double l = 17.8824 * c[0] + 43.5161 * c[1] + 4.11935 * c[2];
  const double m = 3.45565 * c[0] + 27.1554 * c[1] + 3.86714 * c[2];
  const double s = 0.0299566 * c[0] + 0.184309 * c[1] + 1.46709 * c[2];
  const double l2 = protan ? 2.02344 * m - 2.52581 * s : l;
  const double m2 = protan ? m : 0.494207 * l + 1.24827 * s;
  return {0.0809445 * l2 - 0.130504 * m2 + 0.116721 * s, -0.0102485 * l2 + 0.0540194 * m2 - 0.113615 * s,
          -0.000365294 * l2 - 0.00412163 * m2 + 0.693513 * s};
}

std::array<double, 3> lab(const Linear& c) {
  const auto f = [](double t) { return t > 0.008856 ? std::cbrt(t) : 7.787 * t + 16.0 / 116; };
  const double x = f(std::max(0.0, 0.4124 * c[0] + 0.3576 * c[1] + 0.1805 * c[2]) / 0.95047);
  const double y = f(std::max(0.0, 0.2126 * c[0] + 0.7152 * c[1] + 0.0722 * c[2]));
  const double z = f(std::max(0.0, 0.0193 * c[0] + 0.1192 * c[1] + 0.9505 * c[2]) / 1.08883);
  return {116 * y - 16, 500 * (x - y), 200 * (y - z)};
}

TEST(Palette, OperationsStayApartForRedGreenBlindReaders) {
  for (const bool dark : {false, true}) {
    for (const bool protan : {false, true}) {
      for (const auto& [a, b] :
           {std::pair{"bad", "ok"}, std::pair{"ok", "open"}, std::pair{"bad", "disc"}, std::pair{"bad", "fault"}}) {
        const auto x = lab(as_seen(linear(colour(a, dark)), protan));
        const auto y = lab(as_seen(linear(colour(b, dark)), protan));
        const double distance = std::hypot(x[0] - y[0], x[1] - y[1], x[2] - y[2]);
        EXPECT_GE(distance, 20) << a << " and " << b << (dark ? ", dark" : ", light")
                                << (protan ? ", protan" : ", deutan");
      }
    }
  }
}

// --- Words ---------------------------------------------------------------------------------------------------------------------------

TEST(Words, HarmlessLeavesWhatIsEscapedAlready) {
  EXPECT_EQ(harmless("a\x1b[0m\\x1b\n"), "a\\x1b[0m\\x1b\\n");
  EXPECT_EQ(harmless(harmless("\xff\\ \t")), harmless("\xff\\ \t"));
}

TEST(Words, CutCountsCharactersAndSaysTheBytes) {
  EXPECT_EQ(cut("short", 200), "short");
  EXPECT_EQ(cut(std::string(201, 'x'), 200), std::string(200, 'x') + "… (201 bytes)");
  EXPECT_EQ(cut("ééé", 2), "éé… (6 bytes)");
  EXPECT_EQ(outside(std::string(1'000'000, 'x'), 3), "xxx… (1000000 bytes)");
}

TEST(Words, PercentNeverRoundsToNothingOrToAll) {
  EXPECT_EQ(percent(0, 10), "0 %");
  EXPECT_EQ(percent(1, 100'000), "< 0.1 %");
  EXPECT_EQ(percent(99'999, 100'000), "> 99.9 %");
  EXPECT_EQ(percent(41, 100), "41 %");
  EXPECT_EQ(percent(10, 10), "100 %");
}

TEST(Words, ShellArgumentsAreQuotedWhenTheyMustBe) {
  EXPECT_EQ(shell_quoted("runs/a-b/h.jsonl"), "runs/a-b/h.jsonl");
  EXPECT_EQ(shell_quoted("two words"), "'two words'");
  EXPECT_EQ(shell_quoted("it's $(x)"), "'it'\\''s $(x)'");
  EXPECT_EQ(shell_quoted(""), "''");
}

TEST(Words, OperationsReadAsPeopleSayThem) {
  History h;
  const auto w = h.invoke(0, "write", 5);
  h.ok(w);
  const auto r = h.invoke(0, "read", {}, "x");
  h.ok(r, Value());
  const auto c = h.invoke(0, "cas", Value::list({1, 2}));
  h.fail(c);
  const auto l = h.invoke(1, "acquire");
  h.ok(l);
  const auto d = h.invoke(2, "dequeue");
  EXPECT_EQ(operation_text(h, w), "write 5");
  EXPECT_EQ(operation_text(h, r, true), "read x → nil");
  EXPECT_EQ(operation_text(h, c), "cas 1→2 failed");
  EXPECT_EQ(operation_text(h, l), "acquire");
  EXPECT_EQ(operation_text(h, d), "dequeue → ?");
}

// --- Time axis -----------------------------------------------------------------------------------------------------------------------

constexpr std::int64_t millisecond = 1'000'000;

TEST(TimeAxis, WithoutIdleTimeThereIsOneScaleAndNoBreak) {
  const TimeAxis axis({{0, 10 * millisecond}, {5 * millisecond, 20 * millisecond}}, 0, 220, 20, true);
  EXPECT_TRUE(axis.breaks().empty());
  EXPECT_NEAR(axis.x(10 * millisecond), 100, 1e-6);
  EXPECT_NEAR(axis.x(20 * millisecond), 200, 1e-6);
}

TEST(TimeAxis, LongIdleTimeIsCutAndCarriesItsLength) {
  const TimeAxis axis({{0, 2 * millisecond}, {9000 * millisecond, 9002 * millisecond}}, 0, 700, 0, true);
  ASSERT_EQ(axis.breaks().size(), 1U);
  EXPECT_EQ(axis.breaks()[0].idle, 8998 * millisecond);
  // Both operations are drawn to the same scale, and visibly.
  const double first = axis.x(2 * millisecond) - axis.x(0);
  const double second = axis.x(9002 * millisecond) - axis.x(9000 * millisecond);
  EXPECT_NEAR(first, second, 1e-6);
  EXPECT_GT(first, 100);
}

TEST(TimeAxis, NeverFallsWhateverTheTimes) {
  const std::int64_t far = std::int64_t{1} << 62;
  const TimeAxis axis({{-far, -far + 5}, {0, 0}, {7, 90}, {far, far}}, 10, 500, 30, true);
  double last = 0;
  for (const std::int64_t t :
       {-far, -far + 5, -far / 2, std::int64_t{0}, std::int64_t{7}, std::int64_t{90}, far / 3, far}) {
    EXPECT_GE(axis.x(t), last);
    EXPECT_LE(axis.x(t), 500);
    last = axis.x(t);
  }
}

TEST(TimeAxis, TicksKeepTheirDistanceAndCountFromZero) {
  const TimeAxis axis({{0, 1000 * millisecond}}, 0, 800, 0, false);
  const std::vector<Tick> ticks = axis.ticks(80, 0);
  ASSERT_GT(ticks.size(), 4U);
  EXPECT_EQ(axis.unit(80), "s");
  EXPECT_EQ(ticks[0].label, "0.0");
  EXPECT_EQ(ticks[1].label, "0.1");
  for (std::size_t i = 1; i < ticks.size(); ++i) EXPECT_GE(ticks[i].x - ticks[i - 1].x, 40);
}

// --- Fault bands ---------------------------------------------------------------------------------------------------------------------

void note(History& h, EventType type, const std::string& f, const Value& value) {
  ASSERT_TRUE(h.append({.type = type, .process = nemesis_process, .f = f, .value = value}).ok());
}

Value kill(const std::string& node) { return Value::map({{"kind", "kill"}, {"nodes", Value::list({node})}}); }

TEST(FaultBands, PairsOfNotesWithTheirCompletionsAreOneBand) {
  History h;
  for (const EventType type : {EventType::invoke, EventType::info}) note(h, type, "start-kill", kill("n1"));
  for (const EventType type : {EventType::invoke, EventType::info}) note(h, type, "stop-kill", kill("n1"));
  const auto bands = fault_bands(h);
  ASSERT_EQ(bands.size(), 1U);
  EXPECT_EQ(bands[0].label(), "kill n1");
  EXPECT_EQ(bands[0].from, 0U);
  EXPECT_EQ(bands[0].to, 2U);
}

TEST(FaultBands, TwoFaultsOfOneKindEndEachWithItsOwnStop) {
  History h;
  note(h, EventType::invoke, "start-kill", kill("n1"));
  note(h, EventType::info, "start-kill", Value::map({{"killed", 4711}}));
  note(h, EventType::invoke, "start-kill", kill("n2"));
  note(h, EventType::info, "start-kill", kill("n2"));
  note(h, EventType::invoke, "stop-kill", kill("n1"));
  note(h, EventType::info, "stop-kill", Value::map({{"running", true}}));
  const auto bands = fault_bands(h);
  ASSERT_EQ(bands.size(), 2U);
  EXPECT_EQ(bands[0].to, 4U);
  EXPECT_EQ(bands[1].to, none);
}

TEST(FaultBands, HealAllEndsEverything) {
  History h;
  note(h, EventType::invoke, "start-kill", kill("n1"));
  note(h, EventType::invoke, "start-pause", Value());
  note(h, EventType::invoke, "heal-all", Value());
  for (const FaultBand& band : fault_bands(h)) EXPECT_EQ(band.to, 2U);
}

TEST(FaultBands, APartitionAffectsTheSideWithoutMajority) {
  History h;
  const Value grudge =
      Value::map({{"n1", Value::list({"n2", "n3"})}, {"n2", Value::list({"n1"})}, {"n3", Value::list({"n1"})}});
  note(h, EventType::invoke, "start-partition", Value::map({{"kind", "partition"}, {"grudge", grudge}}));
  const auto bands = fault_bands(h);
  ASSERT_EQ(bands.size(), 1U);
  EXPECT_EQ(bands[0].target, "n1 | n2 n3");
  EXPECT_EQ(bands[0].affected, std::set<std::string>{"n1"});
}

TEST(FaultBands, ForeignNotesAreTakenAsTheyAre) {
  History h;
  note(h, EventType::info, "start", Value());
  note(h, EventType::info, "start", Value::string("Cut off"));
  note(h, EventType::info, "stop", Value());
  note(h, EventType::info, "something else", 7);
  ASSERT_EQ(fault_bands(h).size(), 1U);
  EXPECT_EQ(fault_bands(h)[0].to, 2U);
}

// --- Story ---------------------------------------------------------------------------------------------------------------------------

TEST(Story, ExitCodesFollowTheEndingAndTheVerdict) {
  const std::map<std::string, int> wanted{
      {"stale-read", 1},     {"valid", 0}, {"unknown", 2},       {"vacuous", 2},
      {"harness", 3},        {"empty", 2}, {"interrupted", 130}, {"interrupted-invalid", 130},
      {"not-checked-yet", 2}};
  for (const auto& [name, code] : wanted) EXPECT_EQ(exit_code(samples::named(name).input), code) << name;
}

TEST(Story, NothingButAJudgedValidVerdictReadsAsValid) {
  for (const samples::Sample& s : samples::all()) {
    const bool valid = s.name == "valid" || s.name == "interrupted";
    EXPECT_EQ(effective_verdict(s.input) == VerdictKind::valid, valid) << s.name;
    EXPECT_EQ(headline(s.input).starts_with("✓"), valid) << s.name;
  }
}

TEST(Story, AViolationOutranksABrokenHarnessAndIdleFaults) {
  samples::Sample s = samples::named("stale-read");
  s.input.ending = Ending::harness_failure;
  s.input.failure = "n2 is gone";
  s.input.vacuous = "no packet dropped";
  EXPECT_EQ(exit_code(s.input), 1);
  EXPECT_EQ(headline(s.input), "✗ Not linearizable");
  EXPECT_NE(render_html(s.input).find("n2 is gone"), std::string::npos);
}

TEST(Story, AVacuousRunWithUndecidedKeysNamesTheBudget) {
  samples::Sample s = samples::named("unknown");
  s.input.vacuous = "no packet dropped";
  EXPECT_TRUE(contradiction(s.input).starts_with("The search stopped at the time limit")) << contradiction(s.input);
}

TEST(Story, AnInvalidVerdictWithoutExplanationStillSaysSo) {
  samples::Sample s = samples::named("stale-read");
  s.input.verdict->anomalies.clear();
  s.input.verdict->reason = "No legal order of the 4 operations on key r7 exists.";
  EXPECT_EQ(contradiction(s.input), s.input.verdict->reason);
  EXPECT_TRUE(render_html(s.input).ends_with("</html>\n"));
  EXPECT_NE(render_junit(s.input).find("<failure type=\"no-legal-order\""), std::string::npos);
}

// --- Timeline ------------------------------------------------------------------------------------------------------------------------

TEST(Timeline, LinearizationPointsRiseWithTheStepsAndLieInsideTheirIntervals) {
  for (const samples::Sample& s : samples::all()) {
    if (!s.input.verdict) continue;
    for (const Anomaly& anomaly : s.input.verdict->anomalies) {
      Timeline t = lay_out(*s.history, anomaly, 752);
      std::sort(t.boxes.begin(), t.boxes.end(),
                [](const TimelineBox& a, const TimelineBox& b) { return a.step < b.step; });
      double last = 0;
      for (const TimelineBox& box : t.boxes) {
        if (box.step == 0) continue;
        { EXPECT_GE(box.point, last) << s.name << " step " << box.step; }
        EXPECT_GE(box.point, box.x) << s.name;
        if (!box.context) {
          EXPECT_LE(box.point, box.x + box.width) << s.name;
        }
        last = box.point;
      }
    }
  }
}

TEST(Timeline, TheBracketSpansTheGapAndCarriesIt) {
  const samples::Sample s = samples::named("stale-read");
  const Timeline t = lay_out(*s.history, s.input.verdict->anomalies.front(), 752);
  ASSERT_TRUE(t.bracket.has_value());
  EXPECT_EQ(t.bracket->label, "412 ms");
  EXPECT_LT(t.bracket->from, t.bracket->to);
}

TEST(Timeline, AnOpenOperationRunsOffThePicture) {
  const samples::Sample s = samples::named("fallback");
  const Timeline t = lay_out(*s.history, s.input.verdict->anomalies.front(), 752);
  const auto open = std::find_if(t.boxes.begin(), t.boxes.end(), [](const TimelineBox& box) { return box.open; });
  ASSERT_NE(open, t.boxes.end());
  EXPECT_NEAR(open->x + open->width, t.right, 1e-6);
  EXPECT_FALSE(t.timed);
}

TEST(Timeline, LabelsOfALaneDoNotTouch) {
  for (const double width : {752.0, 368.0}) {
    for (const samples::Sample& s : samples::all()) {
      if (!s.input.verdict || s.input.verdict->anomalies.empty()) continue;
      const Timeline t = lay_out(*s.history, s.input.verdict->anomalies.front(), width);
      std::map<std::pair<std::size_t, std::size_t>, double> reached;
      for (const TimelineBox& box : t.boxes) {
        if (!box.label_fits) continue;
        const double length = static_cast<double>(columns(box.label)) * timeline_character;
        const double from = box.label_ends ? box.label_x - length : box.label_x;
        double& until = reached[{box.lane, box.label_row}];
        EXPECT_GE(from, until) << s.name << ": " << box.label;
        until = from + length;
        EXPECT_LE(until, t.width + 1) << s.name;
      }
    }
  }
}

}  // namespace
}  // namespace faultline::reports
