// The fixture of tests of one partition on one server.
//
//   using CheckpointerTest = OnePartitionTest;
//   TEST_F(CheckpointerTest, AnIdlePartitionWritesNoVersion) {
//     GrantTerm(5, 0);
//     Written();
//     ...
#ifndef EBB_SERVER_TESTING_ONE_PARTITION_H_
#define EBB_SERVER_TESTING_ONE_PARTITION_H_

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/ids.h"
#include "protocol/messages.h"
#include "server/actions.h"
#include "server/server_core.h"
#include "server/store/checkpoint_store.h"
#include "server/update_rule.h"

namespace ebb::server {

// One item of 4 examples in batches of 1. Whatever the server asks for is kept
// for the test to look at; updates are carried out at once.
class OnePartitionTest : public testing::Test {
 protected:
  static constexpr SessionId kSession{11}, kWorker{21};
  static constexpr ServerId kServer{0};
  static constexpr PartitionId kP{0};

  OnePartitionTest();

  // Another process, whose store has that.
  void Restart(const Inventory& inventory);

  void Do(ServerActions actions);

  void GrantTerm(uint64_t term, uint64_t parent, SessionId session = kSession);
  void Push(uint64_t term, int64_t begin, int64_t sequence);
  void PushRange(uint64_t term, int64_t begin, int64_t end, int64_t sequence,
                 SessionId worker = kWorker);
  // Finishes those that hold_updates_ kept.
  void FinishUpdates();
  // The version that was asked for last has been written, or not.
  void Written(absl::Status status = absl::OkStatus());
  // The values that were asked for in this request are there, all of them 3; or
  // they are not.
  void InitialValues(size_t request, const absl::Status& status);
  // Returns the server's next statistics.
  const ServerStatistics& Statistics();
  void Checkpoint();
  void Rounds(int64_t closed, int64_t durable);
  Verdict LastVerdict() const;
  int64_t DurableMark(const JobRegistration& registration) const;

  absl::Time now_ = absl::FromUnixSeconds(1000);
  bool hold_updates_ = false;  // They end in FinishUpdates.
  bool at_once_ = false;       // Each is computed at once.
  ServerActions held_updates_;
  // The content of the next pushes.
  double loss_ = 0;
  Payload gradient_ = Payload::Of(std::vector<float>(2, 1.0f));
  Encoding encoding_ = Encoding::kFloat32;
  std::vector<PushRows> rows_;
  int64_t memory_ = int64_t{1} << 20;
  absl::Status room_;            // Not OK: the next pushes find no room.
  int64_t version_bytes_ = 0;    // Bytes that are new in the next version.
  int64_t checkpoint_rate_ = 0;  // From the next Restart on.
  ServerStatistics statistics_;
  int64_t updates_at_report_ = 0;  // Told before the latest marks.
  Generation generation_{1};
  JobRecordPtr record_;
  std::unique_ptr<ServerCore> core_;
  std::vector<WriteVersion> writes_;
  // The file with which the next jobs begin.
  std::optional<InitialFile> initial_;
  std::vector<FetchInitialValues> initial_requests_;
  std::vector<VersionKey> loads_, deleted_;
  std::vector<PushReply> push_replies_;
  std::vector<PullReply> pull_replies_;
  std::vector<JobRegistration> registrations_;
  std::vector<MarkReport> reports_;
  std::shared_ptr<const UpdateRule> rule_;  // Null: an AddingRule.
  double rate_factor_ = 1;                  // The factor in the next grants.
  std::vector<double> rule_factors_;  // The factors with which rules were made.
  int view_requests_ = 0;
  int alive_ = 0;
  int retries_ = 0;
  std::string ended_;
  std::vector<LogEvent> log_;
};

}  // namespace ebb::server

#endif  // EBB_SERVER_TESTING_ONE_PARTITION_H_
