// Files of protobuf messages of one type, each after its length, as
// writeDelimitedTo() of Java and SerializeDelimitedToOstream() of C++ write
// them. https://protobuf.dev/programming-guides/techniques/#streaming
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/message.h>
#include <google/protobuf/stubs/logging.h>
#include <google/protobuf/unknown_field_set.h>

#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "common/status_macros.h"
#include "data/bytes/text.h"
#include "data/formats/format.h"
#include "data/formats/options.h"
#include "data/formats/records/binary_reader.h"
#include "data/formats/records/message_type.h"
#include "data/formats/records/record_mapping.h"
#include "data/formats/table_files.h"

namespace ebb::data::internal {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using google::protobuf::UnknownField;
using google::protobuf::UnknownFieldSet;
using As = RecordFeature::As;

// Messages that may take more leave their memory behind.
constexpr int64_t kMostKept = int64_t{16} << 20;

// A part of a name such as "user.id": a field, and where that is a map, the key
// in it, in the form of a text.
struct Step {
  const FieldDescriptor* field;
  std::string key;
};
using Path = std::vector<Step>;

std::string SizeText(uint64_t bytes) {
  constexpr uint64_t kMiB = uint64_t{1} << 20;
  return bytes % kMiB == 0 ? absl::StrCat(bytes / kMiB, " MiB")
                           : absl::StrCat(bytes >> 10, " KiB");
}

bool IsMessage(const FieldDescriptor& field) {
  return field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
}
bool IsText(const FieldDescriptor& field) {
  return field.cpp_type() == FieldDescriptor::CPPTYPE_STRING;
}
bool IsFraction(const FieldDescriptor& field) {
  return field.cpp_type() == FieldDescriptor::CPPTYPE_DOUBLE ||
         field.cpp_type() == FieldDescriptor::CPPTYPE_FLOAT;
}

// "id, name and 3 more".
std::string FieldsOf(const Descriptor& type) {
  constexpr int kMost = 8;
  std::vector<absl::string_view> names;
  for (int i = 0; i < type.field_count() && i < kMost; ++i) {
    names.push_back(type.field(i)->name());
  }
  const int more = type.field_count() - kMost;
  return names.empty()
             ? "no fields"
             : absl::StrCat(
                   absl::StrJoin(names, ", "),
                   more > 0 ? absl::StrCat(" and ", more, " more") : "");
}

// Says what a field of this type cannot be; empty: it can.
std::string Unsuitable(const FieldDescriptor& field, As as) {
  const std::string is =
      absl::StrCat(field.full_name(), " is of the type ", field.type_name());
  switch (as) {
    case As::kKey:
    case As::kKeys:
      if (!IsFraction(field)) return "";
      return absl::StrCat(is,
                          ", and a key is a word or a whole number; say as: "
                          "dense");
    case As::kBytes:
      if (IsText(field)) return "";
      return absl::StrCat(is, ", which has no bytes; say as: dense");
    case As::kLabel:
    case As::kDense:
      if (!IsText(field)) return "";
      return absl::StrCat(is, ", which is not a number",
                          as == As::kLabel
                              ? "; labels are numbers"
                              : "; say as: key for words, or as: bytes and "
                                "width for bytes");
  }
  return "";
}

// Finds the way from a message to the feature.
absl::StatusOr<Path> Resolve(const Descriptor& type,
                             const RecordFeature& feature) {
  const auto wrong = [](const auto&... args) {
    return absl::InvalidArgumentError(absl::StrCat(args...));
  };
  Path path;
  const Descriptor* at = &type;
  absl::string_view rest = feature.name;
  const auto next = [&rest] {
    const size_t dot = rest.find('.');
    std::string word(rest.substr(0, dot));
    rest.remove_prefix(dot == absl::string_view::npos ? rest.size() : dot + 1);
    return word;
  };
  for (;;) {
    const std::string word = next();
    const FieldDescriptor* field = at->FindFieldByName(word);
    if (field == nullptr) {
      return wrong(at->full_name(), " has no field \"",
                   absl::Utf8SafeCEscape(word), "\"; it has ", FieldsOf(*at));
    }
    path.push_back({field, ""});
    if (field->is_map()) {
      if (rest.empty()) {
        return wrong(field->full_name(), " is a map; name one of its keys, as ",
                     feature.name, ".KEY");
      }
      path.back().key = next();
      field = field->message_type()->map_value();
      path.push_back({field, ""});
    }
    if (!IsMessage(*field)) {
      if (!rest.empty()) {
        return wrong(field->full_name(), " is of the type ", field->type_name(),
                     ", which has no fields");
      }
      const std::string unsuitable = Unsuitable(*field, feature.as);
      if (!unsuitable.empty()) return wrong(unsuitable);
      return path;
    }
    at = field->message_type();
    if (rest.empty()) {
      return wrong(field->full_name(),
                   " is a message; name one of its fields: ", FieldsOf(*at));
    }
  }
}

// The key of an entry of a map as a text.
std::string KeyText(const Message& entry) {
  const FieldDescriptor* const key = entry.GetDescriptor()->map_key();
  const Reflection& reflection = *entry.GetReflection();
  switch (key->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return absl::StrCat(reflection.GetInt32(entry, key));
    case FieldDescriptor::CPPTYPE_INT64:
      return absl::StrCat(reflection.GetInt64(entry, key));
    case FieldDescriptor::CPPTYPE_UINT32:
      return absl::StrCat(reflection.GetUInt32(entry, key));
    case FieldDescriptor::CPPTYPE_UINT64:
      return absl::StrCat(reflection.GetUInt64(entry, key));
    case FieldDescriptor::CPPTYPE_BOOL:
      return reflection.GetBool(entry, key) ? "true" : "false";
    default:
      return reflection.GetString(entry, key);
  }
}

// True if the message has a value for this field, which is not repeated. In
// proto3 most numbers and texts have one in any case.
bool Has(const Message& message, const FieldDescriptor& field) {
  return !field.has_presence() ||
         field.containing_type()->options().map_entry() ||
         message.GetReflection()->HasField(message, &field);
}

class ProtobufReader final : public BinaryReader {
 public:
  ProtobufReader(const SourceSpec& spec, Input file,
                 std::vector<FileFingerprint> descriptors,
                 std::unique_ptr<MessageType> type, std::vector<Path> paths)
      : BinaryReader(spec, std::move(file), "message"),
        descriptors_(std::move(descriptors)),
        type_(std::move(type)),
        paths_(std::move(paths)),
        message_(type_->New()) {}

