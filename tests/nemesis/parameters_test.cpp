// What each kind of fault may be told.
#include <faultline/formats.hpp>
#include <faultline/grudge.hpp>
#include <faultline/nemesis.hpp>

#include <gtest/gtest.h>

namespace faultline {
namespace {

const Nodes five{"n1", "n2", "n3", "n4", "n5"};

Result<void> check(std::string_view json) {
  const auto value = parse_json(json);
  EXPECT_TRUE(value.ok()) << json;
  const auto fault = fault_from_value(value.value());
  if (!fault) return fault.error();
  return validate(fault.value(), five);
}
std::string refused(std::string_view json) {
  const auto checked = check(json);
  EXPECT_FALSE(checked.ok()) << json;
  if (checked.ok()) return {};
  EXPECT_EQ(checked.error().kind, ErrorKind::bad_input);
  return checked.error().to_string();
}

TEST(Parameters, EveryKindTakesItsOwn) {
  for (
      const std::string_view fault : {
          R"({"kind":"partition","grudge":{"n2":["n1"]},"parameters":{"clients":{"n1":["c0"]}}})",
          R"({"kind":"partition","parameters":{"clients":{"n1":["c0"]}}})",
          R"({"kind":"partition","parameters":{"shape":"one_way","of":"primaries","clients":8}})",
          R"({"kind":"clog","parameters":{"links":[["n1","n2"],["c0","n1"]]}})",
          R"({"kind":"clog","nodes":["n1"]})",
          R"({"kind":"clog","parameters":{"pairs":3}})",
          R"({"kind":"swizzle_clog","parameters":{"clogs":[{"node":"n1","from":"0.3s","to":"2.1s"}]}})",
          R"({"kind":"swizzle_clog","parameters":{"window":"4s"}})",
          R"({"kind":"packet","nodes":["n1"],"parameters":{"delay":"50ms","jitter":"20ms","loss":0.1,"duplicate":0.05,)"
          R"("reorder":0.2,"corrupt":0.01,"rate":"1MB/s"}})",
          R"({"kind":"kill","nodes":["n1"],"parameters":{"disk":"torn"}})",
          R"({"kind":"crash_point","nodes":["n1"],"parameters":{"call":"fsync","nth":7,"edge":"before","file":"wal/*"}})",
          R"({"kind":"pause","parameters":{"target":"minority"}})",
          R"({"kind":"clock","nodes":["n1"],"parameters":{"clock":"wall","change":"jump","by":"-2s"}})",
          R"({"kind":"clock","nodes":["n1"],"parameters":{"clock":"both","change":"rate","rate":0.3}})",
          R"({"kind":"clock","nodes":["n1"],"parameters":{"clock":"wall","change":"strobe","by":"2s","period":"10ms"}})",
          R"({"kind":"clock","nodes":["n1"],"parameters":{"clock":"mono","change":"freeze"}})",
          R"({"kind":"io_error","nodes":["n1"],"parameters":{"call":"read","errno":"EIO","probability":0.1,"file":"wal/*"}})",
          R"({"kind":"fsync_error","nodes":["n1"],"parameters":{"errno":"EIO","pages":"drop","nth":1}})",
          R"({"kind":"enospc","nodes":["n1"],"parameters":{"bytes":"64KiB"}})",
          R"({"kind":"slow_disk","nodes":["n1"],"parameters":{"latency":"50ms"}})",
          R"({"kind":"bit_flip","nodes":["n1"],"parameters":{"file":"wal/*","bits":1}})",
          R"({"kind":"truncate","nodes":["n1"],"parameters":{"bytes":"100B"}})",
          R"({"kind":"wipe","nodes":["n1"]})",
          R"({"kind":"membership","parameters":{"change":"grow"}})",
          R"({"kind":"pressure","nodes":["n1"],"parameters":{"speed":0.1}})",
      }) {
    const auto checked = check(fault);
    EXPECT_TRUE(checked.ok()) << fault << ": " << checked.error().to_string();
  }
}

TEST(Parameters, WhatIsUnknownIsRefusedWithTheNearestName) {
  EXPECT_EQ(refused(R"({"kind":"crash_pont","nodes":["n1"]})"),
            "unknown kind of fault 'crash_pont'\n  did you mean 'crash_point'?");
  EXPECT_EQ(refused(R"({"kind":"packet","nodes":["n1"],"parameters":{"los":0.1}})"),
            "unknown field of parameters of packet: 'los'\n  did you mean 'loss'?");
  EXPECT_EQ(refused(R"({"kind":"wipe","nodes":["n1"],"parameters":{"moon":"full"}})"),
            "unknown field of parameters of wipe: 'moon'\n  known: target, fallback");
  EXPECT_EQ(refused(R"({"kind":"kill","nodes":["n1"],"parameters":{"disk":"tron"}})"),
            "unknown disk of kill 'tron'\n  did you mean 'torn'?");
  EXPECT_EQ(refused(R"({"kind":"clog","parameters":{"links":[["n1","n9"]]}})"),
            "unknown node 'n9'\n  known: n1, n2, n3, n4, n5");
  EXPECT_EQ(refused(R"({"kind":"partition","parameters":{"clients":{"n9":["c0"]}}})"),
            "unknown node 'n9'\n  known: n1, n2, n3, n4, n5");
}

TEST(Parameters, TypesRangesAndMissingOnesAreRefusedByName) {
  for (const auto& [fault, message] : std::vector<std::pair<std::string_view, std::string_view>>{
           {R"({"kind":"packet","nodes":["n1"]})", "a packet fault does nothing"},
           {R"({"kind":"packet","nodes":["n1"],"parameters":{"loss":1.5}})", "loss of packet is no probability"},
           {R"({"kind":"packet","nodes":["n1"],"parameters":{"delay":50}})", "delay of packet is no duration"},
           {R"({"kind":"packet","nodes":["n1"],"parameters":{"delay":"-5ms"}})", "delay of packet is no duration"},
           {R"({"kind":"packet","nodes":["n1"],"parameters":{"rate":"1MB"}})", "rate of packet is no rate"},
           {R"({"kind":"packet","parameters":{"loss":0.5,"pairs":2,"target":"one"}})", "'pairs' and 'target' exclude"},
           {R"({"kind":"crash_point","nodes":["n1"],"parameters":{"nth":0}})", "nth of crash_point is no whole number"},
           {R"({"kind":"clock","nodes":["n1"],"parameters":{"clock":"wall"}})", "clock needs 'change'"},
           {R"({"kind":"clock","nodes":["n1"],"parameters":{"clock":"wall","change":"jump"}})",
            "that jumps needs 'by'"},
           {R"({"kind":"clock","nodes":["n1"],"parameters":{"clock":"wall","change":"strobe","by":"1s"}})",
            "needs 'period'"},
           {R"({"kind":"clock","nodes":["n1"],"parameters":{"clock":"wall","change":"rate"}})", "needs 'rate'"},
           {R"({"kind":"enospc","nodes":["n1"]})", "enospc needs 'bytes'"},
           {R"({"kind":"enospc","nodes":["n1"],"parameters":{"bytes":"64"}})", "bytes of enospc is no size"},
           {R"({"kind":"slow_disk","nodes":["n1"]})", "slow_disk needs 'latency'"},
           {R"({"kind":"pressure","nodes":["n1"],"parameters":{"speed":0}})", "speed of pressure is no factor"},
           {R"({"kind":"bit_flip","nodes":["n1"],"parameters":{"file":7}})", "file of bit_flip is no pattern"},
           {R"({"kind":"swizzle_clog","nodes":["n1"]})", "a swizzle_clog has its clogs, or a window"},
           {R"({"kind":"swizzle_clog","parameters":{"clogs":[{"node":"n1"}]}})", "a clog needs 'from' and 'to'"},
           {R"({"kind":"clog","parameters":{"links":[["n1"]]}})", "'links' is no list of pairs"},
           {R"({"kind":"partition","grudge":{"n1":["n2"]},"parameters":{"clients":3}})",
            "'clients' of a grudge are named"},
           {R"({"kind":"wipe"})", "the target is missing"},
       }) {
    EXPECT_NE(refused(fault).find(message), std::string::npos) << fault << ": " << refused(fault);
  }
}

// --- what is left open -------------------------------------------------------------------------------------------------

Fault resolved(std::string_view json, std::uint64_t seed) {
  Rng rng(seed);
  auto fault = resolve(fault_from_value(parse_json(json).value()).value(), five, {"n2"}, rng);
  EXPECT_TRUE(fault.ok()) << fault.error().to_string();
  EXPECT_TRUE(is_explicit(fault.value()));
  EXPECT_TRUE(validate(fault.value(), five).ok());
  Rng again(seed + 1);
  EXPECT_EQ(resolve(fault.value(), five, {"n4"}, again).value(), fault.value());  // nothing is left to draw
  return fault.value();
}

TEST(Parameters, ClientsTakeSidesOnlyWhereTheirNodeIsCutOff) {
  std::size_t cut_off = 0;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const Fault fault = resolved(R"({"kind":"partition","parameters":{"shape":"isolate_one","clients":10}})", seed);
    const Value& clients = fault.parameters.get("clients");
    ASSERT_TRUE(clients.is_map());
    for (const auto& [node, names] : clients.as_map()) {
      EXPECT_TRUE(fault.grudge.contains(std::string(node.as_text())));
      for (const Value& name : names.as_list()) {
        const int worker = std::stoi(std::string(name.as_text().substr(1)));
        EXPECT_EQ(five[static_cast<std::size_t>(worker % 5)], node.as_text());
        ++cut_off;
      }
    }
  }
  EXPECT_NEAR(static_cast<double>(cut_off), 200 * 10 / 2.0, 100);
}

TEST(Parameters, PairsBecomeSoManyLinks) {
  std::set<Value> seen;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const Value links = resolved(R"({"kind":"clog","parameters":{"pairs":3}})", seed).parameters.get("links");
    ASSERT_EQ(links.as_list().size(), 3U);
    for (const Value& link : links.as_list()) seen.insert(link);
  }
  EXPECT_EQ(seen.size(), 20U);
}

TEST(Parameters, SwizzlesBeginInTheFirstHalfAndEndInTheSecond) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const Value clogs =
        resolved(R"({"kind":"swizzle_clog","parameters":{"window":"4s"}})", seed).parameters.get("clogs");
    ASSERT_FALSE(clogs.as_list().empty());
    for (const Value& clog : clogs.as_list()) {
      EXPECT_LE(parse_duration(clog.get("from").as_text()).value(), std::chrono::seconds(2));
      EXPECT_GE(parse_duration(clog.get("to").as_text()).value(), std::chrono::seconds(2));
      EXPECT_LE(parse_duration(clog.get("to").as_text()).value(), std::chrono::seconds(4));
    }
  }
}

// --- packages ----------------------------------------------------------------------------------------------------------

TEST(Packages, EveryFaultTheyDrawIsValidAndKeepsToTheModel) {
  std::set<std::string> drawn;
  for (const Package& package : packages()) {
    for (std::uint64_t seed = 0; seed < 3000; ++seed) {
      Rng rng(seed);
      Taste taste;
      for (const Question& question : package.questions) {
        for (std::size_t i = 0; i < question.choices.size(); ++i)
          taste[std::string(question.name)].push_back(1 + rng.below(3));
      }
      Drawing drawing{.first = rng.chance(0.1), .scale = std::chrono::milliseconds(1 + rng.below(5000)), .clients = 10};
      if (rng.chance(0.5)) drawing.files = {"wal/*"};
      if (rng.chance(0.5)) drawing.drift = 0.2;
      if (rng.chance(0.7)) drawing.taste = &taste;
      const Fault fault = package.draw(drawing, rng);
      drawn.insert(fault.kind);
      const auto valid = validate(fault, five);
      ASSERT_TRUE(valid.ok()) << to_value(fault).to_string() << valid.error().to_string();
      const Value& p = fault.parameters;
      if (fault.kind == "bit_flip" || fault.kind == "truncate" || fault.kind == "wipe") {
        EXPECT_EQ(p.get("target"), Value("one"));
      }
      if (fault.kind != "clock" || p.get("clock") == Value("wall")) continue;
      EXPECT_NE(p.get("change"), Value("strobe"));  // steps back
      EXPECT_FALSE(p.get("by").is_string() && p.get("by").as_text().starts_with('-'));
      if (drawing.drift) {
        ASSERT_EQ(p.get("change"), Value("rate"));
        EXPECT_LE(std::abs(p.get("rate").as_real() - 1), 0.2 + 1e-9);
      }
    }
  }
  for (const Kind& kind : kinds()) EXPECT_TRUE(drawn.contains(std::string(kind.name))) << kind.name;
}

TEST(Packages, AWordWithoutWeightIsNeverDrawn) {
  const Taste taste{{"shape", {0, 0, 0, 0, 0, 0, 1, 0}}};
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    Rng rng(seed);
    const Fault fault = find_package("partition").value()->draw({.taste = &taste}, rng);
    EXPECT_EQ(fault.parameters.get("shape"), Value("bridge"));
  }
}

}  // namespace
}  // namespace faultline
