// The particulars of checkpoints in a bucket: its objects, what harms them, and
// requests that fail.
#include "server/store/object_checkpoints.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/objects/credentials.h"
#include "common/objects/memory_objects.h"
#include "common/objects/s3_objects.h"
#include "common/objects/testing/s3_server.h"
#include "server/store/internal/store_test_util.h"

namespace ebb::server {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

VersionKey InTerm(uint64_t term, int64_t sequence) {
  return Key(sequence, 1, 0, term);
}

class ObjectCheckpointsTest : public testing::Test {
 protected:
  std::unique_ptr<ObjectCheckpoints> Open(int32_t server = 0) {
    auto store = ObjectCheckpoints::Open(
        &objects_, {.server = ServerId(server), .piece_bytes = 1000});
    EXPECT_TRUE(store.ok()) << store.status();
    return *std::move(store);
  }
  std::vector<std::string> KeysWith(absl::string_view text) {
    std::vector<std::string> found;
    for (const std::string& key : objects_.Keys()) {
      if (absl::StrContains(key, text)) found.push_back(key);
    }
    return found;
  }

  MemoryObjects objects_;
  std::unique_ptr<BlockPool> pool_ = MakePool();
  std::unique_ptr<ObjectCheckpoints> store_ = Open();
};

// Its lists leave out each object that comes or goes meanwhile, and a put may
// be late.
class OddObjects final : public ObjectStore {
 public:
  explicit OddObjects(ObjectStore* objects) : objects_(*objects) {}

  // The next put has no answer.
  void LoseNextPut() { put_is_late_ = true; }
  absl::Status LatePut() { return late_().status(); }
  // Runs in the middle of the next list.
  void Meanwhile(std::function<void()> change) { change_ = std::move(change); }

  const std::string& place() const override { return objects_.place(); }
  absl::StatusOr<ObjectContent> Get(absl::string_view key,
                                    const GetOptions& options) override {
    return objects_.Get(key, options);
  }
  absl::StatusOr<std::string> Put(absl::string_view key,
                                  std::span<const absl::string_view> parts,
                                  const PutOptions& options) override {
    if (!put_is_late_.exchange(false)) {
      return objects_.Put(key, parts, options);
    }
    late_ = [this, key = std::string(key), bytes = absl::StrJoin(parts, ""),
             options] { return PutObject(&objects_, key, bytes, options); };
    return absl::UnavailableError("no answer");
  }
  absl::StatusOr<ObjectPage> List(const ListOptions& options) override {
    auto page = objects_.List(options);
    if (change_ == nullptr) return page;
    std::exchange(change_, nullptr)();
    const auto after = objects_.List(options);
    std::erase_if(page->objects, [&](const ListedObject& object) {
      return std::ranges::count(after->objects, object) == 0;
    });
    return page;
  }
  absl::Status Delete(absl::string_view key) override {
    return objects_.Delete(key);
  }

