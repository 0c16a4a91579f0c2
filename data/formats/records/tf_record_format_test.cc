#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/dynamic_message.h>
#include <google/protobuf/stubs/logging.h>
#include <google/protobuf/text_format.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/testing/test_folder.h"
#include "data/byte_source.h"
#include "data/bytes/text.h"
#include "data/bytes/tf_record.h"
#include "data/compression/codec.h"
#include "data/dataset.h"
#include "data/formats/records/example_wire.h"
#include "data/formats/testing.h"
#include "data/keys.h"
#include "data/reader.h"
#include "data/source.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::data::internal {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using As = RecordFeature::As;

std::string Fixed(uint64_t value, size_t bytes) {
  std::string text(bytes, '\0');
  std::memcpy(text.data(), &value, bytes);
  return text;
}

std::string Framed(const std::string& record) {
  const std::string length = Fixed(record.size(), 8);
  return absl::StrCat(length, Fixed(MaskedCrc(length), 4), record,
                      Fixed(MaskedCrc(record), 4));
}

std::string Varint(uint64_t value) {
  std::string text;
  for (; value >= 0x80; value >>= 7) {
    text.push_back(static_cast<char>(value | 0x80));
  }
  text.push_back(static_cast<char>(value));
  return text;
}

// A field that holds bytes.
std::string Part(int field, const std::string& bytes) {
  return absl::StrCat(Varint(field << 3 | 2), Varint(bytes.size()), bytes);
}

std::string Wholes(std::vector<int64_t> values) {
  std::string packed;
  for (const int64_t value : values) {
    packed += Varint(static_cast<uint64_t>(value));
  }
  return Part(3, Part(1, packed));
}
std::string Floats(std::vector<float> values) {
  std::string packed;
  for (const float value : values) {
    packed += Fixed(std::bit_cast<uint32_t>(value), 4);
  }
  return Part(2, Part(1, packed));
}
std::string Texts(const std::vector<std::string>& values) {
  std::string list;
  for (const std::string& value : values) list += Part(1, value);
  return Part(1, list);
}

// A tf.train.Example.
std::string Record(
    const std::vector<std::pair<std::string, std::string>>& features) {
  std::string entries;
  for (const auto& [name, feature] : features) {
    entries += Part(1, Part(1, name) + Part(2, feature));
  }
  return Part(1, entries);
}

SourceSpec Dense() {
  return {.kind = SourceKind::kTfRecord,
          .path = "f",
          .features = {{.name = "price"},
                       {.name = "size", .width = 2},
                       {.name = "sold", .as = As::kLabel}}};
}

SourceSpec Keyed() {
  return {.kind = SourceKind::kTfRecord,
          .path = "f",
          .features = {{.name = "clicked", .as = As::kLabel},
                       {.name = "price"},
                       {.name = "tags", .as = As::kKeys, .most = 2},
                       {.name = "user", .as = As::kKey}}};
}

std::string House(float price, int64_t sold) {
  return Record({{"price", Floats({price})},
                 {"size", Wholes({3, -4})},
                 {"sold", Wholes({sold})},
                 {"other", Texts({"x"})}});
}

std::vector<ReadExample> Read(const SourceSpec& spec, const std::string& file) {
  auto read = ReadAll(spec, OpenMemory({{"f", file}}));
  EXPECT_TRUE(read.ok()) << read.status();
  return read.ok() ? *std::move(read) : std::vector<ReadExample>();
}

std::string Message(const SourceSpec& spec, const std::string& file) {
  return std::string(
      ReadAll(spec, OpenMemory({{"f", file}})).status().message());
}

TEST(TfRecordTest, ChecksumIsThatOfTheFormat) {
  // RFC 3720, B.4, and the mask of tensorflow/core/lib/hash/crc32c.h.
  const uint32_t crc = 0xe3069283;
  EXPECT_EQ(MaskedCrc("123456789"),
            static_cast<uint32_t>((crc >> 15 | crc << 17) + 0xa282ead8));
}

