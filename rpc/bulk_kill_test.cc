// Workers that push over bulk streams and are killed at random instants, most
// of them in the midst of the values: no push is ever torn, and no room is kept
// for the dead.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/mutex.h"
#include "common/steady_time.h"
#include "rpc/internal/bulk_host.h"
#include "rpc/internal/bulk_session.h"
#include "rpc/internal/traffic.h"

namespace ebb::rpc::internal {
namespace {

constexpr size_t kFloats = 400'000;  // Two parts.
constexpr int kKills = 100;
constexpr absl::Duration kAtMost = absl::Seconds(15);
constexpr absl::Duration kLong = absl::Seconds(20);

// The processes of the test tell each other this.
struct Board {
  std::atomic<int64_t> pushes;
  std::atomic<int64_t> torn;
  std::atomic<int64_t> taken_bytes;
};

class CheckingPs : public PsHandler {
 public:
  explicit CheckingPs(Board* board) : board_(board) {}
  void Push(PushRequest request, PushDone done) override {
    const Payload& gradient = request.segments.at(0).gradient;
    std::vector<float> values(gradient.size() / sizeof(float));
    gradient.CopyTo(std::as_writable_bytes(std::span<float>(values)));
    const bool whole =
        values ==
        std::vector<float>(kFloats, static_cast<float>(request.sequence));
    ++(whole ? board_->pushes : board_->torn);
    done(PushReply{.sequence = request.sequence});
  }
  void Pull(PullRequest, PullDone done) override { done({}); }
  void Clock(ClockUpdate) override {}
  void Fetch(FetchRequest, FetchDone) override {}

 private:
  Board* const board_;
};

constexpr size_t kOfferBytes = sizeof(int) + kOfferTokenBytes;

// Writes an offer to `to` for each byte that it reads from `from`.
[[noreturn]] void Serve(int from, int to, Board* board) {
  CheckingPs ps(board);
  Traffic traffic(1 << 10);
  auto host = BulkHost::Start(
      {.data = &ps, .traffic = &traffic, .most_bytes = 1 << 30},
      {.host = "127.0.0.1", .room_bytes = 1 << 30, .kept_bytes = 1 << 24});
  if (!host.ok()) _exit(1);
  std::thread telling([&] {
    while (true) {
      board->taken_bytes = (*host)->memory().taken_bytes();
      usleep(1000);
    }
  });
  char byte = 0;
  while (read(from, &byte, 1) == 1) {
    absl::StatusOr<std::string> token;
    do {
      token = (*host)->Offer(kBulkVersion);
    } while (!token.ok());
    const int port = (*host)->port();
    std::string text(reinterpret_cast<const char*>(&port), sizeof(port));
    text += *token;
    if (write(to, text.data(), text.size()) != kOfferBytes) _exit(1);
  }
  _exit(0);
}

// Pushes as fast as it can.
[[noreturn]] void Work(const BulkOffer& offer) {
  auto opened = BulkSession::Open(offer, {}, -1);
  if (!opened.ok()) _exit(1);
  std::thread running([&] {
    (*opened)->Run({});
    _exit(1);
  });
  Mutex mu;
  CondVar changed;
  int under_way = 0;
  for (int64_t sequence = 1;; ++sequence) {
    {
      MutexLock lock(&mu);
      while (under_way > 4) changed.Wait(&mu);
      ++under_way;
    }
    PushRequest push;
    push.job = JobId(1);
    push.stamp.worker = SessionId(1);
    push.sequence = sequence % 100'000;
    push.end = 1;
    push.segments.resize(1);
    push.segments[0].term = Term(1);
    push.segments[0].gradient = Payload::Of(
        std::vector<float>(kFloats, static_cast<float>(push.sequence)));
    PsChannel::PushDone done = [&](const absl::StatusOr<PushReply>&) {
      MutexLock lock(&mu);
      --under_way;
      changed.SignalAll();
    };
    if (!(*opened)->Push(&push, SteadyNow() + kLong, &done)) _exit(1);
  }
}

// Starts processes; the test has no threads, so that its forks are sound.
class Server {
 public:
  explicit Server(Board* board) {
    EXPECT_EQ(pipe(ask_), 0);
    EXPECT_EQ(pipe(answer_), 0);
    pid_ = fork();
    if (pid_ == 0) {
      close(ask_[1]);
      Serve(ask_[0], answer_[1], board);
    }
    close(ask_[0]);
    close(answer_[1]);
  }
  ~Server() {
    kill(pid_, SIGKILL);
    int status = 0;
    EXPECT_EQ(waitpid(pid_, &status, 0), pid_);
    EXPECT_TRUE(WIFSIGNALED(status)) << "the server ended by itself";
    close(ask_[1]);
    close(answer_[0]);
  }
  BulkOffer Offer() {
    std::string text(kOfferBytes, '\0');
    EXPECT_EQ(write(ask_[1], "?", 1), 1);
    EXPECT_EQ(read(answer_[0], text.data(), kOfferBytes), kOfferBytes);
    BulkOffer offer = {.host = "127.0.0.1", .token = text.substr(sizeof(int))};
    std::copy_n(text.data(), sizeof(int), reinterpret_cast<char*>(&offer.port));
    return offer;
  }

 private:
  int ask_[2] = {};
  int answer_[2] = {};
  pid_t pid_ = 0;
};

TEST(BulkKillTest, NothingIsJudgedOfAPushWhoseWorkerWasKilled) {
  void* const memory = mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  Board* const board = new (memory) Board;
  Server server(board);
  std::mt19937 random(1);
  const absl::Time end = SteadyNow() + kAtMost;
  int kills = 0;
  std::vector<pid_t> alive;
  for (; kills < kKills && SteadyNow() < end; ++kills) {
    while (alive.size() < 2) {
      const BulkOffer offer = server.Offer();
      const pid_t pid = fork();
      if (pid == 0) Work(offer);
      alive.push_back(pid);
    }
    usleep(random() % 40'000);
    const size_t i = random() % alive.size();
    kill(alive[i], SIGKILL);
    int status = 0;
    ASSERT_EQ(waitpid(alive[i], &status, 0), alive[i]);
    ASSERT_TRUE(WIFSIGNALED(status)) << "exit " << WEXITSTATUS(status);
    alive.erase(alive.begin() + static_cast<int64_t>(i));
  }
  for (const pid_t pid : alive) {
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
  }
  const absl::Time later = SteadyNow() + kLong;
  while (board->taken_bytes != 0 && SteadyNow() < later) usleep(1000);
  EXPECT_EQ(board->taken_bytes, 0);
  EXPECT_EQ(board->torn, 0);
  EXPECT_GT(board->pushes, kills);
  RecordProperty("kills", kills);
}

}  // namespace
}  // namespace ebb::rpc::internal
