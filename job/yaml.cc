#include "job/yaml.h"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <span>
#include <string>
#include <system_error>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "common/nearest.h"
#include "common/regular_file.h"
#include "common/utf8.h"
#include "common/yaml_text.h"
#include "job/base/keys.h"
#include "job/base/values.h"
#include "job/validate.h"
#include "job/yaml_tree.h"

namespace ebb::job {
namespace {

// Returns whether ebb sets the key, and people do not.
bool IsSetByEbb(const FieldDescriptor& field) {
  return field.containing_type() == v1::Data::descriptor() &&
         field.number() == v1::Data::kFoldFieldNumber;
}

// The keys that people may set.
std::vector<std::string> KeyNames(const Descriptor& type) {
  std::vector<std::string> names;
  for (int i = 0; i < type.field_count(); ++i) {
    if (IsSetByEbb(*type.field(i))) continue;
    names.push_back(type.field(i)->name());
  }
  return names;
}

std::string KeysHint(const Descriptor& type) {
  return absl::StrCat("keys: ", absl::StrJoin(KeyNames(type), ", "));
}

bool IsMessage(const FieldDescriptor& field) {
  return field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE &&
         !field.is_map();
}

// The text as one YAML value, if it is short enough for a hint.
std::string QuoteShort(absl::string_view text) {
  return text.size() <= 60 ? QuoteYaml(text) : "…";
}

// The messages to which the first keys of a path lead, the job first.
std::vector<const Descriptor*> TypesAlong(std::span<const std::string> path) {
  std::vector<const Descriptor*> types = {v1::Job::descriptor()};
  for (const std::string& key : path) {
    const FieldDescriptor* field = types.back()->FindFieldByName(key);
    if (field == nullptr || !IsMessage(*field)) break;
    types.push_back(field->message_type());
  }
  return types;
}

// Returns whether a job has one of both at most, as of the formats of data.
bool AreAlternatives(const FieldDescriptor& a, const FieldDescriptor& b) {
  return &a == &b || (a.real_containing_oneof() != nullptr &&
                      a.real_containing_oneof() == b.real_containing_oneof());
}

// Returns whether two keys are in messages of which a job has one.
bool AreOfAlternatives(std::span<const std::string> a,
                       std::span<const std::string> b) {
  if (a.size() != b.size() || a.size() < 2) return false;
  const size_t depth = a.size() - 2;
  if (!std::ranges::equal(a.first(depth), b.first(depth))) return false;
  const Descriptor& type = *TypesAlong(a.first(depth)).back();
  return AreAlternatives(*type.FindFieldByName(a[depth]),
                         *type.FindFieldByName(b[depth]));
}

// The keys that lead from a job to the key called `name`: the right place of a
// misplaced key. If several messages have it of which a job has one, it is the
// first. Empty if there is none, or several elsewhere.
std::vector<std::string> PathOfKey(absl::string_view name) {
  using Step = std::pair<const Descriptor*, std::vector<std::string>>;
  std::vector<Step> steps = {{v1::Job::descriptor(), {}}};
  std::set<const FieldDescriptor*> found;
  std::vector<std::string> found_path;
  for (size_t s = 0; s < steps.size(); ++s) {  // Grows; shallow keys first.
    for (int i = 0; i < steps[s].first->field_count(); ++i) {
      const FieldDescriptor& field = *steps[s].first->field(i);
      std::vector<std::string> path = steps[s].second;
      path.push_back(field.name());
      if (field.name() == name && !IsSetByEbb(field) &&
          found.insert(&field).second) {
        if (found.size() == 1) {
          found_path = path;
        } else if (!AreOfAlternatives(path, found_path)) {
          return {};
        }
      }
      if (IsMessage(field)) steps.emplace_back(field.message_type(), path);
    }
  }
  return found_path;
}

// Names that other tools give to keys of ours, and of names that several parts
// of a job have, the part that is probably meant.
struct NameElsewhere {
  absl::string_view name;
  absl::string_view path;  // The place of our key.
};
constexpr NameElsewhere kNamesElsewhere[] = {
    {"batch_size", "train.batch"},
    {"batchsize", "train.batch"},
    {"eta", "optimizer.rate"},
    {"l2", "model.l2"},
    {"learning_rate", "optimizer.rate"},
    {"lr", "optimizer.rate"},
    {"max_epochs", "train.epochs"},
    {"mini_batch", "train.batch"},
    {"minibatch", "train.batch"},
    {"momentum", "optimizer.momentum"},
    {"n_epochs", "train.epochs"},
    {"num_epochs", "train.epochs"},
    {"patience", "stop.patience"},
    {"random_seed", "seed"},
    {"random_state", "seed"},
    {"weight_decay", "optimizer.weight_decay"},
};

// The path of the key of ours that another tool calls so in a message of this
// type; empty: none.
std::vector<std::string> PathElsewhere(absl::string_view name,
                                       const Descriptor& type) {
  // StepLR of PyTorch calls it so, and others the rate.
  if (name == "step_size" && &type == v1::Schedule::descriptor()) {
    return {"optimizer", "schedule", "step_epochs"};
  }
  for (const NameElsewhere& one : kNamesElsewhere) {
    if (one.name == name) return absl::StrSplit(one.path, '.');
  }
  return {};
}

// All names of keys below a job, each once.
std::set<std::string> AllKeyNames() {
  std::vector<const Descriptor*> types = {v1::Job::descriptor()};
  std::set<std::string> names;
  for (size_t t = 0; t < types.size(); ++t) {  // Grows.
    for (const std::string& name : KeyNames(*types[t])) names.insert(name);
    for (int i = 0; i < types[t]->field_count(); ++i) {
      const FieldDescriptor& field = *types[t]->field(i);
      if (!IsMessage(field)) continue;
      if (std::ranges::count(types, field.message_type()) > 0) continue;
      types.push_back(field.message_type());
    }
  }
  return names;
}

// The key that a misspelt one probably is.
struct MeantKey {
  std::vector<std::string> path;  // Empty: none.
  // The name is only near to one of another tool.
  bool guessed = false;
};

// The key called `name` of a message around the one at `path`; empty: none has
// it.
std::vector<std::string> PathAbove(absl::string_view name,
                                   const std::string& path) {
  std::vector<std::string> above;
  if (!path.empty()) above = absl::StrSplit(path, '.');
  const std::vector<const Descriptor*> types = TypesAlong(above);
  // The job itself has its keys in any case.
  for (size_t i = types.size() - 1; i > 0; --i) {
    const FieldDescriptor* field = types[i]->FindFieldByName(std::string(name));
    if (field == nullptr || IsSetByEbb(*field)) continue;
    above.resize(i);
    above.emplace_back(name);
    return above;
  }
  return {};
}

// The key that is probably meant by `name`, which the message `type` at `path`
// does not have.
MeantKey MeantBy(absl::string_view name, const Descriptor& type,
                 const std::string& path) {
  if (auto known = PathAbove(name, path); !known.empty()) return {known};
  if (auto known = PathOfKey(name); !known.empty()) return {known};
  if (auto known = PathElsewhere(name, type); !known.empty()) return {known};
  if (const std::string near = Nearest(name, KeyNames(type)); !near.empty()) {
    return {absl::StrSplit(Join(path, near), '.')};
  }
  std::vector<std::string> others;
  for (const NameElsewhere& one : kNamesElsewhere) {
    others.emplace_back(one.name);
  }
  if (const std::string near = Nearest(name, others); !near.empty()) {
    return {PathElsewhere(near, type), /*guessed=*/true};
  }
  // A format has few keys, and they say more than one of another part.
  if (absl::StartsWith(path, "data.") && std::ranges::count(path, '.') > 1) {
    return {};
  }
  const std::set<std::string> all = AllKeyNames();
  const std::string any = Nearest(name, {all.begin(), all.end()});
  if (any.empty()) return {};
  std::vector<std::string> meant = PathOfKey(any);
  // Many tools have keys such as hidden_size, and mean no option of a format of
  // data, as `size` of images is.
  const bool of_a_format = meant.size() > 3 && meant.front() == "data";
  if (of_a_format && !absl::StartsWith(path, "data")) return {};
  return {std::move(meant)};
}

// The path of the same key in the message of the user, if `meant` leads through
// another one of its type: a key at data.test is one of data.test, not of
// data.train.
std::vector<std::string> NearUser(std::span<const std::string> here,
                                  std::vector<std::string> meant) {
  const std::vector<const Descriptor*> of_here = TypesAlong(here);
  const std::vector<const Descriptor*> of_meant = TypesAlong(meant);
  for (size_t i = of_here.size() - 1; i > 0; --i) {
    const auto same =
        std::find(of_meant.begin() + 1, of_meant.end(), of_here[i]);
    if (same == of_meant.end()) continue;
    const auto above = here.first(i);
    std::vector<std::string> near(above.begin(), above.end());
    near.insert(near.end(), meant.begin() + (same - of_meant.begin()),
                meant.end());
    return near;
  }
  return meant;
}

// A part of a job that the user gives.
struct GivenPart {
  const FieldDescriptor* field = nullptr;  // Null: there is none.
  const YamlNode* value = nullptr;         // Null: it is not known.
};

// The part in `map` that is `part`, or stands in its place.
GivenPart GivenIn(const YamlNode* map, const FieldDescriptor& part) {
  if (map == nullptr) return {};
  for (size_t i = 0; i < map->keys.size(); ++i) {
    const FieldDescriptor* field =
        part.containing_type()->FindFieldByName(map->keys[i].text);
    if (field != nullptr && AreAlternatives(*field, part)) {
      return {field, &map->items[i]};
    }
  }
  return {};
}

// The same in a job of which the YAML is not known.
GivenPart GivenIn(const Message* job, std::span<const std::string> above,
                  const FieldDescriptor& part) {
  for (const std::string& step : above) {
    if (job == nullptr) return {};
    const FieldDescriptor* field = job->GetDescriptor()->FindFieldByName(step);
    job = field != nullptr && job->GetReflection()->HasField(*job, field)
              ? &job->GetReflection()->GetMessage(*job, field)
              : nullptr;
  }
  const auto* oneof = part.real_containing_oneof();
  if (job == nullptr || oneof == nullptr) return {};
  return {job->GetReflection()->GetOneofFieldDescriptor(*job, oneof)};
}

// A value as the user wrote it, if it is short; of a map the value that would
// be its short form.
std::string AsWritten(const YamlNode* value, const Descriptor& type) {
  constexpr size_t kLongest = 60;
  if (value == nullptr) return "…";
  if (value->is_scalar()) return QuoteShort(value->text);
  if (value->kind == YamlNode::Kind::kList) {
    std::vector<std::string> items;
    for (const YamlNode& item : value->items) {
      if (!item.is_scalar()) return "…";
      items.push_back(QuoteShort(item.text));
    }
    const std::string list = absl::StrCat("[", absl::StrJoin(items, ", "), "]");
    return list.size() <= kLongest ? list : "…";
  }
  const FieldDescriptor* field = ShortForm(type);
  for (size_t i = 0; field != nullptr && i < value->keys.size(); ++i) {
    const YamlNode& item = value->items[i];
    if (value->keys[i].text == field->name() &&
        item.kind != YamlNode::Kind::kMap) {
      return AsWritten(&item, type);
    }
  }
  return "…";
}

// "path: a.csv", if the part is given in short form, as by `csv: a.csv`; else
// empty.
std::string WholeOf(const GivenPart& part) {
  if (part.value == nullptr) return "";
  const Descriptor& type = *part.field->message_type();
  const FieldDescriptor* field = ShortForm(type);
  const bool list = part.value->kind == YamlNode::Kind::kList;
  if (field == nullptr ||
      !(part.value->is_scalar() || (list && field->is_repeated()))) {
    return "";
  }
  return absl::StrCat(field->name(), ": ", AsWritten(part.value, type));
}

// The map of `root` at the path; null: there is none.
const YamlNode* MapAt(const YamlNode* root, std::span<const std::string> path) {
  for (const std::string& step : path) {
    if (root == nullptr) return nullptr;
    const auto key = std::ranges::find_if(root->keys, [&](const YamlNode& one) {
      return one.is_scalar() && one.text == step;
    });
    root = key == root->keys.end() ? nullptr
                                   : &root->items[key - root->keys.begin()];
  }
  return root;
}

// "a: {b: VALUE}" for a and b.
std::string Nested(std::span<const std::string> keys, absl::string_view value) {
  return absl::StrCat(absl::StrJoin(keys, ": {"), ": ", value,
                      std::string(keys.size() - 1, '}'));
}

// Makes `*meant`, which leads to a key of a message beside this one, lead to
// the same key here, or to the one that it misspells. False: there is none.
bool ChooseKeyOf(const Descriptor& type, std::vector<std::string>* meant) {
  std::string& key = meant->back();
  if (type.FindFieldByName(key) != nullptr) return true;
  const std::string near = Nearest(key, KeyNames(type));
  if (near.empty()) return false;
  key = near;
  return true;
}

// A hint for a key that only another part than the given one has; `type` is
// that of the message in which it stands, and `meant` its path in the given
// part.
std::string HintOfPart(const GivenPart& part, absl::string_view name,
                       absl::string_view value,
                       const std::vector<std::string>& meant,
                       const Descriptor& type) {
  const Descriptor& of_part = *part.field->message_type();
  // Records say by `features` which value is the label.
  if (name == "label" &&
      part.field->options().GetExtension(v1::data_format).records()) {
    std::vector<std::string> shown(meant.begin(), meant.end() - 2);
    shown.push_back(absl::StrCat(part.field->name(), ": ",
                                 AsWritten(part.value, of_part), ", features"));
    return Nested(shown, absl::StrCat("{", value, ": label}"));
  }
  if (&of_part == &type) return KeysHint(type);
  return absl::StrCat(part.field->name(), " has the ", KeysHint(of_part));
}

// An example of a part that is a file, of the user's own file if `node` may be
// one.
std::string OfFile(const std::string& example, const YamlNode& node) {
  if (!node.is_scalar() || !absl::StrContains(node.text, '.')) return example;
  return absl::StrReplaceAll(example, {{"FILE", QuoteShort(node.text)}});
}

// Maps a YAML tree onto a message. Collects mistakes and goes on.
class Mapper {
 public:
  static constexpr absl::string_view kSet = "--set";

