// Jepsen's own formats with all their quirks, and key-value logs.
#include "support.hpp"

namespace faultline {
namespace {

Value edn(std::string_view text) {
  const auto parsed = parse_edn(text);
  EXPECT_TRUE(parsed.ok()) << text << ": " << parsed.error().to_string();
  return parsed.ok() ? parsed.value() : Value("unreadable");
}

std::string edn_error(std::string_view text) {
  const auto parsed = parse_edn(text);
  EXPECT_FALSE(parsed.ok()) << text;
  return parsed.ok() ? "" : parsed.error().message;
}

TEST(Edn, ReadsEveryKindOfForm) {
  EXPECT_EQ(edn("nil"), Value());
  EXPECT_EQ(edn("[true,false]"), Value::list({true, false}));
  EXPECT_EQ(edn("(1 2)"), edn("[1, 2]"));
  EXPECT_EQ(edn(":a/b"), Value::keyword("a/b"));
  EXPECT_EQ(edn("foo/bar-baz?"), Value::tagged("symbol", "foo/bar-baz?"));
  EXPECT_EQ(edn("-"), Value::tagged("symbol", "-"));
  EXPECT_EQ(edn(R"("a\tb\n\r\\\"\u00e9\uD83D\uDE00")"), Value("a\tb\n\r\\\"é😀"));
  EXPECT_EQ(edn("\"two\nlines\""), Value("two\nlines"));
  EXPECT_EQ(edn(R"([\a \newline \u0041 \space \( \é])"),
            Value::list({Value::tagged("char", "a"), Value::tagged("char", "\n"), Value::tagged("char", "A"),
                         Value::tagged("char", " "), Value::tagged("char", "("), Value::tagged("char", "é")}));
  EXPECT_EQ(edn("#{3 1 2}"), Value::tagged("set", Value::list({1, 2, 3})));
  EXPECT_EQ(edn("{[1 2] 3 nil 4}"), Value::map({{Value::list({1, 2}), 3}, {Value(), 4}}));
  EXPECT_EQ(edn("{}"), Value::map({}));
}

TEST(Edn, NumbersAreTypedAndExact) {
  EXPECT_EQ(edn("+7"), Value(7));
  EXPECT_EQ(edn("-0"), Value(0));
  EXPECT_EQ(edn("12N"), Value(12));
  EXPECT_EQ(edn("123456789012345678901N"), Value::tagged("bigint", "123456789012345678901"));
  EXPECT_EQ(edn("-123456789012345678901"), Value::tagged("bigint", "-123456789012345678901"));
  EXPECT_EQ(edn("1.5M"), Value::tagged("decimal", "1.5"));
  EXPECT_EQ(edn("1/3"), Value::tagged("ratio", "1/3"));
  EXPECT_EQ(edn("-2/6"), Value::tagged("ratio", "-1/3"));
  EXPECT_EQ(edn("4/2"), Value(2));
  EXPECT_EQ(edn("0x1f"), Value(31));
  EXPECT_EQ(edn("-0xFF"), Value(-255));
  EXPECT_EQ(edn("0xffffffffffffffffff"), Value::tagged("bigint", "4722366482869645213695"));
  EXPECT_EQ(edn("1."), Value(1.0));
  EXPECT_EQ(edn("-1.5e-3"), Value(-0.0015));
  EXPECT_EQ(edn("##Inf"), Value(std::numeric_limits<double>::infinity()));
  EXPECT_EQ(edn("##NaN"), Value(std::numeric_limits<double>::quiet_NaN()));
  EXPECT_NE(edn("1"), edn("1.0"));
}

TEST(Edn, TagsMetadataNamespacesAndDroppedForms) {
  EXPECT_EQ(edn("#inst \"2020-01-01\""), Value::tagged("inst", "2020-01-01"));
  EXPECT_EQ(edn("#error {:cause \"x\"}"), Value::tagged("error", Value::map({{Value::keyword("cause"), "x"}})));
  EXPECT_EQ(edn("#object[java.lang.Object 0x1f \"o\"]"),
            Value::tagged("object", Value::list({Value::tagged("symbol", "java.lang.Object"), 31, "o"})));
  EXPECT_EQ(edn("^{:line 1} [1]"), Value::list({1}));
  EXPECT_EQ(edn("#:ns{:a 1 :_/b 2 :c/d 3}"),
            Value::map({{Value::keyword("ns/a"), 1}, {Value::keyword("b"), 2}, {Value::keyword("c/d"), 3}}));
  EXPECT_EQ(edn("[1 #_2 #_#_3 4 5 #_[6 #_7]]"), Value::list({1, 5}));
  EXPECT_EQ(edn("[1 ; one\n 2]"), Value::list({1, 2}));
}

TEST(Edn, RefusesWhatIsNoForm) {
  EXPECT_TRUE(holds(edn_error("[1 2"), "expected a value or ']', found end of file; the '[' at column 1 is open"));
  EXPECT_TRUE(holds(edn_error("[1 {2 3] 4}"), "expected a value or '}', found '] 4}'; the '{' at column 4 is open"));
  EXPECT_TRUE(
      holds(edn_error("\"abc"), "expected '\"' to close the string, found end of file; the '\"' at column 1 is open"));
  EXPECT_TRUE(holds(edn_error("{1}"), "a value for every key"));
  EXPECT_TRUE(holds(edn_error("{1 2 1 3}"), "each key once"));
  EXPECT_TRUE(holds(edn_error("#{1 1}"), "each element once"));
  EXPECT_TRUE(holds(edn_error("010"), "without leading zeros"));
  EXPECT_TRUE(holds(edn_error("1x"), "expected a number, found '1x'"));
  EXPECT_TRUE(holds(edn_error("1/0"), "denominator"));
  EXPECT_TRUE(holds(edn_error("1e999"), "range of a double"));
  EXPECT_TRUE(holds(edn_error(R"("\ud800")"), "a pair of surrogates"));
  EXPECT_TRUE(holds(edn_error(R"("\q")"), "an escape"));
  EXPECT_TRUE(holds(edn_error("\\abc"), "a character"));
  EXPECT_TRUE(holds(edn_error(":"), "a keyword"));
  EXPECT_TRUE(holds(edn_error("1 2"), "expected one value, found '2'"));
  EXPECT_TRUE(holds(edn_error("\xff"), "expected UTF-8"));
  EXPECT_TRUE(holds(edn_error("#_"), "expected a value, found end of file"));
  EXPECT_TRUE(holds(edn_error(""), "expected a value"));
}

TEST(JepsenEdn, ReadsTheExampleOfTheFormat) {
  const ReadResult read = read_ok(R"(; a comment, also before the bracket
({:type :invoke, :f :write :value 7, :process 0}
 {:process 0 :value 7, :type :ok, :f :write}
 #_{:type :ok, :f :read, :value 9, :process 5}
 #jepsen.history.Op{:index 4, :time 12, :type :invoke, :process 1, :f :read, :value nil}
 {:type :info, :f :start-partition, :process :nemesis, :value [:isolated {"n1" #{"n2" "n3"}}]}))");
  const History& h = read.history;
  ASSERT_EQ(h.size(), 4U);
  EXPECT_EQ(h.operation_count(), 2U);
  EXPECT_EQ(h.line(2), 5U);
  EXPECT_EQ(h.time(2), Instant(Duration(12)));
  EXPECT_EQ(h.notes().size(), 1U);
  EXPECT_EQ(h.value(3), Value::list({Value::keyword("isolated"),
                                     Value::map({{"n1", Value::tagged("set", Value::list({"n2", "n3"}))}})}));
  const Remark* dropped = find_remark(read, "dropped-forms");
  ASSERT_NE(dropped, nullptr);
  EXPECT_EQ(dropped->count, 1U);
}

TEST(JepsenEdn, MapsSpanLinesAndFileEndsMayBeCrlf) {
  const ReadResult read = read_ok(
      "{:type :invoke,\r\n :f :read,\r\n :process 0}\r\n\r\n{:type :ok :f :read :process 0 :value 1}{:type :invoke :f "
      ":read :process 0}\r\n");
  ASSERT_EQ(read.history.size(), 3U);
  EXPECT_EQ(read.history.line(1), 5U);
  EXPECT_EQ(read.history.line(2), 5U);
}

TEST(JepsenEdn, ExtrasTravelAlong) {
  const ReadResult read = read_ok(
      "{:type :invoke :f :read :process 0}{:type :info :f :read :process 0 :error [:timeout \"10s\"] :node \"n1\" :a/b "
      "1 :exception {:via []}}");
  EXPECT_EQ(read.history.event(1).error(), Value::list({Value::keyword("timeout"), "10s"}));
  EXPECT_EQ(read.history.extra(1).get("a/b"), Value(1));
  EXPECT_EQ(read.history.extra(1).get("exception"), Value::map({{Value::keyword("via"), Value::list({})}}));
}

TEST(JepsenEdn, EventsWithoutProcessShareOne) {
  const ReadResult alone = read_ok("[{:type :invoke :f :read}{:type :ok :f :read :value 1}]");
  EXPECT_EQ(alone.history.operation_count(), 1U);
  EXPECT_EQ(alone.history.outcome(0), Outcome::ok);
  const ReadResult mixed = read_ok(
      "[{:process 7 :type :invoke :f :read}{:type :invoke :f :read}{:type :ok :f :read :value 1}{:process 7 :type :ok "
      ":f :read :value 2}]");
  EXPECT_EQ(mixed.history.operation(0).output, Value(2));
  EXPECT_EQ(mixed.history.operation(1).output, Value(1));
  EXPECT_TRUE(holds(read_error("[{:type :invoke :f :read}{:process 0 :type :ok :f :read :value 1}]"),
                    "stands for the events without one (first in line 1)"));
}

TEST(JepsenEdn, AMissingFunctionIsATransactionIfTheValueListsMicroOperations) {
  const ReadResult read = read_ok(
      "[{:type :invoke :process 0 :value [[:append 1 10] [:r 1 nil]]}{:type :ok :process 0 :value [[:append 1 10] [:r "
      "1 [10]]]}"
      "{:type :invoke :process 0 :value [[:r 1 nil]]}{:type :info :process 0}]");
  EXPECT_EQ(read.history.functions()[0], "txn");
  EXPECT_EQ(read.history.operation_count(), 2U);
  EXPECT_EQ(find_remark(read, "pairs"), nullptr);
  EXPECT_TRUE(holds(read_error("{:type :invoke :process 0 :value [1 2]}"), "expected an event with :f, found none"));
}

TEST(JepsenEdn, MinusOneAndNilMeanThatIndexOrTimeAreAbsent) {
  const ReadResult read = read_ok(
      "{:index -1 :time -1 :type :invoke :f :read :process 0}{:index nil :time nil :type :ok :f :read :process 0}");
  EXPECT_FALSE(read.history.has_times());
  EXPECT_NE(find_remark(read_ok("{:time -7 :type :invoke :f :read :process 0}"), "negative-time"), nullptr);
}

TEST(JepsenEdn, BadEventsAreToldWithLineAndColumn) {
  EXPECT_TRUE(begins_with(read_error("[{:type :invoke :f :read :process 0}\n {:type :okay :f :read :process 0}]"),
                          "h:2:9: error: expected a type :invoke, :ok, :fail or :info, found :okay\n   {:type :okay :f "
                          ":read :process 0}]\n          ^"));
  EXPECT_TRUE(
      begins_with(read_error("[{:type :invoke :f :read :process 0}\n {:type :ok\n"),
                  "h:3:1: error: expected a field or '}', found end of file; the '{' at line 2 column 2 is open"));
  EXPECT_TRUE(
      begins_with(read_error("[{:type :invoke :f :read :process 0}\n"),
                  "h:2:1: error: expected an event or ']' to close the '[' at line 1 column 1, found end of file"));
  EXPECT_TRUE(begins_with(read_error("({:type :invoke :f :read :process 0}]"),
                          "h:1:37: error: expected an event, a map {…}, found ']'"));
  EXPECT_TRUE(begins_with(read_error("[] {}"), "h:1:4: error: expected end of file after the ']', found '{}'"));
  EXPECT_TRUE(holds(read_error("{:f :read :process 0}"), "expected an event with :type, found none"));
  EXPECT_TRUE(holds(read_error("{:type :invoke :type :ok :f :read :process 0}"),
                    "h:1:16: error: expected the field :type once"));
  EXPECT_TRUE(holds(read_error("{:type :invoke :f :read :process 1.5}"),
                    "expected an integer >= -1 or a name as :process, found 1.5"));
  EXPECT_TRUE(
      holds(read_error("{:type :invoke :f :read :process 0 1 2}"), "expected a keyword as name of a field, found 1"));
  EXPECT_TRUE(holds(read_error("{:type :invoke :f :read :process}"), "expected a value for :process, found '}'"));
  EXPECT_TRUE(holds(read_error("{:index 4 :type :invoke :f :r :process 0}\n{:index 4 :type :ok :f :r :process 0}"),
                    "h:2:9: error: expected an index above 4 (line 1), found 4"));
  EXPECT_TRUE(holds(read_error("{:type :ok :f :r :process 3}"), "expected an invocation of process 3 first"));
  EXPECT_TRUE(holds(read_error("{:type :invoke :f :r :process 0 :value \"\xff\"}"),
                    "h:1:41: error: expected UTF-8, found '\\xff'"));
}

TEST(JepsenEdn, AFileOnOneLineLongerThanAnyChunkIsReadAndItsErrorsAreLocated) {
  std::string text = "[";
  for (int i = 0; i < 20000; ++i)
    text += "{:type :invoke, :process " + std::to_string(i) + ", :f :write, :value \"" + std::string(30, 'v') + "\"} ";
  EXPECT_EQ(read_ok(text + "]").history.size(), 20000U);
  const std::size_t column = text.size() + 1;
  EXPECT_TRUE(begins_with(read_error(text + "7]"),
                          "h:1:" + std::to_string(column) + ": error: expected an event, a map {…}, found '7]'\n  …"));
}

TEST(JepsenEdn, IsWrittenAsOnePlainMapPerLineInAFixedOrder) {
  const ReadResult read = read_ok("{:value 7 :zeta 1 :error :x :f :write :process 0 :type :invoke :time 5 :key \"k\"}");
  EXPECT_EQ(write_history(read.history, Format::jepsen_edn).value().text,
            "{:index 0, :time 5, :type :invoke, :process 0, :f :write, :value 7, :key \"k\", :error :x, :zeta 1}\n");
}

TEST(JepsenLog, ReadsBothPrefixesTabsAndBlanks) {
  const ReadResult read = read_ok(
      "INFO  jepsen.util - 0\t:invoke\t:write\t7\n"
      "INFO\tjepsen.util - 1   :invoke :read   nil\r\n"
      "2023-05-01 14:20:34,123{GMT}\tINFO\t[jepsen worker 0] jepsen.util: 2\t:invoke\t:cas\t[1 2]\n"
      "INFO  jepsen.util - 1   :fail   :read   :timed-out\n"
      "INFO  jepsen.util - 0\t:info\t:write\t:timed-out\n"
      "INFO  jepsen.util - 2\t:fail\t:cas\t[1 2]\tsocket closed: \"x\"\n"
      "INFO  jepsen.util - :nemesis\t:info\t:stop\t\"fully connected\"\n");
  const History& h = read.history;
  ASSERT_EQ(h.size(), 7U);
  EXPECT_EQ(h.operation_count(), 3U);
  EXPECT_EQ(h.event(3).error(), Value::keyword("timed-out"));
  EXPECT_TRUE(h.value(4).is_null());
  EXPECT_EQ(h.event(5).error(), Value("socket closed: \"x\""));
  EXPECT_EQ(h.value(5), Value::list({1, 2}));
  EXPECT_EQ(h.value(6), Value("fully connected"));
  EXPECT_EQ(h.notes().size(), 1U);
}

TEST(JepsenLog, CountsWhatItIgnores) {
  const ReadResult read = read_ok(
      "INFO  jepsen.core - starting\njava.lang.Exception: x\n\tat foo.bar\n\nINFO  jepsen.util - Waiting for n1\n"
      "INFO  jepsen.util - 0\t:invoke\t:read\tnil\nINFO  jepsen.util - 5 nodes are up\n");
  EXPECT_EQ(read.history.size(), 1U);
  ASSERT_NE(find_remark(read, "other-loggers"), nullptr);
  EXPECT_EQ(find_remark(read, "other-loggers")->text, "4 lines of other loggers are ignored");
  EXPECT_EQ(find_remark(read, "other-loggers")->count, 4U);
  EXPECT_EQ(find_remark(read, "other-messages")->count, 2U);
}

TEST(JepsenLog, LinesThatStartLikeAnEventMustBeOne) {
  const auto error = [](std::string_view rest) {
    return read_error("INFO  jepsen.util - " + std::string(rest) + "\n");
  };
  EXPECT_TRUE(begins_with(error("0\t:invok\t:read\tnil"),
                          "h:1:23: error: expected a type :invoke, :ok, :fail or :info, found ':invok\\t:read\\tnil'"));
  EXPECT_TRUE(begins_with(error("0"), "h:1:22: error: expected a tab and the type, found end of line"));
  EXPECT_TRUE(begins_with(error("0\t:invoke"), "h:1:30: error: expected a tab and :f, found end of line"));
  EXPECT_TRUE(begins_with(error("0\t:invoke\tread\tnil"), "h:1:31: error: expected :f, found 'read\\tnil'"));
  EXPECT_TRUE(holds(error("0\t:invoke\t:read\t"), "expected a value, found end of line"));
  EXPECT_TRUE(holds(error("0\t:invoke\t:read\t[1"), "the '[' at column 1 is open"));
  EXPECT_TRUE(holds(error("-2\t:invoke\t:read\tnil"), "expected a process, an integer >= -1 or :nemesis"));
  EXPECT_TRUE(holds(error("0\t:ok\t:read\t1"), "expected an invocation of process 0 first"));
}

TEST(JepsenTsv, ReadsEdnValuesAndErrorsAsText) {
  const ReadResult read = read_ok(
      "0\t:invoke\t:write\t\"a b\"\n:nemesis\t:info\t:start\tnil\n0\t:info\t:write\t\"a b\"\tindeterminate: [x\n");
  EXPECT_EQ(read.format, Format::jepsen_tsv);
  EXPECT_EQ(read.history.value(0), Value("a b"));
  EXPECT_EQ(read.history.event(2).error(), Value("indeterminate: [x"));
  EXPECT_FALSE(read.history.has_times());
  EXPECT_TRUE(begins_with(read_error("0\t:invoke\t:read\tnil\n0 :ok :read 1\n", {.format = Format::jepsen_tsv}),
                          "h:2:1: error: expected a process"));
  EXPECT_TRUE(holds(read_error("0\t:invoke\t:read\tnil x\n"), "expected a tab or the end of the line, found ' x'"));
}

TEST(JepsenTsv, ALastLineWithoutNewlineIsRemarked) {
  EXPECT_NE(find_remark(read_ok("0\t:invoke\t:write\t12"), "no-final-newline"), nullptr);
  EXPECT_EQ(find_remark(read_ok("0\t:invoke\t:write\t12\n"), "no-final-newline"), nullptr);
}

TEST(KvLog, ReadsGetsPutsAndAppendsOfText) {
  const ReadResult read = read_ok(R"({:process 2, :type :invoke, :f :append, :key "a", :value "p"}
{:process 3, :type :invoke, :f :get, :key "a", :value nil}
{:process 3, :type :ok, :f :get, :key "a", :value "p"}
)");
  EXPECT_EQ(read.format, Format::kv_log);
  EXPECT_EQ(read.history.key(0), Value("a"));
  EXPECT_EQ(read.history.operation(1).output, Value("p"));
}

TEST(KvLog, RefusesOtherKeysFunctionsAndValues) {
  const auto error = [](std::string_view text) { return read_error(text, {.format = Format::kv_log}); };
  EXPECT_TRUE(holds(error("{:process 2, :type :invoke, :f :append, :key 7, :value \"p\"}"),
                    "h:1:46: error: expected a string as :key, found 7"));
  EXPECT_TRUE(
      holds(error("{:process 2, :type :invoke, :f :append, :value \"p\"}"), "expected a string as :key, found none"));
  EXPECT_TRUE(holds(error("{:process 2, :type :invoke, :f :cas, :key \"a\"}"),
                    "expected :get, :put or :append as :f, found :cas"));
  EXPECT_TRUE(holds(error("{:process 2, :type :invoke, :f :put, :key \"a\", :value 1}"),
                    "expected a string or nil as :value, found 1"));
}

TEST(Writers, NameWhatTheFormatCannotCarryOnce) {
  const ReadResult read = read_ok(
      "{:time 1 :type :invoke :f :read :process 0 :node \"n1\"}{:time 2 :type :ok :f :read :process 0 :node \"n1\" "
      ":value 1}");
  const auto tsv = write_history(read.history, Format::jepsen_tsv);
  ASSERT_TRUE(tsv.ok());
  EXPECT_EQ(tsv.value().warnings,
            (std::vector<std::string>{"times are not written", "the field \"node\" is not written"}));
  const auto kv = write_history(read.history, Format::kv_log);
  ASSERT_FALSE(kv.ok());
  EXPECT_TRUE(holds(kv.error().message, "event 0: kv-log has no way to write the f \"read\""));
  History odd;
  ASSERT_TRUE(odd.append(Event{.f = "read"}.with("type", 1)).ok());
  EXPECT_EQ(write_history(odd, Format::jsonl).value().warnings.size(), 1U);
}

}  // namespace
}  // namespace faultline
