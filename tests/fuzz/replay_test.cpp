// Every seed and every input that once broke something, through its target, under the compiler and the checks of all
// other tests. A target that breaks a promise ends the program and names the file.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include <faultline/assert.hpp>

#include "fuzz.hpp"

namespace faultline::fuzz {
namespace {

struct Target {
  const char* name;
  void (*run)(std::string_view bytes);
};

std::vector<std::filesystem::path> files_in(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  if (!std::filesystem::exists(folder)) return files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

std::string content_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  EXPECT_TRUE(in.good()) << file;
  return {std::istreambuf_iterator<char>(in), {}};
}

class Replay : public testing::TestWithParam<Target> {};

TEST_P(Replay, KeepsEveryPromiseOnSeedsAndFindings) {
  const std::filesystem::path root = std::filesystem::path(FL_SOURCE_DIR) / "tests/fuzz";
  const auto seeds = files_in(root / "corpus" / GetParam().name);
  EXPECT_FALSE(seeds.empty());
  for (const auto& folder : {root / "corpus" / GetParam().name, root / "findings" / GetParam().name}) {
    for (const auto& file : files_in(folder)) {
      std::fprintf(stderr, "%s\n", file.c_str());
      GetParam().run(content_of(file));
    }
  }
}

TEST_P(Replay, KeepsEveryPromiseOnEveryPrefixOfEverySeed) {
  const std::filesystem::path root = std::filesystem::path(FL_SOURCE_DIR) / "tests/fuzz";
  for (const auto& file : files_in(root / "corpus" / GetParam().name)) {
    const std::string whole = content_of(file);
    for (std::size_t size = 0; size < whole.size(); ++size) GetParam().run(std::string_view(whole).substr(0, size));
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, Replay,
                         testing::Values(Target{"jsonl", jsonl}, Target{"jepsen_edn", jepsen_edn},
                                         Target{"jepsen_log", jepsen_log}, Target{"jepsen_tsv", jepsen_tsv},
                                         Target{"kv_log", kv_log}, Target{"values", values},
                                         Target{"certificate", certificate}, Target{"schedule", schedule},
                                         Target{"settings", settings}),
                         [](const auto& instance) { return std::string(instance.param.name); });

}  // namespace
}  // namespace faultline::fuzz
