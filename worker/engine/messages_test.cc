#include "worker/engine/messages.h"

#include <cstring>
#include <limits>

#include "absl/strings/escaping.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::worker {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// python/tests/test_seam.py has the same bytes.
std::span<const std::byte> Bytes(const std::string& text) {
  return std::as_bytes(std::span(text));
}
std::string FromHex(absl::string_view hex) {
  return absl::HexStringToBytes(hex);
}
std::string Hex(absl::string_view bytes) {
  return absl::BytesToHexString(bytes);
}

constexpr char kPush[] =
    "0400000000000000"                  // Kind 4, code 0.
    "0700000000000000"                  // Sequence 7.
    "2a00000000000000000000000000f83f"  // Ticket 42, loss 1.5.
    "0000000000000040";                 // Factor 2.

TEST(MessagesTest, RequestsHaveTheBytesOfTheFormat) {
  const auto hello =
      ReadRequest(Bytes(FromHex("0100000007000000"
                                "0100000000000000"
                                "0500000000000000"
                                "0100000000000000"
                                "0900000000000000"
                                "302e322e30")));
  ASSERT_TRUE(hello.ok()) << hello.status();
  EXPECT_EQ(hello->code, kEngineFormat);
  EXPECT_EQ(hello->sequence, 1u);
  const auto& body = std::get<Hello>(hello->body);
  EXPECT_EQ(body.body.first_ticket, 5u);
  EXPECT_EQ(body.body.evaluates, 1u);
  EXPECT_EQ(body.body.job, 9u);
  EXPECT_EQ(body.version, "0.2.0");

  const auto stepped =
      ReadRequest(Bytes(FromHex("0600000000000000"
                                "0800000000000000"
                                "2a00000000000000"
                                "000000000000f83f")));
  ASSERT_TRUE(stepped.ok()) << stepped.status();
  EXPECT_EQ(std::get<Stepped>(stepped->body).body.ticket, 42u);
  EXPECT_EQ(std::get<Stepped>(stepped->body).body.loss_sum, 1.5);

  const auto push = ReadRequest(Bytes(FromHex(kPush)));
  ASSERT_TRUE(push.ok()) << push.status();
  EXPECT_EQ(push->sequence, 7u);
  EXPECT_EQ(std::get<Push>(push->body).body.ticket, 42u);
  EXPECT_EQ(std::get<Push>(push->body).body.loss_sum, 1.5);
  EXPECT_EQ(std::get<Push>(push->body).body.factor, 2.0);
  EXPECT_TRUE(std::get<Push>(push->body).waits);
  std::string has_next = FromHex(kPush);
  has_next[4] = 2;  // The code.
  EXPECT_FALSE(std::get<Push>(ReadRequest(Bytes(has_next))->body).waits);

  const auto order =
      ReadRequest(Bytes(FromHex("0800000000000000"
                                "0200000000000000"
                                "0100000003000000"
                                "8000000000000000"
                                "0001000000000000")));
  ASSERT_TRUE(order.ok()) << order.status();
  EXPECT_EQ(std::get<Order>(order->body).epoch, 1);
  EXPECT_EQ(std::get<Order>(order->body).shard, 3);
  EXPECT_EQ(std::get<Order>(order->body).begin, 128);
  EXPECT_EQ(std::get<Order>(order->body).end, 256);
}

TEST(MessagesTest, AnswersHaveTheBytesOfTheFormat) {
  EXPECT_EQ(Hex(Encode({Kind::kBatch, 0, 3},
                       BatchBody{42, {1, 3, 128, 256}, {0.5, 10}})),
            "6700000000000000"
            "0300000000000000"
            "2a00000000000000"
            "0100000003000000"
            "8000000000000000"
            "0001000000000000"
            "000000000000e03f"
            "0a00000000000000");
  EXPECT_EQ(
      Hex(Encode({Kind::kJob, 0, 1},
                 JobBody{9, 1, 7850, 60000, 128, 10, 1280, 2, 1}, "digits")),
      "6500000000000000"
      "0100000000000000"
      "0900000000000000"
      "0100000000000000"
      "aa1e000000000000"
      "60ea000000000000"
      "8000000000000000"
      "0a00000000000000"
      "0005000000000000"
      "0200000000000000"
      "0100000000000000"
      "646967697473");
  EXPECT_EQ(Hex(EncodeBytes({Kind::kEnd, 3, 4})),
            "6900000003000000"
            "0400000000000000");
}

// python/tests/test_seam.py has the same bytes.
TEST(MessagesTest, RowsHaveTheBytesOfTheFormat) {
  const std::string place =
      "0100000003000000"
      "8000000000000000"
      "0001000000000000";
  const auto rows =
      ReadRequest(Bytes(FromHex("0b00000000000000"
                                "0200000000000000" +
                                place +
                                "0200000000000000"
                                "0700000000000000"
                                "0000000000000000")));
  ASSERT_TRUE(rows.ok()) << rows.status();
  EXPECT_EQ(std::get<Rows>(rows->body).place.end, 256);
  EXPECT_THAT(std::get<Rows>(rows->body).counts, ElementsAre(7, 0));
  const auto failed =
      ReadRequest(Bytes(FromHex("0b00000001000000"
                                "0200000000000000" +
                                place +
                                "0000000000000000"
                                "6e6f")));
  ASSERT_TRUE(failed.ok()) << failed.status();
  EXPECT_EQ(std::get<Rows>(failed->body).failed, "no");
  const auto look_up =
      ReadRequest(Bytes(FromHex("0c00000000000000"
                                "0200000000000000"
                                "2a00000000000000"
                                "0100000000000000"
                                "0500000000000000")));
  ASSERT_TRUE(look_up.ok()) << look_up.status();
  EXPECT_EQ(std::get<LookUp>(look_up->body).body.ticket, 42u);
  EXPECT_THAT(std::get<LookUp>(look_up->body).counts, ElementsAre(5));
  EXPECT_EQ(Hex(Encode({Kind::kRowTable, 0, 0}, RowTableBody{16}, "ids")),
            "6f00000000000000"
            "0000000000000000"
            "1000000000000000"
            "696473");
  EXPECT_EQ(Hex(Encode({Kind::kWanted, 0, 3}, PlaceBody{1, 3, 128, 256})),
            "7000000000000000"
            "0300000000000000" +
                place);
}

