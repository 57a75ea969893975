#include <faultline/assert.hpp>
#include <faultline/rng.hpp>
#include <faultline/states.hpp>

#include <algorithm>
#include <bit>
#include <utility>

namespace faultline {

// --- Bag and Ranking ---------------------------------------------------------------------------------------

namespace {

std::strong_ordering compare(std::int64_t integer, double real) {
  constexpr double limit = 0x1p63;
  if (real != real || real >= limit) return std::strong_ordering::less;
  if (real < -limit) return std::strong_ordering::greater;
  const auto whole = static_cast<std::int64_t>(real);
  if (integer != whole) return integer <=> whole;
  const double rest = real - static_cast<double>(whole);
  return rest < 0 ? std::strong_ordering::greater : std::strong_ordering::less;
}

}  // namespace

std::strong_ordering by_priority(const Value& a, const Value& b) {
  if (a.is_integer() && b.is_real()) return compare(a.as_integer(), b.as_real());
  if (a.is_real() && b.is_integer()) return 0 <=> compare(b.as_integer(), a.as_real());
  if (!a.is_list() || !b.is_list()) return a <=> b;
  const auto x = a.as_list(), y = b.as_list();
  return std::lexicographical_compare_three_way(x.begin(), x.end(), y.begin(), y.end(), by_priority);
}

template <class Sorted>
struct Treap<Sorted>::Node {
  Value value;
  std::uint64_t hash = 0;  // of the value
  std::size_t count = 1;
  std::size_t size = 1;   // of the whole tree, with repetitions
  std::uint64_t sum = 0;  // of the whole tree: the hash of the content
  Tree left, right;

