// Random runs of a log on a disk that fails at some call, then loses power: what every crash image gives back is what was
// acknowledged, and perhaps the first records of what was on its way.
#include <faultline/raft/storage/wal.hpp>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "memory_disk.hpp"

namespace faultline::raft::storage {
namespace {

constexpr Identity identity{7, {1}};

// What a log says.
struct State {
  HardState hard_state;
  Mark mark;
  LogIndex first{1};
  std::vector<Entry> entries;

  [[nodiscard]] LogIndex last() const { return {first.value + entries.size() - 1}; }
  void add(const Entry& entry) {
    entries.resize(entry.index - first);
    entries.push_back(entry);
  }
  void add(Mark label) {
    mark = label;
    if (label.index <= last() && entries[label.index - first].term == label.term) return;
    entries.clear();
    first = label.index + 1;
  }
  // Whether it is what was recovered; the entries up to the mark may be gone.
  [[nodiscard]] bool matches(const Recovered& recovered) const {
    if (recovered.hard_state != hard_state || recovered.mark != mark) return false;
    if (recovered.entries.empty()) return last() <= mark.index;
    const LogIndex begin = recovered.entries.front().index;
    if (begin > mark.index + 1 || begin < first || recovered.entries.back().index != last()) return false;
    return std::equal(recovered.entries.begin(), recovered.entries.end(), entries.begin() + (begin - first),
                      entries.end());
  }
};

class Lives {
 public:
  Lives(std::uint64_t seed, bool sync)
      : rng_(seed), options_{.segment_bytes = 1024 + 512 * rng_.below(3), .sync = sync} {
    possible_.emplace_back();
  }

  // One life of the log, up to the failure or to the end of the run; true: nothing failed.
  bool live(MemoryDisk& disk) {
    auto opened = Wal::open(disk, "wal", identity, options_);
    if (!opened) {
      EXPECT_TRUE(disk.failed()) << opened.error().to_string();
      return false;
    }
    const Recovered& recovered = opened.value().recovered;
    const auto match =
        std::find_if(possible_.begin(), possible_.end(), [&](const State& state) { return state.matches(recovered); });
    EXPECT_TRUE(match != possible_.end()) << "what was acknowledged is not there: " << describe(recovered);
    if (match == possible_.end()) return true;
    possible_ = {State(*match)};
    new_life_ = true;
    for (int step = 0; step < 40; ++step) {
      if (!one_step(*opened.value().wal)) {
        EXPECT_TRUE(disk.failed());
        expect_dead(*opened.value().wal, disk);
        return false;
      }
    }
    return true;
  }

  Rng& rng() { return rng_; }

 private:
  [[nodiscard]] std::string describe(const Recovered& recovered) const {
    const auto text = [](const HardState& state, Mark mark, const std::vector<Entry>& entries) {
      std::string out = fmt::format("term {} vote {} commit {}, mark {}/{}:", state.term.value, state.vote.value,
                                    state.commit.value, mark.index.value, mark.term.value);
      for (const Entry& entry : entries) out += fmt::format(" {}/{}", entry.index.value, entry.term.value);
      return out + "\n";
    };
    std::string out = "recovered " + text(recovered.hard_state, recovered.mark, recovered.entries);
    for (const State& state : possible_) out += "possible  " + text(state.hard_state, state.mark, state.entries);
    return out;
  }

  bool one_step(Wal& wal) {
    Batch batch = rng_.chance(0.1) ? mark_batch() : entries_batch();
    State state = possible_.back();
    const auto on_its_way = [&] { possible_.push_back(state); };
    if (batch.mark) {
      state.add(*batch.mark);
      on_its_way();
    }
    for (const Entry& entry : batch.entries) {
      state.add(entry);
      on_its_way();
    }
    if (batch.hard_state) {
      state.hard_state = *batch.hard_state;
      on_its_way();
    }
    auto appended = wal.append(batch);
    if (!appended) return false;
    if (batch.must_sync) possible_ = {state};
    EXPECT_EQ(wal.last_index(), state.last());
    if (rng_.chance(0.5) && !wal.reserve()) return false;
    // A mark that is not synced yet is not durable.
    if (batch.mark && batch.must_sync && rng_.chance(0.7) && !wal.compact(batch.mark->index)) return false;
    return true;
  }

