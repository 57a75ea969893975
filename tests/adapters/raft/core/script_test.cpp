// Scripts with golden transcripts: each scripts/*.txt is a sequence of blocks, commands above a line of dashes, what
// they caused below it. FL_REWRITE=1 writes what happens now; commit only the differences you can explain.
//
//   nodes N                      the group, its first boot over       add N          a node that waits to be added
//   campaign N · heartbeat N     its timer runs out                   sleep 500ms    time passes
//   propose N TEXT               read N [index|lease|local]           transfer N M   change N voters A B … [learners C
//   …] deliver A->B [drop=KIND]     stabilize · settle (silent)          drop           everything under way is lost
//   cut A->B · isolate N · partition A B | C D E · heal
//   slow-disk N · fast-disk N · persist N · power-loss N · restart N · wipe N · snapshot N [BYTES]
//   status N … · log N … · applied N …

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>

#include "network.hpp"

namespace faultline::raft::test {
namespace {

std::vector<std::string> words(const std::string& line) {
  std::istringstream in(line);
  std::vector<std::string> all;
  for (std::string word; in >> word;) all.push_back(word);
  return all;
}

std::vector<std::uint64_t> numbers(const std::vector<std::string>& all, std::size_t from) {
  std::vector<std::uint64_t> found;
  for (std::size_t i = from; i < all.size(); ++i) found.push_back(std::stoull(all[i]));
  return found;
}

class Script {
 public:
  std::string run(const std::string& line) {
    const std::vector<std::string> w = words(line);
    const std::string& verb = w.at(0);
    const std::uint64_t n = w.size() > 1 && std::isdigit(static_cast<unsigned char>(w[1][0])) ? std::stoull(w[1]) : 0;
    if (verb == "nodes") {
      Options options{.lease_reads = true, .max_clock_drift = .1};
      options.snapshot_chunk_bytes = 16;
      options.compaction_tail = 0;
      options.batch_bytes = 40;  // one small entry in each append
      network_ = std::make_unique<Network>(n, options);
      return {};
    }
    if (!act(verb, w, n) && !fault(verb, w, n) && !disk(verb, w, n) && !show(verb, w))
      ADD_FAILURE() << "unknown: " << line;
    const std::string told = network_->take_transcript();
    return verb == "settle" ? std::string() : told;
  }
  [[nodiscard]] std::string violations() const {
    std::string all;
    if (network_) {
      for (const std::string& one : network_->invariants().violations()) all += one + "\n";
    }
    return all;
  }

 private:
  bool act(const std::string& verb, const std::vector<std::string>& w, std::uint64_t n) {
    Network& net = *network_;
    if (verb == "add") return net.add(n), true;
    if (verb == "campaign") return net.campaign(n), true;
    if (verb == "heartbeat") return net.heartbeat(n), true;
    if (verb == "sleep") return net.sleep(parse_duration(w.at(1)).value()), true;
    if (verb == "propose") return tell(net.propose(n, w.at(2)).outcome), true;
    if (verb == "transfer") return tell(net.transfer(n, std::stoull(w.at(2)))), true;
    if (verb == "read") {
      const ReadMode mode = w.size() < 3 || w[2] == "index" ? ReadMode::index
                            : w[2] == "lease"               ? ReadMode::lease
                                                            : ReadMode::local;
      return tell(net.read(n, mode).outcome), true;
    }
    if (verb == "change") {
      const auto split = std::find(w.begin(), w.end(), "learners");
      const std::vector<std::string> voters(w.begin() + 3, split);
      const std::vector<std::string> learners(split == w.end() ? split : split + 1, w.end());
      return tell(net.change(n, numbers(voters, 0), numbers(learners, 0))), true;
    }
    return false;
  }

  bool fault(const std::string& verb, const std::vector<std::string>& w, std::uint64_t n) {
    Network& net = *network_;
    if (verb == "stabilize" || verb == "settle") return net.settle();
    if (verb == "drop") return net.drop_all(), true;
    if (verb == "heal") return net.heal(), true;
    if (verb == "isolate") return net.isolate(n), true;
    if (verb == "cut" || verb == "deliver") {
      const auto arrow = w.at(1).find("->");
      const std::uint64_t to = std::stoull(w[1].substr(arrow + 2));
      std::set<std::string> drop;
      for (std::size_t i = 2; i < w.size(); ++i) drop.insert(w[i].substr(w[i].find('=') + 1));
      return verb == "cut" ? net.cut(n, to) : net.deliver(n, to, drop), true;
    }
    if (verb == "partition") {
      std::vector<std::vector<std::uint64_t>> sides(1);
      for (std::size_t i = 1; i < w.size(); ++i) {
        if (w[i] == "|") {
          sides.emplace_back();
        } else {
          sides.back().push_back(std::stoull(w[i]));
        }
      }
      return net.partition(sides), true;
    }
    return false;
  }

  bool disk(const std::string& verb, const std::vector<std::string>& w, std::uint64_t n) {
    Network& net = *network_;
    if (verb == "slow-disk") return net.slow_disk(n), true;
    if (verb == "fast-disk") return net.fast_disk(n), true;
    if (verb == "persist") return net.persist(n), true;
    if (verb == "power-loss") return net.power_loss(n), true;
    if (verb == "restart") return net.restart(n), true;
    if (verb == "wipe") return net.wipe(n), true;
    if (verb == "snapshot") return net.snapshot(n, w.size() > 2 ? std::stoull(w[2]) : 0), true;
    return false;
  }

  bool show(const std::string& verb, const std::vector<std::string>& w) {
    if (verb != "status" && verb != "log" && verb != "applied") return false;
    for (const std::uint64_t n : numbers(w, 1)) {
      const std::string what = verb == "status" ? network_->state(n)
                               : verb == "log"  ? network_->log(n)
                                                : network_->applied(n);
      network_->tell(std::to_string(n) + ": " + what);
    }
    return true;
  }

  void tell(Outcome outcome) {
    if (outcome != Outcome::accepted) network_->tell(std::string(to_text(outcome)));
  }

  std::unique_ptr<Network> network_;
};

// The text with each block's transcript as it is now.
std::string replay(const std::string& text, std::string& violations) {
  Script script;
  std::istringstream in(text);
  std::string out, transcript;
  bool in_transcript = false;
  for (std::string line; std::getline(in, line);) {
    if (in_transcript) {
      if (line.empty()) {
        in_transcript = false;
        out += "\n";
      }
      continue;
    }
    out += line + "\n";
    if (line == "----") {
      out += transcript;
      transcript.clear();
      in_transcript = true;
    } else if (!line.empty() && line[0] != '#') {
      transcript += script.run(line);
    }
  }
  violations = script.violations();
  return out;
}

TEST(Scripts, HappenAsWritten) {
  const std::filesystem::path folder = FL_SOURCE_DIR "/tests/adapters/raft/core/scripts";
  std::size_t scripts = 0;
  for (const auto& file : std::filesystem::directory_iterator(folder)) {
    std::ostringstream text;
    text << std::ifstream(file.path()).rdbuf();
    std::string violations;
    const std::string now = replay(text.str(), violations);
    EXPECT_EQ(violations, "") << file.path().filename();
    if (std::getenv("FL_REWRITE")) {
      std::ofstream(file.path()) << now;
    } else {
      EXPECT_EQ(now, text.str()) << file.path().filename() << " differs; FL_REWRITE=1 writes what happens now";
    }
    ++scripts;
  }
  EXPECT_GE(scripts, 10U);
}

}  // namespace
}  // namespace faultline::raft::test
