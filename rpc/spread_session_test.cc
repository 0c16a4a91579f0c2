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
  void Run(const Elsewhere&) override { stopped_.wait(false); }
  void Stop() override {
    stopped_ = true;
    stopped_.notify_all();
  }
  void Close(const absl::Status& status) override { closed = status; }

  bool takes = true;
  int pushes = 0, pulls = 0, clocks = 0, fetches = 0;
  absl::Status closed;

 private:
  std::atomic<bool> stopped_ = false;
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

TEST_F(SpreadSessionTest, OneThatEndsEndsAll) {
  std::thread running([&] { spread_->Run({}); });
  all_[2]->Stop();
  running.join();
  spread_->Close(absl::UnavailableError("gone"));
  for (const auto& session : all_) {
    EXPECT_TRUE(absl::IsUnavailable(session->closed));
  }
}

}  // namespace
}  // namespace ebb::rpc::internal
