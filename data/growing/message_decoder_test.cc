#include "data/growing/message_decoder.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "data/growing/sample_schema.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::data::growing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Outcome = DecodedMessage::Outcome;

using Messages = std::vector<absl::string_view>;

// The outcomes as text, "e" for an example, "-" for none, "b" for a bad one.
std::string Outcomes(const std::vector<DecodedMessage>& messages) {
  std::string text;
  for (const DecodedMessage& message : messages) {
    text += message.outcome == Outcome::kExample ? 'e'
            : message.outcome == Outcome::kNone  ? '-'
                                                 : 'b';
  }
  return text;
}

struct Decoded {
  About about;
  std::vector<DecodedMessage> messages;
  pack::Window window;
};

Decoded Decode(const SourceSpec& spec, const Messages& sample,
               const Messages& messages) {
  Decoded decoded;
  const absl::Status found = FindSchema(spec, sample, &decoded.about);
  EXPECT_TRUE(found.ok()) << found;
  const MessageDecoder decoder(spec, decoded.about);
  auto outcomes = decoder.Decode(messages, &decoded.window);
  EXPECT_TRUE(outcomes.ok()) << outcomes.status();
  if (outcomes.ok()) decoded.messages = *std::move(outcomes);
  return decoded;
}

TEST(MessageDecoderTest, FindsEachBadMessage) {
  std::vector<std::string> lines;
  for (int i = 0; i < 1000; ++i) lines.push_back(absl::StrCat(i, ",", i % 2));
  lines[17] = "x,1";
  lines[18] = "";
  lines[500] = "1,2,3";
  lines[999] = "\"1,0";
  const Messages messages(lines.begin(), lines.end());
  const Decoded decoded =
      Decode({}, {messages.begin(), messages.begin() + 10}, messages);
  const std::string outcomes = Outcomes(decoded.messages);
  EXPECT_EQ(outcomes[17], 'b');
  EXPECT_EQ(outcomes[18], '-');
  EXPECT_EQ(outcomes[500], 'b');
  EXPECT_EQ(outcomes[999], 'b');
  EXPECT_EQ(std::ranges::count(outcomes, 'e'), 996);
  EXPECT_EQ(decoded.window.examples, 996);
  EXPECT_EQ(decoded.window.values[17], 19);
  EXPECT_THAT(decoded.messages[17].reason, HasSubstr("x"));
  EXPECT_THAT(decoded.messages[17].reason, Not(HasSubstr("message:")));
}

TEST(MessageDecoderTest, LeavesOutTheHeaderWhereverItComes) {
  const Decoded decoded = Decode({}, {"age,label", "1,0", "2,1"},
                                 {"age,label", "3,1", "age,label", "4,0"});
  EXPECT_EQ(decoded.about.header_line, "age,label");
  EXPECT_EQ(Outcomes(decoded.messages), "-e-e");
  EXPECT_THAT(decoded.window.values, ElementsAre(3, 4));
  EXPECT_THAT(decoded.window.labels, ElementsAre(1, 0));
  ASSERT_TRUE(decoded.about.names.has_value());
  EXPECT_THAT(decoded.about.names->features, ElementsAre("age"));
}

TEST(MessageDecoderTest, KeepsTheCategoriesOfTheFirstMessages) {
  SourceSpec spec;
  spec.csv.header = CsvOptions::Header::kNo;
  const Decoded decoded = Decode(spec, {"red,1,0", "blue,2,1", "red,3,1"},
                                 {"blue,4,1", "green,5,0"});
  EXPECT_EQ(Outcomes(decoded.messages), "ee");
  // One feature for each of both colours, one for any other, and the number.
  EXPECT_EQ(decoded.about.schema.features, 4);
  EXPECT_EQ(decoded.window.values.size(), 8u);
}

TEST(MessageDecoderTest, ReadsRowsOfKeysAndOfIds) {
  SourceSpec spec;
  spec.kind = SourceKind::kLibsvm;
  spec.libsvm.features = 5;
  const Decoded sparse =
      Decode(spec, {"1 1:2 3:4"}, {"1 1:2 3:4", "0 6:1", "0 2:1"});
  EXPECT_EQ(Outcomes(sparse.messages), "ebe");
  EXPECT_THAT(sparse.window.offsets, ElementsAre(0, 2, 3));
  EXPECT_THAT(sparse.window.ids, ElementsAre(0, 2, 1));

  spec = {};
  spec.kind = SourceKind::kLibffm;
  const Decoded keyed =
      Decode(spec, {"1 0:7:1 1:9:1"}, {"0 0:8:2", "0 2:8:2", "1 1:5:3"});
  EXPECT_EQ(Outcomes(keyed.messages), "ebe");
  EXPECT_EQ(keyed.about.schema.features, 2);
  EXPECT_THAT(keyed.window.keys, ElementsAre(8, 5));
}

TEST(MessageDecoderTest, ReadsJsonLines) {
  SourceSpec spec;
  spec.kind = SourceKind::kJsonLines;
  spec.features.resize(2);
  spec.features[0].name = "clicked";
  spec.features[0].as = RecordFeature::As::kLabel;
  spec.features[1].name = "price";
  spec.features[1].as = RecordFeature::As::kDense;
  const Decoded decoded = Decode(
      spec, {R"({"price": 2, "clicked": 1})", R"({"price": 1, "clicked": 0})"},
      {R"({"price": 3, "clicked": 0})", "{", R"({"clicked": 1, "price": 4})"});
  EXPECT_EQ(Outcomes(decoded.messages), "ebe");
  EXPECT_THAT(decoded.window.values, ElementsAre(3, 4));
}

TEST(MessageDecoderTest, RefusesMessagesOfSeveralLines) {
  const Decoded decoded = Decode({}, {"1,0", "2,1"}, {"1,0", "1,0\n2,1"});
  EXPECT_EQ(Outcomes(decoded.messages), "eb");
  EXPECT_THAT(decoded.messages[1].reason, HasSubstr("line break"));
}

TEST(SampleSchemaTest, RefusesOtherFormatsAndBadMessages) {
  About about;
  SourceSpec spec;
  spec.kind = SourceKind::kIdx;
  const Messages messages = {"1,0", "x y,z,3"};
  EXPECT_EQ(FindSchema(spec, messages, &about).code(),
            absl::StatusCode::kInvalidArgument);
  spec.kind = SourceKind::kCsv;
  EXPECT_EQ(FindSchema(spec, messages, &about).code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace ebb::data::growing
