#include "rpc/internal/grpc_data_service.h"

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/mutex.h"
#include "common/status_macros.h"
#include "datasets/manifest.h"
#include "datasets/set_store.h"
#include "ebb/v1/data.grpc.pb.h"
#include "rpc/grpc_status.h"
#include "rpc/internal/admin_pool.h"
#include "rpc/internal/grpc_security.h"
#include "rpc/internal/grpc_time.h"

namespace ebb::rpc::internal {

namespace {

// For the disk; so is what all of it may take of the processor.
constexpr int kThreads = 2;
// Calls that were received, or are answered and not yet read by the caller; of
// chunks a MiB each. A process of ebb asks for a few at once.
constexpr int kMostCalls = 128;
constexpr int kMostOfOnePeer = 16;
// The same for those that carry a manifest, which may have 8 MiB.
constexpr int kMostWithManifest = 8;
constexpr int kMostWithManifestOfOnePeer = 2;
// How long a caller that does not read its answer can keep a place from others:
// for a call with a chunk or a manifest of ours, and for one that may read or
// write much of the disk.
constexpr absl::Duration kLongestOfAChunk = absl::Minutes(1);
constexpr absl::Duration kLongestDeadline = absl::Minutes(11);

using Store = datasets::SetStore;
using S = v1::DataSets;
using Base = S::WithCallbackMethod_BeginPush<
    S::WithCallbackMethod_FindMissing<S::WithCallbackMethod_PutChunk<
        S::WithCallbackMethod_PublishSet<S::WithCallbackMethod_RemoveSet<
            S::WithCallbackMethod_ListSets<S::WithCallbackMethod_OpenSet<
                S::WithCallbackMethod_FetchChunk<S::Service>>>>>>>>;

// Places of calls, each until it is over on the wire. Thread-safe.
class Places {
 public:
  Places(int most, int most_of_one_peer)
      : most_(most), most_of_one_peer_(most_of_one_peer) {}

  // False: there is none left, or none for this peer.
  bool Take(const std::string& peer) {
    MutexLock lock(&mu_);
    if (taken_ >= most_) return false;
    int& of_peer = by_peer_[peer];
    if (of_peer >= most_of_one_peer_) return false;
    ++of_peer;
    ++taken_;
    return true;
  }
  void Give(const std::string& peer) {
    MutexLock lock(&mu_);
    --taken_;
    const auto it = by_peer_.find(peer);
    if (--it->second == 0) by_peer_.erase(it);
  }

 private:
  const int most_;
  const int most_of_one_peer_;
  Mutex mu_;
  int taken_ ABSL_GUARDED_BY(mu_) = 0;
  std::map<std::string, int> by_peer_ ABSL_GUARDED_BY(mu_);
};

// A call; owns itself from the moment that gRPC knows it.
class Call : public grpc::ServerUnaryReactor {
 public:
  Call(Places* places, std::string peer)
      : places_(places), peer_(std::move(peer)) {}
  void OnDone() override {
    if (places_ != nullptr) places_->Give(peer_);
    delete this;  // NOLINT: gRPC has it until here.
  }

 private:
  Places* const places_;  // Null: it has none.
  const std::string peer_;
};

// Only servers read what jobs begin with, and they read nothing else. Without
// certificates there are no roles.
absl::Status MayReadSet(const grpc::CallbackServerContext& context,
                        absl::string_view name) {
  const std::optional<Role> role = RoleOfCaller(context);
  if (!role || datasets::IsInitialSet(name) == (*role == Role::kServer)) {
    return absl::OkStatus();
  }
  return absl::PermissionDeniedError(absl::StrCat(
      name, " is not for certificates of the role ", RoleName(*role)));
}

class DataService : public Base {
 public:
  DataService(DataStores stores, Guard guard)
      : stores_(stores),
        guard_(std::move(guard)),
        pool_(kThreads, kMostCalls + kMostWithManifest) {}

#define EBB_DATA_METHOD(Name)                                             \
  grpc::ServerUnaryReactor* Name(grpc::CallbackServerContext* context,    \
                                 const v1::Name##Request* request,        \
                                 v1::Name##Response* response) override { \
    return Run(context, request, response);                               \
  }
  EBB_DATA_METHOD(BeginPush)
  EBB_DATA_METHOD(FindMissing)
  EBB_DATA_METHOD(PutChunk)
  EBB_DATA_METHOD(PublishSet)
  EBB_DATA_METHOD(RemoveSet)
  EBB_DATA_METHOD(ListSets)
  EBB_DATA_METHOD(OpenSet)
  EBB_DATA_METHOD(FetchChunk)
#undef EBB_DATA_METHOD

