// Power losses of nodes with a file system each: what was synced stays, what was not is gone, whoever wrote it and however; and nothing stays
// mounted, whatever ends the harness.
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include <faultline/etcd/probe.hpp>
#include <faultline/live/leftovers.hpp>
#include <faultline/live/local_cluster.hpp>
#include <faultline/raft/target.hpp>

namespace faultline::raft {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

bool images_work() {
  const auto works = live::disk_images_work();
  if (!works) std::printf("no file systems of nodes' own here: %s\n", works.error().to_string().c_str());
  return works.ok();
}

// With a state directory and a place for temporary files of its own.
class Folder {
 public:
  Folder() {
    std::string name = (fs::temp_directory_path() / "fl-images-XXXXXX").string();
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    path_ = fs::canonical(name);
    if (const char* before = std::getenv("TMPDIR"); before != nullptr) before_ = before;
    fs::create_directories(path_ / "tmp");
    ::setenv("FAULTLINE_STATE", (path_ / "state").c_str(), 1);
    ::setenv("TMPDIR", (path_ / "tmp").c_str(), 1);
  }
  ~Folder() {
    ::unsetenv("FAULTLINE_STATE");
    before_.empty() ? ::unsetenv("TMPDIR") : ::setenv("TMPDIR", before_.c_str(), 1);
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  [[nodiscard]] std::unique_ptr<live::Target> raft(bool fsync) const {
    TargetOptions options{.nodes = 3, .run_directory = path_ / "run"};
    options.network = live::NetworkKind::proxy;
    options.disks = {.images = true};
    options.binary = FL_RAFTD;
    options.fsync = fsync;
    return make_target(std::move(options));
  }
  // File systems that are mounted below it.
  [[nodiscard]] std::vector<fs::path> mounted() const {
    std::ifstream in("/proc/self/mounts");
    std::vector<fs::path> found;
    for (std::string device, folder, rest; in >> device >> folder && std::getline(in, rest);) {
      if (folder.starts_with(path_.string())) found.emplace_back(folder);
    }
    return found;
  }
  [[nodiscard]] std::size_t mounts() const { return mounted().size(); }
  // As the kernel does by itself, now and then.
  void write_back() const {
    for (const fs::path& folder : mounted()) {
      const int root = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
      EXPECT_EQ(::syncfs(root), 0);
      ::close(root);
    }
  }

 private:
  fs::path path_;
  std::string before_;
};

bool answers(const live::Target& target, const etcd::Request& request, std::string_view expected) {
  const auto until = std::chrono::steady_clock::now() + 20s;
  while (std::chrono::steady_clock::now() < until) {
    for (const NodeName& node : target.nodes()) {
      const auto reply = etcd::ask(target.client_endpoint(node), request, 2s);
      if (!reply || reply.value().status != 200) continue;
      return reply.value().body.find(expected) != std::string::npos;
    }
  }
  return false;
}

const etcd::Request put{.path = "/v3/kv/put", .body = R"({"key":"aw==","value":"dg=="})", .writes = true};
const etcd::Request get{.path = "/v3/kv/range", .body = R"({"key":"aw=="})", .writes = false};
const Fault power_loss{
    .kind = "kill", .nodes = {"n1", "n2", "n3"}, .grudge = {}, .parameters = Value::map({{"disk", "lose_unsynced"}})};

// Whether a write that was acknowledged is still there after all nodes lost their power; counts what was lost.
bool survives(bool fsync, std::int64_t& lost) {
  const Folder folder;
  const auto target = folder.raft(fsync);
  const auto up = target->set_up();
  EXPECT_TRUE(up.ok()) << up.error().to_string();
  EXPECT_EQ(folder.mounts(), 3U);
  // What they began with is durable by now; else they would refuse to start again.
  folder.write_back();
  EXPECT_TRUE(answers(*target, put, "revision"));
  const auto done = target->faults().apply(power_loss);
  EXPECT_TRUE(done.ok()) << done.error().to_string();
  if (!done) return false;
  lost = done.value().get("rolled_back_pages").as_integer() + done.value().get("undone_entries").as_integer();
  EXPECT_EQ(done.value().get("killed").as_map().size(), 3U);
  const auto healed = target->faults().heal_all();
  EXPECT_TRUE(healed.ok()) << healed.error().to_string();
  const bool there = answers(*target, get, R"("value":"dg==")");
  EXPECT_TRUE(target->tear_down().ok());
  EXPECT_EQ(folder.mounts(), 0U);
  return there;
}

TEST(DiskImages, ASyncedWriteStays) {
  if (!images_work()) return;
  std::int64_t lost = 0;
  EXPECT_TRUE(survives(true, lost));
}

TEST(DiskImages, AnUnsyncedWriteIsLostAndCounted) {
  if (!images_work()) return;
  std::int64_t lost = 0;
  EXPECT_FALSE(survives(false, lost));
  EXPECT_GT(lost, 0);
}

TEST(DiskImages, NothingStaysMountedOfAHarnessThatWasKilled) {
  if (!images_work()) return;
  const Folder folder;
  const pid_t harness = ::fork();
  if (harness == 0) {
    const auto target = folder.raft(true);
    if (!target->set_up()) ::_exit(1);
    ::raise(SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(harness, &status, 0), harness);
  ASSERT_TRUE(WIFSIGNALED(status)) << "it could not set up";
  EXPECT_EQ(folder.mounts(), 3U);
  const auto healed = live::heal_leftovers();
  ASSERT_TRUE(healed.ok()) << healed.error().to_string();
  EXPECT_TRUE(healed.value().remaining.empty()) << healed.value().remaining.front();
  EXPECT_EQ(folder.mounts(), 0U);
  EXPECT_TRUE(live::heal_leftovers().value().done.empty()) << "a second time changes nothing";
}

TEST(DiskImages, OtherLossesAreRefused) {
  const Folder folder;
  const auto target = folder.raft(true);
  Fault torn = power_loss;
  torn.parameters = Value::map({{"disk", "torn"}});
  const auto refused = target->faults().supports(torn);
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().message.find("torn"), std::string::npos);
}

}  // namespace
}  // namespace faultline::raft
