#include "tools/ebb/job/data_offer.h"

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "common/testing/test_folder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/ebb/job/submission.h"
#include "tools/files/files.h"

namespace ebb::tools {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Optional;

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

  static uint32_t Crc32c(absl::string_view bytes) {
    uint32_t crc = ~0u;
    for (const char byte : bytes) {
      crc ^= static_cast<unsigned char>(byte);
      for (int bit = 0; bit < 8; ++bit) {
        crc = crc >> 1 ^ ((crc & 1) != 0 ? 0x82f63b78u : 0);
      }
    }
    return ~crc;
  }
  static void AddTfRecord(const std::string& record, std::string* file) {
    const auto add = [&](const std::string& bytes) {
      // The checksum of the format: rotated, plus a constant.
      const uint32_t crc = Crc32c(bytes);
      const uint32_t masked = ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
      file->append(bytes);
      file->append(reinterpret_cast<const char*>(&masked), sizeof(masked));
    };
    const uint64_t size = record.size();
    add(std::string(reinterpret_cast<const char*>(&size), sizeof(size)));
    add(record);
  }
  // The array has 60 rows. One column makes it a vector.
  static void WriteArray(const std::string& path, int columns,
                         const std::function<double(int)>& value) {
    std::string about =
        absl::StrCat("{'descr': '<f8', 'fortran_order': False, 'shape': (60,",
                     columns == 1 ? "" : absl::StrCat(" ", columns), "), }");
    about.resize(117, ' ');
    std::string file("\x93NUMPY\x01\x00\x76\x00", 10);
    absl::StrAppend(&file, about, "\n");
    for (int i = 0; i < 60 * columns; ++i) {
      const double number = value(i);
      file.append(reinterpret_cast<const char*>(&number), sizeof(number));
    }
    Write(path, file);
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
            HasSubstr("- model: {kind: boosted_trees, labels: values} and "
                      "{kind: forest, labels: values} train on the same "
                      "lines\n"),
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
  EXPECT_THAT(Said("my flowers.tsv.txt"),
              AllOf(HasSubstr("3 classes"),
                    HasSubstr("- model: boosted_trees and forest train on")));
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

// Bug: the lines were no good job file: they did not say what the values are.
TEST_F(DataOfferTest, LinesOfJson) {
  Write("houses.jsonl", Rows(60, [](int i) {
          return absl::StrCat("{\"rooms\": ", i % 5, ", \"at\": [", i, ", 2], ",
                              "\"target\": ", 1000.5 + i, "}");
        }));
  EXPECT_EQ(Offered("houses.jsonl"),
            "  model: linear\n"
            "  data: {train: {json_lines: houses.jsonl, features: {at: {as: "
            "dense, width: 2}, rooms: dense, target: label}}, split: 0.2}\n");
  EXPECT_THAT(Said("houses.jsonl"),
              HasSubstr("- label: target, numbers to predict; "));
  // Bug: a bad line was said to be a second document of YAML.
  Write("nan.jsonl", "{\"x\": 1, \"y\": 0}\n{\"x\": NaN, \"y\": 1}\n");
  EXPECT_THAT(Said("nan.jsonl"),
              AllOf(HasSubstr("nan.jsonl:2: "), HasSubstr("NaN")));
  const auto clicks = [](int i) {
    return absl::StrCat(R"({"user": "u)", i % 7, R"(", "clicked": )", i % 2,
                        "}");
  };
  Write("clicks.jsonl", Rows(60, clicks));
  EXPECT_EQ(Offered("clicks.jsonl"),
            "  model: sparse_logistic\n"
            "  data: {train: {json_lines: clicks.jsonl, features: {clicked: "
            "label, user: key}}, split: 0.2}\n");
  std::filesystem::create_directory("days");
  Write("days/1.jsonl", Rows(60, clicks));
  EXPECT_THAT(Offered("days"), HasSubstr("{train: {json_lines: days, "));
}

// Bug: as for JSON.
TEST_F(DataOfferTest, RecordsOfTfRecord) {
  const auto part = [](int field, const std::string& bytes) {
    return std::string({static_cast<char>(field << 3 | 2),
                        static_cast<char>(bytes.size())}) +
           bytes;
  };
  const auto wholes = [&](char value) {
    return part(3, part(1, std::string(1, value)));
  };
  std::string file;
  for (int i = 0; i < 40; ++i) {
    const auto entry = [&](const std::string& name, int value) {
      return part(1, part(1, name) + part(2, wholes(static_cast<char>(value))));
    };
    const std::string record =
        part(1, entry("a", i) + entry("b", i % 5) + entry("label", i % 3));
    AddTfRecord(record, &file);
  }
  Write("train.tfrecord", file);
  EXPECT_EQ(Offered("train.tfrecord"),
            "  model: softmax\n"
            "  data: {train: {tf_record: train.tfrecord, features: {a: dense, "
            "b: dense, label: label}}, split: 0.2}\n");
  EXPECT_THAT(Said("train.tfrecord"), HasSubstr("- label: label, 3 classes; "));
}

// Bug: the labels were y.npy, which was not there, and classes.
TEST_F(DataOfferTest, ArraysOfNumPy) {
  WriteArray("X_train.npy", 2, [](int i) { return i % 7; });
  WriteArray("y_train.npy", 1, [](int i) { return 0.5 + i; });
  EXPECT_EQ(Offered("X_train.npy"),
            "  model: linear\n"
            "  data: {train: {npy: {features: X_train.npy, labels: "
            "y_train.npy}}, split: 0.2}\n");
  std::filesystem::create_directory("a");
  WriteArray("a/images.npy", 3, [](int i) { return i % 7; });
  EXPECT_THAT(Said("a/images.npy"), HasSubstr("a/y.npy is a guess"));
  WriteArray("a/labels.npy", 1, [](int i) { return i % 2; });
  EXPECT_EQ(Offered("a/images.npy"),
            "  model: logistic\n"
            "  data: {train: {npy: {features: a/images.npy, labels: "
            "a/labels.npy}}, split: 0.2}\n");
}

// In place of Python with pyarrow there is a program that writes the table.
TEST_F(DataOfferTest, TablesInParquetFiles) {
  Write("python",
        "#!/bin/sh\nprintf 'y,x\\n'\nfor i in 1 2 3 4 5 6 7 8; do "
        "printf 'yes,1\\nno,2\\n'; done\n");
  std::filesystem::permissions("python", std::filesystem::perms::owner_all);
  setenv("EBB_PYTHON", (folder_.path() + "/python").c_str(), 1);
  Write("my table.parquet", "PAR1");
  EXPECT_THAT(
      Said("my table.parquet"),
      AllOf(HasSubstr("my table.parquet is a table in a Parquet file, and not"),
            HasSubstr("\n  ebb data pack 'my table.parquet' 'my table.packed' "
                      "--split 0.2 --set data.train.csv.label=y\n"),
            HasSubstr("\n  model: logistic\n  data: {train: {packed: my "
                      "table.packed/train}, test: {packed: my "
                      "table.packed/test}}\n"),
            HasSubstr("- label: column y, 2 classes; another one is --set "
                      "data.train.csv.label=NAME, where NAME is one of y, x"),
            HasSubstr("as my table.yaml")));
  // Bug: a folder of such files was not taken for data.
  std::filesystem::create_directory("days");
  Write("days/1.parquet", "PAR1");
  Write("days/2.parquet", "PAR1");
  EXPECT_THAT(
      Said("days/"),
      AllOf(HasSubstr("days/ is a folder of tables in Parquet files"),
            HasSubstr("\n  ebb data pack 'days/*.parquet' days.packed --split"),
            HasSubstr("{packed: days.packed/train}")));
  unsetenv("EBB_PYTHON");
}

// Bug: two lines were offered to train on it.
TEST_F(DataOfferTest, AFileThatIsNoParquetFileIsNone) {
  Write("t.parquet", "x,y\n1,2\n");
  EXPECT_EQ(OfferJob("t.parquet"),
            "t.parquet: this is no Parquet file, for it does not begin with "
            "PAR1; if it is a text, give it another name");
  Write("empty.parquet", "");
  EXPECT_THAT(OfferJob("empty.parquet"),
              Optional(HasSubstr("this is no Parquet file")));
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
