// Locks with fencing tokens.
//
// Tokens state the order of the acquisitions. Everything that names a token belongs to that token's *block*: its acquisition, its writes,
// its release; blocks follow each other by token. What is written or released with a token that no acquisition returned belongs to one
// that never returned; these are taken in the order of their invocations (they have no deadline, and times grow along the walk, so any
// other choice can be sorted into this one).
//
// Pairs. Let y be of the same block as x or of a later one, and come after it (an acquisition comes first in its block). If y returned
// before x was invoked there is no order, whatever else happened.
//
// Walk. Otherwise walk along the events and place an operation only when its return forces it, as in mutex.cpp. Which acquisition is next
// is known, and so, if releases name tokens, is its release; releases that do not are all alike, the one that returns first is taken. A
// write changes nothing and is placed as soon as its token is the last one. So every step is forced, and if one is not possible there is
// no order - unless an acquisition that never returned and that nobody names must have happened. Such a one is of use only to make room
// for a release without a token. The walk then tries it, once only where nothing else is left and once wherever the tokens leave room; if
// neither ends well, it declines.
#include <algorithm>
#include <map>
#include <queue>

#include "pulse.hpp"
#include "ranks.hpp"
#include "tallies.hpp"

namespace faultline {

namespace {

constexpr std::uint64_t bytes_per_item = 128;
constexpr std::uint32_t before_all = none;  // no block yet

struct Block {
  std::int64_t token = 0;
  std::uint32_t acquire = none;
  bool returned = false;               // the acquisition told its token
  std::uint32_t release = none;        // that names the token: a completed one, or else the first one invoked
  std::vector<std::uint32_t> writes;   // by invocation
  std::vector<std::uint32_t> waiting;  // writes that were invoked before their token was given out
};

class FencedMutexMonitor {
 public:
  FencedMutexMonitor(const Items& items, const Budget& budget)
      : items_(items), budget_(budget), pulse_(budget, items.size() * bytes_per_item) {}

  std::optional<SearchResult> run() {
    if (!pulse_.poll()) return finish();
    if (!collect()) return std::nullopt;
    if (died()) return finish();
    ranks_ = Ranks::of(items_);
    if (!compare_pairs() || !pulse_.poll()) return finish();
    if (walk(false) || pulse_.spent() || spare_ == 0 || releases_name_tokens_) return finish();
    // Acquisitions that nobody names could have made room for releases. Without its tokens it is a mutex, of which all can be said.
    if (!alternates()) return finish();
    return walk(true) || pulse_.spent() ? finish() : std::nullopt;
  }

 private:
  [[nodiscard]] bool died() const { return died_at_ != none; }
  [[nodiscard]] static bool completed(const Item& item) { return item.completed != none; }

  // The token an operation names; none if it names none.
  [[nodiscard]] static std::optional<std::int64_t> token_of(const Call& call) {
    if (call.f == "write") return call.input.as_list()[0].as_integer();
    if (call.f == "release") return call.input.is_null() ? std::nullopt : std::optional(call.input.as_integer());
    return call.result_known ? std::optional(call.output.as_integer()) : std::nullopt;
  }

  // Sorts items into blocks. False: not ours to decide.
  bool collect() {
    std::vector<std::pair<std::int64_t, std::uint32_t>> named;  // token and item, of what certainly happened
    bool some_name = false, some_do_not = false;
    for (std::uint32_t i = 0; i < items_.size(); ++i) {
      const Item& item = items_[i];
      const auto token = token_of(item.call);
      if (item.call.f == "release") (token ? some_name : some_do_not) = true;
      if (item.call.f == "acquire" && !completed(item)) hidden_.push_back(i);
      if (token && completed(item)) named.emplace_back(*token, i);
    }
    if (some_name && some_do_not) return false;
    releases_name_tokens_ = !some_do_not;
    std::sort(named.begin(), named.end());
    block_of_.assign(items_.size(), none);
    for (const auto& [token, i] : named) {
      if (blocks_.empty() || blocks_.back().token != token) blocks_.push_back({.token = token});
      if (!add(blocks_.back(), i)) return true;
      block_of_[i] = static_cast<std::uint32_t>(blocks_.size() - 1);
    }
    add_open_releases();
    count_hidden();
    return true;
  }

