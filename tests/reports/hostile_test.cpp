// Every field of a report filled with text that attacks the format. Values come from a broken system; none of them may become markup,
// move a cursor, begin a line or break a parser.
#include "markup.hpp"
#include "samples.hpp"

#include <faultline/formats.hpp>

#include <gtest/gtest.h>

#include <set>
#include <sstream>

namespace faultline {
namespace {

const std::vector<std::string>& corpus() {
  static const std::vector<std::string> texts{
      "</script><script>alert(1)</script>",
      "<!--",
      "-->",
      "]]>",
      "</style></title></svg><img src=x onerror=alert(1)>",
      std::string("a\0b", 3),
      "line one\n::error::line two\r\nline three",
      "\xe2\x80\xa8\xe2\x80\xa9",
      "\xe2\x80\xae"
      "reversed\xe2\x81\xa6",
      "\xff\xfe\xc0\xaf\xed\xa0\x80",
      "\xef\xbf\xbe\xef\xbf\xbf",
      "\x1b[2J\x1b]0;title\x07\x7f\xc2\x9b",
      "a | b `c` ``d`` ```e``` **f** [g](javascript:h) https://x.example <b>&amp;",
      "'\"; rm -rf / #$(id)`id`\\",
      "%0A%25::set-output",
      "{\"$keyword\":\"x\"}",
      "",
      std::string(1'000'000, 'x'),
      "\u05e9\u05dc\u05d5\u05dd \u65e5\u672c\u8a9e"};
  return texts;
}

bool is_control_free(const std::string& text) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x20 && c != '\n') || byte == 0x7f) return false;
  }
  for (const char* sequence : {"\xe2\x80\xae", "\xe2\x81\xa6", "\xc2\x9b", "\xe2\x80\xa8"}) {
    if (text.find(sequence) != std::string::npos) return false;
  }
  return true;
}

std::string name_of(std::size_t i) { return "corpus entry " + std::to_string(i); }

TEST(Hostile, NoValueBecomesMarkup) {
  const auto harmless = markup::parse(render_html(samples::hostile("harmless").input));
  ASSERT_EQ(harmless.error, "");
  const std::set<std::string> drawn{"svg",  "title", "desc",   "defs", "pattern", "line",
                                    "rect", "path",  "circle", "g",    "text"};
  for (std::size_t i = 0; i < corpus().size(); ++i) {
    const samples::Sample sample = samples::hostile(corpus()[i]);
    const std::string page = render_html(sample.input);
    const auto document = markup::parse(page);
    EXPECT_EQ(document.error, "") << name_of(i);
    EXPECT_TRUE(is_control_free(page)) << name_of(i);
    // How many labels of a picture fit depends on their length; everything else does not.
    auto counts = document.counts(false);
    auto wanted = harmless.counts(false);
    // A missing text is left out together with its row.
    if (!corpus()[i].empty()) {
      EXPECT_EQ(counts, wanted) << name_of(i);
    }
    for (const markup::Element& e : document.elements) {
      if (!e.path.empty() && e.path.back() == "svg") {
        EXPECT_TRUE(drawn.contains(e.tag)) << name_of(i) << " " << e.tag;
      }
      for (const char* place : {"id", "class", "href", "aria-labelledby"}) {
        const auto found = e.attributes.find(place);
        if (found != e.attributes.end() && corpus()[i].size() > 4) {
          EXPECT_EQ(found->second.find(corpus()[i]), std::string::npos) << name_of(i);
        }
      }
    }
    EXPECT_EQ(document.by_id("contradiction")->text, contradiction(sample.input)) << name_of(i);
    EXPECT_LT(page.size(), 8'000'000U) << name_of(i);
  }
}

TEST(Hostile, TerminalLinesAreAsManyAsWithoutAndHoldNoControls) {
  const auto lines = [](const std::string& text) { return std::count(text.begin(), text.end(), '\n'); };
  const auto wanted = lines(render_terminal(samples::hostile("harmless").input, {}));
  for (std::size_t i = 0; i < corpus().size(); ++i) {
    const std::string text = render_terminal(samples::hostile(corpus()[i]).input, {});
    EXPECT_TRUE(is_control_free(text)) << name_of(i);
    EXPECT_EQ(lines(text), wanted) << name_of(i);
  }
}

TEST(Hostile, JsonParsesAndKeepsTheKey) {
  for (std::size_t i = 0; i < corpus().size(); ++i) {
    const std::string json = render_verdict_json(samples::hostile(corpus()[i]).input);
    EXPECT_TRUE(is_control_free(json)) << name_of(i);
    const auto parsed = parse_json(json);
    ASSERT_TRUE(parsed.ok()) << name_of(i) << ": " << parsed.error().message;
    const Value key = parsed.value().get("by_key").as_list()[0].get("key");
    if (corpus()[i].size() < 150) {
      EXPECT_EQ(key, Value(corpus()[i])) << name_of(i);
    }
  }
}

TEST(Hostile, JUnitIsWellFormedXml) {
  for (std::size_t i = 0; i < corpus().size(); ++i) {
    const std::string xml = render_junit(samples::hostile(corpus()[i]).input);
    const auto document = markup::parse(xml);
    EXPECT_EQ(document.error, "") << name_of(i);
    EXPECT_EQ(document.all("failure").size(), 1U) << name_of(i);
    EXPECT_EQ(xml.find("\xef\xbf\xbe"), std::string::npos) << name_of(i);
    EXPECT_EQ(xml.find("CDATA"), std::string::npos) << name_of(i);
  }
}

TEST(Hostile, EveryAnnotationLineIsOurs) {
  for (std::size_t i = 0; i < corpus().size(); ++i) {
    std::istringstream lines(render_annotations(samples::hostile(corpus()[i]).input));
    std::size_t count = 0;
    for (std::string line; std::getline(lines, line); ++count)
      EXPECT_TRUE(line.starts_with("::error title=")) << name_of(i) << ": " << line;
    EXPECT_LE(count, 10U);
    EXPECT_GE(count, 1U);
  }
}

TEST(Hostile, MarkdownFencesAreLongerThanAnyRunOfBackticks) {
  for (std::size_t i = 0; i < corpus().size(); ++i) {
    const std::string text = render_markdown(samples::hostile(corpus()[i]).input);
    EXPECT_LE(text.size(), 60'000U) << name_of(i);
    EXPECT_TRUE(is_control_free(text)) << name_of(i);
    // Every row of a table has as many cells as its head: unescaped pipes are counted.
    std::istringstream lines(text);
    std::size_t cells = 0;
    for (std::string line; std::getline(lines, line);) {
      if (!line.starts_with('|')) {
        cells = 0;
        continue;
      }
      std::size_t pipes = 0;
      for (std::size_t c = 0; c < line.size(); ++c) pipes += line[c] == '|' && (c == 0 || line[c - 1] != '\\') ? 1 : 0;
      if (cells == 0) cells = pipes;
      { EXPECT_EQ(pipes, cells) << name_of(i) << ": " << line; }
    }
  }
}

TEST(Hostile, MinimalHistoryReadsBack) {
  for (std::size_t i = 0; i < corpus().size(); ++i) {
    const samples::Sample sample = samples::hostile(corpus()[i]);
    const std::string lines = render_minimal_jsonl(*sample.history, sample.input.verdict->anomalies.front());
    const auto read = read_history(lines, {.format = Format::jsonl});
    ASSERT_TRUE(read.ok()) << name_of(i) << ": " << read.error().message;
    EXPECT_EQ(read.value().history.operation_count(), 3U) << name_of(i);
  }
}

}  // namespace
}  // namespace faultline
