// Replies: etcd's bytes, and that whatever is in them stays JSON. The goldens of all calls are in golden_test.cpp.
#include <faultline/raft/gateway/reply.hpp>

#include "writer.hpp"

#include <nlohmann/json.hpp>

#include <faultline/raft/kv/errors.hpp>
#include <faultline/rng.hpp>

#include <gtest/gtest.h>

namespace faultline::raft::gateway {
namespace {

// Bytes captured from etcd 3.4.23.
constexpr Header header{.cluster_id = 11005849259809973908ULL, .member_id = 13668033151171901709ULL, .raft_term = 2};
const std::string captured_header =
    R"("header":{"cluster_id":"11005849259809973908","member_id":"13668033151171901709","revision":"3","raft_term":"2"})";

TEST(Encode, APutsReplyIsByteForByteEtcds) {
  const kv::Reply reply{
      3, kv::PutReply{kv::KeyValue{.key = "k1", .value = "v1", .create_revision = 2, .mod_revision = 2, .version = 1}}};
  EXPECT_EQ(to_reply(Call::put, header, reply).body,
            "{" + captured_header +
                R"(,"prev_kv":{"key":"azE=","create_revision":"2","mod_revision":"2","version":"1","value":"djE="}})");
  EXPECT_EQ(to_reply(Call::put, header, {3, kv::PutReply{}}).body, "{" + captured_header + "}");
}

TEST(Encode, ARangesReplyIsByteForByteEtcds) {
  kv::RangeReply reply;
  EXPECT_EQ(range_reply(header, 3, reply).body, "{" + captured_header + "}");
  reply.kvs = {{.key = "k1", .value = "v2", .create_revision = 2, .mod_revision = 3, .version = 2}};
  reply.count = 1;
  EXPECT_EQ(
      range_reply(header, 3, reply).body,
      "{" + captured_header +
          R"(,"kvs":[{"key":"azE=","create_revision":"2","mod_revision":"3","version":"2","value":"djI="}],"count":"1"})");
}

TEST(Encode, ATransactionsReplyIsByteForByteEtcds) {
  kv::TxnReply reply{.succeeded = true};
  reply.responses.push_back({3, kv::DeleteReply{.deleted = 1}});
  reply.responses.push_back({0, kv::TxnReply{}});
  EXPECT_EQ(txn_reply(header, 3, reply).body,
            "{" + captured_header +
                R"(,"succeeded":true,"responses":[{"response_delete_range":{"header":{"revision":"3"},"deleted":"1"}},)"
                R"({"response_txn":{"header":{}}}]})");
}

TEST(Encode, MembersAreByteForByteEtcds) {
  const std::vector<MemberReply> members{{.id = 975050037397374526,
                                          .name = "n2",
                                          .peer_urls = {"http://127.0.0.1:23811"},
                                          .client_urls = {"http://127.0.0.1:23810"}}};
  EXPECT_EQ(
      member_list_reply(header, members).body,
      R"({"header":{"cluster_id":"11005849259809973908","member_id":"13668033151171901709","raft_term":"2"},"members":[{"ID":"975050037397374526","name":"n2","peerURLs":["http://127.0.0.1:23811"],"clientURLs":["http://127.0.0.1:23810"]}]})");
}

TEST(Encode, ErrorsHaveEtcdsStatusAndLockLosesTheCode) {
  const HttpReply reply = error_reply(Call::put, kv::errors::lease_not_found());
  EXPECT_EQ(reply.status, 404);
  EXPECT_EQ(
      reply.body,
      R"({"error":"etcdserver: requested lease not found","message":"etcdserver: requested lease not found","code":5})");
  EXPECT_EQ(error_reply(Call::lock, kv::errors::lease_not_found()).status, 500);
  EXPECT_NE(error_reply(Call::unlock, kv::errors::timed_out()).body.find("\"code\":2"), std::string::npos);
  EXPECT_EQ(plain_error_reply(kv::errors::lease_not_found()).status, 404);
  const std::pair<int, int> statuses[] = {{1, 408}, {2, 500},  {3, 400},  {4, 504},  {5, 404},  {8, 429},
                                          {9, 412}, {11, 400}, {12, 501}, {13, 500}, {14, 503}, {15, 500}};
  for (const auto& [code, status] : statuses) EXPECT_EQ(http_status(code), status) << code;
}

TEST(Encode, AStreamFailsInItsOwnForm) {
  const HttpReply reply = stream_error_reply(kv::errors::no_leader());
  EXPECT_EQ(reply.status, 503);
  EXPECT_EQ(
      reply.body,
      R"({"error":{"grpc_code":14,"http_code":503,"message":"etcdserver: no leader","http_status":"Service Unavailable"}})"
      "\n");
  EXPECT_EQ(keepalive_line(header, 3, kv::LeaseId{777}, 0), R"({"result":{)" + captured_header +
                                                                R"(,"ID":"777"}})"
                                                                "\n");
  EXPECT_EQ(keepalive_line(header, 3, kv::LeaseId{777}, 60), R"({"result":{)" + captured_header +
                                                                 R"(,"ID":"777","TTL":"60"}})"
                                                                 "\n");
}

TEST(Encode, ATimeToLiveOfNoLeaseIsMinusOne) {
  EXPECT_EQ(time_to_live_reply(header, {.revision = 3, .id = kv::LeaseId{42}}).body,
            "{" + captured_header + R"(,"ID":"42","TTL":"-1"})");
}

TEST(Encode, AnyTextBecomesAJsonStringThatOtherParsersRead) {
  Rng rng(4);
  for (int i = 0; i < 20'000; ++i) {
    std::string text;
    for (std::uint64_t n = rng.below(12); n > 0; --n) {
      text += rng.chance(0.5) ? std::string("\u00e9") : std::string(1, static_cast<char>(rng.below(256)));
    }
    std::string json;
    append_json_string(json, text);
    const nlohmann::json parsed = nlohmann::json::parse(json, nullptr, false);
    ASSERT_TRUE(parsed.is_string()) << json;
    // Valid text comes back as it was.
    const nlohmann::json valid = nlohmann::json(text);
    try {
      (void)valid.dump();
    } catch (const nlohmann::json::exception&) {
      continue;
    }
    ASSERT_EQ(parsed.get<std::string>(), text);
  }
}

}  // namespace
}  // namespace faultline::raft::gateway
