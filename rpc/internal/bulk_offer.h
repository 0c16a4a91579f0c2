// How a worker asks for a bulk stream over gRPC, and how a server answers.
#ifndef EBB_RPC_INTERNAL_BULK_OFFER_H_
#define EBB_RPC_INTERNAL_BULK_OFFER_H_

#include <grpcpp/channel.h>
#include <grpcpp/impl/service_type.h>

#include <memory>

#include "rpc/internal/bulk_host.h"
#include "rpc/internal/bulk_session.h"

namespace ebb::rpc::internal {

// Asks on a connection that others use, too.
std::unique_ptr<BulkAsker> MakeBulkAsker(
    const std::shared_ptr<grpc::Channel>& channel);

// `host` is not owned and outlives the service.
std::unique_ptr<grpc::Service> MakeBulkService(BulkHost* host);

}  // namespace ebb::rpc::internal

#endif  // EBB_RPC_INTERNAL_BULK_OFFER_H_
