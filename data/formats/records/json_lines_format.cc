// Text with one JSON object a line. https://jsonlines.org
#include <simdjson.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/status_macros.h"
#include "data/bytes/text.h"
#include "data/formats/format.h"
#include "data/formats/line_reader.h"
#include "data/formats/records/record_mapping.h"

namespace ebb::data::internal {
namespace {

using simdjson::dom::element;
using simdjson::dom::element_type;

absl::string_view ViewOf(std::string_view text) {
  return {text.data(), text.size()};
}

// True if two texts are equal. Names are so short that a call of memcmp() would
// take longer.
bool SameName(absl::string_view a, absl::string_view b) {
  const size_t size = a.size();
  if (size != b.size()) return false;
  // Words of this type, the last of which may overlap with the one before.
  const auto by_words = [&]<typename Word>(Word) {
    const auto word = [](const char* at) {
      Word value;
      std::memcpy(&value, at, sizeof(value));
      return value;
    };
    const size_t last = size - sizeof(Word);
    for (size_t i = 0; i < last; i += sizeof(Word)) {
      if (word(a.data() + i) != word(b.data() + i)) return false;
    }
    return word(a.data() + last) == word(b.data() + last);
  };
  if (size >= sizeof(uint64_t)) return by_words(uint64_t{});
  if (size >= sizeof(uint32_t)) return by_words(uint32_t{});
  for (size_t i = 0; i < size; ++i) {
    if (a[i] != b[i]) return false;
  }
  return true;
}

// Returns where a text stops being UTF-8.
size_t FirstBadByte(absl::string_view text) {
  size_t sound = 0;  // The length of the front that is known to be good.
  for (size_t i = 0; i < text.size(); ++i) {
    const bool continues = (text[i] & '\xc0') == '\x80';
    if (i > sound && !continues) {
      if (!simdjson::validate_utf8(text.data() + sound, i - sound)) break;
      sound = i;
    }
  }
  return sound;
}

// The first word outside of texts that JSON does not have, such as NaN.
std::optional<absl::string_view> FirstStrangeWord(absl::string_view line) {
  const auto is_letter = [](char c) {
    return absl::ascii_isalpha(c) || c == '_';
  };
  bool text = false;
  for (size_t i = 0; i < line.size(); ++i) {
    if (text && line[i] == '\\') {
      ++i;
    } else if (line[i] == '"') {
      text = !text;
    } else if (!text && (absl::ascii_isdigit(line[i]) || line[i] == '.')) {
      // The exponent of a number has a letter.
      while (i + 1 < line.size() && absl::ascii_isalnum(line[i + 1])) ++i;
    } else if (!text && is_letter(line[i])) {
      size_t end = i + 1;
      while (end < line.size() && is_letter(line[end])) ++end;
      const absl::string_view word = line.substr(i, end - i);
      if (word != "null" && word != "true" && word != "false") return word;
      i = end - 1;
    }
  }
  return std::nullopt;
}

// Says what to do about a word that JSON does not have.
std::string HintAt(absl::string_view word) {
  const std::string shown = Excerpt(word);
  const std::string lower = absl::AsciiStrToLower(word);
  if (lower == "nan" || lower == "inf" || lower == "infinity") {
    return absl::StrCat(shown,
                        " is no number of JSON; write null for a missing "
                        "value, or leave the key out");
  }
  if (word == "None" || word == "True" || word == "False") {
    return absl::StrCat(shown, " is a word of Python; JSON has ",
                        word == "None" ? "null" : lower,
                        ", which json.dumps() writes");
  }
  return absl::StrCat(shown, " is no JSON; texts stand in double quotes");
}

// The names of the mapping as a tree: "user.id" is `id` under `user`, or the
// key "user.id" itself.
struct Node {
  static constexpr size_t kNone = ~size_t{0};
  std::string name;        // "user.id".
  size_t feature = kNone;  // Its place in the mapping.
  int64_t object = 0;      // The last one that has it.
  // The first object's keys in their order, with the child of each or null:
  // most objects have the same.
  std::vector<std::pair<std::string, Node*>> usual;
  absl::flat_hash_map<std::string, std::unique_ptr<Node>> children;
};

class JsonLinesReader : public LineReader {
 public:
  JsonLinesReader(const SourceSpec& spec, Input file)
      : LineReader(spec, std::move(file)),
        mapping_(spec),
        found_(mapping_.size()) {
    for (size_t i = 0; i < mapping_.size(); ++i) AddName(i, 0, 0, &root_);
    proposing_ = spec.features.empty();
  }