// Large files are mapped. A page that is gone would end the process, and zeros
// in its place would look like a record with a wrong checksum.
TEST(TfRecordFormatTest, AFileThatBecomesShorterMeanwhileIsTold) {
  constexpr int64_t kWidth = int64_t{256} << 10;
  const TestFolder folder;
  SourceSpec spec = {
      .kind = SourceKind::kTfRecord,
      .path = folder / "f",
      .features = {{.name = "blob", .as = As::kBytes, .width = kWidth},
                   {.name = "label", .as = As::kLabel}}};
  std::string file;
  for (int64_t i = 0; i < 16; ++i) {
    file += Framed(Record(
        {{"blob", Texts({std::string(kWidth, 'b')})}, {"label", Wholes({i})}}));
  }
  for (const OnBadExample bad : {OnBadExample::kStop, OnBadExample::kSkip}) {
    spec.on_bad_example = bad;
    std::ofstream(spec.path, std::ios::binary) << file;
    const auto reader = OpenReader(spec);
    ASSERT_TRUE(reader.ok()) << reader.status();
    Example example;
    ASSERT_TRUE(*(*reader)->Next(&example));
    std::filesystem::resize_file(spec.path, size_t{1} << 20);
    absl::StatusOr<bool> more = true;
    int64_t examples = 1;
    while (more.ok() && *more) {
      more = (*reader)->Next(&example);
      if (!more.ok()) break;
      EXPECT_EQ(example.label, static_cast<float>(examples++));
      EXPECT_EQ(example.bytes.back(), 'b');
    }
    EXPECT_EQ(examples, 3);
    EXPECT_EQ(more.status(),
              absl::UnavailableError(absl::StrCat(
                  spec.path, ": had ", file.size(),
                  " bytes when it was opened, and 1048576 while it was read; "
                  "read it again when nothing changes it")));
  }
}

TEST(TfRecordFormatTest, ReadsNumbersIntoColumns) {
  const auto read = Read(Dense(), Framed(House(1.5, 1)) + Framed(House(-2, 0)));
  ASSERT_EQ(read.size(), 2U);
  EXPECT_THAT(read[0].values, ElementsAre(1.5F, 3, -4));
  EXPECT_EQ(read[0].label, 1);
  EXPECT_THAT(read[1].values, ElementsAre(-2, 3, -4));
  EXPECT_EQ(read[1].label, 0);
}

TEST(TfRecordFormatTest, NamesColumns) {
  const auto data = Dataset::Load(
      Dense(), OpenMemory({{"f", Framed(House(1, 1)) + Framed(House(2, 0))}}));
  ASSERT_TRUE(data.ok()) << data.status();
  ASSERT_TRUE(data->names().has_value());
  EXPECT_THAT(data->names()->features,
              ElementsAre("price", "size[0]", "size[1]"));
  EXPECT_EQ(data->names()->label, "sold");
}

// Bug: ids became equal without a word.
TEST(TfRecordFormatTest, NamesFeaturesOfNumbersThatBecomeOne) {
  std::string file;
  for (int64_t i = 0; i < 100; ++i) {
    file += Framed(Record({{"price", Floats({0.1F})},
                           {"size", Wholes({3, 16777216 + i % 2})},
                           {"sold", Wholes({i % 2})}}));
  }
  const auto data = Dataset::Load(Dense(), OpenMemory({{"f", file}}));
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_THAT(data->remarks(),
              ElementsAre(HasSubstr("feature \"size[1]\" has 16777217 and "
                                    "16777216, which are one number to ebb")));
}

TEST(TfRecordFormatTest, ReadsWordsAndWholeNumbersAsKeys) {
  const auto read =
      Read(Keyed(), Framed(Record({{"clicked", Wholes({1})},
                                   {"user", Wholes({-7})},
                                   {"price", Floats({2.5})},
                                   {"tags", Texts({"a", "b", "c"})}})) +
                        Framed(Record({{"clicked", Wholes({0})},
                                       {"price", Wholes({4})},
                                       {"user", Texts({"-7"})}})));
  ASSERT_EQ(read.size(), 2U);
  EXPECT_THAT(read[0].fields, ElementsAre(0, 1, 1, 2));
  EXPECT_THAT(read[0].keys, ElementsAre(KeyOf(0, "price"), KeyOf(1, "a"),
                                        KeyOf(1, "b"), KeyOf(2, "-7")));
  EXPECT_THAT(read[0].values, ElementsAre(2.5F, 1, 1, 1));
  EXPECT_THAT(read[1].keys, ElementsAre(KeyOf(0, "price"), KeyOf(2, "-7")));
  EXPECT_THAT(read[1].values, ElementsAre(4, 1));
}

