// Recorded histories with known verdicts, where they are present: every file under every engine, with its certificate verified.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <faultline/certificate.hpp>
#include <faultline/checker.hpp>
#include <faultline/formats.hpp>

namespace faultline::test {
namespace {

std::filesystem::path corpus() {
  const char* folder = std::getenv("FAULTLINE_SHARED");
  const std::filesystem::path shared =
      folder != nullptr ? folder : std::filesystem::path(FL_SOURCE_DIR) / ".." / "shared";
  return shared / "histories";
}

struct Recorded {
  std::string file, model, expected;
  Format format = Format::auto_;
  CheckOptions options;
};

std::vector<Recorded> manifest() {
  std::ifstream file(corpus() / "manifest.json");
  std::stringstream text;
  text << file.rdbuf();
  const auto parsed = parse_json(text.str());
  if (!file.good() && text.str().empty()) return {};
  EXPECT_TRUE(parsed.ok()) << parsed.error().to_string();
  std::vector<Recorded> all;
  for (const Value& entry : parsed.value().as_list()) {
    const auto field = [&](std::string_view name) { return std::string(entry.get(name).as_text()); };
    Recorded recorded{.file = field("file"), .model = field("model"), .expected = field("expected"), .options = {}};
    recorded.format = *parse_format(field("format"));
    // EDN prints nil for "not known".
    if (recorded.format == Format::jepsen_edn) recorded.options.nil_read = NilRead::unknown;
    const Value& options = entry.get("options");
    for (std::size_t i = 0; options.is_list() && i < options.as_list().size(); i += 2) {
      EXPECT_EQ(options.as_list()[i], Value("--failed-cas"));
      EXPECT_EQ(options.as_list()[i + 1], Value("observe"));
      recorded.options.failed_cas = FailedCas::observe;
    }
    all.push_back(std::move(recorded));
  }
  return all;
}

void judge(const Recorded& recorded, std::string_view engine) {
  const auto read = read_history_file((corpus() / recorded.file).string(), {.format = recorded.format});
  ASSERT_TRUE(read.ok()) << read.error().to_string();
  CheckOptions options = recorded.options;
  options.engine = engine;
  options.certify = true;
  const History& history = read.value().history;
  const auto verdict = check(history, recorded.model, options);
  ASSERT_TRUE(verdict.ok()) << verdict.error().to_string();
  ASSERT_EQ(to_string(verdict.value().kind), recorded.expected) << verdict.value().reason;
  std::vector<KeyProof> proofs;
  for (const Anomaly& anomaly : verdict.value().anomalies) proofs.push_back(proof_of(anomaly));
  if (verdict.value().kind == VerdictKind::valid) {
    for (const KeyVerdict& key : verdict.value().by_key) {
      if (!key.order.empty()) proofs.push_back({.key = key.key, .kind = VerdictKind::valid, .order = key.order});
    }
  }
  const Certificate certificate =
      make_certificate(history, recorded.model, options, verdict.value().kind, std::move(proofs));
  const auto verification = verify(history, certificate);
  ASSERT_TRUE(verification.ok());
  EXPECT_EQ(verification.value().outcome, Verification::Outcome::confirmed) << verification.value().reason;
}

class Corpus : public testing::TestWithParam<std::string_view> {};

TEST_P(Corpus, EveryFileGetsItsVerdictAndItsCertificateIsConfirmed) {
  const std::vector<Recorded> all = manifest();
  if (all.empty()) std::printf("%s: not present\n", corpus().c_str());
  for (const Recorded& recorded : all) {
    SCOPED_TRACE(recorded.file);
    judge(recorded, GetParam());
    if (HasFatalFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(Engines, Corpus, testing::Values("auto", "generic", "frontier", "depth-first"),
                         [](const auto& instance) {
                           std::string name(instance.param);
                           std::erase(name, '-');
                           return name;
                         });

}  // namespace
}  // namespace faultline::test
