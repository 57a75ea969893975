// What a leader makes of a follower's answers, one by one.
#include <faultline/raft/progress.hpp>

#include <gtest/gtest.h>

namespace faultline::raft {
namespace {

constexpr std::uint64_t window = 8, bytes = 1 << 20;

// A follower that holds the log up to 10 and has been sent 11 to 18, one entry each, in round 1.
Progress with_a_full_window() {
  Progress follower({NodeId{2}, {}, ""}, LogIndex{10}, Instant{});
  follower.sent_news(1, LogIndex{10});
  follower.heard_from(Instant{}, 1);
  follower.accepted(LogIndex{10});
  while (follower.may_send(window, bytes)) follower.sent_entries(follower.next(), 100);
  return follower;
}

// Its answer to an append after `prev`.
bool refuse(Progress& follower, std::uint64_t prev, std::uint64_t round) {
  follower.heard_from(Instant{}, round);
  return follower.refused(LogIndex{prev}, follower.match(), round);
}

TEST(Progress, RefusalsOfOneBurstFallBackOnce) {
  Progress follower = with_a_full_window();
  ASSERT_EQ(follower.next(), LogIndex{19});
  EXPECT_TRUE(refuse(follower, 14, 1));
  EXPECT_EQ(follower.flow(), Flow::probe);
  EXPECT_EQ(follower.next(), LogIndex{11});
  follower.sent_entries(LogIndex{11}, 100);
  EXPECT_TRUE(follower.accepted(LogIndex{11}));
  EXPECT_EQ(follower.flow(), Flow::replicate);
  EXPECT_FALSE(refuse(follower, 16, 1));
  EXPECT_EQ(follower.flow(), Flow::replicate);
}

TEST(Progress, AfterARefusalOneAppendAtATimeUntilALaterRoundIsAnswered) {
  Progress follower = with_a_full_window();
  refuse(follower, 14, 1);
  follower.sent_entries(LogIndex{11}, 100);
  follower.accepted(LogIndex{11});
  ASSERT_TRUE(follower.may_send(window, bytes));
  follower.sent_entries(LogIndex{12}, 100);
  EXPECT_FALSE(follower.may_send(window, bytes));
  follower.accepted(LogIndex{11});
  EXPECT_FALSE(follower.may_send(window, bytes)) << "an answer that is no news makes another append leave";
  follower.accepted(LogIndex{12});
  EXPECT_TRUE(follower.may_send(window, bytes));
  follower.sent_entries(LogIndex{13}, 100);
  follower.sent_news(2, LogIndex{13});
  follower.heard_from(Instant{}, 2);
  EXPECT_TRUE(follower.may_send(window, bytes));
}

// Where packets overtake each other a wide window is refused, and sent again, at every heartbeat.
TEST(Progress, TheWindowHalvesWithARefusalAndDoublesWithEachRoundAnswered) {
  Progress follower = with_a_full_window();
  refuse(follower, 14, 1);
  follower.sent_entries(LogIndex{11}, 100);
  follower.accepted(LogIndex{11});
  std::uint64_t round = 1;
  const auto window_of_next_round = [&] {
    follower.sent_news(++round, LogIndex{11});
    follower.heard_from(Instant{}, round);
    const LogIndex first = follower.next();
    while (follower.may_send(window, bytes)) follower.sent_entries(follower.next(), 100);
    const std::uint64_t sent = follower.next() - first;
    follower.accepted(follower.next() - 1);
    return sent;
  };
  EXPECT_EQ(window_of_next_round(), window / 2) << "the round that ends the caution";
  EXPECT_EQ(window_of_next_round(), window);
  EXPECT_EQ(window_of_next_round(), window);
}

// Else what was lost after the first time would never be sent again.
TEST(Progress, ARefusalOfALaterRoundFallsBackAgain) {
  Progress follower = with_a_full_window();
  refuse(follower, 14, 1);
  follower.sent_entries(LogIndex{11}, 100);
  follower.accepted(LogIndex{11});
  follower.sent_entries(LogIndex{12}, 100);  // lost
  follower.sent_news(2, LogIndex{12});
  EXPECT_TRUE(refuse(follower, 12, 2));
  EXPECT_EQ(follower.flow(), Flow::probe);
  EXPECT_EQ(follower.next(), LogIndex{12});
}

}  // namespace
}  // namespace faultline::raft