  // False: two acquisitions with one token.
  bool add(Block& block, std::uint32_t i) {
    const Call& call = items_[i].call;
    if (call.f == "write") block.writes.push_back(i);
    if (call.f == "release" && block.release == none) block.release = i;
    if (call.f != "acquire") return true;
    if (block.acquire != none) {
      die({block.acquire, i});
      return false;
    }
    block.acquire = i;
    block.returned = true;
    return true;
  }

  void add_open_releases() {
    for (std::uint32_t i = 0; i < items_.size(); ++i) {
      const auto token = token_of(items_[i].call);
      if (items_[i].call.f != "release" || completed(items_[i]) || !token) continue;
      const auto block = std::lower_bound(blocks_.begin(), blocks_.end(), *token,
                                          [](const Block& b, std::int64_t t) { return b.token < t; });
      if (block != blocks_.end() && block->token == *token && block->release == none) block->release = i;
    }
  }

  // Tokens that no acquisition returned need one each of those that never returned; the walk hands them out.
  void count_hidden() {
    for (const Block& block : blocks_) named_hidden_ += block.returned ? 0 : 1;
    if (named_hidden_ > hidden_.size()) return die_at_the_end();  // a token that was never given out
    spare_ = hidden_.size() - named_hidden_;
  }

  // False if there is a pair that no order can contain.
  bool compare_pairs() {
    std::uint32_t latest = none;  // of what comes before the present block, or first in it, the one invoked last
    const auto note = [&](std::uint32_t i) {
      if (latest == none || ranks_.invoked[i] > ranks_.invoked[latest]) latest = i;
    };
    const auto fits = [&](std::uint32_t i) {
      if (latest == none || ranks_.completed[i] > ranks_.invoked[latest]) return true;
      die({i, latest});
      return false;
    };
    for (const Block& block : blocks_) {
      if (block.returned && !fits(block.acquire)) return false;
      if (block.returned) note(block.acquire);
      const bool released = block.release != none && completed(items_[block.release]);
      if (released && !fits(block.release)) return false;
      for (const std::uint32_t write : block.writes) {
        if (!fits(write)) return false;
      }
      if (released) note(block.release);
      for (const std::uint32_t write : block.writes) note(write);
      if (!pulse_.beat()) return false;
    }
    return true;
  }

  // --- the walk --------------------------------------------------------------------------------------------

  // False if some operation could not be placed, or the budget ran out. `hidden_first`: acquisitions that nobody names are tried before
  // the next one wherever the tokens leave room for them; where tokens are given out one by one that is where they happened.
  bool walk(bool hidden_first) {
    begin(hidden_first);
    for (const RankedEvent& event : ranks_.events()) {
      if (!pulse_.beat()) return false;
      const bool fine = event.completes ? placed_[event.item] || complete(event.item) : invoke(event.item);
      if (fine) {
        ++now_;
        continue;
      }
      die_now(event.item);
      return false;
    }
    return true;
  }

  bool alternates() {
    Items without_writes;
    std::copy_if(items_.begin(), items_.end(), std::back_inserter(without_writes),
                 [](const Item& item) { return item.call.f != "write"; });
    const auto found = monitor_mutex(without_writes, false, budget_);
    if (!found || found->kind != VerdictKind::invalid) return true;
    died_at_ = found->died_at;
    return false;
  }

  void begin(bool hidden_first) {
    hidden_first_ = hidden_first;
    placed_.assign(items_.size(), false);
    order_.clear();
    order_.reserve(items_.size());
    for (Block& block : blocks_) block.waiting.clear();
    in_flight_ = {};
    now_ = 0;
    current_ = before_all;
    unnamed_ = hidden_used_ = spare_used_ = 0;
    held_ = false;
    died_at_ = none;
  }

