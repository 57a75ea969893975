// The page's data read back by a plain decoder, and compared with the history it came from.
#include "reports/page_data.hpp"
#include "reports/page_selection.hpp"
#include "reports/words.hpp"
#include "samples.hpp"

#include <faultline/formats.hpp>

#include <gtest/gtest.h>

#include <zlib.h>

#include <map>

namespace faultline::reports {
namespace {

std::string from_base64(std::string_view text) {
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  std::uint32_t bits = 0;
  int held = 0;
  for (const char c : text) {
    if (c == '=') break;
    bits = bits << 6 | static_cast<std::uint32_t>(digits.find(c));
    held += 6;
    if (held < 8) continue;
    held -= 8;
    bytes += static_cast<char>(bits >> held & 0xff);
  }
  return bytes;
}

std::string inflated(std::string compressed) {
  z_stream z{};
  EXPECT_EQ(::inflateInit2(&z, 15 + 16), Z_OK);
  z.next_in = reinterpret_cast<Bytef*>(compressed.data());
  z.avail_in = static_cast<uInt>(compressed.size());
  std::string out;
  std::string piece(1 << 16, 0);
  int result = Z_OK;
  while (result == Z_OK) {
    z.next_out = reinterpret_cast<Bytef*>(piece.data());
    z.avail_out = static_cast<uInt>(piece.size());
    result = ::inflate(&z, Z_NO_FLUSH);
    out.append(piece, 0, piece.size() - z.avail_out);
  }
  EXPECT_EQ(result, Z_STREAM_END);
  ::inflateEnd(&z);
  return out;
}

class Numbers {
 public:
  explicit Numbers(std::string bytes) : bytes_(std::move(bytes)) {}
  std::uint64_t number() {
    std::uint64_t n = 0;
    for (int shift = 0;; shift += 7) {
      const auto byte = static_cast<unsigned char>(bytes_.at(at_++));
      n |= std::uint64_t{byte & 0x7fU} << shift;
      if (byte < 0x80) return n;
    }
  }
  std::int64_t difference() { return unzigzag(number()); }
  static std::int64_t unzigzag(std::uint64_t n) {
    return static_cast<std::int64_t>(n >> 1) ^ -static_cast<std::int64_t>(n & 1);
  }
  std::string part() {
    const auto length = static_cast<std::size_t>(number());
    at_ += length;
    return bytes_.substr(at_ - length, length);
  }
  [[nodiscard]] bool done() const { return at_ == bytes_.size(); }