 private:
  template <typename Request, typename Response>
  grpc::ServerUnaryReactor* Run(grpc::CallbackServerContext* context,
                                const Request* request, Response* response) {
    const std::string peer = context->peer();
    Places& places = CarriesManifest(*request) ? with_manifest_ : places_;
    const bool placed = places.Take(peer);
    auto* call =
        new Call(placed ? &places : nullptr, peer);  // NOLINT: see OnDone.
    if (!placed) return Refuse(call);
    const absl::Duration longest =
        AnswersMuch(*request) ? kLongestOfAChunk : kLongestDeadline;
    // Without one it is in the infinite future.
    if (gpr_time_cmp(context->raw_deadline(), DeadlineIn(longest)) > 0) {
      guard_.Count(Refusal::kMessage);
      call->Finish(ToGrpc(absl::InvalidArgumentError(
          absl::StrCat("this call needs a deadline of at most ",
                       absl::FormatDuration(longest)))));
      return call;
    }
    if (const absl::Status may = MayRead(*context, *request); !may.ok()) {
      guard_.Count(Refusal::kRole);
      call->Finish(ToGrpc(may));
      return call;
    }
    // All of them live until OnDone.
    const bool posted = pool_.Post([=, this] {
      call->Finish(context->IsCancelled() ? grpc::Status::CANCELLED
                                          : ToGrpc(Do(*request, response)));
    });
    if (!posted) return Refuse(call);
    return call;
  }

  grpc::ServerUnaryReactor* Refuse(Call* call) const {
    guard_.Count(Refusal::kCalls);
    call->Finish(ToGrpc(absl::UnavailableError(
        "too many calls about data at once; try again later")));
    return call;
  }

  static bool CarriesManifest(const v1::BeginPushRequest&) { return true; }
  static bool CarriesManifest(const v1::OpenSetRequest&) { return true; }
  template <typename Request>
  static bool CarriesManifest(const Request&) {
    return false;
  }
  // Or asks much.
  static bool AnswersMuch(const v1::PutChunkRequest&) { return true; }
  static bool AnswersMuch(const v1::FetchChunkRequest&) { return true; }
  static bool AnswersMuch(const v1::OpenSetRequest&) { return true; }
  static bool AnswersMuch(const v1::ListSetsRequest&) { return true; }
  template <typename Request>
  static bool AnswersMuch(const Request&) {
    return false;
  }

  // The store that has, or would have, a set of this name.
  absl::StatusOr<Store*> StoreOf(absl::string_view name) const {
    Store* const store =
        datasets::IsInitialSet(name) ? stores_.initial : stores_.sets;
    if (store == nullptr) {
      return absl::UnimplementedError("this daemon keeps no data");
    }
    return store;
  }

  template <typename Request>
  static absl::Status MayRead(const grpc::CallbackServerContext&,
                              const Request&) {
    return absl::OkStatus();
  }
  static absl::Status MayRead(const grpc::CallbackServerContext& context,
                              const v1::OpenSetRequest& request) {
    return MayReadSet(context, request.name());
  }
  static absl::Status MayRead(const grpc::CallbackServerContext& context,
                              const v1::FetchChunkRequest& request) {
    return MayReadSet(context, request.name());
  }

