// The codec, row by row: golden requests, the replies of a live etcd 3.4.23, and everything a broken server may say.
#include <faultline/etcd/codec.hpp>

#include <gtest/gtest.h>

#include <ostream>

namespace faultline::etcd {

void PrintTo(const Completion& c, std::ostream* out) {
  *out << to_string(c.type) << " value=" << c.value.to_string() << " error='" << c.error << "' harness='"
       << c.harness_error << "'";
}

namespace {

const std::string header =
    R"("header":{"cluster_id":"11005849259809973908","member_id":"13668033151171901709","revision":"4","raft_term":"2"})";
const std::string key_x = "ZmF1bHRsaW5lLyJ4Ig==";  // faultline/"x"

Event invocation(std::string f, Value value, Value key = "x") {
  return {.type = EventType::invoke, .process = 3, .f = std::move(f), .key = std::move(key), .value = std::move(value)};
}

Conversation talk(std::string f, Value value = {}, CodecOptions options = {}) {
  auto started = Conversation::start(invocation(std::move(f), std::move(value)), options);
  EXPECT_TRUE(started.ok());
  return std::move(started).value();
}

Reply json(std::string body, unsigned status = 200) { return {status, "application/json", std::move(body)}; }
Reply success(const std::string& fields = "") {
  return json("{" + header + (fields.empty() ? "" : "," + fields) + "}");
}
std::string kv(const std::string& value_base64, int mod_revision) {
  return R"({"key":")" + key_x + R"(","create_revision":"2","mod_revision":")" + std::to_string(mod_revision) +
         R"(","version":"2","value":")" + value_base64 + R"("})";
}
std::string found(const std::string& value_base64, int mod_revision) {
  return R"("kvs":[)" + kv(value_base64, mod_revision) + R"(],"count":"1")";
}
std::string refused_txn(const std::string& range_fields) {
  return R"("responses":[{"response_range":{"header":{"revision":"4"})" +
         (range_fields.empty() ? "" : "," + range_fields) + "}}]";
}

// --- operation -> request
// ---------------------------------------------------------------------------------------------------

TEST(Codec, SaysEachOperationInTheGatewaysWords) {
  struct Row {
    std::string f;
    Value value;
    std::string path, body;
    bool writes;
  };
  const std::string key = R"("key":")" + key_x + R"(")";
  const std::string otherwise = R"("failure":[{"request_range":{)" + key + "}}]}";
  const Row rows[] = {
      {"read", {}, "/v3/kv/range", "{" + key + "}", false},
      {"get", {}, "/v3/kv/range", "{" + key + "}", false},
      {"write", 7, "/v3/kv/put", "{" + key + R"(,"value":"Nw=="})", true},
      {"write", 1.0, "/v3/kv/put", "{" + key + R"(,"value":"MS4w"})", true},
      {"put", "ab", "/v3/kv/put", "{" + key + R"(,"value":"ImFiIg=="})", true},
      {"write", {}, "/v3/kv/deleterange", "{" + key + "}", true},
      {"cas", Value::list({3, 4}), "/v3/kv/txn",
       R"({"compare":[{)" + key + R"(,"target":"VALUE","result":"EQUAL","value":"Mw=="}],"success":[{"request_put":{)" +
           key + R"(,"value":"NA=="}}],)" + otherwise,
       true},
      {"cas", Value::list({Value(), 4}), "/v3/kv/txn",
       R"({"compare":[{)" + key +
           R"(,"target":"CREATE","result":"EQUAL","create_revision":"0"}],"success":[{"request_put":{)" + key +
           R"(,"value":"NA=="}}],)" + otherwise,
       true},
      {"cas", Value::list({3, Value()}), "/v3/kv/txn",
       R"({"compare":[{)" + key +
           R"(,"target":"VALUE","result":"EQUAL","value":"Mw=="}],"success":[{"request_delete_range":{)" + key +
           "}}]," + otherwise,
       true},
      {"append", "ab", "/v3/kv/range", "{" + key + "}", false},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(talk(row.f, row.value).request(), (Request{row.path, row.body, row.writes})) << row.f << " " << row.body;
  }
}

