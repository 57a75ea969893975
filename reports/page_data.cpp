#include "page_data.hpp"

#include <algorithm>
#include <string>
#include <unordered_map>
#include <vector>

#include "byte_column.hpp"
#include "gzip_base64.hpp"
#include "page_header.hpp"
#include "page_selection.hpp"
#include "words.hpp"

namespace faultline::reports {

namespace {

constexpr std::int64_t largest_integer = std::int64_t{1} << 48;  // so that a code stays exact in a double
constexpr std::size_t max_texts = 400'000;
constexpr std::size_t max_text_bytes = 16 * 1024 * 1024;
constexpr std::size_t text_limit = 120;
constexpr std::size_t exact_operations =
    20'000;  // up to here times are carried to the nanosecond, above to the microsecond

enum : std::uint64_t { special_tag = 0, integer_tag = 1, text_tag = 2, pair_tag = 3 };
enum : std::uint64_t { nothing = 0, same_as_input = 1, left_out = 2 };

// Distinct texts in order of first appearance; bounded.
class Texts {
 public:
  // The index plus one; 0 if there is no room.
  std::uint64_t add(std::string text) {
    const auto found = index_.find(text);
    if (found != index_.end()) return found->second;
    if (list_.size() >= max_texts || bytes_ + text.size() > max_text_bytes) return 0;
    bytes_ += text.size();
    list_.push_back(text);
    index_.emplace(std::move(text), list_.size());
    return list_.size();
  }
  [[nodiscard]] const std::vector<std::string>& list() const { return list_; }

 private:
  std::unordered_map<std::string, std::uint64_t> index_;
  std::vector<std::string> list_;
  std::size_t bytes_ = 0;
};

bool is_small(const Value& value) {
  return value.is_integer() && value.as_integer() <= largest_integer && value.as_integer() >= -largest_integer;
}

struct ValueColumns {
  ByteColumn input, output, input_second, output_second;
};

class ValueCoder {
 public:
  explicit ValueCoder(std::size_t keys) : last_(keys) {}

  void add(const Operation& o, std::uint32_t key_id) {
    const bool takes_input = !o.input.is_null() && o.f != "read";
    const bool cas = o.f == "cas";
    code(takes_input ? o.input : Value(), key_id, cas, columns_.input, columns_.input_second);
    if (takes_input && o.is_ok() && o.output == o.input) {
      columns_.output.number(same_as_input << 2 | special_tag);
    } else {
      code(o.is_ok() ? o.output : Value(), key_id, cas, columns_.output, columns_.output_second);
    }
  }
  ValueColumns& columns() { return columns_; }
  [[nodiscard]] const std::vector<std::string>& texts() const { return texts_.list(); }

 private:
  void code(const Value& value, std::uint32_t key_id, bool cas, ByteColumn& column, ByteColumn& second) {
    if (value.is_null()) return column.number(nothing << 2 | special_tag);
    if (is_small(value)) {
      column.number(ByteColumn::zigzag(value.as_integer() - last_[key_id]) << 2 | integer_tag);
      last_[key_id] = value.as_integer();
      return;
    }
    if (value.is_pair() && is_small(value.as_list()[0]) && is_small(value.as_list()[1])) {
      const std::int64_t from = value.as_list()[0].as_integer();
      const std::int64_t to = value.as_list()[1].as_integer();
      column.number(ByteColumn::zigzag(from - last_[key_id]) << 2 | pair_tag);
      second.difference(to - from);
      last_[key_id] = to;
      return;
    }
    std::string text = cas && value.is_pair()
                           ? show(value.as_list()[0], text_limit) + "→" + show(value.as_list()[1], text_limit)
                           : show(value, text_limit);
    const std::uint64_t index = texts_.add(std::move(text));
    column.number(index == 0 ? left_out << 2 | special_tag : (index - 1) << 2 | text_tag);
  }

