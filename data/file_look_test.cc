#include "data/file_look.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/string_view.h"
#include "data/bytes/tf_record.h"

namespace ebb::data {
namespace {

using absl::string_view;

TEST(FileLookTest, KnowsTables) {
  EXPECT_EQ(LookOf("x,y\n1.5,2\n3,4\n"), FileLook::kNumbers);
  EXPECT_EQ(LookOf("1.5,2.3,0\n"), FileLook::kTable);
  EXPECT_EQ(LookOf("1\t2\n3\t4"), FileLook::kNumbers);
  EXPECT_EQ(LookOf("1::1193::5::978300760\n2::661::3::978302109\n"),
            FileLook::kNumbers);
  EXPECT_EQ(LookOf("name;age\n\"a;b\";5\n"), FileLook::kTable);
  EXPECT_EQ(LookOf("name,age\nAda,5\n"), FileLook::kTable);
}

TEST(FileLookTest, KnowsWhatStandsBetweenTheFieldsOfTables) {
  EXPECT_EQ(DelimiterOf("name;age\n\"a,b\";5\n"), ";");
  EXPECT_EQ(DelimiterOf("1\t2\n3\t4"), "\t");
  EXPECT_EQ(DelimiterOf("x,y\n1.5,2\n"), ",");
  EXPECT_EQ(DelimiterOf("1 3:0.5\n"), "");
  EXPECT_EQ(DelimiterOf("a sentence, and more\n"), "");
}

TEST(FileLookTest, KnowsSparseRows) {
  EXPECT_EQ(LookOf("1 3:0.5 7:1 # a\n-1\n+1 2:1e-3\n"), FileLook::kPairs);
  EXPECT_EQ(LookOf("3:0.5 7:1\n"), FileLook::kPairs);
  EXPECT_EQ(LookOf("2 0:1 4:2\n"), FileLook::kPairs);
  EXPECT_EQ(LookOf("1 0:3:1 1:7:0.5\n"), FileLook::kTriples);
  EXPECT_EQ(LookOf("1 0:3:1 7:0.5\n"), FileLook::kUnclear);
}

TEST(FileLookTest, KnowsJsonAndFilesOfBytes) {
  EXPECT_EQ(LookOf("{\"x\": 1, \"y\": 2}\n"), FileLook::kJson);
  EXPECT_EQ(LookOf(string_view("\x93NUMPY\x01\x00v\x00", 10)), FileLook::kNpy);
  EXPECT_EQ(LookOf(string_view("\0\0\x08\x03\0\0\0\x01", 8)), FileLook::kIdx);
  EXPECT_EQ(LookOf("\x89PNG\r\n\x1a\n"), FileLook::kImage);
  EXPECT_EQ(LookOf(std::string(257, 'a') + "ustar  "), FileLook::kTar);
  std::string record(8, '\0');
  record[0] = 5;
  const uint32_t crc = internal::MaskedCrc(record);
  record.append(reinterpret_cast<const char*>(&crc), sizeof(crc));
  EXPECT_EQ(LookOf(record), FileLook::kTfRecord);
}

TEST(FileLookTest, LeavesTheRestOpen) {
  EXPECT_EQ(LookOf(""), FileLook::kUnclear);
  EXPECT_EQ(LookOf("\n\n"), FileLook::kUnclear);
  EXPECT_EQ(LookOf("1\n2\n"), FileLook::kUnclear);
  EXPECT_EQ(LookOf("A sentence, with a comma.\n"), FileLook::kUnclear);
  EXPECT_EQ(LookOf("One, two.\nNothing.\n"), FileLook::kUnclear);
  EXPECT_EQ(LookOf(string_view("a,b\0\n1,2\n", 9)), FileLook::kUnclear);
}

// A line that is not whole has too few fields.
TEST(FileLookTest, PassesOverTheLineThatIsCut) {
  std::string front = "1,2,3\n4,5,6\n7,8";
  EXPECT_EQ(LookOf(front), FileLook::kUnclear);
  front.resize(kLookBytes, '8');
  EXPECT_EQ(LookOf(front), FileLook::kNumbers);
}

TEST(FileLookTest, SaysWhichFormatsAFileMayHave) {
  EXPECT_TRUE(CouldBe(SourceKind::kCsv, FileLook::kTable));
  EXPECT_TRUE(CouldBe(SourceKind::kRatings, FileLook::kNumbers));
  EXPECT_TRUE(CouldBe(SourceKind::kBags, FileLook::kPairs));
  EXPECT_TRUE(CouldBe(SourceKind::kText, FileLook::kTable));
  EXPECT_TRUE(CouldBe(SourceKind::kText, FileLook::kJson));
  EXPECT_TRUE(CouldBe(SourceKind::kLibsvm, FileLook::kUnclear));
  EXPECT_FALSE(CouldBe(SourceKind::kLibsvm, FileLook::kNumbers));
  EXPECT_FALSE(CouldBe(SourceKind::kText, FileLook::kNumbers));
  EXPECT_FALSE(CouldBe(SourceKind::kLibffm, FileLook::kPairs));
  EXPECT_FALSE(CouldBe(SourceKind::kNpy, FileLook::kTable));
}

// Bug: a text was refused if one of its first lines had numbers alone, or a
// word such as 3:16.
TEST(FileLookTest, TextMayHaveALineOfNumbers) {
  for (const string_view text :
       {"Chapter, one\n1, 2\nIt rains, he said.\n", "Nothing, here\n1, 2\n",
        "1,000\n", "1, 2\nYes, no\n", "John 3:16\nLuke 6:31\n"}) {
    EXPECT_TRUE(CouldBe(SourceKind::kText, LookOf(text))) << text;
  }
  for (const string_view table :
       {"1,2\n3,4\n", "x,y\n1,2\n3,4\n", "1 3:1\n-1 2:1\n"}) {
    EXPECT_FALSE(CouldBe(SourceKind::kText, LookOf(table))) << table;
  }
}

}  // namespace
}  // namespace ebb::data
