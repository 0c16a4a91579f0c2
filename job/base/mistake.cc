#include "job/base/mistake.h"

#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "ebb/v1/job.pb.h"
#include "google/protobuf/descriptor.h"

namespace ebb::job {
namespace {

// Returns whether `path` is `root` or lies below it.
bool IsWithin(absl::string_view path, absl::string_view root) {
  if (root.empty()) return true;
  if (!absl::StartsWith(path, root)) return false;
  return path.size() == root.size() || path[root.size()] == '.' ||
         path[root.size()] == '[';
}

bool Explains(const Mistake& known, const Mistake& other) {
  if (IsWithin(other.path, known.path) || IsWithin(known.path, other.path)) {
    return true;
  }
  return !known.meant.empty() && IsWithin(other.path, known.meant);
}

// Returns whether the text is the path of a key. Files have names like paths,
// too: "train.csv".
bool IsKeyPath(absl::string_view text) {
  const google::protobuf::Descriptor* type = v1::Job::descriptor();
  for (;;) {
    const size_t end = text.find_first_of(".[");
    const std::string key(text.substr(0, end));
    const google::protobuf::FieldDescriptor* field = type->FindFieldByName(key);
    if (field == nullptr) field = type->FindFieldByName(key + "_");
    if (field == nullptr) return false;
    // Elements and names of a user's own follow.
    if (end == absl::string_view::npos || text[end] == '[' || field->is_map()) {
      return true;
    }
    type = field->message_type();
    if (type == nullptr) return false;
    text.remove_prefix(end + 1);
  }
}

}  // namespace

void SourceMap::Set(absl::string_view path, Place place) {
  places_.insert_or_assign(std::string(path), std::move(place));
}

void SourceMap::Forget(absl::string_view path) {
  for (auto it = places_.lower_bound(path);
       it != places_.end() && absl::StartsWith(it->first, path);) {
    it = IsWithin(it->first, path) ? places_.erase(it) : std::next(it);
  }
}

Place SourceMap::Find(absl::string_view path) const {
  while (true) {
    if (const auto it = places_.find(path); it != places_.end()) {
      return it->second;
    }
    if (path.empty()) return {};
    const size_t cut = path.find_last_of(".[");
    path = cut == absl::string_view::npos ? "" : path.substr(0, cut);
  }
}

std::string Mistake::ToString() const {
  std::string text;
  if (!place.file.empty()) {
    absl::StrAppend(&text, place.file, ":");
    if (place.line > 0) absl::StrAppend(&text, place.line, ":");
    text += ' ';
  }
  if (!path.empty()) absl::StrAppend(&text, path, ": ");
  text += what;
  if (!hint.empty()) absl::StrAppend(&text, "\n  hint: ", hint);
  return text;
}

std::string QuoteValue(absl::string_view text) {
  constexpr size_t kLongest = 60;
  if (text.size() <= kLongest) {
    return absl::StrCat("\"", absl::Utf8SafeCEscape(text), "\"");
  }
  size_t end = kLongest;
  while (end > 0 && (text[end] & 0xc0) == 0x80) --end;  // Not within a rune.
  return absl::StrCat("\"", absl::Utf8SafeCEscape(text.substr(0, end)), "…\"");
}

std::string ToString(const std::vector<Mistake>& mistakes) {
  std::vector<Mistake> sorted = mistakes;
  SortByLine(&sorted);
  std::string text;
  for (const Mistake& mistake : sorted) {
    absl::StrAppend(&text, text.empty() ? "" : "\n", mistake.ToString());
  }
  return text;
}

absl::Status ToStatus(const std::vector<Mistake>& mistakes) {
  if (mistakes.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(ToString(mistakes));
}

void FirstMistakes::Add(Mistake mistake) {
  constexpr size_t kFew = 5;
  if (mistakes_.size() < kFew) {
    mistakes_.push_back(std::move(mistake));
  } else {
    ++more_;
  }
}

absl::Status FirstMistakes::Status() const {
  if (more_ == 0) return ToStatus(mistakes_);
  return absl::InvalidArgumentError(absl::StrCat(
      ToString(mistakes_), "\n", mistakes_.front().place.file, ": ", more_,
      more_ == 1 ? " more mistake" : " more mistakes"));
}

Mistake MistakeFromStatus(const absl::Status& status,
                          const SourceMap& sources) {
  Mistake mistake;
  const std::pair<absl::string_view, absl::string_view> lines =
      absl::StrSplit(status.message(), absl::MaxSplits("\nhint: ", 1));
  mistake.what = std::string(lines.first);
  mistake.hint = std::string(lines.second);
  const std::pair<std::string, std::string> parts =
      absl::StrSplit(lines.first, absl::MaxSplits(": ", 1));
  // Anything else is part of the text.
  if (IsKeyPath(parts.first)) {
    mistake.path = parts.first;
    mistake.what = parts.second;
  }
  mistake.place = sources.Find(mistake.path);
  return mistake;
}

void SortByLine(std::vector<Mistake>* mistakes) {
  std::stable_sort(mistakes->begin(), mistakes->end(),
                   [](const Mistake& a, const Mistake& b) {
                     return std::pair(a.place.line == 0, a.place.line) <
                            std::pair(b.place.line == 0, b.place.line);
                   });
}

void MergeMistakes(const std::vector<Mistake>& more,
                   std::vector<Mistake>* mistakes) {
  const size_t known = mistakes->size();
  for (const Mistake& mistake : more) {
    const bool explained =
        std::any_of(mistakes->begin(), mistakes->begin() + known,
                    [&](const Mistake& m) { return Explains(m, mistake); });
    if (!explained) mistakes->push_back(mistake);
  }
}

}  // namespace ebb::job
