#include "tools/ebb/job/start_values.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/initializer.h"
#include "common/testing/test_folder.h"
#include "datasets/manifest.h"
#include "datasets/set_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/files/files.h"
#include "tools/tensors/tensor_files.h"

namespace ebb::tools {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr uint64_t kSeed = 7;

class StartValuesTest : public ::testing::Test {
 protected:
  StartValuesTest() {
    TensorFile file;
    file.tensors = tensors_;
    EXPECT_TRUE(WriteFile(path_, EncodeSafetensors(file)).ok());
    start_.set_from(path_);
  }

  absl::StatusOr<StartValues> Read(const ModelOpener& open = nullptr,
                                   std::vector<float> otherwise = {}) {
    return ReadStart(start_, tables_, {kSeed, std::move(otherwise)}, open);
  }
  // What the scheduler would keep.
  std::vector<float> Values(const StartValues& start) {
    const auto store = *datasets::SetStore::Open({.folder = folder_ / "sets"});
    EXPECT_TRUE(start.values->Push(store.get()).ok());
    const std::string id = start.values->ToProto().id();
    const std::string bytes =
        *store->GetChunk(datasets::InitialSetOf(id), id, 0);
    std::vector<float> values(bytes.size() / sizeof(float));
    std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
  }
  // The values that the head begins with, without another model.
  static std::vector<float> NewHead() {
    std::vector<float> head(6);
    FillInitial(InitRule::Uniform(0.5f), kSeed, "head/weights", 0, head);
    return head;
  }
  std::string Mistakes() {
    const auto start = Read();
    EXPECT_TRUE(absl::IsInvalidArgument(start.status())) << start.status();
    return std::string(start.status().message());
  }

