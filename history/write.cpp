// Whole histories as text. What a format cannot carry is named once per kind; what would come out wrong is refused.
#include <faultline/formats.hpp>
#include <faultline/text.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <set>

#include "edn.hpp"
#include "json.hpp"
#include "unicode.hpp"
#include "words.hpp"

namespace faultline {

namespace {

std::uint64_t nesting(const Value& value) {
  std::uint64_t deepest = 0;
  switch (value.kind()) {
    case Value::Kind::list:
      for (const Value& item : value.as_list()) deepest = std::max(deepest, nesting(item));
      return deepest + 1;
    case Value::Kind::map:
      for (const auto& [key, item] : value.as_map()) deepest = std::max({deepest, nesting(key), nesting(item)});
      return deepest + 3;  // {"$map":[[key,value]]}
    case Value::Kind::tagged: return nesting(value.tagged_value()) + 2;
    default: return 0;
  }
}

class Writer {
 public:
  Writer(const History& history, Format format) : history_(history), format_(format) {
    for (EventIndex i = 0; i < history.size(); ++i)
      has_keys_ = has_keys_ || (history.key_id(i) != 0 && history.process(i) >= 0);
  }

  Result<Written> write() {
    if (has_keys_ && (format_ == Format::jepsen_log || format_ == Format::jepsen_tsv)) {
      warn("keys are written into the values, as [key value]: read the file with --independent");
    }
    for (EventIndex i = 0; i < history_.size(); ++i) {
      const Event event = history_.event(i);
      check_extras(event);
      if (auto refused = line(i, event); !refused) return refused.error();
    }
    return std::move(written_);
  }

 private:
  void warn(const std::string& text) {
    if (warned_.insert(text).second) written_.warnings.push_back(text);
  }

  std::string& out() { return written_.text; }

  Result<void> line(EventIndex i, const Event& event) {
    switch (format_) {
      case Format::jsonl: native(i, event); return {};
      case Format::jepsen_edn: edn(i, event); return {};
      case Format::jepsen_log: out() += "INFO  jepsen.util - "; return table(i, event);
      case Format::jepsen_tsv: return table(i, event);
      case Format::kv_log: return kv(i, event);
      case Format::auto_: break;
    }
    FL_ASSERT(false && "a format was chosen");
  }

  // What no format carries: extras that no reader could tell from an event's own fields, and what is nested too deeply
  // to be read.
  void check_extras(const Event& event) {
    if (nesting(event.value) + 1 > max_depth || nesting(event.key) + 1 > max_depth ||
        nesting(event.extra) > max_depth) {
      warn(fmt::format("values nested more than some {} levels are written, but cannot be read back", max_depth / 3));
    }
    if (!is_utf8(event.f)) warn("an f that is not UTF-8 is written with its bad bytes escaped");
    if (!event.extra.is_map()) {
      if (!event.extra.is_null()) warn("extras that are no map are not written");
      return;
    }
    for (const auto& [name, field] : event.extra.as_map()) {
      const bool process_name = name == Value("process") && event.process == nemesis_process;
      if (!name.is_string() || (is_field_name(name.as_text()) && !process_name)) {
        warn(fmt::format("the extra field {} is not written: it cannot be told from a field of the event",
                         name.to_string()));
      } else if (!is_utf8(name.as_text())) {
        warn("names of extra fields that are not UTF-8 are written with their bad bytes escaped");
      }
    }
    if (event.time != no_time && event.time < Instant{}) warn("times below zero are not written");
  }

  void native(EventIndex i, const Event& event) { append_native_line(out(), i, event); }

  void edn_field(std::string_view name, const Value& value) {
    out() += ", ";
    append_edn(out(), is_edn_name(name) ? Value::keyword(name) : Value::string(printable(name)));
    out() += ' ';
    append_edn(out(), value);
  }

  static Value function_name(const Event& event) {
    return is_edn_name(event.f) ? Value::keyword(event.f) : Value::string(printable(event.f));
  }

  // What stands in place of a process number, for those that are no clients.
  static Value process_of(const Event& event) {
    if (event.process != nemesis_process) return Value(event.process);
    const Value& name = event.extra.get("process");
    return name.is_null() ? Value::keyword("nemesis") : name;
  }

