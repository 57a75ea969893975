// Commands and replies as bytes: there and back, cut, damaged, hostile.
#include <gtest/gtest.h>

#include <faultline/raft/kv/codec.hpp>
#include <faultline/raft/kv/errors.hpp>

#include "random_commands.hpp"

namespace faultline::raft::kv {
namespace {

std::string nested(std::size_t depth) {
  Txn txn;
  for (std::size_t i = 0; i < depth; ++i) {
    Txn outer;
    outer.success.push_back({std::move(txn)});
    txn = std::move(outer);
  }
  return encode(Command{.request = std::move(txn)});
}

// Commands of a random life, and the replies they got.
struct Sample {
  std::vector<Command> commands;
  std::vector<Reply> replies;
};

Sample sample(std::uint64_t seed, std::uint64_t entries) {
  RandomCommands random{Rng(seed)};
  Store store;
  Sample sample;
  for (std::uint64_t index = 1; index <= entries; ++index) {
    sample.commands.push_back(random.command(store.revision(), index));
    sample.replies.push_back(store.apply(LogIndex{index}, sample.commands.back()));
  }
  return sample;
}

TEST(Codec, WhatIsWrittenIsReadAgain) {
  const Sample all = sample(1, 20'000);
  for (const Command& command : all.commands) {
    const auto decoded = decode_command(encode(command));
    ASSERT_TRUE(decoded.ok()) << decoded.error().to_string();
    ASSERT_EQ(decoded.value(), command);
  }
  for (const Reply& reply : all.replies) {
    const auto decoded = decode_reply(encode(reply));
    ASSERT_TRUE(decoded.ok()) << decoded.error().to_string();
    ASSERT_EQ(decoded.value(), reply);
  }
}

TEST(Codec, EveryCutIsRefused) {
  const Sample all = sample(2, 400);
  for (std::size_t i = 0; i < all.commands.size(); ++i) {
    const std::string command = encode(all.commands[i]);
    for (std::size_t n = 0; n < command.size(); ++n) {
      ASSERT_FALSE(decode_command(std::string_view(command).substr(0, n)).ok())
          << to_text(all.commands[i]) << " cut at " << n;
    }
    ASSERT_FALSE(decode_command(command + '\0').ok());
    const std::string reply = encode(all.replies[i]);
    for (std::size_t n = 0; n < reply.size(); ++n)
      ASSERT_FALSE(decode_reply(std::string_view(reply).substr(0, n)).ok());
    ASSERT_FALSE(decode_reply(reply + '\0').ok());
  }
}

// What is read from damaged bytes, if anything is, has exactly these bytes: nothing is overlooked.
TEST(Codec, DamagedBytesAreRefusedOrMeanSomethingElse) {
  const Sample all = sample(3, 3'000);
  Rng rng(4);
  std::uint64_t refused = 0;
  for (const Command& command : all.commands) {
    for (int i = 0; i < 10; ++i) {
      std::string bytes = encode(command);
      for (auto n = rng.between(1, 3); n > 0; --n) bytes[rng.below(bytes.size())] = static_cast<char>(rng.below(256));
      const auto decoded = decode_command(bytes);
      if (!decoded.ok()) {
        ++refused;
        continue;
      }
      ASSERT_EQ(encode(decoded.value()), bytes);
    }
  }
  for (const Reply& reply : all.replies) {
    for (int i = 0; i < 10; ++i) {
      std::string bytes = encode(reply);
      bytes[rng.below(bytes.size())] = static_cast<char>(rng.below(256));
      const auto decoded = decode_reply(bytes);
      if (!decoded.ok()) continue;
      ASSERT_EQ(encode(decoded.value()), bytes);
    }
  }
  EXPECT_GT(refused, 1'000U);
}

TEST(Codec, NestingBeyondTheBoundIsRefusedNotFollowed) {
  EXPECT_TRUE(decode_command(nested(operations_max)).ok());
  EXPECT_FALSE(decode_command(nested(operations_max + 1)).ok());
  std::string deep("\x01\0\x02", 3);
  for (int i = 0; i < 100'000; ++i) deep.append("\0\0\0\0\x01\0\0\0\x03", 9);
  EXPECT_FALSE(decode_command(deep).ok());
}

TEST(Codec, ACountThatTheBytesCannotHoldReservesNothing) {
  std::string bytes = encode(Command{.request = Txn{}});
  for (std::size_t at = 3; at < 7; ++at) bytes[at] = '\xff';  // the number of compares
  EXPECT_FALSE(decode_command(bytes).ok());
}

TEST(Codec, GoldenBytes) {
  const Command command{.client = ClientSequence{SessionId{5}, 2},
                        .request = Put{.key = "k", .value = "v", .lease = LeaseId{7}}};
  const std::string golden(
      "\x01\x01\x05\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\0"
      "\x01\0\0\0k\x01\0\0\0v\x07\0\0\0\0\0\0\0\0\0\0",
      40);
  EXPECT_EQ(encode(command), golden);
  EXPECT_EQ(to_text(command), "session 5#2 put \"k\" \"v\" lease 7");
}

TEST(Codec, BytesThatAreNoCommandFailWithoutEffect) {
  Store store;
  const StateHash before = store.hash();
  const Reply reply = store.apply(LogIndex{1}, "nonsense");
  EXPECT_EQ(std::get<Failure>(reply.response), errors::malformed_command());
  Store skipped;
  skipped.skip(LogIndex{1});
  EXPECT_EQ(store.hash(), skipped.hash());
  EXPECT_FALSE(store.hash() == before);  // applied() has moved on
}

TEST(Codec, TextsAreOneLineWhateverTheBytes) {
  const Sample all = sample(5, 2'000);
  for (const Command& command : all.commands) ASSERT_EQ(to_text(command).find('\n'), std::string::npos);
  for (const Reply& reply : all.replies) ASSERT_EQ(to_text(reply).find('\n'), std::string::npos);
  EXPECT_EQ(to_text(Command{.request = Put{.key = "a\n", .value = std::string(50, 'x')}}),
            "put \"a\\n\" \"" + std::string(40, 'x') + "\"… (50 bytes)");
}

}  // namespace
}  // namespace faultline::raft::kv
