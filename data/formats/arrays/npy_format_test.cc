#include <zlib.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "data/byte_source.h"
#include "data/formats/arrays/npy_array.h"
#include "data/formats/testing.h"
#include "data/reader.h"
#include "data/source.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::data::internal {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Files = std::map<std::string, std::string>;

SourceSpec MatrixSpec() {
  return {.kind = SourceKind::kNpy,
          .npy = {.features = "X.npy", .labels = "y.npy"}};
}

SourceSpec RowsSpec() {
  return {.kind = SourceKind::kNpy,
          .npy = {.labels = "y.npy",
                  .data = "data.npy",
                  .indices = "indices.npy",
                  .indptr = "indptr.npy",
                  .columns = 4}};
}

// Two examples of three features.
Files Matrix() {
  return {
      {"X.npy", Npy("<f4", "(2, 3)", BytesOf<float>({1, 2, 3, -4, 0.5, 6}))},
      {"y.npy", Npy("<i8", "(2,)", BytesOf<int64_t>({7, 3}))}};
}

// [[0, 5, 0, 6], [0, 0, 0, 0], [7, 0, 0, 0]]
Files Rows() {
  return {{"data.npy", Npy("<f8", "(3,)", BytesOf<double>({5, 6, 7}))},
          {"indices.npy", Npy("<i4", "(3,)", BytesOf<int32_t>({1, 3, 0}))},
          {"indptr.npy", Npy("<i4", "(4,)", BytesOf<int32_t>({0, 2, 2, 3}))},
          {"y.npy", Npy("<f8", "(3,)", BytesOf<double>({0, 1, 1}))}};
}

Files With(Files files, const std::string& name, std::string bytes) {
  files[name] = std::move(bytes);
  return files;
}

std::string Message(const SourceSpec& spec, Files files) {
  const absl::Status status =
      ReadAll(spec, OpenMemory(std::move(files))).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  return std::string(status.message());
}

TEST(NpyReaderTest, ReadsAMatrixBesideItsLabels) {
  const auto all = ReadAll(MatrixSpec(), OpenMemory(Matrix()));
  ASSERT_TRUE(all.ok()) << all.status();
  ASSERT_EQ(all->size(), 2u);
  EXPECT_THAT((*all)[0].values, ElementsAre(1, 2, 3));
  EXPECT_EQ((*all)[0].label, 7);
  EXPECT_THAT((*all)[1].values, ElementsAre(-4, 0.5, 6));
  EXPECT_EQ((*all)[1].label, 3);
}

TEST(NpyReaderTest, ReadsEveryTypeOfNumbers) {
  const std::vector<std::pair<const char*, std::string>> columns = {
      {"<f8", BytesOf<double>({1, 2})},
      {">f4", std::string("\x3f\x80\0\0\x40\0\0\0", 8)},
      {"|i1", BytesOf<int8_t>({1, 2})},
      {"<i2", BytesOf<int16_t>({1, 2})},
      {">i4", std::string("\0\0\0\x01\0\0\0\x02", 8)},
      {"<i8", BytesOf<int64_t>({1, 2})},
      {"<u2", BytesOf<uint16_t>({1, 2})},
      {"<u4", BytesOf<uint32_t>({1, 2})},
      {"<u8", BytesOf<uint64_t>({1, 2})}};
  for (const auto& [descr, bytes] : columns) {
    const auto all = ReadAll(
        MatrixSpec(),
        OpenMemory(With(Matrix(), "X.npy", Npy(descr, "(2, 1)", bytes))));
    ASSERT_TRUE(all.ok()) << descr << ": " << all.status();
    EXPECT_THAT((*all)[0].values, ElementsAre(1)) << descr;
    EXPECT_THAT((*all)[1].values, ElementsAre(2)) << descr;
  }
}

TEST(NpyReaderTest, KeepsBytesAsBytesAndFlattensDimensions) {
  const auto all = ReadAll(
      MatrixSpec(),
      OpenMemory(With(Matrix(), "X.npy", Npy("|u1", "(2, 1, 2)", "abcd"))));
  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_THAT((*all)[1].bytes, ElementsAre('c', 'd'));
}

