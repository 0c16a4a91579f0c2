#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/dynamic_message.h>
#include <google/protobuf/text_format.h>

#include <cmath>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "data/dataset.h"
#include "data/formats/records/message_type.h"
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
using ::testing::StartsWith;
using As = RecordFeature::As;

std::string GoldenFile(absl::string_view name) {
  std::ifstream file(absl::StrCat("tests/golden/protobuf/", name),
                     std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string Varint(uint64_t value) {
  std::string text;
  for (; value >= 0x80; value >>= 7) {
    text.push_back(static_cast<char>(value | 0x80));
  }
  text.push_back(static_cast<char>(value));
  return text;
}

std::string Framed(const std::string& message) {
  return Varint(message.size()) + message;
}

// A shop.Click of tests/golden/protobuf in the text format.
std::string Click(const std::string& text) {
  static MessageType* const type =
      MessageType::Create(GoldenFile("shop.desc"), "shop.desc", "shop.Click")
          ->release();
  const auto message = type->New();
  EXPECT_TRUE(
      google::protobuf::TextFormat::ParseFromString(text, message.get()))
      << text;
  return message->SerializeAsString();
}

SourceSpec Spec(std::vector<RecordFeature> features) {
  return {.kind = SourceKind::kProtobuf,
          .path = "f",
          .protobuf = {.descriptors = "d", .message = "shop.Click"},
          .features = std::move(features)};
}

SourceSpec Dense() {
  return Spec({{.name = "clicked", .as = As::kLabel},
               {.name = "price"},
               {.name = "size", .width = 2}});
}

OpenBytes Files(const std::string& messages) {
  return OpenMemory({{"d", GoldenFile("shop.desc")}, {"f", messages}});
}

std::vector<ReadExample> Read(const SourceSpec& spec,
                              const std::string& messages) {
  auto read = ReadAll(spec, Files(messages));
  EXPECT_TRUE(read.ok()) << read.status();
  return read.ok() ? *std::move(read) : std::vector<ReadExample>();
}

std::string Message(const SourceSpec& spec, const std::string& messages) {
  return std::string(ReadAll(spec, Files(messages)).status().message());
}

std::string MessageOfSet(const SourceSpec& spec, const std::string& set) {
  return std::string(
      ReadAll(spec, OpenMemory({{"d", set}, {"f", ""}})).status().message());
}

SourceSpec Skipping(SourceSpec spec) {
  spec.on_bad_example = OnBadExample::kSkip;
  return spec;
}

TEST(ProtobufFormatTest, ReadsNumbersIntoColumns) {
  const auto read =
      Read(Dense(), Framed(Click("clicked: true price: 1.5 size: [3, -4]")) +
                        Framed(Click("price: -2 size: [7, 8]")));
  ASSERT_EQ(read.size(), 2U);
  EXPECT_THAT(read[0].values, ElementsAre(1.5F, 3, -4));
  EXPECT_EQ(read[0].label, 1);
  EXPECT_THAT(read[1].values, ElementsAre(-2, 7, 8));
  EXPECT_EQ(read[1].label, 0);
}

TEST(ProtobufFormatTest, ReadsWordsAndEnumsAsKeys) {
  const SourceSpec spec = Spec({{.name = "clicked", .as = As::kLabel},
                                {.name = "color", .as = As::kKey},
                                {.name = "items.color", .as = As::kKeys},
                                {.name = "price"},
                                {.name = "site", .as = As::kKeys},
                                {.name = "tags", .as = As::kKeys, .most = 2},
                                {.name = "user.id", .as = As::kKey}});
  const auto read =
      Read(spec,
           Framed(Click("color: BLUE items { color: RED } items { } price: 2.5 "
                        "tags: ['a', 'b', 'c'] user { id: -7 } shop: 'x'")) +
               Framed(Click("user { } site: 9223372036854775810")));
  ASSERT_EQ(read.size(), 2U);
  EXPECT_THAT(read[0].fields, ElementsAre(0, 1, 1, 2, 4, 4, 5));
  EXPECT_THAT(read[0].keys,
              ElementsAre(KeyOf(0, "BLUE"), KeyOf(1, "RED"),
                          KeyOf(1, "COLOR_NONE"), KeyOf(2, "price"),
                          KeyOf(4, "a"), KeyOf(4, "b"), KeyOf(5, "-7")));
  EXPECT_THAT(read[0].values, ElementsAre(1, 1, 1, 2.5F, 1, 1, 1));
  EXPECT_THAT(read[1].keys,
              ElementsAre(KeyOf(0, "COLOR_NONE"), KeyOf(2, "price"),
                          KeyOf(3, "9223372036854775810"), KeyOf(5, "0")));
}

// Bug: ids beside keys became equal without a word.
TEST(ProtobufFormatTest, NamesFeaturesOfNumbersThatBecomeOne) {
  std::string messages;
  for (int i = 0; i < 100; ++i) {
    messages += Framed(Click(
        absl::StrCat("clicked: ", i % 2 == 1 ? "true" : "false",
                     " user { id: ", 16777216 + i % 2, " } tags: ['a']")));
  }
  const auto data = Dataset::Load(Spec({{.name = "clicked", .as = As::kLabel},
                                        {.name = "tags", .as = As::kKeys},
                                        {.name = "user.id"}}),
                                  Files(messages));
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_THAT(data->remarks(),
              ElementsAre(HasSubstr("feature \"user.id\" has 16777217 and "
                                    "16777216, which are one number to ebb")));
}

TEST(ProtobufFormatTest, AnEnumIsANumberWhereNumbersAreWanted) {
  const auto read =
      Read(Spec({{.name = "color", .as = As::kLabel}, {.name = "items.color"}}),
           Framed(Click("color: BLUE items { color: RED }")));
  EXPECT_EQ(read[0].label, 2);
  EXPECT_THAT(read[0].values, ElementsAre(1));
}

// In proto3, fields without `optional` cannot be told from those with 0.
TEST(ProtobufFormatTest, TellsWhatIsMissing) {
  SourceSpec spec = Spec({{.name = "clicked", .as = As::kLabel},
                          {.name = "price"},
                          {.name = "user.age", .missing = -1},
                          {.name = "user.id", .missing = -2},
                          {.name = "visits", .missing = -3}});
  const auto read =
      Read(spec, Framed("") + Framed(Click("user { }")) +
                     Framed(Click("visits: 0 user { age: 0 id: 4 }")));
  ASSERT_EQ(read.size(), 3U);
  EXPECT_THAT(read[0].values, ElementsAre(0, -1, -2, -3));
  EXPECT_THAT(read[1].values, ElementsAre(0, -1, 0, -3));
  EXPECT_THAT(read[2].values, ElementsAre(0, 0, 4, 0));
  spec.features[4].missing.reset();
  EXPECT_EQ(Message(spec, Framed("")),
            "f: message 1 (byte 0): feature \"visits\": the record does not "
            "have it; to take a number instead, say missing: and the number");
}

TEST(ProtobufFormatTest, ReadsTheValueOfAKeyOfAMap) {
  SourceSpec spec = Spec({{.name = "clicked", .as = As::kLabel},
                          {.name = "friends.-3.id", .missing = -1},
                          {.name = "stats.mean", .missing = -2}});
  const std::string other =
      Click("stats { key: 'mean' value: 4 } stats { key: 'x' value: 1 }");
  const auto read = Read(
      spec,
      Framed(Click("friends { key: -3 value { id: 5 } } stats { key: 'mean' "
                   "value: 0.5 }")) +
          // A key that is there twice has its last value.
          Framed(other + Click("stats { key: 'mean' value: 6 }")) +
          // An entry may lack its value.
          Framed(Click("friends { key: -3 }") + std::string("\x4a\x06\x0a\x04"
                                                            "mean")));
  ASSERT_EQ(read.size(), 3U);
  EXPECT_THAT(read[0].values, ElementsAre(5, 0.5F));
  EXPECT_THAT(read[1].values, ElementsAre(-1, 6));
  EXPECT_THAT(read[2].values, ElementsAre(0, 0));
  EXPECT_THAT(
      Message(Spec({{.name = "clicked", .as = As::kLabel}, {.name = "stats"}}),
              ""),
      HasSubstr("shop.Click.stats is a map; name one of its keys, as "
                "stats.KEY"));
}

TEST(ProtobufFormatTest, KeepsBytesAsBytes) {
  SourceSpec spec = Spec({{.name = "clicked", .as = As::kLabel},
                          {.name = "image", .as = As::kBytes, .width = 3}});
  spec.scale = 1.0 / 255;
  EXPECT_THAT(Read(spec, Framed(Click("image: '\\000\\177\\377'")))[0].bytes,
              ElementsAre(0, 127, 255));
  EXPECT_THAT(Message(spec, Framed(Click("image: 'ab'"))),
              HasSubstr("feature \"image\": it has 2 bytes instead of 3; if "
                        "all have as many, say width: 2"));
}

TEST(ProtobufFormatTest, ReadsSeveralAndCompressedFiles) {
  const std::string messages = Framed(Click("price: 1 size: [1, 2]"));
  SourceSpec spec = Dense();
  spec.further_paths = {"g", "h"};
  const auto read =
      ReadAll(spec, OpenMemory({{"d", Gzip(GoldenFile("shop.desc"))},
                                {"f", messages + messages},
                                {"g", ""},
                                {"h", Gzip(messages)}}));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->size(), 3U);
  EXPECT_THAT(Message(Dense(), Gzip(messages).substr(0, 25)),
              HasSubstr("the gzip data ends in the middle"));
}

// Bug: a file whose first message has 120 bytes and begins with the field 4
// was taken for zlib.
TEST(ProtobufFormatTest, TellsALengthFromACompressedFile) {
  SourceSpec spec = Spec({{.name = "clicked", .as = As::kLabel},
                          {.name = "visits", .missing = 7}});
  std::string unknown = "\x20\xff\x7f\x7a\x73";
  unknown += std::string(120 - unknown.size(), '\xff');
  EXPECT_THAT(Read(spec, Framed(unknown))[0].values, ElementsAre(7));
}

TEST(ProtobufFormatTest, AMessageMayBeginAsAnotherFile) {
  // It begins as JSON: {"...
  std::string unknown = Click("tags: 'a'");
  unknown = std::string("\x22\x79", 2) + std::string(0x79, '\x01');
  ASSERT_EQ(unknown.size(), 0x7bU);
  EXPECT_EQ(Read(Spec({{.name = "clicked", .as = As::kLabel},
                       {.name = "visits", .missing = 7}}),
                 Framed(unknown))
                .size(),
            1U);
}

TEST(ProtobufFormatTest, NamesColumnsAndFilesForTheIndex) {
  const std::string messages = Framed(Click("clicked: true size: [1, 2]")) +
                               Framed(Click("price: 2 size: [1, 2]"));
  const auto data = Dataset::Load(Dense(), Files(messages));
  ASSERT_TRUE(data.ok()) << data.status();
  ASSERT_TRUE(data->names().has_value());
  EXPECT_THAT(data->names()->features,
              ElementsAre("price", "size[0]", "size[1]"));
  EXPECT_EQ(data->names()->label, "clicked");
  EXPECT_EQ(data->index().files.size(), 2U);
  // Other descriptors give the same bytes another meaning.
  const auto changed = Dataset::LoadIndexed(
      Dense(), data->index(),
      OpenMemory({{"d", GoldenFile("shop.desc") + GoldenFile("alone.desc")},
                  {"f", messages}}));
  EXPECT_EQ(changed.status().code(), absl::StatusCode::kFailedPrecondition)
      << changed.status();
  EXPECT_THAT(std::string(changed.status().message()),
              StartsWith("d is not the file"));
}

TEST(ProtobufFormatTest, MeaningHasTheMessageAndTheMapping) {
  EXPECT_THAT(Dense().Meaning(),
              HasSubstr(" message='shop.Click' 'clicked'=label "
                        "'price'=dense 'size'=dense/2"));
}

// --- Damages -----------------------------------------------------------------

TEST(ProtobufFormatTest, RefusesACutMessage) {
  const std::string one = Framed(Click("price: 1 size: [1, 2]"));
  const std::string long_one = Varint(300) + std::string(300, 'x');
  for (const std::string& file :
       {one + one.substr(0, one.size() - 1), one + one.substr(0, 1),
        one + long_one.substr(0, 1)}) {
    for (const SourceSpec& spec : {Dense(), Skipping(Dense())}) {
      EXPECT_EQ(Message(spec, file),
                absl::StrCat("f: message 2 (byte ", one.size(),
                             "): is cut: the file ends within it; was it "
                             "copied whole?"));
    }
  }
}

TEST(ProtobufFormatTest, RefusesALengthThatIsNone) {
  const std::string one = Framed(Click("price: 1 size: [1, 2]"));
  for (const SourceSpec& spec : {Dense(), Skipping(Dense())}) {
    EXPECT_EQ(Message(spec, one + std::string(11, '\xff')),
              absl::StrCat("f: message 2 (byte ", one.size(),
                           "): its length takes more than 10 bytes"));
    EXPECT_EQ(Message(spec, one + Varint(uint64_t{1} << 31)),
              absl::StrCat("f: message 2 (byte ", one.size(),
                           "): its length would be 2147483648 bytes"));
    EXPECT_THAT(Message(spec, "price,clicked\n1,2\n"),
                HasSubstr("hint: before each message its length must stand"));
  }
  // A length may be written in more bytes than it needs.
  const std::string message = Click("size: [1, 2]");
  EXPECT_EQ(
      Read(Dense(), std::string(1, static_cast<char>(message.size() | 0x80)) +
                        std::string(1, '\0') + message)
          .size(),
      1U);
}

TEST(ProtobufFormatTest, LeavesOutAMessageThatIsTooLong) {
  const std::string one = Framed(Click("price: 1 size: [1, 2]"));
  const std::string file =
      one + Framed(std::string((16 << 20) + 1, '\0')) + one;
  EXPECT_THAT(Message(Dense(), file),
              StartsWith(absl::StrCat("f: message 2 (byte ", one.size(),
                                      "): has ", (16 << 20) + 1,
                                      " bytes, but a message of such")));
  EXPECT_EQ(Read(Skipping(Dense()), file).size(), 2U);
  EXPECT_THAT(Message(Skipping(Dense()), file.substr(0, 1 << 20)),
              HasSubstr("is cut"));
}

// A few bytes may stand for a message that takes a lot of memory.
TEST(ProtobufFormatTest, LeavesOutAMessageThatCouldTakeTooMuchMemory) {
  const std::string one = Framed(Click("price: 1 size: [1, 2]"));
  std::string many;  // Items.
  for (int i = 0; i < 15 << 19; ++i) many += std::string("\x42\x00", 2);
  const std::string file = one + Framed(many) + one;
  EXPECT_THAT(
      Message(Dense(), file),
      HasSubstr(" bytes, but a message of such a type, with messages in "
                "it, has at most "));
  EXPECT_EQ(Read(Skipping(Dense()), file).size(), 2U);
}

// Numbers take no more than eight times their bytes.
TEST(ProtobufFormatTest, ReadsALongMessageWithoutMessages) {
  google::protobuf::FileDescriptorSet set;
  ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(
      R"(file { name: "f.proto" syntax: "proto3"
           message_type { name: "M"
             field { name: "a" number: 1 label: LABEL_REPEATED
                     type: TYPE_FLOAT } } })",
      &set));
  constexpr size_t kBytes = (16 << 20) - 8;
  SourceSpec spec = Spec({{.name = "a", .width = kBytes / 4}});
  spec.protobuf.message = "M";
  spec.has_labels = false;
  const std::string message =
      absl::StrCat("\x0a", Varint(kBytes), std::string(kBytes, '\0'));
  const auto read = ReadAll(spec, OpenMemory({{"d", set.SerializeAsString()},
                                              {"f", Framed(message)}}));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->size(), 1U);
  EXPECT_THAT(ReadAll(spec, OpenMemory({{"d", set.SerializeAsString()},
                                        {"f", Framed(message + message)}}))
                  .status()
                  .message(),
              HasSubstr("bytes, but a message has at most 16 MiB"));
}

