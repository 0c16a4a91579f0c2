#include "tools/ebb/job/start_values.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <limits>
#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "common/initializer.h"
#include "common/mapped_file.h"
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
    return ReadStart(start_, {tables_, sparse_}, {kSeed, std::move(otherwise)},
                     open);
  }
  // Returns what the scheduler would keep.
  std::string Bytes(const InitialValues& values) {
    const auto store = *datasets::SetStore::Open({.folder = folder_ / "sets"});
    EXPECT_TRUE(values.Push(store.get()).ok());
    const std::string id = values.ToProto().id();
    return *store->GetChunk(datasets::InitialSetOf(id), id, 0);
  }
  std::vector<float> Values(const StartValues& start) {
    const std::string bytes = Bytes(*start.values);
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
  std::vector<job::SparseTable> sparse_;
  v1::Start start_;
};

// The other model has rows, too: three of width 2 under the name "ids".
class StartRowsTest : public StartValuesTest {
 protected:
  static constexpr int64_t kRows = 3;
  static constexpr int64_t kWidth = 2;

  StartRowsTest() {
    Write("ids");
    job::SparseTable& table = sparse_.emplace_back();
    table.name = "ids";
    table.width = kWidth;
    for (const char* name : {"body/weights", "body/bias", "ids"}) {
      start_.add_tables(name);
    }
  }

  void Write(const std::string& name) {
    std::vector<TensorStream> streams;
    streams.push_back(
        {name + "/keys", TensorType::kUint64, {kRows}, [](std::ostream& out) {
           constexpr std::array<uint64_t, kRows> kKeys = {3, 5, 9};
           out.write(reinterpret_cast<const char*>(kKeys.data()),
                     sizeof(kKeys));
           return absl::OkStatus();
         }});
    for (const Tensor& tensor : tensors_) streams.push_back(StreamOf(tensor));
    rows_.name = name + "/rows";
    streams.push_back(StreamOf(rows_));
    slots_.name = "slots/adagrad/squares/" + name + "/rows";
    streams.push_back(StreamOf(slots_));
    EXPECT_TRUE(WriteSafetensors(path_, streams, {}).ok());
  }
  // In one partition, whose optimizer has slots.
  InitialRows::Tables RowTables() const {
    InitialRows::Tables tables;
    for (const job::SparseTable& table : sparse_) {
      tables.plan.sparse_tables.push_back({.width = table.width});
      tables.states.push_back({"adagrad", {"squares"}});
    }
    tables.tables = sparse_;
    return tables;
  }

  Tensor rows_ = {"", {kRows, kWidth}, {1, 2, 3, 4, 5, 6}};
  Tensor slots_ = {"", {kRows, kWidth}, {9, 9, 9, 9, 9, 9}};
};

TEST_F(StartRowsTest, LieBehindTheValuesWithoutSlots) {
  const auto start = Read();
  ASSERT_TRUE(start.ok()) << start.status();
  ASSERT_NE(start->with_rows, nullptr);

  const auto values = start->with_rows(RowTables());

  ASSERT_TRUE(values.ok()) << values.status();
  EXPECT_TRUE((*values)->has_rows());
  EXPECT_EQ((*values)->ToProto().steps_size(), 0);
  const std::string bytes = Bytes(**values);
  constexpr size_t kDense = 15 * sizeof(float);
  constexpr size_t kRow = sizeof(uint64_t) + kWidth * sizeof(float);
  ASSERT_EQ(bytes.size(), kDense + 2 * sizeof(int64_t) + kRows * kRow);
  uint64_t key = 0;
  std::array<float, kWidth> row;
  const char* const last = bytes.data() + bytes.size() - kRow;
  std::memcpy(&key, last, sizeof(key));
  std::memcpy(row.data(), last + sizeof(key), sizeof(row));
  EXPECT_EQ(key, 9);
  EXPECT_THAT(row, ElementsAre(5, 6));
  EXPECT_THAT(start->notes.front(), Not(HasSubstr("ids")));
  EXPECT_THAT(start->notes.back(), HasSubstr("state of an optimizer"));
}

TEST_F(StartRowsTest, AreLeftWhereTheyAreIfNotNamed) {
  start_.mutable_tables()->RemoveLast();

  const auto start = Read();

  ASSERT_TRUE(start.ok()) << start.status();
  EXPECT_EQ(start->with_rows, nullptr);
  EXPECT_THAT(start->notes.front(), HasSubstr("ids/keys, ids/rows"));
  EXPECT_THAT(start->notes[1], HasSubstr("begin anew: head/weights, ids"));
}

TEST_F(StartRowsTest, MayHaveAnotherName) {
  Write("users");
  EXPECT_THAT(Mistakes(),
              HasSubstr("hint: rename: {ids: NAME} takes NAME/keys and "
                        "NAME/rows; " +
                        path_ +
                        " has head/weights (3, 4), users/keys (3), users/rows "
                        "(3, 2); or tables: [body/weights, body/bias]"));
  EXPECT_THAT(Mistakes(), HasSubstr("has no rows for the sparse table ids, "
                                    "which would be ids/keys and ids/rows"));

  (*start_.mutable_rename())["ids"] = "users";

  const auto start = Read();
  ASSERT_TRUE(start.ok()) << start.status();
  EXPECT_TRUE(start->with_rows(RowTables()).ok());
}

TEST_F(StartRowsTest, NameAllThatDiffersWithWhatDiffersOfDenseTables) {
  sparse_[0].width = 4;
  start_.add_tables("head/weights");

  EXPECT_THAT(Mistakes(),
              AllOf(HasSubstr("tensor ids/rows of " + path_ +
                              " has the shape (3, 2), the rows of table ids "
                              "(3, 4)"),
                    HasSubstr("the table head/weights (3, 2)"),
                    HasSubstr("tables: [body/weights, body/bias] takes what "
                              "fits")));
}