TEST(TfRecordFormatTest, KeepsBytesAsBytes) {
  SourceSpec spec = {
      .kind = SourceKind::kTfRecord,
      .path = "f",
      .scale = 1.0 / 255,
      .features = {{.name = "image", .as = As::kBytes, .width = 3},
                   {.name = "y", .as = As::kLabel}}};
  const std::string file = Framed(Record(
      {{"image", Texts({std::string("\0\x7f\xff", 3)})}, {"y", Wholes({9})}}));
  EXPECT_THAT(Read(spec, file)[0].bytes, ElementsAre(0, 127, 255));
  EXPECT_THAT(
      Message(spec,
              Framed(Record({{"image", Texts({"ab"})}, {"y", Wholes({9})}}))),
      HasSubstr("feature \"image\": it has 2 bytes instead of 3; if "
                "all have as many, say width: 2"));
}

TEST(TfRecordFormatTest, ScalesAndTakesLogarithms) {
  SourceSpec spec = Dense();
  spec.scale = 2;
  spec.features[0].log = true;
  const auto read = Read(spec, Framed(House(1.5, 1)) + Framed(House(-1.5, 0)));
  EXPECT_FLOAT_EQ(read[0].values[0], std::log(4.0F));
  EXPECT_FLOAT_EQ(read[1].values[0], -std::log(4.0F));
  EXPECT_EQ(read[0].values[1], 6);
}

TEST(TfRecordFormatTest, TakesANumberForAMissingOne) {
  SourceSpec spec = Dense();
  spec.features[0].missing = -1;
  spec.features[1].missing = 8;
  const auto read = Read(spec, Framed(Record({{"sold", Wholes({1})}})));
  EXPECT_THAT(read[0].values, ElementsAre(-1, 8, 8));
}

TEST(TfRecordFormatTest, NeedsNoLabelToPredict) {
  SourceSpec spec = Dense();
  spec.has_labels = false;
  const auto read = Read(
      spec, Framed(Record({{"price", Floats({1})}, {"size", Wholes({1, 2})}})));
  EXPECT_THAT(read[0].values, ElementsAre(1, 1, 2));
}

TEST(TfRecordFormatTest, ReadsCompressedFiles) {
  const std::string file = Framed(House(1.5, 1)) + Framed(House(-2, 0));
  EXPECT_EQ(Read(Dense(), Gzip(file)).size(), 2U);
  for (const int level : {1, 3, 6, 9}) {
    EXPECT_EQ(Read(Dense(), Zlib(file, level)).size(), 2U) << level;
  }
  EXPECT_THAT(Message(Dense(), Gzip(file).substr(0, 40)),
              HasSubstr("the gzip data ends in the middle"));
  EXPECT_THAT(Message(Dense(), Zlib(file, 6).substr(0, 40)),
              HasSubstr("the zlib data ends in the middle"));
  EXPECT_THAT(Message(Dense(), Zlib(file, 6) + "more"),
              HasSubstr("something else stands after the zlib data"));
}

// Bug: a file whose first record is 35,615 bytes long begins as gzip does, and
// others begin as zlib, compress or JSON.
TEST(TfRecordFormatTest, TellsALengthFromACompressedFile) {
  for (const size_t size : {0x8b1f, 0x9c78, 0x9d1f, 0x227b}) {
    std::string record = House(1.5, 1);
    // An unknown field fills it.
    const size_t rest = size - record.size() - (size < 16384 ? 3 : 4);
    record += Part(9, std::string(rest, 'x'));
    ASSERT_EQ(record.size(), size);
    EXPECT_EQ(Read(Dense(), Framed(record)).size(), 1U) << size;
  }
}

TEST(TfRecordFormatTest, DoesNotTakeTextForZlib) {
  for (const absl::string_view text :
       {"x^2,y\n1,2\n3,4\n", "x^\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9",
        "x\x01,y,z,1,2,3"}) {
    EXPECT_EQ(FindCodec(text.substr(0, kMagicBytes)), nullptr) << text;
  }
}