// Bug: messages in extensions counted as their bytes alone.
TEST(ProtobufFormatTest, LeavesOutExtensionsThatCouldTakeTooMuchMemory) {
  // An empty element with so many fields takes 1 or 30 KB.
  for (const auto& [fields, elements] :
       {std::pair(100, 1 << 20), {3000, 30'000}}) {
    google::protobuf::FileDescriptorSet set;
    ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(
        R"(file { name: "f.proto" syntax: "proto2"
           message_type { name: "M"
             field { name: "a" number: 1 label: LABEL_OPTIONAL
                     type: TYPE_INT32 }
             extension_range { start: 2 end: 9 } }
           message_type { name: "Large" }
           extension { name: "more" number: 2 label: LABEL_REPEATED
                       extendee: ".M" type: TYPE_MESSAGE
                       type_name: ".Large" } })",
        &set));
    auto* const large = set.mutable_file(0)->mutable_message_type(1);
    for (int i = 1; i <= fields; ++i) {
      auto* const field = large->add_field();
      field->set_name(absl::StrCat("f", i));
      field->set_number(i);
      field->set_label(google::protobuf::FieldDescriptorProto::LABEL_OPTIONAL);
      field->set_type(google::protobuf::FieldDescriptorProto::TYPE_INT64);
    }
    std::string many("\x08\x01", 2);
    for (int i = 0; i < elements; ++i) many += std::string("\x12\x00", 2);
    SourceSpec spec = Spec({{.name = "a"}});
    spec.protobuf.message = "M";
    spec.has_labels = false;
    EXPECT_THAT(ReadAll(spec, OpenMemory({{"d", set.SerializeAsString()},
                                          {"f", Framed(many)}}))
                    .status()
                    .message(),
                HasSubstr("of such a type, with messages in it, has at most"));
  }
}

