#include <fmt/format.h>

#include <faultline/etcd/codec.hpp>

#include "reply.hpp"

namespace faultline::etcd {
namespace {

Error not_understood(std::string_view what, const Reply& reply) {
  return Error::environment(fmt::format("{}: unexpected reply {}", what, describe(reply)));
}

std::optional<Document> success(const Reply& reply) {
  auto object = reply.status == 200 ? parse_object(reply.body) : std::nullopt;
  if (!object || parse_error(object->root())) return std::nullopt;
  return object;
}

std::optional<std::string> text_field(Json object, std::string_view name) {
  const auto json = field(object, name);
  if (!json) return std::string();
  const auto text = as_text(*json);
  return text ? std::optional(std::string(*text)) : std::nullopt;
}

std::optional<Member> parse_member(Json json) {
  if (!json.is_object()) return std::nullopt;
  const auto id = id_field(json, "ID");
  const auto name = text_field(json, "name");
  if (!id || !name) return std::nullopt;
  Member member{.id = *id, .name = *name};
  const auto urls = list_field(json, field(json, "client_urls") ? "client_urls" : "clientURLs");
  if (!urls) return std::nullopt;
  for (const Json& url : *urls) {
    const auto text = as_text(url);
    if (!text) return std::nullopt;
    member.client_urls.emplace_back(*text);
  }
  return member;
}

}  // namespace

Request status_request() { return {"/v3/maintenance/status", "{}", false}; }
Request members_request() { return {"/v3/cluster/member/list", "{}", false}; }

Result<MemberStatus> parse_status(const Reply& reply) {
  const auto object = success(reply);
  if (!object) return not_understood("status", reply);
  const auto header = field(object->root(), "header");
  if (!header || !header->is_object()) return not_understood("status", reply);
  const auto member_id = id_field(*header, "member_id");
  const auto raft_term = integer_field(*header, "raft_term");
  const auto leader = id_field(object->root(), "leader");
  const auto version = text_field(object->root(), "version");
  if (!member_id || !raft_term || !leader || !version) return not_understood("status", reply);
  return MemberStatus{*member_id, *leader, *raft_term, *version};
}

Result<std::vector<Member>> parse_members(const Reply& reply) {
  const auto object = success(reply);
  const auto list = object ? list_field(object->root(), "members") : std::nullopt;
  if (!list || list->empty()) return not_understood("member list", reply);
  std::vector<Member> members;
  for (const Json& json : *list) {
    auto member = parse_member(json);
    if (!member) return not_understood("member list", reply);
    members.push_back(std::move(*member));
  }
  return members;
}

Result<std::string> parse_version(const Reply& reply) {
  const auto object = success(reply);
  const auto version = object ? text_field(object->root(), "etcdserver") : std::nullopt;
  if (!version || version->empty()) return not_understood("version", reply);
  return *version;
}

}  // namespace faultline::etcd
