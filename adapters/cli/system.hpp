// What the composition root asks of the machine: clock, memory, cores, versions, files written whole, Ctrl-C.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include <faultline/result.hpp>
#include <faultline/time.hpp>

namespace faultline::cli {

// Time since it was made, on the steady clock.
class Stopwatch {
 public:
  [[nodiscard]] Duration elapsed() const { return std::chrono::steady_clock::now() - start_; }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

std::string utc_text();                      // "2026-11-20 02:14:06 UTC"
std::string utc_text(std::int64_t seconds);  // since 1970
std::string utc_compact();                   // "20261120T021406Z"

std::uint64_t peak_rss_bytes();
// Half of what the machine or the control group has left.
std::uint64_t default_memory_limit();
unsigned core_count();
std::uint64_t random_seed();

// {"version","commit","compiler"}
std::map<std::string, std::string> tool_versions();

// Writes the whole file or none of it: a temporary file beside it, renamed.
Result<void> write_file(const std::filesystem::path& path, std::string_view bytes);
// The same for what comes in pieces: `produce` calls its argument with each.
using Sink = std::function<void(std::string_view)>;
Result<void> write_file(const std::filesystem::path& path, const std::function<void(const Sink&)>& produce);

// --- Ctrl-C
// ------------------------------------------------------------------------------------------------------------ SIGINT
// and SIGTERM are counted: once ends the work in order, twice skips the check, the third time ends the process at once
// (exit 130) after printing what `leftovers` was last told. SIGPIPE is ignored: a closed pipe is not an error.
void install_signal_handlers();
int interrupts();
// What a process that ends at once leaves behind, for the last words; copied.
void set_leftovers_notice(std::string_view notice);

}  // namespace faultline::cli
