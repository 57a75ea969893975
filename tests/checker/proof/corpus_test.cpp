// The recorded histories that are known to be invalid: each is explained in few operations, and its certificate verifies.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

#include <faultline/formats.hpp>

#include "checker/search/generic.hpp"
#include "support.hpp"

namespace faultline {
namespace {

std::filesystem::path shared_histories() {
  const char* shared = std::getenv("FAULTLINE_SHARED");
  return std::filesystem::path(shared != nullptr ? shared : FL_SOURCE_DIR "/../shared") / "histories";
}

CheckOptions options_of(const Value& entry) {
  CheckOptions options;
  const Value& flags = entry.get("options");
  for (std::size_t i = 0; flags.is_list() && i + 1 < flags.as_list().size(); ++i) {
    const std::string_view flag = flags.as_list()[i].as_text(), value = flags.as_list()[i + 1].as_text();
    if (flag == "--failed-cas" && value == "observe") options.failed_cas = FailedCas::observe;
    if (flag == "--nil-read" && value == "unknown") options.nil_read = NilRead::unknown;
  }
  return options;
}

template <Model M>
void explain_and_prove(const M& model, const History& history, const CheckOptions& options) {
  const ModelView view = view_of(model, std::string(M::name), options.initial);
  const ModelRules rules{
      .model = M::name, .catalogued = true, .functions = M::functions(), .accepts = {}, .observer = view.observer};
  const auto prepared = prepare(history, rules, options);
  ASSERT_TRUE(prepared.ok()) << prepared.error().to_string();
  const Engine engine = [&](const Items& items, const Budget& budget) { return search_generic(items, model, budget); };
  std::vector<KeyProof> proofs;
  for (const KeyProblem& key : prepared.value().keys) {
    const SearchResult found = engine(key.items, {});
    ASSERT_NE(found.kind, VerdictKind::unknown);
    if (found.kind != VerdictKind::invalid) continue;
    const Anomaly anomaly = explain(history, view, key.items, found, engine, {});
    EXPECT_TRUE(anomaly.one_minimal || anomaly.since != none) << to_script(history, anomaly);
    const History minimal = minimal_history(history, anomaly);
    const auto again = prepare(minimal, rules, options);
    ASSERT_TRUE(again.ok());
    EXPECT_EQ(engine(again.value().keys[0].items, {}).kind, VerdictKind::invalid) << to_script(history, anomaly);
    proofs.push_back(proof_of(anomaly));
    if (std::getenv("FL_SHOW") != nullptr) std::cout << to_script(history, anomaly);
  }
  ASSERT_FALSE(proofs.empty());
  const auto verified = verify(history, make_certificate(history, M::name, options, VerdictKind::invalid, proofs));
  ASSERT_TRUE(verified.ok());
  EXPECT_EQ(verified.value().outcome, Verification::Outcome::confirmed) << verified.value().reason;
}

TEST(Corpus, EveryInvalidHistoryIsExplainedAndItsProofVerifies) {
  std::ifstream file(shared_histories() / "manifest.json");
  if (!file) {
    std::cout << "not present: " << shared_histories() << "\n";
    return;
  }
  std::stringstream text;
  text << file.rdbuf();
  const auto manifest = parse_json(text.str());
  ASSERT_TRUE(manifest.ok());
  int explained = 0;
  for (const Value& entry : manifest.value().as_list()) {
    if (entry.get("expected") != Value("invalid")) continue;
    const std::string path = (shared_histories() / entry.get("file").as_text()).string();
    SCOPED_TRACE(path);
    const auto read = read_history_file(path);
    ASSERT_TRUE(read.ok()) << read.error().to_string();
    const CheckOptions options = options_of(entry);
    if (std::getenv("FL_SHOW") != nullptr) std::cout << "== " << entry.get("file").as_text() << "\n";
    const auto model = with_model(entry.get("model").as_text(), ModelOptions{}, [&](const auto& concrete) {
      explain_and_prove(concrete, read.value().history, options);
      return true;
    });
    ASSERT_TRUE(model.ok());
    ++explained;
  }
  EXPECT_EQ(explained, 50);
}

}  // namespace
}  // namespace faultline