  // Neither pointer is owned.
  Mapper(std::string file, SourceMap* sources, std::vector<Mistake>* mistakes)
      : file_(std::move(file)), sources_(sources), mistakes_(mistakes) {}

  // `node` should be a map, or the short form of `message`; `example` is a
  // hint for when it is neither.
  void MapMessage(const YamlNode& node, const std::string& path,
                  Message* message, const std::string& example = "");
  void MapField(const YamlNode& node, const FieldDescriptor& field,
                const std::string& path, Message* message);
  // Says what is wrong with a key that `type` does not have; it stands in
  // `map`, if that is not null. Returns the path of the key that is probably
  // meant; empty: none.
  std::string UnknownKey(absl::string_view name, const YamlNode* value,
                         int line, const Descriptor& type,
                         const std::string& path, const YamlNode* map);
  // Takes the overridden job, of which the YAML is not known.
  void set_job(const Message* job) { job_ = job; }
  void Fail(int line, const std::string& path, std::string what,
            std::string hint) {
    if (mistakes_->size() >= kMaxMistakes) return;
    mistakes_->push_back({At(line), path, std::move(what), std::move(hint)});
  }
  void SetScalar(absl::string_view text, int line, const FieldDescriptor& field,
                 const std::string& path, Message* message);

 private:
  Place At(int line) const { return {file_, file_ == kSet ? 0 : line}; }
  void FailTwice(int line, const std::string& path, int first_line) {
    Fail(line, path, absl::StrCat("is given twice, first in line ", first_line),
         "keep one of the two");
  }
  void MapEntry(const YamlNode& key, const YamlNode& value, const YamlNode& map,
                const std::string& path, Message* message,
                std::map<std::string, int>* seen);
  // The part that the user gives in the place of the one which has the key
  // `*meant`; the key that was not known stands in `map`, at `path`. Makes
  // `*meant` lead through that part.
  GivenPart GivenFor(std::vector<std::string>* meant, const std::string& path,
                     const YamlNode* map) const;
  void MapList(const YamlNode& node, const FieldDescriptor& field,
               const std::string& path, Message* message);
  void MapEntries(const YamlNode& node, const FieldDescriptor& field,
                  const std::string& path, Message* message);