  absl::Status Do(const v1::BeginPushRequest& request,
                  v1::BeginPushResponse* response) {
    EBB_ASSIGN_OR_RETURN(Store* const store, StoreOf(request.name()));
    // Named after what it holds, so that nothing can take its place.
    if (store == stores_.initial &&
        request.name() !=
            datasets::InitialSetOf(
                datasets::ChecksumOf(request.manifest()).ToHex())) {
      return absl::InvalidArgumentError(
          absl::StrCat(request.name(), " is not the name of this content"));
    }
    EBB_ASSIGN_OR_RETURN(
        const Store::Begun begun,
        store->BeginPush(request.name(), request.manifest(), request.verify()));
    response->set_id(begun.id);
    response->set_published(begun.published);
    return absl::OkStatus();
  }
  absl::Status Do(const v1::FindMissingRequest& request,
                  v1::FindMissingResponse* response) {
    EBB_ASSIGN_OR_RETURN(Store* const store, StoreOf(request.name()));
    EBB_ASSIGN_OR_RETURN(const auto missing,
                         store->FindMissing(request.name(), request.id(),
                                            request.first(), request.count()));
    response->mutable_chunks()->Add(missing.begin(), missing.end());
    return absl::OkStatus();
  }
  absl::Status Do(const v1::PutChunkRequest& request, v1::PutChunkResponse*) {
    EBB_ASSIGN_OR_RETURN(Store* const store, StoreOf(request.name()));
    return store->PutChunk(request.name(), request.id(), request.chunk(),
                           request.data());
  }
  absl::Status Do(const v1::PublishSetRequest& request,
                  v1::PublishSetResponse*) {
    EBB_ASSIGN_OR_RETURN(Store* const store, StoreOf(request.name()));
    return store->Publish(request.name(), request.id());
  }
  absl::Status Do(const v1::RemoveSetRequest& request, v1::RemoveSetResponse*) {
    if (datasets::IsInitialSet(request.name())) {
      return absl::InvalidArgumentError(
          absl::StrCat("jobs begin with ", request.name(),
                       "; it goes when no job names it any more"));
    }
    EBB_ASSIGN_OR_RETURN(Store* const store, StoreOf(request.name()));
    return store->Remove(request.name());
  }
  absl::Status Do(const v1::ListSetsRequest&, v1::ListSetsResponse* response) {
    EBB_ASSIGN_OR_RETURN(Store* const store, StoreOf(""));
    EBB_ASSIGN_OR_RETURN(const auto sets, store->List());
    for (const datasets::SetSummary& one : sets) {
      v1::DataSet* set = response->add_sets();
      set->set_name(one.name);
      set->set_id(one.id);
      set->set_files(one.files);
      set->set_bytes(one.bytes);
      set->set_published_unix_ms(absl::ToUnixMillis(one.published));
      set->set_pushing(one.pushing);
    }
    return absl::OkStatus();
  }
  absl::Status Do(const v1::OpenSetRequest& request,
                  v1::OpenSetResponse* response) {
    EBB_ASSIGN_OR_RETURN(Store* const store, StoreOf(request.name()));
    EBB_ASSIGN_OR_RETURN(*response->mutable_manifest(),
                         store->GetManifest(request.name()));
    return absl::OkStatus();
  }
  absl::Status Do(const v1::FetchChunkRequest& request,
                  v1::FetchChunkResponse* response) {
    EBB_ASSIGN_OR_RETURN(Store* const store, StoreOf(request.name()));
    EBB_ASSIGN_OR_RETURN(
        *response->mutable_data(),
        store->GetChunk(request.name(), request.id(), request.chunk()));
    return absl::OkStatus();
  }

  const DataStores stores_;
  const Guard guard_;
  Places places_{kMostCalls, kMostOfOnePeer};
  Places with_manifest_{kMostWithManifest, kMostWithManifestOfOnePeer};
  AdminPool pool_;  // Last: what it runs uses all of the above.
};

}  // namespace

std::unique_ptr<grpc::Service> MakeDataService(DataStores stores, Guard guard) {
  return std::make_unique<DataService>(stores, std::move(guard));
}

}  // namespace ebb::rpc::internal
