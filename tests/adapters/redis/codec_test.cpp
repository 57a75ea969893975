// Redis's protocol and what its replies mean.
#include <faultline/redis/codec.hpp>

#include <gtest/gtest.h>

namespace faultline::redis {
namespace {

Event asked(std::string f, Value value = {}) {
  return {.type = EventType::invoke, .process = 3, .f = std::move(f), .key = "x", .value = std::move(value)};
}
Reply reply(std::string_view bytes) {
  const auto parsed = parse_reply(bytes);
  EXPECT_TRUE(parsed.ok() && parsed.value());
  return parsed.value()->reply;
}
EventType type_of(const Event& invocation, std::string_view bytes) {
  return completion_of(invocation, reply(bytes), "n1").type;
}

TEST(Resp, AReplyIsReadOnlyOnceItIsWhole) {
  const std::string bytes = "*3\r\n$2\r\na\n\r\n:-7\r\n*1\r\n$-1\r\n";
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const auto parsed = parse_reply(std::string_view(bytes).substr(0, size));
    ASSERT_TRUE(parsed.ok());
    EXPECT_FALSE(parsed.value()) << size;
  }
  const auto parsed = parse_reply(bytes + "+more");
  ASSERT_TRUE(parsed.ok() && parsed.value());
  EXPECT_EQ(parsed.value()->size, bytes.size());
  EXPECT_EQ(parsed.value()->reply.items[0].text, "a\n");
  EXPECT_EQ(parsed.value()->reply.items[1].number, -7);
  EXPECT_EQ(parsed.value()->reply.items[2].items[0].kind, Reply::Kind::nil);
}

TEST(Resp, WhatNoServerSaysIsRefused) {
  for (const char* bytes : {"HTTP/1.1 400\r\n", ":x\r\n", "$-2\r\n", "\r\n", "$1\r\nabc\r\n"})
    EXPECT_FALSE(parse_reply(bytes).ok()) << bytes;
}

TEST(RedisCodec, SaysOperationsInRedissWords) {
  EXPECT_EQ(command_of(asked("write", 7), {}).value().words, (std::vector<std::string>{"SET", "faultline/\"x\"", "7"}));
  EXPECT_EQ(command_of(asked("write"), {}).value().words, (std::vector<std::string>{"DEL", "faultline/\"x\""}));
  EXPECT_EQ(command_of(asked("add", 7), {.sets = true}).value().words,
            (std::vector<std::string>{"SADD", "faultline/\"x\"", "7"}));
  EXPECT_FALSE(command_of(asked("add", 7), {}).ok());
  EXPECT_FALSE(command_of(asked("cas", 7), {}).ok());
}

TEST(RedisCodec, AWriteFailsOnlyIfNothingWasWritten) {
  EXPECT_EQ(type_of(asked("write", 7), "+OK\r\n"), EventType::ok);
  EXPECT_EQ(type_of(asked("write", 7), "-LOADING Redis is loading\r\n"), EventType::fail);
  EXPECT_EQ(type_of(asked("write", 7), "-ERR unheard of\r\n"), EventType::info);
  EXPECT_EQ(type_of(asked("write", 7), "$1\r\n7\r\n"), EventType::info);
  EXPECT_EQ(type_of(asked("read"), "-ERR unheard of\r\n"), EventType::fail);
  EXPECT_EQ(broken(asked("write", 7), true, "reset", "n1").type, EventType::info);
  EXPECT_EQ(broken(asked("write", 7), false, "refused", "n1").type, EventType::fail);
  EXPECT_EQ(broken(asked("read"), true, "reset", "n1").type, EventType::fail);
}

TEST(RedisCodec, ReadsValuesSetsAndWhatACasFound) {
  EXPECT_EQ(completion_of(asked("read"), reply("$-1\r\n"), "n1").value, Value());
  EXPECT_EQ(completion_of(asked("read"), reply("$1\r\n7\r\n"), "n1").value, Value(7));
  EXPECT_EQ(completion_of(asked("read"), reply("*2\r\n$1\r\n9\r\n$1\r\n7\r\n"), "n1").value, Value::list({7, 9}));
  const Event found = completion_of(asked("cas", Value::list({1, 2})), reply("*2\r\n$5\r\nfound\r\n$1\r\n7\r\n"), "n1");
  EXPECT_EQ(found.type, EventType::fail);
  EXPECT_EQ(found.extra.get("found"), Value(7));
  EXPECT_EQ(type_of(asked("cas", Value::list({1, 2})), "*1\r\n$4\r\ndone\r\n"), EventType::ok);
}

}  // namespace
}  // namespace faultline::redis