TEST(Codec, SerializableConcernsReadsOnly) {
  const CodecOptions options{.reads = Reads::serializable};
  const std::string serializable = R"({"key":")" + key_x + R"(","serializable":true})";
  EXPECT_EQ(talk("read", {}, options).request().body, serializable);
  EXPECT_EQ(talk("get", {}, options).request().body, serializable);
  EXPECT_EQ(talk("append", "a", options).request().body, R"({"key":")" + key_x + R"("})");
  EXPECT_EQ(talk("write", Value(), options).request().body, R"({"key":")" + key_x + R"("})");
}

TEST(Codec, KeysOfDifferentTypesAreDifferentKeys) {
  const std::pair<Value, std::string> keys[] = {{Value(7), "ZmF1bHRsaW5lLzc="},
                                                {Value(), "ZmF1bHRsaW5lL251bGw="},
                                                {Value::list({"a", 1}), "ZmF1bHRsaW5lL1siYSIsMV0="}};
  for (const auto& [key, text] : keys) {
    const auto started = Conversation::start(invocation("read", {}, key), {});
    ASSERT_TRUE(started.ok());
    EXPECT_EQ(started.value().request().body, R"({"key":")" + text + R"("})");
  }
  EXPECT_EQ(talk("read", {}, {.key_prefix = ""}).request().body, R"({"key":"Ingi"})");
}

TEST(Codec, RefusesWhatCannotBeSaidToEtcd) {
  const Event refused[] = {invocation("enqueue", 1),
                           invocation("cas", 1),
                           invocation("cas", Value::list({1, 2, 3})),
                           invocation("append", 1),
                           invocation("append", Value("\xff")),
                           invocation("write", Value::keyword("a")),
                           invocation("cas", Value::list({Value::keyword("a"), 1})),
                           invocation("cas", Value::list({1, Value::keyword("a")})),
                           invocation("read", {}, Value::keyword("a"))};
  for (const Event& event : refused) {
    const auto started = Conversation::start(event, {});
    ASSERT_FALSE(started.ok()) << event.f << " " << event.value.to_string();
    EXPECT_EQ(started.error().kind, ErrorKind::bad_input);
  }
}

// --- replies that succeed
// ---------------------------------------------------------------------------------------------------

Completion told(Completion completion) {
  completion.member_id = 13668033151171901709ULL;
  completion.raft_term = 2;
  completion.revision = 4;
  return completion;
}
Completion ok(Value value, std::optional<std::int64_t> version) {
  return told({.type = EventType::ok, .value = std::move(value), .version = version});
}

