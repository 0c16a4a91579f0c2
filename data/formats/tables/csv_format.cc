// Tables in delimited text.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/status_macros.h"
#include "data/bytes/text.h"
#include "data/formats/bad_examples.h"
#include "data/formats/far_constants.h"
#include "data/formats/format.h"
#include "data/formats/options.h"
#include "data/formats/tables/booleans.h"
#include "data/formats/tables/column_problems.h"
#include "data/formats/tables/column_watch.h"
#include "data/formats/tables/leading_zeros.h"
#include "data/formats/tables/row_encoder.h"
#include "data/formats/tables/survey.h"
#include "data/formats/tables/table_schema.h"

namespace ebb::data::internal {
namespace {

class CsvReader : public Reader {
 public:
  CsvReader(const SourceSpec& spec, const Encoding& encoding, Input file)
      : spec_(spec),
        encoding_(encoding),
        records_(OpenTable(spec, std::move(file))),
        bad_(spec.on_bad_example) {}

  // Reads the first line and settles what each column is. Called once, before
  // anything else.
  absl::Status Start();

  absl::StatusOr<bool> Next(Example* example) override;

  Layout layout() const override { return Layout::kDense; }
  int64_t features() const override { return row_->features(); }
  std::optional<ColumnNames> Names() const override { return schema_.Names(); }
  std::string Where() const override { return records_.Where(); }
  LeftOut left_out() const override { return bad_.left_out(); }
  std::vector<std::string> Remarks() const override;
  std::vector<TimeZones> ZonesOfDates() const override;
  void LookForConstants() override {
    // Values are as the files have them, and no constant replaces missing ones.
    row_->LookForLostDigits();
    looks_for_zeros_ = true;
    looks_for_constants_ =
        spec_.scale == 1 && spec_.csv.missing != CsvOptions::Missing::kConstant;
  }
  std::vector<double> Origins() const override {
    if (!row_->lost_digits()) return {};
    return row_->lost_digits()->Origins(features());
  }
  std::vector<FileFingerprint> Fingerprints() const override {
    return records_.file().Fingerprints();
  }

 private:
  using Kind = ColumnProblems::Kind;
  static constexpr int64_t kMostRowsForMistakes = 1'000'000;

  // Makes the record row_ and `*label`. What is wrong goes to problems_.
  void Take(float* label);
  void TakeLabel(absl::string_view field, float* label);
  void AddProblem(Kind kind, size_t column, absl::string_view message);
  // The end of an error about a record of another width.
  std::string WidthHint() const;
  // The same where it has too many, once all records have been looked at.
  std::string TooWideHint() const;
  // Says what is wrong with a label that stands for a missing value.
  std::string MissingLabel(absl::string_view label) const;
  // The end of an error about a label that should be a number.
  std::string TextLabelHint(absl::string_view label) const;
  // The end of an error about an empty label where all lines end with a
  // delimiter.
  std::string EmptyEndHint(absl::string_view label) const;
  // The end of an error about a field in the first line, if that may be a
  // header.
  std::string HeaderHint(absl::string_view field) const;
  // Refuses a column of which every field is a text that it cannot take.
  absl::Status CheckUnknown() const;
  // Says which codes lost their zeros as numbers.
  void AddZeroRemarks(std::vector<std::string>* remarks) const;
  // Returns the option that makes categories of one more column.
  std::string Categorical(size_t column) const;
  // Says in which columns of dates the training data has a time zone and this
  // data has none, or the other way round.
  void AddZoneRemarks(std::vector<std::string>* remarks) const;
  // After the last record: what is wrong, or `more`.
  absl::StatusOr<bool> Finish(const absl::StatusOr<bool>& more);
  // Returns whether many records were looked at for more mistakes.
  bool Enough() const {
    return !problems_.empty() && rows_ - good_rows_ >= kMostRowsForMistakes;
  }
  absl::Status Problems() {
    problems_.AmendRecords(std::exchange(wide_first_, false) ? TooWideHint()
                                                             : "");
    return problems_.Status(schema_.columns, Name(), rows_);
  }
  std::string Describe(size_t column) const {
    return schema_.columns.Describe(column);
  }
  // The files, for messages.
  std::string Name() const { return records_.file().name(); }
  bool IsNumberColumn(size_t feature) const {
    return encoding_.columns.empty() ||
           encoding_.columns[feature].kind == ColumnEncoding::Kind::kNumber;
  }

