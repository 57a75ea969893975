// Which format a file is in, by its first bytes. Private to history/.
#pragma once

#include <string>
#include <string_view>

#include <faultline/formats.hpp>

namespace faultline {

struct Detected {
  Format format = Format::jsonl;
  std::string reason;  // "the first line is a JSON object"
};
Result<Detected> detect_format(std::string_view head, std::string_view file);

}  // namespace faultline
