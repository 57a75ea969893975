// Files nobody meant to be histories, or that broke on the way: a history or a clear error, never a crash, never a
// silent skip.
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <regex>

#include "random_values.hpp"
#include "support.hpp"

namespace faultline {
namespace {

class TemporaryFile {
 public:
  TemporaryFile() {
    std::string name = (std::filesystem::temp_directory_path() / "faultline-test-XXXXXX").string();
    const int fd = ::mkstemp(name.data());
    EXPECT_GE(fd, 0);
    ::close(fd);
    path_ = name;
  }
  ~TemporaryFile() { std::filesystem::remove(path_); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

long peak_memory_kib() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

std::string sample(Format format) {
  switch (format) {
    case Format::jsonl:
      return "{\"index\":0,\"time\":1,\"type\":\"invoke\",\"process\":0,\"f\":\"write\",\"key\":\"é\",\"value\":[1,{"
             "\"a\":-2.5e3}]}\n"
             "{\"index\":1,\"time\":2,\"type\":\"info\",\"process\":0,\"f\":\"write\",\"key\":\"é\",\"value\":null,"
             "\"error\":{\"$keyword\":\"x\\u0041\"}}\n";
    case Format::jepsen_edn:
      return "; c\n[{:index 0, :type :invoke, :process 0, :f :write, :value #{\"é\\n\" \\a 1/2}}\n #_ {:x 1} #t {:type "
             ":info, :process 0, :f :write, "
             ":error [:x ##Inf]}\n #:q{:type 1}]\n";
    case Format::jepsen_log:
      return "INFO  jepsen.core - x\nINFO  jepsen.util - 0\t:invoke\t:write\t[1 \"é\"]\nINFO  jepsen.util - "
             "0\t:info\t:write\t:timed-out\n";
    case Format::jepsen_tsv: return "0\t:invoke\t:write\t[1 \"é\"]\n0\t:info\t:write\t[1 \"é\"]\tfree é text\n";
    default:
      return "{:process 2, :type :invoke, :f :append, :key \"a\", :value \"é\"}\n{:process 2, :type :ok, :f :append, "
             ":key \"a\", :value \"é\"}\n";
  }
}

// Either it reads, or the error points somewhere. What reads is never more than the whole, and what is missing is
// remarked upon or would have been a later line.
void expect_clear(std::string_view text, const ReadOptions& options) {
  const auto read = read_history(text, options, "h");
  if (read.ok()) return;
  EXPECT_EQ(read.error().exit_code(), 64);
  EXPECT_TRUE(begins_with(read.error().message, "h:"));
  EXPECT_TRUE(holds(read.error().message, ": error: expected "));
  EXPECT_TRUE(holds(read.error().message, ", found "));
}

TEST(Hostile, EveryPrefixOfEveryFormatReadsOrGivesAClearError) {
  for (const Format format :
       {Format::jsonl, Format::jepsen_edn, Format::jepsen_log, Format::jepsen_tsv, Format::kv_log}) {
    const std::string whole = sample(format);
    for (std::size_t size = 0; size <= whole.size(); ++size) {
      const std::string_view prefix = std::string_view(whole).substr(0, size);
      expect_clear(prefix, {.format = format});
      expect_clear(prefix, {});
      expect_clear(prefix, {.format = format, .independent = true});
    }
  }
}

TEST(Hostile, APrefixOfANativeHistoryKeepsAllWholeLinesAndNamesTheTornOne) {
  const std::string whole = sample(Format::jsonl);
  const std::size_t first = whole.find('\n');
  for (std::size_t size = first + 2; size < whole.size() - 1; ++size) {
    const ReadResult read = read_ok(whole.substr(0, size));
    EXPECT_EQ(read.history.size(), 1U);
    ASSERT_NE(find_remark(read, "torn-line"), nullptr) << size;
    EXPECT_EQ(find_remark(read, "torn-line")->count, size - first - 1);
  }
}

TEST(Hostile, MutatedBytesNeverCrashAnyReader) {
  Rng rng(5);
  for (const Format format :
       {Format::jsonl, Format::jepsen_edn, Format::jepsen_log, Format::jepsen_tsv, Format::kv_log}) {
    const std::string whole = sample(format);
    for (int round = 0; round < 3000; ++round) {
      std::string text = whole;
      for (std::uint64_t n = 1 + rng.below(3); n > 0; --n) {
        const std::size_t at = rng.below(text.size());
        const char byte =
            rng.chance(0.6) ? "[](){}\"\\:;#,^ \t\n0-9NMe/'_x"[rng.below(27)] : static_cast<char>(rng.below(256));
        if (rng.chance(0.5)) {
          text[at] = byte;
        } else {
          text.insert(at, 1, byte);
        }
      }
      expect_clear(text, {.format = format});
    }
  }
}

TEST(Hostile, BinaryFilesAreRefusedInEveryFormat) {
  Rng rng(6);
  std::string noise;
  for (int i = 0; i < 100'000; ++i) noise += static_cast<char>(rng.below(256));
  for (const Format format : {Format::auto_, Format::jsonl, Format::jepsen_edn, Format::jepsen_tsv, Format::kv_log}) {
    read_error("\x7f" + noise, {.format = format});
  }
  // In a log it is all lines of other loggers; they are counted.
  EXPECT_NE(find_remark(read_ok(noise, {.format = Format::jepsen_log}), "other-loggers"), nullptr);
}

TEST(Hostile, AMillionDeepNestingIsAnErrorInEveryFormat) {
  for (const std::string_view opening : {"[", "{\"a\":", "#{", "#_ ", "#t ", "^ ", "{"}) {
    std::string deep;
    while (deep.size() < 1'000'000) deep += opening;
    const std::vector<std::pair<Format, std::string>> files{
        {Format::jsonl, "{\"type\":\"invoke\",\"process\":0,\"f\":\"w\",\"value\":" + deep + "\n"},
        {Format::jepsen_edn, "{:type :invoke :process 0 :f :w :value " + deep},
        {Format::jepsen_edn, deep},
        {Format::jepsen_tsv, "0\t:invoke\t:w\t" + deep + "\n"},
        {Format::jepsen_log, "INFO  jepsen.util - 0\t:invoke\t:w\t" + deep + "\n"}};
    for (const auto& [format, text] : files) {
      EXPECT_TRUE(std::regex_search(read_error(text, {.format = format}),
                                    std::regex("^h:1:[0-9]+: error: expected .+, found ")));
    }
    EXPECT_FALSE(parse_json(deep).ok());
    EXPECT_FALSE(parse_edn(deep).ok());
  }
  const std::string message = read_error("{\"value\":" + std::string(1'000'000, '[') + "\n");
  EXPECT_TRUE(begins_with(
      message,
      "h:1:521: error: expected at most 512 levels of nesting, found one more; the outermost '{' is at column 1\n"));
  EXPECT_LT(message.size(), 1000U);
}

TEST(Hostile, TheDepthLimitIsExact) {
  const auto nested = [](int levels) {
    return std::string(static_cast<std::size_t>(levels), '[') + std::string(static_cast<std::size_t>(levels), ']');
  };
  EXPECT_TRUE(parse_json(nested(512)).ok());
  EXPECT_TRUE(holds(parse_json(nested(513)).error().message, "512 levels"));
  EXPECT_TRUE(parse_edn(nested(512)).ok());
  EXPECT_TRUE(holds(parse_edn(nested(513)).error().message, "512 levels"));
}

TEST(Hostile, ALineOfAGigabyteEndsInAnErrorAndNeedsLittleMemory) {
  const TemporaryFile file;
  const std::vector<std::pair<Format, std::string>> starts{{Format::auto_, ""},
                                                           {Format::jsonl, "{\"type\":\"invoke\",\"value\":\""},
                                                           {Format::auto_, "{\"type\":\"invoke\",\"value\":\""},
                                                           {Format::jepsen_edn, "{:type :invoke :value \""},
                                                           {Format::jepsen_tsv, "0\t:invoke\t:w\t\""},
                                                           {Format::jepsen_log, "INFO "}};
  ASSERT_TRUE(read_history_file(file.path()).ok());
  const long before = peak_memory_kib();
  for (const auto& [format, start] : starts) {
    std::ofstream(file.path(), std::ios::trunc) << start;
    ASSERT_EQ(::truncate(file.path().c_str(), 1L << 30), 0);  // the rest is a hole of zeros
    const auto read = read_history_file(file.path(), {.format = format});
    ASSERT_FALSE(read.ok());
    EXPECT_EQ(read.error().exit_code(), 64);
    EXPECT_TRUE(start.empty() || holds(read.error().message, "at most 16 MiB, found a longer one"));
    EXPECT_LT(read.error().message.size(), 1500U);
  }
  EXPECT_LT(peak_memory_kib() - before, 400 * 1024);  // a sanitizer keeps freed buffers for a while
}

TEST(Hostile, EventsAcrossTheBoundariesOfChunksAreReadOnceEach) {
  History history;
  Rng rng(8);
  for (Process p = 0; p < 8000; ++p) {
    const std::string value(rng.below(400), 'v');
    ASSERT_TRUE(history.append({.process = p, .f = "put", .key = Value("k"), .value = Value(value)}).ok());
    ASSERT_TRUE(
        history.append({.type = EventType::ok, .process = p, .f = "put", .key = Value("k"), .value = Value(value)})
            .ok());
  }
  for (const Format format :
       {Format::jsonl, Format::jepsen_edn, Format::jepsen_log, Format::jepsen_tsv, Format::kv_log}) {
    const bool in_values = format == Format::jepsen_log || format == Format::jepsen_tsv;
    const std::string text = write_history(history, format).value().text;
    const ReadResult read = read_ok(text, {.independent = in_values});
    EXPECT_EQ(difference(history, read.history), "");
    EXPECT_EQ(read.history.line(15999), 16000U);
  }
}

TEST(Hostile, ALongEventWithinTheLimitIsRead) {
  const std::string value(5'000'000, 'v');
  const std::string line = "{\"type\":\"invoke\",\"process\":0,\"f\":\"w\",\"value\":\"" + value + "\"}\n";
  EXPECT_EQ(read_ok(line).history.value(0), Value(value));
  EXPECT_EQ(read_ok("{:type :invoke :process 0 :f :w :value \"" + value + "\"}").history.value(0), Value(value));
}

TEST(Hostile, ErrorsShowAtMost120CharactersOfTheLineAroundTheColumn) {
  const std::string message = read_error("{\"type\":\"invoke\",\"value\":\"" + std::string(1000, 'a') + "\x01" +
                                         std::string(1000, 'b') + "\"}\n");
  const std::size_t start = message.find('\n') + 3;
  const std::string shown = message.substr(start, message.find('\n', start) - start);
  EXPECT_TRUE(holds(shown, R"(aaaa\x01bbbb)"));
  EXPECT_LE(shown.size(), 120U + 4);  // two ellipses take more bytes than characters
}

TEST(Hostile, BadUtf8IsFoundWhereItBeginsHoweverLongTheRun) {
  for (const std::size_t run : {1U, 3U, 4U, 5U, 78U, 5000U}) {
    for (const std::string& before : {std::string("{"), std::string("{\"é"), "{\"" + std::string(300, 'a')}) {
      const std::string error = read_error(before + std::string(run, '\x8f') + "\"}\n", {.format = Format::jsonl});
      EXPECT_TRUE(
          begins_with(error, "h:1:" + std::to_string(before.size() + 1) + ": error: expected UTF-8, found '\\x8f'"));
    }
  }
}

TEST(Hostile, ExponentsOfAnyLengthAreTooLargeOrZero) {
  for (const std::string exponent : {"9223372036854775807", "9223372036854775808", "99999999999999999999999"}) {
    EXPECT_FALSE(parse_json("1.5e" + exponent).ok());
    EXPECT_FALSE(parse_json("-15e+" + exponent).ok());
    EXPECT_EQ(parse_json("1.5e-" + exponent).value(), Value(0.0));
    EXPECT_EQ(parse_json("-0.05E-" + exponent).value(), Value(-0.0));
    EXPECT_EQ(parse_json("0.0e" + exponent).value(), Value(0.0));
  }
}

}  // namespace
}  // namespace faultline
