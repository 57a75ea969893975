#include "packet_queue.hpp"

#include <arpa/inet.h>
#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <mutex>
#include <thread>

#include "lane.hpp"
#include "queue_socket.hpp"
#include "spawn.hpp"

namespace faultline::live {

std::string queue_name(const std::string& name) { return name + "_q"; }

namespace {

// Loads a rule in a namespace without a name, which vanishes with the thread.
Result<void> try_rules(FilterTool tool) {
  if (::unshare(CLONE_NEWNET) != 0) {
    return Error::environment("cannot make a network namespace: " + errno_text(errno), "run as root");
  }
  const FilterPlan plan{.name = "faultline_try", .harness = "10.99.0.254", .sources = {"10.99.0.1"}};
  auto loaded = tool == FilterTool::nft
                    ? run_checked({"nft", "-f", "-"}, nft_queue_rules(plan, {0}), "")
                    : run_checked({"iptables-restore", "--noflush"}, iptables_queue_rules(plan, {0}), "");
  if (!loaded) return loaded.error();
  return {};
}

// Where the header of an IPv4 packet ends; its addresses are not damaged, or it would go astray.
std::size_t header_bytes(std::string_view packet) {
  if (packet.empty()) return 0;
  constexpr std::size_t word = 4;
  return word * (static_cast<unsigned char>(packet.front()) & 0xFU);
}

}  // namespace

std::string nft_queue_rules(const FilterPlan& plan, const std::set<std::size_t>& queued) {
  const std::string table = "ip " + queue_name(plan.name);
  // Declaring and flushing first makes the batch idempotent; a hook behind that of the cuts.
  std::string text = "add table " + table + "\nadd chain " + table +
                     " input { type filter hook input priority -150; policy accept; }\nflush chain " + table +
                     " input\n";
  for (const auto i : queued) {
    text += "add rule " + table + " input ip saddr " + plan.sources[i] + " meta mark != " + std::to_string(copy_mark) +
            " queue num " + std::to_string(queue_number) + " bypass\n";
  }
  return text;
}

std::string iptables_queue_rules(const FilterPlan& plan, const std::set<std::size_t>& queued) {
  const std::string chain = queue_name(plan.name);
  std::string text = "*mangle\n:" + chain + " - [0:0]\n";  // declaring a chain of one's own empties it
  for (const auto i : queued) {
    text += "-A " + chain + " -s " + plan.sources[i] + " -m mark ! --mark " + std::to_string(copy_mark) +
            " -j NFQUEUE --queue-num " + std::to_string(queue_number) + " --queue-bypass\n";
  }
  return text + "COMMIT\n";
}

namespace {

Result<FilterTool> find_queue_tool() {
  std::string reasons;
  for (const FilterTool tool : {FilterTool::nft, FilterTool::iptables}) {
    if (!find_program(tool == FilterTool::nft ? "nft" : "iptables-restore")) continue;
    Result<void> tried;
    try {
      std::thread([&] { tried = try_rules(tool); }).join();
    } catch (const std::system_error& e) {
      return Error::environment(std::string("cannot start a thread: ") + e.what());
    }
    if (tried) return tool;
    reasons += (reasons.empty() ? "" : "; ") + tried.error().message;
  }
  if (reasons.empty()) reasons = "neither nft nor iptables is installed";
  return Error::environment("packets cannot be queued for this process: " + reasons,
                            "apt install iptables, and load the kernel module nfnetlink_queue; or use --network proxy");
}

}  // namespace

// A machine's kernel stays as it is while this process lives.
Result<FilterTool> choose_queue_tool() {
  static const Result<FilterTool> found = find_queue_tool();
  return found;
}

// Reads packets, asks the links, and passes what arrives.
class PacketQueue::Judge {
 public:
  static Result<std::unique_ptr<Judge>> start(const std::vector<Place>& places) {
    auto judge = std::make_unique<Judge>();
    const Rng rng(places.size());
    for (std::size_t to = 0; to < places.size(); ++to) {
      judge->queues_.emplace_back();
      if (places[to].judged) {
        auto queue = QueueSocket::open(places[to].name_space);
        if (!queue) return queue.error();
        judge->queues_.back() = std::move(queue).value();
      }
      in_addr address{};
      ::inet_pton(AF_INET, places[to].address.c_str(), &address);
      judge->by_address_[address.s_addr] = to;
      for (std::size_t from = 0; from < places.size(); ++from)
        judge->links_.push_back(std::make_unique<Way>(rng.fork(to).fork(from)));
    }
    judge->bell_ = Descriptor(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!judge->bell_) return Error::environment("cannot make an eventfd: " + errno_text(errno));
    try {
      judge->thread_ = std::thread([j = judge.get()] { j->work(); });
    } catch (const std::system_error& e) {
      return Error::environment(std::string("cannot start a thread: ") + e.what());
    }
    return judge;
  }
  ~Judge() {
    if (!thread_.joinable()) return;
    stopping_ = true;
    ring();
    thread_.join();
  }

