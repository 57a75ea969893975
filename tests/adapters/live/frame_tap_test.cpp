// Frames seen in packets: whatever order the segments of a stream come in, the frames are those that were sent; and what met one waits.
#include <gtest/gtest.h>

#include <atomic>

#include <faultline/rng.hpp>

#include "adapters/live/frame_tap.hpp"
#include "adapters/live/packet_queue.hpp"
#include "support.hpp"

namespace faultline::live::test {
namespace {

using namespace std::chrono_literals;

// Lines, each named by its first letter.
struct LetterFramer final : Framer {
  FrameLook look(std::string_view bytes) override {
    const auto end = bytes.find('\n');
    return end == std::string_view::npos ? FrameLook() : FrameLook{.size = end + 1};
  }
  [[nodiscard]] std::string_view name(std::string_view frame) const override { return frame.substr(0, 1); }
};

MakeFramer letters() {
  return [] { return std::make_unique<LetterFramer>(); };
}

constexpr unsigned syn = 2, fin = 1, ack = 16;

// The low bytes, the highest first.
std::string number(std::uint64_t value, std::size_t size) {
  std::string bytes;
  for (std::size_t i = size; i-- > 0;) bytes += static_cast<char>(i < sizeof value ? value >> 8U * i : 0);
  return bytes;
}

// An IPv4 packet with that segment, from port 7 to port 8 unless told otherwise.
std::string packet(std::uint32_t sequence, const std::string& data, unsigned flags = ack, std::uint32_t port = 7) {
  const std::string segment = number(port, 2) + number(8, 2) + number(sequence, 4) + number(0, 4) + number(0x50, 1) +
                              number(flags, 1) + number(0, 6) + data;
  return number(0x45, 1) + number(0, 1) + number(static_cast<std::uint32_t>(20 + segment.size()), 2) + number(0, 4) +
         number(64, 1) + number(6, 1) + number(0, 10) + segment;
}

// Counts the frames of a name that were seen from source 0.
struct Seen {
  explicit Seen(FrameTap& tap, std::uint64_t most = 40) {
    std::map<std::size_t, std::vector<FrameWatch>> watches;
    for (const char* name : {"a", "b"}) {
      for (std::uint64_t nth = 1; nth <= most; ++nth)
        watches[0].push_back({.frame = name, .nth = nth, .seen = [this, name] { text += name; }});
    }
    tap.watch(watches);
  }
  std::string text;
};

TEST(FrameTap, SeesTheFramesOfAStreamFromItsFirstPacketOn) {
  FrameTap tap(letters());
  Seen seen(tap);
  EXPECT_FALSE(tap.look(0, packet(100, "a\n"))) << "its beginning was not seen";
  tap.look(0, packet(99, "", syn));
  EXPECT_TRUE(tap.look(0, packet(100, "a\nb")));
  EXPECT_FALSE(tap.look(0, packet(103, "bb")));
  EXPECT_TRUE(tap.look(0, packet(105, "\n")));
  EXPECT_EQ(seen.text, "ab");
  EXPECT_FALSE(tap.look(1, packet(106, "a\n"))) << "another source";
  EXPECT_FALSE(tap.look(0, packet(106, "a\n", ack, 9))) << "another connection";
  EXPECT_FALSE(tap.look(0, "no packet"));
}

TEST(FrameTap, AConnectionThatIsOpenedAnewBeginsAnew) {
  FrameTap tap(letters());
  Seen seen(tap);
  tap.look(0, packet(1, "", syn));
  tap.look(0, packet(2, "aaa"));
  tap.look(0, packet(5, "", fin | ack));
  EXPECT_FALSE(tap.look(0, packet(5, "\n"))) << "it has ended";
  tap.look(0, packet(500, "", syn));
  EXPECT_TRUE(tap.look(0, packet(501, "b\n")));
  EXPECT_EQ(seen.text, "b");
}

// The twin: the stream as it was sent, cut at line ends.
TEST(FrameTap, LateRepeatedAndOverlappingSegmentsGiveTheFramesThatWereSent) {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    Rng rng(seed);
    std::string stream, expected;
    for (int i = 0; i < 30; ++i) {
      const char letter = rng.chance(0.5) ? 'a' : 'b';
      expected += letter;
      stream += std::string(1 + rng.below(9), letter) + "\n";
    }
    // Near the end of the numbers, which begin anew.
    const auto first = static_cast<std::uint32_t>(0U - rng.below(stream.size()));
    std::vector<std::pair<std::size_t, std::size_t>> segments;  // begin, end
    for (std::size_t at = 0; at < stream.size();) {
      const std::size_t end = std::min(stream.size(), at + 1 + rng.below(12));
      segments.emplace_back(at - rng.below(std::min<std::size_t>(at, 3) + 1), end);
      if (rng.chance(0.2)) segments.emplace_back(at, end);
      at = end;
    }
    for (std::size_t i = 0; i + 1 < segments.size(); ++i) {
      if (rng.chance(0.4))
        std::swap(segments[i], segments[i + 1 + rng.below(std::min<std::size_t>(4, segments.size() - i - 1))]);
    }
    FrameTap tap(letters());
    Seen seen(tap);
    tap.look(0, packet(first - 1, "", syn));
    for (const auto& [begin, end] : segments)
      tap.look(0, packet(first + static_cast<std::uint32_t>(begin), stream.substr(begin, end - begin)));
    EXPECT_EQ(seen.text, expected) << seed;
  }
}

TEST(FrameTap, NothingPassesOnTheLinkAsLongAsAWatchHolds) {
  FrameTap tap(letters());
  bool holds = true;
  tap.watch({{0, {{.frame = "a", .nth = 1, .seen = [] {}, .holds = [&] { return holds; }}}}});
  tap.look(0, packet(1, "", syn));
  EXPECT_FALSE(tap.holds(0));
  EXPECT_TRUE(tap.look(0, packet(2, "a\n")));
  EXPECT_TRUE(tap.holds(0));
  EXPECT_FALSE(tap.holds(1)) << "other links go on";
  holds = false;
  EXPECT_FALSE(tap.holds(0));
}

TEST(FrameTap, AStreamThatLacksTooMuchIsNotLookedAtAgain) {
  FrameTap tap(letters());
  Seen seen(tap);
  tap.look(0, packet(1, "", syn));
  for (std::uint32_t i = 0; i < 40; ++i) tap.look(0, packet(10 + i * 40'000, std::string(40'000, 'a')));
  EXPECT_FALSE(tap.look(0, packet(2, "a\n")));
  EXPECT_EQ(seen.text, "");
}

