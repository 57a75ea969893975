// ScriptedPort: a FaultPort that only remembers what it was asked to do; and a world whose nemesis works through one.
#pragma once

#include <faultline/grudge.hpp>
#include <faultline/nemesis.hpp>

#include <string>
#include <vector>

#include "tests/workloads/scripted_world.hpp"

namespace faultline {

struct ScriptedPort final : FaultPort {
  Nodes all{"n1", "n2", "n3"};
  Nodes leading{"n2"};
  std::string unsupported;  // a kind
  std::string broken;       // a kind whose apply and heal fail
  bool heals = true;
  std::vector<std::string> calls;  // "apply kill [n2]"

  static std::string told(std::string_view call, const Fault& fault) {
    std::string text = std::string(call) + " " + fault.kind;
    for (const NodeName& node : fault.nodes) text += " " + node;
    for (const auto& [node, dropped] : fault.grudge) {
      text += " " + node + "<";
      for (const NodeName& from : dropped) text += from;
    }
    return text;
  }

  [[nodiscard]] Nodes nodes() const override { return all; }
  Nodes primaries() override {
    calls.emplace_back("primaries");
    return leading;
  }
  [[nodiscard]] Result<void> supports(const Fault& fault) const override {
    if (fault.kind == unsupported) return Error::environment(fault.kind + " needs what is not here", "get it");
    return {};
  }
  Result<Value> apply(const Fault& fault) override {
    calls.push_back(told("apply", fault));
    if (fault.kind == broken) return Error::environment("cannot " + fault.kind);
    if (fault.kind == "partition") return Value::map({{"dropped_pairs", 4}});
    std::vector<Value::Entry> pids;
    for (const NodeName& node : fault.nodes) pids.emplace_back(node, 4711);
    return Value::map({{fault.kind == "kill" ? "killed" : "paused", Value::map(pids)}});
  }
  Result<Value> heal(const Fault& fault) override {
    calls.push_back(told("heal", fault));
    if (fault.kind == broken) return Error::environment("cannot heal " + fault.kind);
    return fault.kind == "partition" ? Value::map({{"dropped_packets", 100}})
                                     : Value::map({{"restarted", Value::list({"n1"})}});
  }
  Result<Value> heal_all() override {
    calls.emplace_back("heal_all");
    if (!heals) return Error::environment("n3 does not answer", "see its log");
    return Value::map({{"reachable_pairs", 6}});
  }
};

// A ScriptedWorld's script: clients answer ok after 5 ms and tell the term; the nemesis works through the port, taking 100 ms.
inline ScriptedWorld::Script script_of(NemesisProcess& process, FaultPort& port) {
  return [&](const Event& event, Rng&) -> std::optional<Reply> {
    if (event.process != nemesis_process) return Reply{.latency = 5ms};
    const Event done = process.perform(event, port);
    return Reply{.latency = 100ms, .type = done.type, .value = done.value, .error = done.error()};
  };
}

}  // namespace faultline
