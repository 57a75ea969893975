#include <faultline/models.hpp>
#include <faultline/workload.hpp>

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "golden.hpp"
#include "scripted_world.hpp"

namespace faultline {
namespace {

Workload workload(std::string_view name, const WorkloadOptions& options = {}) {
  auto made = make_workload(name, options);
  EXPECT_TRUE(made.ok()) << made.error().to_string();
  return std::move(made).value();
}

History history_of(std::string_view name, const WorkloadOptions& options, std::uint64_t operations,
                   Worker concurrency = 10) {
  return run_ok(limit(operations, workload(name, options).clients), concurrency).history;
}

std::map<Value, std::vector<Operation>> by_key(const History& history) {
  std::map<Value, std::vector<Operation>> keys;
  for (OperationIndex o = 0; o < history.operation_count(); ++o)
    keys[history.operation(o).key].push_back(history.operation(o));
  return keys;
}

TEST(Workload, EveryNameIsMadeAndNamesItsModel) {
  std::map<std::string_view, std::string_view> models;
  for (const WorkloadInfo& info : workloads()) models[workload(info.name).info.name] = info.model;
  EXPECT_EQ(models, (std::map<std::string_view, std::string_view>{{"register", "register"},
                                                                  {"cas-register", "cas-register"},
                                                                  {"kv-append", "kv"},
                                                                  {"set", "set"},
                                                                  {"lock", "mutex"},
                                                                  {"fenced-lock", "fencing"},
                                                                  {"lease", "lease"}}));
}

template <class Model>
void expect_model_takes(std::string_view workload_name) {
  std::set<std::string_view> used;
  for (const auto& [key, operations] : by_key(history_of(workload_name, {}, 2000))) {
    for (const Operation& operation : operations) {
      const auto specs = Model::functions();
      const auto spec =
          std::find_if(specs.begin(), specs.end(), [&](const FunctionSpec& s) { return s.f == operation.f; });
      ASSERT_NE(spec, specs.end()) << operation.f;
      used.insert(spec->f);
      if (spec->argument != Argument::nothing) {
        EXPECT_TRUE(fits(spec->input, operation.input));
      }
    }
  }
  EXPECT_EQ(used.size(), Model::functions().size());  // nothing the model offers is left out
}

TEST(Workload, EveryOperationIsOneItsModelTakes) {
  expect_model_takes<Register>("register");
  expect_model_takes<CasRegister>("cas-register");
  expect_model_takes<Kv>("kv-append");
}

TEST(Workload, RegisterWritesNoValueTwiceToAKey) {
  const auto keys = by_key(history_of("register", {.seed = 4}, 5000));
  EXPECT_EQ(keys.size(), 10U);
  for (const auto& [key, operations] : keys) {
    EXPECT_TRUE(key.is_string());
    std::set<Value> written;
    for (const Operation& operation : operations) {
      if (operation.f == "read") {
        EXPECT_TRUE(operation.input.is_null());
      } else {
        EXPECT_EQ(operation.f, "write");
        EXPECT_TRUE(operation.input.is_integer());
        EXPECT_TRUE(written.insert(operation.input).second);
      }
    }
    EXPECT_NEAR(static_cast<double>(operations.size()), 500, 110);  // standard deviation 21
    EXPECT_NEAR(static_cast<double>(written.size()), static_cast<double>(operations.size()) / 2, 60);
  }
}

TEST(Workload, CasRegisterDrawsFewValuesAndPairsThatDiffer) {
  std::map<std::string, int> count;
  for (const auto& [key, operations] :
       by_key(history_of("cas-register", {.read_fraction = 0.2, .value_count = 3}, 3000))) {
    for (const Operation& operation : operations) {
      ++count[operation.f];
      if (operation.f == "read") continue;
      std::vector<Value> values{operation.input};
      if (operation.f == "cas") {
        ASSERT_TRUE(operation.input.is_pair());
        values.assign(operation.input.as_list().begin(), operation.input.as_list().end());
        EXPECT_NE(values[0], values[1]);
      }
      for (const Value& value : values) {
        EXPECT_GE(value.as_integer(), 0);
        EXPECT_LT(value.as_integer(), 3);
      }
    }
  }
  EXPECT_NEAR(count["read"], 600, 100);
  EXPECT_NEAR(count["write"], 1200, 130);
  EXPECT_NEAR(count["cas"], 1200, 130);
}

TEST(Workload, KvAppendUsesEachTokenOncePerKey) {
  std::map<std::string, int> count;
  for (const auto& [key, operations] : by_key(history_of("kv-append", {}, 4000))) {
    EXPECT_LE(operations.size(), 200U);
    std::set<Value> tokens;
    for (const Operation& operation : operations) {
      ++count[operation.f];
      if (operation.f == "get") continue;
      EXPECT_TRUE(tokens.insert(operation.input).second);
      EXPECT_EQ(operation.input.as_text().back(), ',');  // so that "1" and "11" cannot be confused
    }
  }
  EXPECT_EQ(count.size(), 3U);
  EXPECT_NEAR(count["get"], 2000, 200);
  EXPECT_NEAR(count["put"], 250, 80);
}

TEST(Workload, KeysRetireAfterTheirShareAndAlwaysAsManyAreLive) {
  const History history = history_of("register", {.keys = 12, .ops_per_key = 50}, 6000);
  std::map<Value, int> used;
  std::set<Value> live;
  for (OperationIndex o = 0; o < history.operation_count(); ++o) {
    const Value key = history.operation(o).key;
    live.insert(key);
    EXPECT_LE(live.size(), 12U);
    if (++used[key] == 50) live.erase(key);
  }
  EXPECT_GE(used.size(), 6000U / 50);
  EXPECT_LE(used.size(), 6000U / 50 + 12);
}

TEST(Workload, RateIsThatOfAllWorkersTogether) {
  for (const Worker concurrency : {5, 50}) {
    const History history = run_ok(workload("register", {.rate = 200}).clients, concurrency, 30s).history;
    EXPECT_NEAR(static_cast<double>(history.operation_count()), 6000, 200) << concurrency;  // standard deviation 45
  }
}

TEST(Workload, OperationsDependOnTheSeedNotOnWhoPerformsThem) {
  const auto drawn = [](std::uint64_t seed, Worker concurrency) {
    std::string all;
    for (const auto& [key, operations] : by_key(history_of("cas-register", {.seed = seed}, 500, concurrency))) {
      for (const Operation& operation : operations)
        all += operation.key.to_string() + operation.f + operation.input.to_string();
    }
    return all;
  };
  EXPECT_EQ(drawn(1, 2), drawn(1, 20));
  EXPECT_NE(drawn(1, 2), drawn(2, 2));
}

TEST(Workload, FinalReadsAskEveryWorkerForEveryKeyThatWasLiveLast) {
  ScriptedWorld world;
  const Workload made = workload("kv-append", {.keys = 4, .ops_per_key = 30});
  const RunResult result =
      run({.main = limit(600, made.clients), .final = made.final_reads}, world, {.concurrency = 3});
  std::map<Value, std::set<Process>> read;
  for (OperationIndex o = 600; o < result.history.operation_count(); ++o) {
    const Operation operation = result.history.operation(o);
    EXPECT_EQ(operation.f, "get");
    EXPECT_TRUE(read[operation.key].insert(operation.process).second);
  }
  EXPECT_EQ(read.size(), 4U);
  for (const auto& [key, processes] : read) EXPECT_EQ(processes.size(), 3U) << key.to_string();
  EXPECT_TRUE(read.contains(result.history.operation(599).key));
  EXPECT_EQ(workload("register", {.final_reads = false}).final_reads, nullptr);
}

TEST(Workload, UnknownNamesAndOptionsOutOfRangeAreRefused) {
  const auto refused = [](std::string_view name, const WorkloadOptions& options = {}) {
    const auto made = make_workload(name, options);
    EXPECT_FALSE(made.ok());
    if (made.ok()) return std::string();
    EXPECT_EQ(made.error().kind, ErrorKind::bad_input);
    return made.error().to_string();
  };
  EXPECT_EQ(refused("registr"), "unknown workload 'registr'\n  did you mean 'register'?");
  EXPECT_EQ(refused("bank"),
            "unknown workload 'bank'\n  known: register, cas-register, kv-append, set, lock, fenced-lock, lease");
  EXPECT_EQ(refused("register", {.keys = 0}), "keys = 0 is out of range\n  choose 1 to 1000");
  EXPECT_EQ(refused("register", {.rate = 0}),
            "rate = 0/s is out of range\n  choose more than 0/s and at most 1000000/s");
  EXPECT_FALSE(refused("register", {.rate = std::nan("")}).empty());
  EXPECT_FALSE(refused("register", {.read_fraction = 1.5}).empty());
  EXPECT_FALSE(refused("cas-register", {.value_count = 1}).empty());
}

TEST(Workload, RatesNeedTheirUnit) {
  EXPECT_EQ(parse_rate("200/s").value(), 200);
  EXPECT_EQ(parse_rate("0.5/s").value(), 0.5);
  for (const std::string_view text : {"200", "200/m", "/s", "-1/s", "0/s", "1e9/s", "nan/s", "200 /s", ""}) {
    const auto rate = parse_rate(text);
    ASSERT_FALSE(rate.ok()) << text;
    EXPECT_EQ(rate.error().remedy, "write operations per second, more than 0: \"200/s\"");
  }
}

TEST(Workload, ARunToTheEndLooksLikeThis) {
  // A cluster of one register per key, slow and sometimes unsure, with a fault in the middle.
  std::map<Value, Value> registers;
  ScriptedWorld world([&](const Event& event, Rng& rng) -> std::optional<Reply> {
    if (event.process == nemesis_process) return Reply{.latency = 3ms, .type = EventType::info, .value = event.value};
    Reply reply{.latency = Duration(rng.between(200, 5000) * 1000), .value = event.value};
    if (rng.chance(0.1)) return Reply{.latency = 20ms, .type = EventType::info, .error = "timeout"};
    if (event.f == "read") reply.value = registers[event.key];
    if (event.f == "write") registers[event.key] = event.value;
    return reply;
  });
  const Workload made = workload("register", {.seed = 7, .keys = 3, .rate = 1000});
  const Value pause = Value::map({{"kind", "pause"}, {"parameters", Value::map({{"target", "one"}})}});
  Generator faults =
      sequence({sleep(5ms), Invocation{"start-pause", pause, {}}, sleep(8ms), Invocation{"stop-pause", pause, {}}});
  const RunResult result =
      run({.main = by_role(made.clients, faults), .heal = Invocation{"heal-all", {}, {}}, .final = made.final_reads},
          world, {.concurrency = 3, .seed = 7, .time_limit = 20ms});
  EXPECT_FALSE(result.failure);
  expect_golden("tests/workloads/golden/register_run.txt", transcript(result.history));
}

}  // namespace
}  // namespace faultline
