#include "workloads/kmeans/tools/stored_restarts.h"

#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "common/task_rows.h"
#include "common/testing/test_folder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::tools {
namespace {

using ::testing::HasSubstr;

// Clusters of a feature, so that the parts of a run fill two rows.
constexpr int64_t kClusters = 600;
constexpr size_t kWords = 1 + kTaskRowBytes / sizeof(float);

class StoredRestartsTest : public ::testing::Test {
 protected:
  StoredRestartsTest() : rows_(*RowRuns::Create(folder_.path(), {kWords})) {
    model_.set_clusters(kClusters);
  }

  void Add(int64_t task, const std::string& bytes, size_t parts = 2) {
    ASSERT_TRUE(
        CutTask(task, bytes,
                [&](uint64_t key, std::span<const std::byte> part) {
                  if (parts == 0) return;
                  --parts;
                  std::vector<float> words(kWords);
                  const auto more = static_cast<uint32_t>(part.size() + 1);
                  std::memcpy(words.data(), &more, sizeof(more));
                  std::memcpy(words.data() + 1, part.data(), part.size());
                  EXPECT_TRUE(rows_.Add({&key, 1}, {words}).ok());
                })
            .ok());
  }
  static std::string Run(double inertia, float centroid) {
    workloads::LloydResult run = {.inertia = inertia, .rounds = 4};
    run.values.assign(2 * kClusters, centroid);
    return run.Encode();
  }

  const TestFolder folder_;
  v1::Model model_;
  RowRuns rows_;
};

TEST_F(StoredRestartsTest, TheLeastInertiaIsTheModelAndOfEqualsTheFirst) {
  Add(2, Run(7, 2));
  Add(3, Run(5, 3));
  Add(4, Run(5, 4));
  Add(6, Run(1, 6), /*parts=*/1);  // It is not whole yet.
  Add(9, Run(6, 9));

  const auto restarts = RestartsOf(rows_, model_, 1);

  ASSERT_TRUE(restarts.ok()) << restarts.status();
  ASSERT_EQ(restarts->runs.size(), 4);
  EXPECT_EQ(restarts->best_run().number, 3);
  EXPECT_EQ(restarts->best_run().inertia, 5);
  ASSERT_EQ(restarts->values.size(), 2 * kClusters);
  EXPECT_EQ(restarts->values.front(), 3);
  EXPECT_THAT(RestartsText(*restarts),
              HasSubstr("the best of 4 runs: number 3, inertia 5"));
  EXPECT_THAT(RestartsJson(*restarts).ToLine(), HasSubstr("\"done\": 4"));
}

TEST_F(StoredRestartsTest, NoRunIsNoError) {
  const auto restarts = RestartsOf(rows_, model_, 1);
  ASSERT_TRUE(restarts.ok()) << restarts.status();
  EXPECT_TRUE(restarts->runs.empty());
  EXPECT_EQ(RestartsText(*restarts), "no run is done");
}

TEST_F(StoredRestartsTest, OtherBytesAreNamed) {
  Add(3, "x");
  const auto restarts = RestartsOf(rows_, model_, 1);
  EXPECT_TRUE(absl::IsDataLoss(restarts.status()));
  EXPECT_THAT(restarts.status().message(), HasSubstr("run 3: "));
}

}  // namespace
}  // namespace ebb::tools
