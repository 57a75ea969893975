#include <faultline/story.hpp>

#include <algorithm>
#include <array>
#include <set>
#include <tuple>

#include "draw.hpp"
#include "strict.hpp"

namespace faultline {

namespace {

// "n1", "n1 and n2", "n1, n2 and n3".
std::string listed(const std::vector<std::string>& words) {
  std::string text;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) text += i + 1 == words.size() ? " and " : ", ";
    text += words[i];
  }
  return text;
}

std::string text_of(const Value& value) {
  if (value.is_real()) return fmt::format("{:.4g}", value.as_real());
  if (value.is_string()) return escape_controls(clip(value.as_text(), 80));
  return clip(value.to_string(), 80);
}

std::string ordinal(std::uint64_t n) {
  constexpr std::array<std::string_view, 4> words{"first", "second", "third", "fourth"};
  if (n >= 1 && n <= words.size()) return std::string(words[n - 1]);
  const bool teen = n % 100 >= 11 && n % 100 <= 13;
  const std::string_view ending = teen ? "th" : n % 10 == 1 ? "st" : n % 10 == 2 ? "nd" : n % 10 == 3 ? "rd" : "th";
  return fmt::format("{}{}", n, ending);
}

// Whom it hits: names, or the selector as words.
std::string whom(const Fault& fault) {
  std::vector<std::string> names;
  for (const NodeName& node : fault.nodes) names.push_back(escape_controls(clip(node, 40)));
  if (!names.empty()) return listed(names);
  const Value& target = fault.parameters.get("target");
  if (target.is_list()) {
    for (const Value& node : target.as_list()) names.push_back(text_of(node));
    return listed(names);
  }
  const std::string word = text_of(target);
  if (word == "primaries") return "the leader";
  if (word == "one") return "one node";
  if (word == "all") return "every node";
  if (word == "minority" || word == "majority") return "a " + word + " of the nodes";
  return target.is_null() ? "nobody" : "some nodes";
}
bool are_many(const Fault& fault) {
  if (!fault.nodes.empty()) return fault.nodes.size() > 1;
  const Value& target = fault.parameters.get("target");
  return target.is_list() ? target.as_list().size() > 1 : target == Value("random");
}
std::string is_or_are(const Fault& fault) { return are_many(fault) ? "are" : "is"; }

std::string links_text(const Value& links) {
  std::vector<std::string> words;
  for (const Value& link : links.as_list()) {
    if (link.is_pair())
      words.push_back(fmt::format("{} to {}", text_of(link.as_list()[0]), text_of(link.as_list()[1])));
  }
  return listed(words);
}

// --- kinds -----------------------------------------------------------------------------------------------------------

std::string clients_text(const Value& clients) {
  std::vector<std::string> words;
  if (!clients.is_map()) return {};
  for (const auto& [node, names] : clients.as_map()) {
    std::vector<std::string> of_node;
    for (const Value& name : names.as_list()) of_node.push_back(text_of(name));
    words.push_back(fmt::format("{} from {}", listed(of_node), text_of(node)));
  }
  return listed(words);
}

