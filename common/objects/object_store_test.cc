// The contract of ObjectStore, run over all implementations that write.
#include "common/objects/object_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/objects/credentials.h"
#include "common/objects/folder_objects.h"
#include "common/objects/memory_objects.h"
#include "common/objects/s3_objects.h"
#include "common/objects/testing/s3_server.h"
#include "common/testing/test_folder.h"
#include "tests/testing/memory_files.h"

namespace ebb {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class Place {
 public:
  virtual ~Place() = default;
  virtual ObjectStore* store() = 0;
  // Null: it takes no objects in parts.
  virtual S3Objects* s3() { return nullptr; }
};

class MemoryPlace final : public Place {
 public:
  ObjectStore* store() override { return &store_; }

 private:
  MemoryObjects store_;
};

class FolderPlace final : public Place {
 public:
  ObjectStore* store() override { return store_.get(); }

 private:
  TestFolder folder_{TestFolder::On::kMemory};
  std::unique_ptr<FolderObjects> store_ =
      *FolderObjects::Open({.folder = folder_.path()});
};

class S3Place final : public Place {
 public:
  ObjectStore* store() override { return store_.get(); }
  S3Objects* s3() override { return store_.get(); }

 private:
  S3Server& server_ = S3Server::Shared();
  std::unique_ptr<S3Objects> store_ = server_.Open("some/prefix/");
};

// A bucket that the environment names (tests/services/radosgw.py).
class BucketPlace final : public Place {
 public:
  BucketPlace() {
    auto options =
        ParseS3Url(absl::StrCat(ProcessEnvironment("EBB_TEST_BUCKET"), "/",
                                getpid(), "-", ++places_),
                   ProcessEnvironment);
    EXPECT_TRUE(options.ok()) << options.status();
    store_ = *S3Objects::Open(*std::move(options));
  }
  ObjectStore* store() override { return store_.get(); }
  S3Objects* s3() override { return store_.get(); }

 private:
  static inline int places_ = 0;
  std::unique_ptr<S3Objects> store_;
};

enum class Kind { kMemory, kFolder, kS3, kBucket };

std::vector<Kind> Kinds() {
  std::vector<Kind> kinds = {Kind::kMemory, Kind::kFolder, Kind::kS3};
  if (!ProcessEnvironment("EBB_TEST_BUCKET").empty()) {
    kinds.push_back(Kind::kBucket);
  }
  return kinds;
}

std::unique_ptr<Place> MakePlace(Kind kind) {
  switch (kind) {
    case Kind::kMemory:
      return std::make_unique<MemoryPlace>();
    case Kind::kFolder:
      return std::make_unique<FolderPlace>();
    case Kind::kS3:
      return std::make_unique<S3Place>();
    case Kind::kBucket:
      return std::make_unique<BucketPlace>();
  }
  return nullptr;
}

class ObjectStoreTest : public testing::TestWithParam<Kind> {
 protected:
  void Put(absl::string_view key, absl::string_view bytes) {
    const auto put = PutObject(store_, key, bytes);
    EXPECT_TRUE(put.ok()) << put.status();
  }
  std::string Get(absl::string_view key, const GetOptions& options = {}) {
    const auto content = store_->Get(key, options);
    EXPECT_TRUE(content.ok()) << content.status();
    return content.ok() ? content->bytes : "?";
  }
  absl::StatusCode CodeOfGet(absl::string_view key,
                             const GetOptions& options = {}) {
    return store_->Get(key, options).status().code();
  }
  std::vector<std::string> Keys(const std::string& prefix) {
    const auto listed = ListAllObjects(store_, prefix);
    EXPECT_TRUE(listed.ok()) << listed.status();
    std::vector<std::string> keys;
    if (listed.ok()) {
      for (const ListedObject& object : *listed) keys.push_back(object.key);
    }
    return keys;
  }

