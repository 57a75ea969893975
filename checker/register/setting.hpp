// Setting: what every configuration of one search refers to, and how open operations of a class are counted.
#pragma once

#include "configuration.hpp"
#include "window.hpp"

namespace faultline::registers {

// What every configuration of one search refers to.
template <class M>
struct Setting {
  Window<M> window;
  Trace trace;
  Interner places;
  Interner uses;
  Prunings prunings;
  std::vector<bool> counted;                           // by class; others never run dry: a superset of what can happen
  std::vector<std::uint32_t> capacity;                 // by class: members that have joined
  std::vector<OpenClass> classes;                      // by class
  std::vector<ClassId> write_class;                    // by value: the class of open writes of it, or none
  std::vector<std::vector<ClassId>> cas_classes_into;  // by value
  ValueId forgotten = 0;                               // stands for every value nobody mentions any more

  Setting(std::uint32_t values, bool recording) : window(values), trace(recording), forgotten(values) {}

  [[nodiscard]] std::uint32_t used(const Configuration<M>& c, ClassId id) const {
    const auto pairs = uses.get(c.uses);
    for (std::size_t i = 0; i < pairs.size(); i += 2) {
      if (pairs[i] == id) return pairs[i + 1];
    }
    return 0;
  }
  // Whether `c` may use a class once more.
  [[nodiscard]] bool has(const Configuration<M>& c, ClassId id) const {
    if (capacity[id] == 0) return false;
    if (!counted[id]) return true;
    return used(c, id) < capacity[id];
  }
  [[nodiscard]] bool has_write(const Configuration<M>& c, ValueId value) const {
    return value < write_class.size() && write_class[value] != none && has(c, write_class[value]);
  }
  // Whether open writes of the value never run dry.
  [[nodiscard]] bool endless_write(ValueId value) const {
    if (value >= write_class.size() || write_class[value] == none) return false;
    const ClassId id = write_class[value];
    return capacity[id] > 0 && !counted[id];
  }

  // One more member used.
  void count_use(Configuration<M>& c, ClassId id) {
    if (!counted[id]) return;
    const auto pairs = uses.get(c.uses);
    std::vector<std::uint32_t> rest(pairs.begin(), pairs.end());
    std::size_t i = 0;
    while (i < rest.size() && rest[i] < id) i += 2;
    if (i < rest.size() && rest[i] == id) {
      ++rest[i + 1];
    } else {
      rest.insert(rest.begin() + static_cast<std::ptrdiff_t>(i), {id, 1});
    }
    c.uses = uses.intern(rest);
  }
  // Stops counting a class once more members are left than can be noticed.
  void saturate(Configuration<M>& c, const Demand& demand) {
    if (c.uses == 0) return;
    const auto pairs = uses.get(c.uses);
    std::vector<std::uint32_t> rest;
    for (std::size_t i = 0; i < pairs.size(); i += 2) {
      const ClassId id = pairs[i];
      if (capacity[id] - pairs[i + 1] >= demand.of(classes[id].to)) continue;
      rest.insert(rest.end(), {id, pairs[i + 1]});
    }
    c.uses = uses.intern(rest);
  }

  // What the next few moves may cost at once, where a table is about to move to a larger place.
  [[nodiscard]] std::uint64_t growth() const { return trace.growth() + places.growth() + uses.growth(); }
  [[nodiscard]] std::uint64_t bytes() const {
    return window.bytes() + trace.bytes() + places.bytes() + uses.bytes() + write_class.capacity() * sizeof(ClassId) +
           cas_classes_into.capacity() * sizeof(cas_classes_into[0]);
  }
};

}  // namespace faultline::registers
