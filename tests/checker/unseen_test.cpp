// Open updates of a kv store that no result shows. That leaving them out changes no verdict is differential_test's to say.
#include <gtest/gtest.h>

#include <faultline/formats.hpp>
#include <faultline/models.hpp>

#include "checker/engines.hpp"
#include "checker/prepare.hpp"
#include "checker/unseen.hpp"
#include "oracle.hpp"

namespace faultline::test {
namespace {

Items items_of(const History& history) {
  const Kv model;
  const auto prepared = prepare(history,
                                {.model = Kv::name,
                                 .catalogued = true,
                                 .functions = Kv::functions(),
                                 .accepts = {},
                                 .observer = [model](const Call& call) { return model.observer(call); }},
                                {});
  return prepared.value().keys.at(0).items;
}

void get(History& history, Process process, std::string_view text) {
  history.ok(history.invoke(process, "get"), Value(text));
}

TEST(Unseen, AnOpenAppendIsLeftOutUnlessALaterGetHoldsItsText) {
  History history;
  get(history, 0, "early");
  history.info(history.invoke(1, "append", "early"));
  history.info(history.invoke(2, "append", "b,"));
  history.info(history.invoke(3, "append", "c,"));
  get(history, 0, "a,b,d,");
  EXPECT_EQ(without_unseen_updates(items_of(history)), (std::vector<std::uint32_t>{0, 2, 4}));
}

TEST(Unseen, AnOpenPutIsLeftOutUnlessALaterGetBeginsWithItsText) {
  History history;
  history.info(history.invoke(1, "put", "a,"));
  history.info(history.invoke(2, "put", "b,"));
  history.info(history.invoke(3, "put", ""));
  get(history, 0, "a,b,");
  EXPECT_EQ(without_unseen_updates(items_of(history)), (std::vector<std::uint32_t>{0, 2, 3}));
}

TEST(Unseen, WhatReturnedStays) {
  History history;
  history.ok(history.invoke(0, "append", "a,"));
  history.ok(history.invoke(0, "put", "b,"));
  history.info(history.invoke(1, "append", "c,"));
  EXPECT_EQ(without_unseen_updates(items_of(history)), (std::vector<std::uint32_t>{0, 1}));
}

// What simulated clients of one key saw (seed 601447): 200 operations, of 18 open updates 11 in no result. A search that places them all
// fills a gigabyte.
TEST(Unseen, AHistoryWithElevenOpenUpdatesThatNobodySawIsDecidedInSixteenMegabytes) {
  const auto read = read_history_file(FL_SOURCE_DIR "/tests/checker/seed_601447.jsonl");
  ASSERT_TRUE(read.ok()) << read.error().to_string();
  const Items items = items_of(read.value().history);
  const std::size_t seen = without_unseen_updates(items).size();
  EXPECT_EQ(items.size() - seen, 11U);
  const Engine engine = make_engine(make_model("kv").value(), "auto").value();
  const SearchResult result = engine(items, {.stop = {}, .memory_limit = 16 << 20});
  EXPECT_EQ(result.kind, VerdictKind::valid) << result.reason;
  EXPECT_TRUE(legal_order(items, Kv(), result.order, true));
}

}  // namespace
}  // namespace faultline::test