  bool invoke(std::uint32_t i) {
    const Call& call = items_[i].call;
    if (call.f == "release" && call.input.is_null()) in_flight_.push(std::uint64_t{ranks_.completed[i]} << 32 | i);
    if (call.f != "write" || !completed(items_[i])) return true;
    const std::uint32_t block = block_of_[i];
    if (block == current_ && unnamed_ == 0) {
      place(i);
    } else if (current_ == before_all || block > current_) {
      blocks_[block].waiting.push_back(i);
    }
    return true;  // a write that is too late is found so when it returns
  }

  // Places what must be placed now that i returns.
  bool complete(std::uint32_t i) {
    const Call& call = items_[i].call;
    if (call.f != "release") {
      const std::uint32_t block = block_of_[i];
      return is_ahead(block) && advance(block);  // places waiting writes
    }
    if (call.input.is_null()) {
      if (!held_ && !acquire_any()) return false;
      take_release();
      return true;
    }
    const std::uint32_t block = block_of_[i];
    if (block != current_ && !(is_ahead(block) && advance(block))) return false;
    if (!held_) return false;
    release(i);
    return true;
  }

  [[nodiscard]] bool is_ahead(std::uint32_t block) const { return current_ == before_all || block > current_; }
  [[nodiscard]] std::uint32_t next_block() const { return current_ == before_all ? 0 : current_ + 1; }

  // Places the acquisitions up to this block's, with a release before each.
  bool advance(std::uint32_t block) {
    while (is_ahead(block)) {
      if (held_ && !take_release()) return false;
      if (!acquire_next()) return false;
    }
    return true;
  }

  // REQUIRES: free.
  bool acquire_next() {
    while (hidden_first_ && can_hide() && !in_flight_.empty()) {
      hide();
      take_release();
    }
    const std::uint32_t next = next_block();
    if (!next_is_possible()) return false;
    Block& block = blocks_[next];
    place(block.returned ? block.acquire : hidden_[hidden_used_++]);
    held_ = true;
    current_ = next;
    unnamed_ = 0;
    for (const std::uint32_t write : block.waiting) place(write);
    return true;
  }

  // The next acquisition is in flight, and its token leaves room for those that nobody named.
  [[nodiscard]] bool next_is_possible() const {
    const std::uint32_t next = next_block();
    if (next == blocks_.size() || !leaves_room(unnamed_)) return false;
    return blocks_[next].returned ? ranks_.invoked[blocks_[next].acquire] <= now_ : hidden_is_at_hand();
  }

  // So many tokens may have been given out since the current one, before the next.
  [[nodiscard]] bool leaves_room(std::uint64_t unnamed) const {
    if (unnamed == 0) return true;
    const std::uint32_t next = next_block();
    const std::int64_t above = next == blocks_.size() ? INT64_MAX : blocks_[next].token;
    if (current_ == before_all) return above != INT64_MIN;
    return static_cast<std::uint64_t>(above) - static_cast<std::uint64_t>(blocks_[current_].token) > unnamed;
  }

  [[nodiscard]] bool hidden_is_at_hand() const {
    return hidden_used_ < hidden_.size() && ranks_.invoked[hidden_[hidden_used_]] <= now_;
  }
  // One that nobody names, leaving enough for the tokens that are named.
  [[nodiscard]] bool can_hide() const {
    return spare_used_ < spare_ && hidden_is_at_hand() && leaves_room(unnamed_ + 1);
  }
  void hide() {
    place(hidden_[hidden_used_++]);
    held_ = true;
    ++unnamed_;
    ++spare_used_;
  }

  // Makes room for a release without a token.
  bool acquire_any() {
    if (next_is_possible() && !(hidden_first_ && can_hide())) return acquire_next();
    if (!can_hide()) return false;
    hide();
    return true;
  }

