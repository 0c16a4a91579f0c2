#include "data/formats/foreign.h"

#include <string>

#include "data/byte_source.h"
#include "data/formats/testing.h"
#include "data/source.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::data::internal {
namespace {

using ::testing::HasSubstr;

std::string Why(const std::string& bytes) {
  return std::string(RefuseForeign("d/f", bytes).message());
}

TEST(ForeignTest, SaysWhatAFileIsAndWhatToDo) {
  EXPECT_EQ(Why("PAR1\x15\x04"),
            "d/f: is a Parquet file, which ebb does not read; `ebb data pack "
            "d/f DEST` packs it by pyarrow, and jobs read what is packed");
  EXPECT_EQ(Why(std::string("ARROW1\0", 7)),
            "d/f: is an Arrow (Feather) file, which ebb does not read; make it "
            "CSV, for example with pandas: python3 -c \"import pandas as p; "
            "p.read_feather('d/f').to_csv('d/f.csv', index=False)\"");
  EXPECT_EQ(Why("PK\x03\x04 and more"),
            "d/f: is a zip archive (.xlsx and .npz files are, too), which ebb "
            "does not read; unpack it, as `unzip d/f` does, and name the file "
            "that was in it");
  EXPECT_THAT(Why("\x89HDF\r\n\x1a\n"), HasSubstr("an HDF5 file"));
  EXPECT_THAT(Why(std::string("SQLite format 3\0", 16)),
              HasSubstr("an SQLite database"));
  EXPECT_THAT(Why(std::string(257, 'a') + std::string("ustar\0", 6)),
              HasSubstr("tar archive"));
  EXPECT_THAT(Why("version https://git-lfs.github.com/spec/v1\noid"),
              HasSubstr("git lfs pull"));
  EXPECT_THAT(Why("\n <!DOCTYPE HTML><html>"), HasSubstr("an HTML page"));
  EXPECT_THAT(Why("@RELATION iris\n"), HasSubstr("an ARFF file"));
  EXPECT_THAT(Why("{\"a\": 1}\n"), HasSubstr("name it by json_lines: d/f"));
  EXPECT_THAT(Why("[{\"a\": 1}]"), HasSubstr("is a JSON list"));
}

TEST(ForeignTest, LetsTextBe) {
  for (const char* const text :
       {"", "P", "PAR1,FEA1\n1,2\n", "PK,a\n", "ustar,a,b\n", "html,a\n",
        "%,a\n", "Obj,a\n", "0 1:2\n"}) {
    EXPECT_TRUE(RefuseForeign("f", text).ok()) << text;
    EXPECT_TRUE(RefuseOtherText("f", text).ok()) << text;
  }
}

TEST(ForeignTest, NamesUtf16) {
  const auto why = [](const std::string& bytes) {
    return std::string(RefuseOtherText("f", bytes).message());
  };
  EXPECT_EQ(why("\xff\xfe" + std::string("a\0", 2)),
            "f: is text in UTF-16; make it UTF-8, as `iconv -f UTF-16 -t UTF-8 "
            "f` does");
  EXPECT_THAT(why(std::string("1\0,\0"
                              "2\0\n\0",
                              8)),
              HasSubstr("UTF-16LE"));
  EXPECT_THAT(why(std::string("\0"
                              "1\0,\0"
                              "2\0\n",
                              8)),
              HasSubstr("UTF-16BE"));
  EXPECT_THAT(why(std::string("\xff\xfe\0\0", 4)), HasSubstr("UTF-32"));
}

// Whatever the format is read as, and whatever the file is compressed with.
TEST(ForeignTest, EveryReaderRefuses) {
  for (const SourceKind kind :
       {SourceKind::kCsv, SourceKind::kLibsvm, SourceKind::kLibffm,
        SourceKind::kRatings, SourceKind::kCriteo, SourceKind::kIdx}) {
    SourceSpec spec = {.kind = kind, .path = "f"};
    if (kind == SourceKind::kIdx) spec = {.kind = kind, .idx = {"f", "f"}};
    for (const std::string& bytes :
         {std::string("PAR1\x15"), Gzip("PAR1\x15"), Zstd("PAR1\x15")}) {
      EXPECT_THAT(ReadAll(spec, OpenMemory({{"f", bytes}})).status().message(),
                  HasSubstr("f: is a Parquet file"));
    }
  }
}

}  // namespace
}  // namespace ebb::data::internal
