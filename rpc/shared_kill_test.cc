// Workers and servers that share memory and are killed at random instants: no
// value is ever torn, nothing is kept in the name of the dead, and whoever is
// left goes on.
//
// EBB_SHM_KILLS: how many workers; a tenth as many servers. Else 300, or what
// fits into half a minute.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/mutex.h"
#include "common/shm/shared_heap.h"
#include "common/shm/unix_socket.h"
#include "common/steady_time.h"
#include "rpc/internal/shared_host.h"
#include "rpc/internal/shared_session.h"
#include "rpc/internal/traffic.h"
#include "rpc/testing/shared_values.h"

namespace ebb::rpc::internal {
namespace {

constexpr size_t kFloats = 4096;
constexpr int64_t kValueBytes = int64_t{8} << 20;
constexpr int64_t kMessageBytes = int64_t{1} << 20;
constexpr absl::Duration kLong = absl::Seconds(20);
constexpr uint32_t kLongestMicros = 4000;
constexpr int kTorn = 3;  // The exit code of who sees a value that is.

int Kills() {
  const char* const text = std::getenv("EBB_SHM_KILLS");
  return text == nullptr ? 300 : std::atoi(text);
}
absl::Duration AtMost() {
  return std::getenv("EBB_SHM_KILLS") == nullptr ? absl::Seconds(15)
                                                 : absl::InfiniteDuration();
}

Payload Alike(float value) {
  return Payload::Of(std::vector<float>(kFloats, value));
}

// The same in the worker's heap, where there is room; what nobody keeps is used
// again at once.
Payload AlikeIn(shm::SharedHeap* heap, float value) {
  auto memory = heap == nullptr ? nullptr : heap->Take(kFloats * sizeof(float));
  if (memory == nullptr) return Alike(value);
  const std::span<float> floats(reinterpret_cast<float*>(memory.get()),
                                kFloats);
  std::ranges::fill(floats, value);
  Payload payload;
  payload.Append(std::move(memory), std::as_bytes(floats));
  return payload;
}

// Returns whether all values are alike; `value` is what they are.
bool AllAlike(const Payload& payload, float* value) {
  std::vector<float> floats(payload.size() / sizeof(float));
  payload.CopyTo(std::as_writable_bytes(std::span<float>(floats)));
  if (floats.size() != kFloats) return false;
  *value = floats.front();
  return floats == std::vector<float>(kFloats, *value);
}

// The processes of a test tell each other this.
struct Board {
  std::atomic<int64_t> pushes;
  std::atomic<int64_t> torn_pushes;
  std::atomic<int64_t> pinned;
  std::atomic<int64_t> open_calls;
};

Board* NewBoard() {
  void* const memory = mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  return new (memory) Board;
}

// Its value changes with every pull, out of place, as a partition's does; what
// nobody keeps is used again at once.
class ChangingPs : public PsHandler {
 public:
  ChangingPs(SharedValues* values, Board* board)
      : values_(values), board_(board) {}
  // Looks at some pushes a second time, long after they were answered.
  void Push(PushRequest request, PushDone done) override {
    Look(request);
    done(PushReply{.sequence = request.sequence});
    PushRequest old;
    {
      MutexLock lock(&mu_);
      held_.push_back(std::move(request));
      if (held_.size() <= kHeld) return;
      old = std::move(held_.front());
      held_.pop_front();
    }
    Look(old);
  }
  void Pull(PullRequest request, PullDone done) override {
    PullReply reply;
    reply.request = request.request;
    reply.segments.resize(1);
    {
      MutexLock lock(&mu_);
      reply.segments[0].values = values_->Move(Alike(next_));
      next_ = next_ < 100000 ? next_ + 1 : 0;
    }
    done(std::move(reply));
  }
  void Clock(ClockUpdate) override {}
  void Fetch(FetchRequest, FetchDone) override {}

 private:
  static constexpr size_t kHeld = 8;

  void Look(const PushRequest& push) {
    float value = 0;
    const bool whole = AllAlike(push.segments.at(0).gradient, &value);
    ++(whole && value == static_cast<float>(push.sequence)
           ? board_->pushes
           : board_->torn_pushes);
  }

