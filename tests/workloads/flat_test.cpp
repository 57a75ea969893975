// A generator costs the same per operation however many went before: memory, allocations and stack.
#include <faultline/generator.hpp>

#include <gtest/gtest.h>
#include <malloc.h>

#include <cstdlib>
#include <new>

#include "scripted_world.hpp"

// Counts what lives on the heap; the sanitizers stay in charge of the memory itself.
namespace {
std::size_t live_bytes = 0;
std::size_t allocations = 0;

void* counted_new(std::size_t size) {
  void* memory = std::malloc(size);
  if (memory == nullptr) std::abort();
  live_bytes += ::malloc_usable_size(memory);
  ++allocations;
  return memory;
}
void counted_delete(void* memory) {
  if (memory != nullptr) live_bytes -= ::malloc_usable_size(memory);
  std::free(memory);
}
}  // namespace

void* operator new(std::size_t size) { return counted_new(size); }
void* operator new[](std::size_t size) { return counted_new(size); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return counted_new(size); }
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept { return counted_new(size); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { counted_delete(memory); }
void operator delete[](void* memory, const std::nothrow_t&) noexcept { counted_delete(memory); }
void operator delete(void* memory) noexcept { counted_delete(memory); }
void operator delete[](void* memory) noexcept { counted_delete(memory); }
void operator delete(void* memory, std::size_t) noexcept { counted_delete(memory); }
void operator delete[](void* memory, std::size_t) noexcept { counted_delete(memory); }

namespace faultline {
namespace {

Generator counting(const std::string& f) {
  return unfold<int>(Rng(1), 0, [f](int& n, const Context&, Rng&) { return Invocation{f, ++n, {}}; });
}

struct Cost {
  std::size_t live;
  double allocations_per_operation;
};

// Takes so many operations from it, each completed at once, and says what one of the last costs and what is still held.
Cost take(Generator& generator, std::size_t operations, Instant& now) {
  const std::array<Process, 4> processes{0, 1, 2, 3};
  Context context{.workers = WorkerSet::of_clients(4), .processes = processes};
  context.free = context.workers;
  const std::size_t before = allocations;
  for (std::size_t done = 0; done < operations;) {
    context.now = now;
    context.rng = Rng(done);
    Step step = generator.op(context);
    EXPECT_FALSE(step.is_exhausted());
    if (step.is_exhausted()) break;
    generator = std::move(*step.next);
    if (step.is_pending()) {
      EXPECT_NE(step.until, never);
      now = std::max(step.until, now);
      continue;
    }
    ++done;
    generator = generator.update(context, step.event);
    step.event.type = EventType::ok;
    generator = generator.update(context, step.event);
  }
  return {live_bytes, static_cast<double>(allocations - before) / static_cast<double>(operations)};
}

void expect_flat(Generator generator, std::size_t operations) {
  Instant now{};
  take(generator, 1000, now);  // warm: everything lazily made is made
  const Cost early = take(generator, 1000, now);
  take(generator, operations, now);
  const Cost late = take(generator, 1000, now);
  EXPECT_LE(late.live, early.live + 8192);
  EXPECT_LE(late.allocations_per_operation, early.allocations_per_operation * 1.1 + 1);
}

TEST(Flat, AMillionOperationsThroughManyCombinators) {
  Generator generator = mix(Rng(1), {{1, counting("r")}, {1, map([](Event e) { return e; }, counting("w"))}});
  generator = time_limit(std::chrono::hours(1000), stagger(Rng(2), 1us, limit(UINT64_MAX, std::move(generator))));
  expect_flat(any({filter([](const Event& e) { return e.value != Value(7); }, std::move(generator))}), 1'000'000);
}

TEST(Flat, SequencesOfManyPartsKeepNothing) {
  expect_flat(sequence([](std::uint64_t i) {
                return std::optional(Generator(Invocation{"w", static_cast<int>(i), {}}));
              }),
              200'000);
  expect_flat(cycle(phases({Invocation{"a", {}, {}}, limit(3, counting("b"))})), 200'000);
  expect_flat(flip_flop({repeat(Invocation{"a", {}, {}}), cycle(until_ok(counting("b")))}), 200'000);
}

TEST(Flat, ManyKeysKeepNothing) {
  const auto keys = [](std::uint64_t i) { return std::optional(Keyed{static_cast<int>(i), limit(5, counting("w"))}); };
  expect_flat(sequential_keys(keys), 200'000);
  expect_flat(concurrent_keys(2, keys), 200'000);
  expect_flat(each_worker(counting("w")), 100'000);
  expect_flat(reserve({{1, counting("a")}}, counting("b")), 100'000);
}

TEST(Flat, AMillionOperationsInALineEndWithoutDeepRecursion) {
  std::vector<Generator> parts(1'000'000);
  parts.emplace_back(Invocation{"last", {}, {}});
  const RunResult result = run_ok(sequence(std::move(parts)));
  EXPECT_EQ(result.history.operation_count(), 1U);
}

}  // namespace
}  // namespace faultline