TEST(TfRecordFormatTest, NothingBehindABadLengthIsTrusted) {
  std::string file = Framed(House(1, 1)) + Framed(House(2, 0));
  file[Framed(House(1, 1)).size()] ^= 1;
  for (const OnBadExample policy : {OnBadExample::kStop, OnBadExample::kSkip}) {
    SourceSpec spec = Dense();
    spec.on_bad_example = policy;
    EXPECT_EQ(Message(spec, file),
              absl::StrCat("f: record 2 (byte ", Framed(House(1, 1)).size(),
                           "): the checksum of its length is wrong, so no "
                           "record behind it can be found; was the file "
                           "copied whole?"));
    EXPECT_THAT(Message(spec, "price,sold\n1,2\n"),
                HasSubstr("f: record 1 (byte 0): the checksum of its length "
                          "is wrong; is it a TFRecord file?"));
  }
}

TEST(TfRecordFormatTest, SkipsARecordWithBadBytes) {
  std::string bad = Framed(House(2, 0));
  bad[20] ^= 1;
  const std::string file = Framed(House(1, 1)) + bad + Framed(House(3, 0));
  EXPECT_THAT(Message(Dense(), file),
              HasSubstr("): the checksum of its bytes is wrong"));
  SourceSpec spec = Dense();
  spec.on_bad_example = OnBadExample::kSkip;
  const auto read = Read(spec, file);
  ASSERT_EQ(read.size(), 2U);
  EXPECT_EQ(read[1].values[0], 3);
}

TEST(TfRecordFormatTest, RefusesACutRecord) {
  const std::string one = Framed(House(1, 1));
  const std::string file = one + Framed(House(2, 0));
  for (const size_t size : {one.size() + 3, one.size() + 12, file.size() - 1}) {
    SourceSpec spec = Dense();
    spec.on_bad_example = OnBadExample::kSkip;
    EXPECT_THAT(Message(spec, file.substr(0, size)), HasSubstr("f: record 2"))
        << size;
    EXPECT_THAT(Message(spec, file.substr(0, size)), HasSubstr("is cut"));
  }
  const std::string length = Fixed(uint64_t{1} << 40, 8);
  EXPECT_THAT(Message(Dense(), length + Fixed(MaskedCrc(length), 4)),
              HasSubstr("a record has at most 16 MiB"));
}

// Bug: such a record refused the whole file.
TEST(TfRecordFormatTest, LeavesOutARecordThatIsTooLong) {
  const std::string one = Framed(House(1, 1));
  const std::string file =
      one + Framed(std::string((16 << 20) + 1, '\0')) + one;
  SourceSpec spec = Dense();
  EXPECT_THAT(
      Message(spec, file),
      HasSubstr("): has 16777217 bytes, but a record has at most 16 MiB"));
  spec.on_bad_example = OnBadExample::kSkip;
  EXPECT_EQ(Read(spec, file).size(), 2U);
  EXPECT_THAT(Message(spec, file.substr(0, file.size() / 2)),
              HasSubstr("is cut"));
}

TEST(TfRecordFormatTest, SaysWhatIsWrongWithARecord) {
  const auto message = [](const std::string& name, const std::string& feature) {
    std::vector<std::pair<std::string, std::string>> features = {
        {"clicked", Wholes({1})},
        {"price", Floats({1})},
        {"user", Texts({"u"})}};
    for (auto& [known, value] : features) {
      if (known == name) value = feature;
    }
    return Message(Keyed(), Framed(Record(features)));
  };
  EXPECT_EQ(message("", ""), "");
  EXPECT_EQ(message("price", ""),
            "f: record 1 (byte 0): feature \"price\": the record does not have "
            "it; to take a number instead, say missing: and the number");
  EXPECT_THAT(message("user", ""), HasSubstr("say as: keys"));
  EXPECT_THAT(message("clicked", ""), HasSubstr("does not have it"));
  EXPECT_THAT(message("price", Texts({"abc"})),
              HasSubstr("\"price\": 'abc' is no number; say as: key"));
  EXPECT_THAT(message("price", Floats({1, 2, 3})),
              HasSubstr("it has 3 values instead of 1; if all have as many, "
                        "say width: 3"));
  EXPECT_THAT(message("user", Wholes({1, 2})),
              HasSubstr("it has 2 values instead of 1; for any number"));
  EXPECT_THAT(message("user", Floats({1.5})), HasSubstr("with a fraction"));
  EXPECT_THAT(message("clicked", Floats({0.5})), HasSubstr("whole number"));
  EXPECT_THAT(message("price", Floats({std::nanf("")})),
              HasSubstr("not a finite number"));
  EXPECT_THAT(Message(Keyed(), Framed("no Example")),
              HasSubstr("is no tf.train.Example"));
}

