// victim: a harness that breaks and heals a cluster of gossip nodes until somebody kills it.
//
//   victim RUN_ID RUN_DIRECTORY namespaces|proxy GOSSIP
#include <cstdio>
#include <cstdlib>

#include "tests/adapters/live/support.hpp"

using namespace faultline;
using namespace faultline::live;

namespace {

void say(const char* what) {
  std::printf("%s\n", what);
  std::fflush(stdout);
}

int churn(LocalCluster& cluster) {
  say("begin");
  if (const auto up = cluster.set_up(); !up) {
    std::fprintf(stderr, "%s\n", up.error().to_string().c_str());
    return 3;
  }
  say("ready");
  const Fault partition{.kind = "partition", .nodes = {}, .grudge = {{"n1", {"n2"}}, {"n2", {"n1"}}}, .parameters = {}};
  const Fault kill{.kind = "kill", .nodes = {"n3"}, .grudge = {}, .parameters = {}};
  const Fault pause{.kind = "pause", .nodes = {"n1", "n2"}, .grudge = {}, .parameters = {}};
  const Fault clock{.kind = "clock",
                    .nodes = {"n1", "n2"},
                    .grudge = {},
                    .parameters = Value::map({{"clock", "both"}, {"change", "rate"}, {"rate", 0.5}})};
  for (;;) {
    for (const Fault& fault : {clock, partition, kill, pause}) {
      if (!cluster.apply(fault)) return 4;
    }
    say("broken");
    if (!cluster.heal_all()) return 5;
    say("healed");
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) return 64;
  ::setenv("FAULTLINE_TEST_GOSSIP", argv[4], 1);
  const bool proxy = std::string(argv[3]) == "proxy";
  auto options = test::gossip_options(argv[2], proxy ? NetworkKind::proxy : NetworkKind::namespaces);
  options.run_id = argv[1];
  LocalCluster cluster(std::move(options));
  return churn(cluster);
}
