#include "rpc/wire.h"

#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ebb/v1/parameter_server.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::rpc {
namespace {

using ::testing::HasSubstr;

std::string Flat(const Payload& payload) {
  std::string bytes(payload.size(), '\0');
  payload.CopyTo(std::as_writable_bytes(std::span<char>(bytes)));
  return bytes;
}

// `bytes` as they might arrive: in slices of `slice` bytes.
Payload Arrived(const std::string& bytes, size_t slice = SIZE_MAX) {
  Payload payload;
  for (size_t at = 0; at < bytes.size();) {
    auto part = std::make_shared<std::string>(bytes.substr(at, slice));
    at += part->size();
    const auto span = std::as_bytes(std::span<const char>(*part));
    payload.Append(std::move(part), span);
  }
  return payload;
}

PushRequest TestPush() {
  PushRequest request;
  request.job = JobId(1);
  request.generation = Generation(2);
  request.stamp = {SessionId(0xffffffffffffffff), ViewNumber(4), 5};
  request.item = {6, 7};
  request.begin = 8;
  request.end = 16;
  request.ledger = {8, 99};
  request.segments.resize(3);
  request.segments[0].partition = PartitionId(0);
  request.segments[0].gradient = Payload::Of(std::vector<float>{1, 2, 3});
  request.segments[0].oracle = Payload::Of(std::vector<uint64_t>{4});
  request.segments[1].partition = PartitionId(5);  // Nothing touched here.
  request.segments[2].partition = PartitionId(9);
  request.segments[2].gradient = Payload::Of(std::vector<float>{5});
  return request;
}

// The values of TestPush, written out: 1, 2, 3 and 5 as float32, 4 as uint64.
std::string TestPushValues() {
  return std::string(
      "\x00\x00\x80\x3f\x00\x00\x00\x40\x00\x00\x40\x40"
      "\x04\x00\x00\x00\x00\x00\x00\x00"
      "\x00\x00\xa0\x40",
      24);
}

TEST(WireTest, GeneratedClassReadsAnEncodedPush) {
  v1::PushRequest message;
  ASSERT_TRUE(message.ParseFromString(Flat(Encode(TestPush()))));
  EXPECT_EQ(message.job(), 1);
  EXPECT_EQ(message.stamp().worker(), 0xffffffffffffffff);
  EXPECT_EQ(message.end(), 16);
  EXPECT_EQ(message.segments(0).gradient_bytes(), 12);
  EXPECT_EQ(message.segments(0).oracle_bytes(), 8);
  EXPECT_EQ(message.values(), TestPushValues());
}

TEST(WireTest, EncodesWhatTheGeneratedClassEncodes) {
  v1::PushRequest message;
  const std::string bytes = Flat(Encode(TestPush()));
  ASSERT_TRUE(message.ParseFromString(bytes));
  EXPECT_EQ(message.SerializeAsString(), bytes);
}

TEST(WireTest, ReadsAPushOfTheGeneratedClassInSlicesOfAnySize) {
  v1::PushRequest message;
  ASSERT_TRUE(message.ParseFromString(Flat(Encode(TestPush()))));
  const std::string bytes = message.SerializeAsString();
  for (size_t slice : {1u, 2u, 3u, 7u, 64u, 1000u}) {
    const auto request = DecodePushRequest(Arrived(bytes, slice));
    ASSERT_TRUE(request.ok()) << request.status();
    EXPECT_EQ(request->stamp.worker, SessionId(0xffffffffffffffff));
    EXPECT_EQ(request->item, (ItemId{6, 7}));
    ASSERT_EQ(request->segments.size(), 3);
    EXPECT_EQ(Flat(request->segments[0].gradient),
              TestPushValues().substr(0, 12));
    EXPECT_EQ(Flat(request->segments[0].oracle),
              TestPushValues().substr(12, 8));
    EXPECT_TRUE(request->segments[1].gradient.empty());
    EXPECT_EQ(Flat(request->segments[2].gradient), TestPushValues().substr(20));
  }
}

TEST(WireTest, CopiesNoValues) {
  auto values = std::make_shared<std::vector<float>>(1000, 1.5f);
  PushRequest request = TestPush();
  request.segments.resize(1);
  request.segments[0].oracle = {};
  request.segments[0].gradient = {};
  request.segments[0].gradient.Append(
      values, std::as_bytes(std::span<const float>(*values)));

  const Payload sent = Encode(request);
  ASSERT_EQ(sent.slices().size(), 2);
  EXPECT_EQ(sent.slices()[1].bytes.data(),
            reinterpret_cast<const std::byte*>(values->data()));

  const auto received = DecodePushRequest(sent);
  ASSERT_TRUE(received.ok()) << received.status();
  const Payload& gradient = received->segments[0].gradient;
  ASSERT_EQ(gradient.slices().size(), 1);
  EXPECT_EQ(gradient.slices()[0].bytes.data(),
            reinterpret_cast<const std::byte*>(values->data()));
  EXPECT_EQ(gradient.slices()[0].owner, values);
}

TEST(WireTest, AcceptsValuesBeforeOtherFieldsAndTheLastOfSeveral) {
  v1::PushRequest header;
  ASSERT_TRUE(header.ParseFromString(Flat(Encode(TestPush()))));
  header.clear_values();
  v1::PushRequest wrong, right;
  wrong.set_values("wrong");
  right.set_values(TestPushValues());
  const auto request = DecodePushRequest(Arrived(wrong.SerializeAsString() +
                                                 right.SerializeAsString() +
                                                 header.SerializeAsString()));
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_EQ(Flat(request->segments[2].gradient), TestPushValues().substr(20));
}

TEST(WireTest, IgnoresFieldsOfLaterVersions) {
  std::string bytes = Flat(Encode(TestPush()));
  bytes += std::string("\x98\x06\x05", 3);     // 99: varint 5.
  bytes += std::string("\xaa\x06\x03xyz", 6);  // 101: "xyz".
  bytes += std::string(
      "\xb1\x06"
      "12345678",
      10);  // 102: fixed64.
  bytes += std::string(
      "\xbd\x06"
      "1234",
      6);  // 103: fixed32.
  EXPECT_TRUE(DecodePushRequest(Arrived(bytes, 5)).ok());
}

TEST(WireTest, PullReplyIsCompatibleBothWays) {
  PullReply reply;
  reply.job = JobId(1);
  reply.server = ServerId(2);
  reply.segments.resize(2);
  reply.segments[0].values = Payload::Of(std::vector<float>{1, 2, 3});
  reply.segments[1].partition = PartitionId(1);
  reply.segments[1].result = PullResult::kWait;
  const std::string bytes = Flat(Encode(reply));

  v1::PullResponse message;
  ASSERT_TRUE(message.ParseFromString(bytes));
  EXPECT_EQ(message.values(), TestPushValues().substr(0, 12));
  EXPECT_EQ(message.SerializeAsString(), bytes);
  const auto back = DecodePullReply(Arrived(message.SerializeAsString(), 7));
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(Flat(back->segments[0].values), TestPushValues().substr(0, 12));
  EXPECT_EQ(back->segments[1].result, PullResult::kWait);
}

TEST(WireTest, FetchReplyIsCompatibleBothWays) {
  FetchReply reply;
  reply.manifest = "what a store wrote";
  reply.values = Payload::Of(std::vector<float>{1, 2, 3});
  const std::string bytes = Flat(Encode(reply));

  v1::FetchResponse message;
  ASSERT_TRUE(message.ParseFromString(bytes));
  EXPECT_EQ(message.result(), v1::FETCH_RESULT_OK);
  EXPECT_EQ(message.manifest(), "what a store wrote");
  EXPECT_EQ(message.values(), TestPushValues().substr(0, 12));
  EXPECT_EQ(message.SerializeAsString(), bytes);
  for (size_t slice : {1u, 7u, 1000u}) {
    const auto back =
        DecodeFetchReply(Arrived(message.SerializeAsString(), slice));
    ASSERT_TRUE(back.ok()) << back.status();
    EXPECT_EQ(back->manifest, "what a store wrote");
    EXPECT_EQ(Flat(back->values), TestPushValues().substr(0, 12));
  }
}

TEST(WireTest, FetchedBlocksAreNotCopied) {
  // Two blocks of a source, which lie apart.
  const Payload first = Payload::Of(std::vector<float>(1000, 1.5f));
  const Payload second = Payload::Of(std::vector<float>(500, 2.5f));
  FetchReply reply;
  for (const Payload* block : {&first, &second}) {
    reply.values.Append(block->slices()[0].owner, block->slices()[0].bytes);
  }

  const auto received = DecodeFetchReply(Encode(reply));

  ASSERT_TRUE(received.ok()) << received.status();
  ASSERT_EQ(received->values.slices().size(), 2);
  EXPECT_EQ(received->values.slices()[0].bytes.data(),
            first.slices()[0].bytes.data());
  EXPECT_EQ(received->values.slices()[1].bytes.data(),
            second.slices()[0].bytes.data());
}

TEST(WireTest, RefusesFetchedValuesThatAreNoFloats) {
  v1::FetchResponse message;
  message.set_result(v1::FETCH_RESULT_OK);
  message.set_values("12345");
  const auto result = DecodeFetchReply(Arrived(message.SerializeAsString()));
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(result.status().message(),
              HasSubstr("FetchResponse.values is 5, must be a multiple of 4"));
}

TEST(WireTest, RefusesAManifestWithoutEnd) {
  FetchReply reply;
  reply.manifest = std::string(kMaxHeaderBytes, 'x');
  const auto result = DecodeFetchReply(Encode(reply));
  ASSERT_FALSE(result.ok());
  EXPECT_THAT(result.status().message(), HasSubstr("beside the values"));
}

// Of a push, with a dense range before the first and behind the second table.
PushRequest PushOfRows() {
  PushRequest request = TestPush();
  PushSegment& segment = request.segments[0];
  segment.rows.resize(2);
  segment.rows[0].table = 1;
  segment.rows[0].keys =
      Payload::Of(std::vector<uint64_t>{7, uint64_t{1} << 63});
  segment.rows[0].gradient = Payload::Of(std::vector<float>{1, 2, 3, 4});
  segment.rows[1].table = 63;
  segment.rows[1].keys = Payload::Of(std::vector<uint64_t>{9});
  segment.rows[1].gradient = Payload::Of(std::vector<float>{5});
  return request;
}

TEST(WireTest, RowsOfAPushComeBack) {
  v1::PushRequest message;
  const PushRequest sent = PushOfRows();
  ASSERT_TRUE(message.ParseFromString(Flat(Encode(sent))));
  EXPECT_EQ(message.SerializeAsString(), Flat(Encode(sent)));
  const auto back = DecodePushRequest(Arrived(message.SerializeAsString(), 5));
  ASSERT_TRUE(back.ok()) << back.status();
  const std::vector<PushRows>& rows = back->segments[0].rows;
  ASSERT_EQ(rows.size(), 2);
  for (int k = 0; k < 2; ++k) {
    EXPECT_EQ(rows[k].table, sent.segments[0].rows[k].table);
    EXPECT_EQ(Flat(rows[k].keys), Flat(sent.segments[0].rows[k].keys));
    EXPECT_EQ(Flat(rows[k].gradient), Flat(sent.segments[0].rows[k].gradient));
  }
  EXPECT_EQ(Flat(back->segments[0].oracle), Flat(sent.segments[0].oracle));
  EXPECT_EQ(Flat(back->segments[2].gradient), Flat(sent.segments[2].gradient));
}

TEST(WireTest, RowsOfAPullComeBack) {
  PullRequest pull;
  pull.job = JobId(1);
  pull.stamp.worker = SessionId(2);
  pull.segments.resize(2);
  pull.segments[1].partition = PartitionId(3);
  pull.segments[1].rows.resize(1);
  pull.segments[1].rows[0].table = 4;
  pull.segments[1].rows[0].keys = Payload::Of(std::vector<uint64_t>{5, 6, 7});
  v1::PullRequest message;
  ASSERT_TRUE(message.ParseFromString(Flat(Encode(pull))));
  const auto wanted =
      DecodePullRequest(Arrived(message.SerializeAsString(), 3));
  ASSERT_TRUE(wanted.ok()) << wanted.status();
  ASSERT_EQ(wanted->segments[1].rows.size(), 1);
  EXPECT_EQ(wanted->segments[1].rows[0].table, 4);
  EXPECT_EQ(Flat(wanted->segments[1].rows[0].keys),
            Flat(pull.segments[1].rows[0].keys));

  message.mutable_segments(1)->mutable_rows(0)->set_keys_bytes(32);
  EXPECT_THAT(DecodePullRequest(Arrived(message.SerializeAsString()))
                  .status()
                  .message(),
              HasSubstr("fewer values than its segments say"));
  message.mutable_segments(1)->mutable_rows(0)->set_keys_bytes(8);
  EXPECT_THAT(DecodePullRequest(Arrived(message.SerializeAsString()))
                  .status()
                  .message(),
              HasSubstr("16 bytes of values more"));

  PullReply reply;
  reply.job = JobId(1);
  reply.segments.resize(2);
  reply.segments[0].values = Payload::Of(std::vector<float>{1});
  reply.segments[0].rows = {Payload::Of(std::vector<float>{2, 3}), Payload()};
  reply.segments[1].values = Payload::Of(std::vector<float>{4});
  const auto back = DecodePullReply(Arrived(Flat(Encode(reply)), 5));
  ASSERT_TRUE(back.ok()) << back.status();
  ASSERT_EQ(back->segments[0].rows.size(), 2);
  EXPECT_EQ(Flat(back->segments[0].rows[0]), Flat(reply.segments[0].rows[0]));
  EXPECT_TRUE(back->segments[0].rows[1].empty());
  EXPECT_EQ(Flat(back->segments[1].values), Flat(reply.segments[1].values));
}

TEST(WireTest, SmallMessagesAreCompatibleBothWays) {
  PullRequest pull;
  pull.job = JobId(1);
  pull.stamp.worker = SessionId(2);
  pull.segments = {{PartitionId(3), Term(4)}};
  v1::PullRequest pull_message;
  ASSERT_TRUE(pull_message.ParseFromString(Flat(Encode(pull))));
  EXPECT_EQ(pull_message.segments(0).term(), 4);
  const auto pull_back =
      DecodePullRequest(Arrived(pull_message.SerializeAsString(), 3));
  ASSERT_TRUE(pull_back.ok()) << pull_back.status();
  EXPECT_EQ(pull_back->round, -1);

  PushReply push;
  push.job = JobId(1);
  push.segments = {{PartitionId(3), Verdict::kGap, 4, Term(5)}};
  v1::PushResponse push_message;
  ASSERT_TRUE(push_message.ParseFromString(Flat(Encode(push))));
  const auto push_back =
      DecodePushReply(Arrived(push_message.SerializeAsString(), 3));
  ASSERT_TRUE(push_back.ok()) << push_back.status();
  EXPECT_EQ(push_back->segments[0].verdict, Verdict::kGap);

  const ClockUpdate clock{JobId(1), Generation(2), {SessionId(3), {}, 4}};
  v1::ClockRequest clock_message;
  ASSERT_TRUE(clock_message.ParseFromString(Flat(Encode(clock))));
  EXPECT_EQ(DecodeClockUpdate(Arrived(clock_message.SerializeAsString(), 3))
                ->stamp.clock,
            4);

  const FetchRequest fetch{.job = JobId(1),
                           .source = SessionId(2),
                           .term = Term(3),
                           .new_term = Term(4),
                           .blocks = {5, 6}};
  v1::FetchRequest fetch_message;
  ASSERT_TRUE(fetch_message.ParseFromString(Flat(Encode(fetch))));
  const auto fetch_back =
      DecodeFetchRequest(Arrived(fetch_message.SerializeAsString(), 3));
  ASSERT_TRUE(fetch_back.ok()) << fetch_back.status();
  EXPECT_EQ(fetch_back->blocks, (std::vector<uint64_t>{5, 6}));
}

// --- Lists of keys by name ---------------------------------------------------

PushRequest TestRows() {
  PushRequest request = TestPush();
  const auto rows = [](int32_t table, std::vector<uint64_t> keys) {
    return PushRows{table, Payload::Of(std::move(keys)),
                    Payload::Of(std::vector<float>{1, 2})};
  };
  request.segments[0].rows = {rows(0, {1, 2}), rows(3, {4})};
  request.segments[2].rows = {rows(0, {5})};
  return request;
}

TEST(WireTest, APushNamesListsOfKeysInsteadOfThem) {
  const PushRequest request = TestRows();
  const Payload whole = Encode(request);
  const Payload named = Encode(request, NamedKeys{8, 0, 9});
  v1::PushRequest message;
  ASSERT_TRUE(message.ParseFromString(Flat(named)));
  EXPECT_EQ(message.segments(0).rows(0).kept_keys(), 8u);
  EXPECT_EQ(message.segments(0).rows(0).keys_bytes(), 0);
  EXPECT_EQ(message.segments(0).rows(1).kept_keys(), 0u);
  EXPECT_EQ(message.segments(0).rows(1).keys_bytes(), 8);
  EXPECT_EQ(message.segments(2).rows(0).kept_keys(), 9u);
  EXPECT_LT(named.size(), whole.size() - 8);

  NamedKeys names;
  const auto back = DecodePushRequest(Arrived(Flat(named), 5), &names);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(names, (NamedKeys{8, 0, 9}));
  EXPECT_TRUE(back->segments[0].rows[0].keys.empty());
  EXPECT_EQ(Flat(back->segments[0].rows[1].keys),
            Flat(request.segments[0].rows[1].keys));
  EXPECT_EQ(Flat(back->segments[2].rows[0].gradient),
            Flat(request.segments[2].rows[0].gradient));

  // Without names it is the message that it was.
  ASSERT_TRUE(DecodePushRequest(whole, &names).ok());
  EXPECT_TRUE(names.empty());
  EXPECT_EQ(Flat(Encode(request, NamedKeys())), Flat(whole));
}

// The figures of docs/decisions/0020-key-lists.md.
TEST(WireTest, WhatNamesSaveOfAPushOf1000Rows) {
  const auto sizes = [](int width) {
    PushRequest request = TestPush();
    request.segments.clear();
    for (int32_t p = 0; p < 16; ++p) {
      PushSegment& segment = request.segments.emplace_back();
      segment.partition = PartitionId(p);
      const int rows = p < 8 ? 63 : 62;
      segment.rows = {{0, Payload::Of(std::vector<uint64_t>(rows)),
                       Payload::Of(std::vector<float>(rows * width))}};
    }
    return std::pair(Encode(request).size(),
                     Encode(request, NamedKeys(16, 123456)).size());
  };
  const auto [one, one_named] = sizes(1);
  EXPECT_NEAR(one - one_named, 8000, 100);
  EXPECT_LT(one_named, one * 4 / 10);
  const auto [sixteen, sixteen_named] = sizes(16);
  EXPECT_GT(sixteen_named, sixteen * 85 / 100);
}

TEST(WireTest, PullsAskToKeepTheirKeysAndAreToldTheName) {
  PullRequest pull;
  pull.job = JobId(1);
  pull.stamp.worker = SessionId(2);
  bool keep = false;
  ASSERT_TRUE(DecodePullRequest(Encode(pull, true), &keep).ok());
  EXPECT_TRUE(keep);
  ASSERT_TRUE(DecodePullRequest(Encode(pull), &keep).ok());
  EXPECT_FALSE(keep);

  PullReply reply;
  reply.job = JobId(1);
  uint64_t number = 0;
  ASSERT_TRUE(DecodePullReply(Encode(reply, uint64_t{4}), &number).ok());
  EXPECT_EQ(number, 4u);
  // An older server says nothing.
  ASSERT_TRUE(DecodePullReply(Encode(reply), &number).ok());
  EXPECT_EQ(number, 0u);
}

// --- Hostile input -----------------------------------------------------------

void ExpectRefused(const std::string& bytes, const std::string& error) {
  for (size_t slice : {1u, 1000u}) {
    const auto result = DecodePushRequest(Arrived(bytes, slice));
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(result.status().message(), HasSubstr(error));
  }
}

TEST(WireTest, RefusesTruncations) {
  const std::string bytes = Flat(Encode(TestPush()));
  int accepted = 0;
  for (size_t n = 0; n < bytes.size(); ++n) {
    const auto result = DecodePushRequest(Arrived(bytes.substr(0, n)));
    if (!result.ok()) continue;
    // Cut between two fields: a message that names no partition.
    EXPECT_TRUE(result->segments.empty()) << n;
    ++accepted;
  }
  EXPECT_EQ(accepted, 1);
}

TEST(WireTest, RefusesMalformedFields) {
  ExpectRefused("", "PushRequest.job is 0");
  ExpectRefused(std::string("\x00", 1), "bad tag");
  ExpectRefused("\x80", "bad tag");
  ExpectRefused("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "bad tag");
  ExpectRefused("\x0b", "wire type 3");
  ExpectRefused("\x0f", "wire type 7");
  ExpectRefused("\x08\xff", "a number ends too early");
  ExpectRefused("\x1a\xff", "a length ends too early");
  ExpectRefused(
      "\x1a\x05"
      "1234",
      "a field ends too early");
  ExpectRefused(
      "\xa2\x06\x05"
      "1234",
      "the values end too early");
  ExpectRefused("\xa2\x06\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
                "the values end too early");
  ExpectRefused("\x1a\x02\x08\x80", "no ebb.v1.PushRequest");
}

TEST(WireTest, RefusesValuesThatDoNotMatchTheSegments) {
  v1::PushRequest message;
  ASSERT_TRUE(message.ParseFromString(Flat(Encode(TestPush()))));
  message.mutable_values()->append(4, '\0');
  ExpectRefused(message.SerializeAsString(), "4 bytes of values more");
  message.mutable_values()->resize(20);
  ExpectRefused(message.SerializeAsString(), "fewer values");
  message.mutable_segments(0)->set_gradient_bytes(int64_t{1} << 62);
  ExpectRefused(message.SerializeAsString(), "fewer values");
}

TEST(WireTest, RefusesNamesOfKeysWhereNobodyKeepsAny) {
  ExpectRefused(Flat(Encode(TestRows(), NamedKeys{8, 0, 9})),
                "names keys that nobody keeps");
  v1::PushRequest message;
  ASSERT_TRUE(message.ParseFromString(Flat(Encode(TestRows()))));
  message.mutable_segments(2)->mutable_rows(0)->set_kept_keys(1);
  NamedKeys names;
  const auto both =
      DecodePushRequest(Arrived(message.SerializeAsString()), &names);
  EXPECT_THAT(both.status().message(), HasSubstr("rows with keys, and with"));
}

TEST(WireTest, RefusesAHeaderWithoutEnd) {
  // Field 101, ignored by this version, twice 9 MiB.
  const std::string large(9 << 20, 'x');
  std::string field("\xaa\x06\x80\x80\xc0\x04", 6);
  field += large;
  const auto result = DecodePushRequest(Arrived(field + field));
  ASSERT_FALSE(result.ok());
  EXPECT_THAT(result.status().message(), HasSubstr("beside the values"));
}

// --- Pushes that travel together ---------------------------------------------

TEST(WireTest, GeneratedClassReadsPushesTogether) {
  const Payload one = Encode(TestPush()), other = Encode(TestRows());
  const std::string bytes = Flat(EncodePushMany({&one, &other}));
  v1::PushManyRequest message;
  ASSERT_TRUE(message.ParseFromString(bytes));
  ASSERT_EQ(message.pushes_size(), 2);
  EXPECT_EQ(message.pushes(0).SerializeAsString(), Flat(one));
  EXPECT_EQ(message.pushes(1).SerializeAsString(), Flat(other));
  EXPECT_EQ(message.SerializeAsString(), bytes);
}

TEST(WireTest, PushesTogetherArriveInAnySlicesUncopied) {
  const Payload one = Encode(TestPush()), other = Encode(TestRows());
  const std::string bytes = Flat(EncodePushMany({&one, &other, &one}));
  for (const size_t slice : {size_t{1}, size_t{7}, SIZE_MAX}) {
    const Payload arrived = Arrived(bytes, slice);
    const auto pushes = DecodePushMany(arrived);
    ASSERT_TRUE(pushes.ok()) << pushes.status();
    ASSERT_EQ(pushes->size(), 3u);
    EXPECT_EQ(Flat((*pushes)[0]), Flat(one));
    EXPECT_EQ(Flat((*pushes)[1]), Flat(other));
    EXPECT_EQ(Flat((*pushes)[2]), Flat(one));
    if (slice != SIZE_MAX) continue;
    // The first is behind its tag and its length.
    EXPECT_EQ((*pushes)[0].slices()[0].bytes.data(),
              arrived.slices()[0].bytes.data() + 2);
  }
}

// A newer version's fields are ignored.
TEST(WireTest, PushesTogetherMayHaveUnknownFields) {
  const auto pushes =
      DecodePushMany(Arrived(std::string("\x10\x05\x0a\x01z"
                                         "\x1a\x02xy\x0a\x00",
                                         11)));
  ASSERT_TRUE(pushes.ok()) << pushes.status();
  ASSERT_EQ(pushes->size(), 2u);
  EXPECT_EQ(Flat((*pushes)[0]), "z");
  EXPECT_EQ(Flat((*pushes)[1]), "");
}

TEST(WireTest, RefusesWhatIsNoPushesTogether) {
  const auto refused = [](const std::string& bytes) {
    const auto pushes = DecodePushMany(Arrived(bytes));
    EXPECT_TRUE(absl::IsInvalidArgument(pushes.status()));
    return std::string(pushes.status().message());
  };
  EXPECT_THAT(refused(""), HasSubstr("no push"));
  EXPECT_THAT(refused("\x10\x05"), HasSubstr("no push"));
  EXPECT_THAT(refused("\x0a"), HasSubstr("a push ends too early"));
  EXPECT_THAT(refused("\x0a\x02z"), HasSubstr("a push ends too early"));
  EXPECT_THAT(refused("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
              HasSubstr("a push ends too early"));
  EXPECT_THAT(refused("\x0a\x01z\x02"), HasSubstr("bad tag"));
  std::string many;
  for (int i = 0; i < 64; ++i) many += "\x0a\x01z";
  EXPECT_TRUE(DecodePushMany(Arrived(many)).ok());
  EXPECT_THAT(refused(many + "\x0a\x01z"), HasSubstr("more than 64"));
}

TEST(WireTest, AnswersToPushesTogetherSurvive) {
  PushReply reply;
  reply.job = JobId(1);
  reply.sequence = 7;
  reply.item = {2, 3};
  reply.segments = {{PartitionId(4), Verdict::kDuplicate, 5, Term(6)}};
  std::vector<PushAnswer> sent(3, reply);
  sent[1] = absl::AbortedError(std::string(5000, 'x') + "\xff");
  const Payload bytes = EncodePushAnswers(sent);
  v1::PushManyResponse message;
  ASSERT_TRUE(message.ParseFromString(Flat(bytes)));
  EXPECT_EQ(message.answers(1).code(), 10);

  const auto answers = DecodePushAnswers(Arrived(Flat(bytes), 5));
  ASSERT_TRUE(answers.ok()) << answers.status();
  ASSERT_EQ(answers->size(), 3u);
  for (const int i : {0, 2}) {
    ASSERT_TRUE((*answers)[i].ok()) << (*answers)[i].status();
    EXPECT_EQ(Flat(Encode(*(*answers)[i])), Flat(Encode(reply)));
  }
  EXPECT_EQ((*answers)[1].status(), absl::AbortedError(std::string(2048, 'x')));
}

TEST(WireTest, AnswersThatCannotBeReadAreRefusedOneByOne) {
  v1::PushManyResponse message;
  message.add_answers();  // Neither a reply nor a code.
  message.add_answers()->set_code(99);
  message.add_answers()->set_code(-1);
  const auto answers = DecodePushAnswers(Arrived(message.SerializeAsString()));
  ASSERT_TRUE(answers.ok()) << answers.status();
  ASSERT_EQ(answers->size(), 3u);
  EXPECT_TRUE(absl::IsInvalidArgument((*answers)[0].status()));
  EXPECT_TRUE(absl::IsUnknown((*answers)[1].status()));
  EXPECT_TRUE(absl::IsUnknown((*answers)[2].status()));
  EXPECT_FALSE(DecodePushAnswers(Arrived("\x0a\x01z")).ok());
  EXPECT_FALSE(DecodePushAnswers(Payload()).ok());
}

}  // namespace
}  // namespace ebb::rpc
