// faultline-agent: the harness's hands on a remote node. One static program, uploaded by the harness, run over ssh.
//
//   faultline-agent checksum FILE                  its SHA-256 in hexadecimal
//   faultline-agent sweep --state DIR --node NAME  undoes what dead runs left on this node; a JSON object a line
//   faultline-agent heal --folder DIR              undoes what that run left; its harness is known to be dead
//   faultline-agent relay --folder DIR --run ID --node NAME --harness ADDRESS --time-to-live-ms N --start yes|no
//                         [--harness-boot ID] [--set-clock yes|no]
//                                                  requests from stdin, replies to stdout: see NodeService and Keeper
//
// Room: it lies beside ssh/ and remote/, since it is the far end of the same conversation; it shares the live room's parts (daemons,
// journal, packet filter, clocks), compiled for it alone, because nodes have none of our libraries.
#include <fmt/format.h>

#include <charconv>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <string_view>

#include "relay.hpp"
#include "reports/sha256.hpp"
#include "sweep.hpp"

namespace faultline::live::agent {
namespace {

namespace fs = std::filesystem;
using Options = std::map<std::string, std::string>;

int fail(const Error& error) {
  fmt::print(stderr, "{}\n", error.to_string());
  return 3;
}

int checksum(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) return fail(Error::environment("cannot read " + file.string()));
  const std::string bytes{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  for (const auto byte : reports::sha256(bytes)) fmt::print("{:02x}", byte);
  fmt::print("\n");
  return 0;
}

void print(const Json& found) {
  if (!found.is_null()) fmt::print("{}\n", found.dump(-1, ' ', false, Json::error_handler_t::replace));
}

std::string lapsed_text(const fs::path& folder) {
  std::ifstream in(folder / "lapsed");
  std::string all;
  for (std::string line; std::getline(in, line);) all += (all.empty() ? "" : "; ") + line;
  return all;
}

int run_relay(const Options& options, const fs::path& folder) {
  const auto of = [&](const char* name) {
    const auto found = options.find(name);
    return found == options.end() ? std::string() : found->second;
  };
  if (of("start") == "yes") {
    long limit = 0;
    const std::string text = of("time-to-live-ms");
    std::from_chars(text.data(), text.data() + text.size(), limit);
    if (limit <= 0) return fail(Error::bad_input("--time-to-live-ms needs a number"));
    const auto started = start_keeper({.folder = folder,
                                       .run_id = of("run"),
                                       .node = of("node"),
                                       .harness = of("harness"),
                                       .harness_boot_id = of("harness-boot"),
                                       .set_clock = of("set-clock") == "yes"},
                                      std::chrono::milliseconds(limit));
    if (!started) return fail(started.error());
  }
  const auto keeper = connect_to_keeper(folder);
  if (!keeper) {
    const std::string lapsed = lapsed_text(folder);
    return fail(lapsed.empty() ? keeper.error() : Error::environment("the node has healed itself: " + lapsed));
  }
  relay(keeper.value().get());
  return 0;
}

int run(const std::string& verb, const std::vector<std::string>& words) {
  if (verb == "checksum" && words.size() == 1) return checksum(words[0]);
  Options options;
  for (std::size_t i = 0; i + 1 < words.size(); i += 2) {
    if (words[i].starts_with("--")) options[words[i].substr(2)] = words[i + 1];
  }
  const fs::path folder = options.contains("folder") ? fs::absolute(options["folder"]) : fs::path();
  if (verb == "sweep" && options.contains("state")) {
    for (const Json& found : sweep(fs::absolute(options["state"]), options["node"])) print(found);
    return 0;
  }
  if (verb == "heal" && options.contains("folder")) {
    print(sweep_run(folder, true));
    return 0;
  }
  if (verb == "relay" && options.contains("folder")) return run_relay(options, folder);
  return fail(Error::bad_input("usage: faultline-agent checksum FILE | sweep | heal | relay; the harness knows how"));
}

}  // namespace
}  // namespace faultline::live::agent

int main(int count, char** words) {
  try {
    return faultline::live::agent::run(count > 1 ? words[1] : "", {words + std::min(count, 2), words + count});
  } catch (const std::exception& e) {
    fmt::print(stderr, "{}\n", e.what());
    return 3;
  }
}
