#include <faultline/fault.hpp>

#include <gtest/gtest.h>

namespace faultline {
namespace {

TEST(Fault, ReadsWhatItWrote) {
  const std::vector<Fault> faults{
      {.kind = "kill", .nodes = {"n2", "n1"}, .grudge = {}, .parameters = {}},
      {.kind = "partition",
       .nodes = {},
       .grudge = {{"n1", {"n2", "n3"}}, {"n2", {"n1"}}},
       .parameters = Value::map({{"shape", "halves"}})},
      {.kind = "clock", .nodes = {"n1"}, .grudge = {}, .parameters = Value::map({{"offset", "5s"}})}};
  for (const Fault& fault : faults) EXPECT_EQ(fault_from_value(to_value(fault)).value(), fault);
}

TEST(Fault, LeavesEmptyFieldsOut) {
  EXPECT_EQ(to_value(Fault{.kind = "kill", .nodes = {"n2"}, .grudge = {}, .parameters = {}}),
            Value::map({{"kind", "kill"}, {"nodes", Value::list({"n2"})}}));
}

TEST(Fault, RefusesWhatItDoesNotKnow) {
  const auto refused = [](Value value) {
    const auto fault = fault_from_value(value);
    EXPECT_FALSE(fault.ok()) << value.to_string();
    if (fault.ok()) return std::string();
    EXPECT_EQ(fault.error().kind, ErrorKind::bad_input);
    return fault.error().message;
  };
  EXPECT_EQ(refused(Value::map({{"kind", "kill"}, {"node", "n1"}})), "unknown field of a fault: 'node'");
  EXPECT_EQ(refused(Value::map({{"nodes", Value::list({"n1"})}})), "a fault needs its kind: {\"nodes\" [\"n1\"]}");
  EXPECT_EQ(refused(Value::map({{"kind", "kill"}, {"nodes", "n1"}})), "'nodes' is no list of nodes: \"n1\"");
  EXPECT_EQ(refused(Value::map({{"kind", "kill"}, {"nodes", Value::list({1})}})),
            "'nodes' holds 1, which is no node name");
  EXPECT_EQ(refused(Value::map({{"kind", "kill"}, {"nodes", Value::list({"n1", "n1"})}})), "'nodes' names 'n1' twice");
  EXPECT_EQ(refused(Value::map({{"kind", "partition"}, {"grudge", Value::map({{"n1", Value::list({"n1"})}})}})),
            "grudge of 'n1' drops its own packets");
  EXPECT_EQ(refused(Value::map({{"kind", "partition"}, {"grudge", 3}})), "'grudge' is no object: 3");
  EXPECT_EQ(refused(Value::map({{"kind", "kill"}, {"parameters", 3}})), "'parameters' is no object: 3");
  refused(Value());
  refused("kill");
  refused(Value::map({{"kind", 7}}));
  refused(Value::map({{"kind", "x"}, {7, 7}}));
}

}  // namespace
}  // namespace faultline