  Layout layout() const override { return mapping_.layout(); }
  int64_t features() const override { return mapping_.features(); }
  std::optional<ColumnNames> Names() const override { return mapping_.Names(); }
  std::vector<std::string> AbsentFeatures() const override {
    return mapping_.AbsentFeatures();
  }
  std::string ColumnOrder() const override { return mapping_.ColumnOrder(); }
  std::vector<std::string> Remarks() const override {
    return mapping_.Remarks();
  }
  void LookForConstants() override { mapping_.LookForLostDigits(); }

 private:
  struct Found {
    int64_t line = 0;  // The last one that has it.
    element value;
    std::vector<element> further;  // Values of further objects in a list.
  };

  // Adds the part of the name of feature `i` from `begin` on, which has `dots`
  // before it, under `node`: its keys may have dots themselves.
  void AddName(size_t i, size_t begin, int dots, Node* node) {
    // The ways to divide a name double with each dot.
    constexpr int kMostDots = 8;
    const std::string& name = mapping_.name(i);
    for (size_t end = begin;; ++end) {
      end = std::min(name.find('.', end), name.size());
      std::unique_ptr<Node>& child =
          node->children[name.substr(begin, end - begin)];
      if (child == nullptr) child = std::make_unique<Node>();
      child->name = name.substr(0, end);
      if (end == name.size()) {
        child->feature = i;
        return;
      }
      AddName(i, end + 1, dots + 1, child.get());
      if (dots >= kMostDots) return;
    }
  }

  absl::StatusOr<bool> Take(absl::string_view line, Example* example) override {
    const bool begins = !line.empty() && line[0] > ' ';
    if (!begins && line.find_first_not_of(" \t\r") == line.npos) return false;
    // The parser looks at bytes behind the line.
    static_assert(kBytesBehindLine >= simdjson::SIMDJSON_PADDING);
    element record;
    const simdjson::error_code error =
        parser_.parse(line.data(), line.size(), false).get(record);
    if (error != simdjson::SUCCESS) return NoJson(line, error);
    simdjson::dom::object object;
    if (record.get(object) != simdjson::SUCCESS) {
      return Bad("the line is ", WordOf(record),
                 ", but a record is an object, "
                 "as {\"price\": 3}");
    }
    if (proposing_) {
      std::vector<ProposedFeature> proposed;
      Propose(object, "", &proposed);
      return NoFeatures(Where(), std::move(proposed));
    }
    ++lines_;
    EBB_RETURN_IF_ERROR(Find(object, root_, /*in_list=*/false));
    mapping_.Begin();
    for (size_t i = 0; i < found_.size(); ++i) {
      mapping_.Select(i);
      if (found_[i].line == lines_) {
        AddValue(i, found_[i].value, true);
        for (const element& value : found_[i].further) AddValue(i, value, true);
      }
      mapping_.EndFeature();
    }
    const absl::Status made = mapping_.End(example);
    if (!made.ok()) return Bad(made.message());
    return true;
  }

  // The child for the key that is number `place` of its object, or null.
  static Node* Child(absl::string_view key, size_t place, Node* node) {
    constexpr size_t kMostUsual = 256;
    auto& usual = node->usual;
    if (place < usual.size() && SameName(usual[place].first, key)) {
      return usual[place].second;
    }
    const auto found = node->children.find(key);
    Node* const child =
        found == node->children.end() ? nullptr : found->second.get();
    if (place == usual.size() && place < kMostUsual) {
      usual.emplace_back(key, child);
    }
    return child;
  }

  // Notes the values of the mapping that are in an object.
  absl::Status Find(const simdjson::dom::object& object, Node& node,
                    bool in_list) {
    const int64_t number = ++objects_;
    size_t place = 0;
    for (const auto field : object) {
      Node* const child = Child(ViewOf(field.key), place++, &node);
      if (child == nullptr) continue;
      Node& next = *child;
      if (next.object == number) {
        return Bad("the object has the key \"", next.name, "\" twice");
      }
      next.object = number;
      if (next.feature != Node::kNone) {
        EBB_RETURN_IF_ERROR(Note(next, field.value, in_list));
      }
      if (!next.children.empty()) {
        EBB_RETURN_IF_ERROR(FindBelow(field.value, next, in_list));
      }
    }
    return absl::OkStatus();
  }

