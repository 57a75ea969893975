#include <faultline/formats.hpp>

#include <gtest/gtest.h>

namespace faultline {
namespace {

TEST(Jsonl, ReadsTheFourTypesAndCarriesExtrasUntouched) {
  const auto read = read_history(
      R"({"index":0,"time":1000,"type":"invoke","process":0,"f":"write","key":"x","value":7}
{"index":1,"time":2500,"type":"invoke","process":1,"f":"cas","key":"x","value":[3,4]}
{"index":2,"time":4000,"type":"fail","process":1,"f":"cas","key":"x","value":[3,4],"error":"precondition-failed"}
{"index":3,"time":9000,"type":"info","process":0,"f":"write","key":"x","value":7,"error":"timeout"}
)");
  ASSERT_TRUE(read.ok()) << read.error().to_string();
  const History& h = read.value().history;
  ASSERT_EQ(h.size(), 4U);
  EXPECT_EQ(h.operation_count(), 2U);
  EXPECT_EQ(h.value(1), Value::list({3, 4}));
  EXPECT_EQ(h.event(2).error(), Value("precondition-failed"));
  EXPECT_EQ(h.key(3), Value("x"));
  EXPECT_EQ(h.line(3), 4U);
  EXPECT_TRUE(read.value().remarks.empty());
}

}  // namespace
}  // namespace faultline
