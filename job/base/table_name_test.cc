#include "job/base/table_name.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::job {
namespace {

using testing::HasSubstr;

TEST(TableNameTest, TakesPlainNamesAndEscapedBytes) {
  for (const char* const name :
       {"a", "layer1.weight", "a-b_c.9", "~2Fa", "convs.~3Cuser~3E.bias",
        "~2Ea", "~C3~A9", "~E6~97~A5~E6~9C~AC", "a~00"}) {
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

// Bug: two names could mean one table, and a table whose name is not valid
// UTF-8 had no name in Python.
TEST(TableNameTest, EachHasOneSpelling) {
  for (const char* const name : {"~41", "a~2E", "~5F", "a~2Db", "~30", "~FF",
                                 "~C3", "~C3a", "~A9~C3", "~ED~A0~80"}) {
    EXPECT_FALSE(IsTableName(name)) << name;
    EXPECT_EQ(UserTableName(name), name);
  }
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
