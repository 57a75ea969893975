// Base64 against the dumbest decoder there is.
#include "base64.hpp"

#include <faultline/rng.hpp>

#include <gtest/gtest.h>

namespace faultline::raft::gateway {
namespace {

std::string random_bytes(Rng& rng, std::size_t size) {
  std::string bytes;
  for (std::size_t i = 0; i < size; ++i) bytes += static_cast<char>(rng.below(256));
  return bytes;
}

std::string encoded(std::string_view bytes) {
  std::string out = "x";  // what is there stays
  append_base64(out, bytes);
  return out.substr(1);
}

// Bit by bit: nullopt unless it is whole quanta of the standard alphabet with '=' only at the end.
std::optional<std::string> dumb_decode(const std::string& text) {
  constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  if (text.size() % 4 != 0) return std::nullopt;
  const std::size_t symbols = std::min(text.find('='), text.size());
  if (text.size() - symbols > 2 || text.find_first_not_of('=', symbols) != std::string::npos) return std::nullopt;
  std::string bits;
  for (std::size_t i = 0; i < symbols; ++i) {
    const std::size_t value = alphabet.find(text[i]);
    if (value == std::string_view::npos) return std::nullopt;
    for (int b = 5; b >= 0; --b) bits += value >> b & 1 ? '1' : '0';
  }
  std::string bytes;
  for (std::size_t i = 0; i + 8 <= bits.size(); i += 8)
    bytes += static_cast<char>(std::stoi(bits.substr(i, 8), nullptr, 2));
  return bytes;
}

TEST(Base64, TheVectorsOfTheRfc) {
  const std::pair<std::string, std::string> vectors[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"}};
  for (const auto& [bytes, text] : vectors) {
    EXPECT_EQ(encoded(bytes), text);
    EXPECT_EQ(from_base64(text).bytes, bytes);
  }
}

TEST(Base64, BytesOfEveryLengthComeBack) {
  Rng rng(1);
  for (std::size_t size = 0; size < 600; ++size) {
    const std::string bytes = random_bytes(rng, size);
    const Base64Decoded decoded = from_base64(encoded(bytes));
    ASSERT_FALSE(decoded.corrupt_at.has_value());
    ASSERT_EQ(decoded.bytes, bytes);
    ASSERT_EQ(dumb_decode(encoded(bytes)), bytes);
  }
}

TEST(Base64, AllShortTextsOfAFewCharactersAreJudgedAsTheDumbDecoderDoes) {
  constexpr std::string_view characters = "AZ+/=-";
  std::vector<std::string> texts{""};
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const std::string text = texts[i];  // texts grows below
    const Base64Decoded decoded = from_base64(text);
    const auto wanted = dumb_decode(text);
    ASSERT_EQ(!decoded.corrupt_at.has_value(), wanted.has_value()) << text;
    ASSERT_EQ(wanted ? decoded.bytes : "", wanted.value_or("")) << text;
    ASSERT_LE(decoded.corrupt_at.value_or(0), text.size()) << text;
    if (text.size() < 6) {
      for (const char c : characters) texts.push_back(text + c);
    }
  }
  EXPECT_GT(texts.size(), 50'000U);
}

TEST(Base64, LineEndsAreSkippedWhereverTheyAre) {
  for (std::size_t at = 0; at <= 8; ++at) {
    std::string text = "Zm9vYg==";
    text.insert(at, "\r\n");
    EXPECT_EQ(from_base64(text).bytes, "foob") << at;
    EXPECT_FALSE(from_base64(text).corrupt_at.has_value()) << at;
  }
}

}  // namespace
}  // namespace faultline::raft::gateway