  void shape(const Pairs& faults) {
    const std::lock_guard lock(mutex_);
    for (std::size_t to = 0; to < queues_.size(); ++to) {
      for (std::size_t from = 0; from < queues_.size(); ++from) {
        const auto found = faults.find({from, to});
        way(from, to).link.set(found == faults.end() ? LinkFaults() : found->second);
      }
    }
    deliver();
    ring();
  }
  void tap(const MakeFramer& framer) {
    const std::lock_guard lock(mutex_);
    for (std::size_t to = 0; to < queues_.size(); ++to) {
      if (queues_[to]) taps_[to] = std::make_unique<FrameTap>(framer);
    }
  }
  void watch(const std::map<std::pair<std::size_t, std::size_t>, std::vector<FrameWatch>>& watches) {
    const std::lock_guard lock(mutex_);
    for (const auto& [to, tap] : taps_) {
      std::map<std::size_t, std::vector<FrameWatch>> by_source;
      for (const auto& [link, frames] : watches) {
        if (link.second == to) by_source[link.first] = frames;
      }
      tap->watch(by_source);
    }
  }
  TrafficCounters counters() {
    const std::lock_guard lock(mutex_);
    TrafficCounters sum;
    for (const auto& way : links_) sum += way->link.counters;
    return sum;
  }

 private:
  struct Way {
    explicit Way(Rng rng) : link(std::move(rng)) {}
    Link link;
    Lane lane{link};
  };
  Way& way(std::size_t from, std::size_t to) { return *links_[to * queues_.size() + from]; }
  void ring() {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto n = ::write(bell_.get(), &one, sizeof one);
  }

  void work() {
    std::vector<pollfd> watched;
    // A negative descriptor is passed over.
    for (const auto& queue : queues_) watched.push_back({queue ? queue->descriptor() : -1, POLLIN, 0});
    watched.push_back({bell_.get(), POLLIN, 0});
    std::optional<Instant> next;
    while (!stopping_) {
      const Duration wait = next ? std::max(Duration::zero(), *next - steady_now()) : std::chrono::seconds(1);
      constexpr Duration::rep per_second = 1'000'000'000;
      const timespec limit{wait.count() / per_second, wait.count() % per_second};
      ::ppoll(watched.data(), watched.size(), &limit, nullptr);
      std::uint64_t rung = 0;
      [[maybe_unused]] const auto n = ::read(bell_.get(), &rung, sizeof rung);
      const std::lock_guard lock(mutex_);
      for (std::size_t to = 0; to < queues_.size(); ++to) collect(to);
      next = deliver();
    }
  }

  void collect(std::size_t to) {
    if (!queues_[to]) return;
    constexpr std::size_t most = 256;  // then others have their turn
    queues_[to]->read(most, [&](std::uint32_t id, std::string_view packet) {
      constexpr std::size_t source_at = 12;
      std::uint32_t source = 0;
      if (packet.size() >= source_at + sizeof source) std::memcpy(&source, packet.data() + source_at, sizeof source);
      const auto from = by_address_.find(source);
      if (from == by_address_.end()) return queues_[to]->pass(id);
      const auto tap = taps_.find(to);
      const bool passes = tap != taps_.end() && !tap->second->holds(from->second);
      const bool is_awaited = tap != taps_.end() && tap->second->look(from->second, packet) && passes;
      Parcel parcel{.id = id, .bytes = std::string(packet), .frozen = header_bytes(packet)};
      if (!way(from->second, to).lane.send(steady_now(), std::move(parcel))) queues_[to]->drop(id);
      if (is_awaited) pass_on(from->second, to);
    });
  }

  // Passes what arrives now; when to look again.
  std::optional<Instant> deliver() {
    std::optional<Instant> next;
    const auto look_again = [&](Instant then) { next = std::min(next.value_or(then), then); };
    for (std::size_t to = 0; to < queues_.size(); ++to) {
      if (!queues_[to]) continue;
      const auto tap = taps_.find(to);
      for (std::size_t from = 0; from < queues_.size(); ++from) {
        if (tap != taps_.end() && tap->second->holds(from)) {
          look_again(steady_now() + std::chrono::milliseconds(1));
          continue;
        }
        pass_on(from, to);
        if (const auto then = way(from, to).lane.next(steady_now())) look_again(*then);
      }
    }
    return next;
  }

