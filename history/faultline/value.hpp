// Value: what an operation carries: immutable, 16 bytes, cheap to copy, safe to share between threads.
//
// Kinds and equality are those of the history formats: values compare structurally and typed, so 1 != 1.0 and :a !=
// "a". A map is kept sorted by key and has each key once; a list keeps its order. `tagged` carries everything the
// formats know beyond that, unchanged: tag and value, e.g. {"bigint","123456789012345678901"}, {"set",[...]},
// {"symbol","foo"}, {"char","a"}, {"ratio","1/3"}, {"decimal","1.5"}, {"inst","..."}; the elements of a set are sorted.
// Reals compare by bits, so a Value can be a key; 0.0 and -0.0 differ, and there is one NaN, which equals itself.
// Numbers, null and booleans live inside the Value; the rest is a shared, reference-counted, immutable node.
// Comparing, hashing and destroying recurse: readers limit nesting to 512, and so should whoever builds values by hand.
#pragma once

#include <compare>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace faultline {

class Value {
 public:
  enum class Kind : std::uint8_t { null, boolean, integer, real, string, keyword, list, map, tagged };
  using Entry = std::pair<Value, Value>;

  Value() noexcept = default;
  Value(std::nullptr_t) noexcept {}                                             // NOLINT: implicit
  Value(bool b) noexcept : kind_(Kind::boolean) { bits_.boolean = b; }          // NOLINT: implicit
  Value(int i) noexcept : Value(static_cast<std::int64_t>(i)) {}                // NOLINT: implicit
  Value(std::int64_t i) noexcept : kind_(Kind::integer) { bits_.integer = i; }  // NOLINT: implicit
  Value(double d) noexcept : kind_(Kind::real) {                                // NOLINT: implicit
    bits_.real = d == d ? d : std::numeric_limits<double>::quiet_NaN();
  }
  Value(const char* s) : Value(string(s)) {}         // NOLINT: implicit
  Value(const std::string& s) : Value(string(s)) {}  // NOLINT: implicit
  Value(std::string_view s) : Value(string(s)) {}    // NOLINT: implicit

  static Value string(std::string_view text);
  static Value keyword(std::string_view name);  // without the colon; a namespace stays: "ns/name"
  static Value list(std::vector<Value> items);
  static Value list(std::initializer_list<Value> items) { return list(std::vector<Value>(items)); }
  // Sorts; of equal keys the last one wins.
  static Value map(std::vector<Entry> entries);
  static Value tagged(std::string_view tag, Value value);

  Value(const Value& other) noexcept : kind_(other.kind_), bits_(other.bits_) { retain(); }
  Value(Value&& other) noexcept : kind_(other.kind_), bits_(other.bits_) { other.kind_ = Kind::null; }
  Value& operator=(const Value& other) noexcept {
    Value copy(other);
    swap(copy);
    return *this;
  }
  Value& operator=(Value&& other) noexcept {
    swap(other);
    return *this;
  }
  ~Value() {
    if (kind_ >= Kind::string) release();
  }
  void swap(Value& other) noexcept {
    std::swap(kind_, other.kind_);
    std::swap(bits_, other.bits_);
  }

  [[nodiscard]] Kind kind() const noexcept { return kind_; }
  [[nodiscard]] bool is_null() const noexcept { return kind_ == Kind::null; }
  [[nodiscard]] bool is_boolean() const noexcept { return kind_ == Kind::boolean; }
  [[nodiscard]] bool is_integer() const noexcept { return kind_ == Kind::integer; }
  [[nodiscard]] bool is_real() const noexcept { return kind_ == Kind::real; }
  [[nodiscard]] bool is_string() const noexcept { return kind_ == Kind::string; }
  [[nodiscard]] bool is_keyword() const noexcept { return kind_ == Kind::keyword; }
  [[nodiscard]] bool is_list() const noexcept { return kind_ == Kind::list; }
  [[nodiscard]] bool is_map() const noexcept { return kind_ == Kind::map; }
  [[nodiscard]] bool is_tagged() const noexcept { return kind_ == Kind::tagged; }
  // A list of exactly two values: a cas argument, or [key value].
  [[nodiscard]] bool is_pair() const noexcept;

  // Each REQUIRES the matching kind.
  [[nodiscard]] bool as_boolean() const;
  [[nodiscard]] std::int64_t as_integer() const;
  [[nodiscard]] double as_real() const;
  [[nodiscard]] std::string_view as_text() const;  // string or keyword
  [[nodiscard]] std::span<const Value> as_list() const;
  [[nodiscard]] std::span<const Entry> as_map() const;
  [[nodiscard]] std::string_view tag() const;
  [[nodiscard]] const Value& tagged_value() const;

  // The value under a string key of a map; null if this is no map or has no such key.
  [[nodiscard]] const Value& get(std::string_view key) const;

  // A total order over all values: by kind, then by content. It decides output order, nothing else.
  friend std::strong_ordering operator<=>(const Value& a, const Value& b);
  friend bool operator==(const Value& a, const Value& b);
  // Equal values have equal hashes; the same on every platform.
  [[nodiscard]] std::uint64_t hash() const;

  // For people: nil, true, 7, 1.5, "text", :keyword, [1 2], {"a" 1}, #tag value. Strings are quoted and escaped.
  [[nodiscard]] std::string to_string() const;

 private:
  struct Node;
  union Bits {
    bool boolean;
    std::int64_t integer;
    double real;
    Node* node;
  };

  void retain() const noexcept;
  void release() noexcept;

  Kind kind_ = Kind::null;
  Bits bits_{.integer = 0};
};

static_assert(sizeof(Value) == 16);

}  // namespace faultline

template <>
struct std::hash<faultline::Value> {
  std::size_t operator()(const faultline::Value& value) const { return value.hash(); }
};
