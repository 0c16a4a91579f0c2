#include "tools/ebb/model/initial_values.h"

#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <limits>
#include <memory>
#include <numeric>
#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "common/testing/test_folder.h"
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

// A table that adam steps, and one without state.
class InitialStateTest : public InitialValuesTest {
 protected:
  struct Step {
    TensorType type = TensorType::kInt64;
    std::vector<int64_t> dims = {1};
    std::string bytes;
  };
  template <typename T>
  static Step StepOf(TensorType type, T value,
                     std::vector<int64_t> dims = {1}) {
    Step step = {type, std::move(dims), std::string(sizeof(T), '\0')};
    std::memcpy(step.bytes.data(), &value, sizeof(T));
    return step;
  }
  static Tensor Moment(const char* name, std::vector<float> values) {
    return {absl::StrCat("slots/", name, "/layer1.weights"),
            {2, 3},
            std::move(values)};
  }

  // A file of these tensors beside the values, with one of steps.
  absl::StatusOr<std::shared_ptr<const InitialValues>> Read(
      const std::vector<Tensor>& state, const std::optional<Step>& step,
      const InitialValues::States& states) {
    std::vector<Tensor> tensors = {{"layer1.weights", {2, 3}, Counted(6, 0)},
                                   {"layer1.bias", {3}, Counted(3, 6)}};
    tensors.insert(tensors.end(), state.begin(), state.end());
    std::vector<TensorStream> streams;
    if (step) {
      streams.push_back({"slots/adam/step/layer1.weights", step->type,
                         step->dims, [&](std::ostream& out) {
                           out << step->bytes;
                           return absl::OkStatus();
                         }});
    }
    for (const Tensor& tensor : tensors) streams.push_back(StreamOf(tensor));
    EXPECT_TRUE(WriteSafetensors(path_, streams, {}).ok());
    return InitialValues::Read(path_, tables_, {}, &states);
  }
  std::string Mistakes(const std::vector<Tensor>& state,
                       const std::optional<Step>& step) {
    const auto read = Read(state, step, states_);
    EXPECT_TRUE(absl::IsInvalidArgument(read.status())) << read.status();
    return std::string(read.status().message());
  }

  const InitialValues::States states_ = {
      {"adam", {"first_moment", "second_moment"}}, {"average", {}}};
  const Tensor first_ = Moment("adam/first_moment", Counted(6, -20));
  const Tensor second_ = Moment("adam/second_moment", Counted(6, 20));
  const Step step_ = StepOf<int64_t>(TensorType::kInt64, 7);
};

TEST_F(InitialStateTest, LiesBehindTheValuesSlotAfterSlot) {
  const auto values = Read({second_, first_}, step_, states_);
  ASSERT_TRUE(values.ok()) << values.status();
  EXPECT_TRUE((*values)->has_state());
  const v1::InitialValues named = (*values)->ToProto();
  EXPECT_EQ(named.bytes(), 4 * 9 * 3);
  EXPECT_EQ(named.slots(), 2);
  EXPECT_THAT(named.steps(), ElementsAre(7, 0));
  const auto store = *datasets::SetStore::Open({.folder = folder_ / "sets"});
  ASSERT_TRUE((*values)->Push(store.get()).ok());
  const std::string bytes =
      *store->GetChunk(datasets::InitialSetOf(named.id()), named.id(), 0);
  std::vector<float> got(bytes.size() / sizeof(float));
  std::memcpy(got.data(), bytes.data(), bytes.size());
  std::vector<float> want = Counted(9, 0);
  for (const Tensor& slot : {first_, second_}) {
    want.insert(want.end(), slot.values.begin(), slot.values.end());
    want.insert(want.end(), 3, 0.0f);
  }
  EXPECT_THAT(got, ElementsAreArray(want));
}

TEST_F(InitialStateTest, IsPassedOverUntilItIsKnownWhatServersKeep) {
  ASSERT_TRUE(Read({first_, second_}, step_, states_).ok());
  const auto values = InitialValues::Read(path_, tables_);
  ASSERT_TRUE(values.ok()) << values.status();
  EXPECT_TRUE((*values)->has_state());
  EXPECT_EQ((*values)->ToProto().slots(), 0);
  EXPECT_EQ((*values)->ToProto().bytes(), 4 * 9);
}