  void pass_on(std::size_t from, std::size_t to) {
    QueueSocket& queue = *queues_[to];
    for (const Parcel& parcel : way(from, to).lane.take(steady_now())) {
      if (parcel.is_copy) {
        queue.inject(parcel.bytes);
      } else {
        queue.pass(static_cast<std::uint32_t>(parcel.id), parcel.is_damaged ? parcel.bytes : std::string_view());
      }
    }
  }

  std::vector<std::optional<QueueSocket>> queues_;  // by place; none of one that is not judged
  std::map<std::uint32_t, std::size_t> by_address_;
  Descriptor bell_;
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;                                       // guards what follows, and the sockets while the thread runs
  std::map<std::size_t, std::unique_ptr<FrameTap>> taps_;  // by place
  std::vector<std::unique_ptr<Way>> links_;                // to * places + from
  std::thread thread_;
};

PacketQueue::PacketQueue(FilterTool tool, std::string name, std::vector<Place> places)
    : tool_(tool), name_(std::move(name)), places_(std::move(places)), queued_(places_.size()) {}

PacketQueue::~PacketQueue() { stop(); }

void PacketQueue::stop() { judge_.reset(); }

FilterPlan PacketQueue::plan() const {
  FilterPlan plan{.name = name_, .harness = {}, .sources = {}};
  for (const Place& place : places_) plan.sources.push_back(place.address);
  return plan;
}

Result<void> PacketQueue::load(std::size_t place, const std::set<std::size_t>& queued) {
  const std::string& space = places_[place].name_space;
  if (tool_ == FilterTool::nft) {
    auto loaded = run_checked({"nft", "-f", "-"}, nft_queue_rules(plan(), queued), space);
    if (!loaded) return loaded.error();
    loaded_.insert(place);
    return {};
  }
  std::string text = iptables_queue_rules(plan(), queued);
  // The jump into the chain comes once, with the first batch that is loaded.
  if (!loaded_.contains(place))
    text.insert(text.size() - std::strlen("COMMIT\n"), "-A INPUT -j " + queue_name(name_) + "\n");
  auto loaded = run_checked({"iptables-restore", "--noflush", "-w", "5"}, text, space);
  if (!loaded) return loaded.error();
  loaded_.insert(place);
  return {};
}

Result<void> PacketQueue::start() {
  if (judge_) return {};
  auto started = Judge::start(places_);
  if (!started) return started.error();
  judge_ = std::move(started).value();
  return {};
}

Result<void> PacketQueue::shape(const Pairs& faults) {
  if (!judge_ && faults.empty()) return {};
  if (auto started = start(); !started) return started;
  judge_->shape(faults);
  return load_all(faults);
}

Result<void> PacketQueue::tap(const MakeFramer& framer) {
  if (auto started = start(); !started) return started;
  judge_->tap(framer);
  is_tapped_ = true;
  return load_all({});
}

void PacketQueue::watch(const std::map<std::pair<std::size_t, std::size_t>, std::vector<FrameWatch>>& watches) {
  FL_ASSERT(is_tapped_);
  judge_->watch(watches);
}

Result<void> PacketQueue::load_all(const Pairs& faults) {
  for (std::size_t to = 0; to < places_.size(); ++to) {
    if (!places_[to].judged) continue;
    std::set<std::size_t> queued;
    for (const auto& [pair, on_it] : faults) {
      if (pair.second == to && !on_it.empty()) queued.insert(pair.first);
    }
    for (std::size_t from = 0; is_tapped_ && from < places_.size(); ++from) {
      if (from != to) queued.insert(from);
    }
    if (queued == queued_[to]) continue;
    if (auto loaded = load(to, queued); !loaded) return loaded;
    queued_[to] = std::move(queued);
  }
  return {};
}

TrafficCounters PacketQueue::counters() const { return judge_ ? judge_->counters() : TrafficCounters(); }

// In our table or chain: others may have queues of their own.
Result<bool> PacketQueue::has_rules() const {
  const std::string name = queue_name(name_);
  for (const std::size_t place : loaded_) {
    const std::string& space = places_[place].name_space;
    auto listing = tool_ == FilterTool::nft ? run_checked({"nft", "list", "table", "ip", name}, "", space)
                                            : run_checked({"iptables-save", "-t", "mangle"}, "", space);
    if (!listing) return listing.error();
    const std::string rule = tool_ == FilterTool::nft ? "queue" : "-A " + name + " ";
    if (listing.value().find(rule) != std::string::npos) return true;
  }
  return false;
}

}  // namespace faultline::live