  // The search order.
  [[nodiscard]] std::strong_ordering order(const Node& other) const {
    if constexpr (std::same_as<Sorted, SortedByPriority>) return by_priority(value, other.value);
    const auto by_hash = hash <=> other.hash;
    return by_hash != 0 ? by_hash : value <=> other.value;
  }
  // The heap order: total, so that content alone decides the shape.
  [[nodiscard]] bool above(const Node& other) const {
    const std::uint64_t mine = mix64(hash ^ 0x5851f42d4c957f2dULL);
    const std::uint64_t its = mix64(other.hash ^ 0x5851f42d4c957f2dULL);
    return mine != its ? mine > its : order(other) < 0;
  }
};

template <class Sorted>
struct Treap<Sorted>::Halves {
  Tree left, right;
};

template <class Sorted>
auto Treap<Sorted>::make(const Node& model, Tree left, Tree right) -> Tree {
  Node node{.value = model.value, .hash = model.hash, .count = model.count};
  node.size = node.count + (left ? left->size : 0) + (right ? right->size : 0);
  node.sum = mix64(node.hash + 0x9e3779b97f4a7c15ULL) * node.count + (left ? left->sum : 0) + (right ? right->sum : 0);
  node.left = std::move(left);
  node.right = std::move(right);
  return std::make_shared<const Node>(std::move(node));
}

template <class Sorted>
auto Treap<Sorted>::split(const Tree& tree, const Node& key) -> Halves {
  if (!tree) return {};
  if (tree->order(key) < 0) {
    Halves halves = split(tree->right, key);
    return {make(*tree, tree->left, std::move(halves.left)), std::move(halves.right)};
  }
  Halves halves = split(tree->left, key);
  return {std::move(halves.left), make(*tree, std::move(halves.right), tree->right)};
}

template <class Sorted>
auto Treap<Sorted>::merge(const Tree& left, const Tree& right) -> Tree {
  if (!left) return right;
  if (!right) return left;
  if (left->above(*right)) return make(*left, left->left, merge(left->right, right));
  return make(*right, merge(left, right->left), right->right);
}

// A value that is there already is met before any node it would belong above, since the heap order is total.
template <class Sorted>
auto Treap<Sorted>::insert(const Tree& tree, const Node& fresh) -> Tree {
  if (!tree) return make(fresh, nullptr, nullptr);
  const auto order = fresh.order(*tree);
  if (order == 0) {
    Node more{.value = tree->value, .hash = tree->hash, .count = tree->count + 1};
    return make(more, tree->left, tree->right);
  }
  if (fresh.above(*tree)) {
    Halves halves = split(tree, fresh);
    return make(fresh, std::move(halves.left), std::move(halves.right));
  }
  if (order < 0) return make(*tree, insert(tree->left, fresh), tree->right);
  return make(*tree, tree->left, insert(tree->right, fresh));
}

template <class Sorted>
auto Treap<Sorted>::erase(const Tree& tree, const Node& key) -> Tree {
  FL_ASSERT(tree != nullptr);
  const auto order = key.order(*tree);
  if (order < 0) return make(*tree, erase(tree->left, key), tree->right);
  if (order > 0) return make(*tree, tree->left, erase(tree->right, key));
  if (tree->count == 1) return merge(tree->left, tree->right);
  Node less{.value = tree->value, .hash = tree->hash, .count = tree->count - 1};
  return make(less, tree->left, tree->right);
}

template <class Sorted>
bool Treap<Sorted>::equal(const Node* a, const Node* b) {
  if (a == b) return true;
  if (a == nullptr || b == nullptr) return false;
  return a->size == b->size && a->sum == b->sum && a->count == b->count && a->value == b->value &&
         equal(a->left.get(), b->left.get()) && equal(a->right.get(), b->right.get());
}

template <class Sorted>
std::size_t Treap<Sorted>::size() const {
  return root_ ? root_->size : 0;
}

template <class Sorted>
std::size_t Treap<Sorted>::count(const Value& value) const {
  const Node key{.value = value, .hash = value.hash()};
  const Node* node = root_.get();
  while (node != nullptr) {
    const auto order = key.order(*node);
    if (order == 0) return node->count;
    node = order < 0 ? node->left.get() : node->right.get();
  }
  return 0;
}

template <class Sorted>
auto Treap<Sorted>::with(const Value& value) const -> Treap {
  return Treap(insert(root_, Node{.value = value, .hash = value.hash()}));
}

template <class Sorted>
auto Treap<Sorted>::without(const Value& value) const -> Treap {
  return Treap(erase(root_, Node{.value = value, .hash = value.hash()}));
}

template <class Sorted>
std::uint64_t Treap<Sorted>::hash() const {
  return root_ ? mix64(root_->sum + root_->size) : 0;
}

// A change copies the path from the root, on average 1.4 log2(n) nodes; counts are kept beside each value and the
// allocator.
template <class Sorted>
std::size_t Treap<Sorted>::weight() const {
  constexpr std::size_t node = sizeof(Node) + 32;
  return node * (2 + static_cast<std::size_t>(std::bit_width(size())) * 3 / 2);
}

template <class Sorted>
std::vector<Value> Treap<Sorted>::sorted() const {
  std::vector<Value> values;
  values.reserve(size());
  std::vector<const Node*> open;
  for (const Node* node = root_.get(); node != nullptr || !open.empty();) {
    if (node == nullptr) {
      node = open.back();
      open.pop_back();
      values.insert(values.end(), node->count, node->value);
      node = node->right.get();
    } else {
      open.push_back(node);
      node = node->left.get();
    }
  }
  if constexpr (std::same_as<Sorted, SortedByHash>) std::sort(values.begin(), values.end());
  return values;
}

template <class Sorted>
const Value& Treap<Sorted>::greatest() const requires std::same_as<Sorted, SortedByPriority> {
  FL_ASSERT(root_ != nullptr);
  const Node* node = root_.get();
  while (node->right) node = node->right.get();
  return node->value;
}

template class Treap<SortedByHash>;
template class Treap<SortedByPriority>;

// --- Line --------------------------------------------------------------------------------------------------

namespace {

constexpr std::uint64_t base = 0x9e3779b97f4a7c15ULL;  // odd, so it has an inverse modulo 2^64

// Newton's iteration doubles the number of right bits.
constexpr std::uint64_t inverse(std::uint64_t odd) {
  std::uint64_t x = odd;
  for (int i = 0; i < 6; ++i) x *= 2 - odd * x;
  return x;
}
static_assert(base * inverse(base) == 1);

// Lets go of a chain link by link: the recursion of the default destructor would be as deep as the chain is long.
template <class Shared, class Next>
void release_chain(Shared link, Next next) {
  while (link && link.use_count() == 1) {
    Shared rest = std::move(next(*link));
    link = std::move(rest);
  }
}

}  // namespace

struct Line::Link {
  Value value;
  mutable List next;

