#include "tools/ebb/model/initial_rows.h"

#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <ostream>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/testing/test_folder.h"
#include "datasets/set_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "job/initial_rows.h"
#include "tools/ebb/model/initial_values.h"
#include "tools/tensors/tensor_files.h"

namespace ebb::tools {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// A dense table of one value without state, and a sparse table of rows of two
// floats that adagrad steps; two partitions.
class InitialRowsTest : public ::testing::Test {
 protected:
  InitialRowsTest() {
    rows_.plan.parameters = 1;
    rows_.plan.partitions = 2;
    rows_.plan.sparse_tables = {{.width = 2}};
    rows_.tables = {{.name = "ids", .width = 2}};
    rows_.states = {{"adagrad", {"squares"}}};
  }

  void AddKeys(std::vector<uint64_t> keys) {
    const auto count = static_cast<int64_t>(keys.size());
    streams_.push_back({"ids/keys",
                        TensorType::kUint64,
                        {count},
                        [keys = std::move(keys)](std::ostream& out) {
                          out.write(reinterpret_cast<const char*>(keys.data()),
                                    static_cast<std::streamsize>(
                                        keys.size() * sizeof(keys[0])));
                          return absl::OkStatus();
                        }});
  }
  void AddSteps(const std::string& name, int64_t steps) {
    streams_.push_back({name, TensorType::kInt64, {1}, [steps](auto& out) {
                          out.write(reinterpret_cast<const char*>(&steps),
                                    sizeof(steps));
                          return absl::OkStatus();
                        }});
  }
  void Add(const std::string& name, std::vector<int64_t> dims,
           std::vector<float> values) {
    tensors_.push_back({name, std::move(dims), std::move(values)});
  }
  absl::StatusOr<std::shared_ptr<const InitialValues>> Read() {
    for (const Tensor& tensor : tensors_) streams_.push_back(StreamOf(tensor));
    EXPECT_TRUE(WriteSafetensors(path_, streams_, {}).ok());
    return InitialValues::Read(path_, dense_, {}, &dense_states_, &rows_);
  }
  std::string Mistakes() {
    const auto read = Read();
    EXPECT_TRUE(absl::IsInvalidArgument(read.status())) << read.status();
    return std::string(read.status().message());
  }
  // Returns what a server reads.
  std::string Content(const InitialValues& values) {
    const auto store = *datasets::SetStore::Open({.folder = folder_ / "sets"});
    EXPECT_TRUE(values.Push(store.get()).ok());
    const v1::InitialValues named = values.ToProto();
    std::string content;
    for (int64_t chunk = 0; chunk * datasets::kChunkBytes < named.bytes();
         ++chunk) {
      content += *store->GetChunk(datasets::InitialSetOf(named.id()),
                                  named.id(), chunk);
    }
    return content;
  }
  PartitionId PartitionOf(uint64_t key) const {
    return rows_.plan.PartitionOfKey(key);
  }

  const TestFolder folder_;
  const std::string path_ = folder_ / "rows.safetensors";
  const std::vector<job::DenseTable> dense_ = {{"bias", 1, {}, {1}}};
  const InitialValues::States dense_states_ = {{"adagrad", {}}};
  InitialRows::Tables rows_;
  std::vector<TensorStream> streams_;
  std::vector<Tensor> tensors_;
};

template <typename T>
T At(const std::string& bytes, size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof(value));
  return value;
}

