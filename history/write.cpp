#include <fmt/format.h>

#include <faultline/formats.hpp>
#include "json.hpp"

namespace faultline {

Result<Written> write_history(const History& history, Format format) {
  FL_ASSERT(format == Format::jsonl);
  Written written;
  for (EventIndex i = 0; i < history.size(); ++i) append_native_line(written.text, i, history.event(i));
  return written;
}

}  // namespace faultline
