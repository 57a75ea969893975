// etcd as a system under test: a cluster that is started here, or one that is running already.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <faultline/etcd/codec.hpp>
#include <faultline/live/local_cluster.hpp>
#include <faultline/live/network.hpp>
#include <faultline/live/target.hpp>
#include <faultline/time.hpp>

namespace faultline::etcd {

struct EtcdOptions {
  std::size_t nodes = 3;                // named n1, n2, …
  std::filesystem::path run_directory;  // logs go to <run directory>/nodes/<name>/
  std::string run_id;                   // short, [a-z0-9-]; empty: a fresh one
  live::NetworkKind network = live::NetworkKind::automatic;
  live::NetworkNeeds needs;
  std::size_t concurrency = 1;  // process p is of worker p mod concurrency
  live::DiskOptions disks;
  std::shared_ptr<live::Machines> machines;  // where the nodes live; null: on this machine
  std::vector<NodeName> names;               // with machines: their names, instead of n1, n2, …
  std::string binary = "etcd";               // a path, or found in PATH
  std::vector<std::string> upgrades;         // further versions of it, that the fault `upgrade` goes on to
  std::chrono::milliseconds heartbeat_interval{100};
  std::chrono::milliseconds election_timeout{1000};
  Reads reads = Reads::linearizable;
  Objects objects = Objects::values;
  Duration operation_timeout = std::chrono::seconds(5);
  Duration ready_limit = std::chrono::seconds(60);
};

// N daemons of one binary on this machine, each with an empty data directory, taking the faults partition, kill and
// pause (see live::LocalCluster for how and for the thread rules). A node is ready once it knows a leader and answers a
// linearizable read. Variables of the harness's environment that etcd or Go's HTTP client would read (ETCD_*, proxies)
// do not reach the daemons; fsync stays on.
std::unique_ptr<live::Target> make_etcd_target(EtcdOptions options);

struct EndpointsOptions {
  std::vector<std::string> urls;  // "http://10.0.0.1:2379", one per node; the scheme may be left out
  std::string run_id;             // the run's keys start with faultline/<run id>/; empty: a fresh one
  Reads reads = Reads::linearizable;
  Objects objects = Objects::values;
  Duration operation_timeout = std::chrono::seconds(5);
  Duration ready_limit = std::chrono::seconds(10);
};

// A cluster that somebody else runs: nodes are named by host:port, nothing is started, stopped or broken
// (unavailable_faults() says why), and tear_down() deletes the keys of the run. bad_input: a URL that is none, is there
// twice, or needs TLS.
Result<std::unique_ptr<live::Target>> make_endpoints_target(EndpointsOptions options);

}  // namespace faultline::etcd
