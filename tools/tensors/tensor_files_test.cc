#include "tools/tensors/tensor_files.h"

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::tools {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TensorFile Two() {
  TensorFile file;
  file.metadata["ebb.job"] = "name: \"x\"\n";
  file.tensors = {{"w", {2, 3}, {1, 2, 3, 4, 5, 6}}, {"b", {1}, {-0.5f}}};
  return file;
}

TEST(TensorFilesTest, WritesSafetensorsAsTheFormatSays) {
  TensorFile file;
  file.tensors = {{"b", {1}, {1.0f}}};
  const std::string header =
      "{\"b\": {\"dtype\": \"F32\", \"shape\": [1], \"data_offsets\": [0, 4]}}";
  const std::string bytes = EncodeSafetensors(file);
  const size_t padded = (header.size() + 7) / 8 * 8;
  ASSERT_EQ(bytes.size(), 8 + padded + 4);
  EXPECT_EQ(bytes[0], static_cast<char>(padded));
  EXPECT_EQ(bytes.substr(1, 7), std::string(7, '\0'));
  EXPECT_EQ(bytes.substr(8, header.size()), header);
  EXPECT_EQ(bytes.substr(8 + padded), std::string("\x00\x00\x80\x3f", 4));
}

TEST(TensorFilesTest, ReadsWhatItWrote) {
  const auto read = DecodeSafetensors(EncodeSafetensors(Two()));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->metadata.at("ebb.job"), "name: \"x\"\n");
  ASSERT_EQ(read->tensors.size(), 2);
  EXPECT_EQ(read->tensors[0].name, "w");
  EXPECT_THAT(read->tensors[0].dims, ElementsAre(2, 3));
  EXPECT_THAT(read->tensors[0].values, ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_EQ(read->tensors[1].name, "b");
  EXPECT_THAT(read->tensors[1].values, ElementsAre(-0.5f));
}

// Bug: the order of a hash map, another in each process.
TEST(TensorFilesTest, ReadsEmptyTensorsInOneOrder) {
  TensorFile file;
  for (const char* name : {"f", "e", "d", "c", "b", "a"}) {
    file.tensors.push_back({name, {0, 3}, {}});
  }
  file.tensors.push_back({"A", {}, {2}});
  const auto read = DecodeSafetensors(EncodeSafetensors(file));
  ASSERT_TRUE(read.ok()) << read.status();
  std::string names;
  for (const Tensor& tensor : read->tensors) names += tensor.name;
  EXPECT_EQ(names, "abcdefA");
  EXPECT_THAT(read->tensors[0].dims, ElementsAre(0, 3));
}

TEST(TensorFilesTest, RefusesEveryTruncation) {
  const std::string bytes = EncodeSafetensors(Two());
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(DecodeSafetensors(bytes.substr(0, size)).ok()) << size;
  }
}

TEST(TensorFilesTest, RefusesHeadersThatCannotBe) {
  const auto with = [](const std::string& header) {
    std::string bytes(8, '\0');
    bytes[0] = static_cast<char>(header.size());
    return DecodeSafetensors(bytes + header + std::string(8, '\0')).status();
  };
  EXPECT_TRUE(with("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],"
                   "\"data_offsets\":[0,8]}}")
                  .ok());
  for (const char* header :
       {"[]", "{", "{\"a\":3}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,16]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,8]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1e300],\"data_offsets\":[0,8]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[8,8,8],\"data_offsets\":[0,8]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0]}}"}) {
    EXPECT_FALSE(with(header).ok()) << header;
  }
  EXPECT_THAT(std::string(with("{\"a\":{\"dtype\":\"C64\",\"shape\":[1],"
                               "\"data_offsets\":[0,8]}}")
                              .message()),
              HasSubstr("F32, F64, U64, I64 and U8 are read"));
}

// Bug: a dimension beside one of 0 could not be larger than all data.
TEST(TensorFilesTest, ATensorWithoutElementsMayHaveAnyOtherDimensions) {
  for (const std::vector<int64_t>& dims :
       {std::vector<int64_t>{0, 13}, {13, 0}, {int64_t{1} << 40, 0, 7}}) {
    TensorFile file;
    file.tensors = {{"empty", dims, {}}};
    const auto read = DecodeSafetensors(EncodeSafetensors(file));
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(read->tensors[0].dims, dims);
  }
}

TEST(TensorFilesTest, ReadsNpyThatItWrote) {
  const std::string bytes = EncodeNpy({"w", {2, 3}, {1, 2, 3, 4, 5, 6}});

  const auto tensor = ViewNpy("w", bytes);

  ASSERT_TRUE(tensor.ok()) << tensor.status();
  EXPECT_EQ(tensor->type, TensorType::kFloat32);
  EXPECT_EQ(tensor->dims, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(tensor->data, bytes.substr(bytes.size() - 24));
  EXPECT_EQ(ViewNpy("b", EncodeNpy({"b", {1}, {7}}))->dims,
            std::vector<int64_t>{1});
}

TEST(TensorFilesTest, RefusesNpyThatIsDamagedOrOfAnotherForm) {
  const std::string good = EncodeNpy({"w", {2, 3}, {1, 2, 3, 4, 5, 6}});
  const auto with = [&](const char* from, const char* to) {
    return ViewNpy("w", absl::StrReplaceAll(good, {{from, to}})).status();
  };
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_TRUE(absl::IsDataLoss(ViewNpy("w", good.substr(0, size)).status()))
        << size;
  }
  EXPECT_TRUE(absl::IsDataLoss(with("(2, 3)", "(2, x)")));
  EXPECT_TRUE(absl::IsDataLoss(with("(2, 3)", "(9, 9)")));
  EXPECT_TRUE(absl::IsInvalidArgument(with("False", "True ")));
  EXPECT_TRUE(absl::IsInvalidArgument(with("<f4", ">f4")));
}

TEST(TensorFilesTest, WritesNpyAsTheFormatSays) {
  const std::string bytes = EncodeNpy({"w", {1, 2}, {1.0f, 2.0f}});
  ASSERT_EQ(bytes.size(), 64 + 64 + 8);
  EXPECT_EQ(bytes.substr(0, 10), std::string("\x93NUMPY\x01\x00\x76\x00", 10));
  EXPECT_EQ(bytes.substr(10, 61),
            "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }  ")
      << bytes;
  EXPECT_EQ(bytes[127], '\n');
  EXPECT_EQ(bytes.substr(128),
            std::string("\x00\x00\x80\x3f\x00\x00\x00\x40", 8));
  EXPECT_THAT(EncodeNpy({"b", {3}, {1, 2, 3}}), HasSubstr("'shape': (3,), }"));
}

}  // namespace
}  // namespace ebb::tools
