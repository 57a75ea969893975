#include <faultline/etcd/probe.hpp>

#include <fmt/format.h>

#include <chrono>

#include "http.hpp"
#include "text.hpp"

namespace faultline::etcd {
namespace {

Event probe_invocation(std::string f) { return {.f = std::move(f), .key = Value("faultline-probe")}; }

}  // namespace

Result<Reply> ask(const live::Endpoint& endpoint, const Request& request, Duration limit) {
  return call(endpoint, post(request, endpoint), limit);
}

Result<MemberStatus> ask_status(const live::Endpoint& endpoint, Duration limit) {
  const auto reply = call(endpoint, post(status_request(), endpoint), limit);
  return reply ? parse_status(reply.value()) : reply.error();
}

Result<std::vector<Member>> ask_members(const live::Endpoint& endpoint, Duration limit) {
  const auto reply = call(endpoint, post(members_request(), endpoint), limit);
  return reply ? parse_members(reply.value()) : reply.error();
}

Result<std::string> ask_version(const live::Endpoint& endpoint, Duration limit) {
  const auto reply = call(endpoint, get("/version", endpoint), limit);
  return reply ? parse_version(reply.value()) : reply.error();
}

Result<MemberStatus> ask_whether_it_serves(const live::Endpoint& endpoint, Duration limit) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  auto status = ask_status(endpoint, limit);
  if (!status) return status.error();
  if (status.value().leader == 0) return Error::environment(fmt::format("{}: knows no leader", endpoint.to_string()));

  auto read = Conversation::start(probe_invocation("read"), {.key_prefix = ""});
  FL_ASSERT(read.ok());
  const auto reply =
      call(endpoint, post(read.value().request(), endpoint), deadline - std::chrono::steady_clock::now());
  if (!reply) return reply.error();
  const auto completion = read.value().receive(reply.value());
  FL_ASSERT(completion.has_value());
  if (completion->type != EventType::ok) {
    return Error::environment(fmt::format("{}: no linearizable read: {}", endpoint.to_string(), completion->error));
  }
  return status;
}

Result<void> delete_keys(const live::Endpoint& endpoint, const std::string& prefix, Duration limit) {
  FL_ASSERT(!prefix.empty());
  std::string end = prefix;
  ++end.back();  // ASCII, so this is the first text behind all that start with the prefix.
  const Request request{"/v3/kv/deleterange",
                        fmt::format(R"({{"key":"{}","range_end":"{}"}})", to_base64(prefix), to_base64(end)), true};
  const auto reply = call(endpoint, post(request, endpoint), limit);
  if (!reply) return reply.error();
  if (reply.value().status == 200) return {};
  return Error::environment(
      fmt::format("{}: HTTP {} {}", endpoint.to_string(), reply.value().status, reply.value().body));
}

}  // namespace faultline::etcd
