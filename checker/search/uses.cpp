#include "uses.hpp"

#include <algorithm>

namespace faultline::search {

UseId Uses::intern(Vector vector) {
  const std::uint64_t size =
      vector.size() * sizeof(Vector::value_type) + sizeof(Vector) + 96;  // with the nodes around it
  const auto [found, inserted] = index_.try_emplace(std::move(vector), static_cast<UseId>(vectors_.size()));
  if (inserted) {
    vectors_.push_back(&found->first);
    bytes_ += size;
  }
  return found->second;
}

std::uint32_t Uses::count(UseId id, std::uint32_t open_class) const {
  if (id == 0) return 0;
  const Vector& vector = *vectors_[id];
  const auto at = std::lower_bound(vector.begin(), vector.end(), std::pair(open_class, 0U));
  return at != vector.end() && at->first == open_class ? at->second : 0;
}

UseId Uses::with(UseId id, std::uint32_t open_class) {
  Vector vector = *vectors_[id];
  const auto at = std::lower_bound(vector.begin(), vector.end(), std::pair(open_class, 0U));
  if (at != vector.end() && at->first == open_class) {
    ++at->second;
  } else {
    vector.insert(at, {open_class, 1});
  }
  return intern(std::move(vector));
}

bool Uses::no_more(UseId a, UseId b) const {
  if (a == b || a == 0) return true;
  const Vector& mine = *vectors_[a];
  const Vector& its = *vectors_[b];
  if (mine.size() > its.size()) return false;
  auto at = its.begin();
  for (const auto& [open_class, count] : mine) {
    while (at != its.end() && at->first < open_class) ++at;
    if (at == its.end() || at->first != open_class || at->second < count) return false;
  }
  return true;
}

void Uses::keep(const std::vector<UseId*>& ids) {
  Uses kept;
  for (UseId* id : ids) *id = kept.intern(*vectors_[*id]);
  std::swap(*this, kept);
}

}  // namespace faultline::search
