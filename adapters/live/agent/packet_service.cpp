#include "packet_service.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <map>
#include <set>

#include "framers.hpp"
#include "traffic_json.hpp"

namespace faultline::live::agent {
namespace {

using Json = nlohmann::json;

Json none() { return Json::object(); }

// Chains of iptables have at most 28 characters, and that of the queue is longer by two.
std::string rules_name(const std::string& run_id, const std::string& node) {
  constexpr std::size_t longest = 26;
  std::string name = "fl_" + run_id + "_" + node;
  std::replace_if(
      name.begin(), name.end(), [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0; }, '_');
  name.resize(std::min(name.size(), longest));
  return name;
}

}  // namespace

Result<void> queues_work() {
  if (::geteuid() != 0) return Error::environment("queues of packets need root; log in as root, or set sudo = true");
  const auto tool = choose_queue_tool();
  return tool ? Result<void>() : tool.error();
}

PacketService::PacketService(std::string run_id, std::string node, std::string harness, Leftovers& journal)
    : harness_(std::move(harness)), name_(rules_name(run_id, node)), journal_(journal) {}

bool PacketService::knows(const std::string& what) {
  constexpr std::array<std::string_view, 9> all{"filter", "drop", "dropped", "shape", "tap",
                                                "watch",  "met",  "echo",    "sound"};
  return std::find(all.begin(), all.end(), what) != all.end();
}

Result<Json> PacketService::perform(const std::string& what, const Json& request) {
  if (what == "filter") return filter(request);
  if (what == "drop") return drop(request);
  if (what == "dropped") return dropped();
  if (what == "shape") return shape(request);
  if (what == "tap") return tap(request);
  if (what == "watch") return watch(request);
  if (what == "met") {
    if (!met_) return Json{{"met", Json::array()}};
    for (const auto event : request.value("let_go", std::vector<std::uint64_t>())) met_->let_go(event);
    return Json{{"met", met_->all()}};
  }
  if (what == "sound") return sound(request);
  if (!echo_) {
    auto echo = Echo::start(address_, std::set<std::string>(sources_.begin(), sources_.end()));
    if (!echo) return echo.error();
    echo_ = std::move(echo).value();
  }
  return Json{{"port", echo_->port()}};
}

Result<Json> PacketService::filter(const Json& request) {
  auto tool = choose_filter_tool();
  if (!tool) return tool.error();
  sources_ = request.at("sources").get<std::vector<std::string>>();
  address_ = request.at("address").get<std::string>();
  filter_tool_ = to_string(tool.value());
  auto intent = journal_.intend_filter(filter_tool_, name_);
  if (!intent) return intent.error();
  filter_intent_ = intent.value();
  FilterPlan plan{.name = name_, .harness = harness_, .sources = sources_};
  if (request.contains("clients")) {
    plan.clients = request["clients"].at("from").get<std::string>();
    plan.client_port = request["clients"].at("port").get<std::uint16_t>();
  }
  clients_are_told_apart_ = !plan.clients.empty();
  filter_.emplace(tool.value(), std::move(plan), "");
  if (auto made = filter_->set_up(); !made) return made.error();
  return none();
}

Result<Json> PacketService::drop(const Json& request) {
  if (!filter_) return Error::environment("no filter has been declared");
  Dropped dropped{.sources = request.at("sources").get<std::set<std::size_t>>()};
  if (request.contains("clients"))
    dropped.clients = request["clients"].get<std::set<std::pair<std::uint16_t, std::uint16_t>>>();
  if (!dropped.clients.empty() && !clients_are_told_apart_)
    return Error::environment("nobody said where connections of clients come from");
  if (auto done = filter_->drop(dropped); !done) return done.error();
  return none();
}

Result<Json> PacketService::dropped() {
  if (!filter_) return Json{{"packets", 0}, {"rules", false}};
  const auto packets = filter_->dropped_packets();
  if (!packets) return packets.error();
  const auto rules = filter_->has_rules();
  if (!rules) return rules.error();
  Json reply{{"packets", packets.value()}, {"rules", rules.value()}};
  if (!queue_) return reply;
  const auto queued = queue_->has_rules();
  if (!queued) return queued.error();
  reply["queued"] = queued.value() && !queue_->is_tapped();
  reply["traffic"] = to_json(queue_->counters());
  return reply;
}

Result<std::size_t> PacketService::ready_queue() {
  if (!filter_) return Error::environment("no filter has been declared");
  const auto self = static_cast<std::size_t>(std::find(sources_.begin(), sources_.end(), address_) - sources_.begin());
  if (self == sources_.size()) return Error::environment("the node's own address is none of the cluster's");
  if (!queue_) {
    const auto tool = choose_queue_tool();
    if (!tool) return tool.error();
    queue_tool_ = tool.value() == FilterTool::nft ? to_string(FilterTool::nft) : iptables_mangle;
    auto intent = journal_.intend_filter(queue_tool_, queue_name(name_));
    if (!intent) return intent.error();
    queue_intent_ = intent.value();
    std::vector<PacketQueue::Place> places;
    for (std::size_t i = 0; i < sources_.size(); ++i)
      places.push_back({.name_space = {}, .address = sources_[i], .judged = i == self});
    queue_ = std::make_unique<PacketQueue>(tool.value(), name_, std::move(places));
  }
  return self;
}

Result<Json> PacketService::tap(const Json& request) {
  const MakeFramer framer = framer_of(request.at("system").get<std::string>());
  if (!framer) return Error::environment("frames of this system are not known");
  const auto self = ready_queue();
  if (!self) return self.error();
  if (auto tapped = queue_->tap(framer); !tapped) return tapped.error();
  return none();
}

Result<Json> PacketService::watch(const Json& request) {
  const auto self = ready_queue();
  if (!self) return self.error();
  if (!queue_->is_tapped()) return Error::environment("packets are not looked at");
  met_ = std::make_shared<MetEvents>();
  std::map<std::pair<std::size_t, std::size_t>, std::vector<FrameWatch>> watches;
  std::uint64_t number = 0;
  for (const Json& each : request.at("frames")) {
    FrameWatch watch{.frame = each.at("frame").get<std::string>(),
                     .from = {},
                     .to = {},
                     .nth = each.at("nth").get<std::uint64_t>(),
                     .seen = [met = met_, number] { met->meet(number); },
                     .holds = {}};
    if (each.at("holds").get<bool>()) watch.holds = [met = met_, number] { return met->holds(number); };
    watches[{each.at("from").get<std::size_t>(), self.value()}].push_back(std::move(watch));
    ++number;
  }
  queue_->watch(watches);
  return none();
}

Result<Json> PacketService::shape(const Json& request) {
  const auto self = ready_queue();
  if (!self) return self.error();
  PacketQueue::Pairs pairs;
  for (const Json& link : request.at("links")) {
    const auto from = link.at("from").get<std::size_t>();
    if (from >= sources_.size()) return Error::environment("the cluster has no such source of packets");
    pairs[{from, self.value()}] = link_from_json(link, steady_now());
  }
  shapes_ = !pairs.empty();
  if (auto shaped = queue_->shape(pairs); !shaped) return shaped.error();
  return none();
}

Result<Json> PacketService::sound(const Json& request) const {
  const auto sounding = sound_echo(
      address_, request.at("to").get<std::string>(), request.at("count").get<std::int64_t>(),
      Duration(request.at("pace_ns").get<std::int64_t>()), Duration(request.at("limit_ns").get<std::int64_t>()));
  if (!sounding) return sounding.error();
  return to_json(sounding.value());
}

HealedLeftovers PacketService::end() {
  HealedLeftovers report;
  const auto remove = [&](std::optional<Leftovers::Id>& intent, const std::string& tool, const std::string& name,
                          bool told, const std::string& what) {
    if (!intent) return;
    const auto removed = remove_filter(tool, name);
    if (!removed) {
      report.remaining.push_back("not " + what + ": " + removed.error().to_string());
      return;
    }
    if (told) report.done.push_back(what);
    journal_.healed(*intent);
    intent.reset();
  };
  echo_.reset();
  const auto rules = filter_ ? filter_->has_rules() : Result<bool>(false);
  remove(filter_intent_, filter_tool_, name_, rules.ok() && rules.value(), "removed the rules that dropped packets");
  // First what is under way arrives, then new packets come by no queue; who has no judge lets pass.
  for (const auto event : met_ ? met_->all() : std::vector<std::uint64_t>()) met_->let_go(event);
  if (queue_) (void)queue_->shape({}).ok();
  remove(queue_intent_, queue_tool_, queue_name(name_), shapes_, "removed the rules that held or changed packets");
  queue_.reset();
  filter_.reset();
  return report;
}

}  // namespace faultline::live::agent
