#include "job/table_name.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::job {
namespace {

using testing::HasSubstr;

TEST(TableNameTest, TakesPlainNamesAndEscapedBytes) {
  for (const char* const name :
       {"a", "layer1.weight", "a-b_c.9", "~2Fa", "convs.~3Cuser~3E.bias"}) {
    EXPECT_TRUE(IsTableName(name)) << name;
  }
  EXPECT_TRUE(IsTableName(std::string(kLongestTableName, 'a')));
}

TEST(TableNameTest, RefusesWhatFilesAndKeysCannotHave) {
  for (const char* const name :
       {"", ".a", "a/b", "a b", "a<b", "~", "a~", "a~2", "a~2f", "~~2F", "é"}) {
    EXPECT_FALSE(IsTableName(name)) << name;
  }
  EXPECT_FALSE(IsTableName(std::string(kLongestTableName + 1, 'a')));
  EXPECT_THAT(TableNameRule(), HasSubstr("~2F for /"));
}

TEST(TableNameTest, GivesBackWhatPeopleCallTables) {
  EXPECT_EQ(UserTableName("layer1.weight"), "layer1.weight");
  EXPECT_EQ(UserTableName("a~2Fb~7E2F.~C3~A9"), "a/b~2F.é");
  EXPECT_EQ(UserTableName("slots/adam/first_moment/a~20b"),
            "slots/adam/first_moment/a b");
  EXPECT_EQ(UserTableName("a~2f~"), "a~2f~");
}

}  // namespace
}  // namespace ebb::job
