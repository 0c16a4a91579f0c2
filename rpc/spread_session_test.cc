#include "rpc/internal/spread_session.h"

#include <atomic>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::rpc::internal {
namespace {

using testing::ElementsAre;

// Counts what it is asked for; it takes nothing with `takes` unset.
class CountingSession : public PreferredSession {
 public:
  bool Push(PushRequest*, absl::Time, PsChannel::PushDone*) override {
    ++pushes;
    return takes;
  }
  bool Pull(const PullRequest&, absl::Time, PsChannel::PullDone*) override {
    ++pulls;
    return takes;
  }
  bool Clock(const ClockUpdate&) override {
    ++clocks;
    return takes;
  }
  bool Fetch(const FetchRequest&, absl::Time, PsChannel::FetchDone*) override {
    ++fetches;
    return takes;
  }
  void Run(const Elsewhere&) override { end_.wait(End::kNone); }
  void Stop() override { EndBy(End::kStop); }
  void StopWhenIdle() override {
    idle_wanted_ = true;
    idle_wanted_.notify_all();
  }
  bool EndedInOrder() const override { return end_ == End::kInOrder; }
  void Close(const absl::Status& status) override { closed = status; }

  // Acts as if the server had closed the connection, or the last call had ended
  // after StopWhenIdle().
  void EndInOrder() { EndBy(End::kInOrder); }
  void AwaitStopWhenIdle() const { idle_wanted_.wait(false); }

  bool takes = true;
  int pushes = 0, pulls = 0, clocks = 0, fetches = 0;
  absl::Status closed;

 private:
  enum class End { kNone, kStop, kInOrder };
  void EndBy(End end) {
    End none = End::kNone;
    end_.compare_exchange_strong(none, end);
    end_.notify_all();
  }

  std::atomic<End> end_ = End::kNone;
  std::atomic<bool> idle_wanted_ = false;
};

class SpreadSessionTest : public testing::Test {
 protected:
  SpreadSessionTest() {
    std::vector<std::shared_ptr<PreferredSession>> sessions;
    for (int i = 0; i < 3; ++i) {
      all_.push_back(std::make_shared<CountingSession>());
      sessions.push_back(all_.back());
    }
    spread_ = std::make_unique<SpreadSession>(std::move(sessions));
  }

  std::vector<int> Counts(int CountingSession::*count) const {
    std::vector<int> counts;
    for (const auto& session : all_) counts.push_back((*session).*count);
    return counts;
  }

  std::vector<std::shared_ptr<CountingSession>> all_;
  std::unique_ptr<SpreadSession> spread_;
};

TEST_F(SpreadSessionTest, CallsTakeTurns) {
  PushRequest push;
  PsChannel::PushDone pushed;
  for (int i = 0; i < 6; ++i) {
    EXPECT_TRUE(spread_->Push(&push, absl::InfiniteFuture(), &pushed));
  }
  EXPECT_THAT(Counts(&CountingSession::pushes), ElementsAre(2, 2, 2));
  PsChannel::PullDone pulled;
  PsChannel::FetchDone fetched;
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(spread_->Pull({}, absl::InfiniteFuture(), &pulled));
  }
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(spread_->Fetch({}, absl::InfiniteFuture(), &fetched));
  }
  EXPECT_THAT(Counts(&CountingSession::pulls), ElementsAre(1, 1, 1));
  EXPECT_THAT(Counts(&CountingSession::fetches), ElementsAre(1, 1, 1));
}

TEST_F(SpreadSessionTest, ClocksKeepTheirOrder) {
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(spread_->Clock({}));
  EXPECT_THAT(Counts(&CountingSession::clocks), ElementsAre(3, 0, 0));
}

TEST_F(SpreadSessionTest, WhatOneDoesNotTakeGoesElsewhere) {
  all_[1]->takes = false;
  PushRequest push;
  PsChannel::PushDone pushed;
  EXPECT_TRUE(spread_->Push(&push, absl::InfiniteFuture(), &pushed));
  EXPECT_FALSE(spread_->Push(&push, absl::InfiniteFuture(), &pushed));
}

TEST_F(SpreadSessionTest, OneThatBreaksEndsAll) {
  std::thread running([&] { spread_->Run({}); });
  all_[2]->Stop();
  running.join();
  spread_->Close(absl::UnavailableError("gone"));
  for (const auto& session : all_) {
    EXPECT_TRUE(absl::IsUnavailable(session->closed));
  }
}

// Bug: a server that left closed the connections without calls first, and the
// calls on the others had no answer.
TEST_F(SpreadSessionTest, OneThatTheServerClosesLetsTheOthersFinish) {
  std::thread running([&] { spread_->Run({}); });
  all_[1]->EndInOrder();
  for (const auto& session : all_) session->AwaitStopWhenIdle();
  all_[0]->EndInOrder();
  all_[2]->EndInOrder();
  running.join();
  for (const auto& session : all_) {
    EXPECT_TRUE(session->EndedInOrder());
    EXPECT_TRUE(absl::IsUnavailable(session->closed));
  }
}

TEST_F(SpreadSessionTest, OneThatBreaksEndsThoseThatFinish) {
  std::thread running([&] { spread_->Run({}); });
  all_[1]->EndInOrder();
  all_[0]->AwaitStopWhenIdle();
  all_[0]->Stop();
  running.join();
  EXPECT_FALSE(all_[2]->EndedInOrder());
}

}  // namespace
}  // namespace ebb::rpc::internal
