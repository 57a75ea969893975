#include <faultline/raft/codec.hpp>

#include <gtest/gtest.h>

#include <faultline/raft/crc32c.hpp>
#include <faultline/rng.hpp>

namespace faultline::raft::test {
namespace {

std::string text(Rng& rng) {
  std::string bytes(rng.below(20), 'x');
  for (char& c : bytes) c = static_cast<char>(rng.below(256));
  return bytes;
}
std::uint64_t number(Rng& rng) { return rng.chance(.3) ? rng.next() : rng.below(5); }

Config config(Rng& rng) {
  Config c;
  std::uint64_t id = 0;
  for (std::uint64_t n = 1 + rng.below(3); n > 0; --n)
    c.voters.push_back({NodeId{id += 1 + rng.below(3)}, StayId{number(rng)}, text(rng)});
  if (rng.chance(.5)) c.outgoing = c.voters;
  if (rng.chance(.5)) c.learners.push_back({NodeId{id + 1}, StayId{number(rng)}, text(rng)});
  return c;
}

Entry entry(Rng& rng) {
  return {Term{number(rng)}, LogIndex{number(rng)}, static_cast<EntryKind>(rng.below(3)), text(rng)};
}

Snapshot snapshot(Rng& rng) {
  return {LogIndex{number(rng)}, Term{number(rng)}, config(rng), number(rng), static_cast<std::uint32_t>(rng.next())};
}

Body body(Rng& rng) {
  const auto flag = [&] { return rng.chance(.5); };
  const auto index = [&] { return LogIndex{number(rng)}; };
  const auto term = [&] { return Term{number(rng)}; };
  const auto read_id = [&] { return ReadId{NodeId{number(rng)}, number(rng), number(rng)}; };
  switch (rng.below(12)) {
    case 0: return Hello{static_cast<Founding>(rng.below(3)), flag(), number(rng)};
    case 1: return VoteRequest{flag(), flag(), index(), term()};
    case 2: return VoteReply{flag(), flag()};
    case 3: {
      Append append{index(), term(), index(), number(rng), {}};
      for (std::uint64_t n = rng.below(4); n > 0; --n) append.entries.push_back(entry(rng));
      return append;
    }
    case 4: return AppendReply{flag(), index(), index(), index(), term(), number(rng)};
    case 5:
      return SnapshotChunk{snapshot(rng), number(rng), number(rng), text(rng), static_cast<std::uint32_t>(rng.next()),
                           number(rng)};
    case 6:
      return SnapshotReply{index(), term(), static_cast<std::uint32_t>(rng.next()), number(rng), flag(), number(rng)};
    case 7: return ReadRequest{read_id()};
    case 8: return ReadReply{read_id(), index()};
    case 9: return JoinRequest{number(rng)};
    case 10: return JoinReply{number(rng), flag()};
    default: return TimeoutNow{};
  }
}

Message message(Rng& rng) {
  return {NodeId{number(rng)}, NodeId{number(rng)}, Term{number(rng)}, StayId{number(rng)}, body(rng)};
}

TEST(Codec, WhatIsEncodedComesBack) {
  Rng rng(1);
  for (int i = 0; i < 5000; ++i) {
    const Message m = message(rng);
    const auto back = decode_message(encode(m));
    ASSERT_TRUE(back.ok()) << back.error().to_string();
    ASSERT_EQ(back.value(), m);
    const Snapshot s = snapshot(rng);
    ASSERT_EQ(decode_snapshot(encode(s)).value(), s);
    const Entry e = entry(rng);
    ASSERT_EQ(decode_entry(encode(e)).value(), e);
    const HardState h{Term{number(rng)}, NodeId{number(rng)}, LogIndex{number(rng)}};
    ASSERT_EQ(decode_hard_state(encode(h)).value(), h);
  }
}

TEST(Codec, EveryPrefixAndEveryExtensionIsRefused) {
  Rng rng(2);
  for (int i = 0; i < 300; ++i) {
    const std::string bytes = encode(message(rng));
    for (std::size_t n = 0; n < bytes.size(); ++n) ASSERT_FALSE(decode_message(bytes.substr(0, n)).ok());
    ASSERT_FALSE(decode_message(bytes + "x").ok());
  }
}

// Whatever a damaged message decodes to is a message, and encodes to the bytes it came from.
TEST(Codec, ADamagedMessageIsRefusedOrIsAnotherMessage) {
  Rng rng(3);
  int accepted = 0;
  for (int i = 0; i < 30000; ++i) {
    std::string bytes = encode(message(rng));
    for (std::uint64_t n = 1 + rng.below(3); n > 0; --n)
      bytes[rng.below(bytes.size())] = static_cast<char>(rng.below(256));
    const auto back = decode_message(bytes);
    if (!back) continue;
    ++accepted;
    ASSERT_EQ(encode(back.value()), bytes);
  }
  EXPECT_GT(accepted, 1000);
}

TEST(Codec, HugeCountsAreRefusedBeforeAnythingIsAllocated) {
  std::string bytes = encode(Message{.body = Append{}});
  bytes.replace(bytes.size() - 4, 4, "\xff\xff\xff\xff");
  const auto refused = decode_message(bytes);
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().message.find("more elements announced"), std::string::npos);
}

TEST(Codec, ConfigurationsThatCannotBeAreRefused) {
  const Member a{NodeId{1}, StayId{1}, ""}, b{NodeId{2}, StayId{1}, ""}, nobody{};
  EXPECT_TRUE(decode_config(encode(Config{{a, b}, {a}, {}})).ok());
  EXPECT_FALSE(decode_config(encode(Config{{b, a}, {}, {}})).ok());
  EXPECT_FALSE(decode_config(encode(Config{{a, a}, {}, {}})).ok());
  EXPECT_FALSE(decode_config(encode(Config{{a}, {}, {a}})).ok());
  EXPECT_FALSE(decode_config(encode(Config{{nobody}, {}, {}})).ok());
  EXPECT_FALSE(decode_config(encode(Config{{}, {a}, {}})).ok());
}

TEST(Codec, AnotherVersionIsRefused) {
  std::string bytes = encode(Message{.body = TimeoutNow{}});
  bytes[0] = 2;
  EXPECT_EQ(decode_message(bytes).error().message, "message, byte 1: not version 3");
}

// RFC 3720, appendix B.4.
TEST(Crc32c, KnownValues) {
  EXPECT_EQ(crc32c("123456789"), 0xe3069283U);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aaU);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62a8ab43U);
}

TEST(Crc32c, PiecesAddUpAndTheByteWiseTwinAgrees) {
  const auto bytewise = [](std::string_view bytes) {
    std::uint32_t crc = 0xffffffff;
    for (const char c : bytes) {
      crc ^= static_cast<unsigned char>(c);
      for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78U : 0U);
    }
    return ~crc;
  };
  Rng rng(4);
  for (int i = 0; i < 2000; ++i) {
    const std::string a = text(rng), b = text(rng);
    ASSERT_EQ(crc32c(b, crc32c(a)), crc32c(a + b));
    ASSERT_EQ(crc32c(a + b), bytewise(a + b));
  }
}

}  // namespace
}  // namespace faultline::raft::test
