#include "rpc/internal/key_lists.h"

#include <cstring>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace ebb::rpc::internal {
namespace {

constexpr SessionId kWorker(7);
constexpr SessionId kServer(5);

PullReply ReplyTo(const PullRequest& pull, SessionId server = kServer) {
  PullReply reply;
  reply.job = pull.job;
  reply.worker = pull.stamp.worker;
  reply.server_session = server;
  return reply;
}

PullRequest Pull(SessionId worker = kWorker) {
  PullRequest pull;
  pull.job = JobId(1);
  pull.stamp.worker = worker;
  return pull;
}

void Ask(int32_t partition, int32_t table, std::vector<uint64_t> keys,
         PullRequest* pull) {
  PullSegmentRequest& segment = pull->segments.emplace_back();
  segment.partition = PartitionId(partition);
  segment.rows = {{table, Payload::Of(std::move(keys))}};
}

PullRequest PullOf(std::vector<uint64_t> keys, SessionId worker = kWorker) {
  PullRequest pull = Pull(worker);
  Ask(3, 0, std::move(keys), &pull);
  return pull;
}

PushRequest PushOf(const PullRequest& pull) {
  PushRequest push;
  push.job = pull.job;
  push.stamp = pull.stamp;
  push.server_session = kServer;
  for (const PullSegmentRequest& from : pull.segments) {
    PushSegment& segment = push.segments.emplace_back();
    segment.partition = from.partition;
    for (const PullRows& rows : from.rows) {
      segment.rows.push_back({rows.table, rows.keys, {}});
    }
  }
  return push;
}

std::vector<uint64_t> Numbers(const Payload& keys) {
  std::vector<uint64_t> numbers(keys.size() / sizeof(uint64_t));
  keys.CopyTo(std::as_writable_bytes(std::span(numbers)));
  return numbers;
}

std::vector<uint64_t> KeysOf(const PushRequest& push, size_t segment) {
  return Numbers(push.segments[segment].rows[0].keys);
}

// Returns the push as it arrives.
PushRequest Without(PushRequest push, const NamedKeys& named) {
  size_t list = 0;
  for (PushSegment& segment : push.segments) {
    for (PushRows& rows : segment.rows) {
      if (named[list++] != 0) rows.keys = Payload();
    }
  }
  return push;
}

TEST(KeyListsTest, APushGetsTheKeysOfItsPullByTheirName) {
  KeptKeys server;
  SentKeys worker;
  PullRequest pull = Pull();
  Ask(9, 1, {4, 5}, &pull);
  Ask(2, 0, {1, 2, 3}, &pull);
  const uint64_t number = server.Keep(pull);
  ASSERT_NE(number, 0u);
  worker.Kept(ReplyTo(pull), number, KeyLists::Of(pull));

  const PushRequest push = PushOf(pull);
  const NamedKeys named = worker.NamesFor(push);
  EXPECT_EQ(named, (NamedKeys{number, number}));
  PushRequest arrived = Without(push, named);
  EXPECT_EQ(KeyBytes(arrived), 0);
  const auto bytes = server.Resolve(named, &arrived);
  ASSERT_TRUE(bytes.ok()) << bytes.status();
  EXPECT_EQ(*bytes, 40);
  EXPECT_EQ(KeysOf(arrived, 0), (std::vector<uint64_t>{4, 5}));
  EXPECT_EQ(KeysOf(arrived, 1), (std::vector<uint64_t>{1, 2, 3}));
}

// A worker writes rows that it never pulled, and may push fewer than it did.
TEST(KeyListsTest, OnlyTheVerySameKeysAreNamed) {
  SentKeys worker;
  const PullRequest pull = PullOf({1, 2, 3});
  worker.Kept(ReplyTo(pull), 6, KeyLists::Of(pull));
  EXPECT_FALSE(worker.NamesFor(PushOf(PullOf({1, 2, 3}))).empty());
  EXPECT_TRUE(worker.NamesFor(PushOf(PullOf({1, 2, 4}))).empty());
  EXPECT_TRUE(worker.NamesFor(PushOf(PullOf({1, 2}))).empty());
  EXPECT_TRUE(worker.NamesFor(PushOf(PullOf({1, 2, 3}, SessionId(8)))).empty());
  PullRequest elsewhere = Pull();
  Ask(4, 0, {1, 2, 3}, &elsewhere);
  EXPECT_TRUE(worker.NamesFor(PushOf(elsewhere)).empty());
  // Beside others that are sent.
  PullRequest both = PullOf({9});
  Ask(3, 0, {1, 2, 3}, &both);
  EXPECT_EQ(worker.NamesFor(PushOf(both)), (NamedKeys{0, 6}));
}

TEST(KeyListsTest, SameKeysInOtherSlicesAreTheSame) {
  SentKeys worker;
  const PullRequest pull = PullOf({1, 2, 3});
  worker.Kept(ReplyTo(pull), 6, KeyLists::Of(pull));
  PushRequest push = PushOf(PullOf({1}));
  const Payload rest = Payload::Of(std::vector<uint64_t>{2, 3});
  push.segments[0].rows[0].keys.Append(rest.slices()[0].owner,
                                       rest.slices()[0].bytes);
  EXPECT_FALSE(worker.NamesFor(push).empty());
}

TEST(KeyListsTest, NobodyGetsTheKeysOfAnother) {
  KeptKeys server;
  const PullRequest pull = PullOf({1, 2});
  const uint64_t number = server.Keep(pull);
  const auto refused = [&](PushRequest push, uint64_t named) {
    const auto bytes = server.Resolve({named}, &push);
    EXPECT_EQ(KeyBytes(push), bytes.ok() ? 16 : 0);
    return absl::IsAborted(bytes.status());
  };
  const PushRequest push = Without(PushOf(pull), {number});
  EXPECT_FALSE(refused(push, number));
  EXPECT_TRUE(refused(push, number + 1));  // Forged.
  // Of another worker, job, partition or table.
  PushRequest other = push;
  other.stamp.worker = SessionId(8);
  EXPECT_TRUE(refused(other, number));
  other = push;
  other.job = JobId(2);
  EXPECT_TRUE(refused(other, number));
  other = push;
  other.segments[0].partition = PartitionId(4);
  EXPECT_TRUE(refused(other, number));
  other = push;
  other.segments[0].rows[0].table = 1;
  EXPECT_TRUE(refused(other, number));
}

// Else it would have been changed when its keys are sent.
TEST(KeyListsTest, APushIsCompletedWhollyOrNotAtAll) {
  KeptKeys server;
  const uint64_t number = server.Keep(PullOf({1, 2}));
  PullRequest both = PullOf({});
  Ask(9, 0, {}, &both);
  PushRequest push = PushOf(both);
  EXPECT_TRUE(
      absl::IsAborted(server.Resolve({number, number}, &push).status()));
  EXPECT_EQ(KeyBytes(push), 0);
}

TEST(KeyListsTest, AWorkersOldestListsGoFirst) {
  KeptKeys server({.lists_per_worker = 2});
  std::vector<uint64_t> names;
  for (uint64_t key = 0; key < 3; ++key) {
    names.push_back(server.Keep(PullOf({key})));
  }
  const auto has = [&](size_t i) {
    PushRequest push = PushOf(PullOf({}));
    return server.Resolve({names[i]}, &push).ok();
  };
  EXPECT_FALSE(has(0));
  EXPECT_TRUE(has(1));
  EXPECT_TRUE(has(2));
}

TEST(KeyListsTest, MemoryIsBounded) {
  const int64_t one = KeyLists::Of(PullOf({1})).Cost();
  KeptKeys server(
      {.lists_per_worker = 100, .bytes_per_worker = 2 * one, .bytes = 3 * one});
  for (uint64_t i = 0; i < 1000; ++i) {
    EXPECT_NE(server.Keep(PullOf({i}, SessionId(1 + i % 7))), 0u);
    EXPECT_LE(server.bytes(), 3 * one);
  }
  EXPECT_EQ(server.bytes(), 3 * one);
  // More than one may have, and nothing.
  EXPECT_EQ(server.Keep(PullOf(std::vector<uint64_t>(200))), 0u);
  EXPECT_EQ(server.Keep(Pull()), 0u);
  EXPECT_EQ(server.bytes(), 3 * one);
}

// Its caller may change them, or wants the memory back.
TEST(KeyListsTest, WhatIsKeptIsACopy) {
  KeptKeys server;
  auto memory = std::make_shared<std::vector<uint64_t>>(2, 1);
  PullRequest pull = PullOf({});
  pull.segments[0].rows[0].keys.Append(
      memory, std::as_bytes(std::span<const uint64_t>(*memory)));
  const uint64_t number = server.Keep(pull);
  memory->assign(2, 9);
  PushRequest push = PushOf(PullOf({}));
  ASSERT_TRUE(server.Resolve({number}, &push).ok());
  EXPECT_EQ(KeysOf(push, 0), (std::vector<uint64_t>{1, 1}));
}

TEST(KeyListsTest, NumbersAreOfOneLifeOfTheServer) {
  SentKeys worker;
  const PullRequest pull = PullOf({1, 2});
  worker.Kept(ReplyTo(pull, SessionId(4)), 1, KeyLists::Of(pull));
  PushRequest push = PushOf(pull);
  EXPECT_TRUE(worker.NamesFor(push).empty());
  push.server_session = SessionId(4);
  EXPECT_EQ(worker.NamesFor(push), NamedKeys{1});
  worker.Forget();
  EXPECT_TRUE(worker.NamesFor(push).empty());
}

TEST(KeyListsTest, AWorkerRemembersTheNewest) {
  SentKeys worker;
  for (uint64_t i = 0; i <= SentKeys::kMost; ++i) {
    const PullRequest pull = PullOf({i});
    worker.Kept(ReplyTo(pull), i + 1, KeyLists::Of(pull));
  }
  EXPECT_TRUE(worker.NamesFor(PushOf(PullOf({0}))).empty());
  EXPECT_FALSE(worker.NamesFor(PushOf(PullOf({1}))).empty());
  EXPECT_FALSE(worker.NamesFor(PushOf(PullOf({SentKeys::kMost}))).empty());
}

TEST(KeyListsTest, ATableThatIsAskedForTwiceMakesNoLists) {
  PullRequest pull = PullOf({1});
  Ask(3, 0, {2}, &pull);
  EXPECT_TRUE(KeyLists::Of(pull).empty());
}

}  // namespace
}  // namespace ebb::rpc::internal
