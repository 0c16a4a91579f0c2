// A partition on its way from one server's core to another's.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "server/server_core.h"
#include "server/store/fetch_codec.h"
#include "server/testing/adding_rule.h"

namespace ebb::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr PartitionId kP(0);
constexpr SessionId kSession[] = {SessionId(11), SessionId(12)};
constexpr SessionId kWorker(21);
constexpr Term kOld(5), kNew(9);

// Server 0 serves the partition in term kOld; server 1 has nothing.
class ServerMovesTest : public testing::Test {
 protected:
  ServerMovesTest() {
    auto record = std::make_shared<JobRecord>();
    record->id = JobId(7);
    record->plan.examples = 8;
    record->plan.shard_size = 8;
    record->plan.parameters = 40;
    record->plan.block_floats = 16;
    record_ = record;
    for (int i = 0; i < 2; ++i) {
      ServerOptions options;
      options.id = ServerId(i);
      options.session = kSession[i];
      options.resources =
          [](const JobRecord&,
             const RollbackRecord&) -> absl::StatusOr<JobResources> {
        return JobResources{
            std::make_shared<AddingRule>(),
            *BlockPool::Create(
                {.block_bytes = 64, .max_bytes = 1 << 16, .shared = false})};
      };
      core_[i] = std::make_unique<ServerCore>(std::move(options), Inventory{});
      Do(i, [&](ServerCore* core, ServerActions* out) {
        core->OnSchedulerConnected(now_, out);
      });
    }
    GrantTerm(kOld, Term());
  }

  template <typename Event>
  void Do(int i, Event event) {
    ServerActions actions;
    event(core_[i].get(), &actions);
    Carry(i, std::move(actions));
  }
  // Updates run, and versions are written, at once; fetches when they may.
  void Carry(int i, ServerActions actions) {
    for (ServerAction& action : actions) {
      if (auto* run = std::get_if<RunUpdate>(&action)) {
        held_.push_back(std::move(run->task));
        if (!hold_updates_) FinishUpdates();
      } else if (auto* write = std::get_if<WriteVersion>(&action)) {
        if (hold_writes_) {
          held_writes_.push_back(write->key);
          continue;
        }
        written_.push_back(write->key);
        Do(i, [&](ServerCore* core, ServerActions* out) {
          core->OnVersionWritten(write->key, write_status_, 0, now_, out);
        });
      } else if (auto* fetch = std::get_if<Fetch>(&action)) {
        fetches_.push_back(std::move(fetch->task));
      } else if (auto* answer = std::get_if<ReplyFetch>(&action)) {
        answers_.push_back(
            EncodeFetchAnswer(answers_as_, answer_session_, answer->answer));
      } else if (auto* push = std::get_if<ReplyPush>(&action)) {
        verdicts_.push_back(push->reply.segments[0].verdict);
      } else if (auto* gone = std::get_if<ForgetPartition>(&action)) {
        forgotten_.push_back(gone->newest);
      } else if (auto* send = std::get_if<SendScheduler>(&action)) {
        if (auto* in = std::get_if<MovedIn>(&send->message)) moved_in_ = *in;
        if (auto* p = std::get_if<MoveProgress>(&send->message)) progress_ = *p;
        if (auto* s = std::get_if<ServerStatistics>(&send->message)) {
          statistics_ = *s;
        }
      }
    }
  }
  void FinishUpdates() {
    for (UpdateTask& task : std::exchange(held_, {})) {
      task.partition->Compute(task.update.get());
      Do(0, [&](ServerCore* core, ServerActions* out) {
        core->OnUpdateDone(std::move(task), now_, out);
      });
    }
  }
  void Tell(int i, const SchedulerToServer& message) {
    Do(i, [&](ServerCore* core, ServerActions* out) {
      core->OnScheduler(message, now_, out);
    });
  }
  void GrantTerm(Term term, Term parent) {
    Grant grant;
    grant.server = ServerId(0);
    grant.session = kSession[0];
    grant.record = record_;
    grant.generation = Generation(1);
    grant.partitions = {{kP, term, parent}};
    Tell(0, grant);
  }
  void Order() {
    MoveIn order;
    order.server = ServerId(1);
    order.session = kSession[1];
    order.record = record_;
    order.generation = Generation(1);
    order.partition = kP;
    order.term = new_;
    order.source = source_session_;
    order.source_address = "ps-0";
    order.source_server = ServerId(0);
    order.source_term = kOld;
    Tell(1, order);
  }
  void Decide(int i, Term term, ServerId owner) {
    Tell(i, PartitionMoved{record_->id, Generation(1), kP, term, owner});
  }
  void Push(Term term) {
    PushRequest push;
    push.job = record_->id;
    push.generation = Generation(1);
    push.stamp.worker = kWorker;
    push.sequence = sequence_++;
    push.server_session = kSession[0];
    push.begin = next_++;
    push.end = next_;
    push.ledger = ExpectedRow({0, 0}, push.begin, push.end);
    PushSegment& segment = push.segments.emplace_back();
    segment.partition = kP;
    segment.term = term;
    segment.gradient = Payload::Of(std::vector<float>(40, 1.0f));
    Do(0, [&](ServerCore* core, ServerActions* out) {
      core->OnPush(1, std::move(push), now_, out);
    });
  }
  // The target's question to the source; its answer is not passed on yet.
  FetchTask Ask() {
    FetchTask task = std::move(fetches_.front());
    fetches_.erase(fetches_.begin());
    Do(0, [&](ServerCore* core, ServerActions* out) {
      core->OnFetch(1, task.request, now_, out);
    });
    return task;
  }
  void Answer(const FetchTask& task) {
    ASSERT_THAT(answers_, SizeIs(1));
    const FetchReply reply = std::exchange(answers_, {})[0];
    Do(1, [&](ServerCore* core, ServerActions* out) {
      core->OnFetched(task.request, DecodeFetchReply(task, reply), now_, out);
    });
  }
  // Until the target asks for the last cut.
  void CopyFirst() {
    Order();
    while (!fetches_[0].request.freeze) Answer(Ask());
  }
  void Finish() {
    while (!fetches_.empty()) Answer(Ask());
  }
  const Partition* At(int i) const {
    const auto job = core_[i]->jobs().find(record_->id);
    return job == core_[i]->jobs().end() ? nullptr : job->second.partition(kP);
  }
  static std::vector<float> ValuesOf(const Partition& partition) {
    std::vector<float> floats(40);
    partition.Values().CopyTo(std::as_writable_bytes(std::span(floats)));
    return floats;
  }