  const std::string file_;
  SourceMap* const sources_;
  std::vector<Mistake>* const mistakes_;
  const YamlNode* root_ = nullptr;  // The whole job; null: it is not known.
  const Message* job_ = nullptr;    // The same; null: root_ is known.
};

void Mapper::MapMessage(const YamlNode& node, const std::string& path,
                        Message* message, const std::string& example) {
  const Descriptor& type = *message->GetDescriptor();
  if (const FieldDescriptor* field = ShortForm(type);
      field != nullptr &&
      (node.is_scalar() ||
       (node.kind == YamlNode::Kind::kList && field->is_repeated()))) {
    MapField(node, *field, Join(path, field->name()), message);
    return;
  }
  if (node.kind != YamlNode::Kind::kMap) {
    Fail(node.line, path,
         path.empty() ? "the file is no map of keys"
                      : "is no map of keys and values",
         example.empty() ? KeysHint(type) : OfFile(example, node));
    return;
  }
  if (path.empty()) root_ = &node;
  std::map<std::string, int> seen;  // The keys and their lines.
  for (size_t i = 0; i < node.keys.size(); ++i) {
    if (mistakes_->size() >= kMaxMistakes) return;
    MapEntry(node.keys[i], node.items[i], node, path, message, &seen);
  }
}

void Mapper::MapEntry(const YamlNode& key, const YamlNode& value,
                      const YamlNode& map, const std::string& path,
                      Message* message, std::map<std::string, int>* seen) {
  const Descriptor& type = *message->GetDescriptor();
  if (!key.is_scalar()) {
    Fail(key.line, path, "a key is not a word", KeysHint(type));
    return;
  }
  const std::string key_path = Join(path, key.text);
  const auto [first, is_new] = seen->emplace(key.text, key.line);
  if (!is_new) {
    FailTwice(key.line, key_path, first->second);
    return;
  }
  const FieldDescriptor* field = type.FindFieldByName(key.text);
  if (field == nullptr) {
    UnknownKey(key.text, &value, key.line, type, path, &map);
    return;
  }
  sources_->Set(key_path, At(key.line));
  if (const auto* oneof = field->real_containing_oneof(); oneof != nullptr) {
    const FieldDescriptor* other =
        message->GetReflection()->GetOneofFieldDescriptor(*message, oneof);
    if (other != nullptr) {
      Fail(key.line, key_path,
           absl::StrCat("cannot stand beside ", other->name()),
           "keep one of the two");
      return;
    }
  }
  MapField(value, *field, key_path, message);
}

GivenPart Mapper::GivenFor(std::vector<std::string>* meant,
                           const std::string& path, const YamlNode* map) const {
  std::vector<std::string> here;
  if (!path.empty()) here = absl::StrSplit(path, '.');
  if (meant->empty()) return {};
  *meant = NearUser(here, std::move(*meant));
  if (meant->size() < 2) return {};
  const size_t depth = meant->size() - 2;
  const auto above = std::span(*meant).first(depth);
  const std::vector<const Descriptor*> types = TypesAlong(above);
  if (types.size() <= depth) return {};
  std::string& name = (*meant)[depth];
  const FieldDescriptor* part = types.back()->FindFieldByName(name);
  if (part == nullptr || !IsMessage(*part)) return {};
  GivenPart given;
  // The key may stand in the part itself.
  if (here.size() > depth &&
      std::ranges::equal(above, std::span(here).first(depth))) {
    const FieldDescriptor* field = types.back()->FindFieldByName(here[depth]);
    if (field != nullptr && AreAlternatives(*field, *part)) {
      given = {field, MapAt(root_, std::span(here).first(depth + 1))};
    }
  }
  if (given.field == nullptr) given = GivenIn(map, *part);
  if (given.field == nullptr) given = GivenIn(MapAt(root_, above), *part);
  if (given.field == nullptr) given = GivenIn(job_, above, *part);
  if (given.field != nullptr) name = given.field->name();
  return given;
}

std::string Mapper::UnknownKey(absl::string_view name, const YamlNode* value,
                               int line, const Descriptor& type,
                               const std::string& path, const YamlNode* map) {
  Mistake mistake;
  mistake.place = At(line);
  mistake.path = Join(path, absl::Utf8SafeCEscape(name.substr(0, 60)));
  mistake.what = path.empty() ? "a job has no such key"
                              : absl::StrCat(path, " has no such key");
  const std::string text =
      value != nullptr && value->is_scalar() ? QuoteShort(value->text) : "…";
  auto [meant_path, guessed] = MeantBy(name, type, path);
  const GivenPart part = GivenFor(&meant_path, path, map);
  std::string other;  // The hint if the given part has no such key.
  if (part.field != nullptr &&
      !ChooseKeyOf(*part.field->message_type(), &meant_path)) {
    other = HintOfPart(part, name, text, meant_path, type);
    meant_path.clear();
  }
  const std::string whole = part.field == nullptr ? "" : WholeOf(part);
  std::string meant = absl::StrJoin(meant_path, ".");
  if (path.empty() && name == "space") {
    mistake.hint = "sweep: {space: …}, in a file for `ebb sweep`";
    meant.clear();
  } else if (meant.empty()) {
    mistake.hint = other.empty() ? KeysHint(type) : other;
  } else {
    // It explains mistakes in the key that is meant; a guess explains nothing.
    if (!guessed) mistake.meant = meant;
    // Beside the key that is wrong, the key alone says enough.
    const std::string& key = meant_path.back();
    const bool beside = meant == Join(path, key);
    std::vector<std::string> shown =
        beside ? std::vector<std::string>{key} : meant_path;
    if (!whole.empty() && !beside) {
      shown.back() = absl::StrCat(whole, ", ", key);
    }
    mistake.hint = Nested(shown, text);
  }
  mistakes_->push_back(std::move(mistake));
  return meant;
}

void Mapper::MapField(const YamlNode& node, const FieldDescriptor& field,
                      const std::string& path, Message* message) {
  if (node.kind == YamlNode::Kind::kNull) {
    Fail(node.line, path, "has no value", ExampleOf(field));
  } else if (field.is_map()) {
    MapEntries(node, field, path, message);
  } else if (IsMessage(field)) {
    MapMessage(node, path,
               message->GetReflection()->MutableMessage(message, &field),
               KeyOf(field).has_example() ? ExampleOf(field) : "");
  } else if (field.is_repeated()) {
    MapList(node, field, path, message);
  } else if (!node.is_scalar()) {
    Fail(node.line, path, "takes one value, not a list or map",
         ExampleOf(field));
  } else {
    SetScalar(node.text, node.line, field, path, message);
  }
}

void Mapper::MapList(const YamlNode& node, const FieldDescriptor& field,
                     const std::string& path, Message* message) {
  if (node.is_scalar() && TakesOneOrMore(field)) {
    SetScalar(node.text, node.line, field, path, message);
    return;
  }
  if (node.kind != YamlNode::Kind::kList || node.items.empty()) {
    Fail(node.line, path,
         node.kind == YamlNode::Kind::kList ? "is an empty list"
                                            : "is not a list",
         ExampleOf(field));
    return;
  }
  for (size_t i = 0; i < node.items.size(); ++i) {
    const YamlNode& item = node.items[i];
    const std::string item_path = absl::StrCat(path, "[", i, "]");
    if (!item.is_scalar()) {
      Fail(item.line, item_path, "is not a single value", ExampleOf(field));
      continue;
    }
    if (item.line != node.line) sources_->Set(item_path, At(item.line));
    SetScalar(item.text, item.line, field, item_path, message);
  }
}

void Mapper::MapEntries(const YamlNode& node, const FieldDescriptor& field,
                        const std::string& path, Message* message) {
  if (node.kind != YamlNode::Kind::kMap) {
    Fail(node.line, path, "is no map of keys and values", ExampleOf(field));
    return;
  }
  std::map<std::string, int> seen;
  const bool of_messages = MessageTypeOf(field) != nullptr;
  for (size_t i = 0; i < node.keys.size(); ++i) {
    const YamlNode& key = node.keys[i];
    const YamlNode& value = node.items[i];
    if (!key.is_scalar() || (!of_messages && !value.is_scalar())) {
      Fail(key.line, path, "takes plain keys and values only",
           ExampleOf(field));
      continue;
    }
    const std::string key_path = Join(path, key.text);
    const auto [first, is_new] = seen.emplace(key.text, key.line);
    if (!is_new) {
      FailTwice(key.line, key_path, first->second);
      continue;
    }
    sources_->Set(key_path, At(key.line));
    if (of_messages) {
      MapMessage(value, key_path, MutableEntry(key.text, field, message));
    } else {
      SetFromText(value.text, field, message, key.text);
    }
  }
}

// The word of a job file for what other formats, such as YAML 1.1, take for
// true or false; empty: it is neither.
absl::string_view BooleanMeantBy(absl::string_view text) {
  constexpr absl::string_view kTrue[] = {"yes", "y", "on", "1", "true", "t"};
  constexpr absl::string_view kFalse[] = {"no", "n", "off", "0", "false", "f"};
  const std::string word = absl::AsciiStrToLower(text);
  if (std::ranges::count(kTrue, word) > 0) return "true";
  return std::ranges::count(kFalse, word) > 0 ? "false" : "";
}

void Mapper::SetScalar(absl::string_view text, int line,
                       const FieldDescriptor& field, const std::string& path,
                       Message* message) {
  const std::string wrong = SetFromText(text, field, message);
  if (wrong.empty()) return;
  std::string hint = ExampleOf(field);
  if (field.enum_type() != nullptr) {
    const std::string near = Nearest(text, EnumWords(*field.enum_type()));
    if (!near.empty()) hint = absl::StrCat(field.name(), ": ", near);
  }
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_BOOL) {
    const absl::string_view meant = BooleanMeantBy(text);
    if (!meant.empty()) hint = absl::StrCat(field.name(), ": ", meant);
  }
  Fail(line, path, absl::StrCat(QuoteValue(text), " ", wrong), std::move(hint));
}

// --- Overrides --------------------------------------------------------------

class Overrider {
 public:
  explicit Overrider(JobFile* file)
      : file_(file),
        mapper_(std::string(Mapper::kSet), &file->sources, &file->mistakes) {
    mapper_.set_job(&file->job);
  }

