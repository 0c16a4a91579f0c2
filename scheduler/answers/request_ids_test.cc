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
  // What it says of this record, submitted under that id.
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