TEST(TfRecordFormatTest, ShowsFeaturesThatWouldDo) {
  SourceSpec spec = {.kind = SourceKind::kTfRecord, .path = "f"};
  EXPECT_EQ(
      Message(spec, Framed(Record({{"user id", Texts({"u"})},
                                   {"tags", Texts({"a", "b"})},
                                   {"none", Texts({})},
                                   {"image", Texts({std::string(4, '\0')})},
                                   {"size", Wholes({1, 2})},
                                   {"label", Wholes({1})}}))),
      "f: record 1 (byte 0): the job does not say what the values are; for "
      "this record features: {image: {as: bytes, width: 4}, label: label, "
      "size: {as: dense, width: 2}, tags: keys, \"user id\": key} would do");
  EXPECT_THAT(Message(spec, Framed(House(1, 1))),
              HasSubstr("with label for the one that is to be predicted"));
  EXPECT_THAT(Message(spec, ""), HasSubstr("is empty"));
}

TEST(TfRecordFormatTest, MeaningHasTheMapping) {
  SourceSpec spec = Keyed();
  spec.features[1].log = true;
  spec.features[1].missing = 2;
  EXPECT_THAT(spec.Meaning(),
              HasSubstr(" 'clicked'=label 'price'=dense/log/missing=2 "
                        "'tags'=keys/most=2 'user'=key"));
}

TEST(TfRecordFormatTest, RefusesMappingsThatCannotBe) {
  const auto why = [](const SourceSpec& spec) {
    return std::string(spec.Validate().message());
  };
  SourceSpec spec = Keyed();
  spec.features[1].field = 3;
  EXPECT_THAT(why(spec), HasSubstr("only 1 of 3 features have a field"));
  spec = Keyed();
  spec.features[1] = {.name = "price", .as = As::kBytes};
  EXPECT_THAT(why(spec), HasSubstr("keys have no bytes beside them"));
  spec = Dense();
  spec.features[0].as = As::kLabel;
  EXPECT_THAT(why(spec), HasSubstr("two features are the label"));
  spec.features.resize(1);
  EXPECT_THAT(why(spec), HasSubstr("the label alone"));
  spec = Dense();
  spec.features[0].width = int64_t{1} << 40;
  EXPECT_THAT(why(spec), HasSubstr("is not between 1 and"));
}

// Files that TensorFlow wrote: tests/golden/tf_record/make.py.
TEST(TfRecordFormatTest, ReadsWhatTensorFlowWrites) {
  SourceSpec spec = {
      .kind = SourceKind::kTfRecord,
      .features = {{.name = "image", .as = As::kBytes, .width = 4},
                   {.name = "label", .as = As::kLabel},
                   {.name = "price"},
                   {.name = "size", .width = 2}}};
  for (const char* const name : {"plain", "gzip", "zlib"}) {
    spec.path = absl::StrCat("tests/golden/tf_record/", name, ".tfrecord");
    const auto read = ReadAll(spec, OpenFile);
    ASSERT_TRUE(read.ok()) << read.status();
    ASSERT_EQ(read->size(), 5U) << name;
    for (int i = 0; i < 5; ++i) {
      const ReadExample& example = (*read)[i];
      EXPECT_EQ(example.label, static_cast<float>(i % 3));
      EXPECT_THAT(example.values, ElementsAre(i, 255 - i, 0, 128, 0.5F * i, -i,
                                              static_cast<float>(1000000 * i)));
    }
  }
  spec.features = {{.name = "label", .as = As::kLabel},
                   {.name = "tags", .as = As::kKeys}};
  const auto keyed = ReadAll(spec, OpenFile);
  ASSERT_TRUE(keyed.ok()) << keyed.status();
  EXPECT_THAT((*keyed)[0].keys, ElementsAre());
  EXPECT_THAT((*keyed)[2].keys,
              ElementsAre(KeyOf(0, "t0"), KeyOf(0, "\xc3\xa9")));
}

// --- Against libprotobuf -----------------------------------------------------

