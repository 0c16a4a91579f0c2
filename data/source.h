// One data set, as a job names it: where it is and what its bytes mean.
#ifndef EBB_DATA_SOURCE_H_
#define EBB_DATA_SOURCE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "data/keys.h"

namespace ebb::data {

// A kind's format is data/formats/FOLDER/NAME_format.cc.
enum class SourceKind {
  kIdx,
  kCsv,
  kLibsvm,
  kLibffm,
  kRatings,
  kCriteo,
  kNpy,
  kText,
  kBags,
  kPacked,
  kImages,
  kTar,
  kTfRecord,
  kJsonLines,
  kProtobuf
};

// kClass: labels are whole numbers that name classes; kReal: numbers to
// predict (regression).
enum class LabelKind { kClass, kReal };

// Which dates of a column have a time zone. One without counts as UTC.
enum class TimeZones : uint8_t { kNoDates, kNone, kSome, kAll };

// The reaction to an example that cannot be read, or that does not fit the
// training data. kStop is an error. kSkip leaves it out, and it does not count
// as an example. Either way it is the same on every machine, as it follows from
// the bytes of the file alone.
enum class OnBadExample { kStop, kSkip };

// Cross-validation: each example is in one of so many folds, and the test part
// is one of them.
struct Folds {
  int64_t count = 0;  // 0: the examples have no folds.
  int64_t test = 0;   // The fold that is the test part, from 0.
  // Each class has the same share in each fold. Labels are classes.
  bool stratified = false;
  // The column of a table by which examples stay together; empty: none.
  std::string group;
};

// One part of a file that keeps some examples for testing. A function of the
// seed and the example's number chooses them (docs/data-order.md), so the two
// parts are disjoint and the same on every machine.
struct Split {
  enum class Part { kTrain, kTest };
  // The share of examples in the test part; between 0 and 1, exclusive.
  double test_fraction = 0.2;
  uint64_t seed = 0;
  Part part = Part::kTrain;
  // If there are folds, they choose the test part, and not the fraction.
  Folds folds;
};

// True if the part holds the example with this number, counted from 0. Folds
// are those of an example's number alone: neither stratified nor by group.
bool Selects(const Split& split, int64_t example);

// A delimiter: any run of spaces and tabs.
inline constexpr char kWhitespace[] = "whitespace";

// Options of all delimited text: tables, ratings and click logs.
struct TextOptions {
  // Between fields: a text of 1 to kMaxDelimiterBytes bytes, or kWhitespace.
  // Absent: as the format guesses it.
  std::optional<std::string> delimiter;
  // True if quotes around a field are removed ("a ""b"" c"). Such a field may
  // have delimiters and line breaks in it.
  bool quotes = true;
  // Words that stand for no value, beside the usual ones: NA, NaN, null, ...
  std::vector<std::string> missing_values;
};
inline constexpr size_t kMaxDelimiterBytes = 8;

struct IdxOptions {
  // The two files, where they have not the usual names (see
  // SourceSpec::path). `labels` is not read without labels.
  std::string images;
  std::string labels;
};

// The columns of a table, as its header names them.
struct ColumnNames {
  // In the order of the features; ratings have the user and the item.
  std::vector<std::string> features;
  std::string label;  // Empty without labels.

  friend bool operator==(const ColumnNames&, const ColumnNames&) = default;
};
// Longer ones, all names together, are not kept.
inline constexpr int64_t kMaxNameBytes = int64_t{1} << 20;

struct CsvOptions {
  // kAuto: the first line is a header when none of its used fields is a
  // number; a mixture is an error.
  enum class Header { kAuto, kYes, kNo };
  // The reaction to a field that is empty or a word such as NA.
  // kConstant: it reads as `missing_value`. kMean: as the mean of its column
  // over the training data. kKeep: as NaN. A missing label is always an error.
  enum class Missing { kError, kConstant, kMean, kKeep };