  void edn(EventIndex i, const Event& event) {
    fmt::format_to(std::back_inserter(out()), "{{:index {}", i);
    if (event.time >= Instant{}) edn_field("time", Value(event.time.time_since_epoch().count()));
    edn_field("type", Value::keyword(to_string(event.type)));
    edn_field("process", process_of(event));
    edn_field("f", function_name(event));
    edn_field("value", event.value);
    if (!event.key.is_null()) edn_field("key", event.key);
    for (const auto& [name, field] : ordered_extras(event)) edn_field(name, field);
    out() += "}\n";
  }

  // process TAB :type TAB :f TAB value [TAB error], of both the log and the table.
  Result<void> table(EventIndex i, const Event& event) {
    if (!is_edn_name(event.f)) return refused(i, fmt::format("the f {}", Value(event.f).to_string()));
    Value process = process_of(event);
    if (!process.is_integer() && (!process.is_keyword() || !is_edn_name(process.as_text()))) {
      warn("names of processes that are no keywords are written as :nemesis");
      process = Value::keyword("nemesis");
    }
    if (event.process < 0 && !event.key.is_null()) warn("keys of notes are not written");
    if (event.time != no_time) warn("times are not written");
    for (const auto& [name, field] : ordered_extras(event)) {
      if (name != "error") warn(fmt::format("the field {} is not written", Value(name).to_string()));
    }
    const bool wrapped = has_keys_ && event.process >= 0;
    const Value value = wrapped ? Value::list({event.key, event.value}) : event.value;
    out() += to_edn(process) + "\t:" + std::string(to_string(event.type)) + "\t:" + event.f + "\t";
    format_ == Format::jepsen_log ? log_value(event, value) : tsv_value(event, value);
    out() += '\n';
    return {};
  }

  // On fail and info a lone keyword would be read as the error, so a keyword that is the value gets a nil error beside
  // it.
  void log_value(const Event& event, const Value& value) {
    const bool ended = (event.type == EventType::fail || event.type == EventType::info) && event.process >= 0;
    const Value& error = event.error();
    if (ended && event.value.is_null() && error.is_keyword() && is_edn_name(error.as_text())) {
      append_edn(out(), error);
      return;
    }
    append_edn(out(), value);
    if (error.is_tagged() && error.tag() == "symbol") {
      out() += "\t#symbol ";
      append_edn(out(), error.tagged_value());
    } else if (!error.is_null()) {
      out() += '\t';
      append_edn(out(), error);
    } else if (ended && value.is_keyword()) {
      out() += "\tnil";
    }
  }

  void tsv_value(const Event& event, const Value& value) {
    append_edn(out(), value);
    const Value& error = event.error();
    if (error.is_null()) return;
    const std::string text = error.is_string() ? std::string(error.as_text()) : to_edn(error);
    if (!error.is_string()) warn("errors are written as text");
    const bool plain = is_utf8(text) && !text.empty() && text.find_first_of("\n\r\t") == std::string::npos;
    if (!plain)
      warn("line breaks, tabs and bytes that are not UTF-8 in errors are written escaped, empty errors not at all");
    if (!text.empty()) out() += "\t" + (plain ? text : escape_controls(text));
  }

  Result<void> kv(EventIndex i, const Event& event) {
    if (event.process < 0) {
      warn("notes of the nemesis are not written");
      return {};
    }
    if (event.f != "get" && event.f != "put" && event.f != "append")
      return refused(i, "the f " + Value(event.f).to_string());
    if (!event.key.is_string()) return refused(i, "the key " + event.key.to_string());
    if (!event.value.is_null() && !event.value.is_string()) return refused(i, "the value " + event.value.to_string());
    if (event.time != no_time) warn("times are not written");
    for (const auto& [name, field] : ordered_extras(event))
      warn(fmt::format("the field {} is not written", Value(name).to_string()));
    fmt::format_to(std::back_inserter(out()), "{{:process {}, :type :{}, :f :{}, :key {}, :value {}}}\n", event.process,
                   to_string(event.type), event.f, to_edn(event.key), to_edn(event.value));
    return {};
  }

  Error refused(EventIndex i, const std::string& what) const {
    return Error::bad_input(fmt::format("event {}: {} has no way to write {}", i, to_string(format_), what),
                            "write the history as jsonl");
  }

  const History& history_;
  Format format_;
  bool has_keys_ = false;
  Written written_;
  std::set<std::string> warned_;
};

}  // namespace

Result<Written> write_history(const History& history, Format format) {
  FL_ASSERT(format != Format::auto_);
  return Writer(history, format).write();
}

}  // namespace faultline
