// Owners that are frozen between any two requests, and wake when others have
// taken over: what is stored stays, and what they write does not count. Then
// the same with each rule of the fence left out, which must show.
#include <gtest/gtest.h>

#include <algorithm>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/objects/folder_objects.h"
#include "common/objects/memory_objects.h"
#include "common/plant.h"
#include "common/status_macros.h"
#include "server/store/internal/store_test_util.h"
#include "server/store/object_checkpoints.h"
#include "server/store/object_layout.h"
#include "tests/testing/memory_files.h"

namespace ebb::server {

namespace {

constexpr int kOwners = 5;
constexpr char kPrefix[] = "job-1/p0/";

// Lets one of several threads run at a time, until it stops of its own accord.
class Turns {
 public:
  // Called by the threads. Waits for the first turn, and gives back the last.
  void Run(int thread, const std::function<void()>& work) {
    Wait(thread);
    work();
    std::unique_lock lock(mu_);
    ended_.insert(thread);
    running_ = -1;
    changed_.notify_all();
  }
  // Gives the turn back and waits for the next.
  void Stop(int thread) {
    {
      std::unique_lock lock(mu_);
      running_ = -1;
      changed_.notify_all();
    }
    Wait(thread);
  }
  // Called by the schedule: lets the thread go to its next stop. False: it has
  // ended.
  bool Give(int thread) {
    std::unique_lock lock(mu_);
    if (ended_.contains(thread)) return false;
    running_ = thread;
    changed_.notify_all();
    changed_.wait(lock, [this] { return running_ == -1; });
    return true;
  }

 private:
  void Wait(int thread) {
    std::unique_lock lock(mu_);
    changed_.wait(lock, [&] { return running_ == thread; });
  }

  std::mutex mu_;
  std::condition_variable changed_;
  int running_ = -1;
  std::set<int> ended_;
};

// Which thread this is; -1: the schedule.
thread_local int this_owner = -1;

enum class Kind { kMemory, kFolder };

std::unique_ptr<ObjectStore> MakeObjects(Kind kind, MemoryFiles* files) {
  if (kind == Kind::kMemory) return std::make_unique<MemoryObjects>();
  return *FolderObjects::Open({.folder = MemoryFiles::kRoot, .files = files});
}

// Objects of either kind, with the hooks of MemoryObjects.
class HookedObjects final : public ObjectStore {
 public:
  using Kind = ObjectCall::Kind;

  explicit HookedObjects(std::unique_ptr<ObjectStore> objects)
      : objects_(std::move(objects)) {}

  void BeforeCalls(MemoryObjects::Hook hook) { before_ = std::move(hook); }
  void AfterCalls(MemoryObjects::Hook hook) { after_ = std::move(hook); }

  const std::string& place() const override { return objects_->place(); }
  absl::StatusOr<ObjectContent> Get(absl::string_view key,
                                    const GetOptions& options) override {
    EBB_RETURN_IF_ERROR(before_({Kind::kGet, std::string(key)}));
    return objects_->Get(key, options);
  }
  absl::StatusOr<std::string> Put(absl::string_view key,
                                  std::span<const absl::string_view> parts,
                                  const PutOptions& options) override {
    EBB_RETURN_IF_ERROR(before_({Kind::kPut, std::string(key)}));
    EBB_ASSIGN_OR_RETURN(std::string etag, objects_->Put(key, parts, options));
    EBB_RETURN_IF_ERROR(after_({Kind::kPut, std::string(key)}));
    return etag;
  }
  absl::StatusOr<ObjectPage> List(const ListOptions& options) override {
    EBB_RETURN_IF_ERROR(before_({Kind::kList, options.prefix}));
    return objects_->List(options);
  }
  absl::Status Delete(absl::string_view key) override {
    EBB_RETURN_IF_ERROR(before_({Kind::kDelete, std::string(key)}));
    EBB_RETURN_IF_ERROR(objects_->Delete(key));
    return after_({Kind::kDelete, std::string(key)});
  }

 private:
  const std::unique_ptr<ObjectStore> objects_;
  MemoryObjects::Hook before_;
  MemoryObjects::Hook after_;
};

// One random schedule. Run returns what went wrong first, or "".
class Schedule {
 public:
  Schedule(Kind kind, uint64_t seed)
      : random_(seed), objects_(MakeObjects(kind, &files_)) {}