TEST(NpyReaderTest, ReadsCompressedFilesAndTheOtherVersions) {
  std::string second = Matrix()["X.npy"];
  second[6] = 2;
  second.insert(10, 2, '\0');
  const auto all =
      ReadAll(MatrixSpec(), OpenMemory(With(Matrix(), "X.npy", Gzip(second))));
  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_THAT((*all)[0].values, ElementsAre(1, 2, 3));
}

TEST(NpyReaderTest, ReadsSparseRows) {
  const auto all = ReadAll(RowsSpec(), OpenMemory(Rows()));
  ASSERT_TRUE(all.ok()) << all.status();
  ASSERT_EQ(all->size(), 3u);
  EXPECT_THAT((*all)[0].ids, ElementsAre(1, 3));
  EXPECT_THAT((*all)[0].values, ElementsAre(5, 6));
  EXPECT_THAT((*all)[1].ids, ElementsAre());
  EXPECT_THAT((*all)[2].ids, ElementsAre(0));
  EXPECT_EQ((*all)[2].label, 1);
}

// Bug: such matrices, which SciPy allows, were refused.
TEST(NpyReaderTest, SortsARowAndSumsWhatStandsInOneColumn) {
  Files files = With(Rows(), "indices.npy",
                     Npy("<i4", "(5,)", BytesOf<int32_t>({3, 1, 3, 0, 0})));
  files = With(std::move(files), "data.npy",
               Npy("<f8", "(5,)", BytesOf<double>({2, 5, 4, 0.1, 0.2})));
  files = With(std::move(files), "indptr.npy",
               Npy("<i4", "(4,)", BytesOf<int32_t>({0, 3, 3, 5})));
  const auto all = ReadAll(RowsSpec(), OpenMemory(files));
  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_THAT((*all)[0].ids, ElementsAre(1, 3));
  EXPECT_THAT((*all)[0].values, ElementsAre(5, 6));
  EXPECT_THAT((*all)[2].ids, ElementsAre(0));
  EXPECT_THAT((*all)[2].values, ElementsAre(0.3F));  // Rounded once.
  SourceSpec spec = RowsSpec();
  spec.npy.keys = true;
  spec.npy.columns = 0;
  const auto keyed = ReadAll(spec, OpenMemory(files));
  ASSERT_TRUE(keyed.ok()) << keyed.status();
  EXPECT_THAT((*keyed)[0].keys, ElementsAre(1, 3));
  EXPECT_THAT((*keyed)[0].values, ElementsAre(5, 6));
  // True and true are true.
  files = With(std::move(files), "data.npy",
               Npy("|b1", "(5,)", std::string("\1\1\1\0\1", 5)));
  const auto booleans = ReadAll(RowsSpec(), OpenMemory(files));
  ASSERT_TRUE(booleans.ok()) << booleans.status();
  EXPECT_THAT((*booleans)[0].values, ElementsAre(1, 1));
  EXPECT_THAT((*booleans)[2].values, ElementsAre(1));
}

TEST(NpyReaderTest, ReadsSparseRowsOfKeys) {
  SourceSpec spec = RowsSpec();
  spec.npy.keys = true;
  spec.npy.columns = 0;
  const auto all = ReadAll(
      spec, OpenMemory(With(Rows(), "indices.npy",
                            Npy("<i8", "(3,)",
                                BytesOf<int64_t>({1, int64_t{1} << 40, 0})))));
  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_THAT((*all)[0].keys, ElementsAre(1, uint64_t{1} << 40));
  EXPECT_THAT((*all)[0].fields, ElementsAre(0, 0));
}

// Bug: hashes of 2^63 and more were told to be negative indices.
TEST(NpyReaderTest, KeysAreAny64Bits) {
  SourceSpec spec = RowsSpec();
  spec.npy.keys = true;
  spec.npy.columns = 0;
  constexpr uint64_t kHigh = uint64_t{1} << 63;
  const std::string high = BytesOf<uint64_t>({1, kHigh, kHigh + 1});
  auto all = ReadAll(
      spec, OpenMemory(With(Rows(), "indices.npy", Npy("<u8", "(3,)", high))));
  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_THAT((*all)[0].keys, ElementsAre(1, kHigh));
  EXPECT_THAT((*all)[2].keys, ElementsAre(kHigh + 1));
  // Signed ones ascend as they are written.
  all = ReadAll(spec,
                OpenMemory(With(
                    Rows(), "indices.npy",
                    Npy("<i8", "(3,)", BytesOf<int64_t>({-5, 2, INT64_MIN})))));
  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_THAT((*all)[0].keys, ElementsAre(static_cast<uint64_t>(-5), 2));
  EXPECT_THAT((*all)[2].keys, ElementsAre(kHigh));
}