  Link(Value v, List n) : value(std::move(v)), next(std::move(n)) {}
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;
  ~Link() {
    release_chain(std::move(next), [](const Link& link) -> List& { return link.next; });
  }
};

const Value& Line::front() const {
  FL_ASSERT(size_ > 0);
  return front_->value;
}

Line Line::pushed(const Value& value) const {
  Line line = *this;
  if (size_ == 0) {
    line.front_ = std::make_shared<const Link>(value, nullptr);
  } else {
    line.back_ = std::make_shared<const Link>(value, back_);
  }
  line.size_ = size_ + 1;
  line.hash_ = hash_ * base + mix64(value.hash());
  line.power_ = power_ * base;
  return line;
}

Line Line::popped() const {
  FL_ASSERT(size_ > 0);
  Line line = *this;
  line.power_ = power_ * inverse(base);
  line.hash_ = hash_ - mix64(front_->value.hash()) * line.power_;
  line.size_ = size_ - 1;
  line.front_ = front_->next;
  if (!line.front_) {
    for (const Link* link = back_.get(); link != nullptr; link = link->next.get()) {
      line.front_ = std::make_shared<const Link>(link->value, std::move(line.front_));
    }
    line.back_ = nullptr;
  }
  return line;
}

std::uint64_t Line::hash() const { return mix64(hash_ + size_); }

// Each element is linked twice in its life: when pushed, and when the back becomes the front.
std::size_t Line::weight() const { return 2 * (sizeof(Link) + 32); }

std::vector<Value> Line::items() const {
  std::vector<Value> items;
  items.reserve(size_);
  for (const Link* link = front_.get(); link != nullptr; link = link->next.get()) items.push_back(link->value);
  const auto middle = static_cast<std::ptrdiff_t>(items.size());
  for (const Link* link = back_.get(); link != nullptr; link = link->next.get()) items.push_back(link->value);
  std::reverse(items.begin() + middle, items.end());
  return items;
}

void Line::for_each(const std::function<void(const Value&)>& visit) const {
  for (const Link* link = front_.get(); link != nullptr; link = link->next.get()) visit(link->value);
  std::vector<const Link*> rest;
  for (const Link* link = back_.get(); link != nullptr; link = link->next.get()) rest.push_back(link);
  for (auto link = rest.rbegin(); link != rest.rend(); ++link) visit((*link)->value);
}

bool operator==(const Line& a, const Line& b) {
  if (a.size_ != b.size_ || a.hash_ != b.hash_) return false;
  if (a.front_ != b.front_) return a.items() == b.items();
  const Line::Link* x = a.back_.get();
  const Line::Link* y = b.back_.get();
  while (x != y) {
    if (x == nullptr || y == nullptr || x->value != y->value) return false;
    x = x->next.get();
    y = y->next.get();
  }
  return true;
}

bool operator==(const Line& a, std::span<const Value> b) {
  if (a.size_ != b.size()) return false;
  std::size_t at = 0;
  for (const Line::Link* link = a.front_.get(); link != nullptr; link = link->next.get()) {
    if (link->value != b[at++]) return false;
  }
  at = b.size();
  for (const Line::Link* link = a.back_.get(); link != nullptr; link = link->next.get()) {
    if (link->value != b[--at]) return false;
  }
  return true;
}

bool Line::may_begin(std::span<const Value> goal) const {
  constexpr std::size_t looked_at = 8;
  if (size_ > goal.size()) return false;
  std::size_t at = size_;
  for (const Link* link = back_.get(); link != nullptr && size_ - at < looked_at; link = link->next.get()) {
    if (link->value != goal[--at]) return false;
  }
  return size_ == 0 || front_->value == goal[0];
}

// --- Text --------------------------------------------------------------------------------------------------

struct Text::Piece {
  mutable std::shared_ptr<const Piece> before;
  Value text;
  std::size_t size;    // up to the end of this piece
  std::uint64_t hash;  // likewise, byte by byte, so that it does not depend on where pieces end

