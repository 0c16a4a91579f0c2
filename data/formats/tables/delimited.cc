#include "data/formats/tables/delimited.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/status_macros.h"
#include "data/bytes/text.h"

namespace ebb::data::internal {

namespace {

// Returns whether a line is a number and then pairs of numbers.
bool IsLibsvm(absl::string_view line) {
  const absl::string_view label = TakeWord(&line);
  if (!IsNumber(label) || IsBlank(line)) return false;
  while (!IsBlank(line)) {
    const std::pair<absl::string_view, absl::string_view> pair =
        absl::StrSplit(TakeWord(&line), absl::MaxSplits(':', 1));
    if (!IsNumber(pair.first) || !IsNumber(pair.second)) return false;
  }
  return true;
}

}  // namespace

absl::StatusOr<bool> DelimitedRecords::Next() {
  if (!ahead_.has_value()) return Read();
  current_ = std::exchange(ahead_, std::nullopt);
  Restore(*current_);
  return current_->more;
}

const std::vector<std::string>* DelimitedRecords::Peek() {
  if (!ahead_.has_value()) {
    current_ = Keep(true);
    absl::StatusOr<bool> more = Read();
    ahead_ = Keep(std::move(more));
    Restore(*current_);
  }
  const bool whole =
      ahead_->is_record() && !ahead_->begins_file && ahead_->status.ok();
  return whole ? &ahead_->fields : nullptr;
}

void DelimitedRecords::SkipRepeated(bool guessed) {
  guessed_header_ = guessed;
  header_ = std::vector<std::string>(fields_.begin(), fields_.end());
  numbers_.Clear();
  if (!ahead_.has_value() || !ahead_->is_record()) return;
  // The record ahead was read before it was known that this is a header.
  Restore(*ahead_);
  if (begins_file_ && IsHeader()) {
    absl::StatusOr<bool> more = Read();
    ahead_ = Keep(std::move(more));
  } else if (const absl::Status other = CheckOtherHeader(); !other.ok()) {
    ahead_->more = other;
  }
  if (ahead_->is_record() && ahead_->status.ok()) {
    Restore(*ahead_);
    numbers_.Add(fields_);
  }
  Restore(*current_);
}

DelimitedRecords::Kept DelimitedRecords::Keep(absl::StatusOr<bool> more) const {
  return {std::move(more), path_,   line_,
          begins_file_,    status_, {fields_.begin(), fields_.end()}};
}

void DelimitedRecords::Restore(const Kept& kept) {
  path_ = kept.path;
  line_ = kept.line;
  begins_file_ = kept.begins_file;
  status_ = kept.status;
  fields_.assign(kept.fields.begin(), kept.fields.end());
}

absl::StatusOr<bool> DelimitedRecords::Read() {
  for (;;) {
    absl::string_view line;
    EBB_ASSIGN_OR_RETURN(const bool more, ReadLine(&line));
    if (!more) return false;
    line_ = last_line_;
    if (path_ != file_.path()) path_ = file_.path();
    if (line.empty()) continue;
    if (!settled_) {
      delimiter_ = guess_(line);
      whitespace_ = delimiter_ == kWhitespace;
    }
    const bool blank = absl::StripAsciiWhitespace(line).empty();
    if (blank && (whitespace_ || !absl::StrContains(line, delimiter_))) {
      continue;
    }
    if (quotes_ && memchr(line.data(), '"', line.size()) != nullptr) {
      EBB_RETURN_IF_ERROR(SplitQuoted(line));
    } else {
      status_ = absl::OkStatus();
      SplitPlain(line);
    }
    if (IsHeader()) {
      if (begins_file_) continue;
      status_ = RepeatedHeader();
    }
    EBB_RETURN_IF_ERROR(CheckOtherHeader());
    if (status_.ok()) numbers_.Add(fields_);
    return true;
  }
}

bool DelimitedRecords::IsHeader() const {
  return !header_.empty() &&
         std::equal(fields_.begin(), fields_.end(), header_.begin(),
                    header_.end(),
                    [](absl::string_view a, absl::string_view b) {
                      return absl::EqualsIgnoreCase(a, b);
                    });
}

absl::Status DelimitedRecords::RepeatedHeader() const {
  // Words above numbers are names of columns.
  if (guessed_header_ && !numbers_.Any()) {
    return absl::InvalidArgumentError(absl::StrCat(
        Where(),
        ": this line repeats the first one, which was taken for a header; if "
        "the first line is an example, as it looks, say header: false; if it "
        "is a header, remove this line, or give joined files as a list"));
  }
  return absl::InvalidArgumentError(
      absl::StrCat(Where(),
                   ": this line repeats the header, as in files that were "
                   "joined; remove it, or give the files as a list"));
}

absl::Status DelimitedRecords::CheckOtherHeader() const {
  if (!begins_file_ || !headers_) return absl::OkStatus();
  for (const absl::string_view field : fields_) {
    const auto same = [&](const std::string& name) {
      return absl::EqualsIgnoreCase(name, field);
    };
    if (field.empty() || IsNumber(field) ||
        std::none_of(header_.begin(), header_.end(), same)) {
      continue;
    }
    return absl::InvalidArgumentError(absl::StrCat(
        Where(), ": this first line of the file has ", Excerpt(field),
        " of the first file's header, but is another one; give all files the "
        "same columns in the same order, with the same header or none"));
  }
  const std::vector<size_t> words = numbers_.Words(fields_);
  return words.empty() ? absl::OkStatus() : OtherHeader(words);
}

absl::Status DelimitedRecords::OtherHeader(
    const std::vector<size_t>& columns) const {
  constexpr size_t kListed = 3;
  const auto listed = [&](const auto& fields) {
    std::vector<std::string> texts;
    for (const size_t column : columns) {
      if (texts.size() == kListed) {
        texts.emplace_back("...");
        break;
      }
      texts.push_back(Excerpt(fields[column]));
    }
    return absl::StrJoin(texts, ", ");
  };
  return absl::InvalidArgumentError(absl::StrCat(
      Where(), ": this first line of the file is a header: it has ",
      listed(fields_), " where the lines before have numbers. The first file ",
      header_.empty()
          ? absl::StrCat("has none; remove this line, or give all files the "
                         "same header")
          : absl::StrCat("has another one there, ", listed(header_),
                         "; give all files the same columns in the same "
                         "order, with the same header or none")));
}

absl::StatusOr<bool> DelimitedRecords::ReadLine(absl::string_view* line) {
  begins_file_ = false;
  while (!again_.empty()) {
    TakeAgain(line);
    if (!file_.IsComment(*line)) return true;
  }
  EBB_ASSIGN_OR_RETURN(const bool more, file_.ReadLine(line));
  last_line_ = file_.line_number();
  begins_file_ = more && file_.begins_further_file();
  return more;
}

void DelimitedRecords::TakeAgain(absl::string_view* line) {
  line_again_ = std::move(again_.front().text);
  last_line_ = again_.front().number;
  again_.pop_front();
  *line = line_again_;
}

absl::StatusOr<bool> DelimitedRecords::ReadFurtherLine(
    absl::string_view* line) {
  if (storage_.size() > kMaxExampleBytes) return false;
  bool more = false;
  if (again_.empty()) {
    EBB_ASSIGN_OR_RETURN(more, file_.ReadFurtherLine(line));
    last_line_ = file_.line_number();
  } else {
    TakeAgain(line);
    more = true;
  }
  if (more) further_.push_back({last_line_, std::string(*line)});
  return more;
}

std::string DelimitedRecords::DelimiterName() const {
  return whitespace_ ? delimiter_ : Excerpt(delimiter_);
}

std::string DelimitedRecords::OtherDelimiter() const {
  struct Known {
    absl::string_view text;
    absl::string_view key;
  };
  constexpr Known kKnown[] = {
      {"\t", "tab"},  {";", "\";\""}, {"|", "\"|\""},     {"::", "\"::\""},
      {",", "\",\""}, {":", "\":\""}, {" ", "whitespace"}};
  const absl::string_view line = fields_.front();
  if (IsLibsvm(line)) {
    return absl::StrCat("the line has no ", DelimiterName(),
                        ", but looks like a row of LIBSVM; the key of such "
                        "files is libsvm:");
  }
  for (const Known& known : kKnown) {
    const std::vector<absl::string_view> parts =
        absl::StrSplit(line, known.text);
    if (known.text == delimiter_ || parts.size() < 2) continue;
    return absl::StrCat(
        "the line has no ", DelimiterName(), ", but ", parts.size(),
        " parts between ", Excerpt(known.text),
        "; if that is the delimiter, say delimiter: ", known.key);
  }
  return "";
}

bool DelimitedRecords::IsDelimiter(char c) const {
  return whitespace_ ? c == ' ' || c == '\t' : c == delimiter_.front();
}

void DelimitedRecords::SkipSpaces(absl::string_view* rest) const {
  size_t spaces = 0;
  while (spaces < rest->size() && absl::ascii_isspace((*rest)[spaces]) &&
         (whitespace_ || !IsDelimiter((*rest)[spaces]))) {
    ++spaces;
  }
  rest->remove_prefix(spaces);
}

size_t DelimitedRecords::FieldEnd(absl::string_view rest) const {
  if (whitespace_) return std::min(rest.find_first_of(" \t"), rest.size());
  if (delimiter_.size() > 1) {
    return std::min(rest.find(delimiter_), rest.size());
  }
  return std::min(rest.find(delimiter_.front()), rest.size());
}

void DelimitedRecords::SplitPlain(absl::string_view line) {
  fields_.clear();
  const size_t width = whitespace_ ? 1 : delimiter_.size();
  if (whitespace_) line = absl::StripAsciiWhitespace(line);
  for (;;) {
    const size_t end = FieldEnd(line);
    fields_.push_back(absl::StripAsciiWhitespace(line.substr(0, end)));
    if (end == line.size()) return;
    line.remove_prefix(end + width);
    if (whitespace_) SkipSpaces(&line);
  }
}

absl::Status DelimitedRecords::SplitQuoted(absl::string_view line) {
  status_ = absl::OkStatus();
  storage_.clear();
  ends_.clear();
  further_.clear();
  const size_t width = whitespace_ ? 1 : delimiter_.size();
  if (whitespace_) line = absl::StripTrailingAsciiWhitespace(line);
  for (;;) {
    EBB_RETURN_IF_ERROR(TakeField(&line));
    if (!status_.ok() || line.empty()) break;
    line.remove_prefix(width);
  }
  if (!status_.ok()) {
    again_.insert(again_.begin(), std::make_move_iterator(further_.begin()),
                  std::make_move_iterator(further_.end()));
  }
  fields_.clear();
  size_t begin = 0;
  for (const size_t end : ends_) {
    fields_.push_back(absl::string_view(storage_).substr(begin, end - begin));
    begin = end;
  }
  return absl::OkStatus();
}

absl::Status DelimitedRecords::TakeField(absl::string_view* rest) {
  SkipSpaces(rest);
  if (!rest->empty() && rest->front() == '"') return TakeQuoted(rest);
  const size_t end = FieldEnd(*rest);
  absl::StrAppend(&storage_,
                  absl::StripTrailingAsciiWhitespace(rest->substr(0, end)));
  ends_.push_back(storage_.size());
  rest->remove_prefix(end);
  return absl::OkStatus();
}

absl::Status DelimitedRecords::TakeQuoted(absl::string_view* rest) {
  const size_t column = ends_.size() + 1;
  const auto bad = [&](const auto&... what) {
    status_ = absl::InvalidArgumentError(
        absl::StrCat(Where(), ": column ", column, " ", what...));
    return absl::OkStatus();
  };
  rest->remove_prefix(1);
  for (;;) {
    const size_t quote = rest->find('"');
    if (quote == absl::string_view::npos) {  // It goes on in the next line.
      absl::StrAppend(&storage_, *rest, "\n");
      EBB_ASSIGN_OR_RETURN(const bool more, ReadFurtherLine(rest));
      if (more) continue;
      return bad(
          "begins with a quote that nothing closes; if quotes are "
          "characters like others in this file, say quotes: false");
    }
    storage_.append(rest->data(), quote);
    rest->remove_prefix(quote + 1);
    if (rest->empty() || rest->front() != '"') break;
    storage_.push_back('"');
    rest->remove_prefix(1);
  }
  ends_.push_back(storage_.size());
  const size_t end = FieldEnd(*rest);
  const absl::string_view behind =
      absl::StripTrailingAsciiWhitespace(rest->substr(0, end));
  if (!behind.empty() && absl::StrContains(";|\t", behind.front())) {
    return bad(
        "goes on with ", Excerpt(behind), " after its closing quote; is ",
        Excerpt(behind.substr(0, 1)), " the delimiter? Then say delimiter: ",
        behind.front() == '\t' ? "tab"
                               : absl::StrCat("\"", behind.substr(0, 1), "\""));
  }
  if (!absl::StripAsciiWhitespace(behind).empty()) {
    return bad("goes on with ", Excerpt(rest->substr(0, end)),
               " after its closing quote; double the quotes inside a field, "
               "or say quotes: false");
  }
  rest->remove_prefix(end);
  return absl::OkStatus();
}

}  // namespace ebb::data::internal