  // Without a delimiter: tab when the name ends in .tsv or .tsv.gz, else comma.
  TextOptions text;
  Header header = Header::kAuto;
  // Columns go by their name in the header or by their number, from 1; a name
  // wins. The label's column; empty is the last. Not used without labels.
  std::string label;
  // Columns that are not features.
  std::vector<std::string> ignore;
  Missing missing = Missing::kError;
  double missing_value = 0;
  // Columns of categories, whatever they look like.
  std::vector<std::string> categorical;
  // True if other columns are categories too where they have text that does not
  // look like mistakes among numbers. Texts that are all dates are dates.
  bool categories_by_text = true;
  // A column of at most this many categories has a feature for each of them.
  // With more, they share hash_buckets features by their hash.
  int64_t one_hot = 32;
  int64_t hash_buckets = 64;
  // Columns of dates and times: days since 1970, or their parts.
  std::vector<std::string> dates;
  bool date_parts = false;
  // True if 03/04/2021 is the third of April. Absent: as the other dates of the
  // column say.
  std::optional<bool> day_first;
};

struct LibsvmOptions {
  // The number of features; 0 is the highest id found. Name it where the test
  // data has ids that the training data has not.
  int64_t features = 0;
  // True if ids count from 0 instead of 1.
  bool zero_based = false;
  // Ids are keys of sparse tables, any numbers of 64 bits, and stand in field
  // 0; `features` and `zero_based` are not used.
  bool keys = false;
};

struct LibffmOptions {
  // The number of fields; 0 is one more than the highest found. Name it where
  // the test data has fields that the training data has not.
  int64_t fields = 0;
};

// Columns go by their name in the header, or by their number, from 1. An empty
// one has a well-known name, such as userId; without a header the order is
// user, item, rating, time.
struct RatingsOptions {
  TextOptions text;
  std::string user;
  std::string item;
  std::string rating;
  std::string time;  // Not used.
};

struct CriteoOptions {
  // Treatment of numbers. kBucket: words for their magnitude, so that each
  // magnitude has a key; they must be whole. kValue: values of one key per
  // column.
  enum class Numbers { kBucket, kValue };

  // The columns after the label.
  int64_t numeric = 13;
  int64_t categories = 26;
  Numbers numbers = Numbers::kBucket;
  TextOptions text;
  // The label's column, by name or number; empty: one with a well-known name,
  // such as click, or the first.
  std::string label;
  // Columns that are not features, by name or number.
  std::vector<std::string> ignore;
};

struct BagsOptions {
  // The file with the word of each number, one a line. Empty: there is none,
  // and there are as many words as the highest number says.
  std::string vocabulary;
};

// The folder is SourceSpec::path.
struct PackedOptions {
  // True if its examples are to be keys; else columns of numbers.
  bool keyed = false;
  // True if missing values stay NaN; else they become the mean of their column.
  bool keep_missing = false;
};

// The files are SourceSpec::path and those after it.
struct ProtobufOptions {
  // A file of descriptors, as `protoc --descriptor_set_out` writes it.
  std::string descriptors;
  std::string message;  // The full name of the messages' type.
};

// The form that images, PNG or JPEG, get.
struct ImageOptions {
  // The size that they are scaled to. 0: all have that of the first.
  int64_t width = 0;
  int64_t height = 0;
  bool grey = false;  // One byte a pixel. Else three: red, green, blue.
};

// Either `features`, a matrix, or `data`, `indices` and `indptr`, the
// compressed rows of a sparse one.
struct NpyOptions {
  std::string features;
  // True if `features` is the archive of a sparse matrix in any layout, which
  // says its columns itself.
  bool archive = false;
  std::string labels;  // Not read without labels.
  std::string data;
  std::string indices;
  std::string indptr;
  // How many a sparse matrix has. Not used with keys.
  int64_t columns = 0;
  // True if `indices` are keys of sparse tables, which stand in field 0.
  bool keys = false;

  bool sparse() const { return archive || !indptr.empty(); }
};

// Plain text. An example is a document, or a piece of one: the numbers of its
// words are keys in field 0, in the order of the text, or features. Words
// beyond the vocabulary are left out.
struct DocumentOptions {
  // True if a document is a line. Else it is a paragraph, which an empty line
  // ends.
  bool lines = false;
  bool lower_case = true;
  // The vocabulary is the words that the text has this often, without
  // `stop_words`: at most so many, the most frequent ones.
  int64_t least_count = 5;
  int64_t most_words = 100'000;
  std::vector<std::string> stop_words;
  // Documents of fewer words of the vocabulary are left out.
  int64_t least_words = 1;
  // True if an example counts its words: each of them is one feature, whose
  // value is how often it is there.
  bool counts = false;
  // Longer documents, in words, are cut into examples that are about as long as
  // each other. 0: they stay whole.
  int64_t longest = 0;
};

// The use of a record's value of this name in an example.
struct RecordFeature {
  enum class As {
    kLabel,
    kDense,  // `width` numbers.
    kKey,    // The key of one word or whole number.
    kKeys,   // The keys of any number of them.
    kBytes   // Bytes, each of which is a number.
  };
  std::string name;
  As as = As::kDense;
  int64_t width = 1;  // kDense and kBytes.
  // The field of its keys, for all such features or for none. Absent: their
  // places among them.
  std::optional<Field> field;
  int64_t most = 0;  // kKeys: further ones are left out. 0: there is no limit.
  // kDense: x becomes log(1 + |x|), with the sign of x.
  bool log = false;
  // kDense: the number that stands for a missing one. Absent: a record without
  // it is bad.
  std::optional<double> missing;

