// A world of toys for the tests of faults.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "toy.hpp"

namespace faultline::sim::toy {

// A world of three nodes that has settled.
struct Fixture : testing::Test {
  Fixture() { restart({}); }
  void restart(SimOptions options) {
    options.seed = 3;
    world.reset();
    toy = Toy();
    world = std::make_unique<SimWorld>(options, toy);
    toy.world = world.get();
    pass(std::chrono::milliseconds(100));
  }
  void pass(Duration time) { run(*world, world->now() + time); }
  // Pings that arrive from a to b within the time.
  std::size_t heard(NodeIndex from, NodeIndex to, Duration within = std::chrono::milliseconds(100)) {
    pass(std::chrono::milliseconds(10));
    const std::size_t before = toy.pings(from, to);
    pass(within);
    return toy.pings(from, to) - before;
  }
  Result<Value> apply(const Fault& fault) { return world->apply(fault); }
  Result<Value> heal(const Fault& fault) { return world->heal(fault); }
  std::string refusal(const Fault& fault) {
    const auto supported = world->supports(fault);
    return supported ? "supported" : supported.error().to_string();
  }
  // One process a worker; a new one each time, as if the last had retired.
  Event write(NodeIndex node, int value) { return ask(*world, next += 5, "write", value, node); }
  Event ask(SimWorld& w, Process base, std::string f, Value value, NodeIndex node) {
    return sim::toy::ask(w, base + node, std::move(f), std::move(value));
  }
  std::string read(NodeIndex node) { return std::string(ask(*world, next += 5, "read", {}, node).value.as_text()); }

  Toy toy;
  std::unique_ptr<SimWorld> world;
  Process next = 0;
};

}  // namespace faultline::sim::toy
