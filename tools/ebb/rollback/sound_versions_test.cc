#include "tools/ebb/rollback/sound_versions.h"

#include "gtest/gtest.h"

namespace ebb::tools {
namespace {

using Kind = SoundVersions::Kind;

TEST(SoundVersionsTest, AllGoBackToBeforeOneStoredWhatIsNotSound) {
  EXPECT_EQ(ChooseSound({{{20, true}, {10, true}}, {{15, true}}}).kind,
            Kind::kNewest);
  // The second has more versions since.
  const SoundVersions older =
      ChooseSound({{{30, false}, {10, true}},
                   {{40, false}, {32, true}, {31, true}, {12, true}}});
  EXPECT_EQ(older.kind, Kind::kOlder);
  EXPECT_EQ(older.unix_ms, 29);
}

TEST(SoundVersionsTest, WithoutASoundOneOfEachPartitionThereIsNone) {
  EXPECT_EQ(ChooseSound({{{30, false}, {20, false}}, {{25, true}}}).kind,
            Kind::kNone);
  EXPECT_EQ(ChooseSound({{}}).kind, Kind::kNone);
  // The second has no version that is so old.
  EXPECT_EQ(ChooseSound({{{30, false}, {10, true}}, {{30, true}}}).kind,
            Kind::kNone);
}

}  // namespace
}  // namespace ebb::tools
