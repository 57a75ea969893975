#include "wire.hpp"

#include <gtest/gtest.h>

namespace faultline::raft::sim {
namespace {

TEST(Wire, WhatWasSaidIsHeard) {
  const std::string request = encode(WireRequest{"/v3/kv/put", "17", "3", "{\"key\":\"\n\"}"});
  const auto heard = decode_request(request);
  ASSERT_TRUE(heard.has_value());
  EXPECT_EQ(heard->path, "/v3/kv/put");
  EXPECT_EQ(heard->session, "17");
  EXPECT_EQ(heard->sequence, "3");
  EXPECT_EQ(heard->body, "{\"key\":\"\n\"}");
  const std::string reply = encode(WireReply{429, "application/json", "{}"});
  const auto answered = decode_reply(reply);
  ASSERT_TRUE(answered.has_value());
  EXPECT_EQ(answered->status, 429);
  EXPECT_EQ(answered->body, "{}");
}

TEST(Wire, NoCutAndNoFlippedBitIsTakenForAMessage) {
  const std::string request = encode(WireRequest{"/v3/kv/put", "17", "3", "{}"});
  const std::string reply = encode(WireReply{200, "application/json", "{}"});
  for (const std::string& whole : {request, reply}) {
    for (std::size_t size = 0; size < whole.size(); ++size) {
      EXPECT_FALSE(decode_request(whole.substr(0, size)).has_value());
      EXPECT_FALSE(decode_reply(whole.substr(0, size)).has_value());
    }
    for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
      std::string damaged = whole;
      damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
      EXPECT_FALSE(decode_request(damaged).has_value());
      EXPECT_FALSE(decode_reply(damaged).has_value());
    }
  }
}

}  // namespace
}  // namespace faultline::raft::sim
