#include "console.hpp"

#include <faultline/text.hpp>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace faultline::cli {

namespace {

constexpr Duration redraw_every = std::chrono::milliseconds(100);
constexpr Duration plain_line_every = std::chrono::seconds(10);

std::string_view environment(const char* name) {
  const char* text = std::getenv(name);
  return text ? text : "";
}

// --color beats NO_COLOR, which beats CLICOLOR_FORCE, which beats "is a terminal that is not dumb".
bool wants_colour(const std::string& when) {
  if (when == "always") return true;
  if (when == "never" || !environment("NO_COLOR").empty()) return false;
  if (const auto force = environment("CLICOLOR_FORCE"); !force.empty() && force != "0") return true;
  return ::isatty(STDOUT_FILENO) == 1 && environment("TERM") != "dumb";
}

bool has_utf8() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const std::string_view locale = environment(name);
    if (locale.empty()) continue;
    return locale.find("UTF-8") != std::string_view::npos || locale.find("utf8") != std::string_view::npos ||
           locale.find("UTF8") != std::string_view::npos || locale.find("utf-8") != std::string_view::npos;
  }
  return true;  // nothing said: what Debian and every CI understand today
}

void put(std::FILE* stream, std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stream);
  std::fflush(stream);
}

}  // namespace

Console::Console(const Settings& settings)
    : json_(settings.flag("json")),
      events_(settings.text("events") == "jsonl"),
      quiet_(settings.flag("quiet")),
      verbose_(settings.flag("verbose")),
      terminal_(::isatty(STDERR_FILENO) == 1 && environment("TERM") != "dumb"),
      style_{.colour = wants_colour(settings.text("color")), .utf8 = has_utf8()} {}

Console::~Console() { erase_line(); }

void Console::erase_line() {
  if (!line_drawn_) return;
  put(stderr, "\r\x1b[K");
  line_drawn_ = false;
}

void Console::event(std::string_view kind, std::string_view text) {
  const nlohmann::ordered_json line{
      {"time", watch_.elapsed().count()}, {"event", kind}, {"phase", phase_}, {"text", escape_controls(text)}};
  put(stderr, line.dump() + "\n");
}

void Console::phase(std::string_view name, std::string_view detail) {
  phase_ = name;
  last_drawn_ = watch_.elapsed();
  if (events_) return event("phase", detail);
  if (quiet_ || terminal_) return;
  put(stderr, fmt::format("{}{}{}\n", name, detail.empty() ? "" : "  ", detail));
}

void Console::progress(std::string_view text) {
  if (quiet_ && !events_) return;
  const Duration now = watch_.elapsed();
  if (now - last_drawn_ < (terminal_ && !events_ ? redraw_every : plain_line_every)) return;
  last_drawn_ = now;
  if (events_) return event("progress", text);
  if (!terminal_) return put(stderr, fmt::format("{}  {}\n", phase_, text));
  winsize size{};
  const std::size_t columns = ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
  const std::string line = fmt::format("{}  {}", phase_, text);
  put(stderr, "\r\x1b[K" + line.substr(0, columns - 1));
  line_drawn_ = true;
}

void Console::note(std::string_view text) {
  if (events_) return event("log", text);
  if (quiet_) return;
  erase_line();
  put(stderr, std::string(text) + "\n");
}

void Console::log(std::string_view text) {
  if (verbose_) note(text);
}

void Console::error(std::string_view text) {
  if (events_) return event("log", text);
  erase_line();
  put(stderr, std::string(text) + "\n");
}

void Console::annotations(std::string_view lines) {
  constexpr int most = 10;
  if (events_) return;
  erase_line();
  while (!lines.empty() && annotated_++ < most) {
    const std::size_t end = std::min(lines.find('\n'), lines.size() - 1);
    put(stderr, lines.substr(0, end + 1));
    lines.remove_prefix(end + 1);
  }
}

void Console::result(std::string_view text) {
  erase_line();
  put(stdout, text);
}

}  // namespace faultline::cli
