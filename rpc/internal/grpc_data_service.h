// Serves a folder of data sets.
#ifndef EBB_RPC_INTERNAL_GRPC_DATA_SERVICE_H_
#define EBB_RPC_INTERNAL_GRPC_DATA_SERVICE_H_

#include <grpcpp/impl/service_type.h>

#include <memory>

#include "rpc/grpc_transport.h"
#include "rpc/internal/guard.h"

namespace ebb::rpc::internal {

// The stores are not owned; both they and the service outlive the server.
std::unique_ptr<grpc::Service> MakeDataService(DataStores stores, Guard guard);

}  // namespace ebb::rpc::internal

#endif  // EBB_RPC_INTERNAL_GRPC_DATA_SERVICE_H_