  // "path=value".
  void Apply(absl::string_view text) {
    const size_t equals = text.find('=');
    if (equals == absl::string_view::npos || equals == 0) {
      mapper_.Fail(0, "", absl::StrCat(QuoteValue(text), " is not KEY=VALUE"),
                   "--set train.epochs=3");
      return;
    }
    const absl::string_view value = text.substr(equals + 1);
    if (!IsUtf8(text)) {
      mapper_.Fail(0, "", "the override is not UTF-8 text", "");
      return;
    }
    const std::vector<std::string> keys =
        absl::StrSplit(text.substr(0, equals), '.');
    // First the whole path, so that nothing is made for a wrong one.
    Steps steps;
    const Descriptor* type = v1::Job::descriptor();
    std::string path;
    for (size_t i = 0; i < keys.size(); ++i) {
      const FieldDescriptor* field =
          type == nullptr ? nullptr : type->FindFieldByName(keys[i]);
      if (field == nullptr) {
        HintWhole(Unknown(keys[i], value, type, path, steps),
                  {keys.begin() + static_cast<ptrdiff_t>(i) + 1, keys.end()},
                  value);
        return;
      }
      steps.push_back({field, ""});
      path = Join(path, keys[i]);
      type = MessageTypeOf(*field);
      if (field->is_map() && i + 1 < keys.size()) {
        steps.back().entry = keys[++i];
        path = Join(path, keys[i]);
        if (keys[i].empty()) {
          mapper_.Fail(0, path, "is empty", ExampleOf(*field));
          return;
        }
      }
    }
    Set(steps, path, value);
  }

