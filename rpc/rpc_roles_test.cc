#include "rpc/rpc_roles.h"

#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "ebb/v1/bulk_stream.pb.h"
#include "ebb/v1/data.pb.h"
#include "ebb/v1/parameter_server.pb.h"
#include "ebb/v1/scheduler.pb.h"
#include "ebb/v1/shared_memory.pb.h"

namespace ebb::rpc {
namespace {

using ::testing::HasSubstr;

// All RPCs of the protocol's files. A new file with a service belongs here.
std::vector<std::string> AllRpcs() {
  const google::protobuf::FileDescriptor* files[] = {
      v1::SubmitJobRequest::descriptor()->file(),
      v1::PushRequest::descriptor()->file(),
      v1::OpenSharedMemoryRequest::descriptor()->file(),
      v1::OpenBulkStreamRequest::descriptor()->file(),
      v1::BeginPushRequest::descriptor()->file()};
  std::vector<std::string> paths;
  for (const auto* file : files) {
    for (int s = 0; s < file->service_count(); ++s) {
      const auto* service = file->service(s);
      for (int m = 0; m < service->method_count(); ++m) {
        paths.push_back(absl::StrCat("/", service->full_name(), "/",
                                     service->method(m)->name()));
      }
    }
  }
  return paths;
}

bool Denied(absl::string_view rpc, Role role) {
  return absl::IsPermissionDenied(CheckCaller(rpc, role, "x"));
}

TEST(RpcRolesTest, EveryRpcSaysWhoMayCallIt) {
  const std::vector<std::string> rpcs = AllRpcs();

  EXPECT_GE(rpcs.size(), 32);
  for (const std::string& rpc : rpcs) {
    EXPECT_FALSE(MayCall(rpc).empty()) << rpc << " is not in rpc_roles.cc";
  }
}

// By the messages, so that an RPC that changes something cannot be listed as
// one that looks.
TEST(RpcRolesTest, AViewerOnlyReads) {
  for (const std::string& rpc : AllRpcs()) {
    const std::string name = rpc.substr(rpc.rfind('/') + 1);
    const bool reads = name.starts_with("Get") || name.starts_with("List") ||
                       name.starts_with("Read") || name.starts_with("Verify") ||
                       name == "Explain";
    EXPECT_EQ(MayCall(rpc).Has(Role::kViewer), reads) << rpc;
    EXPECT_TRUE(!reads || MayCall(rpc).Has(Role::kClient)) << rpc;
  }
}

TEST(RpcRolesTest, AWorkerNeitherSubmitsNorEndsNorScales) {
  for (const char* rpc : {"SubmitJob", "CancelJob", "ForgetJob", "ScaleJob",
                          "FinishJob", "PauseJob", "ResumeJob", "RollbackJob",
                          "ResolveItem", "CheckpointNow", "ServerSession"}) {
    EXPECT_TRUE(Denied(absl::StrCat("/ebb.v1.Scheduler/", rpc), Role::kWorker))
        << rpc;
  }
  EXPECT_FALSE(Denied("/ebb.v1.Scheduler/WorkerSession", Role::kWorker));
  EXPECT_FALSE(Denied("/ebb.v1.ParameterServer/Push", Role::kWorker));
}

TEST(RpcRolesTest, OnlyWorkersPushAndOnlyServersFetch) {
  for (const Role role : kAllRoles) {
    for (const char* rpc : {"Push", "PushMany"}) {
      EXPECT_EQ(Denied(absl::StrCat("/ebb.v1.ParameterServer/", rpc), role),
                role != Role::kWorker);
    }
    EXPECT_EQ(Denied("/ebb.v1.ParameterServer/Fetch", role),
              role != Role::kServer);
    EXPECT_EQ(Denied("/ebb.v1.SharedMemory/OpenSharedMemory", role),
              role != Role::kWorker);
    EXPECT_EQ(Denied("/ebb.v1.BulkStream/OpenBulkStream", role),
              role != Role::kWorker && role != Role::kServer);
    EXPECT_FALSE(Denied("/grpc.health.v1.Health/Check", role));
  }
}

// Servers read initial values; which sets they are is not for the roles to say.
TEST(RpcRolesTest, ClientsPushDataAndDaemonsOnlyReadIt) {
  for (const Role role : kAllRoles) {
    for (const char* rpc :
         {"BeginPush", "FindMissing", "PutChunk", "PublishSet", "RemoveSet"}) {
      EXPECT_EQ(Denied(absl::StrCat("/ebb.v1.DataSets/", rpc), role),
                role != Role::kClient)
          << rpc;
    }
    for (const char* rpc : {"OpenSet", "FetchChunk"}) {
      EXPECT_EQ(Denied(absl::StrCat("/ebb.v1.DataSets/", rpc), role),
                role != Role::kClient && role != Role::kWorker &&
                    role != Role::kServer)
          << rpc;
    }
  }
}

TEST(RpcRolesTest, NobodyMayCallWhatIsNotListed) {
  for (const char* rpc :
       {"/ebb.v1.Scheduler/DropEverything", "", "/", "SubmitJob",
        "/ebb.v1.Scheduler/SubmitJob/", "//ebb.v1.Scheduler/SubmitJob",
        "/EBB.v1.Scheduler/SubmitJob"}) {
    for (const Role role : kAllRoles) EXPECT_TRUE(Denied(rpc, role)) << rpc;
  }
}

TEST(RpcRolesTest, ARefusalSaysWhatIsNeededAndWhatThePeerIs) {
  const std::string viewer(
      CheckCaller("/ebb.v1.Scheduler/SubmitJob", Role::kViewer, "wall")
          .message());
  EXPECT_EQ(viewer,
            "SubmitJob needs a certificate of the role client; that of "
            "\"wall\" is of the role viewer");

  const std::string nobody(
      CheckCaller("/ebb.v1.Scheduler/GetStatus",
                  absl::PermissionDeniedError("it names no role"),
                  "a\x1b" + std::string(1 << 16, 'z'))
          .message());
  EXPECT_THAT(nobody, HasSubstr("GetStatus needs a certificate of the role "
                                "client or viewer; of \"a\\x1bzzz"));
  EXPECT_THAT(nobody, HasSubstr("it names no role"));
  EXPECT_LT(nobody.size(), 300);
}

}  // namespace
}  // namespace ebb::rpc
