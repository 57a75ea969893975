// The etcd client's codec and the gateway's, back to back: what the harness asks is understood, and what the server answers is.
#include "one_member.hpp"

#include <faultline/etcd/codec.hpp>
#include <faultline/rng.hpp>

#include <map>

#include <gtest/gtest.h>

namespace faultline::raft::gateway {
namespace {

etcd::Completion perform(OneMember& member, std::string f, Value value, Value key) {
  const Event invocation{
      .type = EventType::invoke, .f = std::move(f), .key = std::move(key), .value = std::move(value)};
  auto talk = etcd::Conversation::start(invocation, {});
  EXPECT_TRUE(talk.ok());
  while (true) {
    const etcd::Request& request = talk.value().request();
    const HttpReply reply = member.post(request.path, request.body);
    if (auto completion =
            talk.value().receive({static_cast<unsigned>(reply.status), std::string(reply.content_type), reply.body})) {
      return *completion;
    }
  }
}

TEST(ClientCodec, RandomOperationsEndAsARegisterMapSays) {
  Rng rng(5);
  OneMember member;
  std::map<std::int64_t, Value> model;
  for (int i = 0; i < 10'000; ++i) {
    const std::int64_t key = rng.between(1, 4);
    const Value value = rng.chance(0.1) ? Value() : Value(rng.between(0, 3));
    switch (rng.below(3)) {
      case 0: {
        const auto read = perform(member, "read", {}, key);
        ASSERT_EQ(read.type, EventType::ok) << read.error;
        ASSERT_EQ(read.value, model[key]);
        break;
      }
      case 1: {
        const auto write = perform(member, "write", value, key);
        ASSERT_EQ(write.type, EventType::ok) << write.error;
        model[key] = value;
        break;
      }
      default: {
        const Value from = rng.chance(0.6) ? model[key] : Value(rng.between(0, 3));
        const auto cas = perform(member, "cas", Value::list({from, value}), key);
        ASSERT_EQ(cas.type, model[key] == from ? EventType::ok : EventType::fail) << cas.error;
        if (model[key] == from) {
          model[key] = value;
        } else {
          ASSERT_EQ(cas.found, model[key]);
        }
      }
    }
  }
}

TEST(ClientCodec, HeadersVersionsAndRefusalsAreUnderstood) {
  OneMember member;
  const auto write = perform(member, "write", 1, "x");
  EXPECT_EQ(write.member_id, member.header().member_id);
  EXPECT_EQ(write.raft_term, 2);
  EXPECT_EQ(write.revision, 2);
  EXPECT_EQ(write.version, 2);
  const auto large = perform(member, "write", Value(std::string(1'700'000, 'x')), "x");
  EXPECT_EQ(large.type, EventType::fail);
  EXPECT_EQ(large.error, "3 etcdserver: request is too large");
}

TEST(ClientCodec, StatusMembersAndVersionAreUnderstood) {
  OneMember member;
  const auto as_reply = [](const HttpReply& r) {
    return etcd::Reply{static_cast<unsigned>(r.status), std::string(r.content_type), r.body};
  };
  const auto status =
      etcd::parse_status(as_reply(member.post(etcd::status_request().path, etcd::status_request().body)));
  ASSERT_TRUE(status.ok());
  EXPECT_TRUE(status.value().believes_it_leads());
  EXPECT_EQ(status.value().version, "3.4.23");
  const auto members = etcd::parse_members(
      as_reply(member_list_reply(member.header(), {{.id = 22, .name = "n1", .client_urls = {"http://h:1"}}})));
  ASSERT_TRUE(members.ok());
  EXPECT_EQ(members.value()[0].client_urls, std::vector<std::string>{"http://h:1"});
  const auto version = etcd::parse_version(as_reply(version_reply("3.4.23", "3.4.0", "0.1.0")));
  ASSERT_TRUE(version.ok());
  EXPECT_EQ(version.value(), "3.4.23");
}

}  // namespace
}  // namespace faultline::raft::gateway
