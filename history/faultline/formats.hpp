// Reading and writing histories: native JSONL, Jepsen's EDN, its log lines and tables, and key-value logs.
//
// A reader takes a file in bounded chunks (memory is that of the History plus a chunk of some hundred kilobytes; one
// event may take up to 16 MiB) and stops at the first thing that is wrong. Its error reads `FILE:LINE:COLUMN: error:
// expected X, found Y`, then the line, then what to do; columns count bytes from 1. Kind bad_input (exit 64) is a wrong
// file, environment (exit 3) a file that cannot be read. Nothing is skipped silently: whatever a reader ignores comes
// back as a counted remark.
//
// What every reader does with an event, whatever its format:
//   - an integer process >= 0 is a client; -1, `nemesis` or anything that is no integer is not, and its events become
//     notes. A name other than `nemesis` stays in the note's extra field "process".
//   - `index`, where present, must grow and is then dropped: a History numbers its events itself.
//   - in EDN an index or time of -1 or nil is none, and events without :process share one that no other event has.
//   - values stay as written, on invocations of reads too; what counts is the checker's to decide.
//   - nesting is limited to 512, so no Value from a file can exhaust a stack.
//
// The native format and what JSON has no word for
//   A line is {"index":N,"time":NS,"type":T,"process":P,"f":STR,["key":ANY,]"value":ANY,["error":ANY,]["node":ANY,]…}.
//   A number without '.', 'e' and 'E' is an integer, exact at any length; any other is a double. The rest:
//     keyword :a              {"$keyword":"a"}
//     tagged value #set […]   {"$tag":["set",[…]]}
//     map, not all keys text  {"$map":[[key,value],…]}
//     NaN, infinities         {"$real":"NaN"}, {"$real":"Inf"}, {"$real":"-Inf"}
//     text not valid UTF-8    {"$bytes":"68ff"}, in hexadecimal
//   Only an object of exactly such a shape is read so. A map that really has the key "$keyword" is written with
//   "$$keyword", one with "$$keyword" with "$$$keyword" (likewise $tag, $map, $real, $bytes); all other names, as
//   "$oid", stay as they are.
//
// In EDN, text that is not UTF-8 is #faultline/bytes "68ff", a keyword EDN cannot spell #faultline/keyword "a b", and a
// tag it cannot spell #faultline/tag ["a b" value].
//
// Threads: free functions without shared state.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <faultline/history.hpp>
#include <faultline/result.hpp>

namespace faultline {

enum class Format : std::uint8_t { auto_, jsonl, jepsen_edn, jepsen_log, jepsen_tsv, kv_log };
// As on the command line: "auto", "jsonl", "jepsen-edn", "jepsen-log", "jepsen-tsv", "kv-log".
std::string_view to_string(Format format);
std::span<const std::string_view> format_names();
std::optional<Format> parse_format(std::string_view name);

struct ReadOptions {
  Format format = Format::auto_;  // auto_ decides by content, never by the file's name
  // Every client value is [key value] (cas: [key [from to]]); the key moves to Event::key. A completion without value
  // has the key of its invocation.
  bool independent = false;
  // Values of read and write are [version value], of cas [version [from to]], as Jepsen's etcd register records them:
  // see unwrap_versioned(). Applied after `independent`.
  bool versioned = false;
  // Asked every 256 KiB. Not empty: the reading ends with an error that says it, e.g. "time limit".
  std::function<std::string_view()> stop = {};
};

// Something a reader ignored or found worth saying, that is no error.
struct Remark {
  std::string
      kind;  // "other-loggers", "torn-line", "time-backwards", "retired-process", "pairs", …: stable, for programs
  std::uint64_t count = 0;  // how often; for "torn-line" its bytes
  std::string text;         // one sentence with the count, for people
  friend bool operator==(const Remark&, const Remark&) = default;
};

struct ReadResult {
  History history;
  Format format = Format::jsonl;  // never auto_
  std::string chosen;  // what was read how and why, one sentence: "read as jsonl: the first line is a JSON object"
  std::vector<Remark> remarks;  // in order of first appearance; they sum up history.warnings()
};

// "-" is standard input.
Result<ReadResult> read_history_file(const std::string& path, const ReadOptions& options = {});
// From memory; `name` stands for the file in messages.
Result<ReadResult> read_history(std::string_view bytes, const ReadOptions& options = {},
                                std::string_view name = "history");

struct Written {
  std::string text;
  std::vector<std::string> warnings;  // what the format cannot carry, each named once: "times are not written: …"
};
// The whole history as a file. read_history(write_history(h, f).text, {f}) gives h back but for what the warnings name.
// Formats without keys (jepsen-log, jepsen-tsv) write [key value] pairs, to be read with `independent`. The error is
// bad_input: the format has no way to say an event at all (kv-log and a cas). REQUIRES: format != auto_.
Result<Written> write_history(const History& history, Format format);

// One event as one line of the native format, newline included.
std::string native_line(EventIndex index, const Event& event);

// An event whose value is [version value], as one that carries `value` and the extra field "version" (left out if nil).
// A null value stays. The error is bad_input: "expected [version value], found 7". Only read, write and cas are
// versioned; others stay.
Result<Event> unwrap_versioned(Event event);

// One value as JSON (escaped as above) and as EDN, on one line; and back.
std::string to_json(const Value& value);
std::string to_edn(const Value& value);
Result<Value> parse_json(std::string_view text);
Result<Value> parse_edn(std::string_view text);

}  // namespace faultline
