#include "tools/ebb/job/data_hint.h"

#include "gtest/gtest.h"

namespace ebb::tools {
namespace {

TEST(DataHintTest, ACommandMayGoOnInFurtherLines) {
  EXPECT_EQ(DataHint("# A job.\n"
                     "# data: ebb generate clicks ads \\\n"
                     "#   --rows 5\n"
                     "#   ebb run job.yaml\n"
                     "name: ads\n"),
            "get the data by: ebb generate clicks ads --rows 5");
}

TEST(DataHintTest, AStandInIsNamedBesideTheData) {
  EXPECT_EQ(DataHint("# data: curl -O URL\n# stand-in: ebb generate it\n"),
            "get the data by: curl -O URL; or make other data of its shape by: "
            "ebb generate it");
  EXPECT_EQ(DataHint("# stand-in: ebb generate it"),
            "make other data of its shape by: ebb generate it");
}

TEST(DataHintTest, WithoutTheCommentThereIsNoHint) {
  EXPECT_EQ(DataHint("# Data is in the cellar.\ndata: {train: {csv: a}}\n"),
            "");
  EXPECT_EQ(DataHint(""), "");
}

TEST(DataHintTest, ABackslashInTheLastLineOfTheCommentEndsIt) {
  EXPECT_EQ(DataHint("# data: make it \\\nname: a\n"),
            "get the data by: make it");
}

}  // namespace
}  // namespace ebb::tools
