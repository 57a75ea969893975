// Which engine judges a key. Private to checker/.
//
// `auto` takes the cheapest engine that can decide: the order that versions state, if results carry them, zones or a monitor where the
// values are unique, the register engines for registers, the general search otherwise. Forcing an engine that cannot take a problem leaves it unknown, with that reason.
#pragma once

#include <functional>
#include <span>
#include <string_view>

#include <faultline/models.hpp>
#include <faultline/result.hpp>
#include <faultline/space.hpp>

#include "problem.hpp"
#include "proof/shrink.hpp"

namespace faultline {

std::span<const std::string_view> engine_names();

// What a model's problems are judged with. The error is bad_input: no engine of that name.
Result<Engine> make_engine(const AnyModel& model, std::string_view name);

// For a model of one's own: the general search.
Result<Engine> make_engine(std::function<std::unique_ptr<Space>()> make_space, std::string_view name);

}  // namespace faultline
