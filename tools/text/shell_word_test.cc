#include "tools/text/shell_word.h"

#include "gtest/gtest.h"

namespace ebb::tools {
namespace {

TEST(ShellWordTest, QuotesWhatAShellWouldReadOtherwise) {
  EXPECT_EQ(ShellWord("runs/mlp-1"), "runs/mlp-1");
  EXPECT_EQ(ShellWord("s3://bucket/a.csv"), "s3://bucket/a.csv");
  EXPECT_EQ(ShellWord("my table.csv"), "'my table.csv'");
  EXPECT_EQ(ShellWord("days/*.csv"), "'days/*.csv'");
  EXPECT_EQ(ShellWord("it's"), "'it'\"'\"'s'");
  EXPECT_EQ(ShellWord(""), "''");
}

}  // namespace
}  // namespace ebb::tools
