// The fuzz targets: each reads arbitrary bytes with one of the project's readers and checks what must hold whatever the
// bytes are. Every target is a plain function, driven by two mains: libFuzzer (targets/entry.cpp, built by clang++), and a test
// that replays the corpora and the inputs that once broke something (replay_test.cpp, built like every other test).
//
// A property that does not hold ends the program, after saying which one and how. Pure but for settings(), which puts
// the bytes into a file in memory.
#pragma once

#include <string>
#include <string_view>

#include <faultline/formats.hpp>

namespace faultline::fuzz {

// The targets. Names are those of the folders in corpus/ and findings/.
void jsonl(std::string_view bytes);
void jepsen_edn(std::string_view bytes);
void jepsen_log(std::string_view bytes);
void jepsen_tsv(std::string_view bytes);
void kv_log(std::string_view bytes);
void values(std::string_view bytes);  // one JSON or EDN value alone
void certificate(std::string_view bytes);
void schedule(std::string_view bytes);
void settings(std::string_view bytes);

// --- what they share

// Says what was promised and what is, then aborts.
[[noreturn]] void broken(std::string_view promise, std::string_view details);
inline void require(bool holds, std::string_view promise, std::string_view details) {
  if (!holds) broken(promise, details);
}

// Equal but for the lines they were read from; otherwise where and how they differ.
std::string difference(const History& a, const History& b);

// The same file read again, by the same or by another reader: verdict, error, history with its lines, remarks.
void require_same(const Result<ReadResult>& a, const Result<ReadResult>& b, std::string_view promise);

// What holds for every history reader: an error names a place in the file; reading is deterministic; automatic
// recognition reads no differently; what was read can be written in its own format and in the native one and comes back
// equal, but for what the writer warned of. The result is that of the first reading, with the options that the length
// of the input chose.
Result<ReadResult> exercise(std::string_view bytes, Format format);
// Those options.
ReadOptions options_for(std::string_view bytes, Format format);

}  // namespace faultline::fuzz
