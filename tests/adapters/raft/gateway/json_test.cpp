// The scanner against an independent parser, and against everything that is no JSON.
#include "json.hpp"

#include <nlohmann/json.hpp>

#include <faultline/rng.hpp>

#include <algorithm>
#include <string>

#include <gtest/gtest.h>

namespace faultline::raft::gateway {
namespace {

using End = Tape::Scanned::End;

// The tape read back into the other parser's value.
nlohmann::json value_of(const Tape& tape, std::uint32_t at) {
  const Node& node = tape[at];
  if (node.kind == Kind::string) return tape.unescaped(node);
  if (node.kind == Kind::array) {
    auto list = nlohmann::json::array();
    for (std::uint32_t i = at + 1; i < node.next; i = tape[i].next) list.push_back(value_of(tape, i));
    return list;
  }
  if (node.kind == Kind::object) {
    auto object = nlohmann::json::object();
    for (std::uint32_t key = at + 1; key < node.next;) {
      const std::uint32_t value = tape[key].next;
      object[tape.unescaped(tape[key])] = value_of(tape, value);
      key = tape[value].next;
    }
    return object;
  }
  return nlohmann::json::parse(tape.text(node));
}

std::string random_json(Rng& rng, int depth) {
  const std::string space = rng.chance(0.2) ? " \n\t" : "";
  switch (rng.below(depth > 4 ? 5 : 7)) {
    case 0: return space + "null";
    case 1: return rng.chance(0.5) ? "true" : "false" + space;
    case 2: return std::to_string(static_cast<std::int64_t>(rng.next()) >> rng.below(64));
    case 3: return rng.chance(0.5) ? "-0.25e+3" : "1E9";
    case 4: {
      std::string text = "\"";
      constexpr std::string_view pieces[] = {
          "a", "longer than eight", "\\n", "\\u00e9", "\\ud83d\\ude00", "\u00e9", "\\\\", "\\\""};
      for (std::uint64_t n = rng.below(5); n > 0; --n) text += pieces[rng.below(std::size(pieces))];
      return text + "\"";
    }
    case 5: {
      std::string list = "[" + space;
      const std::uint64_t size = rng.below(4);
      for (std::uint64_t i = 0; i < size; ++i) list += (i > 0 ? "," : "") + random_json(rng, depth + 1);
      return list + "]";
    }
    default: break;
  }
  std::string object = "{" + space;
  const std::uint64_t size = rng.below(4);
  for (std::uint64_t i = 0; i < size; ++i) {
    object += (i > 0 ? ",\"" : "\"") + std::string(1, static_cast<char>('a' + i)) + "\"" + space + ":" +
              random_json(rng, depth + 1);
  }
  return object + space + "}";
}

TEST(Json, RandomValuesReadAsTheOtherParserReadsThem) {
  Rng rng(1);
  Tape tape;
  for (int i = 0; i < 20'000; ++i) {
    const std::string text = random_json(rng, 0);
    const Tape::Scanned scanned = tape.scan(text, 0);
    ASSERT_EQ(scanned.end, End::value) << text << ": " << scanned.error;
    ASSERT_EQ(value_of(tape, 0), nlohmann::json::parse(text)) << text;
  }
}

// A number too large for a double is one here and none there.
bool holds_too_large_a_number(const std::string& text) {
  try {
    return nlohmann::json::parse(text).is_discarded();
  } catch (const nlohmann::json::out_of_range&) {
    return true;
  } catch (const nlohmann::json::exception&) {
    return false;
  }
}

TEST(Json, MutatedTextsAreAcceptedExactlyWhenTheOtherParserAcceptsThem) {
  Rng rng(2);
  Tape tape;
  constexpr std::string_view bytes = "{}[]\",:\\u019aeEntf+-. \n\x01\x7f";
  int accepted = 0;
  for (int i = 0; i < 60'000; ++i) {
    std::string text = random_json(rng, 0);
    for (std::uint64_t n = rng.below(3) + 1; n > 0 && !text.empty(); --n) {
      const std::size_t at = rng.below(text.size());
      if (rng.chance(0.3)) {
        text.erase(at, 1);
      } else {
        text[at] = bytes[rng.below(bytes.size())];
      }
    }
    // Bytes that are no UTF-8 are let through here and refused there.
    if (std::any_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x80; })) continue;
    const Tape::Scanned scanned = tape.scan(text, 0);
    // Of several values the first counts here, so what follows it is cut off; unpaired surrogates are replaced here, refused there.
    const std::string first = text.substr(0, scanned.stop);
    const nlohmann::json other = nlohmann::json::parse(first, nullptr, false);
    const bool surrogate = first.find("\\u") != std::string::npos;
    if (scanned.end == End::value && !surrogate && !holds_too_large_a_number(first)) {
      ASSERT_FALSE(other.is_discarded()) << text;
      ASSERT_EQ(value_of(tape, 0), other) << text;
      ++accepted;
    }
    ASSERT_TRUE(scanned.end != End::error || nlohmann::json::parse(text, nullptr, false).is_discarded()) << text;
  }
  EXPECT_GT(accepted, 1000);
}