  // Goes on in an object, or in those of a list.
  absl::Status FindBelow(const element& value, Node& node, bool in_list) {
    simdjson::dom::object inner;
    if (value.get(inner) == simdjson::SUCCESS)
      return Find(inner, node, in_list);
    simdjson::dom::array list;
    if (value.get(list) != simdjson::SUCCESS) return absl::OkStatus();
    for (const element item : list) {
      if (item.get(inner) != simdjson::SUCCESS) continue;
      EBB_RETURN_IF_ERROR(Find(inner, node, /*in_list=*/true));
    }
    return absl::OkStatus();
  }

  absl::Status Note(const Node& node, const element& value, bool in_list) {
    Found& found = found_[node.feature];
    if (found.line != lines_) {
      found.line = lines_;
      found.value = value;
      found.further.clear();
      return absl::OkStatus();
    }
    if (!in_list) {
      return Bad("the object has the key \"", node.name, "\" twice");
    }
    found.further.push_back(value);
    return absl::OkStatus();
  }

  // The compiler would call the library for a number, which took a twentieth of
  // the time of a click log.
  [[gnu::flatten]] void AddValue(size_t i, const element& value, bool top) {
    switch (value.type()) {
      case element_type::ARRAY:
        for (const element inner : simdjson::dom::array(value)) {
          AddValue(i, inner, false);
        }
        break;
      case element_type::OBJECT:
        mapping_.AddOther("an object");
        break;
      case element_type::INT64:
        mapping_.AddWhole(value.get_int64().value_unsafe());
        break;
      case element_type::UINT64:
        mapping_.AddWhole(value.get_uint64().value_unsafe());
        break;
      case element_type::DOUBLE:
        mapping_.AddNumber(value.get_double().value_unsafe());
        break;
      case element_type::STRING:
        mapping_.AddText(ViewOf(value.get_string().value_unsafe()));
        break;
      case element_type::BOOL:
        mapping_.AddWhole(int64_t{bool{value} ? 1 : 0});
        break;
      case element_type::NULL_VALUE:  // The key counts as missing.
        if (!top) mapping_.AddOther("a list with null in it");
        break;
    }
  }

  static absl::string_view WordOf(const element& value) {
    switch (value.type()) {
      case element_type::ARRAY:
        return "a list";
      case element_type::STRING:
        return "a text";
      case element_type::BOOL:
        return "true or false";
      case element_type::NULL_VALUE:
        return "null";
      default:
        return "a number";
    }
  }

  absl::Status NoJson(absl::string_view line,
                      simdjson::error_code error) const {
    if (error == simdjson::UTF8_ERROR) {
      return Bad("at byte ", FirstBadByte(line) + 1,
                 " of the line: the text is not UTF-8");
    }
    if (const auto word = FirstStrangeWord(line)) {
      return Bad("at byte ", word->data() - line.data() + 1,
                 " of the line: ", HintAt(*word));
    }
    size_t byte = 0;
    // A second parser stops where the mistake is.
    const simdjson::padded_string padded(line.data(), line.size());
    simdjson::ondemand::parser parser;
    simdjson::ondemand::document document;
    if (parser.iterate(padded).get(document) == simdjson::SUCCESS) {
      simdjson::ondemand::value value;
      const char* at = nullptr;
      if (document.get_value().get(value) == simdjson::SUCCESS) {
        Visit(value, 0);
      }
      if (document.current_location().get(at) == simdjson::SUCCESS &&
          at >= padded.data() && at <= padded.data() + padded.size()) {
        byte = static_cast<size_t>(at - padded.data()) + 1;
      }
    }
    const std::string where =
        byte == 0 ? "" : absl::StrCat("at byte ", byte, " of the line: ");
    if (error == simdjson::NUMBER_ERROR) {
      return Bad(where,
                 "a number is too large or malformed; write numbers of "
                 "more than 64 bits as texts");
    }
    return Bad(where, "is no JSON (", simdjson::error_message(error), ")");
  }

