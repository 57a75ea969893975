// The verbs. Each takes its validated settings and returns the exit code; words go through the Console.
#pragma once

#include <faultline/schedule.hpp>

#include <filesystem>

#include "console.hpp"
#include "settings.hpp"

namespace faultline::cli {

int run_command(Settings settings, Console& console);
// The same with these faults instead of drawn ones.
int run_schedule(Settings settings, const Schedule& schedule, Console& console);
int sim_command(const Settings& settings, Console& console);
int replay_command(const Settings& settings, Console& console);
int check_command(const Settings& settings, Console& console);
int shrink_command(const Settings& settings, Console& console);
int shrink_simulation(const std::filesystem::path& scenario, const Settings& settings, Console& console);
// The schedule of a live run, by running it again with fewer faults.
int shrink_live(const Settings& settings, Console& console);
int verify_command(const Settings& settings, Console& console);
int report_command(const Settings& settings, Console& console);
int serve_command(const Settings& settings, Console& console);
int campaign_command(const Settings& settings, Console& console);
int merge_command(const Settings& settings, Console& console);
int doctor_command(const Settings& settings, Console& console);

// Prints an error as text on stderr, or under --json as {"schema":1,"error":…} on stdout; returns its exit code.
int fail(const Error& error, Console& console);
std::string error_json(const Error& error, const std::string& source);

}  // namespace faultline::cli