TEST_F(StartRowsTest, OfWrittenTablesAreRefused) {
  sparse_[0].kind = RowKind::kAdditive;
  EXPECT_THAT(Mistakes(), HasSubstr("examples write the rows of ids"));
  // Where all tables are taken, they are left out.
  start_.clear_tables();
  EXPECT_THAT(Mistakes(), Not(HasSubstr("ids")));
}

TEST_F(StartRowsTest, AreWholeAndFinite) {
  rows_.values[3] = std::numeric_limits<float>::infinity();
  Write("ids");

  const auto start = Read();

  ASSERT_TRUE(start.ok()) << start.status();
  EXPECT_THAT(start->with_rows(RowTables()).status().message(),
              HasSubstr("ids/rows has a value that is not finite"));
}

TEST_F(StartRowsTest, ComeFromAFolderAsAnExportWritesIt) {
  const std::string folder = folder_ / "folder";
  std::filesystem::create_directories(folder);
  ASSERT_TRUE(WriteNpy(folder + "/body.bias.npy", StreamOf(tensors_[1])).ok());
  ASSERT_TRUE(WriteNpy(folder + "/ids.rows.npy", StreamOf(rows_)).ok());
  start_.set_from(folder);
  start_.clear_tables();
  start_.add_tables("ids");
  EXPECT_THAT(Mistakes(), HasSubstr("has ids/rows without ids/keys"));

  ASSERT_TRUE(
      WriteNpy(folder + "/ids.keys.npy",
               {"keys",
                TensorType::kUint64,
                {kRows},
                [](std::ostream& out) {
                  constexpr std::array<uint64_t, kRows> kKeys = {3, 5, 9};
                  out.write(reinterpret_cast<const char*>(kKeys.data()),
                            sizeof(kKeys));
                  return absl::OkStatus();
                }})
          .ok());
  const auto start = Read();
  ASSERT_TRUE(start.ok()) << start.status();
  EXPECT_TRUE(start->with_rows(RowTables()).ok());
}

TEST_F(StartRowsTest, ComeFromAJobThatIsAskedForThem) {
  start_.set_from("job:night");
  std::vector<bool> asked;
  const ModelOpener open = [&](const StartJob&,
                               bool rows) -> absl::StatusOr<OtherModel> {
    asked.push_back(rows);
    OtherModel model;
    model.tables = tensors_;
    if (rows) model.rows = *MappedFile::Open(path_);
    return model;
  };

  const auto start = Read(open);

  ASSERT_TRUE(start.ok()) << start.status();
  EXPECT_TRUE(start->with_rows(RowTables()).ok());
  start_.mutable_tables()->RemoveLast();
  EXPECT_TRUE(Read(open).ok());
  EXPECT_THAT(asked, ElementsAre(true, false));
}

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
              AllOf(HasSubstr("start.tables: the model has no table "
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

// Bug: nothing said what the other names are.
TEST_F(StartValuesTest, SaysHowTensorsOfOtherNamesAreTaken) {
  TensorFile file;
  file.tensors = {{"conv.bias", {5}, {1, 2, 3, 4, 5}},
                  {"conv.weight", {2, 3}, {1, 2, 3, 4, 5, 6}},
                  tensors_[1]};
  ASSERT_TRUE(WriteFile(path_, EncodeSafetensors(file)).ok());

  // The tensors first that have the shape of such a table.
  EXPECT_THAT(
      Mistakes(),
      AllOf(HasSubstr("has no tensor body/weights for the table body/weights"),
            HasSubstr("has no tensor head/weights for the table head/weights\n"
                      "hint: rename: {body/weights: TENSOR} says which tensor "
                      "it is; " +
                      path_ +
                      " has conv.weight (2, 3), conv.bias (5); or tables: "
                      "[body/bias] takes what fits")));
}

TEST_F(StartValuesTest, ListsAFewOfManyTensors) {
  constexpr int kMany = 30;
  TensorFile file;
  for (int i = 0; i < kMany; ++i) {
    file.tensors.push_back({absl::StrCat("t", i), {1}, {0}});
  }
  ASSERT_TRUE(WriteFile(path_, EncodeSafetensors(file)).ok());
  EXPECT_THAT(Mistakes(), HasSubstr("t26 (1), and 10 more"));
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

  const auto start = Read([&](const StartJob& job, bool) -> OtherModel {
    asked = job.name + " at " + job.version;
    return {tensors_, {}, {"the job is not complete"}};
  });

  ASSERT_TRUE(start.ok()) << start.status();
  EXPECT_EQ(asked, "night at 10m");
  EXPECT_EQ(start->notes.front(),
            "warning: start: job:night@10m: the job is not complete");
  EXPECT_TRUE(absl::IsInvalidArgument(Read().status()));  // It cannot ask.
}

// Bug: with --scheduler, a job of the cluster was taken for it.
TEST_F(StartValuesTest, AFolderWithoutTensorsIsStoredAndNoJobOfTheCluster) {
  start_.set_from(folder_.path());
  start_.add_tables("body/bias");
  std::vector<bool> stored;

  const auto start = Read([&](const StartJob& job, bool) -> OtherModel {
    stored.push_back(job.stored);
    return {tensors_, {}, {}};
  });

  ASSERT_TRUE(start.ok()) << start.status();
  EXPECT_THAT(stored, ElementsAre(true));
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
  EXPECT_FALSE(StartJobOf("job:night@14:03")->stored);
  EXPECT_TRUE(StartJobOf("job:./night")->stored);
}

}  // namespace
}  // namespace ebb::tools
