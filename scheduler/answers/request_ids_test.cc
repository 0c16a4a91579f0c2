#include "scheduler/answers/request_ids.h"

#include <string>
#include <utility>

#include "ebb/v1/specification.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "scheduler/scheduler_fixture.h"

namespace ebb::scheduler {
namespace {

using ::testing::HasSubstr;

class RequestIdsTest : public SchedulerFixture {
 protected:
  static v1::Specification Content() {
    v1::Specification specification;
    specification.set_format(1);
    specification.mutable_job()->set_name("test");
    specification.mutable_job()->mutable_train()->set_epochs(3);
    specification.set_train_index("the data");
    return specification;
  }
  static JobRecord With(v1::Specification specification,
                        const std::string& request_id,
                        const std::string& name = "test") {
    specification.set_request_id(request_id);
    JobRecord record = Record();
    record.name = name;
    record.specification = specification.SerializeAsString();
    return record;
  }
  // Asks for this record, submitted under that id.
  absl::StatusOr<std::optional<JobId>> Find(const JobRecord& record,
                                            const std::string& request_id) {
    return ids_.Find(request_id, record, core_->jobs());
  }
  std::string Refusal(const JobRecord& record) {
    const auto found = Find(record, "a");
    EXPECT_EQ(found.status().code(), absl::StatusCode::kAlreadyExists);
    return std::string(found.status().message());
  }

  RequestIds ids_;
};

TEST_F(RequestIdsTest, FindsTheJobOfARepeatedSubmission) {
  EXPECT_EQ(*Find(With(Content(), "a"), "a"), std::nullopt);
  Submit(With(Content(), "a"));

  v1::Specification again = Content();
  again.set_submitted_unix_ms(1234);
  again.set_source("# The same, with a word.\n");
  again.set_token_hash(std::string(32, 'x'));
  EXPECT_EQ(*Find(With(again, "a"), "a"), job_);
  EXPECT_EQ(*Find(With(Content(), "b"), "b"), std::nullopt);
}

// Bug: it was taken for another job, or answered as if it were the first.
TEST_F(RequestIdsTest, RefusesAnotherContentUnderTheSameId) {
  Submit(With(Content(), "a"));
  v1::Specification other = Content();
  other.mutable_job()->mutable_train()->set_epochs(4);
  EXPECT_EQ(Refusal(With(other, "a")),
            absl::StrCat("request id a is that of job test (id ", job_.value(),
                         "), whose job file is another: choose another id for "
                         "another submission"));
  EXPECT_THAT(Refusal(With(Content(), "a", "other")), HasSubstr("name is"));
  other = Content();
  other.set_train_index("other data");
  EXPECT_THAT(Refusal(With(other, "a")), HasSubstr("data is another"));
  other = Content();
  other.add_tables()->set_name("weights");
  EXPECT_THAT(Refusal(With(other, "a")), HasSubstr("specification is another"));
  JobRecord plan = With(Content(), "a");
  plan.plan.seed = 77;
  EXPECT_THAT(Refusal(plan), HasSubstr("plan is another"));
}

// Bug: it was refused once the job had converged.
TEST_F(RequestIdsTest, FindsAJobThatEndedEarly) {
  const auto record_of = [](v1::Algorithm::Kind kind, int32_t epochs) {
    v1::Specification content = Content();
    v1::Job& job = *content.mutable_job();
    job.mutable_algorithm()->set_kind(kind);
    job.mutable_algorithm()->set_max_rounds(epochs);
    job.mutable_train()->set_epochs(epochs);
    JobRecord record = With(content, "a");
    record.plan.consistency.kind = ConsistencyKind::kRounds;
    record.plan.consistency.round_items = record.plan.shards();
    record.plan.consistency.rounds_in_memory = 4;
    record.plan.algorithm.operated = true;
    record.plan.epochs = epochs;
    return record;
  };
  Submit(record_of(v1::Algorithm::KIND_LLOYD, 3));
  EXPECT_EQ(*Find(record_of(v1::Algorithm::KIND_LLOYD, 9), "a"), job_);
  EXPECT_THAT(Refusal(record_of(v1::Algorithm::KIND_LLOYD, 2)),
              HasSubstr("job file is another"));
  JobRecord other = record_of(v1::Algorithm::KIND_LLOYD, 9);
  other.plan.seed = 77;
  EXPECT_THAT(Refusal(other), HasSubstr("plan is another"));
  EXPECT_THAT(Refusal(record_of(v1::Algorithm::KIND_LBFGS, 9)),
              HasSubstr("job file is another"));
}

TEST_F(RequestIdsTest, KnowsTheJobsOfAnEarlierScheduler) {
  Submit(With(Content(), "a"));
  EXPECT_EQ(*Find(With(Content(), "a"), "a"), job_);
  Restart(stored_);
  RequestIds ids;
  EXPECT_EQ(*ids.Find("a", With(Content(), "a"), core_->jobs()), job_);
}

// An older ebb let one id have two jobs of different names.
TEST_F(RequestIdsTest, OfTwoJobsOfOneIdFindsTheOneOfTheSameContent) {
  Submit(With(Content(), "a"));
  const JobId first = job_;
  Submit(With(Content(), "a", "second"));
  EXPECT_EQ(*Find(With(Content(), "a"), "a"), first);
  EXPECT_EQ(*Find(With(Content(), "a", "second"), "a"), job_);
  EXPECT_THAT(Refusal(With(Content(), "a", "third")), HasSubstr("name is"));
}

}  // namespace
}  // namespace ebb::scheduler
