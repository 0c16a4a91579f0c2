#include "server/serial_tasks.h"

#include <algorithm>
#include <future>
#include <memory>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace ebb::server {
namespace {

TEST(SerialTasks, RunsOneThatComesAloneOnTheThreadThatAddsIt) {
  SerialTasks tasks;
  std::thread::id ran_on;
  tasks.Add([&] { ran_on = std::this_thread::get_id(); });
  EXPECT_EQ(ran_on, std::this_thread::get_id());
}

TEST(SerialTasks, NobodyWaitsForTheTasksOfOthers) {
  SerialTasks tasks;
  std::promise<void> begun, may_end;
  std::thread slow([&] {
    tasks.Add([&] {
      begun.set_value();
      may_end.get_future().wait();
    });
  });
  begun.get_future().wait();
  std::promise<void> third;
  std::vector<int> order;
  tasks.Add([&] { order.push_back(2); });
  tasks.Add([&] {
    order.push_back(3);
    third.set_value();
  });
  EXPECT_TRUE(order.empty());
  may_end.set_value();
  slow.join();
  third.get_future().wait();
  EXPECT_EQ(order, (std::vector<int>{2, 3}));
}

TEST(SerialTasks, WhoHasTheTurnRunsSomeOfWhatComesMeanwhile) {
  constexpr int kTasks = SerialTasks::kMostOfOthers + 2;
  SerialTasks tasks;
  std::vector<std::thread::id> ran_on;
  std::promise<void> all;
  tasks.Add([&] {
    for (int i = 0; i < kTasks; ++i) {
      tasks.Add([&] {
        ran_on.push_back(std::this_thread::get_id());
        if (ran_on.size() == kTasks) all.set_value();
      });
    }
  });
  all.get_future().wait();
  const auto mine =
      std::count(ran_on.begin(), ran_on.end(), std::this_thread::get_id());
  EXPECT_EQ(mine, SerialTasks::kMostOfOthers);
}

TEST(SerialTasks, ATaskMayAddOthersWhichRunAfterIt) {
  SerialTasks tasks;
  std::promise<void> done;
  std::vector<int> order;
  tasks.Add([&] {
    tasks.Add([&] {
      order.push_back(2);
      tasks.Add([&] {
        order.push_back(3);
        done.set_value();
      });
    });
    order.push_back(1);
  });
  done.get_future().wait();
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
}

TEST(SerialTasks, RunsAllOfManyThreadsOneAtATime) {
  constexpr int kThreads = 4;
  constexpr int kEach = 2000;
  int count = 0;  // No lock: that is what is tested.
  std::promise<void> all;
  SerialTasks tasks;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kEach; ++i) {
        tasks.Add([&] {
          if (++count == kThreads * kEach) all.set_value();
        });
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  all.get_future().wait();
  EXPECT_EQ(count, kThreads * kEach);
}

TEST(SerialTasks, StopWaitsForWhatRunsAndDropsTheRest) {
  SerialTasks tasks;
  std::promise<void> begun, may_end;
  bool ended = false;
  std::thread slow([&] {
    tasks.Add([&] {
      begun.set_value();
      may_end.get_future().wait();
      ended = true;
    });
  });
  begun.get_future().wait();
  const auto held = std::make_shared<int>(0);
  tasks.Add([held] { FAIL() << "it was dropped"; });
  std::thread stop([&] {
    tasks.Stop();
    EXPECT_TRUE(ended);
  });
  // Dropped at once: those who wait for it hear of it.
  while (held.use_count() > 1) std::this_thread::yield();
  may_end.set_value();
  stop.join();
  slow.join();
  tasks.Add([] { FAIL() << "after the end"; });
}

}  // namespace
}  // namespace ebb::server
