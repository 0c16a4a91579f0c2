#include "rpc/health.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "common/fd.h"
#include "common/testing/test_folder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::rpc {
namespace {

using ::testing::HasSubstr;

constexpr absl::Duration kLong = absl::Seconds(10);

absl::StatusOr<Health> Ask(const std::string& path) {
  return AskHealth("unix:" + path, nullptr, Role::kScheduler, kLong);
}

bool Becomes(const std::string& path, Health health) {
  const absl::Time deadline = absl::Now() + kLong;
  while (absl::Now() < deadline) {
    if (const auto now = Ask(path); now.ok() && *now == health) return true;
  }
  return false;
}

TEST(HealthTest, FollowsWhatItIsTold) {
  const ebb::TestFolder folder;
  const std::string path = folder / "s";
  std::atomic<bool> ready = false;  // Pairs with nothing: a flag.

  auto socket = HealthSocket::Start(path, [&] { return ready.load(); });

  ASSERT_TRUE(socket.ok()) << socket.status();
  EXPECT_TRUE(Becomes(path, Health::kNotServing));
  ready = true;
  EXPECT_TRUE(Becomes(path, Health::kServing));
  ready = false;
  EXPECT_TRUE(Becomes(path, Health::kNotServing));
}

TEST(HealthTest, NobodyAnswersWhereNobodyIs) {
  const ebb::TestFolder folder;
  const std::string path = folder / "s";
  {
    auto socket = HealthSocket::Start(path, [] { return true; });
  }

  EXPECT_TRUE(absl::IsUnavailable(Ask(path).status())) << Ask(path).status();
}

TEST(HealthTest, ASocketThatALifeBeforeLeftIsNoObstacle) {
  const ebb::TestFolder folder;
  const std::string path = folder / "s";
  {
    const int left = ::socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, path.size());
    ASSERT_EQ(bind(left, reinterpret_cast<const sockaddr*>(&address),
                   sizeof(address)),
              0);
    ASSERT_EQ(listen(left, 1), 0);
    close(left);
  }

  auto socket = HealthSocket::Start(path, [] { return true; });

  ASSERT_TRUE(socket.ok()) << socket.status();
  EXPECT_TRUE(Becomes(path, Health::kServing));
}

// Bug: it was taken over, and removed by whoever left first.
TEST(HealthTest, TheSocketOfADaemonThatRunsIsItsOwn) {
  const ebb::TestFolder folder;
  const std::string path = folder / "s";
  const auto first = HealthSocket::Start(path, [] { return true; });
  ASSERT_TRUE(first.ok()) << first.status();

  const auto second = HealthSocket::Start(path, [] { return false; });

  EXPECT_TRUE(absl::IsUnavailable(second.status())) << second.status();
  EXPECT_THAT(std::string(second.status().message()),
              HasSubstr("is that of a daemon that runs"));
  EXPECT_TRUE(Becomes(path, Health::kServing));
}

// Bug: a daemon waited for ever for one that hangs, to which probes come.
TEST(HealthTest, OneThatAcceptsNobodyIsNotWaitedFor) {
  const ebb::TestFolder folder;
  const std::string path = folder / "s";
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  const auto* const to = reinterpret_cast<const sockaddr*>(&address);
  const Fd hangs(socket(AF_UNIX, SOCK_STREAM, 0));
  ASSERT_EQ(bind(hangs.get(), to, sizeof(address)), 0);
  ASSERT_EQ(listen(hangs.get(), 0), 0);
  std::vector<Fd> waiting;
  do {
    waiting.emplace_back(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0));
  } while (connect(waiting.back().get(), to, sizeof(address)) == 0);

  const auto socket = HealthSocket::Start(path, [] { return true; });

  EXPECT_THAT(std::string(socket.status().message()),
              HasSubstr("is that of a daemon that runs"));
}

TEST(HealthTest, NoPathIsNoSocket) {
  const auto socket = HealthSocket::Start("", [] { return true; });

  ASSERT_TRUE(socket.ok()) << socket.status();
  EXPECT_EQ(*socket, nullptr);
}

TEST(HealthTest, WhatCannotBeASocketIsNamed) {
  const ebb::TestFolder folder;
  const std::string file = folder / "file";
  std::ofstream(file) << "data";
  const auto why = [](const std::string& path) {
    return std::string(
        HealthSocket::Start(path, [] { return true; }).status().message());
  };

  EXPECT_THAT(why(file), HasSubstr("is there and no socket"));
  EXPECT_THAT(why(folder / "no/folder"), HasSubstr("its folder is not there"));
  EXPECT_THAT(why(folder / std::string(120, 'x')),
              HasSubstr("has more than 107 characters"));
}

TEST(HealthTest, ANameThatDoesNotResolveIsNamed) {
  const auto health =
      AskHealth("nosuchhost.invalid:1", nullptr, Role::kServer, kLong);

  EXPECT_TRUE(absl::IsUnavailable(health.status())) << health.status();
  EXPECT_THAT(std::string(health.status().message()),
              HasSubstr("the name nosuchhost.invalid does not resolve"));
}

}  // namespace
}  // namespace ebb::rpc