  absl::Time now_ = absl::FromUnixSeconds(1000);
  JobRecordPtr record_;
  std::unique_ptr<ServerCore> core_[2];
  int64_t next_ = 0;  // Example.
  int64_t sequence_ = 0;
  bool hold_updates_ = false;
  absl::Status write_status_;
  std::vector<UpdateTask> held_;
  bool hold_writes_ = false;
  std::vector<VersionKey> held_writes_;
  std::vector<VersionKey> written_;
  std::vector<FetchTask> fetches_;
  std::vector<FetchReply> answers_;
  // The order names these.
  Term new_ = kNew;
  SessionId source_session_ = kSession[0];
  // The server that answers, as the answers say.
  ServerId answers_as_{0};
  SessionId answer_session_ = kSession[0];
  std::vector<Verdict> verdicts_;
  std::vector<Term> forgotten_;  // The newest terms of what was.
  std::optional<MovedIn> moved_in_;
  MoveProgress progress_;
  ServerStatistics statistics_;
};

TEST_F(ServerMovesTest, ItMovesWithAllThatWasAppliedMeanwhile) {
  Push(kOld);
  CopyFirst();
  Push(kOld);  // After the first cut.
  Finish();
  ASSERT_TRUE(moved_in_);
  const PartitionRegistration& one = moved_in_->job.partitions[0];
  EXPECT_EQ(one.term, kNew);
  EXPECT_EQ(MarkSet::Decode(record_->plan, one.marks)->mark({0, 0}), 2);
  EXPECT_EQ(one.durable_marks, one.marks);
  EXPECT_EQ(written_.back(),
            (VersionKey{record_->id, Generation(1), kP, kNew, 0}));
  EXPECT_EQ(At(1), nullptr);  // Nobody has decided yet.

  const std::vector<float> values = ValuesOf(*At(0));
  Decide(1, kNew, ServerId(1));
  Decide(0, kNew, ServerId(1));
  ASSERT_NE(At(1), nullptr);
  EXPECT_EQ(ValuesOf(*At(1)), values);
  EXPECT_EQ(values[39], 2);
  EXPECT_EQ(At(0), nullptr);
  EXPECT_THAT(forgotten_, ElementsAre(kNew));
}