  // Reads everything; false at the first mistake.
  static bool Visit(simdjson::ondemand::value value, int depth) {
    constexpr int kDeepest = 256;
    simdjson::ondemand::json_type type;
    if (depth > kDeepest || value.type().get(type) != simdjson::SUCCESS) {
      return false;
    }
    switch (type) {
      case simdjson::ondemand::json_type::array: {
        simdjson::ondemand::array array;
        if (value.get_array().get(array) != simdjson::SUCCESS) return false;
        for (auto item : array) {
          simdjson::ondemand::value inner;
          if (item.get(inner) != simdjson::SUCCESS) return false;
          if (!Visit(inner, depth + 1)) return false;
        }
        return true;
      }
      case simdjson::ondemand::json_type::object: {
        simdjson::ondemand::object object;
        if (value.get_object().get(object) != simdjson::SUCCESS) return false;
        for (auto field : object) {
          simdjson::ondemand::field pair;
          if (std::move(field).get(pair) != simdjson::SUCCESS) return false;
          if (!Visit(pair.value(), depth + 1)) return false;
        }
        return true;
      }
      case simdjson::ondemand::json_type::number: {
        simdjson::ondemand::number number;
        return value.get_number().get(number) == simdjson::SUCCESS;
      }
      case simdjson::ondemand::json_type::string: {
        std::string_view text;
        return value.get_string().get(text) == simdjson::SUCCESS;
      }
      case simdjson::ondemand::json_type::boolean: {
        bool truth;
        return value.get_bool().get(truth) == simdjson::SUCCESS;
      }
      case simdjson::ondemand::json_type::null: {
        bool null;
        return value.is_null().get(null) == simdjson::SUCCESS;
      }
    }
    return false;
  }

  static void Propose(const simdjson::dom::object& object,
                      const std::string& path,
                      std::vector<ProposedFeature>* proposed) {
    for (const auto field : object) {
      const std::string name =
          absl::StrCat(path, path.empty() ? "" : ".", ViewOf(field.key));
      simdjson::dom::object inner;
      simdjson::dom::array list;
      if (field.value.get(inner) == simdjson::SUCCESS) {
        Propose(inner, name, proposed);
      } else if (field.value.get(list) == simdjson::SUCCESS) {
        int64_t count = 0;
        bool numbers = true;
        for (const element item : list) {
          ++count;
          numbers = numbers && item.is_number();
        }
        if (count == 0) continue;
        if (list.at(0).get(inner) == simdjson::SUCCESS) {
          std::vector<ProposedFeature> of_items;
          Propose(inner, name, &of_items);
          for (ProposedFeature& one : of_items) {
            proposed->push_back({std::move(one.name), "keys"});
          }
          continue;
        }
        proposed->push_back(
            {name, numbers ? absl::StrCat("{as: dense, width: ", count, "}")
                           : "keys"});
      } else if (field.value.is_string()) {
        proposed->push_back({name, "key"});
      } else if (!field.value.is_null()) {
        proposed->push_back({name, "dense"});
      }
    }
  }

  simdjson::dom::parser parser_;
  RecordMapping mapping_;
  Node root_;
  std::vector<Found> found_;  // In the mapping's order.
  bool proposing_ = false;
  int64_t lines_ = 0;
  int64_t objects_ = 0;
};

absl::StatusOr<std::vector<Input>> OpenJsonFiles(const SourceSpec& spec,
                                                 const OpenBytes& open) {
  return OpenRecordFiles(spec, open, {.content = Content::kJson});
}

absl::StatusOr<std::unique_ptr<Reader>> OpenJsonLines(
    const SourceSpec& spec, const Encoding& /*encoding*/,
    std::vector<Input> files) {
  if (!spec.features.empty()) {
    return std::make_unique<JsonLinesReader>(spec, std::move(files[0]));
  }
  SourceSpec first = spec;
  first.on_bad_example = OnBadExample::kStop;
  auto reader = std::make_unique<JsonLinesReader>(first, std::move(files[0]));
  Example example;
  const auto more = reader->Next(&example);
  if (!more.ok()) return more.status();
  return absl::InvalidArgumentError(
      absl::StrCat(spec.Name(), ": has no objects"));
}

absl::Status ValidateJsonLines(const SourceSpec& spec) {
  EBB_RETURN_IF_ERROR(ValidateRecords(spec));
  for (const RecordFeature& feature : spec.features) {
    if (feature.as != RecordFeature::As::kBytes) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("feature \"", feature.name,
                     "\" is bytes, but JSON has none; say as: dense for a list "
                     "of numbers"));
  }
  return absl::OkStatus();
}

std::string MeaningOfJsonLines(const SourceSpec& spec,
                               absl::string_view common) {
  return MeaningOfRecords("json_lines", spec, common);
}

}  // namespace

Format JsonLinesFormat() {
  return {.kind = SourceKind::kJsonLines,
          .word = "json_lines",
          .layout = LayoutOfRecords,
          .hashes_words = true,
          .only_words = HasOnlyWords,
          .validate = ValidateJsonLines,
          .meaning = MeaningOfJsonLines,
          .files = OpenJsonFiles,
          .open = OpenJsonLines};
}

}  // namespace ebb::data::internal
