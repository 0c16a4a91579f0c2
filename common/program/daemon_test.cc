#include "common/program/daemon.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "common/program/daemon_flags.h"
#include "common/testing/test_folder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb {
namespace {

TEST(DaemonTest, SessionsAreNeverTwiceTheSame) {
  const SessionId a = NewSession();
  const SessionId b = NewSession();
  EXPECT_NE(a, SessionId());
  EXPECT_NE(a, b);
}

// With the checks it is the end of the process.
TEST(DaemonTest, NobodyLooksForDeadlocksInThePackagedMutexes) {
  SkipMutexChecks();
  absl::Mutex a, b;
  a.Lock();
  b.Lock();
  b.Unlock();
  a.Unlock();
  b.Lock();
  a.Lock();
  a.Unlock();
  b.Unlock();
}

TEST(DaemonTest, AddressFileIsReplacedWhole) {
  const TestFolder folder;
  const std::string path = folder / "address";
  ASSERT_TRUE(WriteAddressFile(path, "a:1").ok());
  ASSERT_TRUE(WriteAddressFile(path, "b:22").ok());
  std::ifstream file(path);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  EXPECT_EQ(text, "b:22\n");
}

TEST(DaemonTest, AddressFileThatCannotBeWrittenIsNamed) {
  const absl::Status status = WriteAddressFile("/nowhere/at/all", "a:1");
  EXPECT_THAT(std::string(status.message()),
              testing::HasSubstr("/nowhere/at/all"));
}

// Bug: a daemon on a disk that was read-only for a while was given up at once.
TEST(DaemonTest, TheExitCodeSaysWhetherALaterStartMayHelp) {
  EXPECT_EQ(ExitCodeOf(absl::ResourceExhaustedError("full")), kExitNoRoom);
  const auto forbidden = [](int error) {
    return absl::PermissionDeniedError(
        absl::StrCat("cannot write f: ", std::strerror(error), "; look"));
  };
  EXPECT_EQ(ExitCodeOf(forbidden(EROFS)), kExitNoRoom);
  EXPECT_EQ(ExitCodeOf(forbidden(EACCES)), kExitUsage);
  EXPECT_EQ(ExitCodeOf(absl::InvalidArgumentError("a flag")), kExitUsage);
}

TEST(DaemonTest, DurationsAreReadAndMistakesNamed) {
  absl::Duration duration;
  EXPECT_EQ(ParseFlagDuration("1m30s", &duration), "");
  EXPECT_EQ(duration, absl::Seconds(90));
  EXPECT_EQ(ParseFlagDuration("0", &duration), "");
  EXPECT_THAT(ParseFlagDuration("ten", &duration), testing::HasSubstr("ten"));
  EXPECT_THAT(ParseFlagDuration("-1s", &duration), testing::HasSubstr("-1s"));
}

TEST(DaemonTest, SignalsWaitUntilSomebodyAsks) {
  EXPECT_EXIT(
      {
        const StopSignal stop;
        kill(getpid(), SIGTERM);
        std::exit(stop.Wait() == SIGTERM ? 7 : 8);
      },
      testing::ExitedWithCode(7), "");
}

TEST(DaemonTest, WaitsForSignalsNoLongerThanItMay) {
  EXPECT_EXIT(
      {
        const StopSignal stop;
        const int none = stop.WaitFor(absl::Milliseconds(1));
        kill(getpid(), SIGINT);
        const int one = stop.WaitFor(absl::Minutes(10));
        std::exit(none == 0 && one == SIGINT ? 7 : 8);
      },
      testing::ExitedWithCode(7), "");
}

TEST(DaemonTest, DiesWithItsParent) {
  int alive[2];
  ASSERT_EQ(pipe(alive), 0);
  const pid_t parent = fork();
  if (parent == 0) {
    const pid_t self = getpid();
    int ready[2];
    if (pipe(ready) != 0) _exit(1);
    if (fork() == 0) {
      if (!DieWithParent(self).ok()) _exit(1);
      if (write(ready[1], "x", 1) != 1) _exit(1);
      while (true) pause();  // Holds `alive` open.
    }
    char byte;
    _exit(read(ready[0], &byte, 1) == 1 ? 0 : 1);
  }
  close(alive[1]);
  int status = 0;
  ASSERT_EQ(waitpid(parent, &status, 0), parent);
  EXPECT_EQ(status, 0);
  char byte;
  EXPECT_EQ(read(alive[0], &byte, 1), 0);  // The grandchild has ended.
  close(alive[0]);
}

TEST(DaemonTest, AParentThatIsDeadAlreadyIsNoticed) {
  EXPECT_FALSE(DieWithParent(getppid() + 1).ok());
}

// Without a port, gRPC took 443, and nobody answered for ever.
TEST(DaemonTest, AnAddressHasAPort) {
  for (const char* good :
       {"localhost:7000", "[::1]:7000", "dns:///a.b:1", "ipv4:127.0.0.1:7",
        "unix:/tmp/x", "[fe80::1%eth0]:7000", "ipv4:1.2.3.4:80,5.6.7.8:81",
        "ipv6:[::1]:7,[::2]:7"}) {
    EXPECT_EQ(CheckFlagAddress(good, false), "") << good;
  }
  for (const char* bad : {"localhost",    "",           ":7000",
                          "localhost:",   "::1",        "localhost:http",
                          "localhost:0",  "a:65536",    "a:b:1",
                          "a:b:c",        "[a]:1",      "::1]:1",
                          "[::1:1",       "[]:1",       "a b:1",
                          "a:+1",         "a: 1",       "a/b:1",
                          "dns:///:1",    "ipv4:a:b:1", "http://a:1",
                          "[fe80::1%]:1", "[%eth0]:1",  "ipv4:1.2.3.4:80,",
                          "a:1,b:1"}) {
    EXPECT_THAT(CheckFlagAddress(bad, false), testing::HasSubstr("HOST:PORT"))
        << bad;
  }
  std::string of_a_file = "127.0.0.1:7000\n";
  EXPECT_EQ(TakeFlagAddress(&of_a_file, false), "");
  EXPECT_EQ(of_a_file, "127.0.0.1:7000");
  EXPECT_EQ(CheckFlagAddress("0.0.0.0:0", true), "");
  EXPECT_NE(CheckFlagAddress("0.0.0.0", true), "");
  EXPECT_EQ(CheckFlagAddress("[::]:0", true), "");
}

// "a:b:c" was taken for an address, and no worker reached the server.
TEST(DaemonTest, AHostMayBeAdvertisedWithoutAPort) {
  for (const char* good : {"ps-0", "ps_0.a-b.c", "10.0.0.1", "ps-0:7001",
                           "[::1]", "[fe80::1]:7001", "dns:///a.b:1", ""}) {
    EXPECT_EQ(CheckFlagAdvertise(good), "") << good;
  }
  for (const char* bad : {"a:b:c", "::1", ":7001", "ps-0:0", "ps-0:x", "ps 0",
                          "[::1]7001", "http://ps-0"}) {
    EXPECT_THAT(CheckFlagAdvertise(bad),
                testing::HasSubstr("write HOST or HOST:PORT"))
        << bad;
  }
}

// Bug: a pod of an IPv6 cluster advertises its bare address, and did not start.
TEST(DaemonTest, AnIpv6AddressGetsBrackets) {
  EXPECT_EQ(WithBrackets("fd00::5"), "[fd00::5]");
  EXPECT_EQ(WithBrackets("fe80::1%eth0"), "[fe80::1%eth0]");
  for (const char* other : {"", "ps-0", "10.0.0.1", "ps-0:7001", "[::1]",
                            "[::1]:7001", "a:b:c", "dns:a:1"}) {
    EXPECT_EQ(WithBrackets(other), other);
  }
}

}  // namespace
}  // namespace ebb