 private:
  // From a message to one below it, or to a key.
  struct Step {
    const FieldDescriptor* field;
    std::string entry;  // For a map.
  };
  using Steps = std::vector<Step>;

  static bool IsThere(const Message& message, const Step& step) {
    return step.field->is_map()
               ? MessagesOf(message, *step.field).contains(step.entry)
               : IsSet(message, *step.field);
  }

  // Hints at the key that is `meant`, if any, with the keys below it.
  void HintWhole(const std::string& meant,
                 const std::vector<std::string>& below,
                 absl::string_view value) {
    if (file_->mistakes.empty() || meant.empty()) return;
    Mistake& mistake = file_->mistakes.back();
    constexpr size_t kLongest = 60;
    mistake.hint = absl::StrCat(
        "--set ", meant, below.empty() ? "" : ".", absl::StrJoin(below, "."),
        "=", value.size() <= kLongest ? absl::Utf8SafeCEscape(value) : "…");
  }
  // Returns the path of the key that is probably meant; empty: none.
  std::string Unknown(const std::string& key, absl::string_view value,
                      const Descriptor* type, const std::string& path,
                      const Steps& steps) {
    if (type == nullptr) {
      mapper_.Fail(0, path, "has no keys of its own",
                   ExampleOf(*steps.back().field));
      return "";
    }
    YamlNode node;
    node.kind = YamlNode::Kind::kScalar;
    node.text = std::string(value);
    return mapper_.UnknownKey(key, &node, 0, *type, path, nullptr);
  }

