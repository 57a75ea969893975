// The reader of certificates.
#include <faultline/certificate.hpp>

#include "fuzz.hpp"

namespace faultline::fuzz {

void certificate(std::string_view bytes) {
  const auto first = parse_certificate(bytes, "c");
  const auto again = parse_certificate(bytes, "c");
  require(first.ok() == again.ok(), "reading is deterministic", bytes);
  if (!first) {
    require(first.error().kind == ErrorKind::bad_input, "what is wrong with a file is bad input",
            first.error().message);
    require(first.error().message.starts_with("c: error: "), "an error names the file", first.error().message);
    require(first.error().message == again.error().message, "reading is deterministic", first.error().message);
    return;
  }
  const std::string text = to_json(first.value());
  const auto back = parse_certificate(text, "c");
  if (!back) broken("a certificate written reads", back.error().to_string() + "\n" + text);
  require(back.value() == first.value(), "a certificate written comes back equal", text);
}

}  // namespace faultline::fuzz
