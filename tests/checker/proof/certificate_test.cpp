// Certificates: what is tampered with is refused, for the right reason; what is not, holds whatever the format of the
// history.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include <faultline/rng.hpp>

#include "support.hpp"

namespace faultline {
namespace {

// Two keys, a failed write, a failed cas that counts, a write that timed out and was seen, and one that timed out
// unseen.
constexpr std::string_view valid_script = R"(
0 invoke write 1 key=x
1 invoke write 2 key=x
0 ok write 1 key=x
2 invoke write 7 key=y
1 ok write 2 key=x
0 invoke read key=x
0 ok read 2 key=x
2 ok write 7 key=y
0 invoke write 9 key=x
0 fail write 9 key=x
1 invoke cas [1 3] key=x
1 fail cas [1 3] key=x error=precondition-failed
3 invoke write 4 key=x
3 info write 4 key=x error=timeout
4 invoke write 5 key=x
4 info write 5 key=x error=timeout
0 invoke read key=x
0 ok read 4 key=x
2 invoke read key=y
2 ok read 7 key=y
)";

// The operations of valid_script, by number.
constexpr OperationIndex write_1 = 0, write_2 = 1, write_7 = 2, read_2 = 3, failed_write = 4, failed_cas = 5,
                         write_4 = 6, read_4 = 8;

// x: write 1, write 2, then 2, then 1 again is read, while a write of 2 is open. y is fine.
constexpr std::string_view invalid_script = R"(
0 invoke write 1 key=x
0 ok write 1 key=x
5 invoke write 2 key=x
1 invoke read key=x
1 ok read 2 key=x
2 invoke read key=x
2 ok read 1 key=x
3 invoke write 1 key=y
3 ok write 1 key=y
)";

std::string reason_of(const History& history, const Certificate& certificate, Verification::Outcome wanted) {
  const auto verified = verify(history, certificate);
  if (!verified.ok()) return "ERROR " + verified.error().message;
  const std::string outcome =
      verified.value().outcome == wanted ? "" : std::string(to_string(verified.value().outcome)) + ": ";
  return outcome + verified.value().reason;
}

std::string refusal(const History& history, const Certificate& certificate) {
  return reason_of(history, certificate, Verification::Outcome::rejected);
}

struct Tampered : testing::Test {
  History history = parse_history(valid_script);
  Certificate certificate = judge(history, "cas-register").certificate;

  KeyProof& key(std::string_view name) {
    return *std::find_if(certificate.keys.begin(), certificate.keys.end(),
                         [&](const KeyProof& k) { return k.key == Value(name); });
  }
  std::vector<OperationIndex>& x() { return key("x").order; }

  void SetUp() override {
    ASSERT_EQ(certificate.kind, VerdictKind::valid);
    ASSERT_EQ(x(), (std::vector<OperationIndex>{write_1, write_2, read_2, failed_cas, write_4, read_4}));
    const auto verified = verify(history, certificate);
    ASSERT_EQ(verified.value().outcome, Verification::Outcome::confirmed) << verified.value().reason;
  }
};

#define EXPECT_REFUSED(text) \
  EXPECT_NE(refusal(history, certificate).find(text), std::string::npos) << refusal(history, certificate)

TEST_F(Tampered, SwapOfConcurrentOperationsIsRefusedByTheModel) {
  std::swap(x()[0], x()[1]);
  EXPECT_REFUSED("operation 3, the read by process 0 (event 6) returned 2, but the register holds 1");
}

TEST_F(Tampered, SwapAgainstRealTimeIsRefused) {
  std::rotate(x().begin(), x().begin() + 1, x().begin() + 3);  // write 1 after the read of 2: legal for the model
  EXPECT_REFUSED(
      "operation 0, the write by process 0 (event 2) had returned before the read by process 0 (event 6) was "
      "invoked, but comes after it in the order");
}

