#include "data/column_text.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::data {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

SourceSpec Table() { return {.kind = SourceKind::kCsv, .path = "p"}; }

TEST(ColumnTextTest, IsTheTextOfEachRecordOfAllFiles) {
  const OpenBytes open = OpenMemory(
      {{"p/1", "id,x,y\n007,1,0\n\"a,b\",2,1\n"}, {"p/2", "id,x,y\nc,3,1\n"}});
  EXPECT_THAT(*ReadColumnText(Table(), {}, "id", open),
              ElementsAre("007", "a,b", "c"));
  EXPECT_THAT(*ReadColumnText(Table(), {}, "3", open),
              ElementsAre("0", "1", "1"));
}

TEST(ColumnTextTest, TakesColumnsByNumberWithoutAHeader) {
  EXPECT_THAT(
      *ReadColumnText(Table(), {}, "1", OpenMemory({{"p", "7,1,0\n8,2,1\n"}})),
      ElementsAre("7", "8"));
}

TEST(ColumnTextTest, NamesColumnsAsOptionsCallThem) {
  EXPECT_THAT(*ReadColumnNames(Table(), OpenMemory({{"p", "id,x,y\n7,1,0\n"}})),
              ElementsAre("id", "x", "y"));
  EXPECT_THAT(*ReadColumnNames(Table(), OpenMemory({{"p", "7,1\n8,2\n"}})),
              ElementsAre("1", "2"));
}

TEST(ColumnTextTest, RefusesColumnsThatAreNotThere) {
  EXPECT_THAT(ReadColumnText(Table(), {}, "name",
                             OpenMemory({{"p", "id,x,y\n7,1,0\n"}}))
                  .status()
                  .message(),
              HasSubstr("name"));
  SourceSpec pairs = {.kind = SourceKind::kLibsvm, .path = "p"};
  EXPECT_THAT(ReadColumnText(pairs, {}, "id", OpenMemory({{"p", "1 1:1\n"}}))
                  .status()
                  .message(),
              HasSubstr("p is no table with columns (csv)"));
}

}  // namespace
}  // namespace ebb::data
