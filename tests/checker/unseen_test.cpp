// Open updates of a kv store that no result shows. That leaving them out changes no verdict is differential_test's to say.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <faultline/models.hpp>

#include "checker/engines.hpp"
#include "checker/prepare.hpp"
#include "checker/unseen.hpp"

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

// A store that was cut off for a while: two dozen appends nobody knows anything of, in the midst of others.
TEST(Unseen, ManyOpenAppendsThatNobodySawCostNothing) {
  History history;
  std::string text;
  for (int i = 0; i < 24; ++i) {
    history.info(history.invoke(10 + i, "append", Value(fmt::format("lost {},", i))));
    history.ok(history.invoke(0, "append", Value(fmt::format("{},", i))));
    text += fmt::format("{},", i);
    const OperationIndex first = history.invoke(1, "append", "x");
    const OperationIndex second = history.invoke(2, "append", "y");
    history.ok(first);
    history.ok(second);
    text += i % 2 == 0 ? "xy" : "yx";
    get(history, 0, text);
  }
  const Engine engine = make_engine(make_model("kv").value(), "auto").value();
  const SearchResult result = engine(items_of(history), {.stop = {}, .memory_limit = 16 << 20});
  EXPECT_EQ(result.kind, VerdictKind::valid) << result.reason;
  EXPECT_EQ(result.order.size(), 24U * 4);
}

}  // namespace
}  // namespace faultline::test
