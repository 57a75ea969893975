// Requests: what they become, and what hostile ones do not do.
#include "one_member.hpp"

#include "base64.hpp"

#include <faultline/raft/kv/codec.hpp>
#include <faultline/rng.hpp>

#include <gtest/gtest.h>

namespace faultline::raft::gateway {
namespace {

template <class Content>
Content decoded(std::string_view path, std::string_view body) {
  Decoder decoder;
  Request request = decoder.decode({"POST", path, body, {}, {}});
  EXPECT_TRUE(std::holds_alternative<Content>(request.content)) << path << ' ' << body;
  return std::holds_alternative<Content>(request.content) ? std::get<Content>(std::move(request.content)) : Content{};
}

template <class Command>
Command command_of(std::string_view path, std::string_view body) {
  return std::get<Command>(decoded<Write>(path, body).command.request);
}

HttpReply refusal(const HttpRequest& http) {
  Decoder decoder;
  Request request = decoder.decode(http);
  EXPECT_TRUE(std::holds_alternative<HttpReply>(request.content)) << http.target << ' ' << http.body;
  return std::holds_alternative<HttpReply>(request.content) ? std::get<HttpReply>(request.content) : HttpReply{};
}

std::string base64(std::string_view bytes) {
  std::string text;
  append_base64(text, bytes);
  return text;
}

TEST(Decode, APutHasAllItsFieldsInEitherSpelling) {
  const kv::Put wanted{
      .key = "k1", .value = "v1", .lease = kv::LeaseId{7}, .prev_kv = true, .ignore_value = true, .ignore_lease = true};
  EXPECT_EQ(command_of<kv::Put>(
                "/v3/kv/put",
                R"({"key":"azE=","value":"djE=","lease":"7","prev_kv":true,"ignore_value":true,"ignore_lease":true})"),
            wanted);
  EXPECT_EQ(command_of<kv::Put>(
                "/v3/kv/put",
                R"({"ignoreLease":true,"ignoreValue":true,"prevKv":true,"lease":7,"value":"djE=","key":"azE="})"),
            wanted);
  EXPECT_EQ(command_of<kv::Put>("/v3/kv/put", R"({"\u006bey":"az\u0045=","prev\u004bv":true})"),
            (kv::Put{.key = "k1", .prev_kv = true}));
}

TEST(Decode, ARangeHasAllItsFieldsInEitherSpelling) {
  const Read snake = decoded<Read>(
      "/v3/kv/range",
      R"({"key":"YQ==","range_end":"Yg==","limit":1,"revision":"2","sort_order":"DESCEND","sort_target":"MOD",
      "serializable":true,"keys_only":true,"count_only":true,"min_mod_revision":3,"max_mod_revision":"4","min_create_revision":5,"max_create_revision":6})");
  const Read camel = decoded<Read>(
      "/v3/kv/range", R"({"key":"YQ==","rangeEnd":"Yg==","limit":"1","revision":2,"sortOrder":2,"sortTarget":3,
      "serializable":true,"keysOnly":true,"countOnly":true,"minModRevision":"3","maxModRevision":4,"minCreateRevision":5,"maxCreateRevision":6})");
  const kv::Range wanted{"a", "b", 1, 2, kv::SortOrder::descend, kv::SortTarget::mod, true, true, 3, 4, 5, 6};
  EXPECT_EQ(snake.range, wanted);
  EXPECT_EQ(camel.range, wanted);
  EXPECT_TRUE(snake.serializable && camel.serializable);
}

TEST(Decode, ATransactionIsAReadOnlyIfNoBranchCanWrite) {
  const char* reads =
      R"({"success":[{"request_range":{"key":"YQ=="}}],"failure":[{"request_range":{"key":"YQ==","serializable":true}}]})";
  EXPECT_FALSE(decoded<ReadTxn>("/v3/kv/txn", reads).serializable);
  EXPECT_TRUE(decoded<ReadTxn>("/v3/kv/txn", R"({"failure":[{"request_range":{"key":"YQ==","serializable":true}}]})")
                  .serializable);
  EXPECT_TRUE(decoded<ReadTxn>("/v3/kv/txn", "{}").serializable);
  for (const char* write :
       {R"({"failure":[{"request_put":{"key":"YQ=="}}]})", R"({"success":[{"request_delete_range":{"key":"YQ=="}}]})",
        R"({"success":[{"request_txn":{"success":[{"request_range":{"key":"YQ=="}}]}}]})"}) {
    decoded<Write>("/v3/kv/txn", write);
  }
}

