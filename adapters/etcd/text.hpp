// Bytes on the wire: base64 (RFC 4648) and the text of a Value as etcd stores it. See codec.hpp for the encoding.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <faultline/result.hpp>
#include <faultline/value.hpp>

namespace faultline::etcd {

// The standard alphabet, padded.
std::string to_base64(std::string_view bytes);
// Accepts either alphabet, padded or not; nullopt for anything else.
std::optional<std::string> from_base64(std::string_view text);

// bad_input: a value without JSON text (NaN, a keyword, bytes that are no UTF-8, nesting beyond 64).
Result<std::string> to_stored(const Value& value);
// The value whose text these bytes are, else #bytes "<base64>".
Value from_stored(std::string_view bytes);

}  // namespace faultline::etcd
