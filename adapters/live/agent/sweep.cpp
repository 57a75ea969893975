#include "sweep.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <fstream>

#include "disk_service.hpp"
#include "keeper.hpp"
#include "relay.hpp"
#include "settable_clock.hpp"

namespace faultline::live::agent {
namespace {

namespace fs = std::filesystem;

// One question to a keeper; null if it does not answer.
Json ask(int keeper, const Json& request, std::chrono::milliseconds limit) {
  const std::string line = request.dump() + "\n";
  if (::send(keeper, line.data(), line.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(line.size())) return {};
  std::string reply;
  const auto until = std::chrono::steady_clock::now() + limit;
  while (reply.find('\n') == std::string::npos) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now()).count();
    pollfd waiting{.fd = keeper, .events = POLLIN, .revents = 0};
    if (left <= 0 || ::poll(&waiting, 1, static_cast<int>(left)) <= 0) return {};
    std::array<char, 4096> chunk{};
    const auto n = ::recv(keeper, chunk.data(), chunk.size(), 0);
    if (n <= 0) return {};
    reply.append(chunk.data(), static_cast<std::size_t>(n));
  }
  return Json::parse(reply, nullptr, false);
}

// Of a keeper that has ended or was killed: its own report, its journal, and the clock it may have set.
void heal_dead(const fs::path& folder, Json& found) {
  std::vector<std::string> done;
  std::vector<std::string> remaining;
  std::ifstream lapsed(folder / lapsed_name);
  for (std::string line; std::getline(lapsed, line);) done.push_back(line);
  const auto clock = SettableClock::restore_from(MachineClock::of_this_machine(), folder / machine_clock_name);
  if (!clock) remaining.push_back(clock.error().to_string());
  if (clock.ok() && clock.value()) done.emplace_back("set the machine's clock right");
  const auto edits = take_back_edits(folder / edits_name);
  if (edits)
    done.insert(done.end(), edits.value().begin(), edits.value().end());
  else
    remaining.push_back(edits.error().to_string());
  ::setenv("FAULTLINE_STATE", folder.c_str(), 1);
  if (const auto healed = heal_leftovers(); healed.ok()) {
    done.insert(done.end(), healed.value().done.begin(), healed.value().done.end());
    remaining.insert(remaining.end(), healed.value().remaining.begin(), healed.value().remaining.end());
  } else {
    remaining.push_back(healed.error().to_string());
  }
  std::error_code ignored;
  if (remaining.empty()) fs::remove_all(folder, ignored);
  found["done"] = done;
  found["remaining"] = remaining;
}

}  // namespace

Json sweep_run(const fs::path& folder, bool force) {
  std::ifstream in(folder / info_name);
  Json found = in ? Json::parse(in, nullptr, false) : Json();
  if (!found.is_object() || !found.contains("run") || !found.contains("node")) return {};
  constexpr auto status_limit = std::chrono::seconds(15);  // it may be in the middle of a request
  constexpr auto end_limit = std::chrono::seconds(60);
  if (const auto keeper = connect_to_keeper(folder); keeper.ok()) {
    const Json status = ask(keeper.value().get(), {{"do", "status"}}, status_limit);
    if (!force && status.is_object()) {
      found["live"] = true;
      found["age_ms"] = status.value("age_ms", 0);
      return found;
    }
    const Json ended = ask(keeper.value().get(), {{"do", "end"}}, end_limit);
    if (ended.is_object()) {
      found["done"] = ended.value("done", std::vector<std::string>());
      found["remaining"] = ended.value("remaining", std::vector<std::string>());
      return found;
    }
    found["done"] = std::vector<std::string>();
    found["remaining"] = {"its keeper does not answer"};
    return found;
  }
  heal_dead(folder, found);
  return found;
}

std::vector<Json> sweep(const fs::path& state, const std::string& node) {
  std::vector<fs::path> folders;
  std::error_code error;
  for (auto it = fs::directory_iterator(state, error); !error && it != fs::directory_iterator(); it.increment(error)) {
    if (it->is_directory(error)) folders.push_back(it->path());
  }
  std::sort(folders.begin(), folders.end());
  std::vector<Json> all;
  for (const auto& folder : folders) {
    std::ifstream in(folder / info_name);
    const Json info = in ? Json::parse(in, nullptr, false) : Json();
    if (!info.is_object() || info.value("node", "") != node) continue;
    if (Json found = sweep_run(folder, false); !found.is_null()) all.push_back(std::move(found));
  }
  return all;
}

}  // namespace faultline::live::agent
