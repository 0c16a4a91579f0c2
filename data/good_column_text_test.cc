#include "data/good_column_text.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::data {
namespace {

using ::testing::ElementsAre;

TEST(GoodColumnTextTest, LeavesOutWhatIsLeftOutOfTheExamples) {
  SourceSpec spec = {.kind = SourceKind::kCsv,
                     .path = "p",
                     .on_bad_example = OnBadExample::kSkip};
  Index training;
  training.features = 2;
  training.classes = {0, 1};
  // The first and the third line have no number, and the last no known class.
  const OpenBytes open = OpenMemory(
      {{"p", "id,x,y\n1,?,0\n2,5,1\n3,what,1\n4,6,0\n5,7,1\n6,7,9\n"}});
  EXPECT_THAT(*ReadGoodColumnText(spec, training, "id", open),
              ElementsAre("2", "4", "5"));
}

TEST(GoodColumnTextTest, AFirstLineMayBeBadWithoutAHeader) {
  SourceSpec spec = {.kind = SourceKind::kCsv,
                     .path = "p",
                     .on_bad_example = OnBadExample::kSkip};
  spec.csv.header = CsvOptions::Header::kNo;
  Index training;
  training.features = 2;
  training.classes = {0, 1};
  const OpenBytes open =
      OpenMemory({{"p", "1,?,0\n2,5,1\n3,what,1\n4,6,0\n5,7,1\n"}});
  EXPECT_THAT(*ReadGoodColumnText(spec, training, "1", open),
              ElementsAre("2", "4", "5"));
}

}  // namespace
}  // namespace ebb::data