TEST(Decode, AComparesNumberIsThatOfItsTarget) {
  const auto txn = command_of<kv::Txn>(
      "/v3/kv/txn",
      R"({"compare":[{"key":"YQ==","target":"MOD","result":"LESS","version":"1","mod_revision":"9","value":"YQ=="},
      {"key":"YQ==","target":3,"result":3,"value":"YQ==","lease":4}],"success":[{"request_put":{"key":"YQ=="}}]})");
  EXPECT_EQ(
      txn.compares[0],
      (kv::Compare{.key = "a", .target = kv::Compare::Target::mod, .result = kv::Compare::Result::less, .number = 9}));
  EXPECT_EQ(
      txn.compares[1],
      (kv::Compare{
          .key = "a", .target = kv::Compare::Target::value, .result = kv::Compare::Result::not_equal, .value = "a"}));
}

// etcd panics on the first, takes the second for true, and draws lots about the third.
TEST(Decode, WhatEtcdCannotMeanIsRefused) {
  EXPECT_EQ(refusal({"POST", "/v3/kv/range", R"({"key":"YQ==","sort_target":9})", {}, {}}).status, 400);
  EXPECT_EQ(refusal({"POST", "/v3/kv/txn", R"({"compare":[{"key":"YQ==","result":9}]})", {}, {}}).status, 400);
  EXPECT_EQ(refusal({"POST",
                     "/v3/kv/txn",
                     R"({"success":[{"request_put":{"key":"YQ=="},"request_range":{"key":"YQ=="}}]})",
                     {},
                     {}})
                .status,
            400);
  EXPECT_EQ(refusal({"POST", "/v3/kv/txn", R"({"success":[null]})", {}, {}}).status, 400);
}

TEST(Decode, SessionHeadersGoTogetherAndOnlyOntoWrites) {
  Decoder decoder;
  const auto write = decoder.decode({"POST", "/v3/kv/put", R"({"key":"YQ=="})", "17", "3"});
  EXPECT_EQ(std::get<Write>(write.content).command.client, (kv::ClientSequence{kv::SessionId{17}, 3}));
  EXPECT_TRUE(
      std::holds_alternative<Read>(decoder.decode({"POST", "/v3/kv/range", R"({"key":"YQ=="})", "17", "3"}).content));
  const std::pair<std::string_view, std::string_view> bad[] = {
      {"17", ""},   {"", "3"},  {"x", "3"}, {"17", "-3"},
      {"17", "3 "}, {"0", "1"}, {"1", "0"}, {"99999999999999999999", "1"}};
  for (const auto& [id, sequence] : bad) {
    const HttpReply reply = refusal({"POST", "/v3/kv/put", R"({"key":"YQ=="})", id, sequence});
    EXPECT_EQ(reply.status, 400);
    EXPECT_NE(reply.body.find("X-Session-Seq"), std::string::npos);
  }
}

TEST(Decode, ASessionIsOpenedAndUsedThroughTheGateway) {
  OneMember member;
  const HttpReply opened = member.post("/v3/session/open", "{}");
  EXPECT_NE(opened.body.find(R"("ID":"1")"), std::string::npos) << opened.body;
  const HttpRequest put{"POST", "/v3/kv/put", R"({"key":"YQ==","value":"MQ=="})", "1", "1"};
  const std::string first = member.answer(put).body;
  EXPECT_EQ(member.answer(put).body, first);
  EXPECT_EQ(member.store().revision(), 2);
  EXPECT_EQ(member.answer({"POST", "/v3/kv/put", R"({"key":"YQ=="})", "2", "1"}).status, 412);
}

TEST(Decode, StreamsReadTheirRequestsUntilOneCannotBeRead) {
  const auto watches =
      decoded<Watches>("/v3/watch", R"({"create_request":{"key":"YQ==","watch_id":5,"filters":["NOPUT",1]}}{} null
      {"progress_request":{}} {"cancel_request":{"watch_id":"5"}} ! {"progress_request":{}})");
  ASSERT_EQ(watches.requests.size(), 3U);
  const auto& create = std::get<WatchCreate>(watches.requests[0]);
  EXPECT_TRUE(create.watch_id == 5 && create.no_put && create.no_delete);
  EXPECT_EQ(std::get<WatchCancel>(watches.requests[2]).watch_id, 5);
  EXPECT_EQ(decoded<Keepalives>("/v3/lease/keepalive", "{\"ID\":1}\n{\"ID\":\"2\"}\n{\"ID\":\"x\"}").leases.size(), 2U);
  EXPECT_EQ(refusal({"POST", "/v3/watch", "!", {}, {}}).status, 500);
}

TEST(Decode, AStreamBodyOfManyRequestsIsBounded) {
  std::string body;
  for (std::size_t i = 0; i < stream_requests_max + 100; ++i) body += "{\"ID\":1}";
  EXPECT_EQ(decoded<Keepalives>("/v3/lease/keepalive", body).leases.size(), stream_requests_max);
}

