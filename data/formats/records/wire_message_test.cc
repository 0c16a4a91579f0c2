#include "data/formats/records/wire_message.h"

#include <google/protobuf/text_format.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "data/formats/records/message_type.h"
#include "data/formats/testing.h"
#include "data/source.h"
#include "gtest/gtest.h"

namespace ebb::data::internal {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using As = RecordFeature::As;

std::string ShopFile() {
  std::ifstream file("tests/golden/protobuf/shop.desc", std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

MessageType& ClickType() {
  static MessageType* const type =
      MessageType::Create(ShopFile(), "shop.desc", "shop.Click")->release();
  return *type;
}

std::string Click(const std::string& text) {
  const auto message = ClickType().New();
  EXPECT_TRUE(
      google::protobuf::TextFormat::ParseFromString(text, message.get()))
      << text;
  return message->SerializeAsString();
}

// The fields on the way to "user.id".
WireMessage::Path PathTo(std::initializer_list<const char*> names) {
  WireMessage::Path path;
  const Descriptor* type = &ClickType().descriptor();
  for (const char* const name : names) {
    path.push_back(type->FindFieldByName(name));
    type = path.back()->message_type();
  }
  return path;
}

std::unique_ptr<WireMessage> Create(std::vector<WireMessage::Path> paths) {
  return WireMessage::Create(ClickType().descriptor(), paths);
}

TEST(WireMessageTest, FindsValuesAndDefaults) {
  const auto wire =
      Create({PathTo({"price"}), PathTo({"size"}), PathTo({"items", "color"}),
              PathTo({"tags"}), PathTo({"visits"}), PathTo({"user", "id"})});
  ASSERT_NE(wire, nullptr);
  const std::string message = Click(
      "size: [1, -1] items { color: BLUE } items { } user { id: 7 } "
      "tags: 'a' shop: 'x' friends { key: 1 value { name: '\xc3\xa9' } "
      "} stats { key: 'k' value: 1 } previous { previous { } }");
  ASSERT_TRUE(wire->Read(message));
  ASSERT_EQ(wire->values(0).size(), 1U);
  EXPECT_EQ(wire->values(0)[0].bytes, std::string(4, '\0'));
  ASSERT_EQ(wire->values(1).size(), 2U);
  EXPECT_EQ(wire->values(1)[0].number, 2U);  // Zigzag.
  EXPECT_EQ(wire->values(1)[1].number, 1U);
  ASSERT_EQ(wire->values(2).size(), 2U);
  EXPECT_EQ(wire->values(2)[0].number, 2U);
  EXPECT_EQ(wire->values(2)[1].number, 0U);
  ASSERT_EQ(wire->values(3).size(), 1U);
  EXPECT_EQ(wire->values(3)[0].bytes, "a");
  EXPECT_TRUE(wire->values(4).empty());  // optional: it may be absent.
  ASSERT_EQ(wire->values(5).size(), 1U);
  EXPECT_EQ(wire->values(5)[0].number, 7U);
}

TEST(WireMessageTest, LeavesTheUnusualToLibprotobuf) {
  EXPECT_EQ(Create({PathTo({"shop"})}), nullptr);   // In a oneof.
  EXPECT_EQ(Create({PathTo({"stats"})}), nullptr);  // A map.
  const auto wire = Create({PathTo({"user", "id"})});
  ASSERT_NE(wire, nullptr);
  const std::string user = Click("user { id: 7 }");
  EXPECT_TRUE(wire->Read(user));
  EXPECT_FALSE(wire->Read(user + user));     // In two parts.
  EXPECT_FALSE(wire->Read("\x1a\x01\xff"));  // Not UTF-8.
  EXPECT_FALSE(wire->Read(absl::string_view("\0", 1)));
  EXPECT_FALSE(wire->Read("\x0b\x0c"));                  // A group.
  EXPECT_FALSE(wire->Read("\x0d\1\1\1\1"));              // Another type.
  EXPECT_FALSE(wire->Read("\x12\x05\x08"));              // Cut.
  EXPECT_FALSE(wire->Read(std::string(65 << 10, ' ')));  // Too long.
}

std::string Varint(uint64_t value) {
  std::string text;
  for (; value >= 0x80; value >>= 7) {
    text.push_back(static_cast<char>(value | 0x80));
  }
  text.push_back(static_cast<char>(value));
  return text;
}

// Reads one message; what it becomes, or what is wrong.
std::string Outcome(const SourceSpec& spec, const std::string& message) {
  const auto read = ReadAll(
      spec,
      OpenMemory({{"d", ShopFile()}, {"f", Varint(message.size()) + message}}));
  if (!read.ok()) return std::string(read.status().message());
  std::string text = "good:";
  for (const ReadExample& example : *read) {
    absl::StrAppend(&text, " label ", example.label);
    for (const float value : example.values) absl::StrAppend(&text, " ", value);
    for (const uint64_t key : example.keys) absl::StrAppend(&text, " k", key);
    for (const uint8_t byte : example.bytes) absl::StrAppend(&text, " b", byte);
  }
  return text;
}

// Messages with random damage are read in the same way with a long unknown
// field at their end, which only libprotobuf reads.
TEST(WireMessageTest, ReadsAsLibprotobufDoes) {
  const std::string padding =
      Varint(1000 << 3 | 2) + Varint(65 << 10) + std::string(65 << 10, 'x');
  const std::vector<std::string> sound = {
      Click("clicked: true price: 1.5 size: [3, -4] user { id: -7 name: 'n' }"),
      Click("color: BLUE items { color: RED sku: 's' price: 2 } items { } "
            "tags: ['a', '\xc3\xa9'] visits: 3 image: '\\377\\000'"),
      Click("site: 9 previous { size: [1, 2] items { color: BLUE } user { } }"),
      Click("friends { key: 1 value { id: 3 } } stats { key: 'k' value: 1 }")};
  SourceSpec spec = {.kind = SourceKind::kProtobuf,
                     .path = "f",
                     .protobuf = {.descriptors = "d", .message = "shop.Click"}};
  const std::vector<std::vector<RecordFeature>> mappings = {
      {{.name = "clicked", .as = As::kLabel},
       {.name = "price"},
       {.name = "previous.size", .width = 2, .missing = -1},
       {.name = "user.age", .missing = -1},
       {.name = "visits", .missing = -2}},
      {{.name = "color", .as = As::kLabel},
       {.name = "items.color", .as = As::kKeys},
       {.name = "items.price", .missing = 5},
       {.name = "previous.items.color", .as = As::kKeys},
       {.name = "size", .as = As::kKeys, .most = 3},
       {.name = "tags", .as = As::kKeys},
       {.name = "user.id", .as = As::kKeys},
       {.name = "user.name", .as = As::kKeys}}};
  std::minstd_rand random(1);
  const auto below = [&random](size_t n) {
    return std::uniform_int_distribution<size_t>(0, n - 1)(random);
  };
  int good = 0;
  for (int round = 0; round < 1500; ++round) {
    std::string message = sound[below(sound.size())];
    if (below(3) == 0) message += sound[below(sound.size())];
    for (size_t changes = below(4); changes > 0; --changes) {
      const size_t at = below(message.size());
      switch (below(3)) {
        case 0:
          message[at] = static_cast<char>(random());
          break;
        case 1:
          message[at] = static_cast<char>(message[at] ^ (1 << below(8)));
          break;
        default:
          message.insert(at, 1, static_cast<char>(below(128)));
      }
    }
    spec.features = mappings[below(mappings.size())];
    const std::string here = Outcome(spec, message);
    // Damage may take the padding into a field, or a field into the padding.
    if (absl::StrContains(here, "is not a shop.Click")) continue;
    EXPECT_EQ(here, Outcome(spec, message + padding)) << round;
    good += absl::StartsWith(here, "good") ? 1 : 0;
  }
  EXPECT_GT(good, 250);
}

}  // namespace
}  // namespace ebb::data::internal
