#include "tools/process/last_words.h"

#include "gtest/gtest.h"

namespace ebb::tools {
namespace {

constexpr char kStart[] =
    "I20261121 06:29:09.677762 12 ps_main.cc:116] ebb-ps 0.1.0 starts: id=0\n";
constexpr char kServes[] =
    "I20261121 06:29:09.691196 12 ps_main.cc:235] server=0 serves\n";
constexpr char kWarning[] =
    "W20261121 06:29:12.341830 12 ps.cc:125] the disk is full";

// A run ended with an error that quoted how well a worker had begun.
TEST(LastWordsTest, AreTheLastWarningOrErrorAndNoInformation) {
  EXPECT_EQ(LastWords(std::string(kStart) + kWarning + "\n" + kServes),
            kWarning);
  EXPECT_EQ(LastWords(std::string(kStart) + kServes), "");
  EXPECT_EQ(LastWords(""), "");
}

TEST(LastWordsTest, AreOfTheLastLife) {
  const std::string before = std::string(kStart) + kWarning + "\n";

  EXPECT_EQ(LastWords(before + kStart + kServes), "");
  EXPECT_EQ(LastWords(before + "ebb-ps: --id: it is no number\n"),
            "ebb-ps: --id: it is no number");
}

// Bug: of a daemon that refused a flag was told that --help has all flags.
TEST(LastWordsTest, AreWhyAFlagIsRefused) {
  EXPECT_EQ(LastWords("ebb-ps: --memory (EBB_MEMORY): -1 is negative\n"
                      "ebb-ps --help has all flags\n"),
            "ebb-ps: --memory (EBB_MEMORY): -1 is negative");
}

TEST(LastWordsTest, OfACrashAreWhatIsAboveItsStack) {
  const std::string check = "F20261121 06:29:12.341830 12 a.cc:1] Check failed";

  EXPECT_EQ(LastWords(std::string(kStart) + check +
                      "\n*** Check failure stack trace: ***\n"
                      "    @     0x7f1 google::LogMessage::Fail()\n"),
            check);
}

TEST(LastFailedBatchTest, SaysWhyTheLastOneFailed) {
  const std::string error =
      "E20261121 06:29:12.341830 12 a.cc:1] job=a item=b ";

  EXPECT_EQ(LastFailedBatch(std::string(kStart) + error +
                            "cannot be computed: no file\n" + error +
                            "cannot be computed: a full disk\n" +
                            "W20261121 06:29:13.341830 12 a.cc:1] more\n"),
            "a full disk");
  EXPECT_EQ(LastFailedBatch(kStart), "");
}

}  // namespace
}  // namespace ebb::tools