// Bug: libprotobuf took more stack than there is for a chain of them.
TEST(ProtobufFormatTest, RefusesDescriptorsOfTooManyTypes) {
  google::protobuf::FileDescriptorSet set;
  auto* const file = set.add_file();
  file->set_name("f.proto");
  file->set_syntax("proto3");
  constexpr int kTypes = 30'000;
  for (int i = 0; i < kTypes; ++i) {
    auto* const type = file->add_message_type();
    type->set_name(absl::StrCat("M", i));
    auto* const next = type->add_field();
    next->set_name("next");
    next->set_number(1);
    next->set_label(google::protobuf::FieldDescriptorProto::LABEL_OPTIONAL);
    next->set_type(google::protobuf::FieldDescriptorProto::TYPE_MESSAGE);
    next->set_type_name(absl::StrCat(".M", (i + 1) % kTypes));
  }
  SourceSpec spec = Dense();
  spec.protobuf.message = "M0";
  EXPECT_THAT(MessageOfSet(spec, set.SerializeAsString()),
              HasSubstr("d: f.proto and what it imports have more than 10000 "
                        "types of messages"));
}

TEST(ProtobufFormatTest, LeavesOutWhatIsNoMessage) {
  const std::string one = Framed(Click("price: 1 size: [1, 2]"));
  for (const std::string& bad :
       {std::string("\x0a\x05x"), std::string(1, '\0'), std::string("\x1a\xff"),
        std::string("\x1a\x01\xff")}) {  // A tag that is not UTF-8.
    const std::string file = absl::StrCat(one, Framed(bad), one);
    EXPECT_EQ(Message(Dense(), file),
              absl::StrCat("f: message 2 (byte ", one.size(),
                           "): is not a shop.Click, or has a text that is not "
                           "UTF-8"));
    EXPECT_EQ(Read(Skipping(Dense()), file).size(), 2U);
  }
}