  std::string Run() {
    objects_.BeforeCalls([this](const ObjectCall& call) {
      if (this_owner >= 0 && absl::StartsWith(call.key, "job-")) {
        turns_.Stop(this_owner);
      }
      // Requests fail in passing, without effect.
      return this_owner >= 0 && Chance(0.01)
                 ? absl::UnavailableError("no network")
                 : absl::OkStatus();
    });
    // Or with it.
    objects_.AfterCalls([this](const ObjectCall& call) {
      return this_owner >= 0 && call.changes() && Chance(0.01)
                 ? absl::UnavailableError("no answer")
                 : absl::OkStatus();
    });
    std::vector<std::thread> threads;
    std::vector<int> live;
    while (static_cast<int>(threads.size()) < kOwners || !live.empty()) {
      const int next = static_cast<int>(threads.size());
      if (next < kOwners && (live.empty() || Chance(0.03))) {
        drawn_ = Term(10 * (next + 1));
        threads.emplace_back([this, next] {
          turns_.Run(next, [&] {
            this_owner = next;
            Own(next);
          });
        });
        live.push_back(next);
      }
      const int chosen =
          Chance(0.3) ? live[random_() % live.size()] : live.back();
      for (uint64_t i = 1 + random_() % 5; i > 0; --i) {
        if (!turns_.Give(chosen)) {
          std::erase(live, chosen);
          break;
        }
        if (error_.empty()) Check();
        // The others end soon, and are not looked at.
      }
    }
    for (std::thread& thread : threads) thread.join();
    if (error_.empty()) CheckReader();
    return error_;
  }
  int64_t durable() const { return durable_seen_; }

 private:
  bool Chance(double p) {
    return std::uniform_real_distribution<>(0, 1)(random_) < p;
  }
  void Fail(const std::string& what) {
    if (error_.empty()) error_ = what;
  }
  static VersionInTerm InTermOf(const VersionKey& key) {
    return {key.term, VersionFileOf(key)};
  }

  // One server that is granted the partition: it goes on from the newest
  // version, and stores and deletes some.
  void Own(int owner) {
    const Term term(10 * (owner + 1));
    const auto pool = MakePool();
    const auto opened = ObjectCheckpoints::Open(
        &objects_,
        {.server = ServerId(owner), .probe = false, .piece_bytes = 700});
    if (!opened.ok()) return;
    ObjectCheckpoints& store = **opened;
    const auto listed = store.ListPartition(JobId(1), PartitionId(0));
    if (!listed.ok()) return;
    Cut cut = MakeCut(*pool, 4 * 64, static_cast<float>(100 * owner));
    std::vector<VersionKey> versions = listed->versions;
    if (!versions.empty()) {
      auto loaded = store.Load(versions.back(), pool.get());
      if (absl::IsDataLoss(loaded.status())) {
        Fail(absl::StrCat("damaged: ", loaded.status().message()));
      }
      if (loaded.ok()) cut = *std::move(loaded);
    }
    const int64_t count = 3 + static_cast<int64_t>(random_() % 6);
    for (int64_t sequence = 0; sequence < count; ++sequence) {
      for (size_t i = 0; i < 4; ++i) {
        if (Chance(0.4)) ChangeBlock(*pool, &cut.arrays["weights"], i);
      }
      const VersionKey key = Key(sequence, 1, 0, term.value());
      const auto written = store.Write(key, cut);
      if (absl::IsFailedPrecondition(written.status())) return;
      if (!written.ok()) continue;
      if (drawn_ == term) {
        durable_.insert(InTermOf(key));
        ++durable_seen_;
      }
      versions.push_back(key);
      if (versions.size() <= 2) continue;
      // All but the newest two; or, as after a rollback, one in the middle.
      std::vector<VersionKey> old(versions.begin(), versions.end() - 2);
      if (Chance(0.2)) old = {versions[versions.size() - 2]};
      for (const VersionKey& gone : old) {
        durable_.erase(InTermOf(gone));
        std::erase(versions, gone);
      }
      store.Delete(old).IgnoreError();
    }
  }

  ObjectContent Get(const std::string& key) {
    const auto content = objects_.Get(key, {});
    if (content.ok()) return *content;
    Fail(absl::StrCat(key, " is gone"));
    return {};
  }

  // The rules as the format states them, by other code than the store's.
  std::set<VersionInTerm> Versions() {
    const auto objects = ListAllObjects(&objects_, kPrefix);
    const ListedObjects listed = ParseListedObjects(kPrefix, *objects);
    std::set<VersionInTerm> versions;
    if (listed.inherits.empty()) return versions;
    const Term newest = *listed.inherits.rbegin();
    const auto inherits =
        DecodeInherits(Get(kPrefix + InheritsKey(newest)).bytes);
    std::set<VersionInTerm> inherited;
    for (const auto& [version, writer] : inherits->versions) {
      inherited.insert(version);
    }
    if (seen_.insert(newest).second) {
      for (const VersionInTerm& version : durable_) {
        if (version.term < newest && !inherited.contains(version)) {
          Fail(absl::StrCat("a durable version of term ", version.term.value(),
                            " is not inherited by ", newest.value()));
        }
      }
    }
    versions = inherited;
    const auto own = listed.versions.find(newest);
    if (own != listed.versions.end()) {
      for (const VersionFile& file : own->second) {
        versions.insert({newest, file});
      }
    }
    const auto numbers = listed.kept.find(newest);
    if (numbers == listed.kept.end()) return versions;
    const auto kept = DecodeKept(
        Get(kPrefix + KeptKey(newest, *numbers->second.rbegin())).bytes);
    const std::set<VersionInTerm> named(kept->versions.begin(),
                                        kept->versions.end());
    std::erase_if(versions, [&](const VersionInTerm& version) {
      const bool later = version.term == newest && version.file > kept->newest;
      return !later && !named.contains(version);
    });
    return versions;
  }

