#include "keeper.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>

#include <faultline/text.hpp>
#include <faultline/time.hpp>

namespace faultline::live::agent {
namespace {

std::atomic<bool> asked_to_end{false};

constexpr std::size_t longest_line = 16 << 20;
constexpr std::size_t most_connections = 16;

void send_line(int socket, const Json& reply) {
  const std::string line = reply.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  std::string_view rest = line;
  while (!rest.empty()) {
    const auto n = ::send(socket, rest.data(), rest.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;  // the harness asks again by another connection
    rest.remove_prefix(static_cast<std::size_t>(n));
  }
}

}  // namespace

Keeper::Keeper(std::filesystem::path folder, std::chrono::milliseconds time_to_live,
               std::unique_ptr<NodeService> service, Descriptor listener)
    : folder_(std::move(folder)),
      time_to_live_(time_to_live),
      service_(std::move(service)),
      listener_(std::move(listener)) {
  struct sigaction action {};
  action.sa_handler = [](int) { asked_to_end = true; };
  ::sigaction(SIGTERM, &action, nullptr);
  action.sa_handler = SIG_IGN;
  ::sigaction(SIGHUP, &action, nullptr);
  ::sigaction(SIGPIPE, &action, nullptr);
}

void Keeper::run() {
  while (!ended_) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(renewed_ + time_to_live_ - Clock::now());
    if (left.count() <= 0) return lapse("heard nothing of the harness for " + to_text(time_to_live_));
    if (asked_to_end) return lapse("was asked to end by SIGTERM");
    std::vector<pollfd> watched{{.fd = listener_.get(), .events = POLLIN, .revents = 0}};
    for (const auto& connection : connections_)
      watched.push_back({.fd = connection.socket.get(), .events = POLLIN, .revents = 0});
    if (::poll(watched.data(), watched.size(), static_cast<int>(std::min<long>(left.count(), 1000))) <= 0) continue;
    std::vector<Connection> kept;
    for (std::size_t i = 0; i < connections_.size(); ++i) {
      const bool stays = watched[i + 1].revents == 0 || ended_ || serve(connections_[i]);
      if (stays) kept.push_back(std::move(connections_[i]));
    }
    connections_ = std::move(kept);
    if (watched[0].revents != 0) accept_one();
  }
}

void Keeper::accept_one() {
  Descriptor socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!socket) return;
  // Relays of broken connections may linger; the oldest goes.
  if (connections_.size() >= most_connections) connections_.erase(connections_.begin());
  const timeval limit{.tv_sec = 5, .tv_usec = 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  connections_.push_back({.socket = std::move(socket), .received = {}});
}

bool Keeper::serve(Connection& connection) {
  std::array<char, 1 << 14> chunk{};
  const auto n = ::recv(connection.socket.get(), chunk.data(), chunk.size(), MSG_DONTWAIT);
  if (n < 0) return errno == EAGAIN || errno == EINTR;
  if (n == 0) return false;
  connection.received.append(chunk.data(), static_cast<std::size_t>(n));
  if (connection.received.size() > longest_line) return false;
  for (;;) {
    const auto end = connection.received.find('\n');
    if (end == std::string::npos) return true;
    const Json request = Json::parse(connection.received.substr(0, end), nullptr, false);
    connection.received.erase(0, end + 1);
    if (!request.is_object() || !request.contains("do") || !request["do"].is_string()) return false;
    send_line(connection.socket.get(), answer(request));
    if (ended_) return false;
  }
}

Json Keeper::answer(const Json& request) {
  const std::string what = request["do"].get<std::string>();
  if (!request.contains("id")) {
    if (what == "end") return end();
    const auto age = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - renewed_);
    return {{"age_ms", age.count()}, {"time_to_live_ms", time_to_live_.count()}};
  }
  const auto id = request["id"].is_number_integer() ? request["id"].get<std::int64_t>() : 0;
  if (id < last_id_ || id == 0) return {{"id", id}, {"error", "a request out of order"}, {"remedy", ""}};
  if (id != last_id_) {
    Json reply = what == "end" ? end() : service_->perform(request);
    reply["id"] = id;
    last_id_ = id;
    last_reply_ = std::move(reply);
  }
  renewed_ = Clock::now();
  return last_reply_;
}

// The folder goes unless something could not be undone; then the journal in it says what.
Json Keeper::end() {
  const HealedLeftovers report = service_->end();
  service_.reset();
  ended_ = true;
  std::error_code ignored;
  if (report.remaining.empty()) std::filesystem::remove_all(folder_, ignored);
  return {{"done", report.done}, {"remaining", report.remaining}};
}

void Keeper::lapse(const std::string& why) {
  HealedLeftovers report = service_->end();
  service_.reset();
  ended_ = true;
  std::string text = why + "\n";
  for (const auto& line : report.done) text += line + "\n";
  for (const auto& line : report.remaining) text += line + "\n";
  const Descriptor out(::open((folder_ / lapsed_name).c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (out && ::write(out.get(), text.data(), text.size()) > 0) ::fsync(out.get());
}

}  // namespace faultline::live::agent
