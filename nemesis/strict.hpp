// Reading typed data out of Values, refusing whatever is not expected by its name.
#pragma once

#include <faultline/fault.hpp>
#include <faultline/text.hpp>

#include <fmt/format.h>

#include <algorithm>

#include <initializer_list>
#include <span>

namespace faultline {

inline std::string quoted(std::string_view text) { return "'" + escape_controls(clip(text, 80)) + "'"; }

inline std::string joined(std::span<const std::string_view> words) {
  std::string all;
  for (const std::string_view word : words) all += (all.empty() ? "" : ", ") + std::string(word);
  return all;
}

// "unknown shape 'brige'" with the nearest known word, or all of them, as remedy.
inline Error unknown_word(std::string_view what, std::string_view word, std::span<const std::string_view> known) {
  const std::string_view near = nearest(word, known);
  return Error::bad_input(
      fmt::format("unknown {} {}", what, quoted(word)),
      near.empty() ? fmt::format("known: {}", joined(known)) : fmt::format("did you mean '{}'?", near));
}

// A map with string keys, all among these.
inline Result<void> only_fields(const Value& map, std::string_view what, std::span<const std::string_view> known) {
  if (!map.is_map()) return Error::bad_input(fmt::format("{} is no object: {}", what, clip(map.to_string(), 80)));
  for (const auto& [key, field] : map.as_map()) {
    if (!key.is_string())
      return Error::bad_input(fmt::format("{} has a field that is no string: {}", what, key.to_string()));
    if (std::find(known.begin(), known.end(), key.as_text()) == known.end()) {
      return unknown_word(fmt::format("field of {}:", what), key.as_text(), known);
    }
  }
  return {};
}

inline Result<void> known_node(std::string_view node, const std::vector<NodeName>& nodes) {
  if (nodes.empty() || std::find(nodes.begin(), nodes.end(), node) != nodes.end()) return {};
  const std::vector<std::string_view> known(nodes.begin(), nodes.end());
  return Error::bad_input("unknown node " + quoted(node), "known: " + joined(known));  // n7 is no misspelt n1
}

inline Result<std::vector<NodeName>> node_list(const Value& value, std::string_view what) {
  if (!value.is_list())
    return Error::bad_input(fmt::format("{} is no list of nodes: {}", what, clip(value.to_string(), 80)));
  std::vector<NodeName> nodes;
  for (const Value& item : value.as_list()) {
    if (!item.is_string() || item.as_text().empty()) {
      return Error::bad_input(fmt::format("{} holds {}, which is no node name", what, clip(item.to_string(), 80)));
    }
    if (std::find(nodes.begin(), nodes.end(), item.as_text()) != nodes.end()) {
      return Error::bad_input(fmt::format("{} names {} twice", what, quoted(item.as_text())));
    }
    nodes.emplace_back(item.as_text());
  }
  return nodes;
}

}  // namespace faultline
