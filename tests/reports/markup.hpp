// A strict little parser for the pages and XML files of reports/: every element closed, every attribute quoted, no bare < or &. Anything
// else is an error, so that a value which escaped its place cannot go unnoticed.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace faultline::markup {

struct Element {
  std::string tag;
  std::map<std::string, std::string> attributes;
  std::string text;               // of the element and everything in it, entities resolved
  std::vector<std::string> path;  // tags of its ancestors, outermost first
};

struct Document {
  std::vector<Element> elements;  // in order of opening
  std::string error;              // empty if well-formed

  [[nodiscard]] std::vector<const Element*> all(std::string_view tag) const;
  [[nodiscard]] const Element* by_id(std::string_view id) const;
  // How often each tag occurs, outside <svg> only if so wanted.
  [[nodiscard]] std::map<std::string, std::size_t> counts(bool inside_svg) const;
};

Document parse(std::string_view text);

}  // namespace faultline::markup
