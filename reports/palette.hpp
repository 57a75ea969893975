// Palette: every colour of the page, for light and dark, as data, so that a test can compute contrast and
// confusability.
//
// Roles, not hues, are the names. Fills carry text; marks are strokes and discs. Red, blue, amber and violet stay apart
// for readers with red-green blindness (they differ in lightness or along blue-yellow), and no meaning rests on colour
// alone.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace faultline::reports {

struct Colour {
  std::string_view role;  // the CSS variable without "--"
  std::uint32_t light;    // 0xrrggbb
  std::uint32_t dark;
};

std::span<const Colour> palette();
// The rules that define the variables for both schemes, for print and for forced colours.
std::string palette_css();

}  // namespace faultline::reports
