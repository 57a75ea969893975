#include "jsonl_fast.hpp"

#include <bit>

#include "words.hpp"

namespace faultline {

namespace {

template <std::size_t N>
bool eat(const char*& at, const char (&word)[N]) {
  if (std::memcmp(at, word, N - 1) != 0) return false;
  at += N - 1;
  return true;
}

bool is_digit(char c) { return static_cast<unsigned char>(c - '0') < 10; }

// Eight bytes at a time: how many of them are digits, and their number. The method is that of Lemire, "Quickly parsing
// eight digits" (2018), shifted for fewer than eight.
struct Digits {
  std::size_t count = 0;
  std::uint64_t number = 0;
};
Digits up_to_eight_digits(const char* at) {
  std::uint64_t word = 0;
  std::memcpy(&word, at, 8);
  if constexpr (std::endian::native == std::endian::big) word = __builtin_bswap64(word);
  word ^= 0x3030303030303030ULL;
  const std::uint64_t other = ((word + 0x0606060606060606ULL) | word) & 0xf0f0f0f0f0f0f0f0ULL;
  const std::size_t count = other == 0 ? 8 : static_cast<std::size_t>(std::countr_zero(other)) / 8;
  if (count == 0) return {};
  word <<= 8 * (8 - count);
  word = word * 10 + (word >> 8);
  word = ((word & 0x000000ff000000ffULL) * 0x000f424000000064ULL +
          (word >> 16 & 0x000000ff000000ffULL) * 0x0000271000000001ULL) >>
         32;
  return {count, word};
}

// An integer without sign and leading zeros, below 10^18. nullptr otherwise; does not look at what follows.
const char* natural(const char* at, std::int64_t& out) {
  constexpr std::array<std::uint64_t, 9> power{1, 10, 100, 1000, 10'000, 100'000, 1'000'000, 10'000'000, 100'000'000};
  Digits part = up_to_eight_digits(at);
  if (part.count == 0 || (*at == '0' && part.count > 1)) return nullptr;
  std::uint64_t number = part.number;
  at += part.count;
  if (part.count == 8) {
    part = up_to_eight_digits(at);
    number = number * power[part.count] + part.number;
    at += part.count;
    for (int more = 0; part.count == 8 && is_digit(*at); ++more, ++at) {
      if (more == 2) return nullptr;
      number = number * 10 + static_cast<std::uint64_t>(*at - '0');
    }
  }
  out = static_cast<std::int64_t>(number);
  return at;
}

const char* integer(const char* at, std::int64_t& out) {
  if (*at != '-') return natural(at, out);
  const char* past = natural(at + 1, out);
  out = -out;
  return past;
}

// Past the closing quote of text without escapes, control characters and bytes beyond ASCII. nullptr otherwise.
const char* plain_text(const char* at) {
  if (*at != '"') return nullptr;
  for (++at; *at != '"'; ++at) {
    const auto c = static_cast<unsigned char>(*at);
    if (c < 0x20 || c >= 0x7f || c == '\\') return nullptr;
  }
  return at + 1;
}

// Past "[1,-2,3]", filling `items`. nullptr otherwise.
const char* flat_list(const char* at, std::vector<Value>& items) {
  if (*at != '[') return nullptr;
  do {
    std::int64_t number = 0;
    at = integer(at + 1, number);
    if (at == nullptr) return nullptr;
    items.emplace_back(number);
  } while (*at == ',');
  return *at == ']' ? at + 1 : nullptr;
}

std::string_view between(const char* at, const char* past) { return {at, static_cast<std::size_t>(past - at)}; }

}  // namespace

FastJsonl::Taken FastJsonl::take(std::string_view window, std::uint64_t first_line) {
  const char* const start = window.data();
  const char* const end = start + window.size();
  const char* at = start;
  std::uint64_t number = first_line;
  if (recorder_.takes_rows() && first_line + window.size() < UINT32_MAX) {
    while (at < end) {
      const char* past = line(at, end, static_cast<std::uint32_t>(number));
      if (past == nullptr) break;
      at = past;
      ++number;
    }
  }
  return {static_cast<std::size_t>(at - start), number - first_line};
}

// A newline is only ever found within the window, since zeros follow it; so is everything before it.
const char* FastJsonl::line(const char* at, const char* end, std::uint32_t number) {
  Parsed parsed;
  parsed.row.line = number;
  at = head(at, parsed);
  if (at == nullptr || (at = value(at, parsed.row.value)) == nullptr) return nullptr;
  if (*at == ',') {
    at = extras(at, end, parsed);
  } else {
    at = *at == '}' && at[1] == '\n' ? at + 2 : nullptr;
  }
  return at != nullptr && intern(parsed) && recorder_.add_row(parsed.row, parsed.index) ? at : nullptr;
}

const char* FastJsonl::head(const char* at, Parsed& parsed) {
  std::int64_t time = -1;
  if (!eat(at, "{\"index\":") || (at = natural(at, parsed.index)) == nullptr || *at != ',') return nullptr;
  if (eat(at, ",\"time\":")) {
    if ((at = natural(at, time)) == nullptr) return nullptr;
    parsed.row.time = Instant(Duration(time));
  }
  if (!eat(at, ",\"type\":\"")) return nullptr;
  if (eat(at, "invoke\"")) {
    parsed.row.type = EventType::invoke;
  } else if (eat(at, "ok\"")) {
    parsed.row.type = EventType::ok;
  } else if (eat(at, "fail\"")) {
    parsed.row.type = EventType::fail;
  } else if (eat(at, "info\"")) {
    parsed.row.type = EventType::info;
  } else {
    return nullptr;
  }
  if (!eat(at, ",\"process\":") || (at = natural(at, parsed.row.process)) == nullptr) return nullptr;
  if (!eat(at, ",\"f\":") || (at = function(at, parsed)) == nullptr) return nullptr;
  if (eat(at, ",\"key\":") && (at = key(at, parsed)) == nullptr) return nullptr;
  return eat(at, ",\"value\":") ? at : nullptr;
}

const char* FastJsonl::function(const char* at, Parsed& parsed) const {
  const char* past = plain_text(at);
  if (past == nullptr) return nullptr;
  const std::string_view text = between(at, past);
  if (const FunctionId* known = functions_.find(text)) {
    parsed.row.function = *known;
  } else {
    parsed.new_function = text;
  }
  return past;
}

const char* FastJsonl::key(const char* at, Parsed& parsed) const {
  std::int64_t number = 0;
  const char* past = *at == '"' ? plain_text(at) : integer(at, number);
  if (past == nullptr) return nullptr;
  const std::string_view text = between(at, past);
  if (const std::uint32_t* known = keys_.find(text)) {
    parsed.row.key_id = *known;
  } else {
    parsed.new_key = text;
  }
  return past;
}

// Only once the whole line is known to be good, so that nothing of a torn line gets into the history.
bool FastJsonl::intern(Parsed& parsed) {
  History& history = recorder_.history();
  if (const std::string_view text = parsed.new_function; !text.empty()) {
    const auto id = history.intern_function(text.substr(1, text.size() - 2));
    if (!id) return false;
    functions_.insert(text, *id);
    parsed.row.function = *id;
  }
  if (const std::string_view text = parsed.new_key; !text.empty()) {
    std::int64_t number = 0;
    const bool quoted = text.front() == '"';
    if (!quoted) integer(text.data(), number);
    parsed.row.key_id = history.intern_key(quoted ? Value::string(text.substr(1, text.size() - 2)) : Value(number));
    keys_.insert(text, parsed.row.key_id);
  }
  if (!parsed.new_extras.empty()) {
    parsed.row.extra_id = history.intern_extra(parsed.extra);
    extras_.insert(parsed.new_extras, parsed.row.extra_id);
  }
  return true;
}

const char* FastJsonl::value(const char* at, Value& value) {
  if (is_digit(*at) || *at == '-') {
    std::int64_t number = 0;
    const char* past = integer(at, number);
    if (past == nullptr) return nullptr;
    value = Value(number);
    return past;
  }
  if (eat(at, "null")) return at;
  if (*at == '"') {
    const char* past = plain_text(at);
    if (past == nullptr || remembered(at, past, value) != nullptr) return past;
    const std::string_view text = between(at, past);
    value = Value::string(text.substr(1, text.size() - 2));
    values_.insert(text, value);
    return past;
  }
  if (*at == '[') {
    const char* past = at + 1;
    while (is_digit(*past) || *past == ',' || *past == '-') ++past;
    if (*past == ']' && remembered(at, past + 1, value) != nullptr) return past + 1;
    std::vector<Value> items;
    past = flat_list(at, items);
    if (past == nullptr) return nullptr;
    value = Value::list(std::move(items));
    values_.insert(between(at, past), value);
    return past;
  }
  if (eat(at, "true")) {
    value = Value(true);
    return at;
  }
  if (eat(at, "false")) {
    value = Value(false);
    return at;
  }
  return nullptr;
}

const char* FastJsonl::remembered(const char* at, const char* past, Value& value) {
  const Value* known = values_.find(between(at, past));
  if (known == nullptr) return nullptr;
  value = *known;
  return past;
}

const char* FastJsonl::extras(const char* at, const char* end, Parsed& parsed) {
  const auto* newline = static_cast<const char*>(std::memchr(at, '\n', static_cast<std::size_t>(end - at)));
  if (newline == nullptr) return nullptr;
  const std::string_view text = between(at, newline);
  if (const std::uint32_t* known = extras_.find(text)) {
    parsed.row.extra_id = *known;
    return newline + 1;
  }
  std::vector<Value::Entry> entries;
  while (*at == ',') {
    Value::Entry& entry = entries.emplace_back();
    at = extra_name(at + 1, entry.first);
    if (at == nullptr || *at != ':' || (at = value(at + 1, entry.second)) == nullptr) return nullptr;
  }
  if (*at != '}' || at + 1 != newline) return nullptr;
  const std::size_t written = entries.size();
  parsed.extra = Value::map(std::move(entries));
  if (parsed.extra.as_map().size() != written) return nullptr;
  parsed.new_extras = text;
  return newline + 1;
}

const char* FastJsonl::extra_name(const char* at, Value& name) {
  const char* past = plain_text(at);
  if (past == nullptr) return nullptr;
  const std::string_view text = between(at, past);
  if (const Value* known = names_.find(text)) {
    name = *known;
    return past;
  }
  const std::string_view bare = text.substr(1, text.size() - 2);
  if (is_field_name(bare)) return nullptr;
  name = Value::string(bare);
  names_.insert(text, name);
  return past;
}

}  // namespace faultline
