// Writes every sample as a page to the folder named by FL_SAMPLES, for looking at in a browser.
#include "samples.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace faultline {
namespace {

void write(const samples::Sample& sample) {
  const std::string page = render_html(sample.input);
  EXPECT_TRUE(page.starts_with("<!DOCTYPE html>")) << sample.name;
  EXPECT_TRUE(page.ends_with("</html>\n")) << sample.name;
  const char* folder = std::getenv("FL_SAMPLES");
  if (folder == nullptr) return;
  std::filesystem::create_directories(folder);
  const std::filesystem::path path = std::filesystem::path(folder) / (sample.name + ".html");
  std::ofstream(path, std::ios::binary) << page;
}

TEST(Samples, EveryKindYieldsACompletePage) {
  for (const samples::Sample& sample : samples::all()) write(sample);
  for (const samples::Sample& sample : samples::pages()) write(sample);
  write(samples::hostile("</script><script>alert(1)</script><img src=x onerror=alert(2)>"));
}

TEST(Samples, SoDoHistoriesOfAnySize) {
  for (const std::size_t operations : {10, 10'000}) write(samples::sized(operations));
  if (std::getenv("FL_SAMPLES") != nullptr) write(samples::sized(1'000'000));
}

}  // namespace
}  // namespace faultline
