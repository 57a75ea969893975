// What the site says, without a socket: which runs there are, what it hands out, and what it refuses.
#include "adapters/serve/site.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <chrono>
#include <fstream>

namespace faultline::serve {
namespace {

namespace fs = std::filesystem;

class SiteTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "faultline-serve-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    outside = pattern;
    root = outside / "runs";
    write(root / "register-kill/20261121T100000Z/run.toml", "seed = 7\n");
    write(root / "register-kill/20261121T100000Z/verdict.json",
          R"({"schema":1,"verdict":"invalid","ending":"judged","headline":"✗ Not linearizable","reason":"<b>stale</b>",
              "target":"etcd","workload":"register","nemesis":["kill"],"seed":18446744073709551615,"operations":3,
              "faults":[{"kind":"kill","count":2,"effect":"x","bit":true}],"utc":"2026-11-21 10:00:00 UTC"})");
    write(root / "register-kill/20261121T100000Z/history.jsonl",
          "{\"time\":1}\n{\"time\":2500000000,\"f\":\"read\"}\n{\"ti");
    write(root / "register-kill/20261121T100000Z/report.html", "<!DOCTYPE html>");
    write(root / "register-kill/20261121T100000Z/nodes/n1/daemon.log", "hello\n");
    write(root / "set/20261121T110000Z/run.toml", "");
    write(outside / "secret", "secret\n");
    fs::create_directory_symlink(root / "set/20261121T110000Z", root / "latest");
    fs::create_symlink(outside / "secret", root / "set/20261121T110000Z/link");
  }
  void TearDown() override { fs::remove_all(outside); }

  static void write(const fs::path& file, const std::string& text) {
    fs::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << text;
  }
  Answer get(const std::string& target, const std::string& host = "localhost:7117", const std::string& method = "GET") {
    Site site(root, "127.0.0.1");
    return site.answer({method, target, host});
  }
  nlohmann::json list() { return nlohmann::json::parse(get("/api/runs").body); }

  fs::path outside, root;
  const std::string run = "/runs/register-kill/20261121T100000Z";
};

TEST_F(SiteTest, ListsRunsNewestFirstWithWhatTheirVerdictsSay) {
  const auto runs = list()["runs"];
  ASSERT_EQ(runs.size(), 2U);
  EXPECT_EQ(runs[0]["path"], "set/20261121T110000Z");
  EXPECT_TRUE(runs[0]["verdict"].is_null());
  EXPECT_EQ(runs[1]["path"], "register-kill/20261121T100000Z");
  EXPECT_EQ(runs[1]["verdict"], "invalid");
  EXPECT_EQ(runs[1]["seed"], "18446744073709551615");
  EXPECT_EQ(runs[1]["seconds"], 2.5);
  EXPECT_EQ(runs[1]["nemesis"][0], "kill");
  EXPECT_EQ(runs[1]["reason"], "<b>stale</b>");
}

TEST_F(SiteTest, ReadsWhatHasChangedAndNothingElseAgain) {
  Site site(root, "127.0.0.1");
  const auto verdict_of = [&] {
    const auto runs = nlohmann::json::parse(site.answer({"GET", "/api/runs", "localhost"}).body)["runs"];
    return runs[1]["verdict"];
  };
  EXPECT_EQ(verdict_of(), "invalid");
  write(root / "register-kill/20261121T100000Z/verdict.json", R"({"verdict":"valid"})");
  EXPECT_EQ(verdict_of(), "valid");
  write(root / "register-kill/20261121T100000Z/verdict.json", "no json");
  EXPECT_TRUE(verdict_of().is_null());
}