TEST(ProtobufFormatTest, SaysWhatIsWrongWithAMessage) {
  const SourceSpec spec = Spec({{.name = "clicked", .as = As::kLabel},
                                {.name = "color", .as = As::kKey},
                                {.name = "items.sku", .as = As::kKey},
                                {.name = "price"}});
  const std::string good = Click("items { sku: 'a' }");
  const auto message = [&](const std::string& bad) {
    const std::string file = Framed(good) + Framed(bad) + Framed(good);
    EXPECT_EQ(Read(Skipping(spec), file).size(), 2U);
    return Message(spec, file);
  };
  EXPECT_THAT(message(Click("")), HasSubstr("\"items.sku\": the record does "
                                            "not have it; if it may be absent, "
                                            "say as: keys"));
  EXPECT_THAT(message(Click("items { } items { }")),
              HasSubstr("it has 2 values instead of 1; for any number"));
  EXPECT_THAT(message(good + std::string("\x38\x09")),
              HasSubstr("\"color\": 9 is not a value of shop.Color"));
  EXPECT_THAT(message(good + Click("price: nan")),
              HasSubstr("\"price\": 'nan' is not a finite number"));
  EXPECT_THAT(Message(Dense(), Framed(Click("size: [1, 2, 3]"))),
              HasSubstr("it has 3 values instead of 2; if all have as many, "
                        "say width: 3"));
  EXPECT_THAT(
      Message(Spec({{.name = "price", .as = As::kLabel}, {.name = "visits"}}),
              Framed(Click("price: 0.5 visits: 1"))),
      HasSubstr("whole number"));
}