  const SourceSpec spec_;
  const Encoding encoding_;
  DelimitedRecords records_;
  BadExamples bad_;
  TableSchema schema_;
  size_t group_ = Columns::kNone;  // The column of groups.
  std::optional<RowEncoder> row_;
  std::optional<ColumnWatch> watch_;
  // The number of each class by its text; empty where labels are numbers.
  absl::flat_hash_map<std::string, float> classes_;
  // A label goes by the usual words alone, as the survey of classes does.
  const MissingWords usual_missing_{{}};
  bool any_label_ = false;       // There was one that could be read.
  bool boolean_labels_ = false;  // They are words for no and yes, in any case.
  bool pending_ = false;         // The record is an example not given out yet.
  int64_t rows_ = 0;             // Records so far,
  int64_t good_rows_ = 0;        // and up to the last good one.
  int64_t wide_rows_ = 0;        // Records with one field too many.
  bool wide_first_ = false;      // The first bad record has too many fields.
  ColumnProblems problems_;
  FarConstants constants_;
  bool looks_for_constants_ = false;
  bool looks_for_zeros_ = false;
  LeadingZeros zeros_of_labels_;
};

absl::Status CsvReader::Start() {
  EBB_ASSIGN_OR_RETURN(schema_, TableSchema::Read(spec_, encoding_, &records_));
  pending_ = !schema_.header;
  row_.emplace(spec_, encoding_, schema_.features.size());
  watch_.emplace(schema_, spec_.looks_at_labels);
  for (const std::string& text : encoding_.classes) {
    classes_.emplace(text, static_cast<float>(classes_.size()));
  }
  boolean_labels_ = BooleansOf(encoding_.classes).has_value();
  if (spec_.split && !spec_.split->folds.group.empty()) {
    EBB_ASSIGN_OR_RETURN(group_,
                         schema_.columns.Resolve(spec_.split->folds.group));
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> CsvReader::Next(Example* example) {
  for (;;) {
    if (!std::exchange(pending_, false)) {
      const absl::StatusOr<bool> more = records_.Next();
      if (!more.ok() || !*more || Enough()) return Finish(more);
    }
    ++rows_;
    float label = 0;
    if (records_.status().ok()) {
      Take(&label);
    } else {
      problems_.Add(Kind::kRecord, 0, "", records_.status().message());
    }
    if (problems_.empty()) {
      bad_.AddGood();
      good_rows_ = rows_;
      *example = {.label = label, .values = row_->values()};
      if (group_ != Columns::kNone) example->group = records_.fields()[group_];
      return true;
    }
    // It is left out, or the other records are looked at only for more
    // mistakes.
    if (!bad_.skip()) continue;
    EBB_RETURN_IF_ERROR(bad_.Add(Problems()));
    problems_.Clear();
  }
}

absl::StatusOr<bool> CsvReader::Finish(const absl::StatusOr<bool>& more) {
  EBB_RETURN_IF_ERROR(Problems());
  if (more.ok()) {
    EBB_RETURN_IF_ERROR(CheckUnknown());
    EBB_RETURN_IF_ERROR(bad_.Judge(Name()));
  }
  return more;
}

void CsvReader::Take(float* label) {
  const std::vector<absl::string_view>& fields = records_.fields();
  if (fields.size() != schema_.columns.width()) {
    const size_t width = schema_.columns.width();
    wide_rows_ += fields.size() == width + 1 ? 1 : 0;
    wide_first_ = wide_first_ || (problems_.empty() && fields.size() > width &&
                                  WidthHint().empty());
    AddProblem(Kind::kRecord, 0,
               absl::StrCat("the line has ", fields.size(),
                            fields.size() == 1 ? " field" : " fields",
                            ", but the first one ", schema_.columns.width(),
                            WidthHint()));
    return;
  }
  watch_->AddRow(fields);
  if (!spec_.looks_at_labels) {
    *label = 0;
  } else if (spec_.has_labels) {
    TakeLabel(fields[schema_.label], label);
  }
  row_->Clear();
  for (size_t i = 0; i < schema_.features.size(); ++i) {
    const size_t column = schema_.features[i];
    if (column == Columns::kNone) continue;
    const int64_t filled = row_->filled()[i];
    const FieldProblem problem = row_->Add(i, fields[column]);
    switch (problem.kind) {
      case FieldProblem::Kind::kNone:
        if (looks_for_constants_ && filled == row_->filled()[i] &&
            IsNumberColumn(i)) {
          constants_.Add(i, row_->value(i), fields[column]);
        }
        break;
      case FieldProblem::Kind::kText:
        AddProblem(Kind::kText, column,
                   problem.message + HeaderHint(fields[column]));
        break;
      case FieldProblem::Kind::kDate:
        AddProblem(Kind::kDate, column, problem.message);
        break;
      case FieldProblem::Kind::kMissing:
        AddProblem(Kind::kMissing, column, problem.message);
        break;
      case FieldProblem::Kind::kOther:
        AddProblem(Kind::kOther, column, problem.message);
        break;
    }
  }
}

void CsvReader::TakeLabel(absl::string_view field, float* label) {
  if (usual_missing_.Has(field)) {
    AddProblem(Kind::kLabel, schema_.label,
               MissingLabel(field) + HeaderHint(field));
    return;
  }
  if (classes_.empty()) {
    const absl::StatusOr<float> parsed = ParseLabel(field, spec_.label_kind);
    if (parsed.ok()) {
      *label = *parsed;
      any_label_ = true;
      if (looks_for_zeros_) zeros_of_labels_.Add(field);
    } else {
      AddProblem(Kind::kLabel, schema_.label,
                 absl::StrCat(parsed.status().message(), TextLabelHint(field)));
    }
    return;
  }
  const auto found = classes_.find(field);
  if (found != classes_.end()) {
    *label = found->second;
    return;
  }
  for (size_t i = 0; boolean_labels_ && i < encoding_.classes.size(); ++i) {
    if (!absl::EqualsIgnoreCase(field, encoding_.classes[i])) continue;
    *label = static_cast<float>(i);
    return;
  }
  constexpr size_t kListed = 10;
  const auto end =
      encoding_.classes.begin() +
      static_cast<int64_t>(std::min(kListed, encoding_.classes.size()));
  AddProblem(Kind::kLabel, schema_.label,
             absl::StrCat(Excerpt(field),
                          classes_.size() == 1
                              ? std::string(" is not the one class")
                              : absl::StrCat(" is none of the ",
                                             classes_.size(), " classes"),
                          " of the training data, ",
                          absl::StrJoin(encoding_.classes.begin(), end, ", ",
                                        [](std::string* out, const auto& text) {
                                          absl::StrAppend(out, Excerpt(text));
                                        }),
                          end == encoding_.classes.end() ? "" : ", ..."));
}

void CsvReader::AddProblem(Kind kind, size_t column,
                           absl::string_view message) {
  std::string text(message);
  if (kind != Kind::kRecord) {
    text = absl::StrCat(kind == Kind::kLabel ? "label, " : "", Describe(column),
                        kind == Kind::kMissing ? " " : ": ", message);
  }
  problems_.Add(kind, column, Where(), text);
}

std::string CsvReader::WidthHint() const {
  const std::vector<absl::string_view>& fields = records_.fields();
  const size_t width = schema_.columns.width();
  if (fields.size() != width + 1 || width == 1) return "";
  if (fields.back().empty()) {
    return absl::StrCat("; it ends with ", records_.DelimiterName(),
                        ", so that its last field is empty: remove that at the "
                        "end of the lines");
  }
  return "";
}

std::string CsvReader::TooWideHint() const {
  if (schema_.header && wide_rows_ == rows_) {
    return "; if the first column has names of rows, as R writes them, name it "
           "in the header, too";
  }
  if (!spec_.csv.text.quotes) return "";
  return absl::StrCat("; a value with ", records_.DelimiterName(),
                      " in it must be in quotes");
}

std::string CsvReader::MissingLabel(absl::string_view label) const {
  const std::string hint = EmptyEndHint(label);
  if (!hint.empty()) return absl::StrCat(Excerpt(label), " is no label", hint);
  constexpr char kSkip[] =
      ", or say data: {on_bad_example: skip}, which leaves such rows out";
  if (label.empty()) {
    return absl::StrCat(Excerpt(label), " is no label; fill it in", kSkip);
  }
  return absl::StrCat(
      Excerpt(label), " stands for a missing value, so it is no label; ",
      spec_.label_kind == LabelKind::kClass
          ? "if it is a class, write another word for it in the data"
          : "write a number instead",
      kSkip);
}

std::string CsvReader::TextLabelHint(absl::string_view label) const {
  std::string hint = HeaderHint(label);
  if (!hint.empty() || spec_.label_kind != LabelKind::kReal ||
      absl::c_any_of(label, absl::ascii_isdigit)) {
    return hint;
  }
  return "; models that learn classes take texts as labels";
}

std::string CsvReader::EmptyEndHint(absl::string_view label) const {
  const size_t last = schema_.columns.width() - 1;
  const bool nameless =
      !schema_.columns.named() || schema_.columns.names()[last].empty();
  if (any_label_ || !label.empty() || schema_.label != last ||
      !spec_.csv.label.empty() || !nameless) {
    return "";
  }
  return absl::StrCat("; if each line ends with ", records_.DelimiterName(),
                      ", that makes an empty column: name the label's column "
                      "by label:, and say ignore: [",
                      last + 1, "]");
}

std::string CsvReader::HeaderHint(absl::string_view field) const {
  if (schema_.header || rows_ > 1 || field.empty() || IsNumber(field)) {
    return "";
  }
  return spec_.csv.header == CsvOptions::Header::kNo
             ? "; the job says header: false, so remove the line if it is a "
               "header"
             : "; if the first line is a header, say header: true";
}

absl::Status CsvReader::CheckUnknown() const {
  for (size_t i = 0; i < schema_.features.size(); ++i) {
    const RowEncoder::Unknown& unknown = row_->unknown()[i];
    if (unknown.fields == 0 || unknown.fields < rows_ ||
        !unknown.becomes_mean) {
      continue;
    }
    const std::vector<std::string>& values = encoding_.columns[i].values;
    return absl::InvalidArgumentError(absl::StrCat(
        Name(), ": ", Describe(schema_.features[i]), " has neither ",
        Excerpt(values[0]), " nor ", Excerpt(values[1]),
        ", which the training data has, in any of its ", rows_,
        " rows; the first has ", unknown.first));
  }
  return absl::OkStatus();
}

std::vector<std::string> CsvReader::Remarks() const {
  std::vector<std::string> remarks;
  // The remarks on training data have been told.
  if (!spec_.like.has_value()) {
    remarks = watch_->Remarks(schema_);
    if (spec_.has_labels && !spec_.looks_at_labels && spec_.csv.label.empty()) {
      remarks.push_back(absl::StrCat(
          Describe(schema_.label),
          " is left out: the last column is taken for the label, which the "
          "model does not look at; if it is a feature, say label: none"));
    }
    if (schema_.header && !schema_.Names().has_value()) {
      remarks.push_back(
          "two columns have one name (or the names are too long to be kept): "
          "data to test or to predict with is read by the order of its "
          "columns, not by their names");
    }
  }
  for (size_t i = 0; i < schema_.features.size(); ++i) {
    const RowEncoder::Unknown& unknown = row_->unknown()[i];
    if (unknown.fields == 0) continue;
    remarks.push_back(absl::StrCat(
        Describe(schema_.features[i]),
        " has a text that the training data "
        "does not have in ",
        unknown.fields, " of ", rows_, " rows, ",
        unknown.most == unknown.first ? "first " : "most often ", unknown.most,
        ": ",
        unknown.becomes_mean ? "each becomes the mean of its column"
                             : "it counts as any other text"));
  }
  for (size_t i = 0; i < schema_.features.size(); ++i) {
    const RowEncoder::Rewritten& rewritten = row_->rewritten()[i];
    if (rewritten.fields == 0) continue;
    remarks.push_back(absl::StrCat(
        Describe(schema_.features[i]),
        " has whole numbers that the training data writes in another way in ",
        rewritten.fields, " of ", rows_, " rows, first ", rewritten.first,
        ": it counts as ", rewritten.known));
  }
  for (size_t i = 0; i < schema_.features.size(); ++i) {
    const int64_t filled = row_->filled()[i];
    if (filled == 0) continue;
    remarks.push_back(absl::StrCat(
        Describe(schema_.features[i]), " has no value in ", filled, " of ",
        rows_, " rows: each becomes the mean of its column"));
  }
  AddZoneRemarks(&remarks);
  AddZeroRemarks(&remarks);
  std::vector<std::string> constants = FarConstants::Remarks(
      constants_.Find(),
      [this](size_t column) { return Describe(schema_.features[column]); },
      [](const std::string& text) {
        return absl::StrCat("say missing_values: [\"", text, "\"]");
      });
  std::move(constants.begin(), constants.end(), std::back_inserter(remarks));
  if (!row_->lost_digits()) return remarks;
  std::vector<std::string> lost = row_->lost_digits()->Remarks(
      [this](size_t feature) {
        return Describe(schema_.features[row_->ColumnOf(feature)]);
      },
      "If they are codes, name the column in categorical, or in ignore; else "
      "make two columns of it");
  std::move(lost.begin(), lost.end(), std::back_inserter(remarks));
  return remarks;
}

void CsvReader::AddZeroRemarks(std::vector<std::string>* remarks) const {
  constexpr int kMost = 5;
  int found = 0;
  for (size_t i = 0; i < row_->leading_zeros().size(); ++i) {
    const LeadingZeros& zeros = row_->leading_zeros()[i];
    if (zeros.fields() == 0 || ++found > kMost) continue;
    const size_t column = schema_.features[i];
    remarks->push_back(absl::StrCat(
        Describe(column), " has numbers that begin with 0 in ", zeros.fields(),
        " of ", rows_, " rows, first ", Excerpt(zeros.first()),
        ", which is read as ", zeros.FirstNumber(),
        "; if they are codes, as zip codes are, say ", Categorical(column)));
  }
  if (found > kMost) {
    const int more = found - kMost;
    remarks->push_back(absl::StrCat(
        more, more == 1 ? " more column has" : " more columns have",
        " numbers that begin with 0"));
  }
  if (zeros_of_labels_.fields() == 0 || spec_.label_kind != LabelKind::kClass) {
    return;
  }
  remarks->push_back(absl::StrCat(
      "the label, ", Describe(schema_.label), ", begins with 0 in ",
      zeros_of_labels_.fields(), " of ", rows_, " rows, first ",
      Excerpt(zeros_of_labels_.first()), ", which is the class ",
      zeros_of_labels_.FirstNumber(),
      "; if the zeros tell classes apart, write a letter before them"));
}

std::string CsvReader::Categorical(size_t column) const {
  std::vector<std::string> all = spec_.csv.categorical;
  if (spec_.csv.categories_by_text) all.insert(all.begin(), "auto");
  all.push_back(schema_.columns.InOption(column));
  return absl::StrCat("categorical: [", absl::StrJoin(all, ", "), "]");
}

std::vector<TimeZones> CsvReader::ZonesOfDates() const {
  std::vector<TimeZones> zones;
  for (const RowEncoder::Dates& dates : row_->dates()) {
    zones.push_back(dates.all == 0                 ? TimeZones::kNoDates
                    : dates.with_zone == 0         ? TimeZones::kNone
                    : dates.with_zone == dates.all ? TimeZones::kAll
                                                   : TimeZones::kSome);
  }
  return zones;
}

void CsvReader::AddZoneRemarks(std::vector<std::string>* remarks) const {
  const std::vector<TimeZones>& training = spec_.training_zones;
  for (size_t i = 0; i < std::min(training.size(), row_->dates().size()); ++i) {
    const auto [all, with_zone] = row_->dates()[i];
    const std::string column = Describe(schema_.features[i]);
    const int64_t without = all - with_zone;
    if (training[i] == TimeZones::kAll && without > 0) {
      remarks->push_back(absl::StrCat(
          column, " has no time zone in ", without, " of ", all,
          without == 1 ? " rows, which counts" : " rows, which count",
          " as UTC, and the training data has one in all rows; if that is "
          "wrong, write the zone"));
    } else if (training[i] == TimeZones::kNone && with_zone > 0) {
      remarks->push_back(absl::StrCat(
          column, " has a time zone in ", with_zone, " of ", all,
          " rows, and the training data has none, so that its dates count as "
          "UTC; if that is wrong, write the zone there"));
    }
  }
}

absl::Status ValidateCsv(const SourceSpec& spec) {
  EBB_RETURN_IF_ERROR(ValidateText(spec.csv.text));
  if (!std::isfinite(spec.csv.missing_value)) {
    return WrongOption("missing value ", spec.csv.missing_value,
                       " is not a finite number");
  }
  constexpr int64_t kMost = 1 << 20;
  if (spec.csv.one_hot < 0 || spec.csv.one_hot > kMost) {
    return WrongOption("one_hot ", spec.csv.one_hot, " is not between 0 and ",
                       kMost);
  }
  if (spec.csv.hash_buckets < 1 || spec.csv.hash_buckets > kMost) {
    return WrongOption("hash_buckets ", spec.csv.hash_buckets,
                       " is not between 1 and ", kMost);
  }
  return absl::OkStatus();
}

// Says what becomes of text if that is not the default.
std::string MeaningOfText(const CsvOptions& csv) {
  const CsvOptions usual;
  std::string meaning;
  AppendList("categorical", csv.categorical, &meaning);
  if (!csv.categories_by_text) absl::StrAppend(&meaning, " text=error");
  if (csv.one_hot != usual.one_hot) {
    absl::StrAppend(&meaning, " one_hot=", csv.one_hot);
  }
  if (csv.hash_buckets != usual.hash_buckets) {
    absl::StrAppend(&meaning, " hash_buckets=", csv.hash_buckets);
  }
  AppendList("dates", csv.dates, &meaning);
  if (csv.date_parts) absl::StrAppend(&meaning, " date_parts=yes");
  if (csv.day_first.has_value()) {
    absl::StrAppend(&meaning, " day_first=", *csv.day_first ? "yes" : "no");
  }
  return meaning;
}

std::string MeaningOfCsv(const SourceSpec& spec, absl::string_view common) {
  const CsvOptions& csv = spec.csv;
  constexpr const char* kHeader[] = {"auto", "yes", "no"};
  std::string missing = "error";
  if (csv.missing == CsvOptions::Missing::kMean) missing = "mean";
  if (csv.missing == CsvOptions::Missing::kKeep) missing = "keep";
  if (csv.missing == CsvOptions::Missing::kConstant) {
    missing = Exact(csv.missing_value);
  }
  return absl::StrCat(
      "csv", common, " delimiter=", Quoted(Delimiter(csv, spec.path)),
      " header=", kHeader[static_cast<int>(csv.header)],
      " label=", Quoted(csv.label), " ignore=", QuotedList(csv.ignore),
      " missing=", missing, MeaningOf(csv.text, true), MeaningOfText(csv),
      MeaningOf(spec.like));
}

absl::StatusOr<std::unique_ptr<Reader>> OpenCsv(const SourceSpec& spec,
                                                const Encoding& encoding,
                                                std::vector<Input> files) {
  auto reader =
      std::make_unique<CsvReader>(spec, encoding, std::move(files[0]));
  EBB_RETURN_IF_ERROR(reader->Start());
  return reader;
}

}  // namespace

Format CsvFormat() {
  return {.kind = SourceKind::kCsv,
          .word = "csv",
          .layout = Always<Layout::kDense>,
          .validate = ValidateCsv,
          .meaning = MeaningOfCsv,
          .open = OpenCsv,
          .survey = SurveyTable};
}

}  // namespace ebb::data::internal