TEST_F(Tampered, OperationMovedBeforeItsPredecessorIsRefused) {
  std::rotate(x().begin(), x().begin() + 3, x().begin() + 4);  // the failed cas first: legal for the model, not in time
  EXPECT_REFUSED(
      "operation 0, the write by process 0 (event 2) had returned before the cas by process 1 (event 11) was invoked");
}

TEST_F(Tampered, DroppedOperationIsMissed) {
  x().erase(x().begin());
  EXPECT_REFUSED("operation 0, the write by process 0 (event 2) (key \"x\") is missing from the orders");
}

TEST_F(Tampered, DroppedObservationIsMissed) {
  std::erase(x(), failed_cas);
  EXPECT_REFUSED("operation 5, the cas by process 1 (event 11) (key \"x\") is missing");
}

TEST_F(Tampered, DroppedKeyIsMissed) {
  std::erase_if(certificate.keys, [](const KeyProof& k) { return k.key == Value("y"); });
  EXPECT_REFUSED("(key \"y\") is missing from the orders");
}

TEST_F(Tampered, RepeatedOperationIsRefused) {
  x().push_back(read_4);
  EXPECT_REFUSED("operation 8, the read by process 0 (event 17) is named twice");
}

TEST_F(Tampered, OpenOperationUsedTwiceIsRefused) {
  x().push_back(write_4);
  EXPECT_REFUSED("operation 6, the write by process 3 (event 13) is named twice");
}

TEST_F(Tampered, OpenOperationThatMustHaveHappenedCannotBeLeftOut) {
  std::erase(x(), write_4);
  EXPECT_REFUSED("returned 4, but the register holds 2");
}

TEST_F(Tampered, FailedOperationIsRefused) {
  x().push_back(failed_write);
  EXPECT_REFUSED("operation 4, the write by process 0 (event 9) failed: it certainly had no effect");
}

TEST_F(Tampered, OperationOfAnotherKeyIsRefused) {
  x().push_back(write_7);
  EXPECT_REFUSED("key \"x\": operation 2, the write by process 2 (event 7) is of key \"y\"");
}

TEST_F(Tampered, OperationOutOfRangeIsRefused) {
  x().push_back(4711);
  EXPECT_REFUSED("operation 4711 is out of range: the history has 10");
}

TEST_F(Tampered, KeyListedTwiceIsRefused) {
  certificate.keys.push_back(key("y"));
  EXPECT_REFUSED("key \"y\" is listed twice");
}

TEST_F(Tampered, KeyRenamedIsRefused) {
  key("x").key = Value("z");
  EXPECT_REFUSED("is of key \"x\"");
}

TEST_F(Tampered, EmptyOrderIsRefused) {
  x().clear();
  EXPECT_REFUSED("key \"x\": the order is empty");
}

TEST_F(Tampered, HistoryDigestIsCompared) {
  certificate.history_digest[7] ^= 1;
  EXPECT_REFUSED("belongs to another history");
}

TEST_F(Tampered, EventCountIsCompared) {
  ++certificate.events;
  EXPECT_REFUSED("is about 21 events and 10 operations, the history has 20 and 10");
}

TEST_F(Tampered, ModelOptionsAndKindArePartOfTheClaim) {
  const Certificate original = certificate;
  certificate.model = "register";
  EXPECT_REFUSED("are not those the certificate was made for");
  certificate = original;
  certificate.failed_cas = FailedCas::observe;
  EXPECT_REFUSED("are not those the certificate was made for");
  certificate = original;
  certificate.nil_read = NilRead::unknown;
  EXPECT_REFUSED("are not those the certificate was made for");
  certificate = original;
  certificate.initial = 1;
  EXPECT_REFUSED("are not those the certificate was made for");
  certificate = original;
  certificate.kind = VerdictKind::invalid;
  EXPECT_REFUSED("are not those the certificate was made for");
}

TEST_F(Tampered, ModelThatDoesNotKnowTheOperationsIsRefusedEvenWithAFittingDigest) {
  certificate = make_certificate(history, "register", {}, VerdictKind::valid, certificate.keys);
  EXPECT_REFUSED("the model register does not know the cas by process 1 (event 11)");
}

