#include "tools/chaos/shaped_pipe.h"

#include <cstdint>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"

namespace ebb::chaos {
namespace {

using End = ShapedPipe::End;

const absl::Time kStart = absl::FromUnixSeconds(1000);

absl::Time At(int64_t ms) { return kStart + absl::Milliseconds(ms); }

// Takes all that may leave at `now`.
std::string TakeAll(ShapedPipe* pipe, absl::Time now) {
  std::string all;
  while (true) {
    const ShapedPipe::Out out = pipe->Ready(now);
    if (out.bytes.empty()) return all;
    all.append(out.bytes.data(), out.bytes.size());
    pipe->Take(static_cast<int64_t>(out.bytes.size()));
  }
}

TEST(ShapedPipeTest, BytesAndEndsComeOutAsTheyWentIn) {
  LinkWay way;
  ShapedPipe pipe(&way);
  EXPECT_TRUE(pipe.Ready(kStart).bytes.empty());
  EXPECT_EQ(pipe.Ready(kStart).again, absl::InfiniteFuture());

  pipe.Put("hello", kStart);
  pipe.Put(" world", kStart);
  pipe.PutEnd(End::kFin, kStart);
  pipe.PutEnd(End::kReset, kStart);

  EXPECT_EQ(pipe.Ready(kStart).bytes, "hello");
  pipe.Take(2);
  EXPECT_EQ(pipe.Ready(kStart).end, End::kNone);
  EXPECT_EQ(TakeAll(&pipe, kStart), "llo world");
  EXPECT_EQ(pipe.Ready(kStart).end, End::kFin);
  pipe.TakeEnd();
  EXPECT_EQ(pipe.Ready(kStart).end, End::kReset);
  EXPECT_EQ(way.carried(), 11);
}

TEST(ShapedPipeTest, EachChunkAndTheEndIsDelayed) {
  LinkWay way;
  way.Set({.delay = absl::Milliseconds(50)});
  ShapedPipe pipe(&way);
  pipe.Put("a", At(0));
  pipe.Put("b", At(10));
  pipe.PutEnd(End::kFin, At(20));

  EXPECT_EQ(TakeAll(&pipe, At(49)), "");
  EXPECT_EQ(pipe.Ready(At(49)).again, At(50));
  EXPECT_EQ(TakeAll(&pipe, At(50)), "a");
  EXPECT_EQ(TakeAll(&pipe, At(59)), "");
  EXPECT_EQ(TakeAll(&pipe, At(60)), "b");
  EXPECT_EQ(pipe.Ready(At(69)).end, End::kNone);
  EXPECT_EQ(pipe.Ready(At(70)).end, End::kFin);
}

TEST(ShapedPipeTest, ADelayThatChangesHoldsForWhatIsUnderWay) {
  LinkWay way;
  ShapedPipe pipe(&way);
  pipe.Put("a", At(0));
  way.Set({.delay = absl::Milliseconds(50)});
  EXPECT_EQ(TakeAll(&pipe, At(20)), "");
  way.Set({.delay = absl::Milliseconds(10)});
  EXPECT_EQ(TakeAll(&pipe, At(20)), "a");
  way.Set({.delay = absl::Hours(1)});
  pipe.Put("b", At(30));
  EXPECT_EQ(TakeAll(&pipe, At(40)), "");
  way.Set({});
  EXPECT_EQ(TakeAll(&pipe, At(40)), "b");
}

TEST(ShapedPipeTest, ASplitHoldsEverythingUntilItIsHealed) {
  LinkWay way;
  ShapedPipe pipe(&way);
  pipe.Put("under way", At(0));
  way.Set({.split = true});
  pipe.Put(", sent later", At(10));
  pipe.PutEnd(End::kReset, At(20));

  const ShapedPipe::Out out = pipe.Ready(At(1000000));
  EXPECT_TRUE(out.bytes.empty());
  EXPECT_EQ(out.end, End::kNone);
  EXPECT_EQ(out.again, absl::InfiniteFuture());

  way.Set({});
  EXPECT_EQ(TakeAll(&pipe, At(1000001)), "under way, sent later");
  EXPECT_EQ(pipe.Ready(At(1000001)).end, End::kReset);
}

// Offers `bytes` each ms to all pipes; what each let through until `end_ms`.
std::vector<int64_t> Saturate(std::vector<ShapedPipe>* pipes, int64_t from_ms,
                              int64_t end_ms) {
  std::vector<int64_t> through(pipes->size(), 0);
  for (int64_t ms = from_ms; ms < end_ms; ++ms) {
    for (size_t i = 0; i < pipes->size(); ++i) {
      ShapedPipe& pipe = (*pipes)[i];
      if (pipe.Room() > 4096) pipe.Put(std::string(4096, 'x'), At(ms));
      through[i] += static_cast<int64_t>(TakeAll(&pipe, At(ms)).size());
    }
  }
  return through;
}

TEST(ShapedPipeTest, PipesOfALinkShareItsLimitEqually) {
  constexpr int64_t kRate = 1'250'000;
  LinkWay way;
  way.Set({.bytes_per_second = kRate});
  std::vector<ShapedPipe> pipes(4, ShapedPipe(&way));

  const std::vector<int64_t> through = Saturate(&pipes, 0, 4000);

  int64_t sum = 0;
  for (const int64_t bytes : through) {
    sum += bytes;
    EXPECT_NEAR(static_cast<double>(bytes), kRate, 0.05 * kRate);
  }
  EXPECT_LE(sum, 4 * kRate + kRate / 20);
  EXPECT_GE(sum, 4 * kRate - kRate / 20);
  EXPECT_EQ(way.carried(), sum);
}

TEST(ShapedPipeTest, LimitsHoldFromBytesToMegabytesASecond) {
  for (const int64_t rate : {1, 10, 1000, 100'000, 3'000'000}) {
    LinkWay way;
    way.Set({.bytes_per_second = rate});
    std::vector<ShapedPipe> pipes(1, ShapedPipe(&way));
    const int64_t through = Saturate(&pipes, 0, 10'000)[0];
    // 50 ms more at first; one quantum that waits at the end.
    EXPECT_LE(through, rate * 10 + std::max<int64_t>(rate / 20, 1) + 1) << rate;
    EXPECT_GE(through, rate * 10 - std::max<int64_t>(rate / 20, 1)) << rate;
  }
}

TEST(ShapedPipeTest, ARestGivesABurstOf50MsAndNoMore) {
  LinkWay way;
  way.Set({.bytes_per_second = 100'000});
  ShapedPipe pipe(&way);
  pipe.Put(std::string(20'000, 'x'), At(0));
  EXPECT_EQ(TakeAll(&pipe, At(100'000)).size(), 5000);
  EXPECT_EQ(pipe.Ready(At(100'000)).again, At(100'050));
}

TEST(ShapedPipeTest, AnotherLimitForgetsWhatWasPromisedUnderTheFormer) {
  LinkWay way;
  way.Set({.bytes_per_second = 1});
  ShapedPipe pipe(&way);
  pipe.Put(std::string(1000, 'x'), At(0));
  EXPECT_EQ(TakeAll(&pipe, At(0)).size(), 1);
  EXPECT_EQ(pipe.Ready(At(0)).again, At(1000));
  way.Set({.bytes_per_second = 1'000'000});
  EXPECT_EQ(TakeAll(&pipe, At(0)).size(), 999);
}

TEST(ShapedPipeTest, ItIsBoundedAlsoForStreamsOfSingleBytes) {
  for (const LinkState& state :
       {LinkState{}, LinkState{.split = true},
        LinkState{.delay = absl::Seconds(1)},
        LinkState{.bytes_per_second = 1000},
        LinkState{.delay = absl::Hours(1), .bytes_per_second = 1 << 30}}) {
    LinkWay way;
    way.Set(state);
    ShapedPipe pipe(&way);
    int64_t put = 0;
    for (; pipe.Room() > 0; ++put) pipe.Put("x", At(0));
    EXPECT_GT(put, 100);
    EXPECT_LT(put, 100'000);
    // The end of a stream is no byte, and there is always room for it.
    pipe.PutEnd(End::kFin, At(0));
    pipe.Clear();
    EXPECT_EQ(pipe.Room(), way.capacity());
  }
}

TEST(ShapedPipeTest, UnderALimitTheQueueIsShort) {
  LinkWay way;
  way.Set({.bytes_per_second = 1'250'000});
  EXPECT_EQ(way.capacity(), 125'000);
  way.Set({.delay = absl::Milliseconds(50)});
  EXPECT_EQ(way.capacity(), 4 << 20);
  way.Set({.delay = absl::Milliseconds(100), .bytes_per_second = 1'250'000});
  EXPECT_EQ(way.capacity(), 250'000);
}

TEST(ShapedPipeTest, AMovedPipeKeepsItsBytes) {
  LinkWay strangers;
  LinkWay workers;
  strangers.Set({.bytes_per_second = 1});
  ShapedPipe pipe(&strangers);
  pipe.Put("abc", At(0));
  EXPECT_EQ(TakeAll(&pipe, At(0)), "a");
  EXPECT_EQ(TakeAll(&pipe, At(0)), "");
  pipe.Move(&workers);
  EXPECT_EQ(TakeAll(&pipe, At(0)), "bc");
  EXPECT_EQ(strangers.carried(), 1);
  EXPECT_EQ(workers.carried(), 2);
}

TEST(ShapedPipeTest, WhateverIsSetWhenNothingIsLostDoubledOrEarly) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    std::mt19937_64 random(seed);
    const auto below = [&random](uint64_t n) {
      return static_cast<int64_t>(random() % n);
    };
    LinkWay way;
    ShapedPipe pipe(&way);
    std::string in;
    std::string out;
    int64_t ms = 0;
    for (int step = 0; step < 400; ++step) {
      ms += below(20);
      if (below(10) == 0) {
        way.Set({.split = below(4) == 0,
                 .delay = absl::Milliseconds(below(3) * 50),
                 .bytes_per_second = below(2) * (1 + below(1'000'000))});
      }
      const int64_t room = std::min<int64_t>(pipe.Room(), 1 + below(5000));
      std::string bytes;
      for (int64_t i = 0; i < room; ++i) {
        bytes.push_back(static_cast<char>(random()));
      }
      pipe.Put(bytes, At(ms));
      in += bytes;
      const ShapedPipe::Out ready = pipe.Ready(At(ms));
      EXPECT_TRUE(ready.bytes.empty() || !way.state().split);
      EXPECT_TRUE(ready.again > At(ms));
      if (!ready.bytes.empty()) {
        const int64_t n = 1 + below(ready.bytes.size());
        out.append(ready.bytes.data(), static_cast<size_t>(n));
        pipe.Take(n);
      }
    }
    way.Set({});
    out += TakeAll(&pipe, At(ms));
    EXPECT_TRUE(in == out);
    EXPECT_EQ(way.carried(), static_cast<int64_t>(in.size()));
  }
}

}  // namespace
}  // namespace ebb::chaos