TEST(NpyReaderTest, NamesTheNumberThatIsNotFinite) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(Message(MatrixSpec(), With(Matrix(), "X.npy",
                                       Npy("<f4", "(2, 2)",
                                           BytesOf<float>({1, 2, 3, kNan})))),
            "X.npy[1, 1]: 'nan' is not a finite number");
  EXPECT_EQ(Message(MatrixSpec(),
                    With(Matrix(), "X.npy",
                         Npy("<f8", "(2, 1)", BytesOf<double>({1e300, 3})))),
            "X.npy[0, 0]: '1.0000000000000001e+300' does not fit a 32-bit "
            "float");
  EXPECT_EQ(Message(MatrixSpec(),
                    With(Matrix(), "y.npy",
                         Npy("<f8", "(2,)", BytesOf<double>({1, -INFINITY})))),
            "y.npy[1]: label: '-inf' is not a finite number");
  EXPECT_THAT(Message(MatrixSpec(),
                      With(Matrix(), "y.npy",
                           Npy("<f8", "(2,)", BytesOf<double>({1, 0.5})))),
              HasSubstr("y.npy[1]: label: class '0.5' is not a whole number"));
  EXPECT_EQ(Message(RowsSpec(),
                    With(Rows(), "data.npy",
                         Npy("<f4", "(3,)", BytesOf<float>({5, 6, kNan})))),
            "data.npy[2] (row 2): 'nan' is not a finite number");
}

TEST(NpyReaderTest, LeavesBadExamplesOutWhereTheJobSaysSo) {
  SourceSpec spec = MatrixSpec();
  spec.on_bad_example = OnBadExample::kSkip;
  const auto all = ReadAll(
      spec,
      OpenMemory(With(Matrix(), "X.npy",
                      Npy("<f4", "(2, 1)", BytesOf<float>({INFINITY, 2})))));
  ASSERT_TRUE(all.ok()) << all.status();
  ASSERT_EQ(all->size(), 1u);
  EXPECT_EQ((*all)[0].label, 3);
}

TEST(NpyReaderTest, RefusesWhatIsNoArrayOfNumbers) {
  const auto why = [](std::string bytes) {
    return Message(MatrixSpec(), With(Matrix(), "X.npy", std::move(bytes)));
  };
  const std::string good = Matrix()["X.npy"];
  EXPECT_EQ(why("1,2,3\n4,5,6\n"),
            "X.npy: is not a .npy file, which begins with \\x93NUMPY, but with "
            "'1,2,3\\n'; numpy.save writes one");
  std::string version = good;
  version[6] = 9;
  EXPECT_EQ(why(version),
            "X.npy: has version 9 of the .npy format; ebb knows versions 1 to "
            "3");
  EXPECT_EQ(why(good.substr(0, 20)),
            "X.npy: ends at byte 20, within its header; was it copied whole?");
  EXPECT_EQ(why(Npy("<c8", "(2, 1)", std::string(16, '\0'))),
            "X.npy: has dtype '<c8'; ebb reads float32, float64, whole numbers "
            "and booleans: save X.astype(\"float32\")");
  EXPECT_THAT(why(Npy("|O", "(2, 1)", "")), HasSubstr("has dtype '|O'"));
  EXPECT_EQ(why(Npy("<f4", "(2,)", BytesOf<float>({1, 2}))),
            "X.npy: has shape (2,), but examples are the rows of a matrix; "
            "save X.reshape(-1, 1) if there is one feature");
  EXPECT_THAT(why(Npy("<f4", "(2, 0)", "")), HasSubstr("has shape (2, 0)"));
  EXPECT_THAT(why(Npy("<f4", "(2, 5000000)", "")),
              HasSubstr("a row has between 1 and 4194304 numbers"));
  EXPECT_EQ(why(Npy("<f4", "(3, 1)", BytesOf<float>({1, 2, 3}))),
            "X.npy: has 3 examples, but y.npy has 2 labels; the files belong "
            "to different data");
}