  void Set(const Steps& steps, const std::string& path,
           absl::string_view value) {
    Message* message = &file_->job;
    std::string above;
    for (size_t i = 0; i + 1 < steps.size(); ++i) {
      const FieldDescriptor* field = steps[i].field;
      above = Join(above, field->name());
      if (field->is_map()) above = Join(above, steps[i].entry);
      if (!IsThere(*message, steps[i])) {
        file_->sources.Set(above, {std::string(Mapper::kSet), 0});
      }
      message = field->is_map()
                    ? MutableEntry(steps[i].entry, *field, message)
                    : message->GetReflection()->MutableMessage(message, field);
    }
    const FieldDescriptor& field = *steps.back().field;
    const std::string& entry = steps.back().entry;
    file_->sources.Forget(path);
    file_->sources.Set(path, {std::string(Mapper::kSet), 0});
    if (!entry.empty() && MessageTypeOf(field) != nullptr && !value.empty()) {
      Message* of_entry = MutableEntry(entry, field, message);
      of_entry->Clear();
      std::vector<Mistake> mistakes;
      const auto node = ReadYaml(value, Mapper::kSet, &mistakes);
      if (node.has_value()) mapper_.MapMessage(*node, path, of_entry);
      for (const Mistake& m : mistakes) mapper_.Fail(0, path, m.what, m.hint);
      return;
    }
    if (!entry.empty() && MessageTypeOf(field) == nullptr) {
      SetFromText(value, field, message, entry);  // The later entry counts.
      return;
    }
    message->GetReflection()->ClearField(message, &field);
    if (value.empty()) {
      mapper_.Fail(0, path, "has no value", ExampleOf(field));
    } else if (TakesOneOrMore(field) && !absl::StartsWith(value, "[")) {
      mapper_.SetScalar(value, 0, field, path, message);
    } else if (field.is_repeated() || IsMessage(field)) {
      // Lists and maps are YAML; plain values are taken as they stand.
      std::vector<Mistake> mistakes;
      const auto node = ReadYaml(value, Mapper::kSet, &mistakes);
      if (node.has_value()) mapper_.MapField(*node, field, path, message);
      for (const Mistake& m : mistakes) mapper_.Fail(0, path, m.what, m.hint);
    } else {
      mapper_.SetScalar(value, 0, field, path, message);
    }
  }

