// The TOML of a campaign as it stands in the file: tables and lists with their places, checked against the table of options, not yet
// multiplied. plan.hpp describes the keys. Pure; private to this folder.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "night/plan.hpp"

namespace faultline::cli::night {

struct Item {
  std::string text;
  Place place;
};

using Lists = std::vector<std::pair<std::string, std::vector<Item>>>;  // option -> what it may be

// [matrix] or [[canary]].
struct Block {
  Place place;
  std::string canary;  // its name; empty: a matrix
  std::vector<Item> expect, targets, workloads, mixes;
  std::vector<std::uint64_t> seeds;
  std::vector<std::pair<std::string, Item>> fixed;
  Lists lists, swarm;
};

struct Problem {
  Place place;
  std::string text;
};

struct PlanFile {
  Plan plan;  // without cells and runs
  std::vector<Block> blocks;
  std::vector<Problem> problems;
};

PlanFile read_plan_file(std::string_view path, std::string_view bytes);

// Why this option cannot have this text for that target; empty: it can.
std::string why_not_for(const Target& target, std::string_view option, std::string_view text);

}  // namespace faultline::cli::night