TEST(Codec, UnderstandsTheSuccessesOfALiveEtcd) {
  struct Row {
    const char* claim;
    std::string f;
    Value value;
    Reply reply;
    Completion completion;
  };
  const Completion not_equal =
      told({.type = EventType::fail, .value = Value::list({3, 4}), .error = "precondition-failed", .found = Value(5)});
  Completion not_there = not_equal;
  not_there.found = Value();
  const std::string put_done = R"("succeeded":true,"responses":[{"response_put":{"header":{"revision":"4"}}}])";
  const Row rows[] = {
      {"a read", "read", {}, success(found("Nw==", 3)), ok(7, 3)},
      {"a read of nothing", "read", {}, success(), ok({}, std::nullopt)},
      {"a get of nothing", "get", {}, success(), ok("", std::nullopt)},
      {"a get", "get", {}, success(found("ImFiIg==", 3)), ok("ab", 3)},
      {"a read of nothing, zero said",
       "read",
       {},
       success(R"("kvs":[],"count":"0","more":false)"),
       ok({}, std::nullopt)},
      {"numbers as numbers",
       "read",
       {},
       json(R"({"header":{"member_id":13668033151171901709,"revision":4,"raft_term":2},"kvs":[{"key":")" + key_x +
            R"(","mod_revision":3,"value":"Nw=="}],"count":1})"),
       ok(7, 3)},
      {"lowerCamel and unpadded base64",
       "read",
       {},
       json(
           R"( { "header":{"memberId":"13668033151171901709","revision":"4","raftTerm":"2"},"kvs":[{"key":"ZmF1bHRsaW5lLyJ4Ig",
            "modRevision":"3","value":"Nw"}],"count":"1","unknown":[{}] } )"),
       ok(7, 3)},
      {"bytes nobody wrote", "read", {}, success(found("YWJj", 3)), ok(Value::tagged("bytes", "YWJj"), 3)},
      {"an empty value",
       "read",
       {},
       success(R"("kvs":[{"key":")" + key_x + R"(","mod_revision":"3"}],"count":"1")"),
       ok(Value::tagged("bytes", ""), 3)},
      {"a write", "write", 7, success(), ok(7, 4)},
      {"a write with prev_kv", "write", 7, success(R"("prev_kv":)" + kv("Nw==", 3)), ok(7, 4)},
      {"a put", "put", "ab", success(), ok("ab", 4)},
      {"a removal", "write", {}, success(R"("deleted":"1")"), ok({}, std::nullopt)},
      {"a cas", "cas", Value::list({3, 4}), success(put_done), ok(Value::list({3, 4}), 4)},
      {"a cas from nil", "cas", Value::list({Value(), 4}), success(put_done), ok(Value::list({Value(), 4}), 4)},
      {"a cas to nil", "cas", Value::list({3, Value()}),
       success(R"("succeeded":true,"responses":[{"response_delete_range":{"deleted":"1"}}])"),
       ok(Value::list({3, Value()}), std::nullopt)},
      {"a refused cas", "cas", Value::list({3, 4}), success(refused_txn(found("NQ==", 3))), not_equal},
      {"a refused cas, false said", "cas", Value::list({3, 4}),
       success(R"("succeeded":false,)" + refused_txn(found("NQ==", 3))), not_equal},
      {"a refused cas of nothing", "cas", Value::list({3, 4}), success(refused_txn("")), not_there},
  };
  for (const Row& row : rows) {
    Conversation conversation = talk(row.f, row.value);
    EXPECT_EQ(conversation.receive(row.reply), row.completion) << row.claim;
  }
}

TEST(Codec, AHeaderMayLeaveOutWhatIsZero) {
  const auto completion = talk("write", 7).receive(json(R"({"header":{}})"));
  ASSERT_TRUE(completion);
  EXPECT_EQ(*completion, (Completion{.type = EventType::ok, .value = 7}));
}

TEST(Codec, AppendPutsTheLongerTextIfTheKeyIsStillWhatItRead) {
  Conversation conversation = talk("append", "ab");
  EXPECT_EQ(conversation.receive(success(found("Inh5eiI=", 3))), std::nullopt);
  const std::string key = R"("key":")" + key_x + R"(")";
  EXPECT_EQ(conversation.request(),
            (Request{"/v3/kv/txn",
                     R"({"compare":[{)" + key +
                         R"(,"target":"MOD","result":"EQUAL","mod_revision":"3"}],"success":[{"request_put":{)" + key +
                         R"(,"value":"Inh5emFiIg=="}}],"failure":[{"request_range":{)" + key + "}}]}",
                     true}));
  EXPECT_EQ(conversation.receive(success(R"("succeeded":true,"responses":[{"response_put":{}}])")), ok("ab", 4));
}

TEST(Codec, AppendToNothingComparesWithRevisionZero) {
  Conversation conversation = talk("append", "ab");
  EXPECT_EQ(conversation.receive(success()), std::nullopt);
  EXPECT_NE(conversation.request().body.find(R"("mod_revision":"0")"), std::string::npos);
  EXPECT_NE(conversation.request().body.find(R"("value":"ImFiIg==")"), std::string::npos);
}

TEST(Codec, AnAppendThatLostTheRaceFailsAndIsNoObservation) {
  Conversation conversation = talk("append", "ab");
  ASSERT_EQ(conversation.receive(success(found("Inh5eiI=", 3))), std::nullopt);
  const auto completion = conversation.receive(success(refused_txn(found("ImEi", 4))));
  ASSERT_TRUE(completion);
  EXPECT_EQ(completion->type, EventType::fail);
  EXPECT_TRUE(completion->error.starts_with("lost-race"));
  EXPECT_EQ(completion->found, std::nullopt);
}

