// The recorded register histories with known verdicts, by every engine. FAULTLINE_SHARED names the folder they are in.
#include <faultline/formats.hpp>

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "engines.hpp"

namespace faultline {
namespace {

std::filesystem::path histories() {
  const char* set = std::getenv("FAULTLINE_SHARED");
  return std::filesystem::path(set != nullptr ? set : FL_SOURCE_DIR "/../shared") / "histories";
}

void judge(const Value& entry) {
  const std::string name(entry.get("file").as_text());
  const auto format = parse_format(entry.get("format").as_text());
  ASSERT_TRUE(format) << name;
  const auto read = read_history_file((histories() / name).string(), {.format = *format});
  ASSERT_TRUE(read.ok()) << read.error().to_string();
  bool observe = false;
  if (const Value& options = entry.get("options"); options.is_list()) {
    for (const Value& option : options.as_list()) observe = observe || option.as_text() == "observe";
  }
  const bool edn = *format == Format::jepsen_edn;
  const RegisterProblem problem =
      compile(read.value().history, {.initial = {},
                                     .failed_cas = observe ? FailedCas::observe : FailedCas::drop,
                                     .nil_read = edn ? NilRead::unknown : NilRead::value});
  for (const oracle::Way& way : oracle::ways(false)) {
    if (way.engine == RegisterEngine::zones && !zones_apply(problem)) continue;
    const SearchResult result = oracle::run(problem, way);
    if (result.kind == VerdictKind::unknown && way.engine == RegisterEngine::zones) continue;
    EXPECT_EQ(to_string(result.kind), entry.get("expected").as_text()) << name << " by " << way.name;
    EXPECT_EQ(oracle::check_order(problem, result.order, result.kind == VerdictKind::valid), "") << name;
  }
}

TEST(RecordedRegisters, GetTheirVerdictFromEveryEngine) {
  std::ifstream file(histories() / "manifest.json");
  if (!file) {
    std::cout << histories() << " not present\n";
    return;
  }
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const auto manifest = parse_json(text);
  ASSERT_TRUE(manifest.ok());
  std::size_t judged = 0;
  for (const Value& entry : manifest.value().as_list()) {
    const auto model = entry.get("model").as_text();
    if (model != "register" && model != "cas-register") continue;
    judge(entry);
    ++judged;
  }
  EXPECT_GT(judged, 0U);
}

}  // namespace
}  // namespace faultline