TEST_F(Tampered, ModelNobodyKnowsIsAnError) {
  certificate = make_certificate(history, "registre", {}, VerdictKind::valid, certificate.keys);
  EXPECT_NE(refusal(history, certificate).find("ERROR unknown model registre"), std::string::npos);
}

TEST_F(Tampered, FlippedKindProvesNothingEvenWithAFittingDigest) {
  certificate = make_certificate(history, "cas-register", {}, VerdictKind::invalid, certificate.keys);
  EXPECT_REFUSED("the verdict is invalid, but no key is");
}

TEST_F(Tampered, ValidVerdictOverAnUndecidedKeyIsRefused) {
  key("y").kind = VerdictKind::unknown;
  EXPECT_REFUSED("the verdict is valid, but key \"y\" is unknown");
}

TEST_F(Tampered, InventedCoreOfAValidHistoryIsRefused) {
  KeyProof proof{
      .key = "x", .kind = VerdictKind::invalid, .order = {}, .core = {write_1, write_2, read_2}, .context = {}};
  certificate = make_certificate(history, "cas-register", {}, VerdictKind::invalid, {proof});
  EXPECT_REFUSED("key \"x\": the core admits a legal order: 0, 1, 3");
}

TEST_F(Tampered, EmptyHistoryIsNeverConfirmedValid) {
  history = History();
  certificate = make_certificate(history, "cas-register", {}, VerdictKind::valid, {});
  EXPECT_REFUSED("an empty history is not valid");
}

TEST_F(Tampered, EveryChangeOfTheHistoryIsNoticed) {
  const std::string script(valid_script);
  for (const auto& [from, to] :
       std::vector<std::pair<std::string, std::string>>{{"0 ok read 2", "0 ok read 1"},
                                                        {"0 invoke write 1", "0 invoke write 3"},
                                                        {"2 ok write 7", "2 fail write 7"},
                                                        {" error=precondition-failed", ""},
                                                        {"write 5 key=x\n4", "cas [1 5] key=x\n4"},
                                                        {"key=y", "key=z"}}) {
    std::string changed = script;
    for (std::size_t at = changed.find(from); at != std::string::npos; at = changed.find(from, at + to.size()))
      changed.replace(at, from.size(), to);
    if (from.find("cas") != std::string::npos || to.find("cas") != std::string::npos) {
      changed.replace(changed.find("4 info write 5"), 14, "4 info cas [1 5]");
    }
    ASSERT_NE(changed, script);
    const History other = parse_history(changed);
    EXPECT_NE(refusal(other, certificate).find("belongs to another history"), std::string::npos)
        << from << ": " << refusal(other, certificate);
  }
}

TEST_F(Tampered, TimesLinesNotesAndNodesDoNotMatter) {
  History other;
  std::uint32_t line = 100;
  for (EventIndex i = 0; i < history.size(); ++i) {
    Event event = history.event(i).with("node", "n1");
    event.line = ++line;
    event.time = Instant(std::chrono::microseconds(line));
    ASSERT_TRUE(other.append({.type = EventType::info, .process = nemesis_process, .f = "kill"}).ok());
    ASSERT_TRUE(other.append(event).ok());
  }
  EXPECT_EQ(reason_of(other, certificate, Verification::Outcome::confirmed),
            "a legal order of 8 operations on 2 keys was replayed");
}

// --- invalid
// -----------------------------------------------------------------------------------------------------------------

struct TamperedProof : testing::Test {
  History history = parse_history(invalid_script);
  Certificate certificate = judge(history, "register").certificate;
  KeyProof& proof() { return certificate.keys[0]; }