  std::vector<FileFingerprint> Fingerprints() const override {
    std::vector<FileFingerprint> all = descriptors_;
    const std::vector<FileFingerprint> files = BinaryReader::Fingerprints();
    all.insert(all.end(), files.begin(), files.end());
    return all;
  }

  // Returns the error of a source without features.
  absl::Status Propose() {
    absl::Status mistake;
    EBB_ASSIGN_OR_RETURN(const bool more, ReadRecord(&mistake));
    EBB_RETURN_IF_ERROR(mistake);
    if (!more) return Broken("is empty");
    EBB_RETURN_IF_ERROR(Parse());
    std::vector<ProposedFeature> proposed;
    Propose(*message_, "", false, &proposed);
    return NoFeatures(Where(), std::move(proposed));
  }

 private:
  // Reads the length of the next message; false at the end of the last file.
  absl::StatusOr<bool> ReadLength(uint64_t* length) {
    constexpr int kMostBytes = 10;
    // The limit of libprotobuf.
    constexpr uint64_t kMost = (uint64_t{1} << 31) - 1;
    *length = 0;
    for (int i = 0; i < kMostBytes; ++i) {
      EBB_ASSIGN_OR_RETURN(const absl::string_view next, file_.ReadView(1));
      if (next.empty() && i > 0) return Cut();
      if (next.empty()) return false;
      const auto byte = static_cast<uint8_t>(next[0]);
      // Bits beyond 64 are lost, as in libprotobuf.
      *length |= static_cast<uint64_t>(byte & 0x7f) << (7 * i);
      if (byte < 0x80) {
        if (*length <= kMost) return true;
        return Broken("its length would be ", *length, " bytes", NoLength());
      }
    }
    return Broken("its length takes more than ", kMostBytes, " bytes",
                  NoLength());
  }

  // Reads the next message to bytes_; false at the end of the last file. One
  // that is too long is only a mistake in this one.
  absl::StatusOr<bool> ReadRecord(absl::Status* mistake) override {
    uint64_t length = 0;
    for (;;) {
      begin_ = file_.offset();
      ++number_;
      EBB_ASSIGN_OR_RETURN(const bool found, ReadLength(&length));
      if (found) break;
      --number_;
      EBB_ASSIGN_OR_RETURN(const bool more, file_.NextFile());
      if (!more) return false;
      number_ = 0;
    }
    const auto most = static_cast<uint64_t>(type_->most_bytes());
    if (length > most) {
      *mistake = absl::InvalidArgumentError(absl::StrCat(
          "has ", length, " bytes, but a message ",
          most < kMaxExampleBytes ? "of such a type, with messages in it, "
                                  : "",
          "has at most ", SizeText(most), NoLength()));
      if (!bad_.skip()) return true;
      EBB_ASSIGN_OR_RETURN(const uint64_t passed, file_.Skip(length));
      if (passed < length) return Cut();
      return true;
    }
    EBB_ASSIGN_OR_RETURN(bytes_, file_.ReadView(length));
    return bytes_.size() < length ? absl::StatusOr<bool>(Cut()) : true;
  }
  absl::Status Cut() const {
    return Broken("is cut: the file ends within it; was it copied whole?",
                  NoLength());
  }
  // Says what may be wrong if the first message cannot be read.
  absl::string_view NoLength() const {
    return number_ == 1
               ? "\nhint: before each message its length must stand, as "
                 "protobuf's delimited streams have it"
               : "";
  }