TEST(Codec, AppendToSomethingElseThanTextFails) {
  const auto completion = talk("append", "ab").receive(success(found("Nw==", 3)));
  ASSERT_TRUE(completion);
  EXPECT_EQ(completion->type, EventType::fail);
  EXPECT_EQ(completion->error, "cannot append to 7");
}

// --- the error table
// --------------------------------------------------------------------------------------------------------

struct ErrorRow {
  int code;
  unsigned status;
  const char* message;
  EventType write;  // what a write becomes; a read always becomes fail
};

const ErrorRow error_rows[] = {
    {3, 400, "etcdserver: key is not provided", EventType::fail},
    {3, 400, "illegal base64 data at input byte 0", EventType::fail},
    {3, 400, "invalid character 'o' in literal null (expecting 'u')", EventType::fail},
    {3, 400, "unexpected EOF", EventType::fail},
    {3, 400, "unexpected end of JSON input", EventType::fail},
    {3, 400, "json: cannot unmarshal string into Go value of type bool", EventType::fail},
    {3, 400, "proto: syntax error (line 1:1): invalid value not", EventType::fail},
    {3, 400, "etcdserver: duplicate key given in txn request", EventType::fail},
    {3, 400, "etcdserver: too many operations in txn request", EventType::fail},
    {3, 400, "etcdserver: key not found", EventType::fail},
    {3, 400, "etcdserver: request is too large", EventType::fail},
    {5, 404, "etcdserver: requested lease not found", EventType::fail},
    {8, 429, "etcdserver: too many requests", EventType::fail},
    {9, 412, "etcdserver: lease already exists", EventType::fail},
    {9, 400, "etcdserver: not leader", EventType::fail},
    {9, 412, "etcdserver: bad leader transferee", EventType::fail},
    {11, 400, "etcdserver: mvcc: required revision has been compacted", EventType::fail},
    {11, 400, "etcdserver: mvcc: required revision is a future revision", EventType::fail},
    {11, 400, "etcdserver: too large lease TTL", EventType::fail},
    {14, 503, "etcdserver: request timed out", EventType::info},
    {14, 503, "etcdserver: request timed out, possibly due to previous leader failure", EventType::info},
    {14, 503, "etcdserver: request timed out, possibly due to connection lost", EventType::info},
    {14, 503, "etcdserver: leader changed", EventType::info},
    {14, 503, "etcdserver: no leader", EventType::info},
    {14, 503, "etcdserver: server stopped", EventType::info},
    {14, 503, "etcdserver: unhealthy cluster", EventType::info},
    {2, 500, "context deadline exceeded", EventType::info},
    {2, 500, "etcdserver: requested lease not found", EventType::info},
    {1, 499, "context canceled", EventType::info},
    {1, 408, "context canceled", EventType::info},
    {4, 504, "context deadline exceeded", EventType::info},
    {4, 408, "context deadline exceeded", EventType::info},
    {13, 500, "transport: broken", EventType::info},
    {15, 500, "etcdserver: corrupt cluster", EventType::info},
    // The write that crosses the quota is answered so after it was applied.
    {8, 429, "etcdserver: mvcc: database space exceeded", EventType::info},
    {8, 429, "trying to send message larger than max", EventType::info},
    {9, 412, "etcdserver: session has expired", EventType::info},
    {3, 400, "something new", EventType::info},
    {3, 400, "not etcdserver: key is not provided", EventType::info},
    {5, 404, "etcdserver: key is not provided", EventType::info},
    {7, 403, "etcdserver: permission denied", EventType::info},
    {16, 401, "etcdserver: invalid auth token", EventType::info},
    {99, 500, "etcdserver: key is not provided", EventType::info},
};

std::string quoted(std::string_view text) { return "\"" + std::string(text) + "\""; }

// The four shapes an error comes in.
std::vector<std::string> shapes(const ErrorRow& row) {
  const std::string message = quoted(row.message), code = std::to_string(row.code);
  return {R"({"error":)" + message + R"(,"message":)" + message + R"(,"code":)" + code + "}",
          R"({"code":)" + code + R"(,"message":)" + message + R"(,"details":[]})",
          R"({"error":{"code":")" + code + R"(","message":)" + message + "}}",
          R"({"error":{"grpc_code":)" + code + R"(,"http_code":503,"message":)" + message + R"(,"http_status":"x"}})"};
}

