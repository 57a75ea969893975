// A thousand long histories that are linearizable by construction are valid, and a thousand more with one planted lie are
// invalid: through the front door, by the engine it chooses and by a second one, with a certificate that the independent
// verifier confirms.
//
// FL_THOUSAND=1000 judges a thousand of each kind: two minutes in a release build, and too long for every run of the
// tests. Shapes are such that every engine asked is sure to answer: FIFO queues have no open operations, unordered
// queues and counters few, since the general search can drown in them; elements of containers and sets never repeat.
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstdlib>

#include <faultline/certificate.hpp>
#include <faultline/checker.hpp>

#include "by_construction.hpp"

namespace faultline::test {
namespace {

constexpr std::size_t shards = 8;

struct Shape {
  std::string_view model;
  std::size_t clients;
  std::int64_t values;  // 0: all different
  double info;
  std::string_view second;     // another engine; empty: none answers surely
  bool second_on_lies = true;  // it also answers surely when nothing fits
  std::size_t keys = 1;
};

constexpr std::array shapes{
    Shape{"register", 5, 5, 0, "generic"},
    Shape{"register", 50, 5, 0, "frontier"},
    Shape{"register", 20, 5, 0.01, "depth-first", false},
    Shape{"register", 50, 0, 0.05, "depth-first", false},
    Shape{"cas-register", 10, 5, 0, "generic"},
    Shape{"cas-register", 20, 5, 0, "frontier"},
    Shape{"cas-register", 50, 5, 0, "depth-first", false},
    Shape{"cas-register", 20, 5, 0.01, "depth-first", false},
    Shape{"cas-register", 30, 0, 0.01, "depth-first", false},
    Shape{.model = "cas-register", .clients = 30, .values = 5, .info = 0.01, .second = "frontier", .keys = 10},
    Shape{"kv", 5, 5, 0, "depth-first"},
    Shape{"kv", 10, 0, 0, "frontier"},
    Shape{.model = "kv", .clients = 20, .values = 5, .info = 0, .second = "depth-first", .keys = 10},
    Shape{"mutex", 50, 0, 0, "depth-first"},
    Shape{"mutex", 10, 0, 0.01, "depth-first"},
    Shape{"set", 10, 0, 0, "frontier"},
    Shape{"set", 20, 0, 0.01, "depth-first", false},
    Shape{"set", 50, 0, 0, ""},
    Shape{"counter", 10, 0, 0, "depth-first"},
    Shape{"counter", 5, 0, 0.001, ""},
    Shape{"fifo-queue", 50, 0, 0, ""},
    Shape{"fifo-queue", 5, 0, 0, "depth-first", false},
    Shape{"unordered-queue", 50, 0, 0, ""},
    Shape{"unordered-queue", 10, 0, 0, "depth-first"},
    Shape{"unordered-queue", 5, 0, 0.001, ""},
    Shape{"stack", 20, 0, 0, ""},
    Shape{"priority-queue", 20, 0, 0, ""},
    Shape{"unique-ids", 50, 0, 0.01, ""},
    Shape{"append-list", 20, 0, 0, ""},
    Shape{"append-list", 10, 0, 0.01, ""},
    Shape{"fenced-mutex", 20, 0, 0, ""},
};

std::size_t how_many() {
  const char* wanted = std::getenv("FL_THOUSAND");
  return wanted != nullptr ? std::strtoull(wanted, nullptr, 10) : 2 * std::size(shapes);
}

// `n` counts histories of one kind; every shape comes up in turn.
Recipe recipe_of(std::size_t n, Lie lie) {
  const Shape& shape = shapes[n % shapes.size()];
  Recipe recipe{.model = shape.model,
                .operations = 10'000,
                .clients = shape.clients,
                .seed = 1 + n,
                .info = shape.info,
                .values = shape.values,
                .keys = shape.keys,
                .lie = lie};
  if (lie != Lie::none && shape.model.ends_with("mutex")) recipe.info = 0;  // an open release explains a second lock
  return recipe;
}

Verdict judged(const History& history, const Recipe& recipe, std::string_view engine, bool explain) {
  const auto begun = std::chrono::steady_clock::now();
  const CheckOptions options{
      .engine = std::string(engine),
      .time_limit = std::chrono::seconds(100),
      .elapsed = [begun] { return std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now() - begun); },
      .certify = true,
      .explain = explain};
  auto verdict = check(history, recipe.model, options);
  EXPECT_TRUE(verdict.ok()) << verdict.error().to_string();
  return verdict.ok() ? std::move(verdict).value() : Verdict{};
}

void expect_confirmed(const History& history, const Verdict& verdict, const std::string& who) {
  const Certificate certificate = make_certificate(history, verdict, {});
  const auto read = parse_certificate(to_json(certificate));
  ASSERT_TRUE(read.ok()) << who << read.error().to_string();
  ASSERT_EQ(read.value(), certificate) << who;
  const auto verification = verify(history, read.value());
  ASSERT_TRUE(verification.ok()) << who << verification.error().to_string();
  ASSERT_EQ(verification.value().outcome, Verification::Outcome::confirmed) << who << verification.value().reason;
}

void expect_verdict(std::size_t n, Lie lie) {
  const Shape& shape = shapes[n % shapes.size()];
  const Recipe recipe = recipe_of(n, lie);
  const std::string who = "model " + std::string(recipe.model) + ", clients " + std::to_string(recipe.clients) +
                          ", values " + std::to_string(recipe.values) + ", info " + std::to_string(recipe.info) +
                          ", keys " + std::to_string(recipe.keys) + ", seed " + std::to_string(recipe.seed) + ": ";
  const VerdictKind expected = lie == Lie::none ? VerdictKind::valid : VerdictKind::invalid;
  const History history = by_construction(recipe);
  ASSERT_GE(history.operation_count(), 10'000U);
  const Verdict verdict = judged(history, recipe, "auto", true);
  ASSERT_EQ(verdict.kind, expected) << who << "by " << verdict.engine << " " << verdict.reason;
  expect_confirmed(history, verdict, who);
  if (shape.second.empty() || (lie != Lie::none && !shape.second_on_lies)) return;
  const Verdict second = judged(history, recipe, shape.second, false);
  ASSERT_EQ(second.kind, expected) << who << "by " << shape.second << " " << second.reason;
  if (lie == Lie::none) expect_confirmed(history, second, who);
}

class Thousand : public testing::TestWithParam<std::size_t> {};

TEST_P(Thousand, LongHistoriesByConstructionAreValid) {
  for (std::size_t n = GetParam(); n < how_many(); n += shards) {
    ASSERT_NO_FATAL_FAILURE(expect_verdict(n, Lie::none));
  }
}

TEST_P(Thousand, LongHistoriesWithOneLieAreInvalid) {
  for (std::size_t n = GetParam(); n < how_many(); n += shards) {
    const Lie lie = (n / shapes.size()) % 2 == 0 ? Lie::stale : Lie::phantom;
    ASSERT_NO_FATAL_FAILURE(expect_verdict(n, lie));
  }
}

INSTANTIATE_TEST_SUITE_P(Shard, Thousand, testing::Range(std::size_t{0}, shards));

}  // namespace
}  // namespace faultline::test