TEST(NpyReaderTest, RefusesTruncatedFilesAndBytesBehindThem) {
  const std::string good = Matrix()["X.npy"];
  EXPECT_EQ(Message(MatrixSpec(),
                    With(Matrix(), "X.npy", good.substr(0, good.size() - 1))),
            absl::StrCat("X.npy: ends at byte ", good.size() - 1,
                         ", before the end of an array (2, 3) of 4-byte "
                         "numbers; was it copied whole?"));
  EXPECT_EQ(Message(MatrixSpec(), With(Matrix(), "X.npy", good + "x")),
            absl::StrCat("X.npy: goes on at byte ", good.size(),
                         ", after the array of shape (2, 3) that its header "
                         "promises"));
}

TEST(NpyReaderTest, RefusesPartsOfSparseMatricesThatDoNotFit) {
  const auto why = [](const std::string& name, std::string bytes) {
    return Message(RowsSpec(), With(Rows(), name, std::move(bytes)));
  };
  const auto whole = [](std::initializer_list<int32_t> numbers) {
    return Npy("<i4", absl::StrCat("(", numbers.size(), ",)"),
               BytesOf<int32_t>(numbers));
  };
  EXPECT_EQ(why("indices.npy", whole({1, 4, 0})),
            "indices.npy[1] (row 0) is 4, but the matrix has 4 columns, "
            "counted from 0");
  EXPECT_EQ(why("indices.npy", whole({-1, 3, 0})),
            "indices.npy[0] (row 0) is -1, but indices count from 0");
  EXPECT_EQ(why("indices.npy", whole({3, 1})),
            "data.npy: has 3 values, but indices.npy has 2 indices; the files "
            "belong to different matrices");
  EXPECT_EQ(why("indptr.npy", whole({1, 2, 2, 3})),
            "indptr.npy: begins with 1, but the first row of a sparse matrix "
            "begins at 0");
  EXPECT_EQ(why("indptr.npy", whole({0, 2, 1, 3})),
            "indptr.npy: row 1 is from 2 to 1, but rows ascend, and the last "
            "one ends at 3, the number of values");
  EXPECT_THAT(why("indptr.npy", whole({0, 2, 2, 2})),
              HasSubstr("row 2 is from 2 to 2"));
  EXPECT_EQ(why("indices.npy", Npy("<f4", "(3,)", BytesOf<float>({1, 3, 0}))),
            "indices.npy: has floats, but indices are whole numbers");
}

TEST(NpyHeaderTest, TakesWhatNumPyWrites) {
  const auto header = ParseNpyHeader(
      "{'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }    \n");
  ASSERT_TRUE(header.ok()) << header.status();
  EXPECT_THAT(header->shape, ElementsAre(3, 4));
  EXPECT_EQ(header->type.bytes, 8);
}

TEST(NpyHeaderTest, SaysWhatIsWrong) {
  const auto why = [](absl::string_view text) {
    return std::string(ParseNpyHeader(text).status().message());
  };
  EXPECT_EQ(why("{'descr': '<f8', 'fortran_order': True, 'shape': (3, 4)}"),
            "is stored column by column (Fortran order), but examples are "
            "rows; save numpy.ascontiguousarray(X)");
  EXPECT_THAT(why("{'descr': [('a', '<f8')], 'fortran_order': False, "
                  "'shape': (3,)}"),
              HasSubstr("has a structured dtype"));
  EXPECT_EQ(why("{'descr': '<f8', 'shape': (3,)}"),
            "its header lacks one of descr, fortran_order and shape");
  EXPECT_EQ(why("{'descr': '<f8', 'fortran_order': False, 'shape': (-3,)}"),
            "its header is damaged at '-3,)}'; save the array anew");
  EXPECT_EQ(why("{'color': 'red'}"), "its header has the unknown key 'color'");
  for (const char* const damaged :
       {"", "{", "{'descr", "{'descr': '<f8'",
        "{'shape': (99999999999999999999,)}", "{'fortran_order': Maybe}",
        "{'descr': '<f8', 'fortran_order': False, "
        "'shape': (3,)} x"}) {
    EXPECT_THAT(why(damaged), HasSubstr("damaged")) << damaged;
  }
}