  // Sets message_ to what bytes_ say.
  absl::Status Parse() {
    if (keeps_much_) message_ = type_->New();
    keeps_much_ = std::ssize(bytes_) >
                  type_->most_bytes() / (kMaxMessageMemory / kMostKept);
    // libprotobuf logs each text that is not UTF-8.
    const google::protobuf::LogSilencer silencer;
    if (message_->ParsePartialFromArray(bytes_.data(),
                                        static_cast<int>(bytes_.size()))) {
      return absl::OkStatus();
    }
    return absl::InvalidArgumentError(
        absl::StrCat("is not a ", type_->descriptor().full_name(),
                     ", or has a text that is not UTF-8", NoLength()));
  }

  // Makes an example of bytes_. The error has no place.
  absl::Status Take(Example* example) override {
    EBB_RETURN_IF_ERROR(Parse());
    mapping_.Begin();
    for (size_t i = 0; i < paths_.size(); ++i) {
      mapping_.Select(i);
      AddValues(*message_, paths_[i]);
      mapping_.EndFeature();
    }
    return mapping_.End(example);
  }

  // Adds the values at the end of a path.
  void AddValues(const Message& message, std::span<const Step> path) {
    const FieldDescriptor& field = *path[0].field;
    const Reflection& reflection = *message.GetReflection();
    const int count =
        field.is_repeated() ? reflection.FieldSize(message, &field) : 0;
    CheckUnknown(reflection.GetUnknownFields(message), field);
    if (field.is_map()) {
      // They stand in the order of the bytes. The last one of a key counts.
      for (int i = count - 1; i >= 0; --i) {
        const Message& entry =
            reflection.GetRepeatedMessage(message, &field, i);
        if (KeyText(entry) != path[0].key) continue;
        AddValues(entry, path.subspan(1));
        break;
      }
    } else if (!IsMessage(field)) {
      for (int i = 0; i < count; ++i) AddValue(message, field, i);
      if (!field.is_repeated() && Has(message, field)) {
        AddValue(message, field, -1);
      }
    } else {
      for (int i = 0; i < count; ++i) {
        AddValues(reflection.GetRepeatedMessage(message, &field, i),
                  path.subspan(1));
      }
      if (!field.is_repeated() && Has(message, field)) {
        AddValues(reflection.GetMessage(message, &field), path.subspan(1));
      }
    }
  }

  // libprotobuf takes values that the field cannot have for unknown fields:
  // those of another type, and numbers that an enum of proto2 does not have. An
  // entry of a map with such a value may be of another key than the feature's.
  void CheckUnknown(const UnknownFieldSet& unknown,
                    const FieldDescriptor& field) {
    if (field.is_map()) return;
    for (int i = 0; i < unknown.field_count(); ++i) {
      const UnknownField& one = unknown.field(i);
      if (one.number() != field.number()) continue;
      const bool is_enum = field.cpp_type() == FieldDescriptor::CPPTYPE_ENUM &&
                           one.type() == UnknownField::TYPE_VARINT;
      mapping_.AddMistake(
          is_enum
              ? absl::StrCat(static_cast<int32_t>(one.varint()),
                             " is no value of ", field.enum_type()->full_name())
              : absl::StrCat("the message has a value of another type for ",
                             field.full_name(), ", which is of the type ",
                             field.type_name(),
                             "; do the descriptors belong to the messages?"));
      return;
    }
  }