TEST(MessagesTest, CountsOfRowsMustBeWhole) {
  const std::string head =
      "0c00000000000000"
      "0200000000000000"
      "2a00000000000000";
  const std::string one = "0100000000000000", five = "0500000000000000";
  EXPECT_TRUE(ReadRequest(Bytes(FromHex(head + one + five))).ok());
  EXPECT_FALSE(ReadRequest(Bytes(FromHex(head + one))).ok());
  EXPECT_FALSE(ReadRequest(Bytes(FromHex(head + one + five + five))).ok());
  EXPECT_FALSE(
      ReadRequest(Bytes(FromHex(head + "ffffffffffffffff" + five))).ok());
}

TEST(MessagesTest, AStatusIsAnErrorWithItsCodeAndHint) {
  EXPECT_EQ(Hex(EncodeStatus(4, absl::OkStatus())),
            "6a00000000000000"
            "0400000000000000");
  EXPECT_EQ(Hex(EncodeStatus(4, absl::NotFoundError("no"), "so")),
            "6b00000005000000"
            "0400000000000000"
            "6e6f00736f");
}

TEST(MessagesTest, AnEvaluationNamesItsFigures) {
  EvaluatedBody body = {.ticket = 3,
                        .examples = 100,
                        .loss_sum = 25,
                        .correct = 90,
                        .figures = 2};
  FigureBody figures[2];
  std::strcpy(figures[0].name, "f1");
  figures[0].value = 0.5;
  // A name that fills its room has no 0 at its end.
  std::memset(figures[1].name, 'x', sizeof(figures[1].name));
  const std::string message =
      Encode({Kind::kEvaluated, 0, 8}, body,
             absl::string_view(reinterpret_cast<const char*>(figures),
                               sizeof(figures)));

  const auto request = ReadRequest(Bytes(message));

  ASSERT_TRUE(request.ok()) << request.status();
  const auto& evaluated = std::get<Evaluated>(request->body);
  EXPECT_EQ(evaluated.body.correct, 90);
  EXPECT_THAT(evaluated.figures,
              ElementsAre(Figure{"f1", 0.5},
                          Figure{std::string(kFigureNameBytes, 'x'), 0}));
  EXPECT_EQ(evaluated.error, "");
}

TEST(MessagesTest, TablesOfAModelHaveDimensionsAndAName) {
  const auto request =
      ReadRequest(Bytes(FromHex("0f00000000000000"
                                "0300000000000000"
                                "000000000000d03f"
                                "0700000000000000"
                                "0200000000000000"
                                "0400000000000000"
                                "0500000000000000"
                                "77")));

  ASSERT_TRUE(request.ok()) << request.status();
  const auto& table = std::get<ModelTable>(request->body);
  EXPECT_EQ(table.share, 0.25);
  EXPECT_EQ(table.body.offset, 7);
  EXPECT_THAT(table.dims, ElementsAre(4, 5));
  EXPECT_EQ(table.name, "w");
  const struct {
    double share = 0;
    TableBody body = {0, static_cast<int64_t>(kMostDims) + 1};
  } many;
  EXPECT_FALSE(
      ReadRequest(Bytes(Encode({Kind::kModelTable, 0, 1}, many))).ok());
}

TEST(MessagesTest, MessagesOfAnotherLengthAreRefused) {
  const std::string push = FromHex(kPush);
  for (size_t length = 0; length < push.size(); ++length) {
    EXPECT_FALSE(ReadRequest(Bytes(push.substr(0, length))).ok()) << length;
  }
  EXPECT_FALSE(ReadRequest(Bytes(push + "x")).ok());
  EXPECT_THAT(ReadRequest(Bytes(EncodeBytes({Kind::kNext, 0, 1}, {}, "x")))
                  .status()
                  .message(),
              HasSubstr("too long"));
}

TEST(MessagesTest, WhatIsNoRequestIsRefused) {
  for (const uint32_t kind : {0u, 6u, 11u, 101u, 0xffffffffu}) {
    EXPECT_FALSE(
        ReadRequest(Bytes(EncodeBytes({static_cast<Kind>(kind), 0, 1}))).ok());
  }
}

TEST(MessagesTest, NoLengthOfTheProgramIsTrusted) {
  for (const uint64_t figures :
       {uint64_t{1}, uint64_t{17}, std::numeric_limits<uint64_t>::max()}) {
    EvaluatedBody body;
    body.figures = figures;
    EXPECT_FALSE(
        ReadRequest(Bytes(Encode({Kind::kEvaluated, 0, 1}, body))).ok());
  }
  const std::string text(kMostText + 1, 'x');
  EXPECT_FALSE(
      ReadRequest(Bytes(Encode({Kind::kFail, 0, 1}, FailBody{1}, text))).ok());
}

TEST(MessagesTest, LongTextsAreCut) {
  const std::string text(2 * kMostText, 'x');
  EXPECT_EQ(EncodeText({Kind::kLog, 0, 0}, text).size(),
            sizeof(Header) + kMostText);
  EXPECT_LT(EncodeStatus(1, absl::InternalError(text)).size(),
            kMostMessageBytes);
}

}  // namespace
}  // namespace ebb::worker
