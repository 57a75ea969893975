// The frames the fault proxy sees are those nodes send, and what it may damage is what their checksum covers.
#include <faultline/raft/frame.hpp>
#include <faultline/rng.hpp>

#include <gtest/gtest.h>

#include <map>
#include <vector>

#include "adapters/raft/control/peer_framer.hpp"

namespace faultline::raft {
namespace {

std::string little_endian(std::uint64_t number, unsigned bytes) {
  std::string text;
  for (unsigned i = 0; i < bytes; ++i) text.push_back(static_cast<char>(number >> (8 * i)));
  return text;
}

std::string greeting() { return "FLRAFT1\n" + little_endian(77, 8) + little_endian(1, 8) + little_endian(2, 8); }

std::string frame(std::uint64_t number) {
  const std::string encoded = encode({.from = {1}, .to = {2}, .word = Refused{.boot = number, .sequence = number}});
  return little_endian(encoded.size(), 4) + encoded;
}

TEST(PeerFramer, SeesAGreetingAndThenEveryFrame) {
  PeerFramer framer;
  std::string stream = greeting();
  for (std::uint64_t i = 0; i < 20; ++i) stream += frame(i);
  auto look = framer.look(stream);
  EXPECT_EQ(look.size, 32U);
  EXPECT_TRUE(look.essential) << "without it the connection would be refused";
  std::size_t at = look.size;
  for (std::uint64_t i = 0; i < 20; ++i) {
    look = framer.look(std::string_view(stream).substr(at));
    ASSERT_EQ(look.size, frame(i).size());
    EXPECT_FALSE(look.essential);
    EXPECT_TRUE(decode_frame(std::string_view(stream).substr(at + look.frozen, look.size - look.frozen)).ok());
    at += look.size;
  }
  EXPECT_EQ(at, stream.size());
}

TEST(PeerFramer, WaitsForTheRestWhereverABeginningEnds) {
  const std::string whole = greeting() + frame(9);
  for (std::size_t n = 1; n < whole.size(); ++n) {
    PeerFramer framer;
    const auto look = framer.look(std::string_view(whole).substr(0, n));
    EXPECT_FALSE(look.lost_step) << n;
    EXPECT_EQ(look.size, n < 32 ? 0U : 32U) << n;
    if (n <= 32) continue;
    EXPECT_EQ(framer.look(std::string_view(whole).substr(32, n - 32)).size, 0U) << n;
  }
}

TEST(PeerFramer, GivesUpWhereNothingCanBeAFrame) {
  EXPECT_TRUE(PeerFramer().look("GET / HTTP/1.1").lost_step);
  PeerFramer framer;
  (void)framer.look(greeting());
  EXPECT_TRUE(framer.look(little_endian(1U << 30U, 4)).lost_step);
}

// A frame of every kind, by the name it should have.
std::map<std::string, Word> every_frame() {
  const auto message = [](Body body) { return Message{.from = {1}, .to = {2}, .body = std::move(body)}; };
  Append entries;
  entries.entries.push_back({.term = {1}, .index = {1}, .data = "x"});
  return {{"Hello", message(Hello{})},
          {"RequestVote", message(VoteRequest{})},
          {"PreVote", message(VoteRequest{.pre = true})},
          {"RequestVoteReply", message(VoteReply{})},
          {"PreVoteReply", message(VoteReply{.pre = true})},
          {"AppendEntries", message(entries)},
          {"Heartbeat", message(Append{})},
          {"AppendEntriesReply", message(AppendReply{})},
          {"InstallSnapshot", message(SnapshotChunk{})},
          {"InstallSnapshotReply", message(SnapshotReply{})},
          {"ReadIndex", message(ReadRequest{})},
          {"ReadIndexReply", message(ReadReply{})},
          {"TimeoutNow", message(TimeoutNow{})},
          {"JoinRequest", message(JoinRequest{})},
          {"JoinReply", message(JoinReply{})},
          {"Forward", Forward{}},
          {"Refused", Refused{}},
          {"LeaseQuestion", LeaseQuestion{}},
          {"LeaseReport", LeaseReport{}}};
}

TEST(PeerFramer, EveryFrameHasItsName) {
  const PeerFramer framer;
  const auto all = every_frame();
  std::vector<std::string> names;
  for (const auto& [name, word] : all) {
    const std::string encoded = encode({.from = {1}, .to = {2}, .word = word});
    EXPECT_EQ(framer.name(little_endian(encoded.size(), 4) + encoded), name);
    names.push_back(name);
  }
  EXPECT_EQ(names, std::vector<std::string>(framer.names().begin(), framer.names().end()));
  EXPECT_EQ(framer.name(greeting()), "");
  EXPECT_EQ(framer.name("cut"), "");
}

// Whatever bit is flipped behind the frozen bytes, the receiver knows: a damaged frame is never taken for another.
TEST(PeerFramer, DamageBehindTheFrozenBytesNeverPasses) {
  const std::string sound = frame(123456789);
  PeerFramer framer;
  (void)framer.look(greeting());
  const auto look = framer.look(sound);
  for (std::size_t at = look.frozen; at < look.size; ++at) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      std::string damaged = sound;
      damaged[at] = static_cast<char>(static_cast<unsigned char>(damaged[at]) ^ (1U << bit));
      EXPECT_FALSE(decode_frame(std::string_view(damaged).substr(look.frozen)).ok()) << at << " " << bit;
    }
  }
}

}  // namespace
}  // namespace faultline::raft
