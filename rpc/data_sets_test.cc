// Data sets over gRPC: what is pushed arrives, and who asks too much, or keeps
// a place for too long, is told so.
#include "rpc/data_sets.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/testing/test_folder.h"
#include "datasets/cache.h"
#include "datasets/push.h"
#include "datasets/set_store.h"
#include "datasets/testing/files.h"
#include "ebb/v1/data.grpc.pb.h"
#include "rpc/grpc_transport.h"

namespace ebb::rpc {
namespace {

using datasets::Bytes;
using datasets::kChunkBytes;
using ::testing::HasSubstr;

class DataSetsTest : public ::testing::Test {
 protected:
  DataSetsTest()
      : store_(*datasets::SetStore::Open({.folder = folder_ / "root"})),
        initial_(*datasets::SetStore::Open({.folder = folder_ / "initial"})) {
    datasets::WriteFile(from_ + "/a", Bytes(5 * kChunkBytes + 3));
    datasets::WriteFile(from_ + "/b/c", "small");
    Listen("127.0.0.1:0", store_.get());
  }

  void Listen(const std::string& address, datasets::SetStore* store) {
    transport_ = std::make_unique<GrpcTransport>();
    transport_->ServeData({store, initial_.get()});
    auto listener = transport_->ListenScheduler(address, {});
    ASSERT_TRUE(listener.ok()) << listener.status();
    listener_ = *std::move(listener);
  }
  DataSetsClient Client(absl::Duration patience = absl::Minutes(1)) {
    return DataSetsClient(listener_->address(), nullptr,
                          {.patience = patience});
  }
  std::unique_ptr<v1::DataSets::Stub> Stub() {
    return v1::DataSets::NewStub(grpc::CreateChannel(
        listener_->address(), grpc::InsecureChannelCredentials()));
  }