TEST_F(SiteTest, TellsOfARunThatGoesOnAndOfOneThatFellSilent) {
  Site site(root, "127.0.0.1");
  Site::Sent sent;
  EXPECT_EQ(site.live(sent), "event: progress\ndata: []\n\n");
  EXPECT_EQ(site.live(sent), "");
  const auto now =
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
  write(root / "set/20261121T110000Z/progress.json", fmt::format(R"({{"phase":"run","updated":{}}})", now));
  std::string events = site.live(sent);
  EXPECT_NE(events.find("event: progress"), std::string::npos) << events;
  EXPECT_NE(events.find(R"("silent":false)"), std::string::npos) << events;
  EXPECT_NE(events.find("event: runs"), std::string::npos) << events;
  write(root / "set/20261121T110000Z/progress.json", R"({"phase":"run","updated":1})");
  EXPECT_NE(site.live(sent).find(R"("silent":true)"), std::string::npos);
  fs::remove(root / "set/20261121T110000Z/progress.json");
  EXPECT_NE(site.live(sent).find("data: []"), std::string::npos);
}

TEST_F(SiteTest, HandsOutArtefactsAsPlainTextAndReportsInASandbox) {
  const Answer log = get(run + "/nodes/n1/daemon.log");
  ASSERT_TRUE(log.file.has_value());
  EXPECT_EQ(log.file->size, 6U);
  EXPECT_EQ(log.content_type, "text/plain; charset=utf-8");
  EXPECT_EQ(log.policy, "default-src 'none'; frame-ancestors 'none'");
  const Answer report = get(run + "/report.html");
  EXPECT_EQ(report.content_type, "text/html; charset=utf-8");
  EXPECT_NE(report.policy.find("sandbox allow-scripts"), std::string::npos);
  EXPECT_EQ(report.policy.find("allow-same-origin"), std::string::npos);
}

TEST_F(SiteTest, NoPathLeadsOutOfTheFolder) {
  const std::string name = root.filename().string();
  for (const std::string path : {"/runs/../secret",
                                 "/runs/%2e%2e/secret",
                                 "/runs/..%2fsecret",
                                 "/runs/%2E%2E%2Fsecret",
                                 "/runs//etc/passwd",
                                 "/runs/./set",
                                 "/runs/set/20261121T110000Z/link",
                                 "/runs/latest/run.toml",
                                 "/runs/set%5c..%5csecret",
                                 "/runs/.hidden",
                                 "/zip/../secret.zip",
                                 "/zip/latest.zip",
                                 "/zip/%2e%2e.zip",
                                 "/runs/set/20261121T110000Z",
                                 "/runs",
                                 "/zip",
                                 "/etc/passwd",
                                 "/runs/set/20261121T110000Z/run.toml/",
                                 "/runs/set%00/x",
                                 "/runs/%zz",
                                 "/runs/%2",
                                 "runs/set",
                                 ""}) {
    const Answer answer = get(path);
    EXPECT_GE(answer.status, 400) << path;
    EXPECT_FALSE(answer.file.has_value()) << path;
    EXPECT_EQ(answer.body.find("secret"), std::string::npos) << path;
  }
  EXPECT_EQ(get(run + "/run.toml").status, 200);
  EXPECT_EQ(get(run + "/run%2etoml?x=../..").status, 200);
}

TEST_F(SiteTest, APipeInAFolderStopsNothing) {
  ASSERT_EQ(::mkfifo((root / "set/20261121T110000Z/pipe").c_str(), 0600), 0);
  EXPECT_EQ(get("/runs/set/20261121T110000Z/pipe").status, 404);
}

TEST_F(SiteTest, AnswersOnlyToNamesOfThisMachine) {
  for (const char* host : {"localhost", "localhost:7117", "LOCALHOST:1", "127.0.0.1:7117", "[::1]:7117", "10.1.2.3"})
    EXPECT_EQ(get("/", host).status, 200) << host;
  for (const char* host : {"evil.example", "evil.example:7117", "localhost.evil.example", "", "127.0.0.1.evil.example",
                           "localhost:7117@evil", "[::1", "[evil]:1", "localhost:x"})
    EXPECT_EQ(get("/", host).status, 421) << host;
}

