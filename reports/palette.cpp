#include "palette.hpp"

#include <fmt/format.h>

namespace faultline::reports {

namespace {

constexpr std::array<Colour, 25> colours{{
    {"page", 0xffffff, 0x14171c},
    {"panel", 0xf6f7f9, 0x1c2026},
    {"line", 0xd9dde3, 0x343a43},
    {"cut", 0xb9c0c9, 0x525a66},
    {"text", 0x1b1f24, 0xe9ebee},
    {"soft", 0x57606b, 0xa3abb6},
    // Verdicts.
    {"bad", 0xb3261e, 0xff8a7f},
    {"bad-fill", 0xfde3e0, 0x4d1f1c},
    {"good", 0x00694c, 0x4fc9a0},
    {"unknown", 0x7a5200, 0xe3b457},
    {"broken", 0x9a3d00, 0xf5a26b},
    // Operations.
    {"ok", 0x2268a8, 0x6fb1f0},
    {"ok-fill", 0xdbe9f6, 0x1d3a54},
    {"open", 0x7a5200, 0xe3b457},
    {"open-fill", 0xfff1cf, 0x43340f},
    {"fail", 0x57606b, 0xa3abb6},
    {"disc", 0x1b4f80, 0x9ccbf7},
    {"disc-text", 0xffffff, 0x0d1b28},
    {"bad-disc-text", 0xffffff, 0x2a0705},
    // Faults.
    {"fault", 0x5f3b97, 0xc8b2ef},
    {"fault-fill", 0xe6dcf3, 0x3a2d52},
    {"fault-tint", 0xf3eefa, 0x211d2b},
    {"change", 0xfff1cf, 0x43340f},
    {"focus", 0x0b57d0, 0x9ccbf7},
    {"code", 0xf0f2f5, 0x23282f},
}};

std::string declarations(bool dark) {
  std::string css;
  for (const Colour& colour : colours)
    css += fmt::format("--{}:#{:06x};", colour.role, dark ? colour.dark : colour.light);
  return css;
}

}  // namespace

std::span<const Colour> palette() { return colours; }

std::string palette_css() {
  return ":root{color-scheme:light dark;" + declarations(false) + "}\n@media (prefers-color-scheme:dark){:root{" +
         declarations(true) + "}}\n@media print{:root{color-scheme:light;" + declarations(false) +
         "}}\n@media "
         "(forced-colors:active){:root{--page:Canvas;--panel:Canvas;--line:CanvasText;--cut:CanvasText;--text:"
         "CanvasText;--soft:"
         "CanvasText;"
         "--bad:Mark;--bad-fill:Canvas;--good:CanvasText;--unknown:CanvasText;--broken:CanvasText;--ok:CanvasText;--ok-"
         "fill:Canvas;"
         "--open:CanvasText;--open-fill:Canvas;--fail:GrayText;--disc:CanvasText;--disc-text:Canvas;--bad-disc-text:"
         "MarkText;"
         "--fault:CanvasText;--fault-fill:Canvas;--fault-tint:Canvas;--change:Canvas;--focus:Highlight;--code:Canvas}}"
         "\n";
}

}  // namespace faultline::reports
