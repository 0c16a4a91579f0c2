// Serves a folder of data sets.
#ifndef EBB_RPC_INTERNAL_GRPC_DATA_SERVICE_H_
#define EBB_RPC_INTERNAL_GRPC_DATA_SERVICE_H_

#include <grpcpp/impl/service_type.h>

#include <memory>

#include "datasets/set_store.h"
#include "rpc/internal/guard.h"

namespace ebb::rpc::internal {

// `store` is not owned; both it and the service outlive the server.
std::unique_ptr<grpc::Service> MakeDataService(datasets::SetStore* store,
                                               Guard guard);

}  // namespace ebb::rpc::internal

#endif  // EBB_RPC_INTERNAL_GRPC_DATA_SERVICE_H_