  std::vector<std::int64_t> last_;
  ValueColumns columns_;
  Texts texts_;
};

class PageData {
 public:
  PageData(const ReportInput& input, std::size_t max_operations)
      : input_(input),
        history_(*input.history),
        selection_(select_operations(input, max_operations)),
        lanes_(lanes_of(history_)),
        clock_(history_, selection_.operations > exact_operations ? 1000 : 1),
        values_(history_.keys().size()) {}

  void write(const ReportSink& sink) {
    collect_operations();
    collect_events();
    GzipBase64 out(sink);
    PageHeader header{.operations = selection_.operations,
                      .stride = selection_.stride,
                      .lines = has_lines_,
                      .lane_count = lanes_.empty() ? 0 : *std::max_element(lanes_.begin(), lanes_.end()) + 1,
                      .nodes = nodes_.list(),
                      .errors = errors_.list(),
                      .values = values_.texts(),
                      .carried = &selection_.carried};
    ByteColumn length;
    const std::string json = page_header_json(input_, clock_, header);
    length.text(json);
    out.write(length.bytes());
    ValueColumns& values = values_.columns();
    for (const ByteColumn* column :
         {&kind_, &index_, &time_, &lane_, &line_, &process_, &function_, &key_, &node_, &error_, &values.input,
          &values.output, &values.input_second, &values.output_second}) {
      length.clear();
      length.number(column->bytes().size());
      out.write(length.bytes());
      out.write(column->bytes());
    }
    out.finish();
  }

 private:
  void collect_events() {
    EventIndex last_event = 0;
    std::int64_t last_time = 0;
    std::int64_t last_line = 0;
    bool first = true;
    for (EventIndex e = 0; e < history_.size(); ++e) {
      const OperationIndex o = history_.operation_of(e);
      if (o == none || !selection_.carried[o]) continue;
      kind_.number(static_cast<std::uint64_t>(history_.type(e)));
      index_.number(first ? e : e - last_event - 1);
      const std::int64_t time = clock_.tick(history_, e);
      time_.difference(time - last_time);
      lane_.number(lanes_[o]);
      const std::int64_t line = history_.line(e);
      has_lines_ = has_lines_ || line > 0;
      line_.difference(line - last_line - 1);
      last_event = e;
      last_time = time;
      last_line = line;
      first = false;
    }
    if (!has_lines_) line_.clear();
  }

  void collect_operations() {
    std::vector<Process> last_process;
    for (OperationIndex o = 0; o < history_.operation_count(); ++o) {
      if (!selection_.carried[o]) continue;
      const Operation operation = history_.operation(o);
      if (lanes_[o] >= last_process.size()) last_process.resize(lanes_[o] + 1);
      process_.difference(operation.process - last_process[lanes_[o]]);
      last_process[lanes_[o]] = operation.process;
      function_.number(history_.operation_function(o));
      key_.number(history_.operation_key_id(o));
      const Value& node = history_.operation_extra(o, "node");
      node_.number(node.is_null() ? 0 : nodes_.add(show_key(node, 40)));
      const Value& error = history_.operation_extra(o, "error");
      error_.number(error.is_null() ? 0 : errors_.add(error.is_string() ? outside(error.as_text()) : show(error)));
      values_.add(operation, history_.operation_key_id(o));
    }
  }

  const ReportInput& input_;
  const History& history_;
  PageSelection selection_;
  std::vector<std::uint32_t> lanes_;
  PageClock clock_;
  ValueCoder values_;
  Texts nodes_, errors_;
  bool has_lines_ = false;
  ByteColumn kind_, index_, time_, lane_, line_;
  ByteColumn process_, function_, key_, node_, error_;
};

}  // namespace

void write_page_data(const ReportInput& input, const ReportSink& sink, std::size_t max_operations) {
  if (input.history->operation_count() > 0) PageData(input, max_operations).write(sink);
}

}  // namespace faultline::reports
