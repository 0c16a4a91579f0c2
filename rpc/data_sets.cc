#include "rpc/data_sets.h"

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <algorithm>
#include <atomic>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/mutex.h"
#include "common/status_macros.h"
#include "common/steady_time.h"
#include "ebb/v1/data.grpc.pb.h"
#include "rpc/grpc_status.h"
#include "rpc/internal/grpc_setup.h"
#include "rpc/internal/grpc_time.h"

namespace ebb::rpc {

using datasets::SetSummary;
using v1::DataSets;

namespace {

// Limit of a call that reads or writes much of the daemon's disk.
constexpr absl::Duration kLongCall = absl::Minutes(10);

constexpr absl::Duration kFirstPause = absl::Milliseconds(50);
constexpr absl::Duration kLongestPause = absl::Seconds(1);

bool MayPass(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status);
}

}  // namespace

struct DataSetsClient::Impl {
  std::string address;
  SecurityPtr security;
  DataSetsOptions options;
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<DataSets::Stub> stub;
  // True once it was there; nothing else is read by it.
  mutable std::atomic<bool> reached = false;

  template <typename Request, typename Response>
  absl::Status Call(grpc::Status (DataSets::Stub::*method)(grpc::ClientContext*,
                                                           const Request&,
                                                           Response*),
                    const Request& request, Response* response,
                    absl::Duration limit) const {
    const absl::Time start = SteadyNow();
    absl::Duration pause = kFirstPause;
    Mutex mu;
    CondVar nobody_signals;
    for (;;) {
      grpc::ClientContext context;
      context.set_deadline(internal::DeadlineIn(limit));
      response->Clear();
      const absl::Status status =
          internal::NamePlainText(FromGrpcNotCancelled((stub.get()->*method)(
                                      &context, request, response)),
                                  address);
      // A daemon that has too much to do is there, too.
      if (!MayPass(status) ||
          channel->GetState(/*try_to_connect=*/false) == GRPC_CHANNEL_READY) {
        reached.store(true, std::memory_order_relaxed);
      }
      if (!MayPass(status)) return status.ok() ? status : Explained(status);
      if (options.stop != nullptr && options.stop()) {
        return absl::CancelledError("interrupted");
      }
      const absl::Duration patience =
          reached.load(std::memory_order_relaxed)
              ? options.patience
              : std::min(options.patience, options.first_patience);
      if (SteadyNow() + pause >= start + patience) return Explained(status);
      MutexLock lock(&mu);
      nobody_signals.WaitFor(&mu, pause);
      pause = std::min(2 * pause, kLongestPause);
    }
  }

  absl::Status Explained(const absl::Status& status) const {
    if (absl::IsUnimplemented(status)) {
      return absl::UnimplementedError(absl::StrCat(
          "the scheduler at ", address,
          " keeps no data sets; start it with --data-folder, or push to a "
          "folder that all workers see"));
    }
    const absl::StatusCode code = absl::IsDeadlineExceeded(status)
                                      ? absl::StatusCode::kUnavailable
                                      : status.code();
    return absl::Status(code, absl::StrCat("the data sets of ", address, ": ",
                                           status.message()));
  }
};

DataSetsClient::DataSetsClient(const std::string& address, SecurityPtr security,
                               DataSetsOptions options)
    : impl_([&] {
        auto impl = std::make_unique<Impl>();
        impl->address = address;
        impl->channel = internal::MakeChannel(address, TransportOptions(),
                                              security.get(), Role::kScheduler);
        impl->stub = DataSets::NewStub(impl->channel);
        impl->security = std::move(security);
        impl->options = std::move(options);
        return impl;
      }()) {}
DataSetsClient::~DataSetsClient() = default;

absl::StatusOr<datasets::Target::Begun> DataSetsClient::BeginPush(
    absl::string_view name, absl::string_view manifest, bool verify) {
  v1::BeginPushRequest request;
  request.set_name(std::string(name));
  request.set_manifest(std::string(manifest));
  request.set_verify(verify);
  v1::BeginPushResponse response;
  EBB_RETURN_IF_ERROR(
      impl_->Call(&DataSets::Stub::BeginPush, request, &response, kLongCall));
  return Begun{response.id(), response.published()};
}

absl::StatusOr<std::vector<int64_t>> DataSetsClient::FindMissing(
    absl::string_view name, absl::string_view id, int64_t first,
    int64_t count) {
  v1::FindMissingRequest request;
  request.set_name(std::string(name));
  request.set_id(std::string(id));
  request.set_first(first);
  request.set_count(count);
  v1::FindMissingResponse response;
  EBB_RETURN_IF_ERROR(
      impl_->Call(&DataSets::Stub::FindMissing, request, &response, kLongCall));
  return std::vector<int64_t>(response.chunks().begin(),
                              response.chunks().end());
}

absl::Status DataSetsClient::PutChunk(absl::string_view name,
                                      absl::string_view id, int64_t chunk,
                                      absl::string_view bytes) {
  v1::PutChunkRequest request;
  request.set_name(std::string(name));
  request.set_id(std::string(id));
  request.set_chunk(chunk);
  request.set_data(std::string(bytes));
  v1::PutChunkResponse response;
  return impl_->Call(&DataSets::Stub::PutChunk, request, &response,
                     impl_->options.call_limit);
}

absl::Status DataSetsClient::Publish(absl::string_view name,
                                     absl::string_view id) {
  v1::PublishSetRequest request;
  request.set_name(std::string(name));
  request.set_id(std::string(id));
  v1::PublishSetResponse response;
  return impl_->Call(&DataSets::Stub::PublishSet, request, &response,
                     kLongCall);
}

absl::StatusOr<std::string> DataSetsClient::GetManifest(
    absl::string_view name) {
  v1::OpenSetRequest request;
  request.set_name(std::string(name));
  v1::OpenSetResponse response;
  EBB_RETURN_IF_ERROR(impl_->Call(&DataSets::Stub::OpenSet, request, &response,
                                  impl_->options.call_limit));
  return std::move(*response.mutable_manifest());
}

absl::StatusOr<std::string> DataSetsClient::GetChunk(absl::string_view name,
                                                     absl::string_view id,
                                                     int64_t chunk) {
  v1::FetchChunkRequest request;
  request.set_name(std::string(name));
  request.set_id(std::string(id));
  request.set_chunk(chunk);
  v1::FetchChunkResponse response;
  EBB_RETURN_IF_ERROR(impl_->Call(&DataSets::Stub::FetchChunk, request,
                                  &response, impl_->options.call_limit));
  return std::move(*response.mutable_data());
}

absl::StatusOr<std::vector<SetSummary>> DataSetsClient::List() {
  v1::ListSetsResponse response;
  EBB_RETURN_IF_ERROR(impl_->Call(&DataSets::Stub::ListSets,
                                  v1::ListSetsRequest(), &response,
                                  impl_->options.call_limit));
  std::vector<SetSummary> sets;
  for (const v1::DataSet& one : response.sets()) {
    sets.push_back({one.name(), one.id(), one.files(), one.bytes(),
                    absl::FromUnixMillis(one.published_unix_ms()),
                    one.pushing()});
  }
  return sets;
}

absl::Status DataSetsClient::Remove(absl::string_view name) {
  v1::RemoveSetRequest request;
  request.set_name(std::string(name));
  v1::RemoveSetResponse response;
  return impl_->Call(&DataSets::Stub::RemoveSet, request, &response, kLongCall);
}

}  // namespace ebb::rpc
