// The fast path for native lines against the general parser. A blank after the first brace makes the fast path step
// aside and changes nothing else, so each text is read twice and must mean the same.
#include "random_values.hpp"
#include "support.hpp"

namespace faultline {
namespace {

std::string for_the_general_parser(std::string_view text) {
  std::string out;
  bool at_start = true;
  for (const char c : text) {
    out += c;
    if (at_start && c == '{') out += ' ';
    at_start = c == '\n';
  }
  return out;
}

// The message without its column, which the blank shifts, and without the line shown.
std::string without_place(const Error& error) {
  const std::string first = error.message.substr(0, error.message.find('\n'));
  std::string out = first.substr(0, first.find(':', 2));
  const std::size_t text = first.find(": error: ");
  out += text == std::string::npos ? first : first.substr(text);
  const std::size_t column = out.find(" column ");
  return column == std::string::npos ? out : out.substr(0, column);
}

void expect_same(const std::string& text) {
  const auto fast = read_history(text, {.format = Format::jsonl}, "h");
  const auto general = read_history(for_the_general_parser(text), {.format = Format::jsonl}, "h");
  ASSERT_EQ(fast.ok(), general.ok()) << text << (fast.ok() ? general.error() : fast.error()).to_string();
  if (!fast.ok()) {
    EXPECT_EQ(without_place(fast.error()), without_place(general.error())) << text;
    return;
  }
  ASSERT_EQ(difference(fast.value().history, general.value().history), "") << text;
  for (EventIndex i = 0; i < fast.value().history.size(); ++i) {
    ASSERT_EQ(fast.value().history.line(i), general.value().history.line(i)) << text;
    ASSERT_EQ(fast.value().history.operation_of(i), general.value().history.operation_of(i)) << text;
  }
  const History& x = fast.value().history;
  const History& y = general.value().history;
  ASSERT_TRUE(std::equal(x.keys().begin(), x.keys().end(), y.keys().begin(), y.keys().end())) << text;
  ASSERT_TRUE(std::equal(x.functions().begin(), x.functions().end(), y.functions().begin(), y.functions().end()))
      << text;
  std::vector<Remark> a = fast.value().remarks;
  std::vector<Remark> b = general.value().remarks;
  for (auto* remarks : {&a, &b}) {
    for (Remark& remark : *remarks) {
      if (remark.kind == "torn-line") remark = {"torn-line", 0, ""};  // the blank adds a byte
    }
  }
  ASSERT_EQ(a, b) << text;
}

TEST(FastJsonl, AgreesWithTheGeneralParserOnRandomHistories) {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    Rng rng(seed);
    const History history = random_history(
        rng, {.functions = {"read", "write", "cas"}, .keys = rng.chance(0.5), .text_keys = rng.chance(0.5)});
    expect_same(write_history(history, Format::jsonl).value().text);
  }
}

std::string plain_history(Rng& rng) {
  std::string text;
  std::vector<std::optional<Event>> open(3);
  std::int64_t time = 0;
  const bool keys = rng.chance(0.5);
  for (EventIndex i = 0; i < 12; ++i) {
    const std::size_t slot = rng.below(3);
    time += rng.between(0, 2'000'000'000);
    Event event{.process = static_cast<Process>(slot), .f = "write", .time = Instant(Duration(time))};
    if (open[slot]) event = *open[slot];
    event.type = open[slot] ? static_cast<EventType>(rng.between(1, 3)) : EventType::invoke;
    event.time = Instant(Duration(time));
    if (!open[slot] && keys) event.key = rng.chance(0.5) ? Value(rng.between(0, 2)) : Value("k");
    switch (rng.below(5)) {
      case 0: event.value = {}; break;
      case 1: event.value = random_integer(rng); break;
      case 2: event.value = Value::list({random_integer(rng), rng.between(0, 3)}); break;
      case 3: event.value = "text"; break;
      default: event.value = Value(rng.chance(0.5)); break;
    }
    if (event.type != EventType::invoke && rng.chance(0.5)) event = event.with("error", "timeout");
    if (event.type != EventType::invoke && rng.chance(0.5)) event = event.with("node", "n1");
    open[slot] = event.type == EventType::invoke ? std::optional(event) : std::nullopt;
    text += native_line(i, event);
  }
  return text;
}

TEST(FastJsonl, AgreesWithTheGeneralParserOnMutatedLines) {
  const std::vector<std::string> pieces{"0",
                                        "9",
                                        "-",
                                        ".",
                                        "e",
                                        "\"",
                                        "\\",
                                        ",",
                                        ":",
                                        "[",
                                        "]",
                                        "{",
                                        "}",
                                        " ",
                                        "\n",
                                        "\r\n",
                                        "\t",
                                        "null",
                                        "true",
                                        "é",
                                        "\xff",
                                        "99999999999999999999",
                                        "00",
                                        "-0",
                                        "1.0",
                                        "\"key\":1,",
                                        "\"time\":5,",
                                        "\"index\":9,",
                                        "\"process\":-1",
                                        ",\"value\":2",
                                        "\"error\":\"x\"",
                                        std::string(1, '\0'),
                                        "\"type\":\"ok\""};
  for (std::uint64_t seed = 0; seed < 6000; ++seed) {
    Rng rng(seed);
    std::string text = plain_history(rng);
    for (std::uint64_t n = rng.below(3); n > 0; --n) {
      const std::size_t at = rng.below(text.size());
      const std::size_t cut = rng.chance(0.5) ? 0 : std::min<std::size_t>(rng.below(6), text.size() - at);
      text.replace(at, cut, rng.chance(0.8) ? rng.pick(pieces) : "");
    }
    if (rng.chance(0.1)) text.resize(rng.below(text.size()));
    ASSERT_NO_FATAL_FAILURE(expect_same(text)) << "seed " << seed;
  }
}

TEST(FastJsonl, ExtrasThatNameFieldsOfTheEventAreNeverRemembered) {
  const std::string first = R"({"index":0,"type":"invoke","process":0,"f":"w","value":1,"time":null,"a":1})"
                            "\n";
  const std::string second = R"({"index":1,"time":5,"type":"invoke","process":1,"f":"w","value":1,"time":null,"a":1})"
                             "\n";
  EXPECT_TRUE(holds(read_error(first + second), "h:2:74: error: expected the field \"time\" once, found it again"));
}

TEST(FastJsonl, SwarDigitsReadEveryLengthOfInteger) {
  std::string digits;
  for (int length = 1; length <= 25; ++length) {
    digits += static_cast<char>('0' + length % 10);
    for (const std::string& number : {digits, "-" + digits}) {
      const std::string text = R"({"index":0,"type":"invoke","process":0,"f":"w","value":)" + number + "}\n";
      EXPECT_EQ(read_ok(text).history.value(0), parse_json(number).value()) << number;
    }
  }
}

}  // namespace
}  // namespace faultline
