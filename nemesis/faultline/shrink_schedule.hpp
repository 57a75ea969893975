// shrink_schedule(): the smallest scenario that still fails in the same way.
//
// Delta debugging (Zeller, Hildebrandt: "Simplifying and Isolating Failure-Inducing Input", IEEE TSE 2002), over an oracle that runs a
// candidate and says whether it fails with the same signature. In this order, and again while something gives:
//   decisions  ddmin to a 1-minimal list
//   sizes      clients, operations, … in the order given, each as small as possible
//   nodes      the last ones leave, with every mention of them
//   faults     fewer nodes and links, fewer parameters, earlier triggers
//   timings    shorter, then rounder
//
// Pure and deterministic: the same oracle gives the same candidates in the same order. A candidate that was asked is not asked again.
// `decisions` of a candidate is always a valid schedule: a decision that waits for the heal of another leaves with it.
#pragma once

#include <faultline/schedule.hpp>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace faultline {

// Something countable of a run: {"concurrency", 8, 1}.
struct Size {
  std::string name;
  std::uint64_t value = 0;
  std::uint64_t smallest = 0;
  friend bool operator==(const Size&, const Size&) = default;
};

struct Scenario {
  Schedule schedule;
  std::vector<Size> sizes;
  Nodes nodes;
  friend bool operator==(const Scenario&, const Scenario&) = default;
};

// Whether it fails with the signature looked for.
using Oracle = std::function<bool(const Scenario&)>;

struct ShrinkOptions {
  std::size_t candidates = 2000;   // at most, asked of the oracle
  std::size_t smallest_nodes = 3;  // fewer are not tried
  std::function<bool()> stop;      // polled before each wave of candidates; null: never
  // Several at once, for who has several cores: the answers in the order of the candidates, of which there are at most `at_once`. What is
  // found, and how many candidates count, does not depend on it.
  std::function<std::vector<bool>(const std::vector<Scenario>&)> failing_many;
  std::size_t at_once = 1;
};

struct ShrinkOutcome {
  Scenario scenario;           // fails with the signature
  std::size_t candidates = 0;  // asked
  std::size_t removed = 0;     // decisions
  bool minimal = false;        // leaving out any one decision was tried, and it no longer fails
  std::string text;  // "9 of 41 decisions remain after 212 runs; leaving out any one of them, the failure is gone"
};

// REQUIRES: failing(scenario) holds; not asked again.
ShrinkOutcome shrink_schedule(const Scenario& scenario, const Oracle& failing, const ShrinkOptions& options = {});

}  // namespace faultline
