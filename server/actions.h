// The actions that the server's core asks of its shell.
#ifndef EBB_SERVER_ACTIONS_H_
#define EBB_SERVER_ACTIONS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "common/ids.h"
#include "protocol/messages.h"
#include "server/dense_shape.h"
#include "server/memory/block_pool.h"
#include "server/options.h"
#include "server/partition.h"
#include "server/pull_encoding.h"
#include "server/store/checkpoint_store.h"
#include "server/store/fetched.h"
#include "server/update_rule.h"

namespace ebb::server {

// --- Actions, to be carried out in their order ------------------------------

struct ReplyPush {
  uint64_t token;
  PushReply reply;
};
// The values are float32, and to be encoded.
struct ReplyPull {
  uint64_t token;
  PullReply reply;
  PullEncoding encoding;
};
struct ReplyFetch {
  uint64_t token;
  FetchAnswer answer;
};
// Ask another server; then OnFetched.
struct Fetch {
  FetchTask task;
};
struct SendScheduler {
  ServerToScheduler message;
};
// Run its partition->Compute(update.get()) on any thread, then hand the task to
// ServerCore::OnUpdateDone.
struct RunUpdate {
  UpdateTask task;
};
// Storage: in their order, one at a time. Then OnVersionWritten, OnLoaded.
struct SaveJob {
  StoredJob job;
};
struct WriteVersion {
  VersionKey key;
  Cut cut;
};
struct LoadVersion {
  VersionKey key;
  std::shared_ptr<BlockPool> pool;
};
// Fetch the part of the file that a partition begins with; then
// OnInitialValues, once.
struct FetchInitialValues {
  JobId job;
  PartitionId partition;
  Term term;  // For which it is asked.
  InitialFile file;
  std::shared_ptr<const DenseShape> shape;
  // For rows.
  JobRecordPtr record;
  std::shared_ptr<const UpdateRule> rule;
  std::shared_ptr<BlockPool> pool;
};
struct DeleteVersions {
  std::vector<VersionKey> keys;
};
struct DeleteJob {
  JobId job;
};
// Another server has the partition: this one keeps no version of these terms.
// Versions in a shared folder belong to the other.
struct ForgetPartition {
  JobId job;
  PartitionId partition;
  Term newest;  // Later ones stay: it may be on its way back.
};
// List the versions that can be loaded of the partition now; then OnListed.
struct ListVersions {
  JobId job;
  PartitionId partition;
};
// The scheduler does not take this session: end it, and try again later.
struct RetrySession {};
// Another process has taken this server's place: nothing is left to do here.
struct EndProcess {
  std::string why;
};
// Something an operator should read.
struct LogEvent {
  std::string text;
  bool warning = false;
};

using ServerAction =
    std::variant<ReplyPush, ReplyPull, SendScheduler, RunUpdate, SaveJob,
                 WriteVersion, LoadVersion, DeleteVersions, DeleteJob,
                 ForgetPartition, ListVersions, ReplyFetch, Fetch,
                 FetchInitialValues, RetrySession, EndProcess, LogEvent>;
using ServerActions = std::vector<ServerAction>;

}  // namespace ebb::server

#endif  // EBB_SERVER_ACTIONS_H_
