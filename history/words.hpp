// Small agreements between the readers and writers. Private to history/.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <faultline/event.hpp>

namespace faultline {

// Names of the fields of an event that are not extras.
inline constexpr std::array<std::string_view, 7> field_names{"index", "time", "type", "process", "f", "key", "value"};
bool is_field_name(std::string_view name);

std::optional<EventType> parse_event_type(std::string_view name);

// The keys of objects that stand for what JSON has no word for.
enum class JsonWord { no_word, keyword, tag, map, real, bytes };
JsonWord json_word(std::string_view key);
// One or more '$' and a word: such a key of an ordinary map is written with one '$' more.
bool is_escaped_or_word(std::string_view key);
// Two or more '$' and a word: what the writer made of such a key.
bool is_escaped(std::string_view key);

std::string to_hex(std::string_view bytes);
std::optional<std::string> from_hex(std::string_view digits);  // lower case, an even number of digits

// `text` itself if it is UTF-8, else with the bad bytes escaped: names can be shown, but not carried.
std::string printable(std::string_view text);

// The extras that a line carries: error, node, then the others by name. Without those that cannot be told from a field.
std::vector<std::pair<std::string_view, Value>> ordered_extras(const Event& event);

// How a process that is no integer is recorded: as a note; `nemesis` is the usual name and needs no extra.
Event with_process_name(Event event, const Value& name);

}  // namespace faultline
