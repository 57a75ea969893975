#include "cutter.hpp"

#include <algorithm>

namespace faultline::live {
namespace {

constexpr std::size_t piece_bytes = 4096;

void add_pieces(std::vector<Parcel>& parcels, std::string_view bytes) {
  for (; !bytes.empty(); bytes.remove_prefix(std::min(piece_bytes, bytes.size())))
    parcels.push_back({.id = 0, .bytes = std::string(bytes.substr(0, piece_bytes)), .frozen = 0, .whole = false});
}

}  // namespace

std::vector<Parcel> Cutter::cut(std::span<const char> bytes) {
  std::vector<Parcel> parcels;
  if (!framer_) {
    add_pieces(parcels, {bytes.data(), bytes.size()});
    return parcels;
  }
  buffer_.append(bytes.data(), bytes.size());
  std::size_t at = 0;
  while (at < buffer_.size()) {
    const FrameLook look = framer_->look(std::string_view(buffer_).substr(at));
    if (look.lost_step) {
      framer_.reset();
      add_pieces(parcels, std::string_view(buffer_).substr(at));
      buffer_.clear();
      return parcels;
    }
    if (look.size == 0 || look.size > buffer_.size() - at) break;
    parcels.push_back(
        {.id = 0, .bytes = buffer_.substr(at, look.size), .frozen = look.frozen, .whole = !look.essential});
    at += look.size;
  }
  buffer_.erase(0, at);
  return parcels;
}

FrameWatches::FrameWatches(std::vector<FrameWatch> watches) {
  for (FrameWatch& watch : watches) waiting_.push_back({std::move(watch)});
}

std::vector<FrameWatch> FrameWatches::meet(std::string_view frame) {
  std::vector<FrameWatch> met;
  std::erase_if(waiting_, [&](Waiting& one) {
    if (one.watch.frame != frame || ++one.passed < one.watch.nth) return false;
    met.push_back(std::move(one.watch));
    return true;
  });
  return met;
}

std::vector<Parcel> Cutter::rest() {
  std::vector<Parcel> parcels;
  add_pieces(parcels, buffer_);
  buffer_.clear();
  return parcels;
}

}  // namespace faultline::live
