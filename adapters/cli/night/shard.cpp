#include "night/shard.hpp"

#include <faultline/text.hpp>

#include <fmt/format.h>

#include <charconv>
#include <cstdint>

namespace faultline::cli::night {

namespace {

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t n = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (error != std::errc{} || end != text.data() + text.size() || n > 1'000'000) return std::nullopt;
  return n;
}

Result<Shard> from_text(std::string_view text, std::string_view origin) {
  const std::size_t slash = text.find('/');
  const auto index = number(text.substr(0, slash));
  const auto count = slash == std::string_view::npos ? std::nullopt : number(text.substr(slash + 1));
  if (!index || !count || *index == 0 || *index > *count) {
    return Error::bad_input(
        fmt::format("{} {}: the number of this shard and of all is expected", origin, escape_controls(text)),
        "e.g. --shard 2/4, from 1/4 to 4/4");
  }
  return Shard{.index = *index - 1, .count = *count, .origin = std::string(origin)};
}

struct Pair {
  std::string_view index, count;
  std::uint64_t first;
};

}  // namespace

std::string Shard::text() const { return whole() ? "" : fmt::format("{}/{}", index + 1, count); }

Result<Shard> shard_of(std::string_view flag, const Environment& environment) {
  if (!flag.empty()) return from_text(flag, "--shard");
  const auto read = [&](std::string_view name) -> std::optional<std::string> {
    auto text = environment(name);
    return text && text->empty() ? std::nullopt : text;
  };
  if (const auto text = read("FAULTLINE_SHARD")) return from_text(*text, "FAULTLINE_SHARD");
  for (const Pair& pair :
       {Pair{"FAULTLINE_SHARD_INDEX", "FAULTLINE_SHARD_COUNT", 0}, Pair{"CI_NODE_INDEX", "CI_NODE_TOTAL", 1},
        Pair{"SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT", 0}, Pair{"JOB_COMPLETION_INDEX", "JOB_COMPLETIONS", 0}}) {
    const auto index_text = read(pair.index);
    // A job of GitLab that is not parallel has a total of 1 and no index.
    if (!index_text) continue;
    const auto count_text = read(pair.count);
    auto index = number(*index_text);
    const auto count = count_text ? number(*count_text) : std::nullopt;
    std::uint64_t first = pair.first, step = 1;
    if (pair.index == "SLURM_ARRAY_TASK_ID") {
      first = number(read("SLURM_ARRAY_TASK_MIN").value_or("0")).value_or(0);
      step = number(read("SLURM_ARRAY_TASK_STEP").value_or("1")).value_or(1);
    }
    const bool fine = index && count && step > 0 && *index >= first && (*index - first) % step == 0 &&
                      (*index - first) / step < *count;
    if (!fine) {
      return Error::bad_input(
          fmt::format("{}={} and {}={} do not say which shard this is", pair.index, escape_controls(*index_text),
                      pair.count, count_text ? escape_controls(*count_text) : "(not set)"),
          "set both, or say it with --shard i/n; --shard 1/1 runs everything");
    }
    return Shard{.index = (*index - first) / step, .count = *count, .origin = std::string(pair.index)};
  }
  return Shard{};
}

}  // namespace faultline::cli::night
