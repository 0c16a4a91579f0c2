#include "tools/ebb/job/job_sizes.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "common/testing/test_folder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/files/files.h"

namespace ebb::tools {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class JobSizesTest : public ::testing::Test {
 protected:
  PreparedJob Prepare(const std::string& name, const std::string& data,
                      const std::string& text) {
    EXPECT_TRUE(WriteFile(folder_ / name, data).ok());
    EXPECT_TRUE(WriteFile(folder_ / "job.yaml", text).ok());
    auto prepared = PrepareJob({.file = folder_ / "job.yaml"});
    EXPECT_TRUE(prepared.ok()) << prepared.status();
    return *std::move(prepared);
  }
  PreparedJob Softmax(const std::string& more) {
    return Prepare("a.csv", "a,b,c,label\n0,1,5,0\n1,0,5,1\n1,1,6,1\n",
                   absl::StrCat("model: softmax\ndata: {train: {csv: ",
                                folder_ / "a.csv", "}}\n", more));
  }

  const TestFolder folder_;
};

TEST_F(JobSizesTest, DenseModelsTakeTheirParametersSoManyTimes) {
  // 3 features and a bias, 2 classes: 8 parameters, 32 bytes.
  const PreparedJob adam = Softmax("checkpoint: {keep: 7}\n");
  const auto sizes = SizesOf(adam);
  ASSERT_TRUE(sizes.ok()) << sizes.status();
  EXPECT_EQ(sizes->servers, 4 * 32);   // And two slots, and new weights.
  EXPECT_EQ(sizes->disk, 7 * 3 * 32);  // And two slots.
  EXPECT_EQ(sizes->pulled, 32);
  EXPECT_EQ(sizes->pushed, 32);
  EXPECT_EQ(sizes->servers_of_a_key, 0);
  EXPECT_GE(sizes->worker_data, 3 * 3 * 4);
  EXPECT_GE(sizes->worker, sizes->worker_data + 3 * 32);
  EXPECT_THAT(SizesText(adam, *sizes),
              AllOf(HasSubstr("memory of all servers   128 B\n"),
                    HasSubstr("a batch                 32 B pulled, 32 B "
                              "pushed\n"),
                    HasSubstr("disk for checkpoints    672 B (7 versions)\n")));

  const auto sgd = SizesOf(Softmax("optimizer: sgd\nfilters: {push: bf16}\n"));
  ASSERT_TRUE(sgd.ok()) << sgd.status();
  EXPECT_EQ(sgd->servers, 3 * 32);  // New weights, and a decoded gradient.
  EXPECT_EQ(sgd->pulled, 32);
  EXPECT_EQ(sgd->pushed, 16);
}

TEST_F(JobSizesTest, ModelsOfKeysTakeRowsByTheKey) {
  const auto prepare = [&](absl::string_view rest) {
    return Prepare(
        "a.svm", "1 7:1 900000000:1\n0 7:1 8:1\n",
        absl::StrCat("model: sparse_logistic\ndata: {train: {libsvm: ",
                     folder_ / "a.svm",
                     "}}\ntrain: {batch: 2}\noptimizer: sgd\n", rest));
  };
  const PreparedJob prepared = prepare("algorithm: sgd\n");
  const auto sizes = SizesOf(prepared);
  ASSERT_TRUE(sizes.ok()) << sizes.status();
  EXPECT_EQ(sizes->servers_of_a_key, 12 + 4 + 8 + 16);
  const auto by_lateness = SizesOf(prepare("algorithm: dynsgd\n"));
  ASSERT_TRUE(by_lateness.ok()) << by_lateness.status();
  EXPECT_EQ(by_lateness->servers_of_a_key, sizes->servers_of_a_key + 4);
  // A bias, and at most 4 keys of 8 bytes with a float.
  EXPECT_EQ(sizes->pulled, 4 + 4 * (8 + 4));
  EXPECT_THAT(SizesText(prepared, *sizes), HasSubstr("and 40 B for each key"));
  EXPECT_EQ(WideModelWarning(prepared), "");
}

TEST_F(JobSizesTest, OfRunsItSaysWhatOneIsAndWhatEachSideHolds) {
  std::string data = "a,b,c,label\n";
  for (int i = 0; i < 40; ++i) absl::StrAppend(&data, i, ",1,5,", i % 2, "\n");
  const PreparedJob prepared = Prepare(
      "a.csv", data,
      absl::StrCat("model: softmax\ndata: {train: {csv: ", folder_ / "a.csv",
                   "}}\ntrain: {batch: 2}\nworkers: {max: 4}\n"
                   "algorithm: {kind: diloco, period: 5}\n"
                   "consistency: {kind: rounds, rounds_in_memory: 2}\n"));
  const auto sizes = SizesOf(prepared);
  ASSERT_TRUE(sizes.ok()) << sizes.status();
  // 8 parameters: values and new ones, the velocity, two kept rounds and the
  // open one, and the sums of the round and of four items.
  EXPECT_EQ(sizes->servers, (2 + 1 + 3 + 1 + 4) * 32);
  EXPECT_THAT(
      SizesText(prepared, *sizes),
      AllOf(
          HasSubstr("a run                   5 batches of 2: 32 B pulled, 32 "
                    "B pushed, 6.4 B per example\n"),
          HasSubstr("a lost run              3 batches computed again, on "
                    "average\n"),
          HasSubstr("vectors of a run        5: values, start, gradient, 2 "
                    "of adamw\n"),
          HasSubstr("vectors of the servers  values, velocity, 2 kept rounds, "
                    "sums of 4 open items\n")));
}

// One index of 900 million made a model of as many weights, without a word.
TEST_F(JobSizesTest, WarnsOfADenseModelOfFewNumbers) {
  const std::string job = absl::StrCat(
      "model: logistic\ndata: {train: {libsvm: ", folder_ / "a.svm",
      "}}\ntrain: {batch: 1}\n");
  const PreparedJob wide =
      Prepare("a.svm", "1 7:1 900000000:1\n0 7:1 8:1\n", job);
  EXPECT_THAT(WideModelWarning(wide),
              AllOf(HasSubstr("900000001 parameters (3.4 GiB)"),
                    HasSubstr("the highest index of data.train is 900000000"),
                    HasSubstr("4 numbers"), HasSubstr("keys: true")));
  EXPECT_EQ(WideModelWarning(Prepare("a.svm", "1 7:1 9:1\n0 7:1 8:1\n", job)),
            "");
}

}  // namespace
}  // namespace ebb::tools
