#include "workloads/kmeans/tools/centroids.h"

#include <string>
#include <utility>
#include <vector>

#include "common/testing/test_folder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/files/files.h"
#include "tools/tensors/tensor_files.h"

namespace ebb::tools {
namespace {

using ::testing::HasSubstr;

TEST(CentroidsTest, AFileNeedsNoSizes) {
  const TestFolder folder;
  const std::vector<job::DenseTable> tables = {{"centroids", 4, {}, {2, 2}},
                                               {"sizes", 2, {}, {2}}};
  const std::string path = folder / "c.safetensors";
  std::vector<double> origins;
  const auto id_of = [&](std::vector<Tensor> tensors) {
    TensorFile file;
    file.tensors = std::move(tensors);
    EXPECT_TRUE(WriteFile(path, EncodeSafetensors(file)).ok());
    const auto read = ReadCentroids(path, tables, 1, origins);
    return read.ok() ? (*read)->ToProto().id()
                     : std::string(read.status().message());
  };
  const std::string both =
      id_of({{"centroids", {2, 2}, {1, 2, 3, 4}}, {"sizes", {2}, {1, 1}}});
  EXPECT_EQ(id_of({{"centroids", {2, 2}, {1, 2, 3, 4}}}), both);
  EXPECT_THAT(id_of({{"centroids", {2, 3}, {1, 2, 3, 4, 5, 6}}}),
              HasSubstr("has the shape (2, 3)"));
  // Bug: beside an origin, centroids in units of the data were all far off.
  origins = {1e6, 0};
  EXPECT_EQ(id_of({{"centroids", {2, 2}, {1e6 + 1, 2, 1e6 + 3, 4}}}), both);
  EXPECT_THAT(
      id_of({{"centroids", {2, 2}, {1, 2, 3, 4}}, {"sizes", {2}, {1, 1}}}),
      HasSubstr("feature 1 of data.train has numbers that float32 cannot"));
}

}  // namespace
}  // namespace ebb::tools