TEST(NpyFormatTest, ChecksItsOptions) {
  const auto why = [](const SourceSpec& spec) {
    const absl::Status status = spec.Validate();
    EXPECT_FALSE(status.ok());
    return std::string(status.message());
  };
  SourceSpec spec = MatrixSpec();
  spec.npy.labels.clear();
  EXPECT_THAT(why(spec), HasSubstr("names no labels file beside X.npy"));
  spec.has_labels = false;
  EXPECT_TRUE(spec.Validate().ok());
  spec.npy.data = "d";
  EXPECT_THAT(why(spec), HasSubstr("needs either features"));
  spec = RowsSpec();
  spec.npy.columns = 0;
  EXPECT_THAT(why(spec), HasSubstr("columns 0 is not between"));
  spec = RowsSpec();
  spec.standardise = true;
  EXPECT_THAT(why(spec), HasSubstr("fill in the zeros"));
  spec = RowsSpec();
  spec.path = "X";
  EXPECT_THAT(why(spec), HasSubstr("has no path"));
  EXPECT_NE(MatrixSpec().Meaning(), RowsSpec().Meaning());
}

// --- Archives ----------------------------------------------------------------

// The member of an archive that follows these bytes: its header and content.
std::string Stored(const std::string& name, const std::string& bytes) {
  const auto crc = static_cast<uint32_t>(
      crc32(0, reinterpret_cast<const Bytef*>(bytes.data()),
            static_cast<uInt>(bytes.size())));
  const auto size = static_cast<uint32_t>(bytes.size());
  return absl::StrCat(
      "PK\x03\x04", BytesOf<uint16_t>({20, 0, 0, 0, 0}),
      BytesOf<uint32_t>({crc, size, size}),
      BytesOf<uint16_t>({static_cast<uint16_t>(name.size()), 0}), name, bytes);
}

SourceSpec InArchive(const std::string& features, const std::string& labels) {
  return {.kind = SourceKind::kNpy,
          .npy = {.features = features, .labels = labels}};
}

TEST(NpzTest, ReadsWhatNumPyWrites) {
  for (const std::string name : {"stored.npz", "deflated.npz"}) {
    const auto all = ReadAll(InArchive("d/a.npz/X", "d/a.npz/y.npy"),
                             OpenMemory({{"d/a.npz", Golden(name)}}));
    ASSERT_TRUE(all.ok()) << name << all.status();
    ASSERT_EQ(all->size(), 3);
    EXPECT_THAT((*all)[0].values, ElementsAre(0, 0.25, 0.5, 0.75));
    EXPECT_THAT((*all)[2].values, ElementsAre(2, 2.25, 2.5, 2.75));
    EXPECT_EQ((*all)[0].label, 2);
    EXPECT_EQ((*all)[2].label, 1);
  }
}

TEST(NpzTest, ReadsLongArrays) {
  SourceSpec spec = InArchive("a.npz/bytes", "");
  spec.has_labels = false;
  const auto all =
      ReadAll(spec, OpenMemory({{"a.npz", Golden("deflated.npz")}}));
  ASSERT_TRUE(all.ok()) << all.status();
  ASSERT_EQ(all->size(), 2);
  for (size_t i = 0; i < 1000; ++i) {
    EXPECT_EQ((*all)[1].bytes[i], static_cast<uint8_t>(1000 + i));
  }
}

TEST(NpzTest, NamesTheArraysThatThereAre) {
  const OpenBytes open = OpenMemory({{"d/a.npz", Golden("stored.npz")}});
  const auto message = [&](const std::string& path) {
    return std::string(
        ReadAll(InArchive(path, "d/a.npz/y"), open).status().message());
  };
  EXPECT_EQ(message("d/a.npz"),
            "d/a.npz: is an archive of 2 arrays: X, y; name one of them, as "
            "d/a.npz/X");
  EXPECT_EQ(message("d/a.npz/Z"),
            "d/a.npz: has no array 'Z', but 2 arrays: X, y");
  EXPECT_EQ(message("d/b.npz/X"), "d/b.npz: no such file");
}

