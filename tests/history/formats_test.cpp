// The native format, the rules for all formats, and how a format is recognised.
#include "support.hpp"

namespace faultline {
namespace {

std::string line(std::string_view fields) { return "{" + std::string(fields) + "}\n"; }
const std::string invoke_read = line(R"("type":"invoke","process":0,"f":"read","value":null)");

TEST(Jsonl, ReadsTheFourTypesAndCarriesExtrasUntouched) {
  const ReadResult read = read_ok(
      R"({"index":0,"time":1000,"type":"invoke","process":0,"f":"write","key":"x","value":7}
{"index":1,"time":2500,"type":"invoke","process":1,"f":"cas","key":"x","value":[3,4]}
{"index":2,"time":4000,"type":"fail","process":1,"f":"cas","key":"x","value":[3,4],"error":"precondition-failed"}
{"index":3,"time":9000,"type":"info","process":0,"f":"write","key":"x","value":7,"error":"timeout","odd":{"$oid":[1.0]}}
)");
  const History& h = read.history;
  ASSERT_EQ(h.size(), 4U);
  EXPECT_EQ(h.operation_count(), 2U);
  EXPECT_EQ(h.value(1), Value::list({3, 4}));
  EXPECT_EQ(h.event(2).error(), Value("precondition-failed"));
  EXPECT_EQ(h.key(3), Value("x"));
  EXPECT_EQ(h.line(3), 4U);
  EXPECT_EQ(h.time(3), Instant(Duration(9000)));
  EXPECT_EQ(h.extra(3).get("odd"), Value::map({{"$oid", Value::list({1.0})}}));
  EXPECT_EQ(h.operation_key_id(1), h.key_id(0));
  EXPECT_EQ(h.functions()[h.operation_function(1)], "cas");
  EXPECT_TRUE(read.remarks.empty());
  EXPECT_EQ(read.format, Format::jsonl);
}

TEST(Jsonl, FieldsComeInAnyOrderAndIndexTimeAndValueMayBeMissing) {
  const ReadResult read = read_ok(
      " { \"value\" : 7 , \"f\":\"write\",\t\"process\":3,\"type\":\"invoke\" } \r\n\n"
      "{\"process\":3,\"type\":\"ok\",\"f\":\"write\",\"index\":null,\"time\":null}");
  ASSERT_EQ(read.history.size(), 2U);
  EXPECT_EQ(read.history.value(0), Value(7));
  EXPECT_EQ(read.history.line(1), 3U);
  EXPECT_TRUE(read.history.value(1).is_null());
  EXPECT_FALSE(read.history.has_times());
}

TEST(Jsonl, NumbersAreTypedAndExactAtAnyLength) {
  const auto number = [](std::string_view text) { return parse_json(text).value(); };
  EXPECT_EQ(number("1"), Value(1));
  EXPECT_EQ(number("1.0"), Value(1.0));
  EXPECT_EQ(number("1e2"), Value(100.0));
  EXPECT_EQ(number("-0"), Value(0));
  EXPECT_EQ(number("-0.0"), Value(-0.0));
  EXPECT_EQ(number("9223372036854775807"), Value(INT64_MAX));
  EXPECT_EQ(number("-9223372036854775808"), Value(INT64_MIN));
  EXPECT_EQ(number("9223372036854775808"), Value::tagged("bigint", "9223372036854775808"));
  const std::string long_number(5000, '7');
  EXPECT_EQ(number(long_number), Value::tagged("bigint", Value(long_number)));
  EXPECT_EQ(number("1e-400"), Value(0.0));
  EXPECT_TRUE(holds(parse_json("1e400").error().message, "within the range of a double"));
}

TEST(Jsonl, WordsStandForWhatJsonCannotSayAndOnlyInTheirShape) {
  const auto value = [](std::string_view text) { return parse_json(text).value(); };
  EXPECT_EQ(value(R"({"$keyword":"a"})"), Value::keyword("a"));
  EXPECT_EQ(value(R"({"$tag":["set",[1,2]]})"), Value::tagged("set", Value::list({1, 2})));
  EXPECT_EQ(value(R"({"$map":[[1,2],[null,3]]})"), Value::map({{1, 2}, {Value(), 3}}));
  EXPECT_EQ(value(R"({"$bytes":"68ff"})"), Value(std::string_view("h\xff")));
  EXPECT_EQ(value(R"({"$keyword":5})"), Value::map({{"$keyword", 5}}));
  EXPECT_EQ(value(R"({"$keyword":"a","b":1})"), Value::map({{"$keyword", "a"}, {"b", 1}}));
  EXPECT_EQ(value(R"({"$$keyword":"a"})"), Value::map({{"$keyword", "a"}}));
  EXPECT_EQ(value(R"({"$$oid":"a"})"), Value::map({{"$$oid", "a"}}));
  EXPECT_EQ(to_json(Value::map({{"$tag", 1}, {"$$tag", 2}, {"$oid", 3}})), R"({"$$$tag":2,"$oid":3,"$$tag":1})");
}

TEST(Jsonl, ATornLastLineIsReportedAndItsOperationStaysOpen) {
  const std::string torn = R"({"type":"ok","process":0,"f":"re)";
  const ReadResult read = read_ok(invoke_read + torn);
  EXPECT_EQ(read.history.size(), 1U);
  EXPECT_EQ(read.history.outcome(0), Outcome::open);
  const Remark* remark = find_remark(read, "torn-line");
  ASSERT_NE(remark, nullptr);
  EXPECT_EQ(remark->count, torn.size());
  EXPECT_TRUE(holds(remark->text, std::to_string(torn.size())));
  read_error(invoke_read + torn + "\n");                     // with its newline it is no longer torn
  read_error(invoke_read + R"({"type":"ok","process":0})");  // it parses, so it is whole, and wrong
}

TEST(Jsonl, EveryRowOfTheTableOfBadInputHasItsMessage) {
  const auto error = [](std::string_view text) { return read_error(text, {.format = Format::jsonl}); };
  EXPECT_TRUE(begins_with(error(invoke_read + "{\"type\":nul,\"process\":0}\n"),
                          "h:2:9: error: expected a value, found 'nul,\"process\":0}'; the '{' at column 1 is open\n"
                          "  {\"type\":nul,\"process\":0}\n"
                          "          ^\n"));
  EXPECT_TRUE(begins_with(error("{\"type\":\"invoke\",\"value\":[1,2\n"),
                          "h:1:30: error: expected ',' or ']', found end of line; the '[' at column 26"));
  EXPECT_TRUE(begins_with(error("{\"type\":\"invo\n"),
                          "h:1:14: error: expected '\"' to close the string that begins at column 9"));
  EXPECT_TRUE(begins_with(error("{\"type\":\"\xff\"}\n"), "h:1:10: error: expected UTF-8, found '\\xff'"));
  EXPECT_TRUE(begins_with(error("[1]\n"), "h:1:1: error: expected a JSON object, found '[1]'"));
  EXPECT_TRUE(begins_with(error(invoke_read + "{} x\n"), "h:2:4: error: expected end of line, found 'x'"));
  EXPECT_TRUE(begins_with(error(line(R"("type":"okay","process":0,"f":"r")")),
                          R"(h:1:9: error: expected a type "invoke", "ok", "fail" or "info", found "okay")"));
  EXPECT_TRUE(begins_with(error(line(R"("process":0,"f":"r")")),
                          "h:1:1: error: expected an event with the field \"type\", found none"));
  EXPECT_TRUE(begins_with(error(line(R"("type":"ok","f":"r")")),
                          "h:1:1: error: expected an event with the field \"process\", found none"));
  EXPECT_TRUE(begins_with(error(line(R"("type":"ok","process":0)")),
                          "h:1:1: error: expected an event with the field \"f\", found none"));
  EXPECT_TRUE(begins_with(
      error(line(R"("type":"ok","process":4,"f":"read")")),
      "h:1:1: error: expected an invocation of process 4 first, found its completion ok read; it never invoked"));
  EXPECT_TRUE(begins_with(error(invoke_read + line(R"("type":"ok","process":0,"f":"read","value":1)") +
                                line(R"("type":"ok","process":0,"f":"read")")),
                          "h:3:1: error: expected an invocation of process 0 first, found its completion ok read; its "
                          "last event is ok read at line 2"));
  EXPECT_TRUE(begins_with(
      error(invoke_read + invoke_read),
      "h:2:1: error: expected process 0 to complete its read from line 1 first, found its invocation of read"));
  EXPECT_TRUE(begins_with(error(invoke_read + line(R"("type":"ok","process":0,"f":"write","value":1)")),
                          "h:2:1: error: expected process 0 to complete its read from line 1, found ok write"));
  const std::string keyed = line(R"("type":"invoke","process":0,"f":"read","key":"x")");
  EXPECT_TRUE(
      begins_with(error(keyed + line(R"("type":"ok","process":0,"f":"read","key":"y")")),
                  "h:2:1: error: expected process 0 to complete its read on key \"x\" from line 1, found key \"y\""));
  EXPECT_TRUE(begins_with(error(keyed + line(R"("type":"invoke","process":1,"f":"read")")),
                          "h:2:1: error: expected a key as first in line 1, found none"));
  EXPECT_TRUE(begins_with(error(invoke_read + line(R"("type":"invoke","process":1,"f":"read","key":"x")")),
                          "h:2:47: error: expected no key as first in line 1, found key \"x\""));
  for (const std::string_view index : {"3", "2"}) {
    EXPECT_TRUE(begins_with(error(line(R"("index":3,"type":"invoke","process":0,"f":"r")") +
                                  line("\"index\":" + std::string(index) + R"(,"type":"invoke","process":1,"f":"r")")),
                            "h:2:10: error: expected an index above 3 (line 1), found " + std::string(index)));
  }
  EXPECT_TRUE(begins_with(error(line(R"("type":"ok","type":"ok")")),
                          "h:1:21: error: expected the field \"type\" once, found it again"));
  EXPECT_TRUE(holds(error(line(R"("type":"ok","process":0,"f":"r","value":{"a":1,"a":2})")), "each name once"));
  EXPECT_TRUE(holds(error(line(R"("type":"ok","process":0,"f":"r","x":1,"x":2)")), "each name once"));
}

TEST(Jsonl, FieldsOfTheWrongKindAreErrors) {
  const auto with = [](std::string_view index, std::string_view time, std::string_view process, std::string_view f) {
    return read_error(line("\"index\":" + std::string(index) + ",\"time\":" + std::string(time) +
                           R"(,"type":"invoke","process":)" + std::string(process) + ",\"f\":" + std::string(f)));
  };
  EXPECT_TRUE(begins_with(with("-1", "0", "0", "\"r\""), "h:1:10: error: expected an integer >= 0 as index, found -1"));
  EXPECT_TRUE(
      begins_with(with("1.0", "0", "0", "\"r\""), "h:1:10: error: expected an integer >= 0 as index, found 1.0"));
  EXPECT_TRUE(holds(with("0", "-5", "0", "\"r\""), "expected an integer >= 0 as time, found -5"));
  EXPECT_TRUE(holds(with("0", "99999999999999999999", "0", "\"r\""),
                    "expected an integer >= 0 as time, found 99999999999999999999"));
  EXPECT_TRUE(holds(with("0", "0", "-2", "\"r\""), "expected an integer >= -1 as process, found -2"));
  EXPECT_TRUE(holds(with("0", "0", "1.0", "\"r\""), "expected an integer >= -1 as process, found 1.0"));
  EXPECT_TRUE(holds(with("0", "0", "null", "\"r\""), "expected an integer >= -1 as process, found nil"));
  EXPECT_TRUE(holds(with("0", "0", "0", "7"), "expected f as a string, found 7"));
}

TEST(Rules, EventsOfNoClientBecomeNotesAndKeepTheirName) {
  const ReadResult read = read_ok(line(R"("type":"info","process":-1,"f":"start")") +
                                  line(R"("type":"info","process":"nemesis","f":"start")") +
                                  line(R"("type":"invoke","process":"monkey","f":"start")"));
  EXPECT_EQ(read.history.notes().size(), 3U);
  EXPECT_EQ(read.history.operation_count(), 0U);
  EXPECT_TRUE(read.history.extra(1).is_null());
  EXPECT_EQ(read.history.extra(2).get("process"), Value("monkey"));
}

TEST(Rules, TimeRunningBackwardsGivesOneRemarkHoweverOften) {
  std::string text;
  for (const int time : {5, 3, 9, 1})
    text += line("\"time\":" + std::to_string(time) + R"(,"type":"info","process":-1,"f":"x")");
  const ReadResult read = read_ok(text);
  const Remark* remark = find_remark(read, "time-backwards");
  ASSERT_NE(remark, nullptr);
  EXPECT_EQ(remark->count, 2U);
  EXPECT_TRUE(holds(remark->text, "line 2"));
}

TEST(Rules, ARetiredProcessUsedAgainIsRemarkedAndItsOldOperationStaysOpen) {
  const ReadResult read = read_ok(invoke_read + line(R"("type":"info","process":0,"f":"read")") + invoke_read);
  EXPECT_EQ(read.history.operation_count(), 2U);
  EXPECT_EQ(read.history.outcome(0), Outcome::info);
  const Remark* remark = find_remark(read, "retired-process");
  ASSERT_NE(remark, nullptr);
  EXPECT_TRUE(holds(remark->text, "process 0 invokes again after its info at line 2"));
}

TEST(Rules, IndicesWithGapsAreRenumberedWithARemark) {
  const ReadResult read = read_ok(line(R"("index":5,"type":"invoke","process":0,"f":"r")") +
                                  line(R"("index":9,"type":"ok","process":0,"f":"r")"));
  EXPECT_EQ(read.history.size(), 2U);
  EXPECT_NE(find_remark(read, "renumbered"), nullptr);
}

TEST(Rules, IndependentUnwrapsKeysAlsoOfCasAndOfCompletionsWithoutValue) {
  const ReadResult read = read_ok(line(R"("type":"invoke","process":0,"f":"write","value":["x",7])") +
                                      line(R"("type":"invoke","process":1,"f":"cas","value":["y",[1,2]])") +
                                      line(R"("type":"info","process":0,"f":"write","value":null)") +
                                      line(R"("type":"ok","process":1,"f":"cas","value":["y",[1,2]])") +
                                      line(R"("type":"info","process":-1,"f":"start","value":"plain")"),
                                  {.independent = true});
  EXPECT_EQ(read.history.key(0), Value("x"));
  EXPECT_EQ(read.history.value(0), Value(7));
  EXPECT_EQ(read.history.key(2), Value("x"));
  EXPECT_EQ(read.history.value(3), Value::list({1, 2}));
  EXPECT_EQ(read.history.value(4), Value("plain"));
}

TEST(Rules, IndependentRefusesWhatIsNoPair) {
  const ReadOptions independent{.independent = true};
  EXPECT_TRUE(begins_with(read_error(line(R"("type":"invoke","process":0,"f":"write","value":7)"), independent),
                          "h:1:50: error: expected [key value], found 7"));
  EXPECT_TRUE(holds(read_error(invoke_read, independent), "expected [key value], found nil"));
  EXPECT_TRUE(holds(read_error(line(R"("type":"invoke","process":0,"f":"cas","value":["x",7])"), independent),
                    "expected [key [from to]], found [\"x\" 7]"));
  EXPECT_TRUE(holds(read_error(line(R"("type":"invoke","process":0,"f":"write","key":1,"value":[1,2])"), independent),
                    "found a key field 1"));
}

TEST(Rules, ValuesThatAreAllPairsHintAtIndependent) {
  const std::string pairs = line(R"("type":"invoke","process":0,"f":"write","value":["x",7])") +
                            line(R"("type":"ok","process":0,"f":"write")");
  EXPECT_NE(find_remark(read_ok(pairs), "pairs"), nullptr);
  EXPECT_EQ(find_remark(read_ok(pairs, {.independent = true}), "pairs"), nullptr);
  EXPECT_EQ(find_remark(read_ok(pairs + line(R"("type":"invoke","process":0,"f":"write","value":7)")), "pairs"),
            nullptr);
  // A cas takes a pair anyway; that says nothing.
  EXPECT_EQ(find_remark(read_ok(line(R"("type":"invoke","process":0,"f":"cas","value":[1,2])")), "pairs"), nullptr);
}

TEST(Rules, VersionedSeparatesTheVersionFromTheValue) {
  const ReadOptions versioned{.independent = true, .versioned = true};
  const ReadResult read = read_ok(
      "{:type :invoke, :process 0, :f :read, :value [\"x\" [nil nil]]}\n{:type :ok, :process 0, :f :read, :value "
      "[\"x\" [4 9]]}\n"
      "{:type :invoke, :process 0, :f :cas, :value [\"x\" [4 [9 10]]]}\n",
      versioned);
  EXPECT_EQ(read.history.value(1), Value(9));
  EXPECT_EQ(read.history.extra(1).get("version"), Value(4));
  EXPECT_TRUE(read.history.extra(0).is_null());
  EXPECT_EQ(read.history.value(2), Value::list({9, 10}));
  EXPECT_TRUE(holds(read_error("{:type :invoke, :process 0, :f :write, :value 7}", {.versioned = true}),
                    "expected [version value], found 7"));
}

TEST(Rules, TooManyFunctionsAreAnErrorNotACrash) {
  std::string text;
  for (int i = 0; i < 70000; ++i) text += line(R"("type":"info","process":-1,"f":"f)" + std::to_string(i) + "\"");
  EXPECT_TRUE(holds(read_error(text), "different f, found one more"));
}