 private:
  std::string bytes_;
  std::size_t at_ = 0;
};

struct Decoded {
  Value header;
  std::map<std::string, Numbers> columns;
};

Decoded decode(const ReportInput& input, std::size_t max_operations = max_page_operations) {
  std::string base64;
  write_page_data(
      input, [&](std::string_view piece) { base64 += piece; }, max_operations);
  Numbers all(inflated(from_base64(base64)));
  const auto header = parse_json(all.part());
  EXPECT_TRUE(header.ok());
  Decoded d{.header = header.value(), .columns = {}};
  for (const Value& name : d.header.get("columns").as_list())
    d.columns.emplace(std::string(name.as_text()), Numbers(all.part()));
  EXPECT_TRUE(all.done());
  return d;
}

std::string value_text(Decoded& d, const std::string& side, std::int64_t& last, bool cas) {
  const std::uint64_t code = d.columns.at(side).number();
  const std::uint64_t payload = code >> 2;
  switch (code & 3) {
    case 1: last += Numbers::unzigzag(payload); return std::to_string(last);
    case 2: return std::string(d.header.get("values").as_list()[payload].as_text());
    case 3: {
      const std::int64_t from = last + Numbers::unzigzag(payload);
      last = from + d.columns.at(side + "2").difference();
      return cas ? std::to_string(from) + "→" + std::to_string(last)
                 : "[" + std::to_string(from) + " " + std::to_string(last) + "]";
    }
    default: return payload == 0 ? "" : payload == 1 ? "=" : "?";
  }
}

void expect_same_events(const History& history, Decoded& d) {
  const std::vector<std::uint32_t> lanes = lanes_of(history);
  const std::int64_t unit = d.header.get("unit").as_integer();
  const bool timed = d.header.get("timed").as_boolean();
  std::int64_t index = -1, time = 0, line = 0;
  for (EventIndex e = 0; e < history.size(); ++e) {
    const OperationIndex o = history.operation_of(e);
    if (o == none) continue;
    EXPECT_EQ(d.columns.at("kind").number(), static_cast<std::uint64_t>(history.type(e)));
    index += 1 + static_cast<std::int64_t>(d.columns.at("index").number());
    EXPECT_EQ(index, e);
    time += d.columns.at("time").difference();
    const std::int64_t expected =
        timed ? (history.time(e).time_since_epoch().count() - d.header.get("origin").as_integer()) / unit : e;
    EXPECT_EQ(time, expected);
    EXPECT_EQ(d.columns.at("lane").number(), lanes[o]);
    if (d.header.get("lines").as_boolean()) {
      line += 1 + d.columns.at("line").difference();
      EXPECT_EQ(line, history.line(e));
    }
  }
}

void expect_same_operations(const History& history, Decoded& d) {
  const std::vector<std::uint32_t> lanes = lanes_of(history);
  std::map<std::uint32_t, Process> process;
  std::map<std::uint64_t, std::int64_t> last;
  for (OperationIndex o = 0; o < history.operation_count(); ++o) {
    const Operation operation = history.operation(o);
    process[lanes[o]] += d.columns.at("process").difference();
    EXPECT_EQ(process[lanes[o]], operation.process);
    EXPECT_EQ(d.columns.at("f").number(), history.operation_function(o));
    const std::uint64_t key = d.columns.at("key").number();
    EXPECT_EQ(key, history.operation_key_id(o));
    const std::uint64_t node = d.columns.at("node").number();
    EXPECT_EQ(node == 0 ? "" : d.header.get("nodes").as_list()[node - 1].as_text(), node_text(history, o));
    const bool cas = operation.f == "cas";
    const bool takes_input = !operation.input.is_null() && operation.f != "read";
    const std::string input = value_text(d, "input", last[key], cas);
    EXPECT_EQ(input, takes_input ? operation_text(history, o).substr(operation.f.size() + 1, input.size()) : "");
    const std::string output = value_text(d, "output", last[key], cas);
    if (!operation.is_ok()) {
      EXPECT_EQ(output, "");
    } else if (takes_input && operation.output == operation.input) {
      EXPECT_EQ(output, "=");
    } else if (!operation.output.is_null() && !cas) {
      EXPECT_EQ(output, show(operation.output));
    }
  }
  for (auto& [name, column] : d.columns) {
    if (name != "error") {
      EXPECT_TRUE(column.done()) << name;
    }
  }
}

TEST(PageData, HoldsTheHistoryItCameFrom) {
  std::vector<samples::Sample> list = samples::all();
  for (samples::Sample& page : samples::pages()) list.push_back(std::move(page));
  list.push_back(samples::sized(10));
  list.push_back(samples::sized(3000));
  for (const samples::Sample& sample : list) {
    if (sample.history->operation_count() == 0) continue;
    SCOPED_TRACE(sample.name);
    Decoded d = decode(sample.input);
    EXPECT_EQ(d.header.get("carried").as_integer(), static_cast<std::int64_t>(sample.history->operation_count()));
    expect_same_events(*sample.history, d);
    expect_same_operations(*sample.history, d);
  }
}

TEST(PageData, IntegersTextsAndPairsComeBack) {
  History history;
  const std::vector<Value> values{Value(0),
                                  Value(-5),
                                  Value(std::int64_t{1} << 48),
                                  Value((std::int64_t{1} << 48) + 1),
                                  Value(std::numeric_limits<std::int64_t>::min()),
                                  Value("text"),
                                  Value(1.5),
                                  Value::list({3, 4}),
                                  Value::list({Value(3), Value("x")}),
                                  Value::list({1, 2, 3}),
                                  Value(true)};
  for (const Value& value : values) {
    const OperationIndex w = history.invoke(0, "write", value);
    history.ok(w);
    const OperationIndex r = history.invoke(0, "read");
    history.ok(r, value);
  }
  const OperationIndex cas = history.invoke(1, "cas", Value::list({-7, 9}));
  history.fail(cas);
  Decoded d = decode({.history = &history});
  expect_same_events(history, d);
  expect_same_operations(history, d);
}

void expect_harmless(const Value& value, const std::string& where) {
  if (value.is_string()) {
    EXPECT_EQ(harmless(value.as_text()), value.as_text()) << where;
    EXPECT_LT(value.as_text().size(), 10'000U) << where;
  } else if (value.is_list()) {
    for (const Value& item : value.as_list()) expect_harmless(item, where);
  } else if (value.is_map()) {
    for (const auto& [name, item] : value.as_map()) expect_harmless(item, where + "." + std::string(name.as_text()));
  }
}

TEST(PageData, HostileTextsAreHarmlessAndCut) {
  for (const std::string& text :
       {std::string("</script><script>alert(1)</script>"), std::string("a\0b\x1b[2J\r\n", 9),
        std::string("\xff\xfe\xc0"), std::string("\xe2\x80\xae reversed \xe2\x80\xa8"), std::string(1'000'000, 'x')}) {
    const samples::Sample sample = samples::hostile(text);
    Decoded d = decode(sample.input);
    expect_harmless(d.header, "");
    expect_same_events(*sample.history, d);
  }
}

TEST(PageData, NothingForAnEmptyHistory) {
  const History history;
  write_page_data({.history = &history}, [](std::string_view) { FAIL(); });
}

TEST(PageData, TheSameInputGivesTheSameBytes) {
  const samples::Sample sample = samples::named("stale-read");
  std::string first, second;
  write_page_data(sample.input, [&](std::string_view piece) { first += piece; });
  write_page_data(sample.input, [&](std::string_view piece) { second += piece; });
  EXPECT_EQ(first, second);
}

TEST(PageSelection, CarriesFailedKeysWholeAndEveryNthOfTheRest) {
  const samples::Sample sample = samples::sized(10'000);
  const PageSelection selection = select_operations(sample.input, 4000);
  EXPECT_GT(selection.stride, 1U);
  EXPECT_LE(selection.operations, 4000U);
  const Anomaly& anomaly = sample.input.verdict->anomalies.front();
  std::size_t failed = 0, carried = 0;
  for (OperationIndex o = 0; o < sample.history->operation_count(); ++o) {
    if (!(sample.history->key(sample.history->invoked(o)) == anomaly.key)) continue;
    ++failed;
    carried += selection.carried[o] ? 1 : 0;
  }
  EXPECT_GT(failed, 0U);
  EXPECT_GE(carried, 1U);
  for (const OperationIndex o : anomaly.core) EXPECT_TRUE(selection.carried[o]);
  for (std::size_t o = 0; o < selection.carried.size(); o += selection.stride) EXPECT_TRUE(selection.carried[o]);
  Decoded d = decode(sample.input, 4000);
  EXPECT_EQ(d.header.get("total").as_integer(), 10'000);
  EXPECT_EQ(d.header.get("carried").as_integer(), static_cast<std::int64_t>(selection.operations));
}

TEST(PageSelection, LanesHoldOneOperationAtATimeAndAreReused) {
  const samples::Sample sample = samples::sized(3000);
  const History& history = *sample.history;
  const std::vector<std::uint32_t> lanes = lanes_of(history);
  std::vector<OperationIndex> open(*std::max_element(lanes.begin(), lanes.end()) + 1, none);
  EXPECT_EQ(open.size(), 50U);
  for (EventIndex e = 0; e < history.size(); ++e) {
    const OperationIndex o = history.operation_of(e);
    if (o == none) continue;
    if (history.invoked(o) == e) {
      EXPECT_TRUE(open[lanes[o]] == none);
      open[lanes[o]] = o;
    } else {
      EXPECT_EQ(open[lanes[o]], o);
      open[lanes[o]] = none;
    }
  }
}

TEST(PageSelection, AnOperationThatNeverEndsGivesItsLaneAway) {
  History history;
  for (Process process = 0; process < 60; ++process) history.invoke(process, "write", 1);
  const OperationIndex w = history.invoke(90, "write", 3);
  history.ok(w);
  EXPECT_EQ(lanes_of(history), std::vector<std::uint32_t>(61, 0));
}

TEST(PageSelection, FewProcessesHaveALaneEach) {
  History history;
  for (const Process process : {5, 3, 5, 9}) history.ok(history.invoke(process, "write", 1));
  EXPECT_EQ(lanes_of(history), (std::vector<std::uint32_t>{0, 1, 0, 2}));
}

TEST(PageHeader, TellsTermsOffsetsAndLogs) {
  for (const samples::Sample& sample : samples::pages()) {
    if (sample.name != "nodes") continue;
    Decoded d = decode(sample.input);
    ASSERT_EQ(d.header.get("terms").as_list().size(), 2U);
    EXPECT_EQ(d.header.get("terms").as_list()[1].as_list()[1], Value(4));
    EXPECT_EQ(d.header.get("terms").as_list()[1].as_list()[2], Value("n2"));
    EXPECT_EQ(d.header.get("node_terms").as_list().size(), 3U);
    EXPECT_EQ(d.header.get("offsets").as_list().size(), 24U);
    ASSERT_EQ(d.header.get("logs").as_list().size(), 2U);
    EXPECT_EQ(d.header.get("faults").as_list().size(), 1U);
    EXPECT_EQ(d.header.get("anomalies").as_list().size(), 1U);
  }
}

// --- logs of nodes -------------------------------------------------------------------------------------------------------------------

constexpr std::int64_t second = 1'000'000'000;
constexpr std::int64_t day_one = 1'792'454'400 * second;  // 2026-10-20 00:00:00 UTC

std::vector<std::int64_t> seconds_of(std::string_view text, std::int64_t began = day_one) {
  std::vector<std::int64_t> list;
  for (const LogLine& line : parse_node_log("n1", "f", text, {.began = began}).lines)
    list.push_back(line.since.count());
  return list;
}

TEST(NodeLog, ReadsTheUsualTimes) {
  EXPECT_EQ(seconds_of("2026-10-20T00:00:01Z up\n"), std::vector<std::int64_t>{second});
  EXPECT_EQ(seconds_of("2026-10-20 00:00:01.5 I | up\n"), std::vector<std::int64_t>{second * 3 / 2});
  EXPECT_EQ(seconds_of("2026/10/20 01:00:01 up"), std::vector<std::int64_t>{3601 * second});
  EXPECT_EQ(seconds_of("2026-10-20T02:00:01.000000001+02:00 up\n"), std::vector<std::int64_t>{second + 1});
  EXPECT_EQ(seconds_of("{\"level\":\"info\",\"ts\":\"2026-10-20T00:00:02.25Z\",\"msg\":\"x\"}\n"),
            std::vector<std::int64_t>{second * 9 / 4});
}

TEST(NodeLog, LinesWithoutATimeBelongToTheOneBefore) {
  EXPECT_EQ(seconds_of("banner\n2026-10-20T00:00:01Z panic\n  at main\n\n2026-10-20T00:00:02Z up\n"),
            (std::vector<std::int64_t>{second, second, 2 * second}));
}

TEST(NodeLog, WhatIsNoTimeIsNone) {
  for (const char* text : {"2026-13-20T00:00:01Z", "2026-10-2", "hello", "1969-10-20T00:00:01Z", "\xff\xff\n\n", "",
                           "2026-10-20X00:00:01Z", "-026-10-20T00:00:01Z"}) {
    EXPECT_TRUE(seconds_of(text).empty()) << text;
  }
}

TEST(NodeLog, CountsLeapDays) {
  const auto days = [](std::string_view a, std::string_view b) {
    const std::string text = std::string(a) + "T00:00:00Z\n" + std::string(b) + "T00:00:00Z\n";
    const auto both = seconds_of(text);
    return (both.at(1) - both.at(0)) / (86'400 * second);
  };
  EXPECT_EQ(days("2024-02-28", "2024-03-01"), 2);
  EXPECT_EQ(days("2026-02-28", "2026-03-01"), 1);
  EXPECT_EQ(days("2000-02-28", "2000-03-01"), 2);
  EXPECT_EQ(days("2100-02-28", "2100-03-01"), 1);
  EXPECT_EQ(days("2023-12-31", "2024-01-01"), 1);
}

}  // namespace
}  // namespace faultline::reports