TEST(NpzTest, NamesWhatAnArrayShouldBe) {
  const OpenBytes open = OpenMemory(
      {{"a.npz", Golden("odd.npz")}, {"b.npz", Golden("stored.npz")}});
  const auto message = [&](const std::string& path, const std::string& labels) {
    return std::string(
        ReadAll(InArchive(path, labels), open).status().message());
  };
  EXPECT_THAT(message("a.npz/fortran", "b.npz/y"),
              HasSubstr("is stored column by column (Fortran order), but "
                        "examples are rows; save numpy.ascontiguousarray(X)"));
  EXPECT_THAT(message("a.npz/objects", "b.npz/y"),
              HasSubstr("has dtype '|O'; ebb reads float32"));
  EXPECT_EQ(message("b.npz/X", "a.npz/few"),
            "b.npz/X: has 3 examples, but a.npz/few has 2 labels; the files "
            "belong to different data");
  // Big endian is read.
  const auto big = ReadAll(InArchive("a.npz/big", "b.npz/y"), open);
  ASSERT_TRUE(big.ok()) << big.status();
  EXPECT_THAT((*big)[1].values, ElementsAre(1, 1.25, 1.5, 1.75));
}

// --- Sparse matrices of SciPy -----------------------------------------------

SourceSpec ScipySpec() {
  return {.kind = SourceKind::kNpy,
          .has_labels = false,
          .npy = {.features = "X.npz", .archive = true}};
}

OpenBytes OpenScipy(const std::string& name) {
  return OpenMemory({{"X.npz", Golden(name)}});
}

// Bug: the columns of a csc matrix became the examples.
TEST(ScipyMatrixTest, ReadsTheRowsOfEveryLayout) {
  for (const char* const layout :
       {"csr", "csc", "coo", "bsr", "dia", "csr_unsorted"}) {
    const auto all =
        ReadAll(ScipySpec(), OpenScipy(absl::StrCat("scipy_", layout, ".npz")));
    ASSERT_TRUE(all.ok()) << layout << ": " << all.status();
    ASSERT_EQ(all->size(), 6) << layout;
    EXPECT_THAT((*all)[0].ids, ElementsAre(1, 3)) << layout;
    EXPECT_THAT((*all)[0].values, ElementsAre(5, 6)) << layout;
    EXPECT_THAT((*all)[1].ids, ElementsAre()) << layout;
    EXPECT_THAT((*all)[2].ids, ElementsAre(0)) << layout;
    EXPECT_THAT((*all)[2].values, ElementsAre(7)) << layout;
    EXPECT_THAT((*all)[3].ids, ElementsAre(1, 2)) << layout;
    EXPECT_THAT((*all)[3].values, ElementsAre(1.5F, 2)) << layout;
    EXPECT_THAT((*all)[4].ids, ElementsAre(3)) << layout;
    EXPECT_THAT((*all)[4].values, ElementsAre(-1)) << layout;
    EXPECT_THAT((*all)[5].ids, ElementsAre(0)) << layout;
    EXPECT_THAT((*all)[5].values, ElementsAre(3)) << layout;
  }
}

TEST(ScipyMatrixTest, HasItsColumnsItsLabelsAndItsFiles) {
  const OpenBytes open = OpenMemory(
      {{"X.npz", Golden("scipy_csc.npz")},
       {"y.npy", Npy("<i8", "(6,)", BytesOf<int64_t>({0, 1, 2, 3, 4, 5}))}});
  SourceSpec spec = ScipySpec();
  spec.has_labels = true;
  spec.npy.labels = "y.npy";
  const auto reader = OpenReader(spec, open);
  ASSERT_TRUE(reader.ok()) << reader.status();
  EXPECT_EQ((*reader)->layout(), Layout::kSparse);
  EXPECT_EQ((*reader)->features(), 4);
  Example example;
  for (int i = 0; i < 6; ++i) {
    ASSERT_TRUE(*(*reader)->Next(&example));
    EXPECT_EQ(example.label, static_cast<float>(i));
  }
  EXPECT_FALSE(*(*reader)->Next(&example));
  const auto files = FingerprintFiles(spec, open);
  ASSERT_TRUE(files.ok()) << files.status();
  const auto read = (*reader)->Fingerprints();
  ASSERT_EQ(files->size(), read.size());
  for (size_t i = 0; i < read.size(); ++i) {
    EXPECT_EQ((*files)[i].fingerprint, read[i]) << (*files)[i].path;
  }
  spec.npy.keys = true;
  const auto keyed = ReadAll(spec, open);
  ASSERT_TRUE(keyed.ok()) << keyed.status();
  EXPECT_THAT((*keyed)[3].keys, ElementsAre(1, 2));
}

