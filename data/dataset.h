// A source, ready to be cut into batches in any order. All of it is in memory,
// unless it is a packed set, of which two windows are.
//
//   EBB_ASSIGN_OR_RETURN(Dataset train, Dataset::Load(spec));
//   EBB_ASSIGN_OR_RETURN(Dataset test,
//                        Dataset::LoadLike(test_spec, train.index()));
//   ExampleBatch batch;  // Reused: its memory is allocated once.
//   EBB_RETURN_IF_ERROR(train.Gather(indices, &batch));
#ifndef EBB_DATA_DATASET_H_
#define EBB_DATA_DATASET_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "data/byte_source.h"
#include "data/dense_beside.h"
#include "data/index.h"
#include "data/keys.h"
#include "data/reader.h"
#include "data/source.h"

namespace ebb::data {

namespace pack {
class MappedBytes;
}  // namespace pack

// Examples as models take them: dense, or sparse in compressed rows, of ids or
// of keys.
struct ExampleBatch {
  int64_t rows = 0;
  int64_t features = 0;
  bool sparse = false;  // Rows of ids.
  bool keyed = false;   // Rows of keys.
  // (rows): the number of the class, or the real label, standardised where the
  // source says so; empty without labels.
  std::vector<float> labels;
  // Dense: (rows, features), row by row. Sparse: one for each of `ids`. Keyed:
  // one for each of `keys`.
  std::vector<float> values;
  // Sparse: row r has the features ids[offsets[r], offsets[r + 1]), ascending,
  // with the values at the same places.
  std::vector<int32_t> ids;
  // Keyed: row r has keys[offsets[r], offsets[r + 1]) with the fields and
  // values at the same places, in the order of the file; a rating has its user
  // and then its item. A key may occur in many rows, and twice in one.
  // `features` is the number of fields.
  std::vector<uint64_t> keys;
  std::vector<Field> fields;
  // Keyed, with SourceSpec::dense_beside: (rows, beside_width), the numbers
  // beside the keys. They are not among the entries then, nor are their fields.
  int64_t beside_width = 0;
  std::vector<float> beside;
  // Sparse and keyed: (rows + 1).
  std::vector<int64_t> offsets;
  // (rows), and nothing else, of a data set that is known by numbers only:
  // where each example stands in what the model reads by itself.
  std::vector<int64_t> numbers;
};

// Immutable once loaded, so any number of threads may use it at once. Holds
// bytes as bytes, text as floats and sparse rows compressed; a file, compressed
// or not, is read once.
class Dataset {
 public:
  // All three block on the disk and return the errors of OpenReader() and
  // Reader::Next(), with kInvalidArgument also where there are no examples.

  // Training data: finds classes, means and deviations in it, those of labels
  // that are numbers too, and in a table what its text becomes. Reads a table
  // with text twice or three times.
  static absl::StatusOr<Dataset> Load(const SourceSpec& spec,
                                      const OpenBytes& open = OpenFile);

  // Data to test or predict with: takes these constants from the index of the
  // training data. kInvalidArgument where the two do not fit: another width, a
  // class that training never saw.
  static absl::StatusOr<Dataset> LoadLike(const SourceSpec& spec,
                                          const Index& training,
                                          const OpenBytes& open = OpenFile);

  // A source that has been indexed, by either of the above, perhaps on another
  // machine: takes the constants from its index. kFailedPrecondition when the
  // files or the options are not those of the index, naming both.
  static absl::StatusOr<Dataset> LoadIndexed(const SourceSpec& spec,
                                             const Index& index,
                                             const OpenBytes& open = OpenFile);

  // Examples that only the model reads, so that they are numbers here. `index`
  // counts them, and the bytes of its one file are the number of examples that
  // there are, of which the split selects some.
  static Dataset OfNumbers(Index index, const std::optional<Split>& split);

  const Index& index() const { return index_; }
  // Reader::Names() of the source.
  const std::optional<ColumnNames>& names() const { return names_; }
  int64_t examples() const { return index_.examples; }
  int64_t features() const { return index_.features; }
  bool sparse() const { return layout_ == Layout::kSparse; }
  bool keyed() const { return layout_ == Layout::kKeyed; }
  bool has_labels() const { return !labels_.empty() || packed_labels_; }
  bool by_number() const { return by_number_; }
  // The examples of each window of a packed set: those of window w are numbered
  // from w * window(). 0: all examples are in memory.
  int64_t window() const { return window_; }
  // Its windows are fetched from a bucket or a web server, which takes time.
  bool fetches() const;
  // The version of the order (data/order.h) in which its examples are trained.
  int order_version() const;
  // The examples of this window will be wanted soon. Does not block.
  void Expect(int64_t window) const;
  // Returns an example's place in what OfNumbers() was made for.
  int64_t NumberOf(int64_t example) const {
    return numbers_.empty() ? example : numbers_[example];
  }
  // The examples counted in index().left_out, with the mistake in the first.
  const LeftOut& left_out() const { return left_out_; }
  // "label 0 at a.csv:1, label 1 at a.csv:7": where the first few of its
  // classes were first met; nothing where they were known before.
  const std::string& class_places() const { return class_places_; }
  // The mean over the examples of the sum of their features' absolute values,
  // as Gather() has them. Looks at all examples of rows, else at none: 0 of
  // dense data.
  double mean_row_sum() const;
  // The numbers in all rows of sparse or keyed data; 0 of dense data.
  int64_t entries() const;
  // Sentences about its columns that their owner should know: what text
  // becomes, missing values that become means, columns that count the rows.
  const std::vector<std::string>& remarks() const { return remarks_; }
  // Reader::ZonesOfDates() of the source.
  const std::vector<TimeZones>& zones_of_dates() const {
    return zones_of_dates_;
  }
  // Returns the memory that its examples take.
  int64_t memory_bytes() const;