  void SetUp() override {
    ASSERT_EQ(certificate.kind, VerdictKind::invalid);
    ASSERT_EQ(proof().core, (std::vector<OperationIndex>{0, 2, 3}));
    ASSERT_EQ(proof().context, (std::vector<OperationIndex>{1}));
    ASSERT_EQ(proof().order, (std::vector<OperationIndex>{0, 1, 2}));
    const auto verified = verify(history, certificate);
    ASSERT_EQ(verified.value().outcome, Verification::Outcome::confirmed) << verified.value().reason;
    ASSERT_GT(verified.value().steps, 0U);
  }
};

TEST_F(TamperedProof, CoreWithoutOneOfItsOperationsIsLegalAndRefused) {
  for (const OperationIndex left_out : {0U, 2U, 3U}) {
    Certificate tampered = certificate;
    std::erase(tampered.keys[0].core, left_out);
    if (left_out == 0) tampered.keys[0].context = {0, 1};
    tampered.keys[0].order.clear();
    const std::string reason = refusal(history, tampered);
    EXPECT_NE(reason.find("the core admits a legal order"), std::string::npos) << left_out << ": " << reason;
  }
}

TEST_F(TamperedProof, ContextThatLeavesOutWhatMattersIsRefused) {
  proof().context.clear();
  proof().order = {0};
  EXPECT_REFUSED("operation 1, the write by process 5 (event 2) may have happened and could make a difference");
}

TEST_F(TamperedProof, EmptyCoreIsRefused) {
  proof().core.clear();
  EXPECT_REFUSED("the core is empty");
}

TEST_F(TamperedProof, OpenOperationInTheCoreIsRefused) {
  proof().core.push_back(1);
  proof().context.clear();
  EXPECT_REFUSED("is of the core, but may never have happened");
}

TEST_F(TamperedProof, OperationInCoreAndContextIsRefused) {
  proof().context.push_back(0);
  EXPECT_REFUSED("is named twice");
}

TEST_F(TamperedProof, ForeignAndImpossibleOperationsAreRefused) {
  proof().core.push_back(4);
  EXPECT_REFUSED("is of key \"y\"");
  proof().core.back() = 99;
  EXPECT_REFUSED("operation 99 is out of range");
}

TEST_F(TamperedProof, StartThatSettlesNothingIsRefused) {
  proof().since = 2;
  EXPECT_REFUSED("operation 2, the read by process 1 (event 4) does not settle the state");
  proof().since = 1;
  EXPECT_REFUSED("at which the core begins, is not of the core");
}

TEST_F(TamperedProof, StartThatIsNotBeforeTheRestIsRefused) {
  history = parse_history("0 invoke write 1\n1 invoke read\n1 ok read 2\n0 ok write 1\n2 invoke write 2\n2 ok write 2");
  const KeyProof lie{.key = {}, .kind = VerdictKind::invalid, .order = {}, .core = {0, 1}, .context = {}, .since = 0};
  certificate = make_certificate(history, "register", {}, VerdictKind::invalid, {lie});
  EXPECT_REFUSED("did not begin after operation 0 had returned");
}

TEST_F(TamperedProof, PrefixMustBeLegalAndTheLongest) {
  proof().order = {0, 1};
  EXPECT_REFUSED("the longest legal prefix places 2 operations of the core, not 1");
  proof().order = {0, 2};
  EXPECT_REFUSED("returned 2, but the register holds 1");
  proof().order = {1, 2};
  EXPECT_REFUSED("had returned before the");
  proof().order = {0, 1, 4};
  EXPECT_REFUSED("operation 4 of the prefix is neither of the core nor of the context");
}

TEST_F(TamperedProof, WithoutAPrefixTheCoreIsStillAProof) {
  proof().order.clear();
  EXPECT_EQ(reason_of(history, certificate, Verification::Outcome::confirmed),
            "the core was searched exhaustively: it has no legal order");
}

TEST_F(TamperedProof, SpentBudgetIsNotConfirmedAndNotRefused) {
  const auto verified = verify(history, certificate, {.max_steps = 3});
  ASSERT_TRUE(verified.ok());
  EXPECT_EQ(verified.value().outcome, Verification::Outcome::not_confirmed);
  EXPECT_EQ(verified.value().reason, "the core was not confirmed within 3 steps");
}

