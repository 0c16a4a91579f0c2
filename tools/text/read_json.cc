#include "tools/text/read_json.h"

#include <google/protobuf/util/json_util.h>

#include "absl/strings/str_cat.h"

namespace ebb::tools {

namespace {

using google::protobuf::ListValue;
using google::protobuf::Struct;
using google::protobuf::Value;

const Value& In(const Struct& object, const std::string& key) {
  const auto it = object.fields().find(key);
  return it == object.fields().end() ? Value::default_instance() : it->second;
}

}  // namespace

absl::StatusOr<Struct> ParseJsonObject(absl::string_view text,
                                       absl::string_view what) {
  Struct object;
  const auto parsed =
      google::protobuf::util::JsonStringToMessage(std::string(text), &object);
  if (!parsed.ok()) {
    return absl::DataLossError(absl::StrCat(what, " is no JSON object"));
  }
  return object;
}

double NumberIn(const Struct& object, const std::string& key,
                double otherwise) {
  const Value& value = In(object, key);
  return value.has_number_value() ? value.number_value() : otherwise;
}

std::string TextIn(const Struct& object, const std::string& key) {
  return In(object, key).string_value();
}

bool FlagIn(const Struct& object, const std::string& key) {
  return In(object, key).bool_value();
}

const ListValue& ListIn(const Struct& object, const std::string& key) {
  return In(object, key).list_value();
}

}  // namespace ebb::tools
