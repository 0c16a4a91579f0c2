// Delimited text as records of fields: what tables, ratings and click logs
// share. One set of rules holds for all of them:
//   - Spaces around a field do not belong to it.
//   - A field that begins with a quote ends at the next quote that is not
//     doubled. Delimiters, line breaks and spaces inside are part of it; the
//     quotes are not.
//   - Quotes that are wrong spoil one line: the next record begins behind it.
//   - A quote inside a field that does not begin with one is a character.
//   - Empty lines are ignored.
#ifndef EBB_DATA_FORMATS_TABLES_DELIMITED_H_
#define EBB_DATA_FORMATS_TABLES_DELIMITED_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "data/formats/input.h"
#include "data/formats/tables/number_columns.h"
#include "data/source.h"

namespace ebb::data::internal {

// The records of the files of a source, from the first to the last. Not thread
// safe.
class DelimitedRecords {
 public:
  // Chooses a delimiter by a line.
  using Guess = std::function<std::string(absl::string_view line)>;

  // `guess` is asked for each record until Settle().
  DelimitedRecords(Input file, Guess guess, const TextOptions& text)
      : file_(std::move(file)),
        guess_(std::move(guess)),
        quotes_(text.quotes),
        numbers_(MissingWords(text.missing_values)) {}

  // Reads the next record; false at the end of the file. Errors are those of
  // Input::ReadLine(). A record with bad quotes sets status() instead, and the
  // next call goes on behind it.
  absl::StatusOr<bool> Next();

  // The mistake in the current record, with its place; OK: none.
  const absl::Status& status() const { return status_; }
  // The fields of the current record, valid until the next call of Next().
  const std::vector<absl::string_view>& fields() const { return fields_; }

  // The fields of the record after the current one, which stays the current
  // one; null at the end of its file, or where that record is wrong.
  const std::vector<std::string>* Peek();

  // The current record is a header: a further file may begin with it, too, and
  // then it is passed over there. Elsewhere it is a record that is wrong.
  // `guessed`: no option says that it is a header.
  void SkipRepeated(bool guessed = false);

  // No file has a header: a first record that looks like one is an example.
  void ExpectNoHeaders() { headers_ = false; }

  // Keeps the current delimiter for the rest of the file.
  void Settle() { settled_ = true; }
  // The delimiter for messages: "','", "'\t'", "whitespace".
  std::string DelimiterName() const;

  // "; say delimiter: tab": what to do if the current record, of one field, has
  // another delimiter in it; empty: nothing is seen.
  std::string OtherDelimiter() const;

  // "a.csv:17": where the current record begins.
  std::string Where() const { return absl::StrCat(path_, ":", line_); }
  const Input& file() const { return file_; }

 private:
  // A record that is kept while another one is read.
  struct Kept {
    absl::StatusOr<bool> more = false;  // The result of Next() for it,
    std::string path;                   // and the rest of its state.
    int64_t line = 0;
    bool begins_file = false;
    absl::Status status;
    std::vector<std::string> fields;

    bool is_record() const { return more.ok() && *more; }
  };
  absl::StatusOr<bool> Read();
  // Takes the first of the lines to be read again; there is at least one.
  void TakeAgain(absl::string_view* line);
  // The next line of the file, or one to be read again, without comments.
  absl::StatusOr<bool> ReadLine(absl::string_view* line);
  // Another line of the current record.
  absl::StatusOr<bool> ReadFurtherLine(absl::string_view* line);
  Kept Keep(absl::StatusOr<bool> more) const;
  void Restore(const Kept& kept);

  // True if the current record is the header once more, in whatever case.
  bool IsHeader() const;

  // The error where the current record is the header once more.
  absl::Status RepeatedHeader() const;

  // Refuses a further file that begins with another header than the first, or
  // with the first header of all. The rest of it would be read as the wrong
  // columns, so that the error is not of this record alone.
  absl::Status CheckOtherHeader() const;
  // The error if words stand in `columns` and numbers in the others.
  absl::Status OtherHeader(const std::vector<size_t>& columns) const;

  // Views of `line`, which has no quote.
  void SplitPlain(absl::string_view line);
  // Copies the fields of the record that begins with `line` into storage_; it
  // may take more lines.
  absl::Status SplitQuoted(absl::string_view line);
  // Takes one field from the front of `*rest`, without its delimiter.
  absl::Status TakeField(absl::string_view* rest);
  absl::Status TakeQuoted(absl::string_view* rest);
  // Drops the spaces in front of a field.
  void SkipSpaces(absl::string_view* rest) const;
  // The length of the field at the front of `rest`.
  size_t FieldEnd(absl::string_view rest) const;
  bool IsDelimiter(char c) const;

  Input file_;
  const Guess guess_;
  const bool quotes_;
  NumberColumns numbers_;
  bool headers_ = true;  // Files may begin with one.
  bool settled_ = false;
  std::string delimiter_;
  bool whitespace_ = false;  // The delimiter is any run of spaces and tabs.
  struct Line {
    int64_t number = 0;
    std::string text;
  };
  std::deque<Line> again_;    // Lines to be read again,
  std::string line_again_;    // and the last one that was.
  std::deque<Line> further_;  // Lines of the current record but its first.
  bool guessed_header_ = false;
  std::vector<std::string> header_;  // Empty: there is none to be repeated.
  std::string path_;                 // The file of the current record.
  bool begins_file_ = false;         // It is the first of a further file.
  int64_t last_line_ = 0;            // The number of the line read last.
  int64_t line_ = 0;                 // The current record begins there.
  absl::Status status_;
  std::vector<absl::string_view> fields_;
  std::optional<Kept> current_;  // A copy once a record after it was looked at,
  std::optional<Kept> ahead_;    // and that.
  std::string storage_;          // Fields of a record with quotes,
  std::vector<size_t> ends_;     // each of which ends there.
};

}  // namespace ebb::data::internal

#endif  // EBB_DATA_FORMATS_TABLES_DELIMITED_H_