  const TestFolder folder_;
  const std::string from_ = folder_ / "from";
  const std::unique_ptr<datasets::SetStore> store_;
  const std::unique_ptr<datasets::SetStore> initial_;
  std::unique_ptr<GrpcTransport> transport_;
  std::unique_ptr<Listener> listener_;
};

TEST_F(DataSetsTest, WhatIsPushedIsListedFetchedAndRemoved) {
  DataSetsClient client = Client();

  const auto pushed = PushFolder(from_, "set", &client, {});

  ASSERT_TRUE(pushed.ok()) << pushed.status();
  EXPECT_EQ(pushed->chunks_sent, 7);
  const auto sets = client.List();
  ASSERT_TRUE(sets.ok()) << sets.status();
  ASSERT_EQ(sets->size(), 1);
  EXPECT_EQ(sets->front().id, pushed->id);
  EXPECT_EQ(sets->front().bytes, 5 * kChunkBytes + 8);
  const auto cache =
      *datasets::Cache::Make({.folder = folder_ / "cache"}, &client);
  const auto file = cache->Open("ebb://set/a");
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_TRUE(datasets::ReadFile(file->path) == Bytes(5 * kChunkBytes + 3));
  EXPECT_TRUE(client.Remove("set").ok());
  EXPECT_TRUE(absl::IsNotFound(client.GetManifest("set").status()));
}

TEST_F(DataSetsTest, ErrorsArriveAsTheyAre) {
  DataSetsClient client = Client();
  const datasets::Manifest manifest = *datasets::ReadFolder(from_, {});

  EXPECT_TRUE(absl::IsInvalidArgument(
      client.BeginPush("../up", manifest.bytes(), false).status()));
  EXPECT_TRUE(
      absl::IsDataLoss(client.BeginPush("set", "nonsense", false).status()));
  ASSERT_TRUE(client.BeginPush("set", manifest.bytes(), false).ok());
  ASSERT_EQ(client.List()->size(), 1);
  EXPECT_TRUE(client.List()->front().pushing);
  EXPECT_TRUE(
      absl::IsDataLoss(client.PutChunk("set", manifest.id(), 6, "large")));
  EXPECT_TRUE(absl::IsFailedPrecondition(client.Publish("set", manifest.id())));
}

TEST_F(DataSetsTest, InitialValuesAreApartAndNamedAfterTheirContent) {
  DataSetsClient client = Client();
  const datasets::Manifest manifest = *datasets::ReadFolder(from_, {});
  const std::string set = datasets::InitialSetOf(manifest.id());

  EXPECT_TRUE(absl::IsInvalidArgument(
      client
          .BeginPush(datasets::InitialSetOf(std::string(32, '0')),
                     manifest.bytes(), false)
          .status()));
  ASSERT_TRUE(PushFolder(from_, set, &client, {}).ok());

  EXPECT_TRUE(client.List()->empty());
  EXPECT_EQ(initial_->List()->size(), 1);
  EXPECT_EQ(*client.GetManifest(set), manifest.bytes());
  EXPECT_TRUE(client.GetChunk(set, manifest.id(), 0).ok());
  EXPECT_TRUE(absl::IsInvalidArgument(client.Remove(set)));
  EXPECT_EQ(initial_->List()->size(), 1);
}

// The daemon keeps nothing that is not on its disk.
TEST_F(DataSetsTest, APushOutlivesTheDaemon) {
  DataSetsClient client = Client();
  datasets::PushOptions options;
  options.threads = 1;
  bool restarted = false;
  options.progress = [&](const datasets::PushProgress& progress) {
    if (progress.sent < 2 * kChunkBytes || std::exchange(restarted, true)) {
      return;
    }
    const std::string address = listener_->address();
    listener_.reset();
    Listen(address, store_.get());
  };

  const auto pushed = PushFolder(from_, "set", &client, options);

  ASSERT_TRUE(pushed.ok()) << pushed.status();
  EXPECT_TRUE(restarted);
  EXPECT_EQ(datasets::ReadFile(folder_ / "root/set/b/c"), "small");
}

TEST_F(DataSetsTest, WhoKeepsNoDataSaysSo) {
  const std::string address = listener_->address();
  listener_.reset();
  Listen(address, nullptr);

  const auto sets = Client().List();

  EXPECT_TRUE(absl::IsUnimplemented(sets.status())) << sets.status();
  EXPECT_THAT(std::string(sets.status().message()), HasSubstr("--data-folder"));
}

TEST_F(DataSetsTest, WhoIsAwayIsNamedAfterAWhile) {
  const std::string address = listener_->address();
  DataSetsClient client = Client(absl::Milliseconds(200));
  listener_.reset();

  const auto sets = client.List();

  EXPECT_TRUE(absl::IsUnavailable(sets.status())) << sets.status();
  EXPECT_THAT(std::string(sets.status().message()), HasSubstr(address));
}

// Has too much to do for a while.
class BusyService : public v1::DataSets::Service {
 public:
  grpc::Status OpenSet(grpc::ServerContext*, const v1::OpenSetRequest*,
                       v1::OpenSetResponse* response) override {
    if (calls_.fetch_add(1, std::memory_order_relaxed) < 3) {
      return {grpc::StatusCode::UNAVAILABLE, "too many calls"};
    }
    response->set_manifest("here");
    return grpc::Status::OK;
  }

 private:
  // Nothing else is read by it.
  std::atomic<int> calls_ = 0;
};

// Bug: it was taken for one that is not there at all, and given up after five
// seconds.
TEST_F(DataSetsTest, WhoHasTooMuchToDoIsThere) {
  BusyService busy;
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                           &port);
  builder.RegisterService(&busy);
  const auto server = builder.BuildAndStart();
  DataSetsClient fresh(absl::StrCat("127.0.0.1:", port), nullptr,
                       {.first_patience = absl::ZeroDuration()});

  const auto manifest = fresh.GetManifest("set");

