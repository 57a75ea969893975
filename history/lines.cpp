#include <fmt/format.h>

#include <utility>

#include "readers.hpp"

namespace faultline {

std::string_view LineReader::window() {
  input_.consume(std::exchange(to_consume_, 0));
  return input_.window();
}

void LineReader::skip(std::size_t bytes, std::uint64_t lines) {
  input_.consume(bytes);
  next_number_ += lines;
}

Result<SourceLine> LineReader::next() {
  window();
  const std::uint64_t number = next_number_++;
  std::size_t searched = 0;
  for (;;) {
    const std::string_view at_hand = input_.window();
    const std::size_t newline = at_hand.find('\n', searched);
    if (newline != std::string_view::npos) {
      to_consume_ = newline + 1;
      line_ = {at_hand.substr(0, newline), number, true};
      return line_;
    }
    searched = at_hand.size();
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
