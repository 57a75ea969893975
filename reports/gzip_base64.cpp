#include "gzip_base64.hpp"

#include <faultline/assert.hpp>

#include <zlib.h>

#include <array>
#include <span>

#include "sha256.hpp"

namespace faultline::reports {

namespace {

constexpr int compression_level = 6;
constexpr int gzip_window = 15 + 16;
constexpr std::size_t output_bytes = 96 * 1024;   // a multiple of three
constexpr std::size_t input_bytes = 1024 * 1024;  // at most this much is handed to zlib at once

std::string base64_text(std::string_view bytes) {
  const auto* const data = reinterpret_cast<const std::uint8_t*>(bytes.data());
  return base64(std::span<const std::uint8_t>(data, bytes.size()));
}

}  // namespace

struct GzipBase64::Stream {
  z_stream zlib{};
  std::array<char, output_bytes> output{};
};

GzipBase64::GzipBase64(const ReportSink& sink) : sink_(sink), stream_(std::make_unique<Stream>()) {
  const int begun = ::deflateInit2(&stream_->zlib, compression_level, Z_DEFLATED, gzip_window, 8, Z_DEFAULT_STRATEGY);
  FL_ASSERT(begun == Z_OK);
}

GzipBase64::~GzipBase64() { ::deflateEnd(&stream_->zlib); }

void GzipBase64::write(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::string_view piece = bytes.substr(0, input_bytes);
    // zlib only reads it; its interface is older than const.
    stream_->zlib.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(piece.data()));
    stream_->zlib.avail_in = static_cast<uInt>(piece.size());
    deflate_all(Z_NO_FLUSH);
    bytes.remove_prefix(piece.size());
  }
}

void GzipBase64::finish() {
  stream_->zlib.next_in = nullptr;
  stream_->zlib.avail_in = 0;
  deflate_all(Z_FINISH);
  encode({}, true);
}

void GzipBase64::deflate_all(int flush) {
  z_stream& z = stream_->zlib;
  do {
    z.next_out = reinterpret_cast<Bytef*>(stream_->output.data());
    z.avail_out = static_cast<uInt>(stream_->output.size());
    const int result = ::deflate(&z, flush);
    FL_ASSERT(result == Z_OK || result == Z_STREAM_END || result == Z_BUF_ERROR);
    encode(std::string_view(stream_->output.data(), stream_->output.size() - z.avail_out), false);
  } while (z.avail_out == 0);
  FL_ASSERT(z.avail_in == 0);
}

void GzipBase64::encode(std::string_view compressed, bool last) {
  pending_ += compressed;
  const std::size_t whole = last ? pending_.size() : pending_.size() / 3 * 3;
  if (whole == 0) return;
  sink_(base64_text(std::string_view(pending_).substr(0, whole)));
  pending_.erase(0, whole);
}

}  // namespace faultline::reports