// Bug: the source "is no longer what it was", for ever.
TEST_F(ServerMovesTest, AnotherServerAtTheSourcesAddressIsTold) {
  answers_as_ = ServerId(4);
  answer_session_ = SessionId(900);
  GrantTerm(Term(7), kOld);  // It serves no such partition.
  absl::Duration pause = absl::Seconds(1);
  for (const absl::Time begin = now_; now_ - begin < absl::Seconds(5);) {
    Order();
    Finish();
    EXPECT_FALSE(progress_.unreached.has_value());
    EXPECT_THAT(progress_.failed, HasSubstr("not here"));
    now_ += pause;
    pause *= 2;
    new_ = Term(new_.value() + 1);
  }
  Order();
  Finish();

  ASSERT_TRUE(progress_.unreached.has_value());
  EXPECT_EQ(progress_.unreached->why.cause, CallCause::kWrongServer);
  EXPECT_THAT(progress_.failed,
              HasSubstr("another server answers at ps-0: it says that it is "
                        "server 4, session 900, and the scheduler expects "
                        "server 0, session"));
}

TEST_F(ServerMovesTest, AServerThatRestartedIsNoOtherServer) {
  GrantTerm(Term(7), kOld);
  answer_session_ = SessionId(900);
  Order();
  Finish();
  now_ += absl::Seconds(6);
  // The scheduler has heard of its new life.
  source_session_ = answer_session_;
  new_ = Term(new_.value() + 1);
  Order();
  Finish();
  EXPECT_THAT(progress_.failed, HasSubstr("not here"));
  EXPECT_FALSE(progress_.unreached.has_value());
}

TEST_F(ServerMovesTest, WhoServesItSaysHowLongNobodyDid) {
  CopyFirst();
  hold_writes_ = true;
  now_ += absl::Milliseconds(1);  // After it asked for the last cut.
  Finish();
  ASSERT_THAT(held_writes_, SizeIs(1));
  now_ += absl::Milliseconds(5);
  Do(1, [&](ServerCore* core, ServerActions* out) {
    core->OnVersionWritten(held_writes_[0], absl::OkStatus(), 0, now_, out);
  });
  now_ += absl::Milliseconds(2);
  Decide(1, kNew, ServerId(1));
  EXPECT_EQ(progress_.term, kNew);
  EXPECT_EQ(progress_.paused, absl::Milliseconds(8));
  EXPECT_EQ(progress_.stored, absl::Milliseconds(5));
}

// Bug: it took the copy away with which the partition had come back (seed
// 8779).
TEST_F(ServerMovesTest, AVersionOfBeforeThatIsStoredLateTakesOnlyItselfAway) {
  hold_writes_ = true;
  Tell(0, CheckpointNow{record_->id});
  Push(kOld);
  Tell(0, CheckpointNow{record_->id});
  ASSERT_THAT(held_writes_, SizeIs(1));
  const VersionKey late = held_writes_[0];
  hold_writes_ = false;
  Decide(0, kNew, ServerId(1));
  forgotten_.clear();
  Do(0, [&](ServerCore* core, ServerActions* out) {
    core->OnVersionWritten(late, absl::OkStatus(), 0, now_, out);
  });
  EXPECT_THAT(forgotten_, ElementsAre(kOld));
}

// Bug: whoever had it told of the losses of then for ever, in turns with the
// present owner.
TEST_F(ServerMovesTest, WhoHadThePartitionTellsOfItsLossesNoMore) {
  const auto look = [&] {
    now_ += ServerOptions().statistics_interval;
    Do(0,
       [&](ServerCore* core, ServerActions* out) { core->OnTick(now_, out); });
    return statistics_.loss_examples;
  };
  Push(kOld);
  EXPECT_EQ(look(), 1);
  Decide(0, kNew, ServerId(1));
  EXPECT_EQ(look(), 0);
}

TEST_F(ServerMovesTest, APushToAFrozenSourceWaitsForTheDecision) {
  CopyFirst();
  Finish();
  Push(kOld);
  EXPECT_THAT(verdicts_, IsEmpty());
  Decide(0, kNew, ServerId(1));
  EXPECT_THAT(verdicts_, ElementsAre(Verdict::kWrongPlacement));
}