  Piece(std::shared_ptr<const Piece> b, Value t, std::size_t s, std::uint64_t h)
      : before(std::move(b)), text(std::move(t)), size(s), hash(h) {}
  Piece(const Piece&) = delete;
  Piece& operator=(const Piece&) = delete;
  ~Piece() {
    release_chain(std::move(before), [](const Piece& piece) -> std::shared_ptr<const Piece>& { return piece.before; });
  }
};

std::size_t Text::size() const { return last_ ? last_->size : 0; }

Text Text::appended(const Value& piece) const {
  const std::string_view bytes = piece.as_text();
  if (bytes.empty()) return *this;
  std::uint64_t hash = last_ ? last_->hash : 0;
  for (const char c : bytes) hash = hash * base + static_cast<unsigned char>(c) + 1;
  Text text;
  text.last_ = std::make_shared<const Piece>(last_, piece, size() + bytes.size(), hash);
  return text;
}

std::uint64_t Text::hash() const { return last_ ? mix64(last_->hash + last_->size) : 0; }

std::size_t Text::weight() const { return sizeof(Piece) + 32; }

std::string Text::to_string() const {
  std::string text(size(), '\0');
  for (const Piece* piece = last_.get(); piece != nullptr; piece = piece->before.get()) {
    const std::string_view bytes = piece->text.as_text();
    std::copy(bytes.begin(), bytes.end(), text.begin() + static_cast<std::ptrdiff_t>(piece->size - bytes.size()));
  }
  return text;
}

bool Text::may_begin(std::string_view goal) const {
  constexpr int pieces = 8;
  if (size() > goal.size()) return false;
  const Piece* piece = last_.get();
  for (int n = 0; piece != nullptr && n < pieces; piece = piece->before.get(), ++n) {
    const std::string_view bytes = piece->text.as_text();
    if (goal.substr(piece->size - bytes.size(), bytes.size()) != bytes) return false;
  }
  return true;
}

bool operator==(const Text& a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (const Text::Piece* piece = a.last_.get(); piece != nullptr; piece = piece->before.get()) {
    const std::string_view bytes = piece->text.as_text();
    if (b.substr(piece->size - bytes.size(), bytes.size()) != bytes) return false;
  }
  return true;
}

bool operator==(const Text& a, const Text& b) {
  if (a.last_ == b.last_) return true;
  if (a.size() != b.size() || a.hash() != b.hash()) return false;
  const Text::Piece* x = a.last_.get();
  const Text::Piece* y = b.last_.get();
  // Backwards while pieces end at the same places; once they do not, compare the rest as a whole.
  while (x != y) {
    if (x->text != y->text) {
      return x->text.as_text().size() != y->text.as_text().size() && a.to_string() == b.to_string();
    }
    x = x->before.get();
    y = y->before.get();
  }
  return true;
}

// --- Pile --------------------------------------------------------------------------------------------------

struct Pile::Link {
  Value value;
  mutable std::shared_ptr<const Link> below;
  std::size_t size;    // down to the bottom
  std::uint64_t hash;  // likewise

  Link(Value v, std::shared_ptr<const Link> b)
      : value(std::move(v)),
        below(std::move(b)),
        size(below ? below->size + 1 : 1),
        hash((below ? below->hash : 0) * base + mix64(value.hash())) {}
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;
  ~Link() {
    release_chain(std::move(below), [](const Link& link) -> std::shared_ptr<const Link>& { return link.below; });
  }
};

std::size_t Pile::size() const { return top_ ? top_->size : 0; }

const Value& Pile::top() const {
  FL_ASSERT(top_ != nullptr);
  return top_->value;
}

Pile Pile::pushed(const Value& value) const {
  Pile pile;
  pile.top_ = std::make_shared<const Link>(value, top_);
  return pile;
}

Pile Pile::popped() const {
  FL_ASSERT(top_ != nullptr);
  Pile pile;
  pile.top_ = top_->below;
  return pile;
}

std::uint64_t Pile::hash() const { return top_ ? mix64(top_->hash + top_->size) : 0; }

std::size_t Pile::weight() const { return sizeof(Link) + 32; }

void Pile::for_each(const std::function<void(const Value&)>& visit) const {
  for (const Link* link = top_.get(); link != nullptr; link = link->below.get()) visit(link->value);
}

std::vector<Value> Pile::items() const {
  std::vector<Value> items;
  items.reserve(size());
  for_each([&](const Value& value) { items.push_back(value); });
  return items;
}

bool operator==(const Pile& a, const Pile& b) {
  if (a.size() != b.size() || a.hash() != b.hash()) return false;
  const Pile::Link* x = a.top_.get();
  const Pile::Link* y = b.top_.get();
  for (; x != y; x = x->below.get(), y = y->below.get()) {
    if (x->value != y->value) return false;
  }
  return true;
}

}  // namespace faultline
