#include "common/shm/step_aside.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <thread>
#include <vector>

namespace ebb::shm {
namespace {

TEST(StepAsideTest, IsForThoseThatMeetAgainAndAgain) {
  StepAside step_aside;
  const auto meetings = [&] {
    int count = 1;
    while (!step_aside.Met(3, 3)) ++count;
    return count;
  };
  EXPECT_EQ(meetings(), 4);
  // It did not help: less and less often.
  EXPECT_EQ(meetings(), 8);
  for (int i = 0; i < 20; ++i) meetings();
  EXPECT_EQ(meetings(), 4096);
  // Apart for a while, and together again.
  for (int i = 0; i < 4; ++i) EXPECT_FALSE(step_aside.Met(3, 4));
  EXPECT_EQ(meetings(), 4);
  // In a row.
  for (int i = 0; i < 100; ++i) {
    EXPECT_FALSE(step_aside.Met(1, i % 4 == 0 ? 2 : 1)) << i;
  }
}

TEST(StepAsideTest, LeavesACoreAndKeepsItsSet) {
  std::thread([] {
    cpu_set_t allowed;
    ASSERT_EQ(sched_getaffinity(0, sizeof(allowed), &allowed), 0);
    std::vector<int> cores;
    for (int core = 0; core < CPU_SETSIZE; ++core) {
      if (CPU_ISSET(core, &allowed)) cores.push_back(core);
    }
    cpu_set_t first;
    CPU_ZERO(&first);
    CPU_SET(cores.front(), &first);
    ASSERT_EQ(sched_setaffinity(0, sizeof(first), &first), 0);
    EXPECT_FALSE(StepAside::Leave(cores.front())) << "it has no other";
    ASSERT_EQ(sched_setaffinity(0, sizeof(allowed), &allowed), 0);

    // The kernel may bring it back at any time, but not always.
    bool left = cores.size() == 1;
    for (int i = 0; i < 1000 && !left; ++i) {
      const int core = sched_getcpu();
      ASSERT_TRUE(StepAside::Leave(core));
      left = sched_getcpu() != core;
    }
    EXPECT_TRUE(left);
    cpu_set_t now;
    ASSERT_EQ(sched_getaffinity(0, sizeof(now), &now), 0);
    EXPECT_TRUE(CPU_EQUAL(&now, &allowed));
    EXPECT_FALSE(StepAside::Leave(-1));
    EXPECT_FALSE(StepAside::Leave(CPU_SETSIZE));
  }).join();
}

}  // namespace
}  // namespace ebb::shm