TEST_F(InitialRowsTest, LieBehindTheValuesByPartitionAndKey) {
  // Keys out of order, some of each partition.
  const std::vector<uint64_t> keys = {9, 2, 14, 5, 3, 11};
  std::vector<float> rows, squares;
  for (const uint64_t key : keys) {
    for (const float more : {0.25f, 0.5f}) {
      rows.push_back(static_cast<float>(key) + more);
      squares.push_back(static_cast<float>(key) + 100 + more);
    }
  }
  AddKeys(keys);
  AddSteps("slots/adagrad/step/ids", 12);
  Add("bias", {1}, {7});
  Add("ids/rows", {6, 2}, rows);
  Add("slots/adagrad/squares/ids/rows", {6, 2}, squares);

  const auto values = Read();

  ASSERT_TRUE(values.ok()) << values.status();
  EXPECT_TRUE((*values)->has_rows());
  const v1::InitialValues named = (*values)->ToProto();
  EXPECT_EQ(named.slots(), 0);
  EXPECT_THAT(named.steps(), ElementsAre(0, 12));
  const int64_t directory = 8 * 3, row = 8 + 4 * 4;
  EXPECT_EQ(named.bytes(), 4 + directory + 6 * row);
  EXPECT_EQ(job::InitialRowBytes(named, 1), directory + 6 * row);
  const std::string content = Content(**values);
  ASSERT_EQ(static_cast<int64_t>(content.size()), named.bytes());
  EXPECT_EQ(At<float>(content, 0), 7);
  EXPECT_EQ(At<int64_t>(content, 4), 1);  // Slots.
  const auto of_first = At<int64_t>(content, 4 + 8);
  EXPECT_EQ(of_first + At<int64_t>(content, 4 + 16), 6);
  EXPECT_GT(of_first, 0);
  EXPECT_LT(of_first, 6);
  uint64_t last = 0;
  for (int64_t i = 0; i < 6; ++i) {
    const auto at = static_cast<size_t>(4 + directory + i * row);
    const auto key = At<uint64_t>(content, at);
    EXPECT_EQ(PartitionOf(key).value(), i < of_first ? 0 : 1);
    if (i != 0 && i != of_first) {
      EXPECT_GT(key, last);
    }
    last = key;
    EXPECT_EQ(At<float>(content, at + 8), static_cast<float>(key) + 0.25f);
    EXPECT_EQ(At<float>(content, at + 12), static_cast<float>(key) + 0.5f);
    EXPECT_EQ(At<float>(content, at + 16), static_cast<float>(key) + 100.25f);
    EXPECT_EQ(At<float>(content, at + 20), static_cast<float>(key) + 100.5f);
  }
}

TEST_F(InitialRowsTest, AreCutAnywhereIntoChunks) {
  constexpr int64_t kRows = 150'000;  // Rows of 16 bytes: more than two chunks.
  std::vector<uint64_t> keys(kRows);
  std::vector<float> rows(2 * kRows);
  for (int64_t i = 0; i < kRows; ++i) {
    keys[i] = static_cast<uint64_t>(7 * i);
    rows[2 * i] = static_cast<float>(i);
    rows[2 * i + 1] = -static_cast<float>(i);
  }
  AddKeys(keys);
  Add("bias", {1}, {7});
  Add("ids/rows", {kRows, 2}, rows);
  const auto values = Read();
  ASSERT_TRUE(values.ok()) << values.status();
  EXPECT_THAT((*values)->ToProto().steps(), IsEmpty());
  const std::string content = Content(**values);
  for (int64_t i = 0; i < kRows; ++i) {
    const auto at = static_cast<size_t>(4 + 24 + 16 * i);
    const auto key = At<uint64_t>(content, at);
    const uint64_t number = key / 7;
    ASSERT_EQ(At<float>(content, at + 8), static_cast<float>(number)) << i;
    ASSERT_EQ(At<float>(content, at + 12), -static_cast<float>(number)) << i;
  }
}

TEST_F(InitialRowsTest, ArePassedOverUntilThePlanIsKnown) {
  AddKeys({1});
  Add("bias", {1}, {7});
  Add("ids/rows", {1, 2}, {1, 2});
  ASSERT_TRUE(Read().ok());
  InitialValues::Differences differences;
  differences.sparse_tables = {"ids"};
  const auto values = InitialValues::Read(path_, dense_, differences);
  ASSERT_TRUE(values.ok()) << values.status();
  EXPECT_TRUE((*values)->has_rows());
  EXPECT_EQ((*values)->ToProto().bytes(), 4);
}

