// The page as a document: well-formed, accessible in structure, consistent with verdict.json, and closed to everything outside.
#include "markup.hpp"
#include "reports/sha256.hpp"
#include "reports/story.hpp"
#include "reports/style_sheet.hpp"
#include "samples.hpp"

#include <faultline/formats.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <sstream>

namespace faultline {
namespace {

using markup::Document;
using markup::Element;

std::string attribute(const Element& element, const std::string& name) {
  const auto found = element.attributes.find(name);
  return found == element.attributes.end() ? std::string() : found->second;
}

bool has_class(const Element& element, const std::string& name) {
  std::istringstream words(attribute(element, "class"));
  for (std::string word; words >> word;) {
    if (word == name) return true;
  }
  return false;
}

struct Page {
  std::string name;
  ReportInput input;
  std::unique_ptr<History> history;
  std::string html;
  Document document;
};

std::vector<Page> pages() {
  std::vector<Page> list;
  for (samples::Sample& s : samples::all()) {
    const std::string html = render_html(s.input);
    list.push_back({s.name, s.input, std::move(s.history), html, markup::parse(html)});
  }
  return list;
}

TEST(Html, IsWellFormed) {
  for (const Page& page : pages()) EXPECT_EQ(page.document.error, "") << page.name;
}

TEST(Html, SameInputSameBytes) {
  const samples::Sample s = samples::named("stale-read");
  EXPECT_EQ(render_html(s.input), render_html(s.input));
}

TEST(Html, LoadsNothingAndItsPolicyNamesTheStyleSheet) {
  const std::set<std::string> banned{"iframe", "object", "embed", "img",   "form", "base",
                                     "a",      "audio",  "video", "image", "use",  "foreignObject"};
  for (const Page& page : pages()) {
    for (const Element& e : page.document.elements) {
      EXPECT_FALSE(banned.contains(e.tag)) << page.name << " has " << e.tag;
      for (const auto& [name, value] : e.attributes) {
        EXPECT_NE(name, "style") << page.name;
        EXPECT_FALSE(name.starts_with("on")) << page.name << " " << name;
        EXPECT_NE(name, "src") << page.name;
        if (name == "href") {
          EXPECT_TRUE(value.starts_with("data:image/svg+xml,")) << page.name;
        }
      }
    }
    const std::vector<const Element*> styles = page.document.all("style");
    ASSERT_EQ(styles.size(), 1U) << page.name;
    std::vector<const Element*> scripts = page.document.all("script");
    ASSERT_EQ(scripts.size(), 2U) << page.name;
    EXPECT_EQ(attribute(*scripts[0], "type"), "application/octet-stream;base64") << page.name;
    EXPECT_TRUE(scripts[1]->attributes.empty()) << page.name;
    const auto hash = [](const std::string& text) { return "'sha256-" + reports::base64(reports::sha256(text)) + "'"; };
    const std::string expected = "default-src 'none'; script-src " + hash(scripts[1]->text) + "; style-src " +
                                 hash(styles[0]->text) +
                                 "; img-src data:; base-uri 'none'; form-action 'none'; require-trusted-types-for "
                                 "'script'; trusted-types 'none'";
    const std::vector<const Element*> metas = page.document.all("meta");
    const auto policy = std::find_if(metas.begin(), metas.end(), [](const Element* e) {
      return attribute(*e, "http-equiv") == "Content-Security-Policy";
    });
    ASSERT_NE(policy, metas.end()) << page.name;
    EXPECT_EQ(attribute(**policy, "content"), expected) << page.name;
    EXPECT_EQ(styles[0]->text.find("url("), std::string::npos);
    EXPECT_EQ(styles[0]->text.find("@import"), std::string::npos);
  }
}

TEST(Html, SaysTheVerdictAndTheSameSentenceAsVerdictJson) {
  for (const Page& page : pages()) {
    const Element* sentence = page.document.by_id("contradiction");
    ASSERT_NE(sentence, nullptr) << page.name;
    EXPECT_EQ(sentence->text, contradiction(page.input)) << page.name;
    ASSERT_EQ(page.document.all("h1").size(), 1U) << page.name;
    EXPECT_EQ(page.document.all("h1")[0]->text, headline(page.input)) << page.name;
    EXPECT_TRUE(page.document.all("title")[0]->text.starts_with(headline(page.input))) << page.name;
    const auto json = parse_json(render_verdict_json(page.input));
    ASSERT_TRUE(json.ok()) << page.name;
    const Value& reason = json.value().get("reason");
    if (!reason.is_null()) {
      EXPECT_EQ(reason.as_text(), sentence->text) << page.name;
    }
    EXPECT_NE(render_terminal(page.input, {}).find(sentence->text), std::string::npos) << page.name;
  }
}

TEST(Html, LandmarksHeadingsAndReferencesAreInOrder) {
  for (const Page& page : pages()) {
    EXPECT_EQ(page.document.all("main").size(), 1U) << page.name;
    EXPECT_EQ(page.document.all("header").size(), 1U) << page.name;
    EXPECT_EQ(page.document.all("footer").size(), 1U) << page.name;
    EXPECT_EQ(attribute(*page.document.all("html")[0], "lang"), "en") << page.name;
    std::set<std::string> ids;
    char level = '1';
    for (const Element& e : page.document.elements) {
      if (const std::string id = attribute(e, "id"); !id.empty()) {
        EXPECT_TRUE(ids.insert(id).second) << page.name << ": " << id << " twice";
      }
      if (e.tag.size() == 2 && e.tag[0] == 'h' && e.tag[1] >= '1' && e.tag[1] <= '6') {
        EXPECT_LE(e.tag[1], level + 1) << page.name << ": " << e.text;
        level = e.tag[1];
      }
      if (e.tag == "th") {
        EXPECT_FALSE(attribute(e, "scope").empty()) << page.name << ": " << e.text;
      }
      if (e.tag == "section") {
        EXPECT_FALSE(attribute(e, "aria-labelledby").empty()) << page.name;
      }
      if (e.tag == "svg") {
        EXPECT_EQ(attribute(e, "role"), "img") << page.name;
        EXPECT_FALSE(attribute(e, "aria-labelledby").empty()) << page.name;
      }
    }
    for (const Element& e : page.document.elements) {
      std::istringstream references(attribute(e, "aria-labelledby"));
      for (std::string id; references >> id;)
        EXPECT_TRUE(ids.contains(id)) << page.name << ": nothing is called " << id;
    }
  }
}

TEST(Html, TimelineNumbersAreThePrefixNumbers) {
  for (const Page& page : pages()) {
    if (!page.input.verdict || page.input.verdict->anomalies.empty()) continue;
    std::multiset<std::string> drawn;
    std::multiset<std::string> listed;
    bool other = false;
    for (const Element& e : page.document.elements) {
      other = other || attribute(e, "id") == "others";
      if (other) break;
      if (e.tag == "svg" && has_class(e, "wide") && attribute(e, "aria-labelledby").starts_with("main-")) drawn.clear();
      if (e.tag == "svg" && has_class(e, "narrow")) continue;
      if (e.tag == "text" && has_class(e, "number") && e.text != "✗") drawn.insert(e.text);
      if (e.tag == "span" && has_class(e, "step")) listed.insert(e.text);
    }
    // Every number is drawn in both widths of the picture.
    std::multiset<std::string> twice = listed;
    for (const std::string& number : listed) twice.insert(number);
    EXPECT_EQ(drawn, twice) << page.name;
    EXPECT_EQ(listed.size(), page.input.verdict->anomalies.front().prefix.size()) << page.name;
  }
}

TEST(Html, EveryCandidateSaysWhatItNeedsHasAndWhy) {
  for (const Page& page : pages()) {
    if (!page.input.verdict || page.input.verdict->anomalies.empty()) continue;
    for (const Candidate& candidate : page.input.verdict->anomalies.front().candidates) {
      const auto said = [&](const std::string& text) {
        return std::any_of(page.document.elements.begin(), page.document.elements.end(),
                           [&](const Element& e) { return e.tag == "td" && e.text == text; });
      };
      EXPECT_TRUE(said(candidate.needs)) << page.name;
      EXPECT_TRUE(said(candidate.has)) << page.name;
      EXPECT_TRUE(said(candidate.why)) << page.name;
    }
  }
}

TEST(Html, ContextIsDimmedAndNotCounted) {
  const samples::Sample s = samples::named("fallback");
  const std::string html = render_html(s.input);
  const Document document = markup::parse(html);
  EXPECT_NE(html.find("context, not counted"), std::string::npos);
  EXPECT_NE(document.by_id("main-picture")->text.find("5 operations"), std::string::npos);
  const auto dimmed = std::count_if(document.elements.begin(), document.elements.end(),
                                    [](const Element& e) { return e.tag == "g" && has_class(e, "ctx"); });
  EXPECT_GT(dimmed, 0);
}

TEST(Html, OfferedCommandsAreThoseOfTheStory) {
  for (const Page& page : pages()) {
    std::vector<std::string> shown;
    for (const Element& e : page.document.elements) {
      if (e.tag == "code" && has_class(e, "cmd")) shown.push_back(e.text);
    }
    std::vector<std::string> wanted;
    for (const reports::Command& command : reports::commands(page.input)) wanted.push_back(command.line);
    EXPECT_EQ(shown, wanted) << page.name;
    const bool replays = std::any_of(shown.begin(), shown.end(),
                                     [](const std::string& c) { return c.find("replay") != std::string::npos; });
    if (!page.input.run) {
      EXPECT_FALSE(replays) << page.name;
    }
  }
}

TEST(Html, FaultsTintOnlyLanesOfAffectedNodes) {
  const Document document = markup::parse(render_html(samples::named("stale-read").input));
  std::size_t tints = 0;
  for (const Element& e : document.elements) {
    if (e.tag == "svg" && attribute(e, "aria-labelledby").starts_with("main-narrow")) break;
    tints += e.tag == "rect" && has_class(e, "tint") ? 1 : 0;
  }
  EXPECT_EQ(tints, 1U);  // one partition in sight, one lane of the isolated node
}

TEST(Html, AValidPageShowsTheBeginningOfALegalOrder) {
  for (const samples::Sample& sample : samples::pages()) {
    if (sample.name != "ordered") continue;
    const Document document = markup::parse(render_html(sample.input));
    EXPECT_EQ(document.error, "");
    std::vector<std::string> order;
    for (const Element& e : document.elements) {
      if (e.tag == "tr" && !attribute(e, "data-step").empty()) order.push_back(attribute(e, "data-op"));
    }
    EXPECT_EQ(order, (std::vector<std::string>{"1", "0", "3", "2", "4"}));
  }
}

TEST(Html, FaultsSayWhatRanUnderThem) {
  History h;
  const auto note = [&](const char* f) {
    ASSERT_TRUE(h.append({.type = EventType::info, .process = nemesis_process, .f = f}).ok());
  };
  const auto before = h.invoke(0, "write", 1);
  note("start-pause");
  h.ok(before);
  h.fail(h.invoke(1, "read"));
  h.info(h.invoke(2, "read"));
  note("stop-pause");
  h.ok(h.invoke(0, "read"), 1);
  const std::vector<reports::FaultCoverage> seen = reports::fault_coverage(h);
  ASSERT_EQ(seen.size(), 1U);
  EXPECT_EQ(seen[0].kind, "pause");
  EXPECT_EQ(seen[0].count, 1U);
  EXPECT_EQ(seen[0].under.operations, 3U);
  EXPECT_EQ(seen[0].under.ok, 1U);
  EXPECT_EQ(seen[0].under.fail, 1U);
  EXPECT_EQ(seen[0].under.open, 1U);
  // A history from elsewhere has no measured effect, and its page says so.
  const Document document = markup::parse(render_html({.history = &h}));
  ASSERT_NE(document.by_id("faults"), nullptr);
  const auto cells = document.all("td");
  EXPECT_TRUE(std::any_of(cells.begin(), cells.end(), [](const Element* e) { return e->text == "? not measured"; }));
}

// A page of a large history stays a page: what is drawn is bounded.
TEST(Html, HoldsNoMoreThanItsBounds) {
  History history;
  Anomaly anomaly{.name = "no-legal-order", .sentence = "Nothing fits."};
  for (int i = 0; i < 20'000; ++i) {
    const OperationIndex o =
        history.invoke(i % 50, "write", i, "k" + std::to_string(i % 5000), Instant(Duration(i * 1000)));
    history.ok(o, {}, Instant(Duration(i * 1000 + 900)));
    anomaly.core.push_back(o);
    anomaly.prefix.push_back({o, std::to_string(i)});
  }
  anomaly.culprit = 19'999;
  Verdict verdict{
      .kind = VerdictKind::invalid, .model = "register", .operations = 20'000, .keys = 5000, .anomalies = {anomaly}};
  for (int i = 0; i < 5000; ++i) verdict.by_key.push_back({.key = "k" + std::to_string(i), .operations = 4});
  ReportInput input{.history = &history, .verdict = verdict};
  EXPECT_LT(render_html(input).size(), 2'000'000U);
  EXPECT_LT(render_markdown(input).size(), 60'000U);
  EXPECT_LT(render_verdict_json(input).size(), 6'000'000U);
  EXPECT_NE(render_html(input).find("not drawn"), std::string::npos);
}

}  // namespace
}  // namespace faultline
