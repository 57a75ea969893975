// FastJsonl: reads lines exactly as the native writer spells them, several times faster than a general JSON parser.
// Private to history/.
//
// It takes a line only if every byte is where the writer would have put it: fields in order, no blanks, no escapes,
// values that are null, booleans, integers below 10^18, plain text or flat lists of such integers, in extras too.
// Anything else, and anything the recorder objects to, it leaves to simdjson, so what it accepts is a subset and means
// the same (tests compare both on mutated lines). Text that has been seen lately (keys, lists, strings, extras) is
// looked up by its bytes instead of being built and hashed again; so equal values share one node.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>

#include "recorder.hpp"

namespace faultline {

// Remembers what a piece of text meant, in a fixed number of slots; a newer text displaces an older one. Small files get
// fewer slots, so that reading one costs no more than it is worth.
// REQUIRES for find and insert: 8 readable bytes after the text.
template <class Meaning, std::size_t MostSlots, std::size_t MaxBytes>
class TextCache {
  static_assert((MostSlots & (MostSlots - 1)) == 0);

 public:
  // `bytes`: of all texts together, about; 0: not known.
  explicit TextCache(std::uint64_t bytes)
      : last_(bytes == 0 || bytes >= MostSlots * 8 ? MostSlots - 1 : std::bit_ceil(bytes / 8 + 1) - 1),
        slots_(std::make_unique<Slot[]>(last_ + 1)) {}

  const Meaning* find(std::string_view text) const {
    const Slot& slot = slots_[index(text)];
    return slot.size == text.size() && std::memcmp(slot.text.data(), text.data(), text.size()) == 0 ? &slot.meaning
                                                                                                    : nullptr;
  }
  void insert(std::string_view text, Meaning meaning) {
    if (text.empty() || text.size() > MaxBytes) return;
    Slot& slot = slots_[index(text)];
    slot.size = static_cast<std::uint32_t>(text.size());
    std::memcpy(slot.text.data(), text.data(), text.size());
    slot.meaning = std::move(meaning);
  }

 private:
  struct Slot {
    std::uint32_t size = 0;
    std::array<char, MaxBytes> text{};
    Meaning meaning{};
  };
  [[nodiscard]] std::size_t index(std::string_view text) const {
    std::uint64_t hash = text.size();
    for (std::size_t i = 0; i < text.size(); i += 8) {
      std::uint64_t word = 0;
      std::memcpy(&word, text.data() + i, 8);
      if (text.size() - i < 8) word &= (std::uint64_t{1} << (8 * (text.size() - i))) - 1;
      hash = (hash ^ word) * 0x9e3779b97f4a7c15ULL;
      hash ^= hash >> 32;
    }
    return hash & last_;
  }
  std::size_t last_;  // the highest slot, one less than a power of two
  std::unique_ptr<Slot[]> slots_;
};

class FastJsonl {
 public:
  // `bytes`: of the file; 0: not known.
  FastJsonl(Recorder& recorder, std::uint64_t bytes)
      : recorder_(recorder), functions_(bytes), keys_(bytes), values_(bytes), extras_(bytes), names_(bytes) {}

  struct Taken {
    std::size_t bytes = 0;
    std::uint64_t lines = 0;
  };
  // Records whole lines from the front of the window for as long as it can. `first_line` is the number of the first.
  // REQUIRES: ChunkReader::padding readable zero bytes after the window.
  Taken take(std::string_view window, std::uint64_t first_line);

 private:
  struct Parsed {
    History::Row row;
    std::int64_t index = -1;
    std::string_view new_function;  // as spelled, if it is not among the remembered ones
    std::string_view new_key;
    std::string_view new_extras;
    Value extra;  // what they mean
  };

  const char* line(const char* at, const char* end, std::uint32_t number);
  const char* head(const char* at, Parsed& parsed);
  const char* function(const char* at, Parsed& parsed) const;
  const char* key(const char* at, Parsed& parsed) const;
  bool intern(Parsed& parsed);
  const char* value(const char* at, Value& value);
  const char* remembered(const char* at, const char* past, Value& value);
  const char* extras(const char* at, const char* end, Parsed& parsed);
  const char* extra_name(const char* at, Value& name);

  Recorder& recorder_;
  TextCache<FunctionId, 64, 32> functions_;
  TextCache<std::uint32_t, 4096, 40> keys_;
  TextCache<Value, 4096, 40> values_;
  TextCache<std::uint32_t, 256, 240> extras_;
  TextCache<Value, 64, 32> names_;  // of extras; never that of a field
};

}  // namespace faultline
