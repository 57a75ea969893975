// ByteSource and ChunkReader: a file, standard input or memory as a window of bytes that slides forward. Private to
// history/.
//
// Only the unread part is held; it grows beyond one chunk only for an event longer than that, up to max_event_bytes.
// After the window's end there are always `padding` readable zero bytes, so that a parser may look ahead without bounds
// checks.
#pragma once

#include <faultline/result.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace faultline {

inline constexpr std::size_t max_event_bytes = std::size_t{16} << 20;

// Owns what it opened. Not copyable.
class ByteSource {
 public:
  static Result<ByteSource> open(const std::string& path);  // "-" is standard input
  static ByteSource memory(std::string_view bytes, std::string_view name);
  ByteSource(ByteSource&& other) noexcept;
  ByteSource& operator=(ByteSource&&) = delete;
  ~ByteSource();

  // Up to `size` bytes into `into`; 0 at the end.
  Result<std::size_t> read(char* into, std::size_t size);
  [[nodiscard]] const std::string& name() const { return name_; }
  // How many bytes there will be, if that can be known; else 0.
  [[nodiscard]] std::uint64_t size_hint() const { return size_hint_; }

 private:
  ByteSource() = default;
  std::string name_;
  int fd_ = -1;
  bool owns_ = false;
  std::string_view memory_;
  std::uint64_t size_hint_ = 0;
};

class ChunkReader {
 public:
  static constexpr std::size_t padding = 128;
  static constexpr std::size_t chunk = std::size_t{256} << 10;

  // `stop`: see ReadOptions.
  explicit ChunkReader(ByteSource source, std::function<std::string_view()> stop = {});

  // The unread bytes at hand. Invalidated by more().
  [[nodiscard]] std::string_view window() const { return {buffer_.get() + begin_, end_ - begin_}; }
  [[nodiscard]] bool at_end() const { return eof_; }  // the window holds all that is left
  void consume(std::size_t bytes) { begin_ += bytes; }
  // Adds at least one byte to the window unless the end is reached. False if nothing was added: at_end(), or the window
  // is full.
  Result<bool> more();

  [[nodiscard]] const std::string& name() const { return source_.name(); }
  [[nodiscard]] std::uint64_t size_hint() const { return source_.size_hint(); }

 private:
  ByteSource source_;
  std::unique_ptr<char[]> buffer_;
  std::size_t capacity_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  bool eof_ = false;
  std::function<std::string_view()> stop_;
};

}  // namespace faultline