TEST(Detection, GoesByContentAndSaysWhy) {
  const std::vector<std::pair<std::string_view, Format>> cases{
      {"", Format::jsonl},
      {"\n \n", Format::jsonl},
      {"\xef\xbb\xbf{\"type\":\"info\",\"process\":-1,\"f\":\"x\"}", Format::jsonl},
      {"; a comment\n({:type :info :process :nemesis :f :x})", Format::jepsen_edn},
      {"[]", Format::jepsen_edn},
      {"#jepsen.history.Op{:type :info :process :nemesis :f :x}", Format::jepsen_edn},
      {"#_{:a 1} {:type :info :process :nemesis :f :x}", Format::jepsen_edn},
      {"{:type :invoke, :process 1, :f :get, :key \"a\"}", Format::kv_log},
      {"{:type :invoke, :process 1, :f :get, :key 7}", Format::jepsen_edn},
      {"0\t:invoke\t:read\tnil\n", Format::jepsen_tsv},
      {"INFO  jepsen.core - hello\nINFO  jepsen.util - 0\t:invoke\t:read\tnil\n", Format::jepsen_log},
      {"2023-01-01 10:00:00,001{GMT}\tINFO\t[jepsen worker 0] jepsen.util: 0\t:invoke\t:read\tnil\n",
       Format::jepsen_log},
      {"WARN something\n", Format::jepsen_log}};
  for (const auto& [text, format] : cases) {
    const ReadResult read = read_ok(text);
    EXPECT_EQ(read.format, format) << text;
    EXPECT_TRUE(begins_with(read.chosen, "read as " + std::string(to_string(format)) + ": ")) << text;
  }
}