  // Makes `*out` the examples with these numbers, in this order, scaled,
  // standardised, without gaps. Blocks on the disk only if it is a packed set,
  // whose files may be away (away.h)
  // and a window is not in memory. kInvalidArgument when there is no such
  // example; `*out` is then unspecified. Else the errors of
  // pack::PackedSet::Read().
  absl::Status Gather(std::span<const int64_t> examples,
                      ExampleBatch* out) const;
  // Writes the features [first, first + count) of all examples to `out`,
  // (count, examples), as Gather() has them. It does not read the rest of the
  // data. kInvalidArgument: the data is not dense, has no such features, or is
  // a packed set.
  absl::Status GatherColumns(int64_t first, int64_t count,
                             std::span<float> out) const;
  // (examples), as Gather() has them; empty without labels, and if it is a
  // packed set.
  std::span<const float> labels() const { return labels_; }

 private:
  Dataset() = default;

  // `constants` are null for training data, whose `encoding` says what its text
  // becomes.
  static absl::StatusOr<Dataset> Load(const SourceSpec& spec,
                                      const Index* constants,
                                      const Encoding& encoding,
                                      const OpenBytes& open);
  static absl::StatusOr<Dataset> LoadPacked(const SourceSpec& spec,
                                            const Index* constants,
                                            const OpenBytes& open);
  static absl::StatusOr<Dataset> LoadText(const SourceSpec& spec,
                                          const FoundEncoding& found,
                                          const OpenBytes& open);
  // Reads all examples; where `constants` are set already, refuses those that
  // do not fit them, else finds the classes.
  absl::Status ReadAll(Reader& reader, const SourceSpec& spec, bool constants);
  absl::Status FindMoments(const SourceSpec& spec);
  void FindLabelMoments();
  // Decides whether Gather() takes numbers out of the entries.
  absl::Status FindBeside(const SourceSpec& spec);
  // Gather() without that.
  absl::Status GatherAll(std::span<const int64_t> examples,
                         ExampleBatch* out) const;
  // Fills gaps, and standardises where the spec says so.
  void Finish(const SourceSpec& spec);
  void StandardiseLabels();

  absl::Status GatherPacked(std::span<const int64_t> examples,
                            ExampleBatch* out) const;
  // The dense features: one of both is null.
  const uint8_t* dense_bytes() const;
  const float* dense_values() const;
  void GatherDense(std::span<const int64_t> examples, ExampleBatch* out) const;
  // Writes `count` features from the place `begin` of all dense ones, which is
  // that of a row's `feature`. They may be of several rows, unless each feature
  // is scaled by itself.
  void GatherRun(int64_t begin, int64_t feature, int64_t count,
                 float* to) const;
  // Gathers rows of ids or of keys.
  void GatherRows(std::span<const int64_t> examples, ExampleBatch* out) const;

  Index index_;
  std::optional<ColumnNames> names_;
  LeftOut left_out_;
  std::string class_places_;
  std::vector<std::string> remarks_;
  std::vector<TimeZones> zones_of_dates_;
  Layout layout_ = Layout::kDense;
  std::vector<float> labels_;   // (examples), or empty.
  std::vector<uint8_t> bytes_;  // kBytes: (examples, features).
  // kDense: the same; kSparse and kKeyed: as in a batch.
  std::vector<float> values_;
  // Null, or the file that has what stands in place of bytes_ or of dense
  // values_.
  std::shared_ptr<const pack::MappedBytes> mapped_;
  std::vector<int32_t> ids_;      // kSparse.
  std::vector<uint64_t> keys_;    // kKeyed.
  std::vector<Field> fields_;     // kKeyed.
  std::vector<int64_t> offsets_;  // kSparse and kKeyed.
  // Null: numbers beside keys stay entries.
  std::shared_ptr<const DenseBeside> beside_;
  bool by_number_ = false;
  // (examples) if a split selected them, else empty.
  std::vector<int64_t> numbers_;
  // kBytes: a feature is byte * factor + term. Either one number for all
  // features (and no term), or one for each of them.
  std::vector<float> factor_;
  std::vector<float> term_;

  // A packed set: its windows, and what is known of all of them. Null: the
  // examples are above.
  struct Packed;
  std::shared_ptr<Packed> packed_;
  bool packed_labels_ = false;
  int64_t window_ = 0;
};

// Returns "a.csv:17": the place of the example with this number (of
// Dataset::Gather) in the files of the source. `index` is that of the loaded
// data set. Reads the files again up to there, as they are now, and blocks.
// kInvalidArgument: there is no such example. kCancelled: `stop`, which it asks
// now and then, says true. Else the errors of OpenReader() and Reader::Next().
absl::StatusOr<std::string> PlaceOf(const SourceSpec& spec, const Index& index,
                                    int64_t example, const OpenBytes& open,
                                    absl::FunctionRef<bool()> stop);

}  // namespace ebb::data

#endif  // EBB_DATA_DATASET_H_
