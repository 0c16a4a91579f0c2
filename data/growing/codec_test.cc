#include "data/growing/codec.h"

#include <span>
#include <string>

#include "data/growing/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "protocol/sealed.h"

namespace ebb::data::growing {
namespace {

using ::testing::HasSubstr;

// An object with everything that one may have.
ObjectHeader FullHeader() {
  ObjectHeader header;
  header.identity = TestAbout().identity;
  header.place = 7;
  header.first = 100;
  header.count = 2;
  header.ranges = {{"clicks[0]", 5, 9, 2, 1, 1}};
  header.ends = {{"clicks[0]", {9, Anchor{8, 0x1234}}}, {"clicks[1]", {3, {}}}};
  header.before = ObjectHash{0x0102030405060708, 0xfffefdfcfbfaf9f8};
  header.created_unix_ms = 1234567;
  header.lost = {{"clicks[0]", 5, 6, "the topic's retention deleted it"}};
  header.totals = {3, 4, 5};
  return header;
}

pack::Window TwoExamples() {
  pack::Window window;
  for (const float value : {1.5F, -2.0F}) {
    Example example;
    example.values = std::span(&value, 1);
    window.Add(TestAbout().schema, example);
  }
  return window;
}

TEST(GrowingCodecTest, ReadsBackWhatItWrote) {
  ObjectHeader header = FullHeader();
  const auto bytes = EncodeObject(TestAbout().schema, TwoExamples(), &header);
  ASSERT_TRUE(bytes.ok()) << bytes.status();
  pack::Window window;
  const auto read = DecodeObject("it", *bytes, TestAbout().schema, &window);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(window.values, (std::vector<float>{1.5F, -2.0F}));
  EXPECT_EQ(read->place, 7);
  EXPECT_EQ(read->first, 100);
  EXPECT_EQ(read->ranges, header.ranges);
  EXPECT_EQ(read->ends, header.ends);
  EXPECT_EQ(read->before, header.before);
  EXPECT_EQ(read->lost, header.lost);
  EXPECT_EQ(read->totals, header.totals);
  EXPECT_EQ(read->window, header.window);
  EXPECT_FALSE(read->end);
}

TEST(GrowingCodecTest, FindsEveryChangedByte) {
  ObjectHeader header = FullHeader();
  const std::string bytes =
      *EncodeObject(TestAbout().schema, TwoExamples(), &header);
  for (size_t i = 0; i < bytes.size(); ++i) {
    std::string damaged = bytes;
    damaged[i] = static_cast<char>(damaged[i] ^ 1);
    pack::Window window;
    EXPECT_FALSE(DecodeObject("it", damaged, TestAbout().schema, &window).ok())
        << i;
  }
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(DecodeHeader("it", bytes.substr(0, size)).ok()) << size;
  }
}

TEST(GrowingCodecTest, PeeksAtTheHeaderOfAFront) {
  ObjectHeader header = FullHeader();
  const std::string bytes =
      *EncodeObject(TestAbout().schema, TwoExamples(), &header);
  const auto needs = PeekHeader("it", bytes.substr(0, 40));
  ASSERT_EQ(needs.status().code(), absl::StatusCode::kOutOfRange);
  const size_t needed = std::stoul(std::string(needs.status().message()));
  ASSERT_LT(needed, bytes.size());
  EXPECT_FALSE(PeekHeader("it", bytes.substr(0, needed - 1)).ok());
  const auto peeked = PeekHeader("it", bytes.substr(0, needed));
  ASSERT_TRUE(peeked.ok()) << peeked.status();
  EXPECT_EQ(peeked->ends, header.ends);
}

TEST(GrowingCodecTest, RefusesHeadersThatContradictThemselves) {
  const auto refused = [](auto change) {
    ObjectHeader header = FullHeader();
    header.count = 0;
    header.ranges[0].examples = 0;
    change(&header);
    const auto bytes = EncodeObject(TestAbout().schema, {}, &header);
    return DecodeHeader("it", *bytes).status();
  };
  EXPECT_TRUE(refused([](ObjectHeader*) {}).ok());
  for (const absl::Status& status :
       {refused([](ObjectHeader* h) { h->ranges[0].end = 10; }),
        refused([](ObjectHeader* h) { h->ranges[0].partition = "other"; }),
        refused([](ObjectHeader* h) { h->ranges[0].begin = 11; }),
        refused([](ObjectHeader* h) { h->ranges[0].examples = 1; }),
        refused([](ObjectHeader* h) { h->before.reset(); }),
        refused([](ObjectHeader* h) { h->lost[0].end = 5; }),
        refused(
            [](ObjectHeader* h) { h->ends["clicks[0]"].anchor->offset = 9; }),
        refused([](ObjectHeader* h) { h->first = -1; })}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
    EXPECT_THAT(status.message(), HasSubstr("damaged"));
  }
}

TEST(GrowingCodecTest, NamesALaterVersion) {
  EXPECT_EQ(
      PeekHeader("it", Seal("EBBO", 2, std::string(100, 'x'))).status().code(),
      absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(DecodeAbout("it", Seal("EBBA", 2, "x")).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST(GrowingCodecTest, RefusesAnObjectThatIsTooLarge) {
  ObjectHeader header = FullHeader();
  header.lost[0].reason = std::string(kMostHeaderBytes, 'x');
  const auto bytes = EncodeObject(TestAbout().schema, TwoExamples(), &header);
  EXPECT_EQ(bytes.status().code(), absl::StatusCode::kResourceExhausted);
}

TEST(GrowingCodecTest, ReadsBackAboutAndFloors) {
  About about = TestAbout();
  about.source = {SourceIdentity::Kind::kKafka, "M3x", {"clicks", "views"}, 0};
  about.data_source = "text";
  about.header_line = "a,b";
  about.on_bad = OnBad::kAside;
  about.on_lost = OnLost::kSkip;
  about.names = {{"a"}, "b"};
  const auto read = DecodeAbout("about", EncodeAbout(about));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->source, about.source);
  EXPECT_EQ(read->data_source, "text");
  EXPECT_EQ(read->header_line, "a,b");
  EXPECT_EQ(read->on_bad, OnBad::kAside);
  EXPECT_EQ(read->on_lost, OnLost::kSkip);
  EXPECT_EQ(read->schema, about.schema);
  EXPECT_EQ(read->names, about.names);
  EXPECT_EQ(about.source.ToString(), "kafka (cluster M3x; clicks, views)");

  Floor floor;
  floor.identity = about.identity;
  floor.floor = 2;
  floor.place = 9;
  floor.number = 50;
  floor.ends = FullHeader().ends;
  floor.before = {1, 2};
  floor.totals = {1, 2, 3};
  const auto found = DecodeFloor("floor", EncodeFloor(floor));
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->place, 9);
  EXPECT_EQ(found->ends, floor.ends);
  EXPECT_EQ(found->before, floor.before);
  EXPECT_EQ(found->totals, floor.totals);
}

}  // namespace
}  // namespace ebb::data::growing