// Who hears nothing from whom; who is cut off both ways from the same nodes is told so.
std::string grudge_text(const Grudge& grudge) {
  const auto hears_not = [&](const NodeName& node, const NodeName& from) {
    const auto found = grudge.find(node);
    return found != grudge.end() && found->second.contains(from);
  };
  std::vector<std::string> parts;
  std::set<std::pair<NodeName, NodeName>> told;
  std::vector<std::pair<std::string, std::vector<std::string>>> deaf;  // from whom, and to whom it is nothing
  // The node with the most cuts first: "n1 is cut off from n2 and n3" tells both.
  std::vector<NodeName> order;
  for (const auto& [node, from] : grudge) order.push_back(node);
  std::stable_sort(order.begin(), order.end(),
                   [&](const NodeName& a, const NodeName& b) { return grudge.at(a).size() > grudge.at(b).size(); });
  for (const NodeName& node : order) {
    std::vector<std::string> both, one;
    for (const NodeName& from : grudge.at(node)) {
      if (told.contains({node, from})) continue;
      if (hears_not(from, node)) {
        both.push_back(from);
        told.insert({from, node});
      } else {
        one.push_back(from);
      }
    }
    if (!both.empty()) parts.push_back(fmt::format("{} is cut off from {}", node, listed(both)));
    if (one.empty()) continue;
    const auto same =
        std::find_if(deaf.begin(), deaf.end(), [&](const auto& each) { return each.first == listed(one); });
    same == deaf.end() ? deaf.push_back({listed(one), {node}}) : same->second.push_back(node);
  }
  for (auto& [from, nodes] : deaf) {
    std::sort(nodes.begin(), nodes.end());
    parts.push_back(fmt::format("{} {} nothing from {}", listed(nodes), nodes.size() == 1 ? "hears" : "hear", from));
  }
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : "; ") + part;
  return text;
}

std::string partition_text(const Fault& fault) {
  std::string text = grudge_text(fault.grudge);
  const Value& shape = fault.parameters.get("shape");
  if (text.empty() && !shape.is_null()) {
    text = fmt::format("the network is cut: {}", text_of(shape));
    if (!fault.parameters.get("of").is_null()) text += " of " + text_of(fault.parameters.get("of"));
  }
  if (const std::string clients = clients_text(fault.parameters.get("clients")); !clients.empty())
    text += fmt::format("{}clients are cut off: {}", text.empty() ? "" : "; ", clients);
  return text.empty() ? "nothing is cut" : text;
}

std::string lost_data(const Value& disk) {
  if (disk == Value("lose_unsynced")) return "loses what it had not synced";
  if (disk == Value("torn")) return "keeps only parts of what it had not synced, some torn";
  return disk == Value("reordered") ? "keeps some of what it had not synced, in no order" : "";
}

std::string kill_text(const Fault& fault) {
  const std::string lost = lost_data(fault.parameters.get("disk"));
  if (lost.empty()) return fmt::format("{} {} killed", whom(fault), is_or_are(fault));
  return fmt::format("{} {} power; each disk {}", whom(fault), are_many(fault) ? "lose" : "loses", lost);
}

std::string crash_text(const Fault& fault) {
  const Value& p = fault.parameters;
  const std::uint64_t nth = p.get("nth").is_integer() ? static_cast<std::uint64_t>(p.get("nth").as_integer()) : 1;
  std::string text = fmt::format("{} {} killed {} the {} {} from then on", whom(fault), is_or_are(fault),
                                 p.get("edge") == Value("after") ? "after" : "before", ordinal(nth),
                                 p.get("call").is_null() ? "fsync" : text_of(p.get("call")));
  if (!p.get("file").is_null()) text += " of " + text_of(p.get("file"));
  const std::string lost = lost_data(p.get("disk"));
  return lost.empty() ? text : text + "; the disk " + lost;
}

std::string packet_text(const Fault& fault) {
  const Value& p = fault.parameters;
  std::vector<std::string> effects;
  if (!p.get("delay").is_null()) effects.push_back("delayed by " + text_of(p.get("delay")));
  if (!p.get("jitter").is_null()) effects.push_back("spread by " + text_of(p.get("jitter")));
  for (const auto& [name, done] : std::array<std::pair<std::string_view, std::string_view>, 4>{
           {{"loss", "lost"}, {"duplicate", "doubled"}, {"reorder", "reordered"}, {"corrupt", "corrupted"}}}) {
    if (!p.get(name).is_null()) effects.push_back(fmt::format("{} with probability {}", done, text_of(p.get(name))));
  }
  if (!p.get("rate").is_null()) effects.push_back("limited to " + text_of(p.get("rate")));
  const std::string where = p.get("links").is_list()   ? "from " + links_text(p.get("links"))
                            : p.get("pairs").is_null() ? "of " + whom(fault)
                                                       : fmt::format("on {} links", text_of(p.get("pairs")));
  return fmt::format("packets {} are {}", where, listed(effects));
}

