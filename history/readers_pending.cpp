#include "detect.hpp"
#include "readers.hpp"
namespace faultline {
Result<Detected> detect_format(std::string_view, std::string_view) {
  return Detected{Format::jsonl, "the native format"};
}
Result<void> read_jepsen_edn(ChunkReader&, Recorder&) {
  return Error::bad_input("jepsen-edn is not readable in this build");
}
Result<void> read_jepsen_log(ChunkReader&, Recorder&) {
  return Error::bad_input("jepsen-log is not readable in this build");
}
Result<void> read_jepsen_tsv(ChunkReader&, Recorder&) {
  return Error::bad_input("jepsen-tsv is not readable in this build");
}
Result<void> read_kv_log(ChunkReader&, Recorder&) { return Error::bad_input("kv-log is not readable in this build"); }
Result<Value> parse_edn(std::string_view) { return Error::bad_input("EDN is not readable in this build"); }
std::string to_edn(const Value& value) { return value.to_string(); }
}  // namespace faultline
