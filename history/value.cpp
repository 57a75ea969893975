#include <faultline/assert.hpp>
#include <faultline/rng.hpp>
#include <faultline/text.hpp>
#include <faultline/value.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>
#include <limits>
#include <memory>
#include <new>
#include <span>

namespace faultline {

// What lies behind a Value of a heap kind, in one allocation: this head, then by kind
//   string, keyword   `size` bytes of text
//   list              `size` Values
//   map               `size` Entries, sorted
//   tagged            the Value under the tag, then `size` bytes of tag
struct alignas(Value) Value::Node {
  std::atomic<std::uint32_t> references{1};
  std::uint32_t size = 0;

  static Node* make(std::size_t size, std::size_t bytes) {
    FL_ASSERT(size <= std::numeric_limits<std::uint32_t>::max());
    Node* node = new (::operator new(sizeof(Node) + bytes)) Node;
    node->size = static_cast<std::uint32_t>(size);
    return node;
  }
  template <class T>
  T* payload() {
    return reinterpret_cast<T*>(this + 1);
  }
  std::string_view text() { return {payload<char>(), size}; }
  std::string_view tag() { return {payload<char>() + sizeof(Value), size}; }
  std::span<const Value> items() { return {payload<Value>(), size}; }
  std::span<const Entry> entries() { return {payload<Entry>(), size}; }
};

namespace {

const Value& null_value() {
  static const Value null;
  return null;
}

// Not std::hash, which differs between libraries: hashes of values end up in traces that must be the same everywhere.
std::uint64_t hash_text(std::string_view text) {
  std::uint64_t h = text.size();
  while (!text.empty()) {
    const std::size_t n = std::min<std::size_t>(8, text.size());
    std::uint64_t word = 0;
    for (std::size_t i = 0; i < n; ++i) word |= std::uint64_t{static_cast<unsigned char>(text[i])} << (8 * i);
    h = mix64(h * 0x9e3779b97f4a7c15ULL + word);
    text.remove_prefix(n);
  }
  return h;
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
  Node* node = bits_.node;
  if (node->references.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  if (kind_ == Kind::list) std::destroy_n(node->payload<Value>(), node->size);
  if (kind_ == Kind::map) std::destroy_n(node->payload<Entry>(), node->size);
  if (kind_ == Kind::tagged) std::destroy_at(node->payload<Value>());
  node->~Node();
  ::operator delete(node);
}

Value Value::string(std::string_view text) {
  Value v;
  v.bits_.node = Node::make(text.size(), text.size());
  if (!text.empty()) std::memcpy(v.bits_.node->payload<char>(), text.data(), text.size());
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
  v.bits_.node = Node::make(items.size(), items.size() * sizeof(Value));
  std::uninitialized_move(items.begin(), items.end(), v.bits_.node->payload<Value>());
  v.kind_ = Kind::list;
  return v;
}

Value Value::map(std::vector<Entry> entries) {
  const auto ascends = [](const Entry& a, const Entry& b) { return a.first < b.first; };
  const auto out_of_order = [&](const Entry& a, const Entry& b) { return !ascends(a, b); };
  if (std::adjacent_find(entries.begin(), entries.end(), out_of_order) != entries.end()) {
    std::stable_sort(entries.begin(), entries.end(), ascends);
    std::size_t kept = 0;
    for (std::size_t i = 0; i < entries.size(); ++i) {
      if (kept > 0 && entries[kept - 1].first == entries[i].first) --kept;
      if (kept != i) entries[kept] = std::move(entries[i]);
      ++kept;
    }
    entries.resize(kept);
  }
  Value v;
  v.bits_.node = Node::make(entries.size(), entries.size() * sizeof(Entry));
  std::uninitialized_move(entries.begin(), entries.end(), v.bits_.node->payload<Entry>());
  v.kind_ = Kind::map;
  return v;
}

Value Value::tagged(std::string_view tag, Value value) {
  Value v;
  v.bits_.node = Node::make(tag.size(), sizeof(Value) + tag.size());
  new (v.bits_.node->payload<Value>()) Value(std::move(value));
  if (!tag.empty()) std::memcpy(v.bits_.node->payload<char>() + sizeof(Value), tag.data(), tag.size());
  v.kind_ = Kind::tagged;
  return v;
}

bool Value::is_pair() const noexcept { return kind_ == Kind::list && bits_.node->size == 2; }

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
  return bits_.node->text();
}

std::span<const Value> Value::as_list() const {
  FL_ASSERT(is_list());
  return bits_.node->items();
}

std::span<const Value::Entry> Value::as_map() const {
  FL_ASSERT(is_map());
  return bits_.node->entries();
}

std::string_view Value::tag() const {
  FL_ASSERT(is_tagged());
  return bits_.node->tag();
}

const Value& Value::tagged_value() const {
  FL_ASSERT(is_tagged());
  return *bits_.node->payload<Value>();
}

const Value& Value::get(std::string_view key) const {
  if (!is_map()) return null_value();
  for (const Entry& entry : as_map()) {
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
  if (a.bits_.node == b.bits_.node) return std::strong_ordering::equal;
  switch (a.kind_) {
    case Value::Kind::list: {
      const auto x = a.as_list();
      const auto y = b.as_list();
      return std::lexicographical_compare_three_way(x.begin(), x.end(), y.begin(), y.end());
    }
    case Value::Kind::map: {
      const auto x = a.as_map();
      const auto y = b.as_map();
      return std::lexicographical_compare_three_way(x.begin(), x.end(), y.begin(), y.end(),
                                                    [](const Value::Entry& p, const Value::Entry& q) {
                                                      const auto order = p.first <=> q.first;
                                                      return order != 0 ? order : p.second <=> q.second;
                                                    });
    }
    case Value::Kind::tagged: {
      const auto order = a.tag() <=> b.tag();
      return order != 0 ? order : a.tagged_value() <=> b.tagged_value();
    }
    default: return a.as_text() <=> b.as_text();
  }
}

bool operator==(const Value& a, const Value& b) {
  if (a.kind_ != b.kind_) return false;
  if (a.kind_ == Value::Kind::integer) return a.bits_.integer == b.bits_.integer;
  if (a.kind_ < Value::Kind::string) return (a <=> b) == 0;
  // Unlike an order, equality is often known without a look at what differs.
  if (a.bits_.node == b.bits_.node) return true;
  switch (a.kind_) {
    case Value::Kind::list: return std::ranges::equal(a.as_list(), b.as_list());
    case Value::Kind::map: return std::ranges::equal(a.as_map(), b.as_map());
    case Value::Kind::tagged: return a.tag() == b.tag() && a.tagged_value() == b.tagged_value();
    default: return a.as_text() == b.as_text();
  }
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
  if (kind_ == Kind::list) {
    for (const Value& item : as_list()) add(item.hash());
  } else if (kind_ == Kind::map) {
    for (const Entry& entry : as_map()) {
      add(entry.first.hash());
      add(entry.second.hash());
    }
  } else if (kind_ == Kind::tagged) {
    add(hash_text(tag()));
    add(tagged_value().hash());
  } else {
    add(hash_text(as_text()));
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
    case Kind::string: return "\"" + escape_controls(as_text(), '"') + "\"";
    case Kind::keyword: return ":" + escape_controls(as_text());
    case Kind::list: {
      std::string text = "[";
      for (const Value& item : as_list()) text += (text.size() > 1 ? " " : "") + item.to_string();
      return text + "]";
    }
    case Kind::map: {
      std::string text = "{";
      for (const Entry& entry : as_map()) {
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