// libprotobuf keeps such values as unknown fields: the numbers would be 0, and
// the keys absent.
TEST(ProtobufFormatTest, RefusesValuesOfAnotherTypeThanTheDescriptorsHave) {
  const std::string good = Click("clicked: true size: [3, -4]");
  // A double, and the price is a float.
  const std::string bad = good + "\x21" + std::string(8, '\x01');
  const auto message = Message(Dense(), Framed(good) + Framed(bad));
  EXPECT_THAT(message, StartsWith("f: message 2 (byte "));
  EXPECT_THAT(message,
              HasSubstr("\"price\": the message has a value of another "
                        "type for shop.Click.price, which is of the "
                        "type float; do the descriptors belong to the "
                        "messages?"));
  EXPECT_EQ(
      Read(Skipping(Dense()), Framed(good) + Framed(bad) + Framed(good)).size(),
      2U);
  // A number in the place of a text.
  EXPECT_THAT(Message(Spec({{.name = "clicked", .as = As::kLabel},
                            {.name = "tags", .as = As::kKeys}}),
                      Framed(good + "\x18\x05")),
              HasSubstr("\"tags\": the message has a value of another type"));
  // Fields that no descriptor has are left out.
  EXPECT_EQ(Read(Dense(), Framed(good + "\xa0\x06\x05")).size(), 1U);
}