// Bug: a table that had no rows yet when it was exported made a file that was
// refused.
TEST_F(InitialRowsTest, AreNotThereIfAllTablesAreEmpty) {
  AddKeys({});
  Add("bias", {1}, {7});
  Add("ids/rows", {0, 2}, {});

  const auto values = Read();

  ASSERT_TRUE(values.ok()) << values.status();
  EXPECT_FALSE((*values)->has_rows());
  EXPECT_EQ((*values)->ToProto().bytes(), 4);
}

TEST_F(InitialRowsTest, AFileNeedsNone) {
  Add("bias", {1}, {7});
  const auto values = Read();
  ASSERT_TRUE(values.ok()) << values.status();
  EXPECT_FALSE((*values)->has_rows());
  EXPECT_EQ((*values)->ToProto().bytes(), 4);
}

TEST_F(InitialRowsTest, HaveAllOfTheirStateOrNone) {
  rows_.states = {{"adam", {"first_moment", "second_moment"}}};
  AddKeys({1});
  Add("bias", {1}, {7});
  Add("ids/rows", {1, 2}, {1, 2});
  Add("slots/adamw/first_moment/ids/rows", {1, 2}, {1, 2});
  EXPECT_THAT(Mistakes(),
              HasSubstr("it has no tensor slots/adam/second_moment/ids/rows, "
                        "slots/adam/step/ids, which is state that the "
                        "optimizer of table ids keeps"));
}

TEST_F(InitialRowsTest, StateOfAnotherOptimizerIsNotTaken) {
  AddKeys({1});
  Add("bias", {1}, {7});
  Add("ids/rows", {1, 2}, {1, 2});
  Add("slots/momentum/velocity/ids/rows", {1, 2}, {1, 2});
  EXPECT_THAT(Mistakes(), AllOf(HasSubstr("state that no optimizer of the job "
                                          "keeps: slots/momentum/velocity/"),
                                HasSubstr("hint: ")));
}

TEST_F(InitialRowsTest, SayWhatIsWrongWithThem) {
  const auto mistakes = [&](const std::vector<uint64_t>& keys,
                            std::vector<int64_t> dims,
                            std::vector<float> rows) {
    streams_.clear();
    tensors_.clear();
    AddKeys(keys);
    Add("bias", {1}, {7});
    Add("ids/rows", std::move(dims), std::move(rows));
    return Mistakes();
  };
  EXPECT_THAT(mistakes({1, 2}, {1, 2}, {1, 2}),
              HasSubstr("tensor ids/rows has the shape (1, 2), the rows of "
                        "table ids (2, 2)"));
  EXPECT_THAT(mistakes({4, 4}, {2, 2}, {1, 2, 3, 4}),
              HasSubstr("tensor ids/keys has key 4 twice"));
  EXPECT_THAT(mistakes({4}, {1, 2}, {1, std::nanf("")}),
              HasSubstr("ids/rows has a value that is not finite, at place 1"));
  rows_.tables[0].max_rows = 1;
  EXPECT_THAT(mistakes({1, 2, 3}, {3, 2}, {1, 2, 3, 4, 5, 6}),
              HasSubstr("3 rows of table ids are more than its max_rows"));
  streams_.clear();
  tensors_.clear();
  AddKeys({1});
  Add("bias", {1}, {7});
  EXPECT_THAT(Mistakes(), HasSubstr("it has ids/keys without ids/rows"));
}

TEST_F(InitialRowsTest, OfTablesThatAreWrittenAreNotTaken) {
  rows_.tables[0].kind = RowKind::kAdditive;
  AddKeys({1});
  Add("bias", {1}, {7});
  Add("ids/rows", {1, 2}, {1, 2});
  EXPECT_THAT(Mistakes(),
              HasSubstr("rows of ids are written, and not trained"));
}

}  // namespace
}  // namespace ebb::tools
