#include "frame_tap.hpp"

#include <algorithm>
#include <optional>

namespace faultline::live {
namespace {

constexpr std::size_t most_flows = 1024;
constexpr std::size_t most_early = 1 << 20;

std::uint32_t number(std::string_view bytes, std::size_t at, std::size_t size) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < size; ++i) value = value << 8U | static_cast<unsigned char>(bytes[at + i]);
  return value;
}

struct Segment {
  std::uint32_t ports = 0;
  std::uint32_t sequence = 0;
  bool opens = false, ends = false;
  std::string_view bytes;
};

// None: it is no whole TCP segment.
std::optional<Segment> segment_of(std::string_view packet) {
  constexpr std::size_t ip_least = 20, tcp_least = 20, word = 4;
  constexpr std::uint32_t tcp = 6, fragment = 0x3FFF;
  if (packet.size() < ip_least || number(packet, 0, 1) >> 4U != 4) return std::nullopt;
  const std::size_t header = word * (number(packet, 0, 1) & 0xFU);
  const std::size_t length = std::min<std::size_t>(number(packet, 2, 2), packet.size());
  if (number(packet, 9, 1) != tcp || (number(packet, 6, 2) & fragment) != 0) return std::nullopt;
  if (header < ip_least || length < header + tcp_least) return std::nullopt;
  const std::string_view segment = packet.substr(header, length - header);
  const std::size_t data = word * (number(segment, 12, 1) >> 4U);
  if (data < tcp_least || data > segment.size()) return std::nullopt;
  const std::uint32_t flags = number(segment, 13, 1);
  constexpr std::uint32_t fin = 1, syn = 2, rst = 4;
  return Segment{.ports = number(segment, 0, 4),
                 .sequence = number(segment, 4, 4),
                 .opens = (flags & syn) != 0,
                 .ends = (flags & (fin | rst)) != 0,
                 .bytes = segment.substr(data)};
}

}  // namespace

void FrameTap::watch(const std::map<std::size_t, std::vector<FrameWatch>>& watches) {
  watches_.clear();
  for (const auto& [from, frames] : watches) watches_.emplace(from, frames);
}

bool FrameTap::look(std::size_t from, std::string_view packet) {
  const auto segment = segment_of(packet);
  if (!segment) return false;
  const FlowId id{from, segment->ports};
  if (segment->opens) {
    if (flows_.size() >= most_flows) flows_.clear();
    flows_.erase(id);
    Flow& flow = flows_.emplace(id, make_framer_()).first->second;
    flow.next = flow.first = segment->sequence + 1;
    return false;
  }
  const auto found = flows_.find(id);
  if (found == flows_.end()) return false;
  const bool met = !segment->bytes.empty() && take(from, found->second, segment->sequence, segment->bytes);
  if (found->second.early_bytes > most_early || (segment->ends && found->second.early.empty())) flows_.erase(found);
  return met;
}

// Numbers of a stream are compared by their distance, as they begin anew after 2^32.
bool FrameTap::take(std::size_t from, Flow& flow, std::uint32_t sequence, std::string_view bytes) {
  const auto distance = static_cast<std::int32_t>(sequence - flow.next);
  if (distance > 0) {
    std::string& kept = flow.early[sequence - flow.first];
    if (kept.size() >= bytes.size()) return false;
    flow.early_bytes += bytes.size() - kept.size();
    kept = bytes;
    return false;
  }
  const auto known = static_cast<std::size_t>(-static_cast<std::int64_t>(distance));
  if (known >= bytes.size()) return false;
  bool met = meet(from, flow, bytes.substr(known));
  while (!flow.early.empty()) {
    const auto& [at, first] = *flow.early.begin();
    const auto ahead = static_cast<std::int32_t>(at - (flow.next - flow.first));
    if (ahead > 0) break;
    const std::string piece = first;
    flow.early_bytes -= piece.size();
    flow.early.erase(flow.early.begin());
    const auto seen = static_cast<std::size_t>(-static_cast<std::int64_t>(ahead));
    if (seen < piece.size()) met = meet(from, flow, std::string_view(piece).substr(seen)) || met;
  }
  return met;
}

bool FrameTap::meet(std::size_t from, Flow& flow, std::string_view bytes) {
  flow.next += static_cast<std::uint32_t>(bytes.size());
  bool met = false;
  for (const Parcel& parcel : flow.cutter.cut(bytes)) {
    const auto watched = watches_.find(from);
    if (watched == watches_.end()) continue;
    for (const FrameWatch& watch : watched->second.meet(flow.cutter.name(parcel.bytes))) {
      met = true;
      watch.seen();
      if (watch.holds) holders_[from].push_back(watch.holds);
    }
  }
  return met;
}

bool FrameTap::holds(std::size_t from) {
  const auto found = holders_.find(from);
  if (found == holders_.end()) return false;
  std::erase_if(found->second, [](const auto& holds) { return !holds(); });
  if (!found->second.empty()) return true;
  holders_.erase(found);
  return false;
}

}  // namespace faultline::live
