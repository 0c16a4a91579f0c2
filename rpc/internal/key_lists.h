// Lists of keys that pushes name: what a server keeps of the pulls that it
// answers, and what a worker remembers of the answers
// (docs/decisions/0020-key-lists.md).
//
// Correctness rests on neither: a side that lacks a named list says so, and all
// keys are sent.
#ifndef EBB_RPC_INTERNAL_KEY_LISTS_H_
#define EBB_RPC_INTERNAL_KEY_LISTS_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/ids.h"
#include "common/mutex.h"
#include "common/payload.h"
#include "protocol/messages.h"
#include "rpc/key_counts.h"
#include "rpc/wire.h"

namespace ebb::rpc::internal {

// The lists of one pull, by partition and table.
class KeyLists {
 public:
  // Returns those of the request, which share its memory; a partition or table
  // that is there twice makes none.
  static KeyLists Of(const PullRequest& request);
  // The same in memory of their own, of Bytes().
  KeyLists Copied() const;

  bool empty() const { return lists_.empty(); }
  int64_t Bytes() const { return bytes_; }
  // Their memory, about.
  int64_t Cost() const;
  // Null: there is no such list.
  const Payload* Find(PartitionId partition, int32_t table) const;

 private:
  struct List {
    int32_t partition = 0;
    int32_t table = 0;
    Payload keys;
  };
  std::vector<List> lists_;  // Ascending by partition, then table.
  int64_t bytes_ = 0;
};

// A server's. Numbers are of one life of it: what a push of another names may
// be found and is of no effect, because the server refuses that push.
// Thread-safe.
class KeptKeys {
 public:
  struct Options {
    // Lists and bytes of one worker of one job: more than exist between a pull
    // and the last push of its batch. Beyond, workers send keys again. Defaults
    // 16 and 4 MiB.
    size_t lists_per_worker = 16;
    int64_t bytes_per_worker = int64_t{4} << 20;
    // Bytes of all lists. Beyond it the oldest go. Default 64 MiB: 16 workers
    // with all that one may have.
    int64_t bytes = int64_t{64} << 20;
  };

  KeptKeys() : KeptKeys(Options()) {}
  explicit KeptKeys(const Options& options) : options_(options) {}

  // Copies the pull's keys; 0: there are none, or too many.
  uint64_t Keep(const PullRequest& pull);
  // Gives the push the keys that it names; their bytes. Aborted: they are not
  // here, or not this worker's, and the push is as it was.
  absl::StatusOr<int64_t> Resolve(const NamedKeys& named,
                                  PushRequest* push) const;

  int64_t bytes() const;

 private:
  struct Worker {
    JobId job;
    SessionId session;

    friend bool operator==(const Worker&, const Worker&) = default;
    template <typename H>
    friend H AbslHashValue(H h, const Worker& w) {
      return H::combine(std::move(h), w.job, w.session);
    }
  };
  struct Entry {
    Worker worker;
    std::shared_ptr<const KeyLists> lists;
  };
  struct Own {
    std::deque<uint64_t> numbers;  // Oldest first.
    int64_t bytes = 0;
  };

  void DropOldestOf(const Worker& worker) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const Options options_;
  mutable Mutex mu_;
  uint64_t last_ ABSL_GUARDED_BY(mu_) = 0;
  int64_t bytes_ ABSL_GUARDED_BY(mu_) = 0;
  std::map<uint64_t, Entry> entries_ ABSL_GUARDED_BY(mu_);  // Oldest first.
  absl::flat_hash_map<Worker, Own> workers_ ABSL_GUARDED_BY(mu_);
};

// A worker's, of one server and its lives. Thread-safe.
class SentKeys {
 public:
  // Covers the lists between a pull and the last push of its batch.
  static constexpr size_t kMost = 8;

  // A life of the server, in its answer to a pull of the worker, says under
  // which number it keeps the pull's lists.
  void Kept(const PullReply& reply, uint64_t number, KeyLists lists);
  // Returns names for those of the push's keys that the server has.
  NamedKeys NamesFor(const PushRequest& push) const;
  // The server lacks a named list.
  void Forget();

 private:
  struct Entry {
    JobId job;
    SessionId worker;
    SessionId server;
    uint64_t number = 0;
    KeyLists lists;
  };

  mutable Mutex mu_;
  std::deque<Entry> entries_ ABSL_GUARDED_BY(mu_);  // Newest first.
};

// Bytes of all keys of the push.
int64_t KeyBytes(const PushRequest& push);

// The named keys of a push that arrived become its own. Aborted: as of
// Resolve(). `kept`: null: the server keeps no lists, and counts none.
// `counts`: null: nothing is counted.
absl::Status CompletePush(const KeptKeys* kept, const NamedKeys& named,
                          KeyCounts* counts, PushRequest* push);
// Counts the keys of a push that is sent.
void CountSentKeys(const PushRequest& push, const NamedKeys& named,
                   KeyCounts* counts);

}  // namespace ebb::rpc::internal

#endif  // EBB_RPC_INTERNAL_KEY_LISTS_H_
