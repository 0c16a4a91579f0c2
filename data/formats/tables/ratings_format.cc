// Ratings: a record is a user, an item, a rating, and perhaps a time, which is
// not used. A header may name them in any order. Between the fields is what
// the first line has there: "::" (ratings.dat of MovieLens 1M and 10M), tab
// (u.data of MovieLens 100K), a semicolon or a comma (ratings.csv of the later
// ones, and of `ebb generate`). https://grouplens.org/datasets/movielens
#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "data/bytes/text.h"
#include "data/formats/format.h"
#include "data/formats/keyed_row.h"
#include "data/formats/options.h"
#include "data/formats/tables/rating_order.h"
#include "data/formats/tables/record_reader.h"

namespace ebb::data::internal {
namespace {

constexpr Field kUser = 0;
constexpr Field kItem = 1;
constexpr size_t kMostWithoutHeader = 4;

std::string GuessRatingDelimiter(absl::string_view line) {
  for (const absl::string_view delimiter : {"::", "\t", ";"}) {
    if (line.find(delimiter) != absl::string_view::npos) {
      return std::string(delimiter);
    }
  }
  return ",";
}

// The roles of columns in a rating, in their usual order.
enum Role : size_t { kUserRole, kItemRole, kRatingRole, kTimeRole, kRoles };
constexpr std::array<absl::string_view, kRoles> kRoleNames = {"user", "item",
                                                              "rating", "time"};
constexpr std::array<absl::string_view, kRoles> kTheRole = {
    "the user", "the item", "the rating", "the time"};

// The names that published ratings use, the likeliest first.
constexpr absl::string_view kUserNames[] = {
    "userid",     "user",       "username", "uid",      "reviewerid",
    "customerid", "memberid",   "reviewer", "customer", "member",
    "visitorid",  "profilekey", "visitor",  "reader",   "u"};
constexpr absl::string_view kItemNames[] = {
    "itemid",    "item",     "movieid", "productid", "bookid",    "asin",
    "isbn",      "songid",   "trackid", "artistid",  "animeid",   "jokeid",
    "gameid",    "filmid",   "iid",     "movie",     "product",   "book",
    "song",      "track",    "artist",  "anime",     "joke",      "game",
    "film",      "business", "article", "recipeid",  "articleid", "i",
    "businessid"};
constexpr absl::string_view kRatingNames[] = {
    "rating",  "ratings",    "score",      "stars", "star",
    "overall", "bookrating", "userrating", "r"};
constexpr absl::string_view kTimeNames[] = {
    "timestamp",  "time", "unixreviewtime", "datetime", "date",
    "reviewtime", "ts"};
constexpr std::array<std::span<const absl::string_view>, kRoles> kKnownNames = {
    kUserNames, kItemNames, kRatingNames, kTimeNames};

bool HasKnownName(const std::string& column) {
  const Columns columns("", 1, {column});
  return std::any_of(
      kKnownNames.begin(), kKnownNames.end(),
      [&](const auto& names) { return columns.Find(names).has_value(); });
}

class RatingsReader : public RecordReader {
 public:
  RatingsReader(const SourceSpec& spec, Input file)
      : RecordReader(spec, std::move(file), spec.ratings.text,
                     GuessRatingDelimiter) {}

  int64_t features() const override { return 2; }
  std::vector<std::string> Remarks() const override;

 private:
  absl::StatusOr<bool> TakeHeader(const Fields& fields) override;
  absl::Status CheckWidth(const Fields& fields) const override;
  absl::Status Take(const Fields& fields, Example* example) override;

  // The number of roles that a record must have, from the front of Role.
  size_t Needed() const { return spec().has_labels ? 3 : 2; }
  std::array<const std::string*, kRoles> Named() const {
    const RatingsOptions& ratings = spec().ratings;
    return {&ratings.user, &ratings.item, &ratings.rating, &ratings.time};
  }
  bool IsHeader(const Fields& fields) const;
  // The name of a role's column in the training data; empty where it had none.
  std::string TrainingName(size_t role) const;
  // Settles the roles by the names of a header. Those that the options give
  // stay open, but a number of a column means that of the training data.
  absl::Status RecogniseRoles(const Columns& columns);
  // The end of an error about a rating, if another column has it.
  std::string OrderHint(const Fields& fields) const;
  absl::Status AddWord(Field field, absl::string_view word);