  SharedValues* const values_;
  Board* const board_;
  Mutex mu_;
  std::deque<PushRequest> held_ ABSL_GUARDED_BY(mu_);
  float next_ ABSL_GUARDED_BY(mu_) = 0;
};

// A worker's process: pushes and pulls as fast as it can, keeps what it pulled
// for a while, and looks at it again. Ends when the server is gone. Every
// second has a heap.
[[noreturn]] void WorkUntilKilled(const SharedOffer& offer, uint32_t seed,
                                  bool server_may_go) {
  std::shared_ptr<shm::SharedHeap> heap;
  if (seed % 2 == 0) heap = *shm::SharedHeap::Create(kValueBytes);
  auto opened = SharedSession::Open(offer, kMessageBytes, heap);
  if (!opened.ok()) _exit(server_may_go ? 0 : 1);
  SharedSession& session = **opened;
  std::atomic<bool> torn = false, gone = false;
  std::thread running([&] {
    session.Run(
        [](const PullRequest&, absl::Duration, PsChannel::PullDone done) {
          done(absl::UnavailableError("no network"));
        });
    gone = true;
    session.Close(absl::UnavailableError("gone"));
  });
  std::mt19937 random(seed);
  struct Kept {
    Payload values;
    float value = 0;
  };
  Mutex mu;
  CondVar changed;
  int under_way = 0;
  std::vector<Kept> kept;
  // Answers may come after the turn of the loop that asked.
  const auto end = [&] {
    MutexLock lock(&mu);
    --under_way;
    changed.SignalAll();
  };
  for (int64_t sequence = 0; !torn && !gone; ++sequence) {
    {
      MutexLock lock(&mu);
      while (under_way > 8) changed.Wait(&mu);
      ++under_way;
      float value = 0;
      for (const Kept& one : kept) {
        if (!AllAlike(one.values, &value) || value != one.value) torn = true;
      }
      if (!kept.empty() && random() % 2 == 0) kept.pop_back();
    }
    bool begun = false;
    if (random() % 2 == 0) {
      PushRequest push;
      push.job = JobId(1);
      push.stamp.worker = SessionId(1);
      push.sequence = sequence % 100000;
      push.end = 1;
      push.segments.resize(1);
      push.segments[0].term = Term(1);
      push.segments[0].gradient =
          AlikeIn(heap.get(), static_cast<float>(push.sequence));
      PsChannel::PushDone done = [&](const absl::StatusOr<PushReply>&) {
        end();
      };
      begun = session.Push(&push, SteadyNow() + kLong, &done);
    } else {
      PullRequest pull;
      pull.job = JobId(1);
      pull.stamp.worker = SessionId(1);
      PsChannel::PullDone done = [&](absl::StatusOr<PullReply> reply) {
        if (reply.ok()) {
          Kept one = {std::move(reply->segments.at(0).values), 0};
          if (!AllAlike(one.values, &one.value)) torn = true;
          MutexLock lock(&mu);
          kept.push_back(std::move(one));
        }
        end();
      };
      begun = session.Pull(pull, SteadyNow() + kLong, &done);
    }
    if (!begun) end();
  }
  // What it keeps is whole, though the server is gone.
  MutexLock lock(&mu);
  float value = 0;
  for (const Kept& one : kept) {
    if (!AllAlike(one.values, &value) || value != one.value) torn = true;
  }
  if (torn) _exit(kTorn);
  _exit(server_may_go ? 0 : 1);
}

constexpr size_t kOfferBytes = 36 + kSharedTokenBytes;

// A server's process: writes an offer to `to` for each byte that it reads from
// `from`.
[[noreturn]] void ServeUntilKilled(int from, int to, Board* board) {
  SharedValues values(kValueBytes);
  ChangingPs ps(&values, board);
  Traffic traffic(1 << 10);
  auto host = SharedHost::Start({.data = &ps,
                                 .files = values.table(),
                                 .traffic = &traffic,
                                 .most_bytes = kMessageBytes});
  if (!host.ok()) _exit(1);
  std::thread telling([&] {
    while (true) {
      board->pinned = values.table()->pinned_bytes();
      usleep(1000);
    }
  });
  char byte = 0;
  while (read(from, &byte, 1) == 1) {
    absl::StatusOr<SharedOffer> offer;
    do {
      offer = (*host)->Offer(kSharedVersion, shm::BootId());
    } while (!offer.ok());
    const std::string text = offer->socket_name + offer->token;
    if (text.size() != kOfferBytes ||
        write(to, text.data(), text.size()) != kOfferBytes) {
      _exit(1);
    }
  }
  _exit(0);
}

// Starts processes; it has no threads, so that forks of it are sound.
class Server {
 public:
  explicit Server(Board* board) {
    EXPECT_EQ(pipe(ask_), 0);
    EXPECT_EQ(pipe(answer_), 0);
    pid_ = fork();
    if (pid_ == 0) {
      close(ask_[1]);
      ServeUntilKilled(ask_[0], answer_[1], board);
    }
    close(ask_[0]);
    close(answer_[1]);
  }
  ~Server() {
    Kill();
    close(ask_[1]);
    close(answer_[0]);
  }
  SharedOffer Offer() {
    std::string text(kOfferBytes, '\0');
    EXPECT_EQ(write(ask_[1], "?", 1), 1);
    size_t got = 0;
    while (got < kOfferBytes) {
      const ssize_t n = read(answer_[0], text.data() + got, kOfferBytes - got);
      if (n <= 0) ADD_FAILURE() << "the server ended";
      if (n <= 0) break;
      got += static_cast<size_t>(n);
    }
    return {text.substr(0, 36), text.substr(36)};
  }
  void Kill() {
    if (pid_ == 0) return;
    kill(pid_, SIGKILL);
    int status = 0;
    EXPECT_EQ(waitpid(pid_, &status, 0), pid_);
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
        << "the server ended by itself";
    pid_ = 0;
  }

