// Console: where words go. Results on stdout, progress, logs and warnings on stderr, as text or as one JSON object a
// line.
//
// On a terminal progress is one line, redrawn at most ten times a second and erased at the end; otherwise a plain line
// every ten seconds and at each change of phase. One Console per process, used from the main thread.
#pragma once

#include <string>
#include <string_view>

#include <faultline/report.hpp>

#include "settings.hpp"
#include "system.hpp"

namespace faultline::cli {

class Console {
 public:
  explicit Console(const Settings& settings);
  ~Console();
  Console(const Console&) = delete;
  Console& operator=(const Console&) = delete;

  void phase(std::string_view name, std::string_view detail = {});
  void progress(std::string_view text);
  void note(std::string_view text);    // kept on screen unless --quiet: seed and run directory, warnings
  void log(std::string_view text);     // only with --verbose
  void error(std::string_view text);   // always
  void result(std::string_view text);  // stdout
  // Lines that a continuous integration reads on stderr: at most ten in this process, for it takes no more of a step.
  void annotations(std::string_view lines);

  [[nodiscard]] bool json() const { return json_; }
  [[nodiscard]] TerminalStyle style() const { return style_; }

 private:
  void erase_line();
  void event(std::string_view kind, std::string_view text);

  bool json_, events_, quiet_, verbose_, terminal_;
  TerminalStyle style_;
  Stopwatch watch_;
  Duration last_drawn_ = -std::chrono::hours(1);
  std::string phase_;
  bool line_drawn_ = false;
  int annotated_ = 0;
};

}  // namespace faultline::cli
