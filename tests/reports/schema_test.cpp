// verdict.json and report.json against the schemas that are published for them: nothing required is missing, nothing known has another type, and every field
// that is written is described.
#include "samples.hpp"

#include <faultline/formats.hpp>

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

namespace faultline {
namespace {

Value schema(const std::string& name = "verdict") {
  std::ifstream file(FL_SOURCE_DIR "/reports/" + name + ".schema.json");
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const auto parsed = parse_json(text);
  EXPECT_TRUE(parsed.ok());
  return parsed.ok() ? parsed.value() : Value();
}

bool is_of(const Value& value, std::string_view type) {
  if (type == "null") return value.is_null();
  if (type == "boolean") return value.is_boolean();
  if (type == "integer") return value.is_integer();
  if (type == "number") return value.is_integer() || value.is_real();
  if (type == "string") return value.is_string();
  if (type == "array") return value.is_list();
  return type == "object" && value.is_map();
}

// The part of JSON Schema that ours uses: type, enum, required, properties, items.
class Checker {
 public:
  void check(const Value& value, const Value& rules, const std::string& where) {
    if (const Value& one_of = rules.get("enum"); one_of.is_list()) {
      const auto list = one_of.as_list();
      if (std::find(list.begin(), list.end(), value) == list.end()) problem(where, "is none of the enum");
    }
    const Value& type = rules.get("type");
    if (type.is_string() && !is_of(value, type.as_text())) return problem(where, "has another type");
    if (type.is_list()) {
      const auto list = type.as_list();
      if (std::none_of(list.begin(), list.end(), [&](const Value& t) { return is_of(value, t.as_text()); }))
        return problem(where, "has another type");
    }
    if (value.is_map() && rules.get("required").is_list()) {
      for (const Value& name : rules.get("required").as_list()) {
        const auto map = value.as_map();
        if (std::none_of(map.begin(), map.end(), [&](const auto& entry) { return entry.first == name; }))
          problem(where, "lacks " + std::string(name.as_text()));
      }
    }
    if (const Value& properties = rules.get("properties"); value.is_map() && properties.is_map())
      check_fields(value, rules, where);
    if (const Value& items = rules.get("items"); items.is_map()) {
      for (const Value& item : value.as_list()) check(item, items, where + "[]");
    }
  }
  std::vector<std::string> problems;

 private:
  void check_fields(const Value& value, const Value& rules, const std::string& where) {
    for (const auto& [name, field] : value.as_map()) {
      const std::string path = where + "." + std::string(name.as_text());
      const Value& own = rules.get("properties").get(name.as_text());
      // A key of the history is any value.
      if (own.is_map()) {
        check(field, own, path);
      } else if (name.as_text() != "key") {
        problem(path, "is not described");
      }
    }
  }
  void problem(const std::string& where, const std::string& what) { problems.push_back(where + " " + what); }
};

std::vector<std::string> problems_of(const ReportInput& input) {
  const auto written = parse_json(render_verdict_json(input));
  EXPECT_TRUE(written.ok());
  Checker checker;
  checker.check(written.value(), schema(), "");
  return checker.problems;
}

TEST(VerdictSchema, DescribesEverySample) {
  for (const samples::Sample& sample : samples::all())
    EXPECT_EQ(problems_of(sample.input), std::vector<std::string>()) << sample.name;
  for (const samples::Sample& sample : samples::pages())
    EXPECT_EQ(problems_of(sample.input), std::vector<std::string>()) << sample.name;
}

std::vector<std::string> problems_of_report(const ReportInput& input) {
  const auto written = parse_json(render_report_json(input));
  EXPECT_TRUE(written.ok());
  Checker checker;
  checker.check(written.value(), schema("report"), "");
  return checker.problems;
}

TEST(ReportSchema, DescribesEverySample) {
  std::vector<samples::Sample> list = samples::all();
  for (samples::Sample& page : samples::pages()) list.push_back(std::move(page));
  list.push_back(samples::hostile("</script>\x1b[2J\xff\"\\"));
  for (const samples::Sample& sample : list)
    EXPECT_EQ(problems_of_report(sample.input), std::vector<std::string>()) << sample.name;
}

TEST(ReportSchema, TheRunStandsOnItsTimeAxis) {
  for (const samples::Sample& sample : samples::pages()) {
    if (sample.name != "nodes") continue;
    const Value report = parse_json(render_report_json(sample.input)).value();
    EXPECT_EQ(report.get("sentence"), Value(contradiction(sample.input)));
    EXPECT_EQ(report.get("fault_bands").as_list()[0].get("from"), Value(10'000'000));
    EXPECT_EQ(report.get("fault_bands").as_list()[0].get("to"), Value(66'000'000));
    ASSERT_EQ(report.get("operations").as_list().size(), 2U);
    const Value& reads = report.get("operations").as_list()[0];
    EXPECT_EQ(reads.get("f"), Value("read"));
    EXPECT_EQ(reads.get("latency_ns").get("p50"), Value(1'000'000));
    EXPECT_EQ(reads.get("latency_ns").get("max"), Value(3'000'000));
    EXPECT_EQ(report.get("logs").as_list().size(), 2U);
  }
}

TEST(VerdictSchema, DescribesAWatchedRun) {
  samples::Sample sample = samples::named("stale-read");
  sample.input.online = OnlineInfo{.violations = {{"r7", 3, Instant(Duration(5)), Instant(Duration(9))}},
                                   .stopped = Instant(Duration(10)),
                                   .keys = 4,
                                   .keys_relaxed = 1,
                                   .reason = "too wide"};
  EXPECT_EQ(problems_of(sample.input), std::vector<std::string>());
}

TEST(VerdictSchema, TheCheckerNoticesWhatIsWrong) {
  const auto broken = [](const char* text) {
    Checker checker;
    checker.check(parse_json(text).value(), schema(), "");
    return checker.problems.size();
  };
  const std::string whole = render_verdict_json(samples::named("stale-read").input);
  EXPECT_EQ(broken(whole.c_str()), 0U);
  std::string other = whole;
  other.replace(other.find("\"invalid\""), 9, "\"perhaps\"");
  EXPECT_EQ(broken(other.c_str()), 1U);
  other = whole;
  other.replace(other.find("\"keys\": 61"), 10, "\"keyz\": 61");
  EXPECT_EQ(broken(other.c_str()), 2U);
  other = whole;
  other.replace(other.find("\"keys\": 61"), 10, "\"keys\":\"6\"");
  EXPECT_EQ(broken(other.c_str()), 1U);
}

}  // namespace
}  // namespace faultline