TEST_F(TamperedProof, CoreTooLargeToSearchIsNotConfirmed) {
  history = History();
  KeyProof proof{.key = {}, .kind = VerdictKind::invalid, .order = {}, .core = {}, .context = {}};
  for (int i = 0; i < 3000; ++i) {
    proof.core.push_back(history.invoke(0, "read"));
    history.ok(proof.core.back(), i < 2999 ? Value() : Value(1));
  }
  certificate = make_certificate(history, "register", {}, VerdictKind::invalid, {proof});
  EXPECT_EQ(reason_of(history, certificate, Verification::Outcome::not_confirmed),
            "the core has more than 2000 operations: too many to search");
}

TEST_F(TamperedProof, UnknownVerdictHasNothingToVerify) {
  certificate = make_certificate(history, "register", {}, VerdictKind::unknown, {});
  EXPECT_EQ(reason_of(history, certificate, Verification::Outcome::not_confirmed),
            "the verdict is unknown: there is nothing to verify");
}

// --- text
// --------------------------------------------------------------------------------------------------------------------

TEST(CertificateText, EveryKindOfValueComesBack) {
  const History history = parse_history("0 invoke write 1\n0 ok write 1");
  for (const Value& value :
       {Value(), Value(true), Value(-7), Value(INT64_MIN), Value(1.5), Value(-0.0), Value(1e300),
        Value(std::numeric_limits<double>::quiet_NaN()), Value("a\"\\\n\x01 ü"), Value::keyword("ns/k"),
        Value::list({1, Value::list({}), "x"}), Value::map({{1, 2}, {"k", Value::keyword("v")}}),
        Value::tagged("set", Value::list({1, 2})), Value::tagged("bigint", "123456789012345678901")}) {
    KeyProof proof{.key = value, .kind = VerdictKind::valid, .order = {0}, .core = {}, .context = {}};
    const Certificate certificate =
        make_certificate(history, "register", {.initial = value}, VerdictKind::valid, {proof});
    const auto parsed = parse_certificate(to_json(certificate));
    ASSERT_TRUE(parsed.ok()) << value.to_string() << parsed.error().to_string();
    EXPECT_EQ(parsed.value(), certificate) << to_json(certificate);
  }
}

TEST(CertificateText, EveryTruncationIsAnErrorThatSaysSo) {
  const History history = parse_history(invalid_script);
  const std::string text = to_json(judge(history, "register").certificate);
  for (std::size_t size = 0; size + 1 < text.size(); ++size) {
    const auto parsed = parse_certificate(std::string_view(text).substr(0, size), "c.json");
    ASSERT_FALSE(parsed.ok()) << size;
    ASSERT_TRUE(parsed.error().message.starts_with("c.json: error: ")) << parsed.error().message;
    ASSERT_EQ(parsed.error().exit_code(), 64);
  }
}