TEST(ProtobufFormatTest, RefusesNumbersThatAnEnumOfProto2DoesNotHave) {
  google::protobuf::FileDescriptorSet set;
  ASSERT_TRUE(set.ParseFromString(GoldenFile("shop.desc")));
  // In proto2 the fields have presence, and enums are closed.
  for (auto& file : *set.mutable_file()) {
    file.clear_syntax();
    for (auto& type : *file.mutable_message_type()) {
      for (auto& field : *type.mutable_field()) field.clear_proto3_optional();
      auto* oneofs = type.mutable_oneof_decl();
      for (int i = oneofs->size() - 1; i >= 0; --i) {
        if (oneofs->Get(i).name().starts_with('_')) {
          for (auto& field : *type.mutable_field()) {
            if (field.has_oneof_index() && field.oneof_index() == i) {
              field.clear_oneof_index();
            }
          }
          oneofs->DeleteSubrange(i, 1);
        }
      }
    }
  }
  const auto read =
      ReadAll(Spec({{.name = "clicked", .as = As::kLabel},
                    {.name = "color", .as = As::kKeys}}),
              OpenMemory({{"d", set.SerializeAsString()},
                          {"f", Framed(Click("clicked: true") + "\x38\x09")}}));
  EXPECT_THAT(std::string(read.status().message()),
              HasSubstr("\"color\": 9 is no value of shop.Color"));
}

