#include "common/shm/unix_socket.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <string>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace ebb::shm {
namespace {

struct Pair {
  Pair() {
    const std::string name =
        absl::StrCat("ebb-test-", absl::BytesToHexString(RandomBytes(8)));
    const Fd listening = *ListenLocally(name);
    one = *ConnectLocally(name);
    other = *AcceptLocally(listening.get());
  }
  Fd one;
  Fd other;
};

TEST(UnixSocketTest, MessagesArriveWholeWithTheirFiles) {
  Pair pair;
  const Fd file = *CreateMemoryFile("test", 4096);
  ASSERT_TRUE(MapToWrite(file.get(), 4096).ok());

  ASSERT_TRUE(SendMessage(pair.one.get(), "first", {file.get()}).ok());
  ASSERT_TRUE(SendMessage(pair.one.get(), "second", {}).ok());
  const auto first = ReceiveMessage(pair.other.get(), absl::Seconds(5));
  const auto second = ReceiveMessage(pair.other.get(), absl::Seconds(5));

  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ(first->bytes, "first");
  EXPECT_EQ(second->bytes, "second");
  ASSERT_EQ(first->fds.size(), 1);
  EXPECT_TRUE(second->fds.empty());
  EXPECT_TRUE(MapToRead(first->fds[0].get(), 4096).ok());
}

TEST(UnixSocketTest, SilenceIsNotWaitedForLong) {
  Pair pair;
  EXPECT_TRUE(absl::IsUnavailable(
      ReceiveMessage(pair.one.get(), absl::Milliseconds(1)).status()));
}

TEST(UnixSocketTest, TheOtherOneIsOfThisUserAndNamed) {
  Pair pair;
  const auto peer = PeerOfSameUser(pair.one.get());
  ASSERT_TRUE(peer.ok()) << peer.status();
  EXPECT_EQ(peer->pid, getpid());
}

TEST(UnixSocketTest, NobodyListensThere) {
  EXPECT_TRUE(absl::IsUnavailable(
      ConnectLocally(
          absl::StrCat("ebb-test-", absl::BytesToHexString(RandomBytes(8))))
          .status()));
}

TEST(UnixSocketTest, TheEndOfTheOtherIsSeen) {
  Pair pair;
  EXPECT_FALSE(IsGone(pair.one.get(), Peer{}));
  pair.other = Fd();
  EXPECT_TRUE(IsGone(pair.one.get(), Peer{}));

  Pair disconnected;
  Disconnect(disconnected.other.get());
  EXPECT_TRUE(IsGone(disconnected.one.get(), Peer{}));
}

// This happens to a process that was killed while a child of it lives on.
TEST(UnixSocketTest, TheEndOfTheProcessIsSeenThoughTheSocketIsOpen) {
  const std::string name =
      absl::StrCat("ebb-test-", absl::BytesToHexString(RandomBytes(8)));
  const Fd listening = *ListenLocally(name);
  const pid_t child = fork();
  if (child == 0) {
    const auto socket = ConnectLocally(name);
    while (true) pause();
  }
  Fd socket;
  while (!socket) {
    if (auto accepted = AcceptLocally(listening.get()); accepted.ok()) {
      socket = *std::move(accepted);
    }
  }
  const auto peer = PeerOfSameUser(socket.get());
  ASSERT_TRUE(peer.ok()) << peer.status();
  EXPECT_EQ(peer->pid, child);
  EXPECT_FALSE(IsGone(-1, *peer));

  kill(child, SIGKILL);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);

  EXPECT_TRUE(IsGone(-1, *peer));
  EXPECT_TRUE(IsGone(socket.get(), Peer{}));
}

TEST(UnixSocketTest, RandomBytesDiffer) {
  EXPECT_EQ(RandomBytes(16).size(), 16);
  EXPECT_NE(RandomBytes(16), RandomBytes(16));
}

}  // namespace
}  // namespace ebb::shm
