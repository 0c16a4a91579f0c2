#include "data/growing/verify.h"

#include <functional>

#include "common/objects/memory_objects.h"
#include "data/growing/codec.h"
#include "data/growing/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::data::growing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(VerifyTest, FindsASoundSetSound) {
  MemoryObjects store;
  TestChain chain(&store);
  for (int i = 0; i < 10; ++i) chain.Append(i % 2 == 0 ? "p" : "q", {1, 2});
  chain.AppendHoles("p", 4);
  chain.PutFloor(3);
  chain.AppendEnd();
  const auto report = VerifySet(&store, nullptr);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_THAT(report->problems, IsEmpty());
  EXPECT_EQ(report->objects, 9);
  EXPECT_EQ(report->examples, 14);
  EXPECT_EQ(report->lowest, 6);
  EXPECT_EQ(report->number, 20);
  EXPECT_TRUE(report->ended);
}

TEST(VerifyTest, NamesEachBrokenRule) {
  const auto problem_of = [](const std::function<void(ObjectHeader*)>& change) {
    MemoryObjects store;
    TestChain chain(&store);
    chain.Append("p", {1, 2});
    ObjectHeader header = chain.Next();
    header.ranges = {{"p", 2, 5, 0, 1}};
    header.ends["p"].end = 5;
    header.totals.left_out = 1;
    change(&header);
    chain.Put(header, {});
    const auto report = VerifySet(&store, nullptr);
    EXPECT_TRUE(report.ok()) << report.status();
    return report->problems.empty() ? "" : report->problems[0];
  };
  EXPECT_EQ(problem_of([](ObjectHeader*) {}), "");
  EXPECT_THAT(problem_of([](ObjectHeader* h) { h->ranges[0].begin = 3; }),
              HasSubstr("covers p from 3, and the objects before it end at 2"));
  EXPECT_THAT(problem_of([](ObjectHeader* h) { h->first = 1; }),
              HasSubstr("begins at number 1"));
  EXPECT_THAT(problem_of([](ObjectHeader* h) { h->before->low += 1; }),
              HasSubstr("is not the one that it follows"));
  EXPECT_THAT(problem_of([](ObjectHeader* h) { h->created_unix_ms = 1; }),
              HasSubstr("older than the object before"));
  EXPECT_THAT(problem_of([](ObjectHeader* h) { h->ends["q"].end = 1; }),
              HasSubstr("ends of all partitions"));
  EXPECT_THAT(problem_of([](ObjectHeader* h) { h->totals.left_out = 0; }),
              HasSubstr("totals"));
  EXPECT_THAT(problem_of([](ObjectHeader* h) {
                h->lost = {{"p", 0, 1, "x"}};
              }),
              HasSubstr("in none of its ranges"));
  EXPECT_THAT(problem_of([](ObjectHeader* h) { h->ranges[0].left_out = 9; }),
              HasSubstr("more messages of p than offsets"));
}

TEST(VerifyTest, GoesOnBehindADamagedObject) {
  MemoryObjects store;
  TestChain chain(&store);
  for (int i = 0; i < 6; ++i) chain.Append("p", {1, 2});
  store.Damage(ObjectKey(2), 100);
  ASSERT_TRUE(store.Delete(ObjectKey(5)).ok());
  ASSERT_TRUE(CreateObject(&store, ObjectKey(6), "x").ok());
  const auto report = VerifySet(&store, nullptr);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_THAT(report->problems,
              ElementsAre(HasSubstr("00002: it"), HasSubstr("is missing")));
}

TEST(VerifyTest, RefusesObjectsBehindTheEnd) {
  ChainRules rules(TestAbout().identity, {});
  ObjectHeader end;
  end.identity = TestAbout().identity;
  end.end = true;
  EXPECT_EQ(rules.Check(end, {1, 1}), "");
  ObjectHeader more = end;
  more.place = 1;
  more.before = ObjectHash{1, 1};
  EXPECT_THAT(rules.Check(more, {2, 2}), HasSubstr("follows the end"));
}

}  // namespace
}  // namespace ebb::data::growing
