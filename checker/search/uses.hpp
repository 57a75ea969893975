// Uses: how many open operations of each class a configuration has spent, as numbered, interned vectors.
//
// Open operations never expire, so equal ones form a class whose members are spent in order of invocation, and a
// configuration that has spent no more of any class than another can do whatever that one can. Few distinct vectors
// live at a time; number 0 is empty.
#pragma once

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

namespace faultline::search {

using UseId = std::uint32_t;

class Uses {
 public:
  Uses() { intern({}); }

  [[nodiscard]] std::uint32_t count(UseId id, std::uint32_t open_class) const;
  // One more of that class.
  UseId with(UseId id, std::uint32_t open_class);
  // `a` has spent no more of any class than `b`.
  [[nodiscard]] bool no_more(UseId a, UseId b) const;
  // Forgets every vector but the given ones and number 0, and renumbers: each id is replaced by its new number.
  void keep(const std::vector<UseId*>& ids);

  [[nodiscard]] std::size_t held() const { return vectors_.size(); }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

 private:
  using Vector = std::vector<std::pair<std::uint32_t, std::uint32_t>>;  // class and count > 0, by class

  UseId intern(Vector vector);

  std::vector<const Vector*> vectors_;  // keys of index_, whose nodes stay where they are
  std::map<Vector, UseId> index_;
  std::uint64_t bytes_ = 0;
};

}  // namespace faultline::search