  JobFile* file_;
  Mapper mapper_;
};

// The key that only files of sweeps have; null: there is none.
const YamlNode* KeyOfSweep(const YamlNode& root) {
  if (root.kind != YamlNode::Kind::kMap) return nullptr;
  const auto find = [&](absl::string_view name) -> const YamlNode* {
    const auto key = std::ranges::find_if(
        root.keys, [&](const YamlNode& key) { return key.text == name; });
    return key == root.keys.end() ? nullptr : &*key;
  };
  if (const YamlNode* sweep = find("sweep")) return sweep;
  // Beside keys of a job it lacks `sweep` above it.
  return find("model") == nullptr && find("data") == nullptr ? find("space")
                                                             : nullptr;
}

// The standard input has no name.
std::string NameInCommand(absl::string_view file) {
  return absl::StartsWith(file, "/proc/self/fd/") ? "FILE" : std::string(file);
}

}  // namespace

JobFile ReadJob(absl::string_view text, absl::string_view name,
                const std::vector<std::string>& overrides) {
  JobFile file;
  file.sources.Set("", {std::string(name), 1});
  const auto tree = ReadYaml(text, name, &file.mistakes);
  if (!tree.has_value()) return file;
  if (const YamlNode* key = KeyOfSweep(*tree)) {
    file.mistakes.push_back(
        {{std::string(name), key->line},
         key->text,
         "this is the file of a sweep, and not of one job",
         absl::StrCat("`ebb sweep ", NameInCommand(name),
                      "`, which trains a job with many settings")});
    return file;
  }
  Mapper mapper(std::string(name), &file.sources, &file.mistakes);
  mapper.MapMessage(*tree, "", &file.job);
  Overrider overrider(&file);
  for (const std::string& text : overrides) overrider.Apply(text);
  MergeMistakes(ValidateJob(file.job, DataFacts{}, file.sources, file.mistakes),
                &file.mistakes);
  SortByLine(&file.mistakes);
  return file;
}

