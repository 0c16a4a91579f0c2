#include "job/unknown_key.h"

#include <algorithm>
#include <cstddef>
#include <map>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/nearest.h"
#include "common/yaml_text.h"
#include "ebb/v1/job.pb.h"
#include "job/base/mistake.h"
#include "job/base/values.h"

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

// The path of the key of ours that another tool calls so in a message of this
// type; empty: none.
std::vector<std::string> PathElsewhere(absl::string_view name,
                                       const Descriptor& type) {
  // StepLR of PyTorch calls it so, and others the rate.
  if (name == "step_size" && &type == v1::Schedule::descriptor()) {
    return {"optimizer", "schedule", "step_epochs"};
  }
  const auto known = NamesElsewhere().find(std::string(name));
  if (known == NamesElsewhere().end()) return {};
  return absl::StrSplit(known->second, '.');
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
  for (const auto& [other, path] : NamesElsewhere()) others.push_back(other);
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

// Returns whether the key at the path takes a comparison with a number, and the
// user gives a word: `loss: mse` does not mean `expect: {loss: …}`.
bool IsWordForComparison(const YamlNode* value,
                         std::span<const std::string> path) {
  if (value == nullptr || !value->is_scalar() || path.empty()) return false;
  const Descriptor* type = TypesAlong(path.first(path.size() - 1)).back();
  const FieldDescriptor* field = type->FindFieldByName(path.back());
  return field != nullptr &&
         field->options().GetExtension(v1::key).format() ==
             v1::FORMAT_COMPARISON &&
         absl::c_none_of(value->text, absl::ascii_isdigit);
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

// The part that the user gives in the place of the one which has the key
// `*meant`. Makes `*meant` lead through that part.
GivenPart GivenFor(const UnknownKey& key, const JobAround& around,
                   std::vector<std::string>* meant) {
  std::vector<std::string> here;
  if (!key.path.empty()) here = absl::StrSplit(key.path, '.');
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
      given = {field, MapAt(around.root, std::span(here).first(depth + 1))};
    }
  }
  if (given.field == nullptr) given = GivenIn(key.map, *part);
  if (given.field == nullptr) given = GivenIn(MapAt(around.root, above), *part);
  if (given.field == nullptr) given = GivenIn(around.job, above, *part);
  if (given.field != nullptr) name = given.field->name();
  return given;
}

}  // namespace

const std::map<std::string, std::string>& NamesElsewhere() {
  // Several parts of a job have some of these: it is the one that is probably
  // meant.
  static const auto* const names = new std::map<std::string, std::string>{
      {"batch_size", "train.batch"},
      {"batchsize", "train.batch"},
      {"eta", "optimizer.rate"},
      {"l2", "model.l2"},
      {"label_column", "data.train.csv.label"},
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
      {"rate", "optimizer.rate"},  // The algorithm may have one, too.
      {"target", "data.train.csv.label"},
      {"target_column", "data.train.csv.label"},
      {"weight_decay", "optimizer.weight_decay"},
  };
  return *names;
}

std::string KeysHint(const Descriptor& type) {
  return absl::StrCat("keys: ", absl::StrJoin(KeyNames(type), ", "));
}

bool IsMessage(const FieldDescriptor& field) {
  return field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE &&
         !field.is_map();
}

std::string QuoteShort(absl::string_view text) {
  return text.size() <= 60 ? QuoteYaml(text) : "…";
}

KeyHint HintForKey(const UnknownKey& key, const JobAround& around) {
  const std::string text = key.value != nullptr && key.value->is_scalar()
                               ? QuoteShort(key.value->text)
                               : "…";
  auto [meant_path, guessed] = MeantBy(key.name, *key.type, key.path);
  if (IsWordForComparison(key.value, meant_path)) meant_path.clear();
  const GivenPart part = GivenFor(key, around, &meant_path);
  std::string other;  // The hint if the given part has no such key.
  if (part.field != nullptr &&
      !ChooseKeyOf(*part.field->message_type(), &meant_path)) {
    other = HintOfPart(part, key.name, text, meant_path, *key.type);
    meant_path.clear();
  }
  if (key.path.empty() && key.name == "space") {
    return {.hint = "sweep: {space: …}, in a file for `ebb sweep`"};
  }
  if (meant_path.empty()) {
    return {.hint = other.empty() ? KeysHint(*key.type) : other};
  }
  std::string meant = absl::StrJoin(meant_path, ".");
  // Beside the key that is wrong, the key alone says enough.
  const std::string& last = meant_path.back();
  const bool beside = meant == Join(key.path, last);
  std::vector<std::string> shown =
      beside ? std::vector<std::string>{last} : meant_path;
  const std::string whole = part.field == nullptr ? "" : WholeOf(part);
  if (!whole.empty() && !beside) shown.back() = absl::StrCat(whole, ", ", last);
  return {Nested(shown, text), std::move(meant), guessed};
}

}  // namespace ebb::job
