#include "tools/ebb/job/data_offer.h"

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/testing/test_folder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/ebb/job/submission.h"
#include "tools/files/files.h"

namespace ebb::tools {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class DataOfferTest : public ::testing::Test {
 protected:
  void SetUp() override {
    before_ = std::filesystem::current_path();
    std::filesystem::current_path(folder_.path());
  }
  void TearDown() override { std::filesystem::current_path(before_); }

  // Returns what is said of the data if it is given as a job file.
  static std::string Said(const std::string& path) {
    const auto prepared = PrepareJob({.file = path});
    EXPECT_EQ(prepared.status().code(), absl::StatusCode::kInvalidArgument);
    return std::string(prepared.status().message());
  }
  // The lines of the offered job file; it must be good.
  static std::string Offered(const std::string& path) {
    std::string job;
    for (absl::string_view line : absl::StrSplit(Said(path), '\n')) {
      if (absl::StartsWith(line, "  ")) absl::StrAppend(&job, line, "\n");
    }
    EXPECT_TRUE(WriteFile("offered.yaml", job).ok());
    const auto good = PrepareJob({.file = "offered.yaml"});
    EXPECT_TRUE(good.ok()) << job << good.status().message();
    return job;
  }
  // Lines of so many rows.
  static std::string Rows(int rows,
                          const std::function<std::string(int)>& row) {
    std::string text;
    for (int i = 0; i < rows; ++i) absl::StrAppend(&text, row(i), "\n");
    return text;
  }
  static void Write(const std::string& path, const std::string& text) {
    ASSERT_TRUE(WriteFile(path, text).ok());
  }

  std::filesystem::path before_;
  const TestFolder folder_;
};

// "superfluous commas" was what the parser of job files said.
TEST_F(DataOfferTest, ATableOfNumbers) {
  Write("houses.csv", "rooms,area,price\n" + Rows(50, [](int i) {
                        return absl::StrCat(i % 5, ",", i * 3 % 17, ",",
                                            1000.5 + 7 * i);
                      }));
  EXPECT_EQ(
      Offered("houses.csv"),
      "  model: linear\n  data: {train: {csv: houses.csv}, split: 0.2}\n");
  EXPECT_THAT(
      Said("houses.csv"),
      AllOf(HasSubstr("houses.csv is a table of columns (csv), and not a job "
                      "file. These two lines are a job file"),
            HasSubstr("- label: column price (the last one), numbers to "
                      "predict; another one is csv: {path: houses.csv, label: "
                      "NAME}, where NAME is one of rooms, area, price\n"),
            HasSubstr("hint: save them as houses.yaml, then `ebb run "
                      "houses.yaml`")));
}

TEST_F(DataOfferTest, ALabelWithAUsualNameAndAnotherDelimiter) {
  Write("my flowers.tsv.txt", "class;x;y\n" + Rows(60, [](int i) {
                                const char* kinds[] = {"iris", "rose", "lily"};
                                return absl::StrCat(kinds[i % 3], ";", i % 7,
                                                    ";", i % 11);
                              }));
  const std::string job = Offered("my flowers.tsv.txt");
  EXPECT_THAT(job, AllOf(HasSubstr("model: softmax\n"),
                         HasSubstr("path: my flowers.tsv.txt"),
                         HasSubstr("label: class"), HasSubstr("\";\"")));
  EXPECT_THAT(Said("my flowers.tsv.txt"), HasSubstr("3 classes"));
}

TEST_F(DataOfferTest, TestDataThatStandsBesideIsTaken) {
  for (const std::string path : {"ads.train.tsv", "ads.test.tsv"}) {
    Write(path, Rows(40, [](int i) {
            return absl::StrCat(i, ".5\t", i % 3, "\t", i % 2);
          }));
  }
  EXPECT_EQ(Offered("ads.train.tsv"),
            "  model: logistic\n"
            "  data: {train: {csv: ads.train.tsv}, test: {csv: "
            "ads.test.tsv}}\n");
}

TEST_F(DataOfferTest, SparseRows) {
  Write("rows.libsvm", Rows(40, [](int i) {
          return absl::StrCat(i % 2 == 0 ? "+1" : "-1", " ", 1 + i % 5, ":0.5");
        }));
  EXPECT_EQ(Offered("rows.libsvm"),
            "  model: logistic\n  data: {train: {libsvm: rows.libsvm}, split: "
            "0.2}\n");
  Write("rows.ffm", Rows(40, [](int i) {
          return absl::StrCat(i % 2, " 0:", 1 + i % 5, ":1 1:", i % 7, ":1");
        }));
  EXPECT_EQ(Offered("rows.ffm"),
            "  model: fm\n  data: {train: {libffm: rows.ffm}, split: 0.2}\n");
}

TEST_F(DataOfferTest, AFolderOfTables) {
  std::filesystem::create_directory("parts");
  for (const std::string path : {"parts/1.csv", "parts/2.csv"}) {
    Write(path, "x,y\n" + Rows(30, [](int i) {
                  return absl::StrCat(i, ",", i % 2 == 0 ? "yes" : "no");
                }));
  }
  EXPECT_EQ(Offered("parts/"),
            "  model: logistic\n  data: {train: {csv: parts/}, split: 0.2}\n");
  EXPECT_THAT(Said("parts/"), HasSubstr("`ebb run parts.yaml`"));
}

TEST_F(DataOfferTest, ImagesInIdxFiles) {
  std::string images("\0\0\x08\x03\0\0\0\x14\0\0\0\x02\0\0\0\x02", 16);
  std::string labels("\0\0\x08\x01\0\0\0\x14", 8);
  for (int i = 0; i < 20; ++i) {
    images += std::string(4, static_cast<char>(i));
    labels += static_cast<char>(i % 2);
  }
  Write("t-images-idx3-ubyte", images);
  Write("t-labels-idx1-ubyte", labels);
  EXPECT_EQ(Offered("t-images-idx3-ubyte"),
            "  model: softmax\n"
            "  data: {train: {idx: t, scale: 1/255}, split: 0.2}\n");
}

// It is refused for what it is.
TEST_F(DataOfferTest, AJobFileWithAMistakeIsNoData) {
  Write("job", "model: linear, and more\ndata: {train: {csv: a.csv}, x: 1}\n");
  EXPECT_THAT(Said("job"), HasSubstr("job:"));
  Write("job.json", "{\"model\": \"linear\", \"data\": {\"tarin\": \"a\"}}\n");
  EXPECT_THAT(Said("job.json"), HasSubstr("tarin"));
  Write("table.yaml", "x,y\n1,2\n3,4\n");
  EXPECT_THAT(Said("table.yaml"), HasSubstr("table.yaml:1:"));
  EXPECT_EQ(OfferJob("nowhere.csv"), std::nullopt);
  Write("prose.txt", "A sentence.\nAnother one.\n");
  EXPECT_EQ(OfferJob("prose.txt"), std::nullopt);
}

}  // namespace
}  // namespace ebb::tools