  // Every version that exists is whole.
  void Check() {
    const auto objects = ListAllObjects(&objects_, kPrefix);
    const ListedObjects listed = ParseListedObjects(kPrefix, *objects);
    for (const VersionInTerm& version : Versions()) {
      const std::string key =
          kPrefix + VersionObjectKey(version.term, version.file);
      const auto manifest = DecodeFolderManifest(Get(key).bytes);
      if (!manifest.ok()) continue;  // Get has said so.
      for (const Pack& pack : manifest->packs) {
        const auto pieces = listed.pieces.find(pack.name);
        if (pieces == listed.pieces.end() ||
            pieces->second.size() != (pack.bytes + 699) / 700) {
          Fail(absl::StrCat("values of ", key, " are gone"));
        }
      }
    }
    if (++checks_ % 16 == 0) CheckReader();
  }

  // Checks that the store shows what exists, and loads it.
  void CheckReader() {
    const auto store = ObjectCheckpoints::Open(
        &objects_,
        {.server = ServerId(77), .probe = false, .piece_bytes = 700});
    if (!store.ok()) return Fail(store.status().ToString());
    const auto listed = (*store)->ListPartition(JobId(1), PartitionId(0));
    if (!listed.ok()) return Fail(listed.status().ToString());
    std::set<VersionInTerm> shown;
    for (const VersionKey& key : listed->versions) {
      shown.insert(InTermOf(key));
      const auto cut = (*store)->Load(key, reader_pool_.get());
      if (!cut.ok()) Fail(cut.status().ToString());
    }
    if (shown != Versions()) Fail("versions are shown that do not exist");
  }

  std::mt19937_64 random_;
  MemoryFiles files_;
  HookedObjects objects_;
  Turns turns_;
  const std::unique_ptr<BlockPool> reader_pool_ = MakePool();
  Term drawn_;  // The newest.
  // Counted as durable, and not deleted since.
  std::set<VersionInTerm> durable_;
  int64_t durable_seen_ = 0;
  std::set<Term> seen_;  // Terms with `inherits`.
  int64_t checks_ = 0;
  std::string error_;
};

// How many schedules there are; EBB_FENCE_SEEDS for more.
uint64_t Seeds() {
  const char* const wanted = std::getenv("EBB_FENCE_SEEDS");
  return wanted == nullptr ? 60 : std::strtoull(wanted, nullptr, 10);
}

std::string NameOf(Kind kind) {
  return kind == Kind::kMemory ? "memory" : "folder";
}

class ObjectFenceTest : public testing::TestWithParam<Kind> {};

INSTANTIATE_TEST_SUITE_P(Objects, ObjectFenceTest,
                         testing::Values(Kind::kMemory, Kind::kFolder),
                         [](const auto& test) { return NameOf(test.param); });

TEST_P(ObjectFenceTest, FrozenOwnersDoNoHarm) {
  int64_t durable = 0;
  // The rules are the same in a folder, which takes longer.
  const uint64_t seeds =
      GetParam() == Kind::kMemory ? Seeds() : (Seeds() + 3) / 4;
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    Schedule schedule(GetParam(), seed);
    ASSERT_EQ(schedule.Run(), "") << "seed " << seed;
    durable += schedule.durable();
  }
  EXPECT_GT(durable, static_cast<int64_t>(seeds));
}

class WeakenedFenceTest
    : public testing::TestWithParam<std::tuple<Kind, const char*>> {};

INSTANTIATE_TEST_SUITE_P(
    Rule, WeakenedFenceTest,
    testing::Combine(testing::Values(Kind::kMemory, Kind::kFolder),
                     testing::Values("claim_after_the_read",
                                     "inherits_all_there_are",
                                     "deletes_unchecked",
                                     "late_manifest_counts",
                                     "manifest_before_its_values")),
    [](const auto& test) {
      return absl::StrCat(std::get<1>(test.param), "_",
                          NameOf(std::get<0>(test.param)));
    });

TEST_P(WeakenedFenceTest, IsFound) {
  const auto [kind, bug] = GetParam();
  ASSERT_EQ(PlantBug(bug), absl::OkStatus());
  std::string found;
  uint64_t seed = 0;
  while (found.empty() && seed < 4000) found = Schedule(kind, ++seed).Run();
  PlantBug("").IgnoreError();
  EXPECT_NE(found, "") << seed << " seeds";
  RecordProperty("seed", static_cast<int>(seed));
  RecordProperty("found", found);
}

}  // namespace
}  // namespace ebb::server
