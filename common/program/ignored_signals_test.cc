#include "common/program/ignored_signals.h"

#include <csignal>

#include "gtest/gtest.h"

namespace ebb {
namespace {

class IgnoredSignalsTest : public testing::Test {
 protected:
  void SetUp() override { before_ = std::signal(SIGUSR2, SIG_DFL); }
  void TearDown() override { std::signal(SIGUSR2, before_); }

 private:
  void (*before_)(int) = SIG_DFL;
};

TEST_F(IgnoredSignalsTest, ASignalOfDefaultActionIsInTheSet) {
  const sigset_t set = NotIgnored({SIGUSR2});
  EXPECT_FALSE(IsIgnored(SIGUSR2));
  EXPECT_EQ(sigismember(&set, SIGUSR2), 1);
}

TEST_F(IgnoredSignalsTest, AnIgnoredSignalIsNotInTheSet) {
  std::signal(SIGUSR2, SIG_IGN);
  const sigset_t set = NotIgnored({SIGUSR1, SIGUSR2});
  EXPECT_TRUE(IsIgnored(SIGUSR2));
  EXPECT_EQ(sigismember(&set, SIGUSR2), 0);
  EXPECT_EQ(sigismember(&set, SIGUSR1), 1);
}

TEST_F(IgnoredSignalsTest, AHandledSignalIsInTheSet) {
  std::signal(SIGUSR2, [](int) {});
  const sigset_t set = NotIgnored({SIGUSR2});
  EXPECT_EQ(sigismember(&set, SIGUSR2), 1);
}

}  // namespace
}  // namespace ebb
