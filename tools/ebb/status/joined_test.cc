#include "tools/ebb/status/joined.h"

#include <map>

#include "gtest/gtest.h"

namespace ebb::tools {
namespace {

// A scheduler 10, two servers, a worker 30, and a program 40 whose engine is
// the process 41.
class JoinedTest : public ::testing::Test {
 protected:
  JoinedTest() {
    status_.set_process_id(10);
    AddServer(20, /*connected=*/true);
    AddServer(21, /*connected=*/false);
    status_.add_workers()->set_process_id(30);
    status_.add_workers()->set_process_id(41);
  }

  void AddServer(int64_t process, bool connected) {
    v1::ServerStatus& server = *status_.add_servers();
    server.set_process_id(process);
    server.set_connected(connected);
  }

  bool Joined(int64_t process) const {
    return HasJoined(status_, process, [](int64_t child) -> int64_t {
      const std::map<int64_t, int64_t> parents = {{41, 40}, {42, 40}, {40, 5},
                                                  {30, 5},  {5, 1},   {1, 0}};
      const auto parent = parents.find(child);
      return parent == parents.end() ? 0 : parent->second;
    });
  }

  v1::GetStatusResponse status_;
};

TEST_F(JoinedTest, DaemonsAreNamedByTheStatus) {
  EXPECT_TRUE(Joined(10));
  EXPECT_TRUE(Joined(20));
  EXPECT_TRUE(Joined(30));
  EXPECT_FALSE(Joined(11));
}

TEST_F(JoinedTest, AServerThatIsAwayHasNotJoined) { EXPECT_FALSE(Joined(21)); }

// Bug: a program that was started again was taken for one that is back while it
// imported PyTorch, and was killed before it computed.
TEST_F(JoinedTest, AProgramHasJoinedOnceItsEngineHas) {
  EXPECT_TRUE(Joined(40));
  status_.mutable_workers()->RemoveLast();
  EXPECT_FALSE(Joined(40));
}

// The engine of the life before, as long as the scheduler has it.
TEST_F(JoinedTest, AnEngineOfAnEarlierLifeIsNotThatOfTheNext) {
  EXPECT_FALSE(Joined(43));
}

}  // namespace
}  // namespace ebb::tools
