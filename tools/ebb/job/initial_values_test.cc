#include "tools/ebb/job/initial_values.h"

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <limits>
#include <numeric>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "common/testing/test_folder.h"
#include "datasets/set_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/files/files.h"
#include "tools/tensors/tensor_files.h"

namespace ebb::tools {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;

std::vector<float> Counted(int64_t count, float first) {
  std::vector<float> values(count);
  std::iota(values.begin(), values.end(), first);
  return values;
}

class InitialValuesTest : public ::testing::Test {
 protected:
  std::string Write(std::vector<Tensor> tensors) {
    TensorFile file;
    file.tensors = std::move(tensors);
    EXPECT_TRUE(WriteFile(path_, EncodeSafetensors(file)).ok());
    return path_;
  }
  std::string MistakesOf(std::vector<Tensor> tensors) {
    const auto read = InitialValues::Read(Write(std::move(tensors)), tables_);
    EXPECT_TRUE(absl::IsInvalidArgument(read.status())) << read.status();
    return std::string(read.status().message());
  }

  const TestFolder folder_;
  const std::string path_ = folder_ / "initial.safetensors";
  const std::vector<job::DenseTable> tables_ = {
      {"layer1.weights", 6, {}, {2, 3}}, {"layer1.bias", 3, {}, {3}}};
};

TEST_F(InitialValuesTest, AreInTheOrderOfTheTablesWhateverThatOfTheFile) {
  // A table that is larger than a chunk, and one that begins within one.
  const int64_t large = datasets::kChunkBytes / 4 + 5;
  const auto store = *datasets::SetStore::Open({.folder = folder_ / "sets"});
  const auto values =
      InitialValues::Read(Write({{"b", {3}, Counted(3, 1e6)},
                                 {"a", {large, 1}, Counted(large, 0)}}),
                          {{"a", large, {}, {large, 1}}, {"b", 3, {}, {3}}});
  ASSERT_TRUE(values.ok()) << values.status();

  ASSERT_TRUE((*values)->Push(store.get()).ok());
  ASSERT_TRUE((*values)->Push(store.get()).ok());  // It is there.

  const v1::InitialValues named = (*values)->ToProto();
  EXPECT_EQ(named.bytes(), 4 * (large + 3));
  const std::string set = datasets::InitialSetOf(named.id());
  std::string bytes = *store->GetChunk(set, named.id(), 0);
  bytes += *store->GetChunk(set, named.id(), 1);
  std::vector<float> got(bytes.size() / sizeof(float));
  std::memcpy(got.data(), bytes.data(), bytes.size());
  std::vector<float> want = Counted(large, 0);
  for (const float value : Counted(3, 1e6)) want.push_back(value);
  EXPECT_THAT(got, ElementsAreArray(want));
}

// Bug: a job that was submitted again hung on the same damage.
TEST_F(InitialValuesTest, AreMendedByASubmission) {
  const auto store = *datasets::SetStore::Open({.folder = folder_ / "sets"});
  const auto values =
      InitialValues::Read(Write({{"layer1.weights", {2, 3}, Counted(6, 0)},
                                 {"layer1.bias", {3}, Counted(3, 6)}}),
                          tables_);
  ASSERT_TRUE(values.ok()) << values.status();
  ASSERT_TRUE((*values)->Push(store.get()).ok());
  const std::string id = (*values)->ToProto().id();
  const std::string set = datasets::InitialSetOf(id);
  const std::string good = *store->GetChunk(set, id, 0);
  int damaged = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(
           std::string(folder_ / "sets"))) {
    if (!entry.is_regular_file() || entry.file_size() != good.size()) continue;
    ASSERT_TRUE(WriteFile(entry.path(), std::string(good.size(), 'x')).ok());
    ++damaged;
  }
  ASSERT_EQ(damaged, 1);
  ASSERT_FALSE(store->GetChunk(set, id, 0).ok());

  ASSERT_TRUE((*values)->Push(store.get()).ok());

  EXPECT_EQ(*store->GetChunk(set, id, 0), good);
}

// Bug: an exported model of topics, which has their shares beside the counts,
// was refused.
TEST_F(InitialValuesTest, MayDifferWhereTheModelSaysSo) {
  const std::vector<Tensor> more = {{"layer1.weights", {2, 3}, Counted(6, 0)},
                                    {"shares", {2}, {1, 2}}};
  const std::vector<Tensor> exact = {{"layer1.weights", {2, 3}, Counted(6, 0)},
                                     {"layer1.bias", {3}, {0, 0, 0}}};
  const InitialValues::Differences differences = {{"shares", "others"},
                                                  "layer1.bias"};
  const auto lenient = InitialValues::Read(Write(more), tables_, differences);
  ASSERT_TRUE(lenient.ok()) << lenient.status();
  const auto whole = InitialValues::Read(Write(exact), tables_, differences);
  ASSERT_TRUE(whole.ok()) << whole.status();
  EXPECT_EQ((*lenient)->ToProto().id(), (*whole)->ToProto().id());
  EXPECT_THAT(MistakesOf(more), AllOf(HasSubstr("no tensor layer1.bias"),
                                      HasSubstr("no table for: shares")));
}

TEST_F(InitialValuesTest, SayAllThatDoesNotFit) {
  const std::string mistakes =
      MistakesOf({{"layer1.weights", {3, 2}, Counted(6, 0)},
                  {"layer2.bias", {1}, {0}},
                  {"slot/layer1.bias", {1}, {0}}});
  EXPECT_THAT(
      mistakes,
      AllOf(HasSubstr("tensor layer1.weights has the shape (3, 2), the table "
                      "of the job (2, 3)\n"),
            HasSubstr("has no tensor layer1.bias, which the job has\n"),
            HasSubstr("has tensors that the job has no table for: "
                      "layer2.bias, slot/layer1.bias")));
}

TEST_F(InitialValuesTest, AreFinite) {
  std::vector<float> values = Counted(6, 0);
  values[4] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(
      MistakesOf({{"layer1.weights", {2, 3}, values},
                  {"layer1.bias", {3}, Counted(3, 0)}}),
      HasSubstr(
          "tensor layer1.weights has a value that is not finite, at place 4"));
}

TEST_F(InitialValuesTest, AreFloatsOfASafetensorsFile) {
  ASSERT_TRUE(WriteSafetensors(path_,
                               {{"layer1.weights",
                                 TensorType::kFloat32,
                                 {2, 3},
                                 [](std::ostream& out) {
                                   out << std::string(24, '\0');
                                   return absl::OkStatus();
                                 }},
                                {"layer1.bias",
                                 TensorType::kFloat64,
                                 {3},
                                 [](std::ostream& out) {
                                   out << std::string(24, '\0');
                                   return absl::OkStatus();
                                 }}},
                               {})
                  .ok());
  EXPECT_THAT(InitialValues::Read(path_, tables_).status().message(),
              HasSubstr("tensor layer1.bias is not of float32"));
  ASSERT_TRUE(WriteFile(path_, "weights: 1, 2").ok());
  EXPECT_THAT(InitialValues::Read(path_, tables_).status().message(),
              HasSubstr("no safetensors file"));
  EXPECT_THAT(InitialValues::Read(folder_.path(), tables_).status().message(),
              HasSubstr("ebb checkpoint export"));
  EXPECT_TRUE(absl::IsNotFound(
      InitialValues::Read(folder_ / "none", tables_).status()));
  EXPECT_THAT(InitialValues::Read("ebb://set/file", tables_).status().message(),
              HasSubstr("come from a file of this machine"));
}

}  // namespace
}  // namespace ebb::tools
