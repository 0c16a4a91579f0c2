// Programs that train a job which only they can compute: the example of
// examples/client, as processes that are killed, on a cluster of processes.
#include <signal.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "ebb/client.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/process_cluster.h"
#include "tools/ebb/job/submission.h"
#include "tools/process/child_process.h"

namespace ebb::testing {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using tools::ChildProcess;

class ProgramTest : public ::testing::Test {
 protected:
  static constexpr int64_t kExamples = 600;

  ProgramTest() {
    cluster_.scheduler().Start();
    cluster_.ps(0).Start();
    cluster_.ps(1).Start();
    cluster_.scheduler().address();  // It serves.
    std::ofstream data(data_);
    for (int64_t i = 0; i < kExamples; ++i) {
      const double x = 0.01 * static_cast<double>(i % 100);
      const double y = 0.02 * static_cast<double>(i % 50);
      data << x << "," << y << "," << 2 * x - 3 * y + 1 << "\n";
    }
  }

  JobRecord Prepare(const std::string& epochs) {
    const std::string path = folder_ / "job.yaml";
    std::ofstream(path)
        << "name: lines\n"
        << "model: {kind: program, tables: {weights: {dims: [2]}, "
           "bias: {dims: [1], init: {kind: constant, value: 0.5}}}}\n"
        << "data: {train: {positions: {examples: 600, fingerprint: v1}}}\n"
        << "train: {epochs: " << epochs << ", batch: 5, item_examples: 50}\n"
        << "optimizer: {kind: sgd, rate: 0.05}\n"
        << "oracle: 2\npartitions: 2\nquarantine_after: 1000\n";
    auto prepared = tools::PrepareJob({.file = path});
    EXPECT_TRUE(prepared.ok()) << prepared.status();
    return prepared.ok() ? prepared->record : JobRecord();
  }
  std::optional<ChildProcess> Start(const std::vector<std::string>& argv,
                                    const std::string& log) {
    auto child = ChildProcess::Start({.argv = argv, .log = folder_ / log});
    EXPECT_TRUE(child.ok()) << child.status();
    if (!child.ok()) return std::nullopt;
    return *std::move(child);
  }
  std::string LogOf(const std::string& log) const {
    std::ifstream file(folder_ / log);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  ProcessCluster cluster_;
  const TestFolder folder_;
  const std::string data_ = folder_ / "data.csv";
};

TEST_F(ProgramTest, ProgramsThatAreKilledTrainAJobExactly) {
  const JobRecord record = Prepare("20");
  const JobId job = cluster_.Submit(record);
  auto daemon =
      Start({EBB_BIN_DIR "/ebb-worker", "--scheduler", cluster_.address()},
            "daemon.log");
  std::array<std::optional<ChildProcess>, 2> programs;
  int lives = 0;
  const auto start_missing = [&] {
    for (auto& program : programs) {
      if (program && !program->Poll()) continue;
      program = Start({EBB_PROGRAM, cluster_.address(), "lines", data_},
                      absl::StrCat("life-", ++lives, ".log"));
    }
  };

  // Each is killed in turn, whenever some more examples are applied.
  for (int kill = 0; kill < 8; ++kill) {
    start_missing();
    ASSERT_TRUE(cluster_.WaitFor(job, [&](const v1::JobStatus& status) {
      return status.applied_min() >= (kill + 1) * kExamples;
    }));
    programs[kill % 2]->Signal(SIGKILL);
  }
  start_missing();

  ASSERT_TRUE(cluster_.WaitComplete(job));
  cluster_.ExpectExact(record, job);
  // No item was leased to the daemon, and so it refused none.
  EXPECT_THAT(LogOf("daemon.log"), Not(HasSubstr("lines")));
  daemon->Signal(SIGKILL);
}

TEST_F(ProgramTest, AProgramKnowsTablesAndPlaces) {
  cluster_.Submit(Prepare("2"));
  Client client({.scheduler = cluster_.address()});
  auto job = client.Join("lines");
  ASSERT_TRUE(job.ok()) << job.status();

  EXPECT_EQ(job->fingerprint(), "v1");
  EXPECT_THAT(
      job->tables(),
      ElementsAre(
          AllOf(Field(&Table::name, "bias"), Field(&Table::offset, 0),
                Field(&Table::dims, ElementsAre(1))),
          AllOf(Field(&Table::name, "weights"), Field(&Table::offset, 1),
                Field(&Table::size, 2), Field(&Table::dims, ElementsAre(2)))));
  std::vector<float> model(3);
  const std::vector<float> gradient(3);
  std::vector<Place> ahead;
  int64_t came_as_said = 0;
  for (Batch& batch : job->Batches()) {
    const Place place = batch.place();
    const auto examples = job->ExamplesAt(place);
    ASSERT_TRUE(examples.ok()) << examples.status();
    EXPECT_TRUE(std::equal(examples->begin(), examples->end(),
                           batch.examples().begin(), batch.examples().end()));
    if (!ahead.empty() && ahead.front() == place) ++came_as_said;
    ahead = job->Ahead(3);
    EXPECT_LE(ahead.size(), 3u);
    EXPECT_THAT(ahead, Not(::testing::Contains(place)));
    ASSERT_TRUE(batch.Pull(std::span(model)).ok());
    EXPECT_EQ(model[0], 0.5f);
    ASSERT_TRUE(batch.Push(gradient).ok());
  }
  EXPECT_TRUE(job->status().ok()) << job->status();
  // All but the first of an item may come by surprise.
  EXPECT_GE(came_as_said, 2 * 12 * 9);
  EXPECT_THAT(job->Ahead(), IsEmpty());
}

}  // namespace
}  // namespace ebb::testing