std::string clog_text(const Fault& fault) {
  const Value& p = fault.parameters;
  if (fault.kind == "swizzle_clog") {
    std::vector<std::string> nodes;
    if (p.get("clogs").is_list()) {
      for (const Value& clog : p.get("clogs").as_list())
        nodes.push_back(fmt::format("{} from {} to {}", text_of(clog.get("node")), text_of(clog.get("from")),
                                    text_of(clog.get("to"))));
    }
    return "links are held back, node by node" + (nodes.empty() ? std::string() : ": " + listed(nodes));
  }
  if (p.get("links").is_list())
    return fmt::format("packets from {} are held back, and delivered late", links_text(p.get("links")));
  return fmt::format("packets of {} are held back, and delivered late", whom(fault));
}

std::string clock_text(const Fault& fault) {
  const Value& p = fault.parameters;
  const std::string which = p.get("clock") == Value("wall")   ? "wall clock"
                            : p.get("clock") == Value("mono") ? "monotonic clock"
                                                              : "clock";
  const Value& change = p.get("change");
  if (change == Value("jump")) return fmt::format("the {} of {} jumps by {}", which, whom(fault), text_of(p.get("by")));
  if (change == Value("rate")) {
    return fmt::format("the {} of {} runs at {} of its rate", which, whom(fault), text_of(p.get("rate")));
  }
  if (change == Value("freeze")) return fmt::format("the {} of {} stands still", which, whom(fault));
  return fmt::format("the {} of {} jumps by {} and back every {}", which, whom(fault), text_of(p.get("by")),
                     text_of(p.get("period")));
}

std::string disk_text(const Fault& fault) {
  const Value& p = fault.parameters;
  const std::string disk = "the disk of " + whom(fault);
  const std::string file = p.get("file").is_null() ? std::string() : " of " + text_of(p.get("file"));
  if (fault.kind == "io_error") {
    const std::string probability =
        p.get("probability").is_null() ? std::string() : " with probability " + text_of(p.get("probability"));
    const std::string call = p.get("call").is_null() ? "call" : text_of(p.get("call"));
    return fmt::format("a {}{} on {} fails{}", call, file, disk, probability);
  }
  if (fault.kind == "fsync_error") {
    const std::uint64_t nth = p.get("nth").is_integer() ? static_cast<std::uint64_t>(p.get("nth").as_integer()) : 1;
    return fmt::format("the {} sync{} on {} fails{}", ordinal(nth), file, disk,
                       p.get("pages") == Value("keep") ? "" : ", and its pages are dropped");
  }
  if (fault.kind == "enospc") return fmt::format("{} is full after {} more", disk, text_of(p.get("bytes")));
  if (fault.kind == "slow_disk") return fmt::format("{} takes {} for a call", disk, text_of(p.get("latency")));
  if (fault.kind == "bit_flip") {
    const std::string bits = p.get("bits").is_null() ? "1" : text_of(p.get("bits"));
    return fmt::format("{} bit{}{} flip{} on {}", bits, bits == "1" ? "" : "s", file, bits == "1" ? "s" : "", disk);
  }
  return fmt::format("a file{} on {} loses its last {}", file, disk, text_of(p.get("bytes")));
}

std::string membership_text(const Fault& fault) {
  if (fault.parameters.get("change") == Value("grow")) return "a new member joins";
  return fmt::format("{} {} removed from the cluster", whom(fault), is_or_are(fault));
}

// --- the whole -------------------------------------------------------------------------------------------------------

struct Line {
  Instant time{};
  std::string text;
  int rank = 0;   // 0: never left out; else the larger, the sooner
  int order = 0;  // of what happens at the same time: what the system does, what is done to it, what is wrong with it
};