 private:
  ObjectStore& objects_;
  std::function<void()> change_;
  std::atomic<bool> put_is_late_ = false;
  std::function<absl::StatusOr<std::string>()> late_;
};

// Bug: another server, which had no claim yet, saw no version at all.
TEST_F(ObjectCheckpointsTest, AListMadeWhileVersionsAreReplacedHidesNone) {
  Cut cut = MakeCut(*pool_, 64, 1);
  ASSERT_TRUE(store_->Write(InTerm(10, 0), cut).ok());
  OddObjects blind(&objects_);
  const auto reader = ObjectCheckpoints::Open(&blind, {.server = ServerId(1)});
  ASSERT_TRUE(reader.ok()) << reader.status();
  blind.Meanwhile([&] {
    ChangeBlock(*pool_, &cut.arrays["weights"], 0);
    EXPECT_TRUE(store_->Write(InTerm(10, 1), cut).ok());
    const VersionKey old = InTerm(10, 0);
    EXPECT_TRUE(store_->Delete({&old, 1}).ok());
  });
  const auto listed = (*reader)->ListPartition(JobId(1), PartitionId(0));
  ASSERT_TRUE(listed.ok()) << listed.status();
  EXPECT_THAT(listed->versions, ElementsAre(InTerm(10, 1)));
}

// Bug: it replaced the record that was saved after it.
TEST_F(ObjectCheckpointsTest, ALatePutBringsBackNoOlderRecord) {
  OddObjects odd(&objects_);
  const auto store = ObjectCheckpoints::Open(&odd, {.probe = false});
  ASSERT_TRUE(store.ok()) << store.status();
  for (const absl::string_view before : {"none", "one"}) {
    StoredJob job = MakeJob(1, absl::StrCat("after ", before));
    odd.LoseNextPut();
    EXPECT_EQ((*store)->SaveJob(MakeJob(1, "late")).code(),
              absl::StatusCode::kUnavailable);
    ASSERT_TRUE((*store)->SaveJob(job).ok());
    EXPECT_FALSE(odd.LatePut().ok());
    const auto inventory = (*store)->List();
    ASSERT_TRUE(inventory.ok()) << inventory.status();
    ASSERT_THAT(inventory->jobs, SizeIs(1));
    EXPECT_EQ(inventory->jobs[0].record->name, job.record->name);
  }
}

// Versions of all servers, as `ebb checkpoint` shows them.
TEST_F(ObjectCheckpointsTest, PeopleSeeWhatAllServersStored) {
  ASSERT_TRUE(store_->SaveJob(MakeJob(1, "job")).ok());
  ASSERT_TRUE(store_->Write(InTerm(10, 0), MakeCut(*pool_, 64, 1)).ok());
  const auto other = Open(1);
  const VersionKey key = Key(0, 1, 1, 11);
  ASSERT_TRUE(other->Write(key, MakeCut(*pool_, 64, 2)).ok());
  const auto reader =
      ObjectCheckpoints::Open(&objects_, {.probe = false, .create = false});
  ASSERT_TRUE(reader.ok()) << reader.status();
  std::vector<std::string> problems;
  const auto jobs = (*reader)->JobsOfAll(&problems);
  ASSERT_TRUE(jobs.ok()) << jobs.status();
  ASSERT_THAT(*jobs, SizeIs(1));
  EXPECT_THAT(problems, IsEmpty());
  auto all = (*reader)->Summaries(JobId(1));
  ASSERT_TRUE(all.ok()) << all.status();
  ASSERT_THAT(*all, SizeIs(2));
  EXPECT_EQ((*all)[0].version.key, InTerm(10, 0));
  EXPECT_EQ((*all)[0].writer, ServerId(0));
  EXPECT_EQ((*all)[0].version.value_bytes, 2 * 64 * 4);
  EXPECT_EQ((*all)[1].version.key, key);
  EXPECT_EQ((*all)[1].writer, ServerId(1));
  // One that cannot be read is there, without marks.
  objects_.Damage(KeysWith("p1/t").back(), 20);
  all = (*reader)->Summaries(JobId(1));
  ASSERT_TRUE(all.ok()) << all.status();
  ASSERT_THAT(*all, SizeIs(2));
  EXPECT_EQ((*all)[1].version.marks, "");
}

TEST_F(ObjectCheckpointsTest, APlaceIsNotMadeByLookingAtIt) {
  MemoryObjects empty;
  EXPECT_EQ(ObjectCheckpoints::Open(&empty, {.probe = false, .create = false})
                .status()
                .code(),
            absl::StatusCode::kNotFound);
  EXPECT_THAT(empty.Keys(), IsEmpty());
}

TEST_F(ObjectCheckpointsTest, APlaceHasOneIdentity) {
  EXPECT_THAT(store_->folder_id(), SizeIs(32));
  EXPECT_EQ(Open(7)->folder_id(), store_->folder_id());
  EXPECT_THAT(objects_.Keys(), ElementsAre("identity"));
  MemoryObjects other;
  const auto elsewhere = ObjectCheckpoints::Open(&other, {});
  ASSERT_TRUE(elsewhere.ok());
  EXPECT_NE((*elsewhere)->folder_id(), store_->folder_id());
}

TEST_F(ObjectCheckpointsTest, AStoreThatLacksSomethingIsRefused) {
  MemoryObjects twice({.creates_twice = true});
  const absl::Status refused = ObjectCheckpoints::Open(&twice, {}).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(twice.Keys(), IsEmpty());
}

// It does not count as an empty store, so no version counts as lost.
TEST_F(ObjectCheckpointsTest, ABucketThatWasEmptiedIsWaitedFor) {
  const Cut cut = MakeCut(*pool_, 64, 1);
  ASSERT_TRUE(store_->Write(InTerm(10, 0), cut).ok());
  for (const std::string& key : objects_.Keys()) {
    ASSERT_TRUE(objects_.Delete(key).ok());
  }
  for (const absl::Status& status :
       {store_->Load(InTerm(10, 0), pool_.get()).status(),
        store_->List().status(),
        store_->ListPartition(JobId(1), PartitionId(0)).status(),
        store_->SaveJob(MakeJob(1, "job")),
        store_->Write(InTerm(11, 0), cut).status(),
        store_->DeleteJob(JobId(1))}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
  }
}

TEST_F(ObjectCheckpointsTest, AnyBitThatIsWrongIsFound) {
  const Cut cut = MakeCut(*pool_, 100, 1);
  ASSERT_TRUE(store_->Write(InTerm(10, 0), cut).ok());
  const std::vector<std::string> keys = KeysWith("/t0");
  ASSERT_THAT(keys, SizeIs(2));
  for (const std::string& key : keys) {
    const size_t bytes = objects_.Get(key, {})->size;
    for (size_t at = 0; at < bytes; ++at) {
      objects_.Damage(key, at);
      const auto loaded = store_->Load(InTerm(10, 0), pool_.get());
      EXPECT_TRUE(absl::IsDataLoss(loaded.status()))
          << key << " at " << at << ": " << loaded.status();
      EXPECT_THAT(loaded.status().message(), HasSubstr(key));
      objects_.Damage(key, at);  // Mends it.
    }
  }
  ExpectStored(*store_, *pool_, InTerm(10, 0), cut);
}

TEST_F(ObjectCheckpointsTest, AMissingOrShortObjectIsNamed) {
  ASSERT_TRUE(store_->Write(InTerm(10, 0), MakeCut(*pool_, 64, 1)).ok());
  const std::string values = KeysWith("1-0.values").front();
  ASSERT_TRUE(objects_.Delete(values).ok());
  const auto missing = store_->Load(InTerm(10, 0), pool_.get());
  EXPECT_TRUE(absl::IsDataLoss(missing.status())) << missing.status();
  EXPECT_THAT(missing.status().message(),
              AllOf(HasSubstr(values), HasSubstr("is missing")));
  ASSERT_TRUE(PutObject(&objects_, values, "short").ok());
  const auto cut_short = store_->Load(InTerm(10, 0), pool_.get());
  EXPECT_TRUE(absl::IsDataLoss(cut_short.status())) << cut_short.status();
}

TEST_F(ObjectCheckpointsTest, BesideAVersionThatCannotBeReadNoValuesGo) {
  Cut cut = MakeCut(*pool_, 64, 1);
  ASSERT_TRUE(store_->Write(InTerm(10, 0), cut).ok());
  ASSERT_TRUE(store_->Write(InTerm(10, 1), cut).ok());
  store_ = Open();
  const std::string damaged = KeysWith("01.version").front();
  objects_.Damage(damaged, 40);
  ASSERT_TRUE(store_->Write(InTerm(11, 0), MakeCut(*pool_, 64, 500)).ok());
  const VersionKey first[] = {InTerm(10, 0)};
  ASSERT_TRUE(store_->Delete(first).ok());
  EXPECT_THAT(KeysWith("10/1-0.values"), SizeIs(1));
  // It is deleted as any other.
  const VersionKey second[] = {InTerm(10, 1)};
  ASSERT_TRUE(store_->Delete(second).ok());
  EXPECT_THAT(KeysWith("10/1-0.values"), IsEmpty());
  const auto listed = store_->ListPartition(JobId(1), PartitionId(0));
  ASSERT_TRUE(listed.ok());
  EXPECT_THAT(listed->versions, ElementsAre(InTerm(11, 0)));
}

TEST_F(ObjectCheckpointsTest, NothingIsLeftOfOlderTerms) {
  Cut cut = MakeCut(*pool_, 4 * 64, 1);
  ASSERT_TRUE(store_->Write(InTerm(10, 0), cut).ok());
  ASSERT_TRUE(store_->Write(InTerm(11, 0), cut).ok());
  for (size_t i = 0; i < 4; ++i) {
    ChangeBlock(*pool_, &cut.arrays["weights"], i);
    ChangeBlock(*pool_, &cut.arrays["slot:0"], i);
  }
  ASSERT_TRUE(store_->Write(InTerm(11, 1), cut).ok());
  const VersionKey old[] = {InTerm(10, 0), InTerm(11, 0)};
  ASSERT_TRUE(store_->Delete(old).ok());
  const std::string p = "job-1/p0/", t = "t00000000000000000011/";
  EXPECT_THAT(
      KeysWith("/p0/"),
      ElementsAre(
          p + "claims/00000000000000000011",
          p + "inherits/00000000000000000011",
          p + t + "00000000000000000001.kept", p + t + "2-0.values",
          p + t + "2-1.values", p + t + "2-2.values",
          p + t + "g00000000000000000007-00000000000000000001.version"));
  ExpectStored(*Open(5), *pool_, InTerm(11, 1), cut);
}

TEST_F(ObjectCheckpointsTest, WhatACrashLeftGoesWithTheNextDelete) {
  ASSERT_TRUE(store_->Write(InTerm(10, 0), MakeCut(*pool_, 64, 1)).ok());
  ASSERT_TRUE(
      PutObject(&objects_, "job-1/p0/t00000000000000000010/77-0.values", "junk")
          .ok());
  const VersionKey none[] = {InTerm(9, 0)};
  ASSERT_TRUE(store_->Delete(none).ok());
  EXPECT_THAT(KeysWith("77-0"), IsEmpty());
}

// The server was restarted, and goes on in the term that it has.
TEST_F(ObjectCheckpointsTest, AnotherProcessOfTheOwnerGoesOn) {
  Cut cut = MakeCut(*pool_, 64, 1);
  ASSERT_TRUE(store_->Write(InTerm(10, 0), cut).ok());
  ASSERT_TRUE(store_->Write(InTerm(10, 1), cut).ok());
  const VersionKey old[] = {InTerm(10, 0)};
  ASSERT_TRUE(store_->Delete(old).ok());
  store_ = Open();
  auto loaded = store_->Load(InTerm(10, 1), pool_.get());
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(store_->Write(InTerm(10, 0), *loaded).status().code(),
            absl::StatusCode::kInvalidArgument);
  const auto written = store_->Write(InTerm(10, 2), *loaded);
  ASSERT_TRUE(written.ok()) << written.status();
  EXPECT_EQ(written->blocks_written, 0);
  // A term is one server's.
  EXPECT_EQ(Open(1)->Write(InTerm(10, 3), cut).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

// Every request in turn fails, without or with its effect. What was said to be
// stored is there, and all that there is, is whole.
TEST_F(ObjectCheckpointsTest, AnyRequestMayFail) {
  int met = 0;
  for (int fail_at = 0; fail_at < 200; ++fail_at) {
    for (const bool effect : {false, true}) {
      SCOPED_TRACE(absl::StrCat(fail_at, effect ? " with effect" : ""));
      MemoryObjects objects;
      const auto open = [&](int32_t server) {
        return *ObjectCheckpoints::Open(
            &objects, {.server = ServerId(server), .piece_bytes = 1000});
      };
      std::map<VersionKey, Cut> stored;
      const auto first = open(0), second = open(1);
      int calls = 0;
      const auto fail = [&](const ObjectCall& call) {
        const bool now = calls++ == fail_at;
        met += now ? 1 : 0;
        return now ? absl::UnavailableError("no network") : absl::OkStatus();
      };
      effect ? objects.AfterCalls(fail) : objects.BeforeCalls(fail);
      const auto train = [&](ObjectCheckpoints* store, BlockPool* pool,
                             uint64_t term) {
        Cut cut = MakeCut(*pool, 8 * 64, static_cast<float>(term));
        const auto listed = store->ListPartition(JobId(1), PartitionId(0));
        if (!listed.ok()) return;
        std::vector<VersionKey> versions = listed->versions;
        if (!versions.empty()) {
          auto loaded = store->Load(versions.back(), pool);
          if (!loaded.ok()) return;
          cut = *std::move(loaded);
        }
        for (int64_t sequence = 0; sequence < 6; ++sequence) {
          for (const size_t i : {sequence, sequence + 2}) {
            ChangeBlock(*pool, &cut.arrays["weights"], i);
          }
          const VersionKey key = InTerm(term, sequence);
          const auto written = store->Write(key, cut);
          if (!written.ok()) continue;
          stored[key] = cut;
          versions.push_back(key);
          while (versions.size() > 2) {
            const VersionKey old[] = {versions.front()};
            stored.erase(versions.front());
            versions.erase(versions.begin());
            store->Delete(old).IgnoreError();
          }
        }
      };
      const auto other = MakePool();
      train(first.get(), pool_.get(), 10);
      const std::map<VersionKey, Cut> of_first = stored;
      train(second.get(), other.get(), 11);
      objects.BeforeCalls(nullptr);
      objects.AfterCalls(nullptr);
      const auto reader = open(2);
      const auto listed = reader->ListPartition(JobId(1), PartitionId(0));
      ASSERT_TRUE(listed.ok()) << listed.status();
      EXPECT_FALSE(listed->versions.empty());
      for (const VersionKey& key : listed->versions) {
        const auto loaded = reader->Load(key, pool_.get());
        EXPECT_TRUE(loaded.ok()) << loaded.status();
      }
      for (const auto& [key, cut] : stored) {
        ExpectStored(*reader, *pool_, key, cut);
      }
    }
    if (met < 2 * (fail_at + 1)) break;
  }
  EXPECT_GT(met, 150);
}

TEST_F(ObjectCheckpointsTest, RoomIsBounded) {
  constexpr int64_t kBlocks = 100;
  constexpr int64_t kSealed = 256 + 24;
  Cut cut;
  cut.arrays["weights"] = MakeArray(*pool_, kBlocks * 64, 1);
  std::mt19937 random(1);
  for (int64_t sequence = 0; sequence < 300; ++sequence) {
    ChangeBlock(*pool_, &cut.arrays["weights"], 1 + random() % (kBlocks - 1));
    ASSERT_TRUE(store_->Write(InTerm(10, sequence), cut).ok());
    const VersionKey before[] = {InTerm(10, sequence - 1)};
    ASSERT_TRUE(store_->Delete(before).ok());
    EXPECT_LE(objects_.bytes(), (3 * kBlocks + 1) * kSealed + 16'384);
    EXPECT_LE(objects_.Keys().size(), 65u + 40u);
  }
  ExpectStored(*store_, *pool_, InTerm(10, 299), cut);
}

// Over a server of S3, with its faults.
TEST(ObjectCheckpointsS3Test, GoesOnOverABucketWithFaults) {
  S3Server& server = S3Server::Shared();
  const auto pool = MakePool();
  const auto open = [&](int32_t id) {
    auto store = ObjectCheckpoints::Open(server.Open("shared/"),
                                         {.server = ServerId(id)});
    EXPECT_TRUE(store.ok()) << store.status();
    return *std::move(store);
  };
  auto first = open(0);
  Cut cut = MakeCut(*pool, 8 * 64, 1);
  for (int64_t sequence = 0; sequence < 10; ++sequence) {
    const char* const kinds[] = {"503 SlowDown", "lost", "reset",
                                 "500 InternalError", "cut"};
    server.SetFaults(absl::StrCat(R"([{"kind": ")", kinds[sequence % 5],
                                  R"(", "skip": )", sequence % 3,
                                  R"(, "count": 2}])"));
    ChangeBlock(*pool, &cut.arrays["weights"], sequence % 8);
    const auto written = first->Write(InTerm(10, sequence), cut);
    ASSERT_TRUE(written.ok()) << written.status();
    if (sequence == 0) continue;
    const VersionKey before[] = {InTerm(10, sequence - 1)};
    ASSERT_TRUE(first->Delete(before).ok());
  }
  server.SetFaults("[]");
  const auto second = open(1);
  const auto listed = second->ListPartition(JobId(1), PartitionId(0));
  ASSERT_TRUE(listed.ok());
  EXPECT_THAT(listed->versions, ElementsAre(InTerm(10, 9)));
  const auto other = MakePool();
  auto taken = second->Load(InTerm(10, 9), other.get());
  ASSERT_TRUE(taken.ok()) << taken.status();
  ExpectSameCut(*taken, cut);
  EXPECT_EQ(second->Write(InTerm(11, 0), *taken)->blocks_written, 0);
  EXPECT_EQ(first->Write(InTerm(10, 10), cut).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

// The same over a real server (tests/services/radosgw.py).
class ObjectCheckpointsBucketTest : public testing::TestWithParam<std::string> {
};

std::vector<std::string> Buckets() {
  const std::string url = ProcessEnvironment("EBB_TEST_BUCKET");
  return url.empty() ? std::vector<std::string>() : std::vector{url};
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(ObjectCheckpointsBucketTest);
INSTANTIATE_TEST_SUITE_P(Bucket, ObjectCheckpointsBucketTest,
                         testing::ValuesIn(Buckets()));

TEST_P(ObjectCheckpointsBucketTest, AnotherServerGoesOn) {
  const std::string& url = GetParam();
  const auto pool = MakePool(), other = MakePool();
  const auto open = [&](int32_t id) {
    const auto options = ParseS3Url(
        absl::StrCat(url, "/checkpoints-", getpid()), ProcessEnvironment);
    EXPECT_TRUE(options.ok()) << options.status();
    auto store =
        ObjectCheckpoints::Open(*S3Objects::Open(*options),
                                {.server = ServerId(id), .piece_bytes = 1000});
    EXPECT_TRUE(store.ok()) << store.status();
    return *std::move(store);
  };
  const auto first = open(0), second = open(1);
  for (const absl::string_view name : {"job", "job of another name"}) {
    const absl::Status saved = first->SaveJob(MakeJob(1, std::string(name)));
    ASSERT_TRUE(saved.ok()) << saved;
  }
  Cut cut = MakeCut(*pool, 8 * 64, 1);
  for (int64_t sequence = 0; sequence < 5; ++sequence) {
    ChangeBlock(*pool, &cut.arrays["weights"], sequence);
    const auto written = first->Write(InTerm(10, sequence), cut);
    ASSERT_TRUE(written.ok()) << written.status();
    if (sequence == 0) continue;
    const VersionKey before[] = {InTerm(10, sequence - 1)};
    ASSERT_TRUE(first->Delete(before).ok());
  }
  auto taken = second->Load(InTerm(10, 4), other.get());
  ASSERT_TRUE(taken.ok()) << taken.status();
  ExpectSameCut(*taken, cut);
  EXPECT_EQ(second->Write(InTerm(11, 0), *taken)->blocks_written, 0);
  EXPECT_EQ(first->Write(InTerm(10, 5), cut).status().code(),
            absl::StatusCode::kFailedPrecondition);
  const auto listed = first->ListPartition(JobId(1), PartitionId(0));
  ASSERT_TRUE(listed.ok()) << listed.status();
  EXPECT_THAT(listed->versions, ElementsAre(InTerm(10, 4), InTerm(11, 0)));
  EXPECT_TRUE(second->DeleteJob(JobId(1)).ok());
}

}  // namespace
}  // namespace ebb::server
