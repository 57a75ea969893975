#include <faultline/formats.hpp>
#include <faultline/journal.hpp>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "support.hpp"

namespace faultline {
namespace {

class JournalTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "faultline-journal-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  [[nodiscard]] std::string path() const { return folder_ / "history.jsonl"; }
  [[nodiscard]] std::string content() const {
    std::ifstream file(path());
    return std::string(std::istreambuf_iterator<char>(file), {});
  }
  static Event invoke(Process process) { return {.process = process, .f = "write", .value = Value(process)}; }
  static Instant at(std::int64_t milliseconds) { return Instant(std::chrono::milliseconds(milliseconds)); }

  std::filesystem::path folder_;
};

TEST_F(JournalTest, FlushesOnceASecondHasPassedAndOnDemand) {
  auto opened = Journal::open(path());
  ASSERT_TRUE(opened.ok());
  Journal journal = std::move(opened).value();
  ASSERT_TRUE(journal.append(invoke(0), at(0)).ok());
  ASSERT_TRUE(journal.append(invoke(1), at(999)).ok());
  EXPECT_EQ(content(), "");
  ASSERT_TRUE(journal.append(invoke(2), at(1000)).ok());
  EXPECT_EQ(content(), native_line(0, invoke(0)) + native_line(1, invoke(1)) + native_line(2, invoke(2)));
  ASSERT_TRUE(journal.append(invoke(3), at(1500)).ok());
  ASSERT_TRUE(journal.flush_if_due(at(1999)).ok());
  EXPECT_EQ(read_ok(content()).history.size(), 3U);
  ASSERT_TRUE(journal.flush_if_due(at(2000)).ok());
  EXPECT_EQ(read_ok(content()).history.size(), 4U);
  ASSERT_TRUE(journal.append(invoke(4), at(2001)).ok());
  ASSERT_TRUE(journal.flush(at(2002)).ok());
  EXPECT_EQ(read_ok(content()).history.size(), 5U);
  EXPECT_EQ(journal.events(), 5U);
  EXPECT_EQ(journal.bytes_written(), content().size());
}

TEST_F(JournalTest, FlushesWhatIsLeftWhenItEnds) {
  {
    Journal journal = std::move(Journal::open(path())).value();
    ASSERT_TRUE(journal.append(invoke(0), at(0)).ok());
  }
  EXPECT_EQ(content(), native_line(0, invoke(0)));
}

TEST_F(JournalTest, RefusesAFileThatHoldsSomethingAndAFolderThatIsMissing) {
  std::ofstream(path()) << "{}\n";
  const auto taken = Journal::open(path());
  ASSERT_FALSE(taken.ok());
  EXPECT_TRUE(holds(taken.error().message, "already holds a history"));
  const auto missing = Journal::open((folder_ / "nowhere" / "history.jsonl").string());
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().exit_code(), 3);
  EXPECT_TRUE(holds(missing.error().message, "nowhere/history.jsonl"));
}

// Runs in a child, since the limit on file sizes is the process's. Exit code 0: all as claimed.
int write_beyond_the_limit(const std::string& path) {
  ::signal(SIGXFSZ, SIG_IGN);
  Journal journal = std::move(Journal::open(path)).value();
  const Event event{.process = 0, .f = "write", .value = Value(std::string(1000, 'v'))};
  const Instant now{};
  if (!journal.append(event, now).ok() || !journal.flush(now).ok()) return 1;
  const std::uint64_t whole = journal.bytes_written();
  rlimit limit{};
  ::getrlimit(RLIMIT_FSIZE, &limit);
  const rlimit tight{whole + whole / 2, limit.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &tight);
  if (!journal.append(event, now).ok()) return 2;
  const auto failed = journal.flush(now);
  if (failed.ok() || failed.error().exit_code() != 3 || failed.error().message.find(path) == std::string::npos)
    return 3;
  if (std::filesystem::file_size(path) != whole) return 4;
  const rlimit roomy{limit.rlim_max, limit.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &roomy);
  if (!journal.flush(now).ok()) return 5;  // room again: nothing was lost
  return std::filesystem::file_size(path) == 2 * whole ? 0 : 6;
}

TEST_F(JournalTest, AFullDiskLeavesNoHalfLineAndLosesNothing) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) ::_exit(write_beyond_the_limit(path()));
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST_F(JournalTest, ARunKilledAtAnyByteLeavesAReadableHistory) {
  {
    Journal journal = std::move(Journal::open(path())).value();
    for (Process p = 0; p < 5; ++p) ASSERT_TRUE(journal.append(invoke(p), at(0)).ok());
  }
  const std::string whole = content();
  for (std::size_t size = 0; size <= whole.size(); ++size) {
    const ReadResult read = read_ok(whole.substr(0, size));
    const auto lines =
        static_cast<std::size_t>(std::count(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size), '\n'));
    const bool only_newline_missing = size < whole.size() && whole[size] == '\n';
    EXPECT_EQ(read.history.size(), lines + (only_newline_missing ? 1 : 0));
  }
}

}  // namespace
}  // namespace faultline
