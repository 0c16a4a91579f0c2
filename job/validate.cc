// ValidateJob: first what the annotations of job.proto say, key by key; then
// what keys (and the data) say together, in rules.cc.
#include "job/validate.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "job/base/keys.h"
#include "job/base/traits.h"
#include "job/base/values.h"
#include "job/fit.h"
#include "job/rules.h"

namespace ebb::job {
namespace {

// Returns what is wrong with the form of a text; empty: nothing.
std::string WrongForm(v1::Format format, absl::string_view text) {
  const auto unless = [](bool fine, absl::string_view wrong) {
    return fine ? std::string() : std::string(wrong);
  };
  switch (format) {
    case v1::FORMAT_NAME:
      return unless(IsName(text),
                    "must be up to 63 of a-z, 0-9, '-', '_' and '.', the "
                    "first a letter or digit");
    case v1::FORMAT_DURATION:
      return unless(ParseInterval(text).has_value(), "is no length of time");
    case v1::FORMAT_EPOCHS:
      return unless(ParseEpochs(text).has_value(), "is no number of epochs");
    case v1::FORMAT_EPOCH_OR_COUNT:
      return unless(ParseEpochOrCount(text).has_value(),
                    "is neither \"epoch\" nor a number of at least 1");
    case v1::FORMAT_COMPARISON:
      return unless(ParseComparison(text).has_value(),
                    "is not >=, >, <= or < and a number");
    case v1::FORMAT_MISSING:
      return unless(ParseMissing(text).has_value(),
                    "is neither error nor mean nor keep nor a number");
    case v1::FORMAT_DELIMITER:
      return unless(ParseDelimiter(text).has_value(),
                    "can be part of a field; a delimiter is a sign such as , | "
                    "or ::, or tab, space or whitespace");
    default:
      return "";
  }
}

bool KindIsRequired(const Message& message) {
  const FieldDescriptor* kind =
      message.GetDescriptor()->FindFieldByName("kind");
  return kind != nullptr && KeyOf(*kind).required();
}

class Checker {
 public:
  Checker(const SourceMap& sources, const std::set<std::string>& any_kind)
      : sources_(sources), any_kind_(any_kind) {}

  void Check(const Message& message, const std::string& path);
  std::vector<Mistake> Take() { return std::move(mistakes_); }

 private:
  void CheckField(const Message& message, const FieldDescriptor& field,
                  const std::string& path);
  void CheckValue(const Message& message, const FieldDescriptor& field,
                  int index, const std::string& path);
  void CheckText(const std::string& text, const FieldDescriptor& field,
                 const std::string& path);
  void Fail(const std::string& path, std::string what, std::string hint) {
    if (mistakes_.size() >= kMaxMistakes) return;
    mistakes_.push_back(
        {sources_.Find(path), path, std::move(what), std::move(hint)});
  }

  const SourceMap& sources_;
  // Messages whose `kind` does not say which keys they take.
  const std::set<std::string>& any_kind_;
  std::vector<Mistake> mistakes_;
};

void Checker::Check(const Message& message, const std::string& path) {
  const Descriptor& type = *message.GetDescriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    const std::string field_path = Join(path, field.name());
    if (IsSet(message, field)) {
      CheckField(message, field, field_path);
    } else if (KeyOf(field).required()) {
      Fail(field_path, "is missing", ExampleOf(field));
    }
  }
}

void Checker::CheckField(const Message& message, const FieldDescriptor& field,
                         const std::string& path) {
  const std::string parent = path.substr(0, path.rfind('.'));
  if (!BelongsToKind(message, field) && !any_kind_.contains(parent)) {
    const std::string kind = KindOf(message);
    // A missing kind that is required is reported elsewhere.
    if (kind.empty() && KindIsRequired(message)) return;
    Fail(path,
         kind.empty() ? "means nothing without a kind"
                      : absl::StrCat("is nothing that ", kind, " takes"),
         absl::StrCat("leave it out, or kind: ",
                      absl::StrJoin(KeyOf(field).kinds(), " or ")));
    return;
  }
  const auto& reflection = *message.GetReflection();
  if (field.is_map() && MessageTypeOf(field) != nullptr) {
    for (const auto& [name, entry] : MessagesOf(message, field)) {
      CheckText(name, field, Join(path, name));
      Check(*entry, Join(path, name));
    }
  } else if (field.is_map()) {
    for (const auto& [key, value] : EntriesOf(message, field)) {
      CheckText(key, field, Join(path, key));
      CheckText(value, field, Join(path, key));
    }
  } else if (field.is_repeated()) {
    const int size = reflection.FieldSize(message, &field);
    const bool plain = size == 1 && TakesOneOrMore(field);
    for (int i = 0; i < size; ++i) {
      CheckValue(message, field, i,
                 plain ? path : absl::StrCat(path, "[", i, "]"));
    }
  } else if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
    Check(reflection.GetMessage(message, &field), path);
  } else {
    CheckValue(message, field, -1, path);
  }
}

