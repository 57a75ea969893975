// Recorder: the rules that hold for every format, between a format's parser and the History. Private to history/.
//
// A parser hands over what it found as a RawEvent; the recorder checks index, time and key discipline, unwraps [key
// value] and [version value], appends, and counts what deserves a remark.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include <faultline/formats.hpp>

#include "complaint.hpp"

namespace faultline {

// One event as found. The offsets count from the start of the text that complaints are located in.
struct RawEvent {
  Event event;  // `line` set; key null if there was none
  std::optional<std::int64_t> index;
  bool unnamed = false;  // names no process
  bool has_f = true;     // names an f
  std::size_t at = 0;    // where the event begins
  std::size_t at_process = 0;
  std::size_t at_f = 0;
  std::size_t at_key = 0;
  std::size_t at_value = 0;
  std::size_t at_index = 0;
};

class Recorder {
 public:
  explicit Recorder(const ReadOptions& options) : options_(options) {}

  // Appends, or says what is wrong.
  std::optional<Complaint> add(RawEvent raw);

  // The same for a client's event in the shape of a row, if no rule is broken, nothing deserves a remark and no option
  // rewrites values. False, with nothing changed, if add() has to look at it. `index` < 0: none.
  bool add_row(History::Row& row, std::int64_t index);
  [[nodiscard]] bool takes_rows() const { return !options_.independent && !options_.versioned; }

  // Counts an occurrence; the text of the first one is kept.
  void remark(std::string_view kind, std::string_view text, std::uint64_t count = 1);
  // A remark that is made once and tells its count itself.
  void remark_total(std::string_view kind, std::string text, std::uint64_t count);
  [[nodiscard]] History& history() { return history_; }
  // The end: the history, and the remarks it gave rise to.
  ReadResult finish();

 private:
  struct Counted {
    std::string kind;
    std::string text;  // of the first
    std::uint64_t count = 0;
    bool told = false;  // the text tells the count
  };

  std::optional<Complaint> check_index(const RawEvent& raw);
  std::optional<Complaint> check_key(const RawEvent& raw);
  std::optional<Complaint> unwrap(RawEvent& raw);
  void check_time(Instant time, std::uint32_t line);
  std::optional<Complaint> name_process(RawEvent& raw);
  std::optional<Complaint> name_function(RawEvent& raw) const;
  void look_for_pairs(const Value& value, bool has_key, std::string_view f);

  ReadOptions options_;
  History history_;
  std::vector<Counted> remarks_;

  std::int64_t last_index_ = -1;
  std::uint32_t last_index_line_ = 0;
  bool renumbered_ = false;
  Instant last_time_ = no_time;
  std::uint32_t line_with_key_ = 0;  // first client event with a key, and first without
  std::uint32_t line_without_key_ = 0;
  bool only_pairs_ = true;          // every client value so far is null or a pair
  bool pair_seen_ = false;          // of an f that does not take pairs anyway
  std::optional<Process> unnamed_;  // stands for the process of events that name none: they share one
  std::uint32_t unnamed_line_ = 0;
  Process largest_process_ = -1;
};

}  // namespace faultline
