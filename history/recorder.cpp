#include "recorder.hpp"

#include <faultline/text.hpp>

#include <fmt/format.h>

#include <algorithm>

namespace faultline {

namespace {

constexpr std::size_t max_quoted = 80;

std::string shown(const Value& value) { return clip(value.to_string(), max_quoted); }

// [:append k v], [:r k v] or [:w k v].
bool is_micro_operation(const Value& value) {
  return value.is_list() && !value.as_list().empty() &&
         (value.as_list()[0].is_keyword() || value.as_list()[0].is_string());
}

bool takes_pairs_anyway(std::string_view f) { return f == "cas" || f == "txn"; }

}  // namespace

std::optional<Complaint> Recorder::check_index(const RawEvent& raw) {
  if (!raw.index) return std::nullopt;
  if (*raw.index <= last_index_) {
    return Complaint{
        raw.at_index,
        fmt::format("expected an index above {} (line {}), found {}", last_index_, last_index_line_, *raw.index),
        "the order of lines is the order of events: sort the file by index, or remove the indices"};
  }
  last_index_line_ = raw.event.line;
  renumbered_ = renumbered_ || *raw.index != static_cast<std::int64_t>(history_.size());
  last_index_ = *raw.index;
  return std::nullopt;
}

std::optional<Complaint> Recorder::check_key(const RawEvent& raw) {
  const Event& event = raw.event;
  std::uint32_t& line = event.key.is_null() ? line_without_key_ : line_with_key_;
  if (line == 0) line = event.line;
  if (line_with_key_ == 0 || line_without_key_ == 0) return std::nullopt;
  const std::string text =
      event.key.is_null()
          ? fmt::format("expected a key as first in line {}, found none", line_with_key_)
          : fmt::format("expected no key as first in line {}, found key {}", line_without_key_, shown(event.key));
  return Complaint{event.key.is_null() ? raw.at : raw.at_key, text, "give every client event a key, or none"};
}

std::optional<Complaint> Recorder::unwrap(RawEvent& raw) {
  Event& event = raw.event;
  if (!event.key.is_null()) {
    return Complaint{
        raw.at_key,
        fmt::format("expected the key within the value, as [key value], found a key field {}", shown(event.key)),
        "read this file without --independent"};
  }
  if (event.value.is_null() && event.type != EventType::invoke) {
    const OperationIndex open = history_.open_operation(event.process);
    if (open != none) event.key = history_.key(history_.invoked(open));
    return std::nullopt;
  }
  const std::string_view shape = event.f == "cas" ? "[key [from to]]" : "[key value]";
  if (!event.value.is_pair() || event.value.as_list()[0].is_null()) {
    return Complaint{raw.at_value, fmt::format("expected {}, found {}", shape, shown(event.value)),
                     "with --independent every client value names its key; read this file without it"};
  }
  const Value pair = event.value;
  event.key = pair.as_list()[0];
  event.value = pair.as_list()[1];
  if (event.f == "cas" && !event.value.is_null() && !event.value.is_pair()) {
    return Complaint{raw.at_value, fmt::format("expected {}, found {}", shape, shown(pair)),
                     "a cas names what it expects and what it sets"};
  }
  return std::nullopt;
}

void Recorder::check_time(Instant time, std::uint32_t line) {
  if (time == no_time) return;
  if (time < last_time_) {
    remark("time-backwards", fmt::format("time runs backwards at line {}; the order of lines counts", line));
  }
  last_time_ = time;
}

void Recorder::look_for_pairs(const Value& value, bool has_key, std::string_view f) {
  if (!only_pairs_ || value.is_null()) return;
  only_pairs_ = value.is_pair() && !has_key;
  pair_seen_ = pair_seen_ || (only_pairs_ && !takes_pairs_anyway(f));
}

std::optional<Complaint> Recorder::name_process(RawEvent& raw) {
  Event& event = raw.event;
  if (raw.unnamed) {
    if (!unnamed_) {
      unnamed_ = largest_process_ + 1;
      unnamed_line_ = event.line;
    }
    event.process = *unnamed_;
  } else if (unnamed_ && event.process == *unnamed_) {
    return Complaint{
        raw.at_process,
        fmt::format("expected another process, found {}, which stands for the events without one (first in line {})",
                    event.process, unnamed_line_),
        "name the process of every event"};
  }
  largest_process_ = std::max(largest_process_, event.process);
  return std::nullopt;
}

std::optional<Complaint> Recorder::name_function(RawEvent& raw) const {
  if (raw.has_f) return std::nullopt;
  Event& event = raw.event;
  const OperationIndex open = history_.open_operation(event.process);
  if (open != none && event.type != EventType::invoke) {
    event.f = history_.functions()[history_.operation_function(open)];
    return std::nullopt;
  }
  const bool micro_operations =
      event.value.is_list() && !event.value.as_list().empty() &&
      std::all_of(event.value.as_list().begin(), event.value.as_list().end(), is_micro_operation);
  if (!micro_operations) {
    return Complaint{raw.at, "expected an event with :f, found none",
                     "only transactions, whose value lists micro-operations, may leave it out"};
  }
  event.f = "txn";
  return std::nullopt;
}

std::optional<Complaint> Recorder::add(RawEvent raw) {
  Event& event = raw.event;
  if (auto complaint = check_index(raw)) return complaint;
  if (auto complaint = name_process(raw)) return complaint;
  if (auto complaint = name_function(raw)) return complaint;
  if (event.process >= 0) {
    if (auto complaint = options_.independent ? unwrap(raw) : check_key(raw)) return complaint;
    if (options_.versioned) {
      auto bare = unwrap_versioned(std::move(event));
      if (!bare) return Complaint{raw.at_value, bare.error().message, bare.error().remedy};
      event = std::move(bare).value();
    }
    look_for_pairs(event.value, !event.key.is_null(), event.f);
  }
  check_time(event.time, event.line);
  const std::size_t at = raw.at;
  auto appended = history_.append(std::move(event));
  if (!appended) return Complaint{at, appended.error().message, appended.error().remedy};
  return std::nullopt;
}

bool Recorder::add_row(History::Row& row, std::int64_t index) {
  if (index >= 0) {
    if (index <= last_index_) return false;
    if (index != static_cast<std::int64_t>(history_.size()) && !renumbered_) return false;
  }
  if ((row.key_id != 0 ? line_with_key_ : line_without_key_) == 0 || (line_with_key_ != 0 && line_without_key_ != 0))
    return false;
  if (row.time < last_time_ && row.time != no_time) return false;
  const Instant time = row.time;
  const std::uint32_t line = row.line;
  const bool any_value = !row.value.is_null();
  const bool pair = row.value.is_pair();
  if (history_.append_row(row) == none) return false;
  if (only_pairs_ && any_value) {
    only_pairs_ = pair && row.key_id == 0;
    pair_seen_ = pair_seen_ || (only_pairs_ && !takes_pairs_anyway(history_.functions()[row.function]));
  }
  if (index >= 0) {
    last_index_ = index;
    last_index_line_ = line;
  }
  if (time != no_time) last_time_ = time;
  return true;
}

void Recorder::remark(std::string_view kind, std::string_view text, std::uint64_t count) {
  for (Counted& counted : remarks_) {
    if (counted.kind != kind) continue;
    counted.count += count;
    return;
  }
  remarks_.push_back({std::string(kind), std::string(text), count});
}

void Recorder::remark_total(std::string_view kind, std::string text, std::uint64_t count) {
  remarks_.push_back({std::string(kind), std::move(text), count, true});
}

ReadResult Recorder::finish() {
  if (renumbered_)
    remark("renumbered", "the indices do not count from 0 by one; events are numbered anew, in the order of lines");
  if (only_pairs_ && pair_seen_ && !options_.independent && !options_.versioned) {
    remark("pairs", "every client value is a pair; if they are [key value], read the file with --independent");
  }
  ReadResult result;
  for (Counted& counted : remarks_) {
    std::string text =
        counted.count > 1 && !counted.told ? fmt::format("{} ({} times)", counted.text, counted.count) : counted.text;
    result.remarks.push_back({std::move(counted.kind), counted.count, std::move(text)});
  }
  if (history_.warning_count() > 0) {
    std::string text = history_.warnings()[0];
    if (history_.warning_count() > 1) text += fmt::format(" ({} times)", history_.warning_count());
    result.remarks.push_back({"retired-process", history_.warning_count(), std::move(text)});
  }
  result.history = std::move(history_);
  return result;
}

}  // namespace faultline
