#include "data/dataset/window_cache.h"

#include <atomic>
#include <future>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace ebb::data::internal {
namespace {

// A window that counts how many of them are in memory.
class Counted {
 public:
  Counted(int64_t window, std::atomic<int>* held)
      : window_(window), held_(held) {
    EXPECT_LE(++*held_, 2);
  }
  Counted(Counted&& other) noexcept
      : window_(other.window_), held_(std::exchange(other.held_, nullptr)) {}
  Counted& operator=(Counted&&) = delete;
  ~Counted() {
    if (held_ != nullptr) --*held_;
  }
  int64_t window() const { return window_; }

 private:
  int64_t window_;
  std::atomic<int>* held_;
};

TEST(WindowCacheTest, HoldsTwoWindowsWhoeverUsesThem) {
  std::atomic<int> held = 0;
  WindowCache<Counted> cache(
      [&](int64_t window,
          std::optional<Counted> old) -> absl::StatusOr<Counted> {
        old.reset();
        return Counted(window, &held);
      });
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int64_t i = 0; i < 500; ++i) {
        const int64_t window = (i / (t + 1)) % 7;
        EXPECT_TRUE(cache
                        .Use(window,
                             [&](const Counted& one) {
                               EXPECT_EQ(one.window(), window);
                               return absl::OkStatus();
                             })
                        .ok());
        cache.Expect((window + 1) % 7);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(WindowCacheTest, TheOlderWindowIsGivenForItsMemory) {
  std::vector<std::optional<int64_t>> given;
  WindowCache<int64_t> cache(
      [&](int64_t window,
          std::optional<int64_t> old) -> absl::StatusOr<int64_t> {
        given.push_back(old);
        if (window == 3) return absl::UnavailableError("away");
        return window;
      });
  const auto nothing = [](int64_t) { return absl::OkStatus(); };
  for (const int64_t window : {0, 1, 2, 3, 4}) {
    EXPECT_EQ(cache.Use(window, nothing).ok(), window != 3);
  }
  const std::vector<std::optional<int64_t>> wanted = {{}, {}, 0, 1, 2};
  EXPECT_EQ(given, wanted);
}

TEST(WindowCacheTest, ReadsAheadBesideTheOneInUse) {
  std::promise<void> ahead;
  std::atomic<int> loads = 0;
  WindowCache<int64_t> cache(
      [&](int64_t window, std::optional<int64_t>) -> absl::StatusOr<int64_t> {
        ++loads;
        if (window == 1) ahead.set_value();
        return window;
      });
  const auto use = [&](int64_t window) {
    EXPECT_TRUE(
        cache.Use(window, [](int64_t) { return absl::OkStatus(); }).ok());
  };
  use(0);
  cache.Expect(1);
  ahead.get_future().wait();
  use(0);
  use(1);
  EXPECT_EQ(loads, 2);
}

TEST(WindowCacheTest, AnErrorIsTriedAgain) {
  int loads = 0;
  WindowCache<int64_t> cache(
      [&](int64_t window, std::optional<int64_t>) -> absl::StatusOr<int64_t> {
        if (++loads == 1) return absl::UnavailableError("away");
        return window;
      });
  const auto nothing = [](int64_t) { return absl::OkStatus(); };
  EXPECT_FALSE(cache.Use(3, nothing).ok());
  EXPECT_TRUE(cache.Use(3, nothing).ok());
  EXPECT_EQ(loads, 2);
}

TEST(WindowCacheTest, LoadsAWindowAnewThatCouldNotBeUsed) {
  int loads = 0;
  WindowCache<int64_t> cache([&](int64_t window, std::optional<int64_t>) {
    ++loads;
    return absl::StatusOr<int64_t>(window);
  });
  const auto use = [&](const absl::Status& status) {
    return cache.Use(3, [&](const int64_t&) { return status; });
  };
  EXPECT_TRUE(use(absl::OkStatus()).ok());
  EXPECT_TRUE(absl::IsUnavailable(use(absl::UnavailableError("lost"))));
  EXPECT_EQ(loads, 1);
  EXPECT_TRUE(use(absl::OkStatus()).ok());
  EXPECT_TRUE(use(absl::OkStatus()).ok());
  EXPECT_EQ(loads, 2);
}

// A window. What the cache takes it from goes only when `go` is ready; null: at
// once.
class Held {
 public:
  explicit Held(const std::shared_future<void>* go) : go_(go) {}
  Held(Held&& other) noexcept : go_(other.go_), moves_(other.moves_ + 1) {
    other.moved_ = true;
  }
  Held& operator=(Held&&) = delete;
  // The first move is into the result of the load, the second to the cache.
  ~Held() {
    if (moved_ && moves_ == 1 && go_ != nullptr) go_->wait();
  }

 private:
  const std::shared_future<void>* go_;  // Not owned.
  int moves_ = 0;
  bool moved_ = false;
};

// Bug: a window that was read ahead stayed after an error if it was used while
// the thread had not yet let go of it.
TEST(WindowCacheTest, LoadsAWindowAnewThatWasJustReadAhead) {
  std::promise<void> go;
  const std::shared_future<void> going = go.get_future().share();
  std::promise<void> begun;
  std::atomic<int> loads = 0;
  WindowCache<Held> cache(
      [&](int64_t, std::optional<Held>) -> absl::StatusOr<Held> {
        if (++loads > 1) return Held(nullptr);
        begun.set_value();
        return Held(&going);
      });
  cache.Expect(3);
  begun.get_future().wait();
  EXPECT_TRUE(absl::IsUnavailable(cache.Use(
      3, [](const Held&) { return absl::UnavailableError("lost"); })));
  EXPECT_TRUE(cache.Use(3, [](const Held&) { return absl::OkStatus(); }).ok());
  EXPECT_EQ(loads, 2);
  go.set_value();
}

}  // namespace
}  // namespace ebb::data::internal