TEST(ErrorTable, EveryRowInEveryShapeIsFailOnlyIfTheWriteIsCertainlyNotDone) {
  for (const ErrorRow& row : error_rows) {
    for (const std::string& body : shapes(row)) {
      // The status is never believed, so a wrong one changes nothing.
      for (const unsigned status : {row.status, 200U, 500U}) {
        const std::string error = std::to_string(row.code) + " " + row.message;
        for (const auto& [f, value] :
             {std::pair<std::string, Value>{"write", 7}, {"cas", Value::list({3, 4})}, {"put", "a"}}) {
          const auto completion = talk(f, value).receive(json(body, status));
          EXPECT_EQ(completion, (Completion{.type = row.write, .value = value, .error = error})) << f << " " << body;
        }
        for (const char* f : {"read", "get"}) {
          const auto completion = talk(f).receive(json(body, status));
          EXPECT_EQ(completion, (Completion{.type = EventType::fail, .error = error})) << f << " " << body;
        }
      }
    }
  }
}

TEST(ErrorTable, AnErrorBeforeAnAppendWritesIsFailAndOneAfterIsAsForAnyWrite) {
  for (const ErrorRow& row : error_rows) {
    const Reply error = json(shapes(row)[0], row.status);
    EXPECT_EQ(talk("append", "a").receive(error)->type, EventType::fail);
    Conversation second = talk("append", "a");
    ASSERT_EQ(second.receive(success()), std::nullopt);
    EXPECT_EQ(second.receive(error)->type, row.write) << row.message;
  }
}

TEST(ErrorTable, AnotherApiIsFailAndTheHarnesssError) {
  const Reply replies[] = {{404, "text/plain; charset=utf-8", "Not Found\n"},
                           {405, "text/plain; charset=utf-8", "Method Not Allowed\n"},
                           json(R"({"error":"Not Implemented","message":"Not Implemented","code":12})", 501),
                           json(R"({"code":12,"message":"unknown service","details":[]})", 501)};
  for (const Reply& reply : replies) {
    const auto completion = talk("write", 7).receive(reply);
    ASSERT_TRUE(completion);
    EXPECT_EQ(completion->type, EventType::fail) << reply.body;
    EXPECT_NE(completion->harness_error.find("/v3/kv/put is not served there"), std::string::npos);
  }
}

TEST(ErrorTable, WhateverCannotBeParsedIsInfoForAWriteAndFailForARead) {
  std::string deep = R"({"header":)";
  for (int i = 0; i < 100000; ++i) deep += "[";
  const Reply replies[] = {
      json(""),
      json("{"),
      json("null"),
      json("[]"),
      json("{}"),
      json("{}", 503),
      json(R"({"header":7})"),
      json(R"({"header":{"member_id":"12x"}})"),
      json(R"({"header":{"revision":"9223372036854775808"}})"),
      json(R"({"header":{"raft_term":1.5}})"),
      json("{" + header + "}", 500),  // a success that says it is none
      json("{" + header + "}", 204),
      json("{" + header + "} trailing"),
      json("{" + header + "}{" + header + "}"),
      json(std::string("{\"header\":{\"\xff\":1}}")),
      json(R"({"error":"only a text"})", 500),
      json(R"({"error":"x","message":"x","code":0})", 500),
      json(R"({"error":"x","message":"x","code":"many"})", 500),
      json(R"({"error":"x","message":7,"code":3})", 400),
      json(R"({"error":{},"code":3})", 400),
      json(deep),
      {502, "text/html", "<html>Bad Gateway</html>"},
      {400, "text/plain; charset=utf-8", "400 Bad Request"},
      {404, "text/html", "Not Found"},
      {0, "", std::string("\0\x01\x02", 3)},
  };
  for (const Reply& reply : replies) {
    for (const auto& [f, value] :
         {std::pair<std::string, Value>{"write", 7}, {"write", Value()}, {"cas", Value::list({3, 4})}}) {
      const auto completion = talk(f, value).receive(reply);
      ASSERT_TRUE(completion);
      EXPECT_EQ(completion->type, EventType::info) << f << " " << reply.body.substr(0, 80);
      EXPECT_TRUE(completion->error.starts_with("unparsable reply: ")) << completion->error;
    }
    const auto completion = talk("read").receive(reply);
    ASSERT_TRUE(completion);
    EXPECT_EQ(completion->type, EventType::fail) << reply.body.substr(0, 80);
  }
}