  std::unique_ptr<Place> place_ = MakePlace(GetParam());
  ObjectStore* store_ = place_->store();
};

std::string NameOf(const testing::TestParamInfo<Kind>& test) {
  switch (test.param) {
    case Kind::kMemory:
      return "Memory";
    case Kind::kFolder:
      return "Folder";
    case Kind::kS3:
      return "S3";
    case Kind::kBucket:
      return "Bucket";
  }
  return "";
}

INSTANTIATE_TEST_SUITE_P(Store, ObjectStoreTest, testing::ValuesIn(Kinds()),
                         NameOf);

// The kinds that take objects in parts.
std::vector<Kind> BucketKinds() {
  std::vector<Kind> kinds = Kinds();
  std::erase_if(kinds, [](Kind kind) {
    return kind == Kind::kMemory || kind == Kind::kFolder;
  });
  return kinds;
}

class LargeObjectTest : public ObjectStoreTest {
 protected:
  // Different in each of its parts.
  static std::string Bytes(size_t size) {
    std::string bytes(size, '\0');
    for (size_t i = 0; i < size; i += 64) {
      bytes[i] = static_cast<char>(i / 64 % 251);
    }
    return bytes;
  }
  S3Objects* s3_ = place_->s3();
};

INSTANTIATE_TEST_SUITE_P(Store, LargeObjectTest,
                         testing::ValuesIn(BucketKinds()), NameOf);

constexpr uint64_t kPart = 5 << 20;

TEST_P(LargeObjectTest, PartsBecomeOneObject) {
  const std::string bytes = Bytes(2 * kPart + 12345);
  const auto etag = s3_->PutLarge("a b/large+1", bytes, {.part_bytes = kPart});
  ASSERT_TRUE(etag.ok()) << etag.status();
  const auto content = s3_->Get("a b/large+1", {});
  ASSERT_TRUE(content.ok()) << content.status();
  EXPECT_TRUE(content->bytes == bytes);
  EXPECT_EQ(content->etag, *etag);
  EXPECT_EQ(Get("a b/large+1", {.offset = kPart - 1, .bytes = 66}),
            bytes.substr(kPart - 1, 66));
  EXPECT_THAT(Keys(""), ElementsAre("a b/large+1"));
  // One part is put as any object.
  EXPECT_TRUE(s3_->PutLarge("small", "1", {.part_bytes = kPart}).ok());
  EXPECT_EQ(Get("small"), "1");
}

TEST_P(LargeObjectTest, ALargeCreateReplacesNothing) {
  const LargePutOptions options = {.create_only = true, .part_bytes = kPart};
  std::string bytes = Bytes(kPart + 1);
  const auto etag = s3_->PutLarge("a", bytes, options);
  ASSERT_TRUE(etag.ok()) << etag.status();
  EXPECT_EQ(s3_->PutLarge("a", bytes, options).value_or(""), *etag);
  bytes.back() = 'x';
  EXPECT_EQ(s3_->PutLarge("a", bytes, options).status().code(),
            absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(Get("a", {.offset = kPart}), Bytes(kPart + 1).substr(kPart));
  EXPECT_TRUE(s3_->PutLarge("a", bytes, {.part_bytes = kPart}).ok());
  EXPECT_EQ(Get("a", {.offset = kPart}), "x");
}

TEST_P(LargeObjectTest, AnUploadThatIsGivenUpLeavesNothing) {
  int parts = 0;
  const auto put = s3_->PutLarge(
      "a", Bytes(2 * kPart),
      {.part_bytes = kPart, .stop = [&parts] { return parts++ == 1; }});
  EXPECT_EQ(put.status().code(), absl::StatusCode::kCancelled) << put.status();
  EXPECT_EQ(CodeOfGet("a"), absl::StatusCode::kNotFound);
  EXPECT_THAT(Keys(""), IsEmpty());
}

TEST_P(ObjectStoreTest, WhatWasPutIsRead) {
  const std::string bytes("a\0b\xff\r\n<&>", 9);
  const absl::string_view parts[] = {bytes, "", "more"};
  const auto etag = store_->Put("job-1/p0/a b+c%d~e.values", parts, {});
  ASSERT_TRUE(etag.ok()) << etag.status();
  const auto content = store_->Get("job-1/p0/a b+c%d~e.values", {});
  ASSERT_TRUE(content.ok()) << content.status();
  EXPECT_EQ(content->bytes, bytes + "more");
  EXPECT_EQ(content->size, 13u);
  EXPECT_EQ(content->etag, *etag);
  EXPECT_EQ(CodeOfGet("job-1/p0/other"), absl::StatusCode::kNotFound);
  Put("empty", "");
  EXPECT_EQ(Get("empty"), "");
}

TEST_P(ObjectStoreTest, APutReplaces) {
  Put("a", "first");
  Put("a", "2");
  EXPECT_EQ(Get("a"), "2");
  EXPECT_THAT(Keys(""), ElementsAre("a"));
}

TEST_P(ObjectStoreTest, PartsAreRead) {
  Put("a", "0123456789");
  EXPECT_EQ(Get("a", {.offset = 2, .bytes = 3}), "234");
  EXPECT_EQ(Get("a", {.offset = 8, .bytes = 100}), "89");
  EXPECT_EQ(Get("a", {.offset = 7}), "789");
  EXPECT_EQ(Get("a", {.bytes = 2}), "01");
  EXPECT_EQ(store_->Get("a", {.offset = 2, .bytes = 3})->size, 10u);
  EXPECT_EQ(CodeOfGet("a", {.offset = 10, .bytes = 1}),
            absl::StatusCode::kOutOfRange);
  EXPECT_EQ(CodeOfGet("none", {.offset = 10, .bytes = 1}),
            absl::StatusCode::kNotFound);
}

TEST_P(ObjectStoreTest, ACreateReplacesNothing) {
  const auto etag = CreateObject(store_, "a", "mine");
  ASSERT_TRUE(etag.ok()) << etag.status();
  const auto again = CreateObject(store_, "a", "other");
  EXPECT_EQ(again.status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(again.status().message(), HasSubstr("a is there"));
  EXPECT_EQ(Get("a"), "mine");
  // The caller did not know, perhaps, that it succeeded.
  EXPECT_EQ(CreateObject(store_, "a", "mine").value_or(""), *etag);
}

TEST_P(ObjectStoreTest, OneOfManyCreatesSucceeds) {
  std::vector<absl::Status> outcomes(8);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < outcomes.size(); ++i) {
    threads.emplace_back([&, i] {
      outcomes[i] =
          CreateObject(store_, "deep/er/a", absl::StrCat("of ", i)).status();
    });
  }
  for (std::thread& thread : threads) thread.join();
  size_t winners = 0;
  for (size_t i = 0; i < outcomes.size(); ++i) {
    if (outcomes[i].ok()) {
      ++winners;
      EXPECT_EQ(Get("deep/er/a"), absl::StrCat("of ", i));
    } else {
      EXPECT_TRUE(absl::IsAlreadyExists(outcomes[i])) << outcomes[i];
    }
  }
  EXPECT_EQ(winners, 1u);
}

TEST_P(ObjectStoreTest, ACompareAndSetNeedsTheEtag) {
  const auto first = PutObject(store_, "a", "1");
  ASSERT_TRUE(first.ok());
  const auto second = PutObject(store_, "a", "2", {.if_match = *first});
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_NE(*first, *second);
  EXPECT_EQ(PutObject(store_, "a", "3", {.if_match = *first}).status().code(),
            absl::StatusCode::kAborted);
  EXPECT_EQ(PutObject(store_, "b", "3", {.if_match = *first}).status().code(),
            absl::StatusCode::kAborted);
  EXPECT_EQ(Get("a"), "2");
  // The caller did not know, perhaps, that it succeeded.
  EXPECT_EQ(PutObject(store_, "a", "2", {.if_match = *first}).value_or(""),
            *second);
  EXPECT_EQ(Get("a", {.if_match = *second}), "2");
  EXPECT_EQ(Get("a", {.offset = 0, .bytes = 1, .if_match = *second}), "2");
  EXPECT_EQ(CodeOfGet("a", {.if_match = *first}), absl::StatusCode::kAborted);
}

TEST_P(ObjectStoreTest, ListsByPrefixPageByPage) {
  for (const char* key : {"p/a", "p/b-", "p/b/c", "p-x", "q", "p/d&e"}) {
    Put(key, "bytes");
  }
  const auto all = store_->List({.prefix = "p/"});
  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_THAT(all->objects,
              ElementsAre(ListedObject{"p/a", 5}, ListedObject{"p/b-", 5},
                          ListedObject{"p/b/c", 5}, ListedObject{"p/d&e", 5}));
  EXPECT_EQ(all->next, "");
  ListOptions options{.prefix = "p", .most = 2};
  std::vector<std::string> keys;
  int pages = 0;
  do {
    const auto page = store_->List(options);
    ASSERT_TRUE(page.ok()) << page.status();
    EXPECT_LE(page->objects.size(), 2u);
    for (const ListedObject& object : page->objects) keys.push_back(object.key);
    options.after = page->next;
    ++pages;
  } while (!options.after.empty());
  EXPECT_THAT(keys, ElementsAre("p-x", "p/a", "p/b-", "p/b/c", "p/d&e"));
  EXPECT_EQ(pages, 3);
  EXPECT_THAT(Keys("nothing/"), IsEmpty());
  // A prefix is of the whole key, not of its parts.
  EXPECT_THAT(Keys("p/b"), ElementsAre("p/b-", "p/b/c"));
}

TEST_P(ObjectStoreTest, ListsFolders) {
  for (const char* key : {"j-1/a", "j-1/b", "j-2/c/d", "j", "k/e"}) {
    Put(key, "");
  }
  const auto all = store_->List({.prefix = "j", .folders = true});
  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_THAT(all->objects, ElementsAre(ListedObject{"j", 0}));
  EXPECT_THAT(all->folders, ElementsAre("j-1/", "j-2/"));
  const auto below = ListObjectFolders(store_, "j-2/");
  ASSERT_TRUE(below.ok()) << below.status();
  EXPECT_THAT(*below, ElementsAre("j-2/c/"));
  // Page by page.
  ListOptions options{.prefix = "", .folders = true, .most = 1};
  std::vector<std::string> found;
  do {
    const auto page = store_->List(options);
    ASSERT_TRUE(page.ok()) << page.status();
    found.insert(found.end(), page->folders.begin(), page->folders.end());
    options.after = page->next;
  } while (!options.after.empty());
  EXPECT_THAT(found, ElementsAre("j-1/", "j-2/", "k/"));
}

TEST_P(ObjectStoreTest, WhatIsDeletedIsGone) {
  Put("a/b", "1");
  Put("a/c", "2");
  EXPECT_TRUE(store_->Delete("a/b").ok());
  EXPECT_TRUE(store_->Delete("a/b").ok());
  EXPECT_TRUE(store_->Delete("never/was").ok());
  EXPECT_EQ(CodeOfGet("a/b"), absl::StatusCode::kNotFound);
  EXPECT_THAT(Keys(""), ElementsAre("a/c"));
  EXPECT_TRUE(store_->Delete("a/c").ok());
  EXPECT_TRUE(CreateObject(store_, "a/c", "3").ok());
}

TEST_P(ObjectStoreTest, RefusesOddKeys) {
  for (const char* key :
       {"", "/a", "a/", "a//b", "../a", "a/./b", ".a", "a\nb"}) {
    EXPECT_EQ(CodeOfGet(key), absl::StatusCode::kInvalidArgument) << key;
    EXPECT_EQ(PutObject(store_, key, "").status().code(),
              absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(store_->Delete(key).code(), absl::StatusCode::kInvalidArgument);
  }
  EXPECT_EQ(CodeOfGet(std::string(kMostKeyBytes + 1, 'a')),
            absl::StatusCode::kInvalidArgument);
}

TEST_P(ObjectStoreTest, TheProbePasses) {
  const absl::Status probed = ProbeObjectStore(store_, "probe/1-");
  EXPECT_TRUE(probed.ok()) << probed;
  EXPECT_THAT(Keys(""), IsEmpty());
}

TEST(ProbeObjectStoreTest, NamesWhatAStoreLacks) {
  MemoryObjects twice({.creates_twice = true});
  const absl::Status created = ProbeObjectStore(&twice, "probe/");
  EXPECT_EQ(created.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(created.message(), HasSubstr("8 succeeded, and one must"));
  EXPECT_THAT(twice.Keys(), IsEmpty());
  MemoryObjects hidden({.lists_no_puts = true});
  EXPECT_THAT(ProbeObjectStore(&hidden, "probe/").message(),
              HasSubstr("does not list what was put"));
  MemoryObjects ghosts({.lists_deletes = true});
  EXPECT_THAT(ProbeObjectStore(&ghosts, "probe/").message(),
              HasSubstr("still lists what was deleted"));
}

TEST(MemoryObjectsTest, FailsWhenToldTo) {
  MemoryObjects store;
  store.BeforeCalls([](const ObjectCall& call) {
    return call.changes() ? absl::UnavailableError("before") : absl::OkStatus();
  });
  EXPECT_EQ(PutObject(&store, "a", "1").status().message(), "before");
  store.BeforeCalls(nullptr);
  EXPECT_THAT(store.Keys(), IsEmpty());
  store.AfterCalls([](const ObjectCall& call) {
    return absl::UnavailableError(absl::StrCat("after ", call.key));
  });
  EXPECT_EQ(PutObject(&store, "a", "1").status().message(), "after a");
  store.AfterCalls(nullptr);
  EXPECT_THAT(store.Keys(), ElementsAre("a"));
  store.Damage("a", 0);
  EXPECT_EQ(store.Get("a", {})->bytes, "0");
  EXPECT_EQ(store.bytes(), 1u);
}

// Two processes delete the last objects of a folder.
TEST(FolderObjectsTest, AFolderThatAnotherRemovesIsNotMissed) {
  MemoryFiles files;
  const std::string root = MemoryFiles::kRoot, folder = root + "/a/b";
  const auto store = FolderObjects::Open({.folder = root, .files = &files});
  ASSERT_TRUE(store.ok()) << store.status();
  ASSERT_TRUE(PutObject(store->get(), "a/b/c/1", "1").ok());
  ASSERT_TRUE(PutObject(store->get(), "a/b/2", "2").ok());
  // The first call tries to remove the folder, the second one syncs it.
  int calls = 0;
  files.BeforeChanges([&](const std::string& path) {
    if (path != folder || ++calls < 2) return;
    files.BeforeChanges(nullptr);
    EXPECT_TRUE(files.Remove(folder + "/2").ok());
    EXPECT_TRUE(files.RemoveFolder(folder).ok());
    EXPECT_TRUE(files.RemoveFolder(root + "/a").ok());
  });
  EXPECT_EQ((*store)->Delete("a/b/c/1"), absl::OkStatus());
  EXPECT_EQ(calls, 2);
  EXPECT_THAT(files.Files(), IsEmpty());
  // The shared folder itself must be there.
  ASSERT_TRUE(PutObject(store->get(), "a/1", "1").ok());
  files.BeforeChanges([&](const std::string& path) {
    if (path != root) return;
    files.BeforeChanges(nullptr);
    EXPECT_TRUE(files.Rename(root, "/elsewhere").ok());
  });
  EXPECT_EQ((*store)->Delete("a/1").code(), absl::StatusCode::kNotFound);
}

// The second process of a server removes what the first one left unfinished,
// which runs still.
TEST(FolderObjectsTest, AnUnfinishedFileThatIsRemovedIsNamed) {
  MemoryFiles files;
  const FolderObjectsOptions options = {
      .folder = MemoryFiles::kRoot, .writer = "server-3", .files = &files};
  const auto store = FolderObjects::Open(options);
  ASSERT_TRUE(store.ok()) << store.status();
  const std::string name = absl::StrCat(MemoryFiles::kRoot, "/a");
  int links = 0;
  files.BeforeChanges([&](const std::string& path) {
    if (path != name || ++links > 1) return;
    EXPECT_TRUE(FolderObjects::Open(options).ok());
  });
  const auto put = CreateObject(store->get(), "a", "1");
  EXPECT_EQ(put.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(put.status().message(), HasSubstr("another process"));
  EXPECT_THAT(put.status().message(), HasSubstr("/.new-server-3-"));
  EXPECT_EQ(links, 1);
  EXPECT_THAT(files.Files(), IsEmpty());
}

TEST(FolderObjectsTest, NeedsItsFolder) {
  EXPECT_EQ(FolderObjects::Open({.folder = "/no/such/folder"}).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(FolderObjects::Open({.folder = "/dev/null"}).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace ebb