std::string NameAfterFile(absl::string_view path) {
  constexpr size_t kLongest = 63;
  if (absl::StartsWith(path, "/dev/") || absl::StartsWith(path, "/proc/")) {
    return "";
  }
  std::string name = std::filesystem::path(std::string(path)).stem().string();
  for (char& c : name) {
    c = absl::ascii_tolower(c);
    if (!absl::ascii_isalnum(c) && c != '_' && c != '.') c = '-';
  }
  name.erase(0, name.find_first_not_of("-_."));
  name.resize(std::min(name.size(), kLongest));
  return IsName(name) ? name : "";
}

JobFile ReadJobFile(const std::string& path,
                    const std::vector<std::string>& overrides) {
  const auto refuse = [&](std::string what) {
    const std::string near = NearestPath(path);
    JobFile file;
    file.mistakes.push_back({{path, 0},
                             "",
                             std::move(what),
                             near.empty()
                                 ? "examples/jobs/ has jobs to start from"
                                 : absl::StrCat("is it ", near, "?")});
    return file;
  };
  const absl::Status readable = CheckReadable(path);
  if (!readable.ok()) return refuse(std::string(readable.message()));
  std::ifstream in(path, std::ios::binary);
  // One byte more than allowed, to see that there are too many.
  std::string text(kMaxYamlBytes + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (in.bad() || (in.fail() && !in.eof())) {
    return refuse(absl::StrCat("cannot be read: ",
                               std::generic_category().message(errno)));
  }
  text.resize(static_cast<size_t>(in.gcount()));
  JobFile file = ReadJob(text, path, overrides);
  // Without any key there is no job to name.
  if (file.job.ByteSizeLong() > 0 && !file.job.has_name()) {
    const std::string name = NameAfterFile(path);
    if (!name.empty()) file.job.set_name(name);
  }
  return file;
}

absl::StatusOr<v1::Job> ParseJobYaml(absl::string_view text,
                                     absl::string_view name,
                                     SourceMap* sources) {
  JobFile file = ReadJob(text, name);
  if (!file.ok()) return ToStatus(file.mistakes);
  if (sources != nullptr) *sources = std::move(file.sources);
  return std::move(file.job);
}

}  // namespace ebb::job
