#include <string>
#include <vector>

#include "common/testing/test_folder.h"
#include "data/byte_source.h"
#include "data/formats/testing.h"
#include "data/pack/packer.h"
#include "data/reader.h"
#include "data/source.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::data::internal {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

SourceSpec Packed(const std::string& folder) {
  return {.kind = SourceKind::kPacked, .path = folder};
}

TEST(PackedReaderTest, GivesEachExampleOnceAndNamesIt) {
  const TestFolder folder;
  const std::string set = folder / "set";
  const OpenBytes open = OpenMemory({{"a.csv", "1,0\n2,1\n3,0\n4,1\n5,1\n"}});
  pack::PackOptions options;
  options.window = 2;
  const auto packed =
      pack::PackSources({{"", {.path = "a.csv"}}}, set, options, open);
  ASSERT_TRUE(packed.ok()) << packed.status();

  const auto reader = OpenReader(Packed(set));
  ASSERT_TRUE(reader.ok()) << reader.status();
  std::vector<float> values;
  Example example;
  while (*(*reader)->Next(&example)) {
    ASSERT_EQ(example.values.size(), 1u);
    EXPECT_EQ(example.label,
              example.values[0] == 1 || example.values[0] == 3 ? 0.0F : 1.0F);
    values.push_back(example.values[0]);
  }
  EXPECT_EQ((*reader)->Where(), "example 5 of " + set);
  EXPECT_NE(values, (std::vector<float>{1, 2, 3, 4, 5}));  // Shuffled.
  std::ranges::sort(values);
  EXPECT_THAT(values, ElementsAre(1, 2, 3, 4, 5));
  const auto files = FingerprintFiles(Packed(set));
  ASSERT_TRUE(files.ok()) << files.status();
  EXPECT_EQ(files->front().fingerprint, (*reader)->Fingerprints().front());
}

TEST(PackedReaderTest, RefusesWhatIsNoPackedSet) {
  const TestFolder folder;
  EXPECT_THAT(OpenReader(Packed(folder.path())).status().message(),
              HasSubstr("is no packed set: it has no footer.ebbp"));
  EXPECT_THAT(OpenReader(Packed("ebb://shirts/train")).status().message(),
              HasSubstr("read in place"));
  SourceSpec split = Packed("set");
  split.split.emplace();
  EXPECT_THAT(OpenReader(split).status().message(),
              HasSubstr("`ebb data pack --split` packs it so"));
}

}  // namespace
}  // namespace ebb::data::internal