  // Returns whether examples have keys because of it.
  bool keyed() const { return as == As::kKey || as == As::kKeys; }
};

struct SourceSpec {
  SourceKind kind = SourceKind::kCsv;
  // A file, plain or compressed, a folder of files, or a pattern such as
  // parts/*.csv (find_files.h). For IDX the common front of two files:
  // PATH-images-idx3-ubyte and PATH-labels-idx1-ubyte, each perhaps with .gz.
  // For images the folder of the classes' folders. Not for .npy files, which
  // `npy` names.
  std::string path;
  // The files after those of `path`, in this order. All are parts of one table.
  // Not for IDX and .npy files and folders of images.
  std::vector<std::string> further_paths;
  // Lines of text that begin with it are passed over. Empty: none.
  std::string comment;
  // Data to predict from has none. LIBSVM lines may keep theirs: it is
  // skipped.
  bool has_labels = true;
  // True if the model looks at labels. If it does not, the column of a table's
  // label is left out, whatever is in it.
  bool looks_at_labels = true;
  LabelKind label_kind = LabelKind::kClass;
  // Each feature is multiplied by it; 1/255 brings pixels to [0, 1].
  double scale = 1;
  // Features become (x - mean) / stddev of their column in the training data;
  // a column that is constant there becomes 0, and a category of text only
  // loses its mean. Not for sparse data, whose zeros it would fill.
  bool standardise = false;
  // Labels that are numbers become (label - mean) / stddev of those of the
  // training data; if these are all equal, label - mean. Classes stay, and so
  // do labels without moments in the training index.
  bool standardise_labels = false;
  std::optional<Split> split;
  OnBadExample on_bad_example = OnBadExample::kStop;
  // The columns of the training data, for tables, ratings and click logs that
  // are read like it. If the file has a header, its columns are found by these
  // names, wherever they stand; the other columns are left out (`ignore` is not
  // looked at), and a column that is missing is an error. A column that the
  // options give by number, or not at all, is the one of this name. Absent, or
  // without a header: columns are taken by their places.
  std::optional<ColumnNames> like;
  // Reader::ZonesOfDates() of the training data, for a table that is read like
  // it. Empty: they are not known.
  std::vector<TimeZones> training_zones;
  IdxOptions idx;
  CsvOptions csv;
  LibsvmOptions libsvm;
  LibffmOptions libffm;
  RatingsOptions ratings;
  CriteoOptions criteo;
  NpyOptions npy;
  DocumentOptions documents;
  BagsOptions bags;
  PackedOptions packed;
  ImageOptions image;  // For kImages and kTar.
  ProtobufOptions protobuf;
  // For TFRecord, JSON lines and protobuf, in the order of their names. Other
  // values of a record are not read.
  std::vector<RecordFeature> features;

  // The model takes the numbers beside keys as they are, so they are not
  // entries of a batch (ExampleBatch::beside). No part of Meaning().
  bool dense_beside = false;

  // Returns whether it has labels that are numbers.
  bool numbers() const;
  // `path`, and how many follow it: "a.csv and 2 more paths". For messages.
  std::string Name() const;

  // The word of its format in job files: "csv".
  absl::string_view format_word() const;
  // Returns whether its examples are keys of sparse tables (Layout::kKeyed).
  bool keyed() const;
  // Returns whether these keys are hashes of words.
  bool hashes_words() const;

  // kInvalidArgument, naming the field, its value and what would be right.
  absl::Status Validate() const;

  // Everything here but the paths, as one line of text: two sources with equal
  // files and equal meaning hold the same examples. Stored in the index, so
  // that an index is not used with other options than it was built with.
  std::string Meaning() const;
};

}  // namespace ebb::data

#endif  // EBB_DATA_SOURCE_H_