 private:
  int ask_[2] = {};
  int answer_[2] = {};
  pid_t pid_ = 0;
};

pid_t StartWorker(const SharedOffer& offer, uint32_t seed, bool server_may_go) {
  const pid_t pid = fork();
  if (pid == 0) WorkUntilKilled(offer, seed, server_may_go);
  return pid;
}

TEST(SharedKillTest, NothingIsLeftOfKilledWorkers) {
  Board* const board = NewBoard();
  Server server(board);
  std::mt19937 random(1);
  const absl::Time end = SteadyNow() + AtMost();
  int kills = 0;
  std::vector<pid_t> alive;
  for (; kills < Kills() && SteadyNow() < end; ++kills) {
    while (alive.size() < 3) {
      alive.push_back(StartWorker(server.Offer(), random(), false));
    }
    usleep(random() % kLongestMicros);
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

  // The server hears of each end within kSharedLook.
  const absl::Time later = SteadyNow() + kLong;
  while (board->pinned != 0 && SteadyNow() < later) usleep(1000);
  EXPECT_EQ(board->pinned, 0);
  EXPECT_EQ(board->torn_pushes, 0);
  EXPECT_GT(board->pushes, kills);
  // It serves others as before.
  const int64_t before = board->pushes;
  const pid_t last = StartWorker(server.Offer(), 1, false);
  const absl::Time soon = SteadyNow() + kLong;
  while (board->pushes == before && SteadyNow() < soon) usleep(1000);
  EXPECT_GT(board->pushes, before);
  kill(last, SIGKILL);
  waitpid(last, nullptr, 0);
  RecordProperty("kills", kills);
}

TEST(SharedKillTest, WorkersOutliveAKilledServer) {
  Board* const board = NewBoard();
  std::mt19937 random(2);
  const absl::Time end = SteadyNow() + AtMost();
  int kills = 0;
  for (; kills < (Kills() + 9) / 10 && SteadyNow() < end; ++kills) {
    Server server(board);
    std::vector<pid_t> workers;
    for (int i = 0; i < 2; ++i) {
      workers.push_back(StartWorker(server.Offer(), random(), true));
    }
    usleep(random() % (4 * kLongestMicros));
    server.Kill();
    for (const pid_t pid : workers) {
      int status = 0;
      ASSERT_EQ(waitpid(pid, &status, 0), pid);
      EXPECT_TRUE(WIFEXITED(status));
      EXPECT_EQ(WEXITSTATUS(status), 0) << "3: a value was torn";
    }
  }
  EXPECT_EQ(board->torn_pushes, 0);
  RecordProperty("kills", kills);
}

}  // namespace
}  // namespace ebb::rpc::internal
