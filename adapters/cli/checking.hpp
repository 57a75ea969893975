// What `check` and `shrink` share: a history's file, its model, and what the options say it means.
#pragma once

#include <faultline/checker.hpp>
#include <faultline/formats.hpp>

#include <string>

#include "console.hpp"
#include "judge.hpp"
#include "settings.hpp"

namespace faultline::cli {

struct Loaded {
  ReadResult read;
  std::string model;
  std::string unfinished;  // not empty: the limit that ended the reading; nothing can be judged then
};

// Reads the file and tells what was noticed; `--model auto` is decided by the operations, and said.
Result<Loaded> load(const std::string& path, const Settings& settings, const Limits& limits, Console& console);
// What is said of a history that could not be read within its limits.
Verdict unread(const Loaded& loaded);

CheckOptions check_options(const Settings& settings, Format format);

// The options that change the meaning of a history, as the reproduce command must repeat them: of the file itself, and
// of its native rewriting, where keys are keys and formats have no rules of their own.
std::string meaning_of(const Settings& settings);
std::string meaning_of_native(const Settings& settings, Format format);

// What the checker says of a line, with the file's name in front: FILE:LINE: error: …
Error in_file(const std::string& path, Error error);

}  // namespace faultline::cli