TEST(Decode, EveryPrefixOfAValidBodyIsRefusedAndNotHalfUnderstood) {
  const std::pair<std::string_view, std::string_view> bodies[] = {
      {"/v3/kv/put", R"({"key":"azE=","value":"djE=","lease":"7"})"},
      {"/v3/kv/txn",
       R"({"compare":[{"key":"azE=","target":"VALUE","value":"djE="}],"success":[{"request_put":{"key":"azE="}}]})"},
      {"/v3/watch", R"({"create_request":{"key":"azE=","filters":["NOPUT"]}})"},
      {"/v3/lease/grant", R"({"TTL":60,"ID":"7"})"}};
  for (const auto& [path, body] : bodies) {
    for (std::size_t length = 1; length < body.size(); ++length) {
      EXPECT_NE(refusal({"POST", path, body.substr(0, length), {}, {}}).body.find("unexpected EOF"), std::string::npos);
    }
  }
}

TEST(Decode, LargeValuesAndDeepNestingPassOrAreRefused) {
  const std::string mib(1 << 20, 'x');
  EXPECT_EQ(command_of<kv::Put>("/v3/kv/put", R"({"key":"YQ==","value":")" + base64(mib) + "\"}").value, mib);
  std::string list = "120";
  for (int i = 1; i < 1 << 18; ++i) list += ",120";
  EXPECT_EQ(command_of<kv::Put>("/v3/kv/put", R"({"key":"YQ==","value":[)" + list + "]}").value,
            mib.substr(0, 1 << 18));
  EXPECT_EQ(refusal({"POST", "/v3/kv/put", std::string(body_bytes_max + 1, ' '), {}, {}}).status, 429);
  for (const int depth : {127, 128, 129, 2000}) {
    std::string txn, closing;
    for (int i = 0; i < depth; ++i) {
      txn += R"({"success":[{"request_txn":)";
      closing += "}]}";
    }
    OneMember member;
    const HttpReply reply = member.post("/v3/kv/txn", txn + "{}" + closing);
    EXPECT_EQ(reply.status, depth <= 128 ? 200 : 400) << depth << reply.body.substr(0, 200);
  }
}

// Whatever the bytes are, there is an answer, and it is either a success or an error of the documented form.
TEST(Decode, MutatedRequestsAreAnswered) {
  const std::pair<std::string_view, std::string> seeds[] = {
      {"/v3/kv/put", R"({"key":"azE=","value":"djE=","lease":"7","prev_kv":true,"ignore_value":false})"},
      {"/v3/kv/range",
       R"({"key":"azE=","range_end":"AA==","limit":"5","sort_order":"ASCEND","sort_target":1,"keys_only":true})"},
      {"/v3/kv/txn",
       R"({"compare":[{"key":"azE=","target":"MOD","result":1,"mod_revision":"4"}],"success":[{"request_put":{"key":"azE="}},{"request_txn":{}}],"failure":[{"request_range":{"key":"YQ=="}}]})"},
      {"/v3/kv/deleterange", R"({"key":"azE=","range_end":"YQ==","prev_kv":true})"},
      {"/v3/lease/grant", R"({"TTL":60,"ID":"7"})"},
      {"/v3/lease/keepalive", "{\"ID\":7}\n{\"ID\":\"8\"}"}};
  constexpr std::string_view bytes = "{}[]\",:\\u0=AaEetfn+-. \n\xff\x80\x01";
  Rng rng(3);
  OneMember member;
  for (int i = 0; i < 60'000; ++i) {
    const auto& [path, seed] = seeds[rng.below(std::size(seeds))];
    std::string body = seed;
    for (std::uint64_t n = rng.below(4); n > 0; --n) {
      const std::size_t at = rng.below(body.size());
      const std::size_t piece = 1 + rng.below(6);
      switch (rng.below(4)) {
        case 0: body.erase(at, piece); break;
        case 1: body.insert(at, body.substr(rng.below(body.size()), piece)); break;
        case 2: body.insert(at, 1, bytes[rng.below(bytes.size())]); break;
        default: body[at] = bytes[rng.below(bytes.size())];
      }
      if (body.empty()) break;
    }
    const HttpReply reply = member.post(path, body);
    ASSERT_TRUE(reply.status == 200 || reply.body.starts_with(R"({"error":")")) << reply.status << reply.body;
  }
}

TEST(Decode, PathsAndMethods) {
  const auto reply = [](std::string_view method, std::string_view target) {
    return refusal({method, target, "", {}, {}});
  };
  EXPECT_EQ(reply("POST", "/v3/nope").body, "Not Found\n");
  EXPECT_EQ(reply("GET", "/nope").body, "404 page not found\n");
  EXPECT_EQ(reply("GET", "/v3/kv/put").status, 405);
  EXPECT_EQ(reply("POST", "/metrics").status, 405);
  EXPECT_EQ(reply("", "").status, 404);
  Decoder decoder;
  EXPECT_EQ(decoder.decode({"GET", "/metrics?x=1", "", {}, {}}).call, Call::metrics);
  EXPECT_EQ(decoder.decode({"GET", "/debug/raft", "", {}, {}}).call, Call::debug);
}

}  // namespace
}  // namespace faultline::raft::gateway