  // Adds the value at a place of a repeated field, or that of another one: -1.
  void AddValue(const Message& message, const FieldDescriptor& field, int i) {
    const Reflection& reflection = *message.GetReflection();
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT32:
        return mapping_.AddWhole(
            int64_t{i < 0 ? reflection.GetInt32(message, &field)
                          : reflection.GetRepeatedInt32(message, &field, i)});
      case FieldDescriptor::CPPTYPE_INT64:
        return mapping_.AddWhole(
            int64_t{i < 0 ? reflection.GetInt64(message, &field)
                          : reflection.GetRepeatedInt64(message, &field, i)});
      case FieldDescriptor::CPPTYPE_UINT32:
        return mapping_.AddWhole(
            uint64_t{i < 0 ? reflection.GetUInt32(message, &field)
                           : reflection.GetRepeatedUInt32(message, &field, i)});
      case FieldDescriptor::CPPTYPE_UINT64:
        return mapping_.AddWhole(
            uint64_t{i < 0 ? reflection.GetUInt64(message, &field)
                           : reflection.GetRepeatedUInt64(message, &field, i)});
      case FieldDescriptor::CPPTYPE_DOUBLE:
        return mapping_.AddNumber(
            i < 0 ? reflection.GetDouble(message, &field)
                  : reflection.GetRepeatedDouble(message, &field, i));
      case FieldDescriptor::CPPTYPE_FLOAT:
        return mapping_.AddNumber(
            i < 0 ? reflection.GetFloat(message, &field)
                  : reflection.GetRepeatedFloat(message, &field, i));
      case FieldDescriptor::CPPTYPE_BOOL: {
        const bool truth = i < 0
                               ? reflection.GetBool(message, &field)
                               : reflection.GetRepeatedBool(message, &field, i);
        return mapping_.AddWhole(int64_t{truth ? 1 : 0});
      }
      case FieldDescriptor::CPPTYPE_ENUM:
        return AddEnum(
            field, i < 0 ? reflection.GetEnumValue(message, &field)
                         : reflection.GetRepeatedEnumValue(message, &field, i));
      case FieldDescriptor::CPPTYPE_STRING:
        return mapping_.AddText(
            i < 0 ? reflection.GetStringReference(message, &field, &text_)
                  : reflection.GetRepeatedStringReference(message, &field, i,
                                                          &text_));
      case FieldDescriptor::CPPTYPE_MESSAGE:  // Resolve() ends elsewhere.
        return;
    }
  }

  // A value of an enum is its name as a key, and else its number.
  void AddEnum(const FieldDescriptor& field, int number) {
    const EnumValueDescriptor* const value =
        field.enum_type()->FindValueByNumber(number);
    if (value == nullptr) {
      mapping_.AddMistake(absl::StrCat(number, " is not a value of ",
                                       field.enum_type()->full_name()));
    } else if (mapping_.takes_keys()) {
      mapping_.AddText(value->name());
    } else {
      mapping_.AddWhole(int64_t{number});
    }
  }

  // Proposes entries for what the message has. In a repeated message these are
  // words alone, in any number.
  static void Propose(const Message& message, const std::string& prefix,
                      bool repeated, std::vector<ProposedFeature>* proposed) {
    const Reflection& reflection = *message.GetReflection();
    const Descriptor& type = *message.GetDescriptor();
    for (int i = 0; i < type.field_count(); ++i) {
      const FieldDescriptor& field = *type.field(i);
      std::string name =
          absl::StrCat(prefix, prefix.empty() ? "" : ".", field.name());
      const int count =
          field.is_repeated() ? reflection.FieldSize(message, &field) : 0;
      if (field.is_map()) {
        for (int k = 0; k < count && !repeated; ++k) {
          const Message& entry =
              reflection.GetRepeatedMessage(message, &field, k);
          const std::string key = KeyText(entry);
          if (absl::StrContains(key, '.')) continue;  // No name reaches it.
          ProposeValue(entry, *entry.GetDescriptor()->map_value(),
                       absl::StrCat(name, ".", key), false, proposed);
        }
        continue;
      }
      if (field.is_repeated() && IsMessage(field)) {
        if (count > 0) {
          Propose(reflection.GetRepeatedMessage(message, &field, 0), name, true,
                  proposed);
        }
      } else if (field.is_repeated() ? count > 0 : Has(message, field)) {
        ProposeValue(message, field, std::move(name), repeated, proposed);
      }
    }
  }

  static void ProposeValue(const Message& message, const FieldDescriptor& field,
                           std::string name, bool repeated,
                           std::vector<ProposedFeature>* proposed) {
    const Reflection& reflection = *message.GetReflection();
    if (IsMessage(field)) {
      Propose(reflection.GetMessage(message, &field), name, repeated, proposed);
      return;
    }
    std::string as;
    const bool words =
        IsText(field) || field.cpp_type() == FieldDescriptor::CPPTYPE_ENUM;
    if (repeated || (field.is_repeated() && words)) {
      as = words ? "keys" : "";
    } else if (field.is_repeated()) {
      const int count = reflection.FieldSize(message, &field);
      as = count == 1 ? "dense"
                      : absl::StrCat("{as: dense, width: ", count, "}");
    } else if (!words) {
      as = "dense";
    } else if (field.type() == FieldDescriptor::TYPE_BYTES &&
               !IsUtf8Text(reflection.GetString(message, &field))) {
      as = absl::StrCat("{as: bytes, width: ",
                        reflection.GetString(message, &field).size(), "}");
    } else {
      as = "key";
    }
    proposed->push_back({std::move(name), std::move(as)});
  }

