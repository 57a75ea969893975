#include <faultline/value.hpp>

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>
#include <unordered_set>

#include "random_values.hpp"

namespace faultline {
namespace {

const double nan = std::numeric_limits<double>::quiet_NaN();

TEST(Value, ComparesTypedAndStructurally) {
  EXPECT_NE(Value(1), Value(1.0));
  EXPECT_NE(Value("a"), Value::keyword("a"));
  EXPECT_NE(Value(0), Value(false));
  EXPECT_NE(Value(), Value(0));
  EXPECT_NE(Value("1"), Value(1));
  EXPECT_EQ(Value::list({1, "a"}), Value::list({1, "a"}));
  EXPECT_NE(Value::list({1, 2}), Value::list({2, 1}));
  EXPECT_NE(Value::tagged("set", 1), Value::tagged("inst", 1));
  EXPECT_NE(Value::list({}), Value::map({}));
}

TEST(Value, RealsAreComparedByBitsWithOneNaN) {
  EXPECT_EQ(Value(nan), Value(-nan));
  EXPECT_EQ(Value(nan), Value(std::nan("17")));
  EXPECT_EQ(Value(nan).hash(), Value(std::nan("17")).hash());
  EXPECT_NE(Value(0.0), Value(-0.0));
  EXPECT_LT(Value(-0.0), Value(0.0));
  EXPECT_LT(Value(-std::numeric_limits<double>::infinity()), Value(-1e300));
  EXPECT_LT(Value(1.0), Value(std::numeric_limits<double>::infinity()));
}

TEST(Value, AMapIsSortedAndOfEqualKeysTheLastWins) {
  const Value map = Value::map({{"b", 1}, {"a", 2}, {"b", 3}, {Value(), 4}, {"b", 5}});
  ASSERT_EQ(map.as_map().size(), 3U);
  EXPECT_EQ(map.get("b"), Value(5));
  EXPECT_EQ(map.get("a"), Value(2));
  EXPECT_EQ(map, Value::map({{Value(), 4}, {"a", 2}, {"b", 5}}));
  EXPECT_TRUE(map.get("c").is_null());
  EXPECT_TRUE(Value(1).get("a").is_null());
}

TEST(Value, OrderIsTotalAndAgreesWithEqualityAndHash) {
  Rng rng(11);
  std::vector<Value> values;
  for (int i = 0; i < 200; ++i) values.push_back(random_value(rng, 3));
  for (const Value& a : values) {
    EXPECT_EQ(a <=> a, std::strong_ordering::equal);
    for (const Value& b : values) {
      EXPECT_EQ(a == b, (a <=> b) == 0);
      EXPECT_EQ(a<b, b> a);
      EXPECT_TRUE(a != b || a.hash() == b.hash());
    }
  }
  std::sort(values.begin(), values.end());
  for (std::size_t i = 2; i < values.size(); ++i) EXPECT_LE(values[i - 2], values[i]);
}

// Traces of the simulator hash values, so these must be the same on every platform and never change silently.
TEST(Value, HashesAreFixed) {
  EXPECT_EQ(Value().hash(), 0x0ed41b1c90e03566ULL);
  EXPECT_EQ(Value(7).hash(), 0x00c61b134a89b66cULL);
  EXPECT_EQ(Value("some longer text").hash(), 0x67ae1ebf474153fcULL);
  EXPECT_EQ(Value::map({{"a", Value::list({1, Value::keyword("b")})}}).hash(), 0x4eb29e2f10ebe703ULL);
}

TEST(Value, DifferentValuesRarelyShareAHash) {
  std::unordered_set<std::uint64_t> hashes;
  for (std::int64_t i = 0; i < 10000; ++i) {
    hashes.insert(Value(i).hash());
    hashes.insert(Value(std::to_string(i)).hash());
    hashes.insert(Value::list({Value(i), Value(i + 1)}).hash());
  }
  EXPECT_EQ(hashes.size(), 30000U);
}

TEST(Value, SurvivesCopiesMovesAndSelfAssignment) {
  Value a = Value::list({"text", Value::map({{"k", Value::tagged("set", Value::list({1}))}})});
  const Value copy = a;
  Value& self = a;
  a = self;
  EXPECT_EQ(a, copy);
  Value moved = std::move(a);
  EXPECT_TRUE(a.is_null());  // NOLINT: a moved-from Value is null
  EXPECT_EQ(moved, copy);
  moved = Value(1);
  moved = copy;
  EXPECT_EQ(moved, copy);
  moved = moved.as_list()[0];  // a part of itself
  EXPECT_EQ(moved, Value("text"));
}

TEST(Value, IsShownAsPeopleWriteIt) {
  EXPECT_EQ(Value().to_string(), "nil");
  EXPECT_EQ(Value(true).to_string(), "true");
  EXPECT_EQ(Value(1.0).to_string(), "1.0");
  EXPECT_EQ(Value(1e300).to_string(), "1e+300");
  EXPECT_EQ(Value(nan).to_string(), "##NaN");
  EXPECT_EQ(Value(-std::numeric_limits<double>::infinity()).to_string(), "##-Inf");
  EXPECT_EQ(Value("a\"\n").to_string(), R"("a\"\n")");
  EXPECT_EQ(Value::list({1, Value::keyword("a"), Value::map({{"k", 2}, {"l", 3}})}).to_string(),
            R"([1 :a {"k" 2, "l" 3}])");
  EXPECT_EQ(Value::tagged("bigint", "123456789012345678901").to_string(), "123456789012345678901");
  EXPECT_EQ(Value::tagged("set", Value::list({1})).to_string(), "#set [1]");
  EXPECT_EQ(Value("\x1b[31m").to_string(), R"("\x1b[31m")");
}

}  // namespace
}  // namespace faultline