TEST(ProtobufFormatTest, RefusesFeaturesThatTheMessageHasNot) {
  const auto message = [](const std::string& name, As as) {
    RecordFeature feature = {.name = name, .as = as};
    SourceSpec spec =
        Skipping(Spec({{.name = "clicked", .as = As::kLabel}, feature}));
    return Message(spec, "");
  };
  EXPECT_EQ(message("prize", As::kDense),
            "d: feature \"prize\": shop.Click has no field \"prize\"; it has "
            "clicked, user, tags, price, size, image, color, items and 6 more");
  EXPECT_EQ(message("user.nme", As::kKey),
            "d: feature \"user.nme\": shop.User has no field \"nme\"; it has "
            "id, name, age");
  EXPECT_EQ(message("user", As::kKey),
            "d: feature \"user\": shop.Click.user is a message; name one of "
            "its fields: id, name, age");
  EXPECT_EQ(message("price.x", As::kDense),
            "d: feature \"price.x\": shop.Click.price is of the type float, "
            "which has no fields");
  EXPECT_EQ(message("price", As::kKeys),
            "d: feature \"price\": shop.Click.price is of the type float, and "
            "a key is a word or a whole number; say as: dense");
  EXPECT_THAT(message("tags", As::kDense),
              HasSubstr("shop.Click.tags is of the type string, which is not a "
                        "number; say as: key for words"));
  EXPECT_THAT(message("size", As::kBytes),
              HasSubstr("is of the type sint32, which has no bytes"));
  EXPECT_THAT(message("stats.a.b", As::kDense),
              HasSubstr("is of the type double, which has no fields"));
}

TEST(ProtobufFormatTest, RefusesDescriptorsThatDoNot) {
  const std::string set = GoldenFile("shop.desc");
  constexpr char kMake[] =
      "make it by `protoc --include_imports --descriptor_set_out=FILE`";
  for (const std::string& bad :
       {std::string(), std::string("syntax = \"proto3\";"),
        set.substr(0, set.size() / 2)}) {
    EXPECT_EQ(MessageOfSet(Dense(), bad),
              absl::StrCat("d: is not a set of descriptors; ", kMake));
  }
  EXPECT_EQ(MessageOfSet(Dense(), GoldenFile("alone.desc")),
            absl::StrCat("d: shop.proto imports user.proto, which is not in "
                         "it; ",
                         kMake));
  SourceSpec other = Dense();
  other.protobuf.message = "Click";
  EXPECT_EQ(MessageOfSet(other, set),
            "d: does not define the message Click; it has shop.User, "
            "shop.Item, shop.Click");
  other.protobuf.message = "shop.Click.StatsEntry";
  EXPECT_THAT(MessageOfSet(other, set), HasSubstr("does not define"));
  EXPECT_THAT(MessageOfSet(Dense(), set + set), HasSubstr("twice"));
  google::protobuf::FileDescriptorSet broken;
  ASSERT_TRUE(broken.ParseFromString(set));
  broken.mutable_file(1)
      ->mutable_message_type(1)
      ->mutable_field(1)
      ->set_type_name(".shop.Nobody");
  EXPECT_THAT(MessageOfSet(Dense(), broken.SerializeAsString()),
              HasSubstr("d: its descriptors do not fit together: shop.proto: "
                        "shop.Click.user: \".shop.Nobody\" is not defined"));
  // A file that imports itself.
  ASSERT_TRUE(broken.ParseFromString(set));
  broken.mutable_file(0)->add_dependency("shop.proto");
  EXPECT_THAT(MessageOfSet(Dense(), broken.SerializeAsString()),
              HasSubstr("do not fit together"));
  EXPECT_THAT(MessageOfSet(Dense(), std::string((16 << 20) + (1 << 17), 'x')),
              HasSubstr("has more than 16 MiB"));
  const auto why = [](SourceSpec spec, bool descriptors) {
    (descriptors ? spec.protobuf.descriptors : spec.protobuf.message) = "";
    return std::string(spec.Validate().message());
  };
  EXPECT_THAT(why(Dense(), true), HasSubstr("names no descriptors"));
  EXPECT_THAT(why(Dense(), false), HasSubstr("say message, as shop.Click"));
  EXPECT_EQ(ReadAll(Dense(), OpenMemory({{"f", ""}})).status().code(),
            absl::StatusCode::kNotFound);
}