TEST_F(InitialStateTest, StepsAreOneWholeNumberOfAnyType) {
  const Step good[] = {StepOf<float>(TensorType::kFloat32, 7, {}),
                       StepOf<double>(TensorType::kFloat64, 7),
                       StepOf<uint64_t>(TensorType::kUint64, 7, {1, 1})};
  for (const Step& step : good) {
    const auto values = Read({first_, second_}, step, states_);
    ASSERT_TRUE(values.ok()) << values.status();
    EXPECT_EQ((*values)->ToProto().steps(0), 7);
  }
  const Step bad[] = {StepOf<float>(TensorType::kFloat32, 7.5f),
                      StepOf<float>(TensorType::kFloat32, -1),
                      StepOf<float>(TensorType::kFloat32, std::nanf("")),
                      StepOf<double>(TensorType::kFloat64, 1e300),
                      StepOf<int64_t>(TensorType::kInt64, -1),
                      {TensorType::kInt64, {2}, std::string(16, '\0')},
                      {TensorType::kInt64, {0}, ""},
                      StepOf<uint8_t>(TensorType::kUint8, 7)};
  for (const Step& step : bad) {
    EXPECT_THAT(Mistakes({first_, second_}, step),
                HasSubstr("tensor slots/adam/step/layer1.weights must be one "
                          "whole number of steps"));
  }
}

TEST_F(InitialStateTest, OfARuleThatMeansTheSameIsTaken) {
  const InitialValues::States states = {
      {"adamw", {"first_moment", "second_moment"}}, {"sgd", {}}};
  EXPECT_TRUE(Read({first_, second_}, step_, states).ok());
  // Only adam counts steps.
  EXPECT_TRUE(Read({Moment("momentum/velocity", Counted(6, 0))}, std::nullopt,
                   {{"nesterov", {"velocity"}}, {"sgd", {}}})
                  .ok());
}

TEST_F(InitialStateTest, MustBeWhatTheOptimizersOfTheJobKeep) {
  const auto hint = HasSubstr("hint: a job that goes on from the state of");
  EXPECT_THAT(Mistakes({first_}, std::nullopt),
              AllOf(HasSubstr("has no tensor slots/adam/second_moment/"
                              "layer1.weights, slots/adam/step/"
                              "layer1.weights, which is state"),
                    hint));
  const Tensor bias = {"slots/adam/first_moment/layer1.bias", {3}, {1, 2, 3}};
  EXPECT_THAT(Mistakes({first_, second_, bias}, step_),
              AllOf(HasSubstr("state that no optimizer of the job keeps: "
                              "slots/adam/first_moment/layer1.bias"),
                    hint));
  const auto other =
      Read({first_, second_}, step_, {{"adagrad", {"squares"}}, {"sgd", {}}});
  EXPECT_THAT(other.status().message(),
              AllOf(HasSubstr("has no tensor slots/adagrad/squares/"
                              "layer1.weights"),
                    HasSubstr("keeps: slots/adam/first_moment/"
                              "layer1.weights"),
                    hint));
}

TEST_F(InitialStateTest, MistakesOfItsValuesAreNamed) {
  Tensor turned = first_;
  turned.dims = {3, 2};
  EXPECT_THAT(Mistakes({turned, second_}, step_),
              HasSubstr("tensor slots/adam/first_moment/layer1.weights has the "
                        "shape (3, 2), the table of the job (2, 3)"));
  Tensor infinite = first_;
  infinite.values[4] = std::numeric_limits<float>::infinity();
  EXPECT_THAT(Mistakes({infinite, second_}, step_),
              HasSubstr("first_moment/layer1.weights has a value that is not "
                        "finite, at place 4"));
  // A square root of it would be no number.
  Tensor negative = second_;
  negative.values[2] = -0.5f;
  EXPECT_THAT(Mistakes({first_, negative}, step_),
              HasSubstr("second_moment/layer1.weights has a value below 0, at "
                        "place 2"));
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