constexpr char kExampleProto[] = R"(
  name: "example.proto" package: "t" syntax: "proto3"
  message_type { name: "BytesList" field { name: "value" number: 1
    label: LABEL_REPEATED type: TYPE_BYTES } }
  message_type { name: "FloatList" field { name: "value" number: 1
    label: LABEL_REPEATED type: TYPE_FLOAT options { packed: true } } }
  message_type { name: "Int64List" field { name: "value" number: 1
    label: LABEL_REPEATED type: TYPE_INT64 options { packed: true } } }
  message_type { name: "Feature" oneof_decl { name: "kind" }
    field { name: "bytes_list" number: 1 label: LABEL_OPTIONAL
      type: TYPE_MESSAGE type_name: ".t.BytesList" oneof_index: 0 }
    field { name: "float_list" number: 2 label: LABEL_OPTIONAL
      type: TYPE_MESSAGE type_name: ".t.FloatList" oneof_index: 0 }
    field { name: "int64_list" number: 3 label: LABEL_OPTIONAL
      type: TYPE_MESSAGE type_name: ".t.Int64List" oneof_index: 0 } }
  message_type { name: "Features" nested_type { name: "FeatureEntry"
      field { name: "key" number: 1 label: LABEL_OPTIONAL type: TYPE_STRING }
      field { name: "value" number: 2 label: LABEL_OPTIONAL
        type: TYPE_MESSAGE type_name: ".t.Feature" }
      options { map_entry: true } }
    field { name: "feature" number: 1 label: LABEL_REPEATED
      type: TYPE_MESSAGE type_name: ".t.Features.FeatureEntry" } }
  message_type { name: "Example" field { name: "features" number: 1
    label: LABEL_OPTIONAL type: TYPE_MESSAGE type_name: ".t.Features" } }
)";
class WireTest : public ::testing::Test {
 protected:
  WireTest() {
    google::protobuf::FileDescriptorProto file;
    EXPECT_TRUE(
        google::protobuf::TextFormat::ParseFromString(kExampleProto, &file));
    const auto* built = pool_.BuildFile(file);
    example_ = built->FindMessageTypeByName("Example");
  }

  // A text for each entry, in the order of names; "bad" if the bytes do not
  // parse.
  std::string OfProtobuf(const std::string& bytes) {
    std::unique_ptr<google::protobuf::Message> message(
        factory_.GetPrototype(example_)->New());
    if (!message->ParseFromString(bytes)) return "bad";
    std::map<std::string, std::string> entries;
    const auto* features = example_->FindFieldByName("features");
    const auto& inner =
        message->GetReflection()->GetMessage(*message, features);
    const auto* entry = inner.GetDescriptor()->FindFieldByName("feature");
    const auto* reflection = inner.GetReflection();
    for (int i = 0; i < reflection->FieldSize(inner, entry); ++i) {
      const auto& pair = reflection->GetRepeatedMessage(inner, entry, i);
      const auto* key = pair.GetDescriptor()->FindFieldByName("key");
      const auto* value = pair.GetDescriptor()->FindFieldByName("value");
      entries[pair.GetReflection()->GetString(pair, key)] =
          TextOf(pair.GetReflection()->GetMessage(pair, value));
    }
    std::string all;
    for (const auto& [name, text] : entries) {
      absl::StrAppend(&all, name, "=", text, ";");
    }
    return all;
  }

  static std::string TextOf(const google::protobuf::Message& feature) {
    const auto* kind = feature.GetReflection()->GetOneofFieldDescriptor(
        feature, feature.GetDescriptor()->oneof_decl(0));
    if (kind == nullptr) return "";
    std::string text;
    const auto& list = feature.GetReflection()->GetMessage(feature, kind);
    const auto* value = list.GetDescriptor()->FindFieldByName("value");
    const auto* reflection = list.GetReflection();
    for (int i = 0; i < reflection->FieldSize(list, value); ++i) {
      if (kind->number() == 1) {
        absl::StrAppend(
            &text, "b",
            absl::CHexEscape(reflection->GetRepeatedString(list, value, i)),
            " ");
      } else if (kind->number() == 2) {
        absl::StrAppend(&text, "f",
                        std::bit_cast<uint32_t>(
                            reflection->GetRepeatedFloat(list, value, i)),
                        " ");
      } else {
        absl::StrAppend(&text, "i",
                        reflection->GetRepeatedInt64(list, value, i), " ");
      }
    }
    return text;
  }