TEST(CertificateText, WrongShapesAreErrorsThatNameThePlace) {
  const History history = parse_history(invalid_script);
  const std::string text = to_json(judge(history, "register").certificate);
  const auto changed = [&](const std::string& from, const std::string& to) {
    std::string copy = text;
    const std::size_t at = copy.find(from);
    FL_ASSERT(at != std::string::npos);
    const auto parsed = parse_certificate(copy.replace(at, from.size(), to));
    return parsed.ok() ? "accepted" : parsed.error().message;
  };
  EXPECT_EQ(changed("\"events\":9", "\"events\":-9"),
            "certificate: error: certificate: \"events\": expected a whole number from 0 to "
            "18446744073709551615, found -9");
  EXPECT_NE(changed("\"core\":[0", "\"core\":[0.5").find("keys[0]: \"core\": expected a whole number"),
            std::string::npos);
  EXPECT_NE(changed("\"core\":[0", "\"core\":[4294967295").find("keys[0]: \"core\": expected a whole number"),
            std::string::npos);
  EXPECT_NE(changed("\"core\":[", "\"core\":7,\"old\":[").find("keys[0]: \"core\": expected a list, found number"),
            std::string::npos);
  EXPECT_NE(changed("\"core\"", "\"cores\"").find("keys[0]: the field \"core\" is missing"), std::string::npos);
  EXPECT_NE(changed("\"key\":", "\"extra\":1,\"key\":").find("keys[0]: unknown field \"extra\""), std::string::npos);
  EXPECT_NE(changed("\"model\":", "\"model\":\"x\",\"model\":").find("the field \"model\" is repeated"),
            std::string::npos);
  EXPECT_NE(changed("\"verdict\":\"invalid\"", "\"verdict\":\"fine\"")
                .find("expected valid or unknown or invalid, found \"fine\""),
            std::string::npos);
  EXPECT_NE(changed("\"version\":1", "\"version\":2").find("expected version 1, found 2"), std::string::npos);
  EXPECT_NE(changed("faultline-certificate", "something").find("this is no certificate"), std::string::npos);
  EXPECT_NE(changed("\"initial\":null", "\"initial\":{\"map\":[1]}").find("\"map\": expected pairs"),
            std::string::npos);
  EXPECT_NE(changed("\"initial\":null", "\"initial\":9223372036854775808").find("beyond 64 bits"), std::string::npos);
  const std::string deep = "\"initial\":" + std::string(100'000, '[') + std::string(100'000, ']');
  EXPECT_NE(changed("\"initial\":null", deep).find("nested deeper than 512"), std::string::npos);
}

// Whatever is done to the text: what is confirmed is true.
TEST(CertificateText, DamagedTextNeverConfirmsAFalseVerdict) {
  Rng rng(5);
  for (const std::string_view script : {valid_script, invalid_script}) {
    const History history = parse_history(script);
    const Certificate original = judge(history, "cas-register").certificate;
    const std::string text = to_json(original);
    int parsed_count = 0;
    for (int round = 0; round < 4000; ++round) {
      std::string damaged = text;
      for (std::uint64_t n = 1 + rng.below(3); n > 0; --n) {
        const std::size_t at = rng.below(damaged.size());
        if (rng.chance(0.5))
          damaged[at] = static_cast<char>('0' + rng.below(10));
        else if (rng.chance(0.5))
          damaged.erase(at, 1);
        else
          damaged[at] = static_cast<char>(rng.below(256));
      }
      const auto parsed = parse_certificate(damaged);
      if (!parsed.ok()) continue;
      ++parsed_count;
      const auto verified = verify(history, parsed.value());
      if (!verified.ok() || verified.value().outcome != Verification::Outcome::confirmed) continue;
      ASSERT_EQ(parsed.value().kind, original.kind) << damaged;
    }
    EXPECT_GT(parsed_count, 100);
  }
}

TEST(CertificateText, LongOrdersTakeEightBytesAnOperation) {
  History history;
  history.reserve(400'000);
  KeyProof proof{.key = {}, .kind = VerdictKind::valid, .order = {}, .core = {}, .context = {}};
  for (int i = 0; i < 200'000; ++i) {
    const auto o = history.invoke(i % 10, i % 2 == 0 ? "write" : "read", i % 2 == 0 ? Value(i) : Value());
    history.ok(o, i % 2 == 0 ? Value() : Value(i - 1));
    proof.order.push_back(o);
  }
  const Certificate certificate = make_certificate(history, "register", {}, VerdictKind::valid, {proof});
  const std::string text = to_json(certificate);
  EXPECT_LT(text.size(), 200'000 * 8);
  const auto parsed = parse_certificate(text);
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(reason_of(history, parsed.value(), Verification::Outcome::confirmed),
            "a legal order of 200000 operations on 1 key was replayed");
}

}  // namespace
}  // namespace faultline