TEST(ScipyMatrixTest, PartsOfAnArchiveAreThoseOfRows) {
  SourceSpec spec = {.kind = SourceKind::kNpy,
                     .has_labels = false,
                     .npy = {.data = "X.npz/data",
                             .indices = "X.npz/indices",
                             .indptr = "X.npz/indptr",
                             .columns = 4}};
  const auto all = ReadAll(spec, OpenScipy("scipy_csr.npz"));
  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_EQ(all->size(), 6);
  EXPECT_THAT((*all)[3].values, ElementsAre(1.5F, 2));
  const auto why = [&](const std::string& name) {
    return std::string(ReadAll(spec, OpenScipy(name)).status().message());
  };
  spec.npy.columns = 6;
  EXPECT_EQ(why("scipy_csc.npz"),
            "X.npz: has its matrix in the layout csc, which is by columns, and "
            "the parts data, indices and indptr are taken for rows; name the "
            "archive alone, as features: X.npz");
  EXPECT_THAT(why("scipy_bsr.npz"),
              HasSubstr("layout bsr, which is in blocks"));
  spec.npy.columns = 3;
  EXPECT_EQ(why("scipy_csr.npz"),
            "columns: 3 is less than the 4 columns that X.npz/shape says");
}

// numpy.savez() of the parts writes such archives.
TEST(ScipyMatrixTest, TheShapeTellsColumnsFromRows) {
  const auto archive = [](std::initializer_list<int64_t> shape) {
    return absl::StrCat(
        Stored("data.npy", Npy("<f4", "(2,)", BytesOf<float>({1, 2}))),
        Stored("indices.npy", Npy("<i4", "(2,)", BytesOf<int32_t>({0, 1}))),
        Stored("indptr.npy",
               Npy("<i4", "(4,)", BytesOf<int32_t>({0, 1, 1, 2}))),
        Stored("shape.npy", Npy("<i8", "(2,)", BytesOf<int64_t>(shape))),
        std::string("PK\x05\x06", 4), std::string(18, '\0'));
  };
  const SourceSpec spec = {.kind = SourceKind::kNpy,
                           .has_labels = false,
                           .npy = {.data = "X.npz/data",
                                   .indices = "X.npz/indices",
                                   .indptr = "X.npz/indptr",
                                   .columns = 3}};
  EXPECT_EQ(Message(spec, {{"X.npz", archive({2, 3})}}),
            "X.npz/indptr: has 4 numbers, which makes 3 rows, but X.npz/shape "
            "says 2 rows and 3 columns; if the matrix is stored by columns "
            "(csc), save X.tocsr()");
  const auto all = ReadAll(spec, OpenMemory({{"X.npz", archive({3, 2})}}));
  EXPECT_TRUE(all.ok()) << all.status();
}

TEST(ScipyMatrixTest, SaysWhatDoesNotFit) {
  const auto text = [](const std::string& word) {
    return Npy(absl::StrCat("|S", word.size()), "()", word);
  };
  const auto numbers = [](std::initializer_list<int64_t> all) {
    return Npy("<i8", absl::StrCat("(", all.size(), ",)"),
               BytesOf<int64_t>(all));
  };
  // A matrix of 2 x 3 in places.
  const auto why = [&](const std::string& name, std::string bytes) {
    Files members = {{"col", numbers({0, 2})},
                     {"data", numbers({5, 6})},
                     {"format", text("coo")},
                     {"row", numbers({0, 1})},
                     {"shape", numbers({2, 3})}};
    members[name] = std::move(bytes);
    std::string archive;
    for (const auto& [member, content] : members) {
      absl::StrAppend(&archive, Stored(member + ".npy", content));
    }
    absl::StrAppend(&archive, std::string("PK\x05\x06", 4),
                    std::string(18, '\0'));
    return Message(ScipySpec(), {{"X.npz", archive}});
  };
  EXPECT_EQ(why("format", text("lil")),
            "X.npz: has a sparse matrix in the layout 'lil', which ebb does "
            "not know; save X.tocsr()");
  EXPECT_EQ(why("row", numbers({0, 2})),
            "X.npz/data: has a value in row 2 and column 2, counted from 0, "
            "but the matrix has 2 rows and 3 columns");
  EXPECT_EQ(why("row", numbers({0})),
            "X.npz/data: has shape (2,), but X.npz/row has 1 rows, and "
            "X.npz/col 2 columns");
  EXPECT_THAT(why("shape", numbers({2})), HasSubstr("not of rows and between"));
  EXPECT_THAT(why("shape", numbers({int64_t{1} << 30, 3})),
              HasSubstr("says that there are 1073741824 rows, for 2 values"));
  EXPECT_THAT(why("data", Npy("<f8", "(2,)", BytesOf<double>({5, INFINITY}))),
              HasSubstr("X.npz (row 1, column 2): 'inf' is not a finite"));
  EXPECT_THAT(
      std::string(
          ReadAll(ScipySpec(), OpenScipy("stored.npz")).status().message()),
      HasSubstr("X.npz: is an archive of 2 arrays: X, y; name one"));
}