TEST(Json, EveryPrefixOfAValueIsCutShort) {
  const std::string text = R"({"key":"a\u00e9\n","list":[1,-2.5e3,true,false,null,{}],"o":{"x":[]}})";
  Tape tape;
  for (std::size_t length = 1; length < text.size(); ++length) {
    const Tape::Scanned scanned = tape.scan(std::string_view(text).substr(0, length), 0);
    ASSERT_EQ(scanned.end, End::error) << length;
    ASSERT_EQ(scanned.error, "unexpected EOF") << length;
  }
  EXPECT_EQ(tape.scan(text, 0).end, End::value);
  EXPECT_EQ(tape.scan("", 0).end, End::nothing);
  EXPECT_EQ(tape.scan(" \r\n\t", 0).end, End::nothing);
}

TEST(Json, DepthIsBoundedAndNothingRecurses) {
  Tape tape;
  const auto nested = [](std::size_t n) { return std::string(n, '[') + std::string(n, ']'); };
  EXPECT_EQ(tape.scan(nested(10'000), 0).end, End::value);
  EXPECT_EQ(tape.scan(nested(10'001), 0).error, "invalid character '[' exceeded max depth");
  std::string objects;
  for (int i = 0; i < 1'000'000; ++i) objects += "{\"a\":";
  EXPECT_EQ(tape.scan(objects, 0).error, "invalid character '{' exceeded max depth");
}

TEST(Json, TheNextValueBeginsWhereTheLastOneEnded) {
  const std::string text = " {\"a\":1}\n{\"b\":2}3 ";
  Tape tape;
  Tape::Scanned scanned = tape.scan(text, 0);
  EXPECT_EQ(scanned.stop, 8U);
  scanned = tape.scan(text, scanned.stop);
  EXPECT_EQ(scanned.stop, 16U);
  scanned = tape.scan(text, scanned.stop);
  EXPECT_EQ(tape[0].kind, Kind::number);
  EXPECT_EQ(tape.scan(text, scanned.stop).end, End::nothing);
}

TEST(Json, CharactersAreNamedAsGoNamesThem) {
  EXPECT_EQ(quoted_character('x'), "'x'");
  EXPECT_EQ(quoted_character('\''), R"('\'')");
  EXPECT_EQ(quoted_character('"'), R"('"')");
  EXPECT_EQ(quoted_character('\\'), R"('\\')");
  EXPECT_EQ(quoted_character('\n'), R"('\n')");
  EXPECT_EQ(quoted_character(0), R"('\x00')");
  EXPECT_EQ(quoted_character(0x7f), R"('\x7f')");
  EXPECT_EQ(quoted_character(0x80), R"('\u0080')");
  EXPECT_EQ(quoted_character(0xef), "'\u00ef'");
}

TEST(Json, AnUnpairedSurrogateIsReplaced) {
  Tape tape;
  const std::string text = R"("\ud83d-\ude00-\ud83d\u0041-\ud83d\ude00")";
  ASSERT_EQ(tape.scan(text, 0).end, End::value);
  EXPECT_EQ(tape.unescaped(tape[0]), "\ufffd-\ufffd-\ufffdA-\U0001f600");
}

}  // namespace
}  // namespace faultline::raft::gateway
