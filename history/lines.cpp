#include <fmt/format.h>

#include <cstring>

#include "readers.hpp"

namespace faultline {

Result<Line> LineReader::next() {
  input_.consume(to_consume_);
  to_consume_ = 0;
  const std::uint64_t number = line_.number + 1;
  std::size_t searched = 0;
  for (;;) {
    const std::string_view window = input_.window();
    const std::size_t newline = window.find('\n', searched);
    if (newline != std::string_view::npos) {
      to_consume_ = newline + 1;
      line_ = {window.substr(0, newline), number, true};
      return line_;
    }
    searched = window.size();
    auto more = input_.more();
    if (!more) return more.error();
    if (more.value()) continue;
    if (!input_.at_end()) {
      line_ = {input_.window(), number, false};
      return error({0, fmt::format("expected a line of at most {} MiB, found a longer one", max_event_bytes >> 20),
                    "a history holds one event per line"});
    }
    to_consume_ = searched;
    line_ = {input_.window(), searched == 0 ? 0 : number, false};
    return line_;
  }
}

Error LineReader::error(const Complaint& complaint) const {
  return located({input_.name(), line_.number, complaint.offset + 1, line_.text, 0}, complaint);
}

}  // namespace faultline
