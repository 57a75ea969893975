// States of the larger models: persistent, so that the many states of one search share almost everything.
//
// Every change returns a new state and leaves the old one as it was; it costs O(log n) (Bag, Ranking) or O(1) amortised
// (Line, Text, Pile), in time and in memory. Each keeps a hash of its content that is updated along, so equal states hash alike
// however they came about; equality is exact and stops at structure the two states share. Copies may be read by many
// threads.
//
// Bag and Ranking are treaps whose priorities are hashes of the values (Seidel, Aragon: "Randomized Search Trees", 1996):
// their shape depends on their content alone, so equality is structural. Line is a queue of two lists (Okasaki: "Purely
// Functional Data Structures", 1998, section 5.2). Text is a chain of the pieces that were appended, Pile one of values.
#pragma once

#include <compare>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <faultline/value.hpp>

namespace faultline {

// Which of two values a priority queue prefers: numbers by their size, whether integers or reals; lists element by
// element; all else as Value orders it. Total: 1 comes before 1.0, and NaN after all numbers.
std::strong_ordering by_priority(const Value& a, const Value& b);

// How a Treap is sorted inside: by hash, because that is quick to compare, or by priority, to find the greatest.
struct SortedByHash {};
struct SortedByPriority {};

// A multiset of values.
template <class Sorted>
class Treap {
 public:
  Treap() = default;
  [[nodiscard]] std::size_t size() const;  // with repetitions
  [[nodiscard]] std::size_t count(const Value& value) const;
  [[nodiscard]] Treap with(const Value& value) const;
  // REQUIRES: count(value) > 0.
  [[nodiscard]] Treap without(const Value& value) const;
  // REQUIRES: size() > 0.
  [[nodiscard]] const Value& greatest() const requires std::same_as<Sorted, SortedByPriority>;
  [[nodiscard]] std::uint64_t hash() const;
  [[nodiscard]] std::vector<Value> sorted() const;  // by Value's order, or by priority
  [[nodiscard]] std::size_t weight() const;         // bytes a change adds
  friend bool operator==(const Treap& a, const Treap& b) { return equal(a.root_.get(), b.root_.get()); }

 private:
  struct Node;
  using Tree = std::shared_ptr<const Node>;
  struct Halves;
  explicit Treap(Tree root) : root_(std::move(root)) {}

  static Tree make(const Node& model, Tree left, Tree right);
  static Tree insert(const Tree& tree, const Node& fresh);
  static Tree erase(const Tree& tree, const Node& key);
  static Halves split(const Tree& tree, const Node& key);
  static Tree merge(const Tree& left, const Tree& right);
  static bool equal(const Node* a, const Node* b);

  Tree root_;
};

using Bag = Treap<SortedByHash>;
using Ranking = Treap<SortedByPriority>;

extern template class Treap<SortedByHash>;
extern template class Treap<SortedByPriority>;

// A first-in first-out sequence of values.
class Line {
 public:
  [[nodiscard]] std::size_t size() const { return size_; }
  // REQUIRES: size() > 0.
  [[nodiscard]] const Value& front() const;
  [[nodiscard]] Line pushed(const Value& value) const;
  // REQUIRES: size() > 0.
  [[nodiscard]] Line popped() const;
  [[nodiscard]] std::uint64_t hash() const;
  [[nodiscard]] std::vector<Value> items() const;                       // front first
  void for_each(const std::function<void(const Value&)>& visit) const;  // front first
  [[nodiscard]] std::size_t weight() const;                             // bytes a change adds
  // False only if no pushing can make it `goal`; looks at the last values only, so true proves nothing.
  [[nodiscard]] bool may_begin(std::span<const Value> goal) const;
  friend bool operator==(const Line& a, const Line& b);
  friend bool operator==(const Line& a, std::span<const Value> b);

 private:
  struct Link;
  using List = std::shared_ptr<const Link>;

  List front_;  // front first; empty only if the whole line is
  List back_;   // last first
  std::size_t size_ = 0;
  std::uint64_t hash_ = 0;   // sum of h(item i) * base^(size - 1 - i), modulo 2^64
  std::uint64_t power_ = 1;  // base^size
};

// A string that grows by appending.
class Text {
 public:
  Text() = default;
  explicit Text(std::string_view content) : Text(Text().appended(Value::string(content))) {}

  [[nodiscard]] std::size_t size() const;
  // REQUIRES: piece is a string.
  [[nodiscard]] Text appended(const Value& piece) const;
  [[nodiscard]] std::uint64_t hash() const;
  [[nodiscard]] std::string to_string() const;
  [[nodiscard]] std::size_t weight() const;  // bytes a change adds
  // False only if no appending can make it `goal`; looks at the last bytes only, so true proves nothing.
  [[nodiscard]] bool may_begin(std::string_view goal) const;
  friend bool operator==(const Text& a, const Text& b);
  friend bool operator==(const Text& a, std::string_view b);

 private:
  struct Piece;
  std::shared_ptr<const Piece> last_;
};

// A last-in first-out sequence of values.
class Pile {
 public:
  [[nodiscard]] std::size_t size() const;
  // REQUIRES: size() > 0.
  [[nodiscard]] const Value& top() const;
  [[nodiscard]] Pile pushed(const Value& value) const;
  // REQUIRES: size() > 0.
  [[nodiscard]] Pile popped() const;
  [[nodiscard]] std::uint64_t hash() const;
  [[nodiscard]] std::vector<Value> items() const;                       // top first
  void for_each(const std::function<void(const Value&)>& visit) const;  // top first
  [[nodiscard]] std::size_t weight() const;                             // bytes a change adds
  friend bool operator==(const Pile& a, const Pile& b);

 private:
  struct Link;
  std::shared_ptr<const Link> top_;
};

}  // namespace faultline