TEST_F(SiteTest, IsReadOnly) {
  for (const char* method : {"POST", "PUT", "DELETE", "OPTIONS", "TRACE", "get"})
    EXPECT_EQ(get("/", "localhost", method).status, 405) << method;
  EXPECT_EQ(get("/", "localhost", "HEAD").status, 200);
}

TEST_F(SiteTest, ThePageMayOnlyRunItselfAndAskItsOwnSite) {
  const Answer page = get("/");
  EXPECT_NE(page.policy.find("default-src 'none'; script-src 'sha256-"), std::string::npos);
  EXPECT_NE(page.policy.find("connect-src 'self'"), std::string::npos);
  EXPECT_EQ(page.policy.find("unsafe"), std::string::npos);
  EXPECT_EQ(page.body.find("stale"), std::string::npos);
}

// --- archives

std::uint32_t number_at(const std::string& bytes, std::size_t at, int size) {
  std::uint32_t n = 0;
  for (int i = size; i-- > 0;) n = n << 8 | static_cast<unsigned char>(bytes.at(at + static_cast<std::size_t>(i)));
  return n;
}

// The entries of an archive, by a reader of our own: what an unpacker would find by the directory at its end.
std::vector<std::pair<std::string, std::string>> unpacked(const std::string& zip) {
  std::vector<std::pair<std::string, std::string>> entries;
  const std::size_t end = zip.size() - 22;
  EXPECT_EQ(zip.substr(end, 4), "PK\x05\x06");
  std::size_t at = number_at(zip, end + 16, 4);
  for (std::uint32_t i = 0; i < number_at(zip, end + 10, 2); ++i) {
    EXPECT_EQ(zip.substr(at, 4), "PK\x01\x02");
    const std::uint32_t crc = number_at(zip, at + 16, 4), packed = number_at(zip, at + 20, 4);
    const std::uint32_t name = number_at(zip, at + 28, 2), local = number_at(zip, at + 42, 4);
    std::string bytes(number_at(zip, at + 24, 4), '\0');
    EXPECT_EQ(zip.substr(local, 4), "PK\x03\x04");
    std::string in = zip.substr(local + 30 + number_at(zip, local + 26, 2), packed);
    z_stream stream{};
    EXPECT_EQ(inflateInit2(&stream, -MAX_WBITS), Z_OK);
    stream.next_in = reinterpret_cast<Bytef*>(in.data());
    stream.avail_in = static_cast<uInt>(in.size());
    stream.next_out = reinterpret_cast<Bytef*>(bytes.data());
    stream.avail_out = static_cast<uInt>(bytes.size());
    EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
    inflateEnd(&stream);
    EXPECT_EQ(crc, crc32(0, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uInt>(bytes.size())));
    entries.emplace_back(zip.substr(at + 46, name), bytes);
    at += 46 + name;
  }
  EXPECT_EQ(at, end);
  return entries;
}

TEST_F(SiteTest, ARunIsAnArchiveOfItsFilesWithoutLinks) {
  const Answer answer = get("/zip/register-kill/20261121T100000Z.zip");
  ASSERT_EQ(answer.status, 200);
  EXPECT_EQ(answer.download, "20261121T100000Z.zip");
  const auto entries = unpacked(answer.body);
  ASSERT_EQ(entries.size(), 5U);
  EXPECT_EQ(entries[1].first, "20261121T100000Z/nodes/n1/daemon.log");
  EXPECT_EQ(entries[1].second, "hello\n");
  const auto other = unpacked(get("/zip/set/20261121T110000Z.zip").body);
  ASSERT_EQ(other.size(), 1U);
  EXPECT_EQ(other[0].second, "");
}

TEST_F(SiteTest, WhatIsTooLargeIsNoArchive) {
  const fs::path big = root / "set/20261121T110000Z/history.jsonl";
  write(big, "");
  fs::resize_file(big, (std::uintmax_t{256} << 20U) + 1);  // a hole, no bytes
  EXPECT_EQ(get("/zip/set/20261121T110000Z.zip").status, 413);
}

}  // namespace
}  // namespace faultline::serve
