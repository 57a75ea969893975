// GzipBase64: a stream of bytes compressed as gzip (RFC 1952) and written as Base64 (RFC 4648), piece by piece.
//
// A page carries its data this way: the browser inflates it with DecompressionStream. Only a few hundred kilobytes are held at any
// time, whatever the amount. Same bytes in, same bytes out, for one version of zlib.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <faultline/report.hpp>

namespace faultline::reports {

class GzipBase64 {
 public:
  // `sink` must outlive this.
  explicit GzipBase64(const ReportSink& sink);
  ~GzipBase64();
  GzipBase64(const GzipBase64&) = delete;
  GzipBase64& operator=(const GzipBase64&) = delete;

  void write(std::string_view bytes);
  // Ends the stream. REQUIRES: called once, after the last write.
  void finish();

 private:
  void deflate_all(int flush);
  void encode(std::string_view compressed, bool last);

  struct Stream;
  const ReportSink& sink_;
  std::unique_ptr<Stream> stream_;
  std::string pending_;  // compressed bytes that do not fill a group of three yet
};

}  // namespace faultline::reports