TEST(NpzTest, NamesDamage) {
  SourceSpec spec = InArchive("a.npz/X", "");
  spec.has_labels = false;
  for (const std::string name : {"stored.npz", "deflated.npz"}) {
    const std::string whole = Golden(name);
    const auto status = [&](const std::string& bytes) {
      return ReadAll(spec, OpenMemory({{"a.npz", bytes}})).status();
    };
    const absl::Status cut = status(whole.substr(0, 100));
    EXPECT_EQ(cut.code(), absl::StatusCode::kDataLoss) << cut;
    EXPECT_THAT(std::string(cut.message()), HasSubstr("a.npz: is cut: it"));
    std::string damaged = whole;
    damaged[14] ^= 1;  // In its checksum.
    EXPECT_THAT(std::string(status(damaged).message()),
                HasSubstr("the array 'X.npy' is damaged: its checksum"));
    EXPECT_THAT(std::string(status("no archive").message()),
                HasSubstr("a.npz: is no archive of NumPy"));
    std::string piped = whole;
    piped[6] |= 8;
    EXPECT_THAT(std::string(status(piped).message()),
                HasSubstr("was written to a pipe"));
  }
  const std::string x = Npy("|u1", "(2, 1)", "ab");
  const absl::Status no_end =
      ReadAll(spec, OpenMemory({{"a.npz", Stored("X.npy", x)}})).status();
  EXPECT_EQ(no_end.message(),
            "a.npz: is cut: it ends within or after the array 'X.npy'; was it "
            "copied whole?");
  EXPECT_EQ(ReadAll(spec, OpenMemory({{"a.npz", Stored("y.npy", x) + "rest"}}))
                .status()
                .message(),
            "a.npz: is damaged: no header follows the array 'y.npy'");
}

// Bug: the first was read, and NumPy reads the last.
TEST(NpzTest, RefusesTwoArraysOfOneName) {
  constexpr absl::string_view kDirectory("PK\x01\x02", 4);
  const std::string a = Npy("|u1", "(2, 1)", "ab");
  const std::string b = Npy("|u1", "(2, 1)", "cd");
  const auto status = [&](const std::string& path, const std::string& other) {
    SourceSpec spec = InArchive(path, "");
    spec.has_labels = false;
    return ReadAll(
               spec,
               OpenMemory({{"a.npz",
                            absl::StrCat(Stored("X.npy", a), Stored("y.npy", a),
                                         Stored(other, b), kDirectory)}}))
        .status();
  };
  EXPECT_TRUE(status("a.npz/X", "Z.npy").ok());
  for (const std::string path : {"a.npz/X", "a.npz/X.npy"}) {
    EXPECT_THAT(std::string(status(path, "X.npy").message()),
                HasSubstr("a.npz: has two arrays 'X"));
  }
  // NumPy takes X for the name of both.
  EXPECT_THAT(std::string(status("a.npz/X", "X").message()),
              HasSubstr("a.npz: has two arrays 'X'"));
  // The array itself is one.
  EXPECT_TRUE(status("a.npz/y", "X.npy").ok());
}

}  // namespace
}  // namespace ebb::data::internal
