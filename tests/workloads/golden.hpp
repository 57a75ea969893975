// Golden output: the test's text must equal the file's. FL_REWRITE=1 writes the files anew; commit only differences you can explain.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

namespace faultline {

// `file` is relative to the source tree.
inline void expect_golden(const std::string& file, const std::string& actual) {
  const std::string path = std::string(FL_SOURCE_DIR) + "/" + file;
  if (std::getenv("FL_REWRITE") != nullptr) {
    std::ofstream(path, std::ios::binary) << actual;
    return;
  }
  std::ifstream in(path, std::ios::binary);
  ASSERT_TRUE(in.good()) << path << " is missing; FL_REWRITE=1 writes it";
  std::stringstream expected;
  expected << in.rdbuf();
  EXPECT_EQ(actual, expected.str()) << "differs from " << file;
}

}  // namespace faultline