  const std::vector<FileFingerprint> descriptors_;
  const std::unique_ptr<MessageType> type_;
  const std::vector<Path> paths_;  // To the features of the mapping.
  std::unique_ptr<Message> message_;
  bool keeps_much_ = false;  // message_ has memory of a large one.
  std::string text_;
  absl::string_view bytes_;  // In the buffer of the file.
};

// Reads all of a file.
absl::StatusOr<std::string> ReadWhole(Input* file) {
  std::string bytes;
  for (;;) {
    constexpr size_t kPiece = 64 << 10;
    const size_t begin = bytes.size();
    bytes.resize(begin + kPiece);
    EBB_ASSIGN_OR_RETURN(const size_t n,
                         file->Read(std::span(bytes).subspan(begin)));
    bytes.resize(begin + n);
    if (n < kPiece) return bytes;
    if (std::ssize(bytes) > kMaxExampleBytes) {
      return absl::InvalidArgumentError(
          absl::StrCat(file->path(), ": has more than ", kMaxExampleBytes >> 20,
                       " MiB; is it a set of descriptors, as `protoc "
                       "--descriptor_set_out` writes it?"));
    }
  }
}

absl::Status ValidateProtobuf(const SourceSpec& spec) {
  if (spec.protobuf.descriptors.empty()) {
    return WrongOption(
        "the protobuf source names no descriptors; name the file that `protoc "
        "--include_imports --descriptor_set_out=FILE` made");
  }
  if (spec.protobuf.message.empty()) {
    return WrongOption(
        "the protobuf source does not say which message its files have; say "
        "message, as shop.Click");
  }
  return ValidateRecords(spec);
}

std::string MeaningOfProtobuf(const SourceSpec& spec,
                              absl::string_view common) {
  std::string own(common);
  AppendNamed("message", spec.protobuf.message, &own);
  return MeaningOfRecords("protobuf", spec, own);
}

absl::StatusOr<std::vector<Input>> OpenProtobufFiles(const SourceSpec& spec,
                                                     const OpenBytes& open) {
  // A message may begin as any other file does.
  constexpr InputOptions kAny = {.any_format = true};
  std::vector<Input> files;
  EBB_ASSIGN_OR_RETURN(Input descriptors,
                       Input::Open({spec.protobuf.descriptors}, open, kAny));
  EBB_ASSIGN_OR_RETURN(Input messages, OpenTableFiles(spec, open, kAny));
  files.push_back(std::move(descriptors));
  files.push_back(std::move(messages));
  return files;
}

absl::StatusOr<std::unique_ptr<Reader>> OpenProtobuf(
    const SourceSpec& spec, const Encoding& /*encoding*/,
    std::vector<Input> files) {
  Input& descriptors = files[0];
  EBB_ASSIGN_OR_RETURN(const std::string set, ReadWhole(&descriptors));
  EBB_ASSIGN_OR_RETURN(
      std::unique_ptr<MessageType> type,
      MessageType::Create(set, descriptors.path(), spec.protobuf.message));
  std::vector<Path> paths;
  for (const RecordFeature& feature : spec.features) {
    if (feature.as == As::kLabel && !spec.has_labels) continue;
    auto path = Resolve(type->descriptor(), feature);
    if (!path.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat(descriptors.path(), ": feature \"",
                       absl::Utf8SafeCEscape(feature.name),
                       "\": ", path.status().message()));
    }
    paths.push_back(*std::move(path));
  }
  auto reader = std::make_unique<ProtobufReader>(
      spec, std::move(files[1]), descriptors.Fingerprints(), std::move(type),
      std::move(paths));
  if (spec.features.empty()) return reader->Propose();
  return reader;
}

}  // namespace

Format ProtobufFormat() {
  return {.kind = SourceKind::kProtobuf,
          .word = "protobuf",
          .layout = LayoutOfRecords,
          .hashes_words = true,
          .only_words = HasOnlyWords,
          .validate = ValidateProtobuf,
          .meaning = MeaningOfProtobuf,
          .files = OpenProtobufFiles,
          .open = OpenProtobuf};
}

}  // namespace ebb::data::internal
