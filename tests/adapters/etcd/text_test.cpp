#include "adapters/etcd/text.hpp"

#include <faultline/rng.hpp>

#include <gtest/gtest.h>

#include <limits>

namespace faultline::etcd {
namespace {

TEST(Base64, EncodesTheVectorsOfRfc4648) {
  const std::pair<std::string, std::string> vectors[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"}};
  for (const auto& [bytes, text] : vectors) {
    EXPECT_EQ(to_base64(bytes), text);
    EXPECT_EQ(from_base64(text), bytes);
  }
}

TEST(Base64, ReadsEitherAlphabetPaddedOrNot) {
  EXPECT_EQ(from_base64("Zg"), "f");
  EXPECT_EQ(from_base64("Zm8"), "fo");
  EXPECT_EQ(from_base64("+/+/"), from_base64("-_-_"));
}

TEST(Base64, RefusesWhatIsNone) {
  for (const char* text : {"Z", "Zm9vY", "Zg=", "Zg===", "Z===", "====", "Zm 9v", "Zm9v\n", "Z!==", "=Zg=", "Zm9v="}) {
    EXPECT_EQ(from_base64(text), std::nullopt) << text;
  }
}

TEST(Base64, RoundTripsRandomBytes) {
  Rng rng(7);
  for (int i = 0; i < 500; ++i) {
    std::string bytes(rng.below(40), '\0');
    for (char& c : bytes) c = static_cast<char>(rng.below(256));
    EXPECT_EQ(from_base64(to_base64(bytes)), bytes);
  }
}

const std::pair<Value, std::string> stored_values[] = {
    {Value(), "null"},
    {Value(true), "true"},
    {Value(7), "7"},
    {Value(-3), "-3"},
    {Value(std::numeric_limits<std::int64_t>::min()), "-9223372036854775808"},
    {Value(std::numeric_limits<std::int64_t>::max()), "9223372036854775807"},
    {Value(1.0), "1.0"},
    {Value(-0.0), "-0.0"},
    {Value(0.1), "0.1"},
    {Value(1e300), "1e+300"},
    {Value(""), R"("")"},
    {Value("a\"b\n\x01 \u00e9"), "\"a\\\"b\\n\\u0001 \u00e9\""},
    {Value("7"), R"("7")"},
    {Value::list({1, Value("a"), Value()}), R"([1,"a",null])"},
    {Value::map({{Value("b"), Value(1)}, {Value("a"), Value(2.5)}}), R"({"a":2.5,"b":1})"},
};

TEST(StoredValue, EachValueHasOneTextThatReadsBackAsIt) {
  for (const auto& [value, text] : stored_values) {
    const auto stored = to_stored(value);
    ASSERT_TRUE(stored.ok()) << value.to_string();
    EXPECT_EQ(stored.value(), text);
    EXPECT_EQ(from_stored(text), value) << text;
  }
}

// A list goes through the JSON library whatever is in it; what stands alone may be written and read without.
TEST(StoredValue, AValueAloneIsWrittenAndReadAsTheLibraryDoesItInAList) {
  Rng rng(11);
  constexpr std::string_view letters = "019-+. e\"\\/\n\x7f~nul";
  for (int i = 0; i < 5000; ++i) {
    std::string text(rng.below(6), '\0');
    for (char& c : text) c = letters[rng.below(letters.size())];
    for (const Value& value : {Value(text), Value(rng.between(-1000, 1000)), Value()}) {
      const auto alone = to_stored(value);
      const auto inside = to_stored(Value::list({value}));
      ASSERT_TRUE(alone.ok() && inside.ok());
      ASSERT_EQ("[" + alone.value() + "]", inside.value());
      ASSERT_EQ(from_stored(alone.value()), value);
    }
    // As bytes that somebody else wrote.
    const Value alone = from_stored(text), inside = from_stored("[" + text + "]");
    if (alone.is_tagged() || text.empty()) {
      ASSERT_TRUE(text.empty() || inside.is_tagged()) << text;
    } else {
      ASSERT_EQ(inside, Value::list({alone})) << text;
    }
  }
}

TEST(StoredValue, RefusesWhatJsonCannotSay) {
  Value deep(1);
  for (int i = 0; i < 70; ++i) deep = Value::list({deep});
  for (const Value& value :
       {Value(std::numeric_limits<double>::quiet_NaN()), Value(std::numeric_limits<double>::infinity()),
        Value::keyword("a"), Value::tagged("bigint", "123"), Value("\xff"), Value::map({{Value(1), Value(2)}}), deep}) {
    const auto stored = to_stored(value);
    ASSERT_FALSE(stored.ok()) << value.to_string();
    EXPECT_EQ(stored.error().kind, ErrorKind::bad_input);
  }
}

TEST(StoredValue, BytesNobodyWroteEqualNothingAnybodyWrites) {
  for (const std::string bytes : {"", "abc", " 1", "1 ", "1e0", "01", "1.50", "{\"b\":1,\"a\":2}", "{\"a\":1,\"a\":1}",
                                  "18446744073709551615", "\xff\xfe", "[1", "nul"}) {
    const Value value = from_stored(bytes);
    ASSERT_TRUE(value.is_tagged()) << bytes;
    EXPECT_EQ(value.tag(), "bytes");
    EXPECT_EQ(from_base64(value.tagged_value().as_text()), bytes);
  }
  EXPECT_TRUE(from_stored(std::string(100000, '[')).is_tagged());
}

}  // namespace
}  // namespace faultline::etcd