TEST_F(ServerMovesTest, AMoveThatIsGivenUpUnfreezesUnderANewTermOnly) {
  CopyFirst();
  Finish();
  Push(kOld);
  GrantTerm(Term(20), kOld);
  // It was for the term that is over.
  EXPECT_THAT(verdicts_, ElementsAre(Verdict::kWrongPlacement));
  --next_;
  Push(Term(20));
  EXPECT_EQ(verdicts_.back(), Verdict::kApplied);
  Decide(1, Term(20), ServerId(0));
  EXPECT_THAT(forgotten_, ElementsAre(Term(20)));
  Decide(1, kNew, ServerId(1));  // Too late.
  EXPECT_EQ(At(1), nullptr);
}

TEST_F(ServerMovesTest, TheLastCutWaitsForTheUpdateThatRuns) {
  CopyFirst();
  hold_updates_ = true;
  Push(kOld);
  const FetchTask last = Ask();
  EXPECT_TRUE(last.request.freeze);
  EXPECT_THAT(answers_, IsEmpty());
  FinishUpdates();
  EXPECT_THAT(verdicts_, ElementsAre(Verdict::kApplied));
  Answer(last);
  Finish();
  EXPECT_EQ(MarkSet::Decode(record_->plan, moved_in_->job.partitions[0].marks)
                ->mark({0, 0}),
            1);
}

TEST_F(ServerMovesTest, AFetchForAnotherTermFindsNothing) {
  Order();
  GrantTerm(Term(20), kOld);
  Answer(Ask());
  EXPECT_FALSE(progress_.failed.empty());
  EXPECT_EQ(progress_.term, kNew);
  EXPECT_THAT(fetches_, IsEmpty());
}

// Bug: nobody knew at which address, nor why.
TEST_F(ServerMovesTest, ASourceThatIsNotReachedIsNamed) {
  Order();
  for (int i = 0; i < 200 && progress_.failed.empty(); ++i) {
    for (const FetchTask& task : std::exchange(fetches_, {})) {
      Do(1, [&](ServerCore* core, ServerActions* out) {
        core->OnFetched(task.request,
                        absl::UnavailableError("Connection refused"), now_,
                        out);
      });
    }
    now_ += absl::Milliseconds(50);
    Do(1,
       [&](ServerCore* core, ServerActions* out) { core->OnTick(now_, out); });
  }
  EXPECT_EQ(progress_.failed,
            "it cannot reach the server at ps-0: Connection refused");
  ASSERT_TRUE(progress_.unreached);
  EXPECT_EQ(progress_.unreached->session, kSession[0]);
  EXPECT_EQ(progress_.unreached->address, "ps-0");
  EXPECT_GE(progress_.unreached->lasts, absl::Seconds(2));
  EXPECT_GT(progress_.unreached->attempts, 10);
}

TEST_F(ServerMovesTest, ACopyThatCannotBeStoredIsGivenUp) {
  CopyFirst();
  write_status_ = absl::ResourceExhaustedError("the disk is full");
  Finish();
  EXPECT_FALSE(moved_in_);
  EXPECT_EQ(progress_.failed, "the disk is full");
}

// The scheduler has given up what it asked for before.
TEST_F(ServerMovesTest, ATargetThatConnectsAnewForgetsTheMove) {
  CopyFirst();
  Do(1, [&](ServerCore* core, ServerActions* out) {
    core->OnSchedulerDisconnected();
    core->OnSchedulerConnected(now_, out);
  });
  Finish();
  EXPECT_FALSE(moved_in_);
}

TEST_F(ServerMovesTest, AValueThatArrivesDamagedIsNotTaken) {
  Order();
  Answer(Ask());
  const FetchTask blocks = Ask();
  ASSERT_THAT(answers_, SizeIs(1));
  std::vector<std::byte> bytes(answers_[0].values.size());
  answers_[0].values.CopyTo(bytes);
  bytes[5] ^= std::byte{1};
  answers_[0].values = Payload::Of(std::move(bytes));
  Answer(blocks);
  EXPECT_THAT(progress_.failed, testing::HasSubstr("checksum"));
}

}  // namespace
}  // namespace ebb::server