TEST(ErrorTable, AnAnswerToAnotherQuestionIsNoAnswer) {
  const std::string other = R"("kvs":[{"key":"eg==","mod_revision":"3","value":"Nw=="}],"count":"1")";
  const std::string bodies[] = {
      other,
      R"("kvs":[)" + kv("Nw==", 3) + "," + kv("Nw==", 3) + R"(],"count":"2")",
      R"("count":"1")",
      R"("kvs":[)" + kv("Nw==", 3) + "]",
      R"("kvs":[7],"count":"1")",
      R"("kvs":{},"count":"0")",
      R"("kvs":[)" + kv("!!", 3) + R"(],"count":"1")",
      R"("kvs":[)" + kv("Nw==", 0) + R"(],"count":"1")",
      R"("count":"one")",
  };
  for (const std::string& body : bodies) {
    EXPECT_EQ(talk("read").receive(success(body))->type, EventType::fail) << body;
    EXPECT_EQ(talk("append", "a").receive(success(body))->type, EventType::fail) << body;
    // The same as what a refused cas claims to have read: then the refusal is not believed either.
    EXPECT_EQ(talk("cas", Value::list({3, 4})).receive(success(refused_txn(body)))->type, EventType::info) << body;
  }
}

TEST(ErrorTable, ATransactionThatSaysNeitherYesNorNoIsInfo) {
  for (const std::string body : {"", R"("responses":[])", R"("responses":[{}])", R"("responses":[7])",
                                 R"("responses":{})", R"("succeeded":"true")", R"("responses":[{"response_put":{}}])",
                                 R"("responses":[{"response_range":{}},{"response_range":{}}])"}) {
    EXPECT_EQ(talk("cas", Value::list({3, 4})).receive(success(body))->type, EventType::info) << body;
    Conversation append = talk("append", "a");
    ASSERT_EQ(append.receive(success()), std::nullopt);
    EXPECT_EQ(append.receive(success(body))->type, EventType::info) << body;
  }
}

TEST(ErrorTable, ABrokenTalkIsInfoOnlyIfAWriteMayHaveLeft) {
  EXPECT_EQ(talk("write", 7).broken(true, "timeout"),
            (Completion{.type = EventType::info, .value = 7, .error = "timeout"}));
  EXPECT_EQ(talk("write", 7).broken(false, "refused"),
            (Completion{.type = EventType::fail, .value = 7, .error = "refused"}));
  EXPECT_EQ(talk("read").broken(true, "timeout").type, EventType::fail);
  Conversation append = talk("append", "a");
  EXPECT_EQ(append.broken(true, "timeout").type, EventType::fail);
  ASSERT_EQ(append.receive(success()), std::nullopt);
  EXPECT_EQ(append.broken(true, "timeout").type, EventType::info);
  EXPECT_EQ(append.broken(false, "refused").type, EventType::fail);
}

// Every reply cut at every byte and with every byte flipped: never a definite answer about a write that the whole does
// not give.
TEST(ErrorTable, ADamagedReplyNeverTurnsASuccessIntoAFail) {
  const std::string whole =
      success(R"("succeeded":true,"responses":[{"response_put":{"header":{"revision":"4"}}}])").body;
  for (std::size_t i = 0; i < whole.size(); ++i) {
    EXPECT_EQ(talk("cas", Value::list({3, 4})).receive(json(whole.substr(0, i)))->type, EventType::info) << i;
    for (int bit = 0; bit < 8; ++bit) {
      std::string flipped = whole;
      flipped[i] = static_cast<char>(flipped[i] ^ (1 << bit));
      EXPECT_NE(talk("cas", Value::list({3, 4})).receive(json(flipped))->type, EventType::fail) << flipped;
    }
  }
}

