#include "common/outbox.h"

#include <functional>
#include <map>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "common/mutex.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb {
namespace {

using testing::ElementsAre;

// Its core decides that each number it hears of is to be carried out.
class Shell {
 public:
  using Numbers = std::vector<int>;

  // Called with each number that is carried out.
  explicit Shell(std::function<void(int)> done) : done_(std::move(done)) {}

  void Hear(const Numbers& numbers) {
    MutexLock lock(&mu_);
    for (const int number : numbers) outbox_.actions()->push_back(number);
    outbox_.CarryOut(
        &mu_,
        [this](Numbers taken) {
          mu_.AssertHeld();
          ++batches_;
          return taken;
        },
        [this](Numbers& batch) {
          for (const int number : batch) done_(number);
        });
    if (outbox_.idle()) idle_.SignalAll();
  }
  void WaitUntilIdle() {
    MutexLock lock(&mu_);
    while (!outbox_.idle()) idle_.Wait(&mu_);
  }
  bool idle() {
    MutexLock lock(&mu_);
    return outbox_.idle();
  }
  int batches() {
    MutexLock lock(&mu_);
    return batches_;
  }

 private:
  const std::function<void(int)> done_;
  Mutex mu_;
  CondVar idle_;
  Outbox<int> outbox_ ABSL_GUARDED_BY(mu_);
  int batches_ ABSL_GUARDED_BY(mu_) = 0;
};

TEST(OutboxTest, CarriesOutTheActionsOfAnEventInTheirOrder) {
  std::vector<int> done;
  Shell shell([&](int number) { done.push_back(number); });
  shell.Hear({1, 2});
  shell.Hear({});
  shell.Hear({3});
  EXPECT_THAT(done, ElementsAre(1, 2, 3));
  EXPECT_EQ(shell.batches(), 2);
}

TEST(OutboxTest, CarriesOutWithoutTheLockAndIsNotIdleMeanwhile) {
  std::vector<bool> idle;
  Shell* shell = nullptr;
  Shell mine([&](int) { idle.push_back(shell->idle()); });
  shell = &mine;
  mine.Hear({1, 2});
  EXPECT_THAT(idle, ElementsAre(false, false));
  EXPECT_TRUE(mine.idle());
}

TEST(OutboxTest, CarriesOutAfterTheRestWhatAnActionBringsAbout) {
  std::vector<int> done;
  Shell* shell = nullptr;
  Shell mine([&](int number) {
    done.push_back(number);
    if (number < 10) shell->Hear({number * 10});
  });
  shell = &mine;
  mine.Hear({1, 2});
  EXPECT_THAT(done, ElementsAre(1, 2, 10, 20));
  EXPECT_EQ(mine.batches(), 2);
}

TEST(OutboxTest, LeavesActionsToTheThreadThatIsAtIt) {
  std::map<int, std::thread::id> by;
  std::thread::id other;
  Shell* shell = nullptr;
  Shell mine([&](int number) {
    by[number] = std::this_thread::get_id();
    if (number != 1) return;
    std::thread thread([&] { shell->Hear({2}); });
    other = thread.get_id();
    thread.join();  // So its call did not wait for this one.
    EXPECT_EQ(by.count(2), 0);
  });
  shell = &mine;
  mine.Hear({1});
  EXPECT_EQ(by.at(1), std::this_thread::get_id());
  EXPECT_EQ(by.at(2), by.at(1));
  EXPECT_NE(by.at(2), other);
}

TEST(OutboxTest, DestroysABatchWithoutTheLock) {
  // A lock that is held here again would never be had.
  Mutex mu;
  int destroyed = 0;
  const auto count = [&](int*) {
    MutexLock lock(&mu);
    ++destroyed;
  };
  Outbox<std::shared_ptr<int>> outbox;
  int number = 0;
  MutexLock lock(&mu);
  outbox.actions()->emplace_back(&number, count);
  outbox.CarryOut(&mu, std::identity(),
                  [](std::vector<std::shared_ptr<int>>& batch) {
                    ASSERT_EQ(batch.size(), 1);
                  });
  EXPECT_EQ(destroyed, 1);
}

TEST(OutboxTest, OneOfManyThreadsCarriesOutAtATimeInTheOrderOfEvents) {
  constexpr int kThreads = 4;
  constexpr int kEach = 2000;
  // Not guarded: the ThreadSanitizer build sees if two threads are at it.
  std::vector<int> done;
  Shell shell([&](int number) { done.push_back(number); });
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&shell, t] {
      for (int i = 0; i < kEach; ++i) shell.Hear({t * kEach + i});
    });
  }
  for (std::thread& thread : threads) thread.join();
  shell.WaitUntilIdle();
  ASSERT_EQ(done.size(), kThreads * kEach);
  std::vector<int> next(kThreads);
  for (const int number : done) {
    EXPECT_EQ(number % kEach, next[number / kEach]++);
  }
}

}  // namespace
}  // namespace ebb
