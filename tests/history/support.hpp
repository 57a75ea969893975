// What the tests of readers share.
#pragma once

#include <faultline/formats.hpp>

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace faultline {

// The history in `text`, which must read.
inline ReadResult read_ok(std::string_view text, const ReadOptions& options = {}) {
  auto read = read_history(text, options, "h");
  EXPECT_TRUE(read.ok()) << text.substr(0, 500) << "\n" << read.error().to_string();
  return read.ok() ? std::move(read).value() : ReadResult{};
}

// The error that reading `text` must give: bad_input, told in one piece.
inline std::string read_error(std::string_view text, const ReadOptions& options = {}) {
  const auto read = read_history(text, options, "h");
  EXPECT_FALSE(read.ok()) << text.substr(0, 500);
  if (read.ok()) return "no error";
  EXPECT_EQ(read.error().exit_code(), 64);
  return read.error().to_string();
}

inline const Remark* find_remark(const ReadResult& read, std::string_view kind) {
  for (const Remark& remark : read.remarks) {
    if (remark.kind == kind) return &remark;
  }
  return nullptr;
}

inline ::testing::AssertionResult begins_with(const std::string& text, std::string_view start) {
  if (text.starts_with(start)) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << "expected it to begin with\n" << start << "\nbut it is\n" << text;
}

inline ::testing::AssertionResult holds(const std::string& text, std::string_view part) {
  if (text.find(part) != std::string::npos) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << "expected in it\n" << part << "\nbut it is\n" << text;
}

}  // namespace faultline