TEST(Detection, RefusesWhatItDoesNotKnowWithTheFirstLineAndTheFormats) {
  const std::string message = read_error("\nhello world\nmore\n");
  EXPECT_TRUE(begins_with(
      message, "h:2:1: error: expected a history in a known format, found 'hello world'\n  hello world\n  ^\n"));
  EXPECT_TRUE(holds(message, "jsonl, jepsen-edn, jepsen-log, jepsen-tsv and kv-log"));
  EXPECT_TRUE(holds(read_error("[{\"type\":\"ok\"}]"), "one JSON list"));
  EXPECT_TRUE(holds(read_error(std::string("\x7f"
                                           "ELF\0\0\x01",
                                           7)),
                    R"(found '\x7fELF\x00\x00\x01')"));
}

TEST(Names, OfFormatsGoBothWays) {
  for (const std::string_view name : format_names()) EXPECT_EQ(to_string(*parse_format(name)), name);
  EXPECT_EQ(format_names().size(), 6U);
  EXPECT_FALSE(parse_format("json").has_value());
}

TEST(Files, ThatDoNotExistOrCannotBeReadHaveTheirOwnExitCodes) {
  EXPECT_EQ(read_history_file("/nonexistent/history.jsonl").error().exit_code(), 64);
  EXPECT_EQ(read_history_file("/").error().exit_code(), 64);
  const auto unreadable = read_history_file("/proc/self/mem");  // opens, but reading address 0 fails
  ASSERT_FALSE(unreadable.ok());
  EXPECT_EQ(unreadable.error().exit_code(), 3);
  EXPECT_TRUE(holds(unreadable.error().message, "/proc/self/mem"));
}

}  // namespace
}  // namespace faultline
