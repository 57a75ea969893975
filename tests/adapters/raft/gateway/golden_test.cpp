// The conformance scripts, whose replies are etcd 3.4.23's own, played on one member in this process: every script that needs neither
// a second member nor time. Their format: tests/adapters/etcd/conformance/script.py.
#include "one_member.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <sstream>
#include <vector>

#include <gtest/gtest.h>

namespace faultline::raft::gateway {
namespace {

using Json = nlohmann::ordered_json;  // the order of the fields is part of the comparison
using Lines = std::vector<std::string>;

struct Step {
  std::string text;
  Lines body;
  Lines reply;
};
struct Case {
  std::string title;
  std::vector<Step> steps;
};

std::string folder() { return std::string(FL_SOURCE_DIR) + "/tests/adapters/etcd/conformance/"; }

std::vector<Case> read_cases(const std::string& path) {
  std::ifstream file(path);
  EXPECT_TRUE(file.is_open()) << path;
  std::vector<Case> cases;
  std::string line;
  while (std::getline(file, line)) {
    if (line.starts_with("== ")) {
      cases.push_back({line.substr(3), {}});
    } else if (line.starts_with("< ")) {
      cases.back().steps.back().reply.push_back(line.substr(2));
    } else if (line.starts_with("> ")) {
      cases.back().steps.back().body.push_back(line.substr(2));
    } else if (!line.empty() && line[0] != '#') {
      cases.back().steps.push_back({line, {}, {}});
    }
  }
  return cases;
}

// The cases of a script with the allowed differences in their places.
std::vector<Case> wanted_of_raftd(const std::string& script) {
  std::vector<Case> cases = read_cases(folder() + "scripts/" + script + ".txt");
  for (const Case& different : read_cases(folder() + "differences.txt")) {
    for (Case& original : cases) {
      if (different.title != script + "/" + original.title) continue;
      for (const Step& other : different.steps) {
        for (Step& step : original.steps) {
          if (step.text == other.text) step.reply = other.reply;
        }
      }
    }
  }
  return cases;
}

// What the normalised texts stand for is what may be there: r+2 is two revisions after the case's first, T its term, leader and
// followers any member, ids and sizes any number.
bool stands_for(const std::string& golden, const std::string& found, kv::Revision base, const std::string& key) {
  if (golden == found) return true;
  if (golden.size() > 1 && golden[0] == 'r' && (golden[1] == '+' || golden[1] == '-')) {
    return found == std::to_string(base + std::stoll(golden.substr(1)));
  }
  if (golden == "T") return found == "2";
  if (golden == "C") return key == "cluster_id" && found == "1001";
  if (golden.starts_with("leader") || golden.starts_with("follower")) return found == "22";
  if (golden == "N" || golden == "left")
    return !found.empty() && found.find_first_not_of("0123456789") == std::string::npos;
  if (golden.find("id1") != std::string::npos) return found.size() >= 12;
  return false;
}

bool same(const Json& golden, const Json& found, kv::Revision base, const std::string& key) {
  if (golden.is_string() && found.is_string()) {
    return stands_for(golden.get<std::string>(), found.get<std::string>(), base, key);
  }
  if (golden.type() != found.type() || golden.size() != found.size()) return golden == found;
  if (!golden.is_structured()) return golden == found;
  auto g = golden.items().begin();
  for (auto f = found.items().begin(); f != found.items().end(); ++f, ++g) {
    if (g.key() != f.key() || !same(g.value(), f.value(), base, f.key())) return false;
  }
  return true;
}

bool same_line(const std::string& golden, const std::string& found, kv::Revision base) {
  const Json g = Json::parse(golden, nullptr, false);
  Json f = Json::parse(found, nullptr, false);
  if (g.is_discarded() || f.is_discarded()) return golden == found || golden == "text " + found;
  if (f.contains("leases")) {  // in the scripts they are sorted by the text of their id
    std::sort(f["leases"].begin(), f["leases"].end(),
              [](const Json& a, const Json& b) { return a.value("ID", "") < b.value("ID", ""); });
  }
  return same(g, f, base, "");
}

Lines lines_of(const std::string& text) {
  Lines lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

Lines lines_of(const HttpReply& reply) {
  Lines lines{std::to_string(reply.status) + " " + std::string(reply.content_type)};
  for (std::string& line : lines_of(reply.body)) {
    if (!line.empty()) lines.push_back(std::move(line));
  }
  return lines;
}

class Player {
 public:
  void play(const Case& wanted) {
    base_ = member_.store().revision();
    streams_.clear();
    SCOPED_TRACE(wanted.title);
    for (const Step& step : wanted.steps) {
      SCOPED_TRACE(step.text.substr(0, 200));
      Lines found = perform(step);
      if (!step.reply.empty()) expect(step.reply, found);
      if (testing::Test::HasFailure()) return;
    }
  }
  [[nodiscard]] int requests() const { return requests_; }

 private:
  struct Stream {
    std::string pending;
    bool headed = false;  // status and content type were read
    bool over = false;
    std::optional<WatchSession> watch;
    std::optional<kv::Ticket> ticket;
  };

  void expect(const Lines& golden, const Lines& found) const {
    ASSERT_EQ(golden.size(), found.size()) << testing::PrintToString(found);
    for (std::size_t i = 0; i < golden.size(); ++i) {
      EXPECT_TRUE(same_line(golden[i], found[i], base_)) << golden[i] << "\n" << found[i];
    }
  }

  Lines perform(const Step& step) {
    static const std::regex request("(?:(\\w+): )?(?:& )?(leader|follower[12]) (GET|POST|PUT|DELETE) (\\S+)(?: (.*))?");
    std::smatch parts;
    if (std::regex_match(step.text, parts, request)) return send(step, parts);
    std::istringstream words(step.text);
    std::string first, second, third, fourth;
    words >> first >> second >> third >> fourth;
    if (first == "await") member_.expire_leases_up_to(2);
    if (first == "let") kept_[second] = Json::parse(last_).value(fourth, "");
    const auto stream = streams_.find(first);
    if (stream == streams_.end()) return {};
    if (second == "closes") return close(first);
    if (second == "reads" && third == "3" && stream->second.watch) member_.expire_leases_up_to(2);
    return read(stream->second, second == "reads" ? std::stoul(third) : std::string::npos, second == "is");
  }

  Lines send(const Step& step, const std::smatch& parts) {
    ++requests_;
    std::string body = parts[5];
    for (const std::string& line : step.body) body += (body.empty() ? "" : "\n") + line;
    body = expand(body);
    const std::string method = parts[3], path = parts[4];
    Request asked = member_.decoder().decode({method, path, body, {}, {}});
    if (parts[1].matched) return start(parts[1], asked), Lines{};
    HttpReply reply;
    if (const auto* lock = std::get_if<Lock>(&asked.content)) {
      reply = std::get<HttpReply>(member_.lock(*lock));
    } else {
      reply = member_.answer(asked);
    }
    last_ = reply.body;
    return lines_of(reply);
  }

  std::string expand(std::string text) const {
    static const std::regex repeated("%(.)\\*(\\d+)"), revision("\\$r(\\+(\\d+))?\\b"), kept("\\$([a-z_0-9]+)");
    const auto replace = [&text](const std::regex& what, auto with) {
      std::smatch found;
      while (std::regex_search(text, found, what)) {
        text = found.prefix().str() + with(found) + found.suffix().str();
      }
    };
    replace(repeated, [](const std::smatch& m) { return std::string(std::stoul(m[2]), m[1].str()[0]); });
    if (text.size() > 10'000) return text;
    replace(revision,
            [this](const std::smatch& m) { return std::to_string(base_ + (m[2].matched ? std::stoll(m[2]) : 0)); });
    replace(kept, [this](const std::smatch& m) { return kept_.contains(m[1]) ? kept_.at(m[1]) : std::string("22"); });
    return text;
  }

  void start(const std::string& name, Request& asked) {
    Stream& stream = streams_[name] = Stream{};
    if (const auto* watches = std::get_if<Watches>(&asked.content)) {
      stream.watch.emplace();
      stream.pending = stream.watch->start(member_.header(), member_.store(), watches->requests);
      stream.pending += stream.watch->poll(member_.header(), member_.store(), 1 << 20);
    } else {
      const auto lock = member_.lock(std::get<Lock>(asked.content));
      if (const auto* ticket = std::get_if<kv::Ticket>(&lock)) stream.ticket = *ticket;
    }
  }

  // Hanging up takes the waiter out of the queue.
  Lines close(const std::string& name) {
    if (const auto& ticket = streams_[name].ticket) {
      member_.apply({.request = kv::DeleteRange{.key = ticket->key}});
    }
    streams_.erase(name);
    return {};
  }

  Lines read(Stream& stream, std::size_t count, bool silence) {
    if (stream.watch) stream.pending += stream.watch->poll(member_.header(), member_.store(), 1 << 20);
    if (stream.ticket) {
      const auto reply = member_.lock_reply_if_any(*stream.ticket);
      if (silence) return {reply ? "not silent" : "silence"};
      Lines lines = reply ? lines_of(*reply) : Lines{};
      lines.emplace_back("the end");
      return lines;
    }
    if (silence) count = 1;
    Lines lines;
    while (lines.size() < count && !stream.pending.empty()) {
      const std::size_t end = stream.pending.find('\n');
      lines.push_back(stream.pending.substr(0, end));
      stream.pending.erase(0, end + 1);
    }
    if (silence) return lines.empty() ? Lines{"silence"} : lines;
    if (!stream.headed) lines.insert(lines.begin(), "200 application/json");
    stream.headed = true;
    return lines;
  }

  OneMember member_;
  std::map<std::string, Stream> streams_;
  std::map<std::string, std::string> kept_;
  std::string last_;
  kv::Revision base_ = 1;
  int requests_ = 0;
};

class Golden : public testing::TestWithParam<std::string> {};

TEST_P(Golden, OneMemberAnswersAsEtcdDid) {
  Player player;
  for (const Case& wanted : wanted_of_raftd(GetParam())) {
    player.play(wanted);
    ASSERT_FALSE(HasFailure());
  }
  EXPECT_GT(player.requests(), 20);
}

std::vector<std::string> scripts() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder() + "scripts")) {
    const std::string name = entry.path().stem();
    if (name != "members" && !name.starts_with("no_quorum")) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

INSTANTIATE_TEST_SUITE_P(Scripts, Golden, testing::ValuesIn(scripts()),
                         [](const auto& script) { return script.param; });

}  // namespace
}  // namespace faultline::raft::gateway
