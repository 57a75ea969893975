// Random values and histories for property tests: nasty on purpose, and as varied as the formats allow.
#pragma once

#include <faultline/history.hpp>
#include <faultline/rng.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <string>
#include <vector>

namespace faultline {

inline std::string random_text(Rng& rng, bool utf8_only = false) {
  static const std::vector<std::string> pieces{
      "a",     "key",  " ",   "\"",  "\\",   "\n",     "\t", "\r", "$",   "$keyword",
      "$$map", ":x",   "nil", "#",   ";",    "{",      "]",  "é",  "€",   "\xf0\x9f\x98\x80",
      "\x01",  "\x7f", "-1",  "1/2", "0x1f", "\u2028", "/",  "_",  "\\u", ",",
      "true",  "1e5",  "N"};
  std::string text;
  for (std::uint64_t n = rng.below(4); n > 0; --n) text += rng.pick(pieces);
  if (!utf8_only && rng.chance(0.05)) text += "\xff";
  if (rng.chance(0.03)) text += '\0';
  return text;
}

inline Value random_real(Rng& rng) {
  static const std::vector<double> reals{0.0,
                                         -0.0,
                                         1.0,
                                         -1.5,
                                         0.1,
                                         1e300,
                                         5e-324,
                                         std::numeric_limits<double>::max(),
                                         std::numeric_limits<double>::infinity(),
                                         -std::numeric_limits<double>::infinity(),
                                         std::numeric_limits<double>::quiet_NaN(),
                                         123456789.125,
                                         1e15,
                                         1e16,
                                         1e22};
  return rng.chance(0.5) ? Value(rng.pick(reals)) : Value((rng.unit() - 0.5) * 1e6);
}

inline Value random_integer(Rng& rng) {
  static const std::vector<std::int64_t> integers{
      0, 1, -1, 9, 10, INT64_MAX, INT64_MIN, 999999999999999999, 1000000000000000000, 99999999, 100000000};
  return rng.chance(0.6) ? Value(rng.pick(integers)) : Value(rng.between(-20, 20));
}

inline Value random_value(Rng& rng, int depth);

inline Value random_tagged(Rng& rng, int depth) {
  switch (rng.below(8)) {
    case 0: return Value::tagged("bigint", rng.chance(0.5) ? "123456789012345678901" : "-9223372036854775809");
    case 1: return Value::tagged("bigint", rng.chance(0.5) ? "12" : "0x");  // as no reader would spell it
    case 2: return Value::tagged("ratio", rng.chance(0.5) ? "-1/3" : "2/4");
    case 3: return Value::tagged("decimal", rng.chance(0.5) ? "1.50" : "-3");
    case 4: return Value::tagged("symbol", rng.chance(0.5) ? "foo/bar" : random_text(rng));
    case 5: return Value::tagged("char", rng.chance(0.5) ? "\n" : rng.chance(0.5) ? "é" : random_text(rng));
    case 6: {
      std::vector<Value> items;
      for (std::uint64_t n = rng.below(4); n > 0; --n) items.push_back(random_value(rng, depth - 1));
      if (rng.chance(0.8)) {
        std::sort(items.begin(), items.end());
        items.erase(std::unique(items.begin(), items.end()), items.end());
      }
      return Value::tagged("set", Value::list(std::move(items)));
    }
    default: return Value::tagged(rng.chance(0.7) ? "jepsen.Thing" : random_text(rng), random_value(rng, depth - 1));
  }
}

inline Value random_value(Rng& rng, int depth) {
  const std::uint64_t kind = rng.below(depth > 0 ? 10 : 6);
  switch (kind) {
    case 0: return {};
    case 1: return Value(rng.chance(0.5));
    case 2: return random_integer(rng);
    case 3: return random_real(rng);
    case 4: return Value(random_text(rng));
    case 5: return Value::keyword(rng.chance(0.7) ? "ns/name" : random_text(rng));
    case 6: return random_tagged(rng, depth);
    case 7: {
      std::vector<Value> items;
      for (std::uint64_t n = rng.below(4); n > 0; --n) items.push_back(random_value(rng, depth - 1));
      return Value::list(std::move(items));
    }
    default: {
      std::vector<Value::Entry> entries;
      for (std::uint64_t n = rng.below(4); n > 0; --n) {
        entries.emplace_back(kind == 8 ? Value(random_text(rng)) : random_value(rng, depth - 1),
                             random_value(rng, depth - 1));
      }
      return Value::map(std::move(entries));
    }
  }
}

// What a random history is made of, so that each format can be given what it carries.
struct RandomShape {
  std::vector<std::string> functions{"read", "write", "cas", "txn", "odd name", "ns/f"};
  bool times = true;
  bool keys = false;
  bool text_keys = false;
  bool extras = true;        // beyond the error
  bool text_values = false;  // nil or text, of UTF-8
  bool notes = true;
  bool named_notes = true;     // of processes other than the nemesis
  bool keyword_names = false;  // and these only keywords
  bool text_errors = false;    // errors are plain text without line breaks
};

inline Event random_payload(Rng& rng, const RandomShape& shape, Event event) {
  event.value = shape.text_values ? (rng.chance(0.2) ? Value() : Value(random_text(rng, true))) : random_value(rng, 3);
  if (rng.chance(0.3)) {
    Value error = shape.text_errors ? Value("timed out: \"x\" {") : random_value(rng, 2);
    if (!error.is_null()) event = event.with("error", error);
  }
  if (shape.extras && rng.chance(0.3)) event = event.with("node", "n1");
  if (shape.extras && rng.chance(0.3)) event = event.with(random_text(rng, true) + "x", random_value(rng, 2));
  return event;
}

inline History random_history(Rng& rng, const RandomShape& shape) {
  History history;
  std::vector<std::optional<Event>> open(4);
  std::vector<Process> processes{0, 1, 2, 5'000'000};
  std::int64_t time = 0;
  const std::vector<Value> keys = shape.text_keys
                                      ? std::vector<Value>{"x", "k\"\n", ""}
                                      : std::vector<Value>{"x", 1, Value::keyword("k"), 1.5, Value::list({1, 2})};
  for (std::uint64_t steps = rng.below(40); steps > 0; --steps) {
    time += rng.between(0, 1'000'000'000);
    const Instant now = shape.times ? Instant(Duration(time)) : no_time;
    if (shape.notes && rng.chance(0.1)) {
      Event note =
          random_payload(rng, shape, {.type = EventType::info, .process = nemesis_process, .f = "start", .time = now});
      if (shape.named_notes && rng.chance(0.3)) {
        note =
            note.with("process", shape.keyword_names || rng.chance(0.5) ? Value::keyword("monkey") : Value("ops team"));
      }
      EXPECT_TRUE(history.append(note).ok());
      continue;
    }
    const std::size_t slot = rng.below(open.size());
    Event event{.process = processes[slot], .f = rng.pick(shape.functions), .time = now};
    if (open[slot]) {
      event.type = static_cast<EventType>(rng.between(1, 3));
      event.f = open[slot]->f;
      event.key = open[slot]->key;
    } else if (shape.keys) {
      event.key = rng.pick(keys);
    }
    event = random_payload(rng, shape, std::move(event));
    const auto appended = history.append(event);
    EXPECT_TRUE(appended.ok());
    if (event.type == EventType::info) processes[slot] += 4;
    open[slot] = event.type == EventType::invoke ? std::optional(event) : std::nullopt;
  }
  return history;
}

// Equal but for the lines they were read from; otherwise where and how they differ.
inline std::string difference(const History& a, const History& b) {
  if (a.size() != b.size()) return "sizes " + std::to_string(a.size()) + " and " + std::to_string(b.size());
  for (EventIndex i = 0; i < a.size(); ++i) {
    Event x = a.event(i);
    Event y = b.event(i);
    x.line = y.line = 0;
    if (x == y) continue;
    return "event " + std::to_string(i) + ": " + x.f + "/" + y.f + " value " + x.value.to_string() + " / " +
           y.value.to_string() + " extra " + x.extra.to_string() + " / " + y.extra.to_string() + " key " +
           x.key.to_string() + " / " + y.key.to_string();
  }
  return "";
}

}  // namespace faultline