int rank_of(const Moment& moment) {
  if (moment.kind == "violation" || moment.kind == "crash" || moment.kind == "refused") return 0;
  if (moment.kind == "role") return moment.text.find("leader") == std::string::npos ? 3 : 1;
  return moment.kind == "boot" || moment.kind == "snapshot" || moment.kind == "log" ? 2 : 1;
}

// A daemon that goes down because a decision kills it there and then.
bool is_told_by(const Schedule& schedule, const Moment& moment) {
  return moment.kind == "crash" &&
         std::any_of(schedule.decisions.begin(), schedule.decisions.end(), [&](const Decision& decision) {
           const auto* at = std::get_if<Duration>(&decision.when);
           const Nodes& nodes = decision.fault.nodes;
           return at != nullptr && Instant(*at) == moment.time && decision.fault.kind == "kill" &&
                  std::find(nodes.begin(), nodes.end(), moment.node) != nodes.end();
         });
}

// What the end of a fault is told as; nothing where it is over at once, or the start of the daemon tells it.
std::string healed(const Fault& fault) {
  constexpr std::array<std::string_view, 6> silent{"kill", "crash_point", "wipe", "bit_flip", "truncate", "membership"};
  if (std::find(silent.begin(), silent.end(), fault.kind) != silent.end()) return {};
  if (fault.kind == "clock") return fmt::format("the clock of {} is right again", whom(fault));
  return "it ends that " + sentence(fault);
}

// Controls spelled out; backslashes stay, for what a system says is quoted already.
std::string harmless(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find('\\', at), text.size());
    out += escape_controls(text.substr(at, end - at));
    if (end < text.size()) out += '\\';
    at = end + 1;
  }
  return out;
}

std::string told(Instant time, std::string_view text) {
  std::string sentence(text);
  while (!sentence.empty() && (sentence.back() == '.' || sentence.back() == '\n')) sentence.pop_back();
  return fmt::format("{}. ({})", harmless(clip(sentence, 300)), to_text(time.time_since_epoch()));
}

}  // namespace

std::string sentence(const Fault& fault) {
  const std::string_view kind = fault.kind;
  if (kind == "partition") return partition_text(fault);
  if (kind == "kill") return kill_text(fault);
  if (kind == "crash_point") return crash_text(fault);
  if (kind == "packet") return packet_text(fault);
  if (kind == "clog" || kind == "swizzle_clog") return clog_text(fault);
  if (kind == "clock") return clock_text(fault);
  if (kind == "membership") return membership_text(fault);
  if (kind == "pause") return fmt::format("{} {} paused", whom(fault), is_or_are(fault));
  if (kind == "restart")
    return fmt::format(
        "{} {} restarted{}", whom(fault), is_or_are(fault),
        are_many(fault) || fault.parameters.get("target") == Value("all") ? ", one after the other" : "");
  if (kind == "upgrade")
    return fmt::format("{} go{} on with version {} of the daemon", whom(fault), are_many(fault) ? "" : "es",
                       text_of(fault.parameters.get("to")));
  if (kind == "wipe") return fmt::format("the data of {} {} wiped", whom(fault), is_or_are(fault));
  if (kind == "pressure")
    return fmt::format("{} run{} at {} of {} speed", whom(fault), are_many(fault) ? "" : "s",
                       text_of(fault.parameters.get("speed")), are_many(fault) ? "their" : "its");
  for (const std::string_view disk : {"io_error", "fsync_error", "enospc", "slow_disk", "bit_flip", "truncate"}) {
    if (kind == disk) return disk_text(fault);
  }
  return fmt::format("{} {} under {}", whom(fault), is_or_are(fault), escape_controls(clip(kind, 40)));
}