  // Of an own snapshot, or of one from a leader that knows better: then it bears a term the log does not know (log matching).
  Batch mark_batch() {
    const State& state = possible_.back();
    Mark mark{std::max(state.mark.index, state.hard_state.commit) + 1 + rng_.below(12), next_term()};
    if (state.last() > state.mark.index && rng_.chance(0.7)) {
      const std::uint64_t low = std::max(state.first.value, state.mark.index.value + 1);
      mark.index = {low + rng_.below(state.last().value - low + 1)};
      mark.term = state.entries[mark.index - state.first].term;
    }
    return {.entries = {}, .hard_state = {}, .mark = mark, .must_sync = true};
  }

  // Every term once: what a crash cut, or a newer leader, never comes again under its old one.
  Term next_term() { return {++term_}; }

  Batch entries_batch() {
    const State& state = possible_.back();
    Batch batch;
    HardState next = state.hard_state;
    if (std::exchange(new_life_, false) || next.term < state.mark.term || rng_.chance(0.1)) {
      next = {next_term(), {rng_.below(4)}, next.commit};
    }
    const LogIndex floor = std::max(state.mark.index, next.commit);
    LogIndex index = state.last() + 1;
    if (index > floor + 1 && rng_.chance(0.15)) {
      index = floor + 1 + rng_.below(index - floor - 1);
      next = {next_term(), {}, next.commit};
    }
    for (std::uint64_t n = rng_.below(5); n > 0; --n) {
      const std::uint64_t size = rng_.chance(0.03) ? 3000 : rng_.below(200);
      batch.entries.push_back({.term = next.term,
                               .index = index,
                               .kind = static_cast<EntryKind>(rng_.below(3)),
                               .data = std::string(size, static_cast<char>(rng_.next() & 0xff))});
      ++index;
    }
    const LogIndex last = batch.entries.empty() ? state.last() : batch.entries.back().index;
    if (rng_.chance(0.3) && last > next.commit) next.commit = next.commit + rng_.below(last - next.commit + 1);
    if (next != state.hard_state) batch.hard_state = next;
    batch.must_sync = rng_.chance(0.7);
    return batch;
  }

  static void expect_dead(Wal& wal, const MemoryDisk& disk) {
    const std::uint64_t calls = disk.calls();
    EXPECT_FALSE(wal.append({}));
    EXPECT_FALSE(wal.reserve());
    EXPECT_FALSE(wal.compact({0}));
    EXPECT_EQ(disk.calls(), calls) << "a dead log touches nothing";
  }

  Rng rng_;
  WalOptions options_;
  std::uint64_t term_ = 0;
  bool new_life_ = false;
  std::vector<State> possible_;  // after the last acknowledgement, and after each record since
};

TEST(WalCrash, EveryImageRecoversWhatWasAcknowledged) {
  for (std::uint64_t seed = 1; seed <= 500; ++seed) {
    SCOPED_TRACE(seed);
    Lives run(seed, true);
    auto disk = std::make_unique<MemoryDisk>();
    for (int life = 0; life < 5; ++life) {
      disk->fail_at(1 + run.rng().below(life % 2 == 0 ? 120 : 20));
      run.live(*disk);
      if (HasFailure()) return;
      if (run.rng().chance(0.3)) {
        disk->revive();
      } else {
        disk = disk->after_power_loss(run.rng());
      }
    }
    disk->revive();
    EXPECT_TRUE(run.live(*disk));
    if (HasFailure()) return;
  }
}

TEST(WalCrash, TheKthCallFailsUntilARunPassesUntouched) {
  for (std::uint64_t k = 1;; ++k) {
    SCOPED_TRACE(k);
    Lives run(4711, true);
    MemoryDisk disk;
    disk.fail_at(k);
    const bool untouched = run.live(disk);
    ASSERT_FALSE(HasFailure());
    if (untouched) {
      EXPECT_GT(k, 60U);
      break;
    }
    for (int image = 0; image < 4; ++image) {
      Lives rest = run;
      EXPECT_TRUE(rest.live(*disk.after_power_loss(run.rng())));
      ASSERT_FALSE(HasFailure());
    }
  }
}

// The process dies, the machine does not: what was written is there, synced or not.
TEST(WalCrash, WithoutSyncADeadProcessLosesNothing) {
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    SCOPED_TRACE(seed);
    Lives run(seed, false);
    auto disk = std::make_unique<MemoryDisk>();
    for (int life = 0; life < 4; ++life) {
      disk->fail_at(1 + run.rng().below(100));
      run.live(*disk);
      if (HasFailure()) return;
      disk->revive();
    }
    EXPECT_EQ(disk->syncs(), 0U);
  }
}

}  // namespace
}  // namespace faultline::raft::storage