  ASSERT_TRUE(manifest.ok()) << manifest.status();
  EXPECT_EQ(*manifest, "here");
}

// It could keep its place, and a MiB, for as long as it liked.
TEST_F(DataSetsTest, ACallWithAChunkNeedsADeadline) {
  DataSetsClient client = Client();
  ASSERT_TRUE(PushFolder(from_, "set", &client, {}).ok());
  const auto stub = Stub();
  for (const absl::Duration limit :
       {absl::InfiniteDuration(), absl::Minutes(2)}) {
    grpc::ClientContext context;
    if (limit < absl::InfiniteDuration()) {
      context.set_deadline(absl::ToChronoTime(absl::Now() + limit));
    }
    v1::OpenSetRequest request;
    request.set_name("set");
    v1::OpenSetResponse response;
    const grpc::Status status = stub->OpenSet(&context, request, &response);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_THAT(status.error_message(), HasSubstr("deadline"));
  }
}

// Bug: only those with a chunk did.
TEST_F(DataSetsTest, EveryCallNeedsADeadline) {
  const auto stub = Stub();
  grpc::ClientContext of_list;
  v1::ListSetsResponse sets;
  EXPECT_EQ(stub->ListSets(&of_list, {}, &sets).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
  grpc::ClientContext of_push;
  of_push.set_deadline(absl::ToChronoTime(absl::Now() + absl::Hours(1)));
  v1::BeginPushResponse begun;
  EXPECT_EQ(stub->BeginPush(&of_push, {}, &begun).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
}

// Bug: 128 of them could be under way, with 8 MiB each.
TEST_F(DataSetsTest, FewManifestsAreUnderWayAtOnce) {
  // Whoever reads this waits until somebody writes there.
  const std::string pipe = folder_ / "root/set/.ebb-manifest";
  ASSERT_TRUE(
      PushFolder(from_, "set",
                 datasets::SetStore::Open({.folder = folder_ / "root"})->get(),
                 {})
          .ok());
  ASSERT_EQ(unlink(pipe.c_str()), 0);
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  constexpr int kMost = 8;
  std::atomic<int> refused = 0, ended = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < kMost + 1; ++i) {
    threads.emplace_back([&] {
      grpc::ChannelArguments own;
      own.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
      const auto stub = v1::DataSets::NewStub(grpc::CreateCustomChannel(
          listener_->address(), grpc::InsecureChannelCredentials(), own));
      grpc::ClientContext context;
      context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(20)));
      v1::OpenSetRequest request;
      request.set_name("set");
      v1::OpenSetResponse response;
      const grpc::Status status = stub->OpenSet(&context, request, &response);
      if (status.error_code() == grpc::StatusCode::UNAVAILABLE) ++refused;
      ++ended;
    });
  }

  // One of them has no place; the others wait for it.
  while (ended == 0) absl::SleepFor(absl::Milliseconds(1));
  EXPECT_EQ(refused, 1);

  while (ended < kMost + 1) {
    const int writer = open(pipe.c_str(), O_WRONLY | O_NONBLOCK);
    if (writer >= 0) close(writer);
    absl::SleepFor(absl::Milliseconds(1));
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_F(DataSetsTest, ManyConnectionsAtOnceAllGetIt) {
  DataSetsClient client = Client();
  ASSERT_TRUE(PushFolder(from_, "set", &client, {}).ok());
  const std::string id = client.List()->front().id;
  std::vector<absl::Status> results(48);
  std::vector<std::thread> threads;
  for (absl::Status& result : results) {
    threads.emplace_back([this, &result, &id] {
      DataSetsClient own = Client();
      for (int64_t chunk = 0; chunk < 6 && result.ok(); ++chunk) {
        result = own.GetChunk("set", id, chunk).status();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const absl::Status& result : results) EXPECT_TRUE(result.ok()) << result;
}

}  // namespace
}  // namespace ebb::rpc