std::string sentence_when(const Decision& decision) {
  if (const auto* at = std::get_if<Duration>(&decision.when)) return "at " + to_text(*at);
  const auto& trigger = std::get<EventTrigger>(decision.when);
  std::string text;
  if (const auto* frame = std::get_if<FrameTrigger>(&trigger.what)) {
    text = fmt::format("the {} {} from {} to {}", ordinal(frame->nth), escape_controls(clip(frame->frame, 40)),
                       frame->from, frame->to);
  } else if (const auto* call = std::get_if<CallTrigger>(&trigger.what)) {
    text = fmt::format("{} the {} {} of {}{}", call->after ? "right after" : "right before", ordinal(call->nth),
                       escape_controls(clip(call->call, 40)), call->node,
                       call->file.empty() ? "" : " on " + escape_controls(clip(call->file, 80)));
  } else if (const auto* role = std::get_if<RoleTrigger>(&trigger.what)) {
    text = fmt::format("the {} time {} becomes {}", ordinal(role->nth), role->node.empty() ? "a node" : role->node,
                       role->role);
  } else {
    text = fmt::format("the end of decision {}", std::get<HealTrigger>(trigger.what).decision);
  }
  if (trigger.after > Duration::zero()) return fmt::format("{} after {}", to_text(trigger.after), text);
  return std::holds_alternative<CallTrigger>(trigger.what) ? text : "at " + text;
}

std::vector<std::string> story(const Schedule& schedule, std::span<const Moment> moments, const StoryOptions& options) {
  std::vector<std::string> conditions;
  std::vector<Line> lines;
  for (const Decision& decision : schedule.decisions) {
    const std::string lasts = decision.lasts ? fmt::format(", for {}", to_text(*decision.lasts)) : std::string();
    const auto* at = std::get_if<Duration>(&decision.when);
    if (at == nullptr) {
      conditions.push_back(fmt::format("{}, {}{}.", sentence_when(decision), sentence(decision.fault), lasts));
      continue;
    }
    lines.push_back({Instant(*at), sentence(decision.fault) + lasts, 0, 1});
    if (decision.lasts && *decision.lasts < Duration::max() - *at)
      if (std::string text = healed(decision.fault); !text.empty())
        lines.push_back({Instant(*at) + *decision.lasts, std::move(text), 2, 1});
  }
  constexpr std::array<std::string_view, 10> kinds{"role",  "elected", "commit",   "log",    "boot",
                                                   "crash", "refused", "snapshot", "config", "violation"};
  for (const Moment& moment : moments) {
    if (std::find(kinds.begin(), kinds.end(), moment.kind) != kinds.end() && !is_told_by(schedule, moment))
      lines.push_back({moment.time, moment.text, rank_of(moment), moment.kind == "violation" ? 2 : 0});
  }
  std::stable_sort(lines.begin(), lines.end(),
                   [](const Line& a, const Line& b) { return std::tie(a.time, a.order) < std::tie(b.time, b.order); });
  // Nothing after the end of the run: what would have ended then.
  const auto wrong = std::find_if(lines.rbegin(), lines.rend(), [](const Line& line) { return line.order == 2; });
  if (wrong != lines.rend()) lines.erase(wrong.base(), lines.end());
  const auto same = [](const Line& a, const Line& b) { return a.time == b.time && a.text == b.text; };
  lines.erase(std::unique(lines.begin(), lines.end(), same), lines.end());
  for (int rank = 3; rank > 0 && lines.size() + conditions.size() > options.sentences; --rank)
    std::erase_if(lines, [&](const Line& line) { return line.rank == rank; });
  std::vector<std::string> sentences;
  const auto add = [&](const std::string& text) {
    std::string numbered = fmt::format("{}. {}", sentences.size() + 1, text);
    sentences.push_back(std::move(numbered));
  };
  for (const std::string& condition : conditions) add(condition);
  const std::size_t room = std::max<std::size_t>(options.sentences, sentences.size() + 2) - sentences.size();
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (lines.size() > room && i == room / 2) {
      const std::size_t skipped = lines.size() - room + 1;
      add(fmt::format("({} further events are left out here)", skipped));
      i += skipped;
    }
    add(told(lines[i].time, lines[i].text));
  }
  return sentences;
}

}  // namespace faultline