  // REQUIRES: held.
  bool take_release() {
    if (releases_name_tokens_) {
      const std::uint32_t i = blocks_[current_].release;
      if (i == none || ranks_.invoked[i] > now_ || placed_[i]) return false;
      release(i);
      return true;
    }
    if (in_flight_.empty()) return false;
    const auto i = static_cast<std::uint32_t>(in_flight_.top());
    in_flight_.pop();
    release(i);
    return true;
  }

  void release(std::uint32_t i) {
    place(i);
    held_ = false;
  }
  void place(std::uint32_t i) {
    placed_[i] = true;
    order_.push_back(i);
  }

  // --- the end ---------------------------------------------------------------------------------------------

  void die(std::vector<std::uint32_t> core) {
    core_ = std::move(core);
    died_at_ = 0;
    for (const std::uint32_t i : core_) died_at_ = std::max(died_at_, items_[i].completed);
  }

  // Of the walk: it rests on what has been invoked by now, and on the next acquisition.
  void die_now(std::uint32_t at) {
    if (named_hidden_ > 0) return die_at_the_end();  // whose acquisition is whose rests on all that is named
    died_at_ = items_[at].completed;
    const auto rests_on = [&](const Item& item) {
      if (completed(item)) died_at_ = std::max(died_at_, item.completed);
    };
    for (std::uint32_t i = 0; i < items_.size() && ranks_.invoked[i] <= now_; ++i) rests_on(items_[i]);
    const std::uint32_t last = block_of_[at] == none ? next_block() : block_of_[at];
    for (std::uint32_t block = next_block(); block <= last && block < blocks_.size(); ++block) {
      if (blocks_[block].returned) rests_on(items_[blocks_[block].acquire]);
      if (blocks_[block].release != none) rests_on(items_[blocks_[block].release]);
    }
    if (current_ != before_all && blocks_[current_].release != none) rests_on(items_[blocks_[current_].release]);
  }

  void die_at_the_end() {
    died_at_ = 0;
    for (const Item& item : items_) {
      if (completed(item)) died_at_ = std::max(died_at_, item.completed);
    }
  }

  std::optional<SearchResult> finish() {
    SearchResult result = pulse_.result("fenced-mutex");
    if (pulse_.spent()) return result;
    result.kind = died() ? VerdictKind::invalid : VerdictKind::valid;
    if (died()) {
      result.died_at = died_at_;
      result.core = std::move(core_);
    } else {
      result.order = std::move(order_);
    }
    return result;
  }

  const Items& items_;
  const Budget& budget_;
  Pulse pulse_;
  Ranks ranks_;
  std::vector<Block> blocks_;            // by token
  std::vector<std::uint32_t> block_of_;  // by item; none if it names no token
  std::vector<std::uint32_t> hidden_;    // acquisitions that never returned, by invocation
  std::size_t named_hidden_ = 0;         // how many of them belong to tokens that others name
  std::size_t spare_ = 0;                // how many do not
  bool releases_name_tokens_ = false;

  bool hidden_first_ = false;
  Rank now_ = 0;
  std::uint32_t current_ = before_all;  // the block whose token was given out last
  std::uint64_t unnamed_ = 0;           // hidden acquisitions since
  std::size_t hidden_used_ = 0;
  std::size_t spare_used_ = 0;
  bool held_ = false;
  // Releases without a token: return, then item.
  std::priority_queue<std::uint64_t, std::vector<std::uint64_t>, std::greater<>> in_flight_;
  std::vector<bool> placed_;
  std::vector<std::uint32_t> order_;

  std::vector<std::uint32_t> core_;
  EventIndex died_at_ = none;
};

}  // namespace

std::optional<SearchResult> monitor_fenced_mutex(const Items& items, const Budget& budget) {
  return FencedMutexMonitor(items, budget).run();
}

}  // namespace faultline