  const TestFolder folder_;
  const std::string path_ = folder_ / "model.safetensors";
  // A model of four classes.
  const std::vector<Tensor> tensors_ = {
      {"body/weights", {2, 3}, {1, 2, 3, 4, 5, 6}},
      {"body/bias", {3}, {7, 8, 9}},
      {"head/weights", {3, 4}, std::vector<float>(12, 1.0f)}};
  // One of two classes.
  const std::vector<job::DenseTable> tables_ = {
      {"body/weights", 6, {}, {2, 3}},
      {"body/bias", 3, {}, {3}},
      {"head/weights", 6, InitRule::Uniform(0.5f), {3, 2}}};
  v1::Start start_;
};

TEST_F(StartValuesTest, TablesThatAreNotTakenBeginByTheirRules) {
  start_.add_tables("body/weights");
  start_.add_tables("body/bias");

  const auto start = Read();

  ASSERT_TRUE(start.ok()) << start.status();
  std::vector<float> want = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  for (const float value : NewHead()) want.push_back(value);
  EXPECT_THAT(Values(*start), ElementsAreArray(want));
  EXPECT_THAT(start->notes,
              ElementsAre(AllOf(HasSubstr("not taken: head/weights")),
                          HasSubstr("begin anew: head/weights")));
}

TEST_F(StartValuesTest, OrAsAModuleSays) {
  start_.add_tables("body/bias");
  std::vector<float> module(15, 2.5f);

  const auto start = Read(nullptr, module);

  ASSERT_TRUE(start.ok()) << start.status();
  std::copy_n(tensors_[1].values.begin(), 3, module.begin() + 6);
  EXPECT_THAT(Values(*start), ElementsAreArray(module));
}

TEST_F(StartValuesTest, NamesAllThatDiffersAtOnce) {
  start_.add_tables("body/wieghts");
  start_.add_tables("body/bias");
  start_.add_tables("head/weights");
  (*start_.mutable_rename())["body/bias"] = "body/biass";

  EXPECT_THAT(Mistakes(),
              AllOf(HasSubstr("start.tables: the model has no dense table "
                              "body/wieghts\nhint: body/weights\n"),
                    HasSubstr("has no tensor body/biass for the table "
                              "body/bias; there is body/bias, which rename: "
                              "{body/bias: body/bias} takes"),
                    HasSubstr("tensor head/weights of " + path_ +
                              " has the shape (3, 4), the table head/weights "
                              "(3, 2)")));
}

TEST_F(StartValuesTest, SaysWhichTablesFit) {
  EXPECT_THAT(Mistakes(), HasSubstr("hint: tables: [body/weights, body/bias] "
                                    "takes what fits"));
}

TEST_F(StartValuesTest, RenamesAndKnowsTheTransposeOfATable) {
  TensorFile file;
  file.tensors = {{"conv.weight", {3, 2}, {1, 2, 3, 4, 5, 6}},
                  {"conv.bias", {3}, {7, 8, 9}}};
  ASSERT_TRUE(WriteFile(path_, EncodeSafetensors(file)).ok());
  start_.add_tables("body/bias");
  (*start_.mutable_rename())["body/bias"] = "conv.bias";
  ASSERT_TRUE(Read().ok()) << Read().status();

  start_.add_tables("body/weights");
  (*start_.mutable_rename())["body/weights"] = "conv.weight";
  EXPECT_THAT(Mistakes(), AllOf(HasSubstr("has the shape (3, 2), the table "
                                          "body/weights (2, 3)"),
                                HasSubstr("transpose")));
}

TEST_F(StartValuesTest, RefusesARenameOfWhatIsNotTaken) {
  start_.add_tables("body/bias");
  (*start_.mutable_rename())["body/weights"] = "body/weights";
  EXPECT_THAT(Mistakes(), HasSubstr("start.rename: body/weights is not among "
                                    "start.tables"));
}

TEST_F(StartValuesTest, ReadsAFolderAsAnExportWritesIt) {
  const std::string folder = folder_ / "model";
  std::filesystem::create_directories(folder);
  ASSERT_TRUE(
      WriteNpy(folder + "/body.weights.npy", StreamOf(tensors_[0])).ok());
  ASSERT_TRUE(WriteNpy(folder + "/body.bias.npy", StreamOf(tensors_[1])).ok());
  start_.set_from(folder);
  start_.add_tables("body/weights");
  start_.add_tables("body/bias");

  const auto start = Read();

  ASSERT_TRUE(start.ok()) << start.status();
  const std::vector<float> values = Values(*start);
  EXPECT_THAT(std::vector<float>(values.begin(), values.begin() + 9),
              ElementsAre(1, 2, 3, 4, 5, 6, 7, 8, 9));
}

TEST_F(StartValuesTest, AsksForTheModelOfAJob) {
  start_.set_from("job:night@10m");
  start_.add_tables("body/bias");
  std::string asked;

  const auto start = Read([&](const std::string& name, const std::string& at) {
    asked = name + " at " + at;
    return tensors_;
  });

  ASSERT_TRUE(start.ok()) << start.status();
  EXPECT_EQ(asked, "night at 10m");
  EXPECT_TRUE(absl::IsInvalidArgument(Read().status()));  // It cannot ask.
}

TEST_F(StartValuesTest, LeavesTheStateOfAnOptimizerAndSaysSo) {
  TensorFile file;
  file.tensors = tensors_;
  file.tensors.push_back({"slots/adam/first_moment/body/bias", {3}, {0, 0, 0}});
  ASSERT_TRUE(WriteFile(path_, EncodeSafetensors(file)).ok());
  start_.add_tables("body/bias");

  const auto start = Read();

  ASSERT_TRUE(start.ok()) << start.status();
  EXPECT_EQ(start->values->ToProto().slots(), 0);
  EXPECT_THAT(start->notes.back(), HasSubstr("state of an optimizer"));
  EXPECT_THAT(start->notes.front(), Not(HasSubstr("slots/")));
}

TEST(StartJobTest, IsANameAndAVersion) {
  EXPECT_EQ(StartJobOf("model.safetensors"), std::nullopt);
  EXPECT_EQ(StartJobOf("job:night")->name, "night");
  EXPECT_THAT(StartJobOf("job:night")->version, IsEmpty());
  EXPECT_EQ(StartJobOf("job:night@14:03")->version, "14:03");
}

}  // namespace
}  // namespace ebb::tools
