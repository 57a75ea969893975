// Writes every sample as a page to the folder named by FL_SAMPLES, for looking at in a browser.
#include "samples.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace faultline {
namespace {

TEST(Samples, EveryKindYieldsACompletePage) {
  const char* folder = std::getenv("FL_SAMPLES");
  if (folder != nullptr) std::filesystem::create_directories(folder);
  for (const samples::Sample& sample : samples::all()) {
    const std::string page = render_html(sample.input);
    EXPECT_TRUE(page.starts_with("<!DOCTYPE html>")) << sample.name;
    EXPECT_TRUE(page.ends_with("</html>\n")) << sample.name;
    if (folder != nullptr)
      std::ofstream(std::filesystem::path(folder) / (sample.name + ".html"), std::ios::binary) << page;
  }
}

}  // namespace
}  // namespace faultline