// Gossip talks in numbered lines.
struct LineFramer final : Framer {
  FrameLook look(std::string_view bytes) override {
    const auto end = bytes.find('\n');
    return end == std::string_view::npos ? FrameLook() : FrameLook{.size = end + 1};
  }
  [[nodiscard]] std::string_view name(std::string_view) const override { return "line"; }
};

TEST(FrameTap, NothingFollowsTheAwaitedFrameOfARealConnectionUntilItMay) {
  if (!is_root()) return;
  if (const auto works = packet_faults_work(); !works) {
    std::printf("%s: packets cannot be queued here\n", works.error().to_string().c_str());
    return;
  }
  Folder folder;
  auto options = gossip_options(folder.path(), NetworkKind::namespaces);
  options.run_id = fresh_run_id();
  LocalCluster cluster(options);
  const auto up = cluster.set_up();
  ASSERT_TRUE(up.ok()) << up.error().to_string();
  ASSERT_TRUE(cluster.enter_client_network().ok());
  std::vector<PacketQueue::Place> places;
  for (const NodeName node : {"n1", "n2", "n3"})
    places.push_back({.name_space = "/run/netns/fl-" + options.run_id + "-" + node,
                      .address = cluster.place(node).addresses.client.host,
                      .judged = node == "n2"});
  PacketQueue queue(choose_queue_tool().value(), "fl_tap_test", places);
  ASSERT_TRUE(queue.tap([] { return std::make_unique<LineFramer>(); }).ok());
  // Its connections begin anew.
  const Fault restart{.kind = "kill", .nodes = {"n1"}, .grudge = {}, .parameters = {}};
  ASSERT_TRUE(cluster.apply(restart).ok());
  ASSERT_TRUE(cluster.heal(restart).ok());
  std::atomic<bool> was_seen = false, holds = true;
  queue.watch(
      {{{0, 1},
        {{.frame = "line", .nth = 20, .seen = [&] { was_seen = true; }, .holds = [&] { return holds.load(); }}}}});
  ASSERT_TRUE(eventually([&] { return was_seen.load(); }));
  std::this_thread::sleep_for(50ms);
  const long then = heard(cluster, "n2", "stream.n1");
  EXPECT_TRUE(grows(cluster, "n2", "stream.n3")) << "other links go on";
  EXPECT_EQ(heard(cluster, "n2", "stream.n1"), then) << "a line every 10 ms is held back";
  holds = false;
  EXPECT_TRUE(grows(cluster, "n2", "stream.n1"));
  ASSERT_TRUE(queue.shape({}).ok());
  EXPECT_TRUE(grows(cluster, "n2", "stream.n1"));
  queue.stop();
  EXPECT_TRUE(cluster.tear_down().ok());
}

}  // namespace
}  // namespace faultline::live::test