  // The same of our reader.
  static std::string Ours(const std::string& bytes) {
    std::map<std::string, std::string> entries;
    bool bad = false;
    const WireStatus status = ForEachFeature(
        bytes, [&](absl::string_view name, const WireFeature& feature) {
          std::string text;
          bad |=
              ForEachValue(
                  feature,
                  [&](int64_t value) {
                    absl::StrAppend(&text, "i", value, " ");
                  },
                  [&](absl::string_view floats) {
                    for (size_t i = 0; i < floats.size(); i += sizeof(float)) {
                      uint32_t bits;
                      std::memcpy(&bits, floats.data() + i, sizeof(bits));
                      absl::StrAppend(&text, "f", bits, " ");
                    }
                  },
                  [&](absl::string_view value) {
                    absl::StrAppend(&text, "b", absl::CHexEscape(value), " ");
                  }) == WireStatus::kBad;
          entries[std::string(name)] = text;
        });
    if (bad || status == WireStatus::kBad) return "bad";
    std::string all;
    for (const auto& [name, text] : entries) {
      absl::StrAppend(&all, name, "=", text, ";");
    }
    return all;
  }

 private:
  google::protobuf::DescriptorPool pool_;
  google::protobuf::DynamicMessageFactory factory_;
  const google::protobuf::Descriptor* example_ = nullptr;
};

TEST_F(WireTest, UnderstandsBytesAsLibprotobufDoes) {
  const std::string unpacked =
      Part(3, Varint(1 << 3) + Varint(5) + Part(1, Varint(6)) + Varint(1 << 3) +
                  Varint(~uint64_t{0}));
  const std::string unpacked_floats =
      Part(2, Varint(1 << 3 | 5) + "\x01\x02\x03\x04" + Part(1, "abcdefgh"));
  for (const std::string& bytes :
       {House(1, 2), Record({}), std::string(),
        // An unpacked list, one in parts, one that changes its kind.
        Record({{"a", unpacked}, {"b", unpacked_floats}}),
        Record({{"a", Wholes({1}) + Wholes({2})}}),
        Record({{"a", Wholes({1}) + Floats({2}) + Floats({3})}}),
        // Names twice, an entry without one, and features in parts.
        Record({{"a", Wholes({1})}, {"a", Texts({"x"})}}),
        Part(1, Part(1, Part(2, Wholes({4})))),
        Record({{"a", Wholes({1})}}) + Record({{"b", Wholes({2})}}),
        // Unknown fields, and known ones of other types.
        Part(7, "x") + Varint(8 << 3) + Varint(300) + House(1, 2),
        Varint(1 << 3) + Varint(9) + House(1, 2),
        Record({{"a", Part(4, "x")}, {"b", Part(2, Varint(8) + Varint(1))}}),
        // No messages.
        Part(1, Part(1, "\xff")), std::string("\x0a\x05"), std::string(1, '\0'),
        Record({{"a", Part(2, Part(1, "abc"))}}),
        Record({{"a", Part(3, Part(1, "\xff"))}})}) {
    EXPECT_EQ(Ours(bytes), OfProtobuf(bytes)) << absl::CHexEscape(bytes);
  }
}

TEST_F(WireTest, AgreesOnDamagedBytes) {
  google::protobuf::SetLogHandler(nullptr);  // It says much of such bytes.
  std::mt19937 draw(1);  // Numbers, the same on each machine.
  const std::string whole = Record({{"a", Wholes({1, 300, -5})},
                                    {"b", Floats({1, 2})},
                                    {"c", Texts({"xy", "", "z"})}});
  int sound = 0;
  for (int i = 0; i < 20000; ++i) {
    std::string bytes = whole;
    const int changes = 1 + static_cast<int>(draw() % 3);
    for (int k = 0; k < changes; ++k) {
      bytes[draw() % bytes.size()] = static_cast<char>(draw() % 128);
    }
    if (draw() % 4 == 0) bytes.resize(draw() % bytes.size());
    const std::string expected = OfProtobuf(bytes);
    const std::string found = Ours(bytes);
    sound += expected == "bad" ? 0 : 1;
    // We refuse groups.
    if (found == "bad" && expected != "bad") continue;
    // Names that are not UTF-8 match no feature, so we need not look.
    if (expected == "bad" && found != "bad" && !IsUtf8Text(found)) continue;
    EXPECT_EQ(found, expected) << absl::CHexEscape(bytes);
  }
  EXPECT_GT(sound, 1000);
}

}  // namespace
}  // namespace ebb::data::internal
