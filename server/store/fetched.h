// The data that moves between two servers, as their cores see it: cuts whose
// blocks are names, and blocks. fetch_codec.h makes messages of it, outside of
// the locks.
#ifndef EBB_SERVER_STORE_FETCHED_H_
#define EBB_SERVER_STORE_FETCHED_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/ids.h"
#include "protocol/messages.h"
#include "protocol/plan.h"
#include "server/cut.h"
#include "server/memory/block_pool.h"
#include "server/store/manifest.h"

namespace ebb::server {

// The source's side of a FetchReply: a cut, or the blocks asked for.
struct FetchAnswer {
  FetchResult result = FetchResult::kOk;
  VersionKey key;  // Which the cut will be, at the target.
  std::optional<Cut> cut;
  std::vector<CutBlock> blocks;
  bool sums_with_blocks = false;  // The request says so.
};

// The target's side.
struct Fetched {
  ServerId server;  // Which answered; SessionId(): it does not say.
  SessionId server_session;
  FetchResult result = FetchResult::kOk;
  Manifest outline;              // The manifest of the requested cut, or ...
  std::vector<BlockRef> blocks;  // ... the requested blocks, in their order.
};

// A target's request, and what it needs to read the answer.
struct FetchTask {
  std::string address;
  FetchRequest request;
  // In the order of the outline: one for each of request.blocks. They have no
  // checksums if the source sends sums with its blocks.
  std::vector<StoredBlock> blocks;
  std::shared_ptr<BlockPool> pool;
};

}  // namespace ebb::server

#endif  // EBB_SERVER_STORE_FETCHED_H_
