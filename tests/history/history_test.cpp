#include <faultline/history.hpp>

#include <gtest/gtest.h>

namespace faultline {
namespace {

TEST(History, PairsAnInvocationWithTheNextCompletionOfItsProcess) {
  History h;
  const auto w = h.invoke(0, "write", 1);
  const auto r = h.invoke(1, "read");
  h.ok(r, 0);
  h.ok(w);
  EXPECT_EQ(h.operation(r).completed, 2U);
  EXPECT_EQ(h.operation(r).output, Value(0));
  EXPECT_EQ(h.operation(w).completed, 3U);
  EXPECT_EQ(h.operation_of(2), r);
}

TEST(History, RefusesASecondInvocationWhileOneIsOpen) {
  History h;
  h.invoke(3, "write", 1);
  const auto result = h.append({.type = EventType::invoke, .process = 3, .f = "read"});
  ASSERT_FALSE(result.ok());
  EXPECT_NE(result.error().message.find(
                "expected process 3 to complete its write from event 0 first, found its invocation of read"),
            std::string::npos);
  EXPECT_EQ(h.size(), 1U);
}

TEST(History, RefusesACompletionWithoutAnInvocation) {
  History h;
  const auto result = h.append({.type = EventType::ok, .process = 3, .f = "read"});
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().kind, ErrorKind::bad_input);
  EXPECT_TRUE(h.empty());
}

TEST(History, EventsOfTheNemesisAreNotesAndBelongToNoOperation) {
  History h;
  ASSERT_TRUE(h.append({.type = EventType::info, .process = nemesis_process, .f = "start-partition"}).ok());
  ASSERT_TRUE(h.append({.type = EventType::info, .process = nemesis_process, .f = "stop-partition"}).ok());
  EXPECT_EQ(h.operation_count(), 0U);
  EXPECT_EQ(h.notes().size(), 2U);
}

}  // namespace
}  // namespace faultline