void Checker::CheckValue(const Message& message, const FieldDescriptor& field,
                         int index, const std::string& path) {
  const auto& reflection = *message.GetReflection();
  std::string wrong;
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      CheckText(TextOf(message, field, index), field, path);
      return;
    case FieldDescriptor::CPPTYPE_ENUM: {
      // From YAML it cannot be, but from another client it may.
      const int number = reflection.GetEnumValue(message, &field);
      if (number == 0 ||
          field.enum_type()->FindValueByNumber(number) == nullptr) {
        wrong = absl::StrCat("has the unknown value ", number);
      }
      break;
    }
    case FieldDescriptor::CPPTYPE_INT64:
      wrong = OutOfRange(
          field,
          static_cast<double>(
              index >= 0 ? reflection.GetRepeatedInt64(message, &field, index)
                         : reflection.GetInt64(message, &field)));
      break;
    case FieldDescriptor::CPPTYPE_DOUBLE:
      wrong = OutOfRange(
          field, index >= 0
                     ? reflection.GetRepeatedDouble(message, &field, index)
                     : reflection.GetDouble(message, &field));
      break;
    default:
      break;
  }
  if (!wrong.empty()) Fail(path, std::move(wrong), ExampleOf(field));
}

void Checker::CheckText(const std::string& text, const FieldDescriptor& field,
                        const std::string& path) {
  constexpr size_t kLongest = 4096;
  const v1::Format format = KeyOf(field).format();
  if (text.empty()) {
    Fail(path, "is empty", ExampleOf(field));
  } else if (text.size() > kLongest) {
    Fail(path, absl::StrCat("is longer than ", kLongest, " bytes"),
         ExampleOf(field));
  } else if (format != v1::FORMAT_DELIMITER &&
             std::any_of(text.begin(), text.end(), absl::ascii_iscntrl)) {
    Fail(path, "has a control character in it", ExampleOf(field));
  } else if (std::string wrong = WrongForm(format, text); !wrong.empty()) {
    Fail(path, absl::StrCat(QuoteValue(text), " ", wrong), ExampleOf(field));
  }
}

// A model of the user's own may take any of the keys, and one that is not
// known, like any other thing of an unknown kind, was meant to be something
// that does.
std::set<std::string> AnyKind(const v1::Job& job, const DataFacts& facts,
                              const std::vector<Mistake>& before) {
  constexpr absl::string_view kKind = ".kind";
  std::set<std::string> any;
  if (job.model().has_plugin() || !KnowsModel(facts, job.model())) {
    any.insert("model");
  }
  for (const Mistake& mistake : before) {
    if (absl::EndsWith(mistake.path, kKind)) {
      any.insert(mistake.path.substr(0, mistake.path.size() - kKind.size()));
    }
  }
  return any;
}

}  // namespace

std::vector<Mistake> ValidateJob(const v1::Job& job, const DataFacts& facts,
                                 const SourceMap& sources,
                                 const std::vector<Mistake>& before) {
  v1::Job full = job;
  FillDefaults(&full);
  if (facts.train) FitToData(*facts.train, 0, &full);
  const std::set<std::string> any_kind = AnyKind(full, facts, before);
  Checker checker(sources, any_kind);
  checker.Check(full, "");
  std::vector<Mistake> mistakes = checker.Take();
  MergeMistakes(CheckRules(full, facts, sources), &mistakes);
  SortByLine(&mistakes);
  return mistakes;
}

}  // namespace ebb::job