  // The column of each role. The time's is not used.
  std::array<size_t, kRoles> column_ = {0, 1, 2, 3};
  std::optional<size_t> width_;  // The header's.
  bool usual_order_ = false;     // It is by no header and no option.
  RatingOrder seen_;
  KeyedRow row_;
};

std::vector<std::string> RatingsReader::Remarks() const {
  const std::string remark = seen_.Remark(column_[kRatingRole]);
  return remark.empty() ? std::vector<std::string>() : std::vector{remark};
}

absl::Status RatingsReader::CheckWidth(const Fields& fields) const {
  const size_t needed = Needed();
  const auto named = Named();
  const bool all_named =
      std::all_of(named.begin(), named.begin() + static_cast<int64_t>(needed),
                  [](const std::string* name) { return !name->empty(); });
  // Before the header is known, more columns than usual may be one of a table.
  const bool open = !width_.has_value() &&
                    (all_named || (fields.size() > 1 && IsHeader(fields)));
  const size_t most =
      open ? fields.size() : std::max(width_.value_or(0), kMostWithoutHeader);
  const size_t least = std::max(
      needed, 1 + *std::max_element(column_.begin(), column_.begin() + needed));
  if (fields.size() >= least && fields.size() <= most) {
    return absl::OkStatus();
  }
  if (fields.size() == 1 && !spec().ratings.text.delimiter.has_value()) {
    const std::string other = OtherDelimiter();
    if (!other.empty()) return Bad(other);
  }
  return Bad(
      "the line has ", fields.size(), fields.size() == 1 ? " field" : " fields",
      " between ", DelimiterName(), ", the delimiter of ",
      spec().ratings.text.delimiter.has_value() ? "the job" : "the first line",
      "; ",
      spec().has_labels ? "user, item and rating are needed"
                        : "user and item are needed",
      ", and a time may follow");
}

// A header has names and no number. Where there is no rating, users and items
// may be words: then a header is told by a name that it has.
bool RatingsReader::IsHeader(const Fields& fields) const {
  const auto named = Named();
  if (std::any_of(named.begin(), named.end(),
                  [](const std::string* name) { return IsName(*name); }) ||
      NamesTraining(fields)) {
    return true;
  }
  if (std::any_of(fields.begin(), fields.end(),
                  [](absl::string_view field) { return IsNumber(field); })) {
    return false;
  }
  if (spec().has_labels) return fields.size() >= 3 && !fields[2].empty();
  const Columns columns("", fields.size(), {fields.begin(), fields.end()});
  return columns.Find(kUserNames).has_value() ||
         (spec().like.has_value() && columns.Find(kItemNames).has_value()) ||
         (fields.size() >= 3 && !fields[2].empty());
}

std::string RatingsReader::TrainingName(size_t role) const {
  const std::optional<ColumnNames>& like = spec().like;
  if (!like.has_value() || role > kRatingRole) return "";
  if (role == kRatingRole) return like->label;
  return role < like->features.size() ? like->features[role] : "";
}

absl::StatusOr<bool> RatingsReader::TakeHeader(const Fields& fields) {
  const bool header = IsHeader(fields);
  const Columns columns = ColumnsOf(fields, header);
  const auto named = Named();
  usual_order_ = !header && std::all_of(named.begin(), named.end(),
                                        [](const std::string* name) {
                                          return name->empty();
                                        });
  for (size_t role = 0; role < kRoles; ++role) {
    if (named[role]->empty()) continue;
    // Data to predict from has none.
    if (role >= kRatingRole && !spec().has_labels) continue;
    width_ = fields.size();
    if (header && !IsName(*named[role]) && !TrainingName(role).empty()) {
      continue;
    }
    EBB_ASSIGN_OR_RETURN(column_[role], columns.Resolve(*named[role]));
  }
  if (header) {
    width_ = fields.size();
    EBB_RETURN_IF_ERROR(RecogniseRoles(columns));
  }
  for (size_t a = 0; a < Needed(); ++a) {
    for (size_t b = 0; b < a; ++b) {
      if (column_[a] != column_[b]) continue;
      return Bad(columns.Describe(column_[a]), " would be both ", kRoleNames[b],
                 " and ", kRoleNames[a], "; name each by ", kRoleNames[b],
                 ": and ", kRoleNames[a], ":");
    }
  }
  if (header) {
    const bool rated = spec().has_labels;
    KeepHeader(
        columns, {column_[kUserRole], column_[kItemRole]},
        rated ? column_[kRatingRole] : Columns::kNone,
        rated ? std::vector<size_t>{0, 1, 2} : std::vector<size_t>{0, 1});
  }
  return header;
}

absl::Status RatingsReader::RecogniseRoles(const Columns& columns) {
  const auto named = Named();
  const ColumnFinder finder(columns);
  std::string unknown;
  bool any = false;
  bool usual = true;  // What is recognised stands in its usual place.
  for (size_t role = 0; role < kRoles; ++role) {
    const std::string training = TrainingName(role);
    const std::string& option = *named[role];
    if (!option.empty() && (training.empty() || IsName(option))) {
      usual = false;
      continue;
    }
    const bool exact = !training.empty() && finder.Has(training);
    size_t found = Columns::kNone;
    if (!exact) {
      found = columns.Find(kKnownNames[role]).value_or(Columns::kNone);
    }
    // Its usual place may be that of another role's name.
    const bool taken =
        role >= columns.width() || HasKnownName(columns.names()[role]);
    if (found != Columns::kNone) {
      any = true;
      usual = usual && found == role;
      column_[role] = found;
    } else if (role < Needed() && !training.empty()) {
      EBB_ASSIGN_OR_RETURN(column_[role],
                           finder.Find(training, kTheRole[role]));
    } else if (role < Needed()) {
      usual = usual && !taken;
      if (unknown.empty()) unknown = std::string(kRoleNames[role]);
    }
  }
  if (unknown.empty() || (any && usual)) return absl::OkStatus();
  return columns.Bad("none of the columns ", columns.Listed(),
                     " has a usual name of the ", unknown,
                     "; name its column by ", unknown, ":");
}

absl::Status RatingsReader::Take(const Fields& fields, Example* example) {
  row_.Clear();
  EBB_RETURN_IF_ERROR(AddWord(kUser, fields[column_[kUserRole]]));
  EBB_RETURN_IF_ERROR(AddWord(kItem, fields[column_[kItemRole]]));
  float rating = 0;
  if (spec().has_labels) {
    const auto label = Label(fields[column_[kRatingRole]]);
    if (!label.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat(label.status().message(), OrderHint(fields)));
    }
    rating = *label;
    if (usual_order_) seen_.Add(fields);
  }
  *example = row_.AsExample(rating);
  return absl::OkStatus();
}

std::string RatingsReader::OrderHint(const Fields& fields) const {
  const absl::string_view rating = fields[column_[kRatingRole]];
  if (!usual_order_ || rating.empty() || IsNumber(rating)) return "";
  const auto is_number = [](absl::string_view field) {
    return IsNumber(field);
  };
  const auto number = std::find_if(fields.begin(), fields.end(), is_number);
  // Several numbers may be ids.
  if (std::count_if(fields.begin(), fields.end(), is_number) != 1) return "";
  return absl::StrCat(
      "; without a header the columns are user, item, rating. ",
      NameColumns(static_cast<size_t>(number - fields.begin())));
}

absl::Status RatingsReader::AddWord(Field field, absl::string_view word) {
  if (word.empty()) {
    return Bad("the ", kRoleNames[field],
               " is missing; user, item and rating are needed");
  }
  row_.Add(field, KeyOf(field, word), 1);
  return absl::OkStatus();
}

absl::Status ValidateRatings(const SourceSpec& spec) {
  return ValidateText(spec.ratings.text);
}

std::string MeaningOfRatings(const SourceSpec& spec, absl::string_view common) {
  const RatingsOptions& ratings = spec.ratings;
  std::string meaning = absl::StrCat("ratings", common);
  AppendNamed("delimiter", ratings.text.delimiter.value_or(""), &meaning);
  AppendNamed("user", ratings.user, &meaning);
  AppendNamed("item", ratings.item, &meaning);
  AppendNamed("rating", ratings.rating, &meaning);
  return absl::StrCat(meaning, MeaningOf(ratings.text, false),
                      MeaningOf(spec.like));
}

}  // namespace

Format RatingsFormat() {
  return {.kind = SourceKind::kRatings,
          .word = "ratings",
          .layout = Always<Layout::kKeyed>,
          .hashes_words = true,
          .only_words = [](const SourceSpec&) { return true; },
          .validate = ValidateRatings,
          .meaning = MeaningOfRatings,
          .open = Open<RatingsReader>};
}

}  // namespace ebb::data::internal
