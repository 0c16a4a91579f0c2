#include "scheduler/initial_values.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/time/clock.h"
#include "common/testing/test_folder.h"
#include "datasets/manifest.h"
#include "datasets/push.h"
#include "datasets/testing/files.h"

namespace ebb::scheduler {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class InitialValuesTest : public ::testing::Test {
 protected:
  void Open(absl::Duration unnamed_for) {
    values_.reset();
    values_ = *InitialValues::Open(
        {.folder = folder_ / "initial", .unnamed_for = unnamed_for});
  }
  v1::InitialValues Push(const std::string& content) {
    const std::string from = folder_ / content;
    datasets::WriteFile(from + "/values.f32", content);
    const auto manifest = *datasets::ReadFolder(from, {});
    v1::InitialValues named;
    named.set_id(manifest.id());
    named.set_bytes(static_cast<int64_t>(content.size()));
    EXPECT_TRUE(datasets::PushFolder(from, datasets::InitialSetOf(named.id()),
                                     values_->store(), {})
                    .ok());
    return named;
  }

  const TestFolder folder_;
  std::unique_ptr<InitialValues> values_;
};

TEST_F(InitialValuesTest, AreHereOnceTheyArePushed) {
  Open(absl::Hours(1));
  v1::InitialValues named = Push("abcd");
  EXPECT_TRUE(values_->Check(named).ok());
  named.set_bytes(8);
  EXPECT_TRUE(absl::IsInvalidArgument(values_->Check(named)));
  named.set_id(std::string(32, 'a'));
  EXPECT_THAT(values_->Check(named).message(),
              HasSubstr("submit the job again"));
  named.set_id("../..");
  EXPECT_TRUE(absl::IsFailedPrecondition(values_->Check(named)));
}

// Bug: it told people to remove data sets, which are kept elsewhere.
TEST_F(InitialValuesTest, ARefusalSaysWhatFillsTheFolder) {
  values_ =
      *InitialValues::Open({.folder = folder_ / "initial", .max_bytes = 6000});
  Push("abcd");
  const std::string from = folder_ / "more";
  datasets::WriteFile(from + "/values.f32", "efgh");
  const std::string id = datasets::ReadFolder(from, {})->id();
  const auto pushed = datasets::PushFolder(from, datasets::InitialSetOf(id),
                                           values_->store(), {});
  EXPECT_TRUE(absl::IsResourceExhausted(pushed.status()));
  EXPECT_THAT(
      pushed.status().message(),
      AllOf(HasSubstr("it holds the values that jobs begin with"),
            HasSubstr("`ebb forget` old jobs"), Not(HasSubstr("data remove"))));
}

TEST_F(InitialValuesTest, GoWhenNoJobHasNamedThemForAWhile) {
  Open(absl::ZeroDuration());
  const v1::InitialValues named = Push("abcd");
  const v1::InitialValues other = Push("efgh");
  absl::SleepFor(absl::Milliseconds(20));
  values_->Sweep({named.id()});
  EXPECT_TRUE(values_->Check(named).ok());
  EXPECT_FALSE(values_->Check(other).ok());

  Open(absl::Hours(1));
  values_->Sweep({});
  EXPECT_TRUE(values_->Check(named).ok());  // Pushed just now.
}

// The scheduler stores the job only after the check.
TEST_F(InitialValuesTest, StayForASubmissionThatHasBegun) {
  Open(absl::Milliseconds(300));
  const v1::InitialValues named = Push("abcd");
  absl::SleepFor(absl::Milliseconds(310));
  EXPECT_TRUE(values_->Check(named).ok());
  values_->Sweep({});
  EXPECT_TRUE(values_->Check(named).ok());
}

}  // namespace
}  // namespace ebb::scheduler
