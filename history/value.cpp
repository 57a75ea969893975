#include <faultline/assert.hpp>
#include <faultline/rng.hpp>
#include <faultline/text.hpp>
#include <faultline/value.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <bit>

namespace faultline {

// One layout for all heap kinds: text for string, keyword and tag; items for lists and the value under a tag; entries
// for maps.
struct Value::Node {
  std::atomic<std::uint32_t> references{1};
  std::string text;
  std::vector<Value> items;
  std::vector<Entry> entries;
};

namespace {

const Value& null_value() {
  static const Value null;
  return null;
}

std::strong_ordering compare_reals(double a, double b) {
  // Total order by bits, with the usual order on ordinary numbers: flip negatives so that bits sort as numbers do.
  const auto key = [](double d) {
    const auto bits = std::bit_cast<std::uint64_t>(d);
    return bits >> 63 != 0 ? ~bits : bits | (1ULL << 63);
  };
  return key(a) <=> key(b);
}

}  // namespace

void Value::retain() const noexcept {
  if (kind_ >= Kind::string) bits_.node->references.fetch_add(1, std::memory_order_relaxed);
}

void Value::release() noexcept {
  if (bits_.node->references.fetch_sub(1, std::memory_order_acq_rel) == 1) delete bits_.node;
}

Value Value::string(std::string_view text) {
  Value v;
  v.bits_.node = new Node{.text = std::string(text)};
  v.kind_ = Kind::string;
  return v;
}

Value Value::keyword(std::string_view name) {
  Value v = string(name);
  v.kind_ = Kind::keyword;
  return v;
}

Value Value::list(std::vector<Value> items) {
  Value v;
  v.bits_.node = new Node{.items = std::move(items)};
  v.kind_ = Kind::list;
  return v;
}

Value Value::map(std::vector<Entry> entries) {
  std::stable_sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.first < b.first; });
  std::vector<Entry> unique;
  unique.reserve(entries.size());
  for (Entry& entry : entries) {
    if (!unique.empty() && unique.back().first == entry.first) {
      unique.back().second = std::move(entry.second);
    } else {
      unique.push_back(std::move(entry));
    }
  }
  Value v;
  v.bits_.node = new Node{.entries = std::move(unique)};
  v.kind_ = Kind::map;
  return v;
}

Value Value::tagged(std::string_view tag, Value value) {
  Value v;
  std::vector<Value> items;
  items.push_back(std::move(value));
  v.bits_.node = new Node{.text = std::string(tag), .items = std::move(items)};
  v.kind_ = Kind::tagged;
  return v;
}

bool Value::is_pair() const noexcept { return kind_ == Kind::list && bits_.node->items.size() == 2; }

bool Value::as_boolean() const {
  FL_ASSERT(is_boolean());
  return bits_.boolean;
}

std::int64_t Value::as_integer() const {
  FL_ASSERT(is_integer());
  return bits_.integer;
}

double Value::as_real() const {
  FL_ASSERT(is_real());
  return bits_.real;
}

std::string_view Value::as_text() const {
  FL_ASSERT(is_string() || is_keyword());
  return bits_.node->text;
}

std::span<const Value> Value::as_list() const {
  FL_ASSERT(is_list());
  return bits_.node->items;
}

std::span<const Value::Entry> Value::as_map() const {
  FL_ASSERT(is_map());
  return bits_.node->entries;
}

std::string_view Value::tag() const {
  FL_ASSERT(is_tagged());
  return bits_.node->text;
}

const Value& Value::tagged_value() const {
  FL_ASSERT(is_tagged());
  return bits_.node->items.front();
}

const Value& Value::get(std::string_view key) const {
  if (!is_map()) return null_value();
  const auto& entries = bits_.node->entries;
  for (const Entry& entry : entries) {
    if (entry.first.is_string() && entry.first.as_text() == key) return entry.second;
  }
  return null_value();
}

