// What the gateway's codec costs per request: a put of 256 bytes and a range of one such key, JSON to command and reply to JSON.
#include <benchmark/benchmark.h>

#include <string>

#include <faultline/raft/gateway/reply.hpp>
#include <faultline/raft/gateway/request.hpp>

namespace faultline::raft::gateway {
namespace {

constexpr Header header{.cluster_id = 11005849259809973908ULL, .member_id = 13668033151171901709ULL, .raft_term = 2};

// "dnZ2…": base64 of as many bytes of v, a multiple of three.
std::string put_body(std::size_t bytes) {
  std::string body = R"({"key":"Zm9vYmFyLTEyMzQ=","value":")";
  for (std::size_t i = 0; i < bytes; i += 3) body += "dnZ2";
  return body + "\"}";
}

void put(benchmark::State& state) {
  Decoder decoder;
  const std::string body = put_body(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) {
    Request request = decoder.decode({"POST", "/v3/kv/put", body, {}, {}});
    benchmark::DoNotOptimize(request);
    HttpReply reply = to_reply(Call::put, header, {123'456, kv::PutReply{}});
    benchmark::DoNotOptimize(reply);
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(body.size()));
}
BENCHMARK(put)->Arg(258)->Arg(1'048'575);

void range(benchmark::State& state) {
  Decoder decoder;
  kv::RangeReply found{.kvs = {{.key = "foobar-1234",
                                .value = std::string(256, 'v'),
                                .create_revision = 12'345,
                                .mod_revision = 1'234'567,
                                .version = 77}},
                       .count = 1};
  for (auto _ : state) {
    Request request = decoder.decode({"POST", "/v3/kv/range", R"({"key":"Zm9vYmFyLTEyMzQ="})", {}, {}});
    benchmark::DoNotOptimize(request);
    HttpReply reply = range_reply(header, 123'456, found);
    benchmark::DoNotOptimize(reply);
  }
}
BENCHMARK(range);

}  // namespace
}  // namespace faultline::raft::gateway
