#include <faultline/live/clock.hpp>

#include "support.hpp"

namespace faultline::live {
namespace {

using test::attached;
using test::Target;
using namespace std::chrono_literals;
using Kind = ClockChange::Kind;

// The answer of `read` travels a moment before we look at the true clock.
constexpr double near = 200;

TEST(ClockFault, AJumpOfWallMovesEveryWallClockAndNoOther) {
  Target target;
  target.expect_ready();
  ClockFault fault = attached(target.pid());
  ASSERT_TRUE(fault.set({.group = ClockGroup::wall, .kind = Kind::jump, .by = 3600s}).ok());
  const auto skews = target.skews();
  ASSERT_EQ(skews.size(), 9U);
  for (const std::size_t wall : {0U, 2U, 4U, 8U}) EXPECT_NEAR(skews[wall], 3600e3, near) << wall;
  EXPECT_NEAR(skews[3], 3600e3, near + 1000) << "time() has whole seconds";
  for (const std::size_t mono : {1U, 5U, 6U, 7U}) EXPECT_NEAR(skews[mono], 0, near) << mono;
  const auto read = fault.read_back();
  ASSERT_TRUE(read.ok()) << read.error().to_string();
  EXPECT_NEAR(test::milliseconds(read.value().wall), 3600e3, 1);
  EXPECT_NEAR(test::milliseconds(read.value().mono), 0, 1);
  EXPECT_GE(fault.reads().wall, 5U);
  ASSERT_TRUE(fault.restore().ok());
  for (const double skew : target.skews()) EXPECT_NEAR(skew, 0, near + 1000);
}

}  // namespace
}  // namespace faultline::live