TEST(ProtobufFormatTest, ShowsFeaturesThatWouldDo) {
  EXPECT_EQ(
      Message(Spec({}),
              Framed(Click(
                  "clicked: true user { id: 3 name: 'u' } tags: ['a', 'b'] "
                  "size: [1, 2] image: '\\377\\000' items { sku: 'x' } "
                  "stats { key: 'mean' value: 1 } previous { site: 3 }"))),
      "f: message 1 (byte 0): the job does not say what the values are; for "
      "this record features: {clicked: label, color: key, image: {as: bytes, "
      "width: 2}, items.color: keys, items.sku: keys, previous.clicked: dense, "
      "previous.color: key, previous.image: key, previous.price: dense, "
      "previous.site: dense, price: dense, size: {as: dense, width: 2}, "
      "stats.mean: dense, tags: keys, user.id: dense, user.name: key} would "
      "do");
  EXPECT_THAT(Message(Spec({}), ""), HasSubstr("is empty"));
}

// --- Files of other programs -------------------------------------------------

// tests/golden/protobuf/make.py wrote them, with Python's protobuf package.
TEST(ProtobufFormatTest, ReadsWhatPythonWrites) {
  SourceSpec spec = Spec({{.name = "color", .as = As::kLabel},
                          {.name = "friends.-3.id"},
                          {.name = "image", .as = As::kBytes, .width = 4},
                          {.name = "price"},
                          {.name = "size", .width = 2},
                          {.name = "stats.mean"},
                          {.name = "stats.most"},
                          {.name = "user.age", .missing = -1},
                          {.name = "visits", .missing = -1}});
  spec.protobuf.descriptors = "tests/golden/protobuf/shop.desc";
  for (const char* const name : {"clicks.pb", "clicks.pb.gz"}) {
    spec.path = absl::StrCat("tests/golden/protobuf/", name);
    const auto read = ReadAll(spec, OpenFile);
    ASSERT_TRUE(read.ok()) << read.status();
    ASSERT_EQ(read->size(), 5U) << name;
    for (int i = 0; i < 5; ++i) {
      const ReadExample& example = (*read)[i];
      EXPECT_EQ(example.label, static_cast<float>(i % 3));
      EXPECT_THAT(
          example.values,
          ElementsAre(i, i, 255 - i, 0, 128, 0.5F * i, -i,
                      static_cast<float>(1000000 * i), i / 8.0F, i,
                      i == 2 ? -1.0F : 20.5F + i, i > 1 ? i - 2.0F : -1.0F));
    }
  }
  spec.features = {{.name = "clicked", .as = As::kLabel},
                   {.name = "color", .as = As::kKey},
                   {.name = "items.sku", .as = As::kKeys},
                   {.name = "shop", .as = As::kKeys},
                   {.name = "site", .as = As::kKeys},
                   {.name = "user.id", .as = As::kKey},
                   {.name = "user.name", .as = As::kKey}};
  const auto keyed = ReadAll(spec, OpenFile);
  ASSERT_TRUE(keyed.ok()) << keyed.status();
  EXPECT_THAT(
      (*keyed)[2].keys,
      ElementsAre(KeyOf(0, "BLUE"), KeyOf(1, "s0"), KeyOf(1, "s1"),
                  KeyOf(3, "9223372036854775810"), KeyOf(4, "2000000014"),
                  KeyOf(5,
                        "u\xc3\xa9"
                        "2")));
  EXPECT_THAT((*keyed)[1].keys,
              ElementsAre(KeyOf(0, "RED"), KeyOf(1, "s0"), KeyOf(2, "shop 1"),
                          KeyOf(4, "1000000007"),
                          KeyOf(5,
                                "u\xc3\xa9"
                                "1")));
}

}  // namespace
}  // namespace ebb::data::internal