// --- events and members
// -----------------------------------------------------------------------------------------------------

TEST(Codec, TheEventNamesWhoAnsweredAndWhat) {
  const Event event = to_event(
      invocation("cas", Value::list({3, 4})), "n2",
      told({.type = EventType::fail, .value = Value::list({3, 4}), .error = "precondition-failed", .found = 5}));
  EXPECT_EQ(event.type, EventType::fail);
  EXPECT_EQ(event.process, 3);
  EXPECT_EQ(event.f, "cas");
  EXPECT_EQ(event.key, Value("x"));
  EXPECT_EQ(event.value, Value::list({3, 4}));
  EXPECT_EQ(
      event.extra.to_string(),
      R"({"error" "precondition-failed", "found" 5, "member_id" "bdae9bbc11dd390d", "node" "n2", "raft_term" 2, "revision" 4})");
  const Event bare = to_event(invocation("read", {}), "n2", {.type = EventType::fail, .error = "timeout"});
  EXPECT_EQ(bare.extra.to_string(), R"({"error" "timeout", "node" "n2"})");
}

TEST(Members, StatusTellsWhoBelievesToLead) {
  const auto follower = parse_status(json(
      R"({"header":{"cluster_id":"11005849259809973908","member_id":"13668033151171901709","revision":"1","raft_term":"2"},"version":"3.4.23","dbSize":"20480","leader":"975050037397374526","raftIndex":"8","raftTerm":"2","raftAppliedIndex":"8","dbSizeInUse":"16384"})"));
  ASSERT_TRUE(follower.ok());
  EXPECT_EQ(follower.value().member_id, 13668033151171901709ULL);
  EXPECT_EQ(follower.value().leader, 975050037397374526ULL);
  EXPECT_EQ(follower.value().raft_term, 2);
  EXPECT_EQ(follower.value().version, "3.4.23");
  EXPECT_FALSE(follower.value().believes_it_leads());

  const auto leader = parse_status(json(R"({"header":{"member_id":"7"},"leader":"7"})"));
  ASSERT_TRUE(leader.ok());
  EXPECT_TRUE(leader.value().believes_it_leads());
  const auto leaderless = parse_status(json(R"({"header":{},"version":"3.4.23"})"));
  ASSERT_TRUE(leaderless.ok());
  EXPECT_FALSE(leaderless.value().believes_it_leads());
}

TEST(Members, ListAndVersionAreRead) {
  const auto members = parse_members(json(
      "{" + header +
      R"(,"members":[{"ID":"975050037397374526","name":"n2","peerURLs":["http://127.0.0.1:23811"],"clientURLs":["http://127.0.0.1:23810"]},{"ID":"4687312115414415638","name":"n3"}]})"));
  ASSERT_TRUE(members.ok());
  ASSERT_EQ(members.value().size(), 2U);
  EXPECT_EQ(members.value()[0].id, 975050037397374526ULL);
  EXPECT_EQ(members.value()[0].name, "n2");
  EXPECT_EQ(members.value()[0].client_urls, std::vector<std::string>{"http://127.0.0.1:23810"});
  EXPECT_TRUE(members.value()[1].client_urls.empty());

  const auto version = parse_version({200, "application/json", R"({"etcdserver":"3.4.23","etcdcluster":"3.4.0"})"});
  ASSERT_TRUE(version.ok());
  EXPECT_EQ(version.value(), "3.4.23");
}

TEST(Members, AnythingElseIsAnErrorThatShowsTheReply) {
  const Reply replies[] = {json(""),
                           json("{}"),
                           json(R"({"header":7})"),
                           {404, "text/plain", "Not Found"},
                           json(R"({"error":"x","message":"x","code":14})", 503)};
  for (const Reply& reply : replies) {
    const auto status = parse_status(reply);
    ASSERT_FALSE(status.ok()) << reply.body;
    EXPECT_NE(status.error().message.find("HTTP " + std::to_string(reply.status)), std::string::npos);
    EXPECT_FALSE(parse_members(reply).ok());
    EXPECT_FALSE(parse_version(reply).ok());
  }
}

}  // namespace
}  // namespace faultline::etcd
