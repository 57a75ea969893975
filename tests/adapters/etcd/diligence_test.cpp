// Whose fault it is that a lease ended: a harness that renews in time is never blamed, one that stalls always is, until the lock is let go.
#include <faultline/etcd/holding.hpp>

#include <gtest/gtest.h>

namespace faultline::etcd {
namespace {

using namespace std::chrono_literals;

const Value lock = "lock0";
constexpr std::int64_t token = 7;

TEST(Diligence, RenewalsEveryThirdAreDiligentHoweverLongTheirAnswersTake) {
  Diligence diligence;
  Duration now = 1s;
  diligence.acquired(lock, token, 9s, now);
  for (int i = 0; i < 10; ++i) {
    EXPECT_FALSE(diligence.neglects(lock, now + 6s)) << "a third for an answer that does not come, and a third of rest";
    now += 6s;
    diligence.kept(lock, token, now);
  }
  EXPECT_FALSE(diligence.neglects(lock, now));
}

TEST(Diligence, AStallIsRememberedUntilTheLockIsLetGo) {
  Diligence diligence;
  diligence.acquired(lock, token, 8s, 0s);
  EXPECT_TRUE(diligence.neglects(lock, 6001ms)) << "whoever wakes first";
  diligence.kept(lock, token, 6001ms);
  EXPECT_TRUE(diligence.neglects(lock, 6002ms)) << "too late is too late";
  EXPECT_FALSE(diligence.neglects("lock1", 6002ms));
  diligence.released(lock, token);
  EXPECT_FALSE(diligence.neglects(lock, 1h)) << "nobody holds it";
}

TEST(Diligence, OnlyTheHolderCounts) {
  Diligence diligence;
  diligence.acquired(lock, token, 8s, 0s);
  diligence.acquired(lock, token + 1, 8s, 5s);
  diligence.kept(lock, token, 12s);
  EXPECT_FALSE(diligence.neglects(lock, 10s));
  diligence.released(lock, token);
  EXPECT_TRUE(diligence.neglects(lock, 11001ms));
}

TEST(Diligence, AnAcquisitionThatTookTooLongIsOverdueFromTheStart) {
  Diligence diligence;
  diligence.acquired(lock, token, 8s, 1s);
  EXPECT_TRUE(diligence.neglects(lock, 8s)) << "its lease may be that old";
}

}  // namespace
}  // namespace faultline::etcd