std::strong_ordering operator<=>(const Value& a, const Value& b) {
  if (a.kind_ != b.kind_) return a.kind_ <=> b.kind_;
  switch (a.kind_) {
    case Value::Kind::null: return std::strong_ordering::equal;
    case Value::Kind::boolean: return a.bits_.boolean <=> b.bits_.boolean;
    case Value::Kind::integer: return a.bits_.integer <=> b.bits_.integer;
    case Value::Kind::real: return compare_reals(a.bits_.real, b.bits_.real);
    default: break;
  }
  const Value::Node& x = *a.bits_.node;
  const Value::Node& y = *b.bits_.node;
  if (&x == &y) return std::strong_ordering::equal;
  if (const int order = x.text.compare(y.text); order != 0) return order <=> 0;
  if (const auto order =
          std::lexicographical_compare_three_way(x.items.begin(), x.items.end(), y.items.begin(), y.items.end());
      order != 0) {
    return order;
  }
  return std::lexicographical_compare_three_way(x.entries.begin(), x.entries.end(), y.entries.begin(), y.entries.end(),
                                                [](const Value::Entry& p, const Value::Entry& q) {
                                                  const auto order = p.first <=> q.first;
                                                  return order != 0 ? order : p.second <=> q.second;
                                                });
}

bool operator==(const Value& a, const Value& b) {
  if (a.kind_ != b.kind_) return false;
  if (a.kind_ == Value::Kind::integer) return a.bits_.integer == b.bits_.integer;
  return (a <=> b) == 0;
}

std::uint64_t Value::hash() const {
  std::uint64_t h = mix64(static_cast<std::uint64_t>(kind_) + 0x51ed270b9f4a7c15ULL);
  const auto add = [&h](std::uint64_t x) { h = mix64(h * 0x9e3779b97f4a7c15ULL + x); };
  switch (kind_) {
    case Kind::null: return h;
    case Kind::boolean: add(bits_.boolean ? 1 : 0); return h;
    case Kind::integer: add(static_cast<std::uint64_t>(bits_.integer)); return h;
    case Kind::real: add(std::bit_cast<std::uint64_t>(bits_.real)); return h;
    default: break;
  }
  add(std::hash<std::string>{}(bits_.node->text));
  for (const Value& item : bits_.node->items) add(item.hash());
  for (const Entry& entry : bits_.node->entries) {
    add(entry.first.hash());
    add(entry.second.hash());
  }
  return h;
}

namespace {

std::string real_text(double d) {
  if (d != d) return "##NaN";
  if (d > 1.7976931348623157e308) return "##Inf";
  if (d < -1.7976931348623157e308) return "##-Inf";
  std::string text = fmt::format("{}", d);
  if (text.find_first_of(".en") == std::string::npos) text += ".0";
  return text;
}

}  // namespace

std::string Value::to_string() const {
  switch (kind_) {
    case Kind::null: return "nil";
    case Kind::boolean: return bits_.boolean ? "true" : "false";
    case Kind::integer: return fmt::format("{}", bits_.integer);
    case Kind::real: return real_text(bits_.real);
    case Kind::string: return "\"" + escape_controls(bits_.node->text, '"') + "\"";
    case Kind::keyword: return ":" + escape_controls(bits_.node->text);
    case Kind::list: {
      std::string text = "[";
      for (const Value& item : bits_.node->items) text += (text.size() > 1 ? " " : "") + item.to_string();
      return text + "]";
    }
    case Kind::map: {
      std::string text = "{";
      for (const Entry& entry : bits_.node->entries) {
        text += (text.size() > 1 ? ", " : "") + entry.first.to_string() + " " + entry.second.to_string();
      }
      return text + "}";
    }
    case Kind::tagged: {
      const Value& inner = tagged_value();
      const bool bare =
          inner.is_string() && (tag() == "bigint" || tag() == "ratio" || tag() == "decimal" || tag() == "symbol");
      return bare ? escape_controls(inner.as_text()) : "#" + escape_controls(tag()) + " " + inner.to_string();
    }
  }
  FL_ASSERT(false && "unknown kind");
}

}  // namespace faultline
