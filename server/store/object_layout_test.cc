#include "server/store/object_layout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/escaping.h"

namespace ebb::server {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

TEST(ObjectLayoutTest, NamesAreThoseOfTheFormat) {
  EXPECT_EQ(JobRecordKey(JobId(12), ServerId(3)), "job-12/server-3/job");
  EXPECT_EQ(PartitionPrefix(JobId(12), PartitionId(4)), "job-12/p4/");
  EXPECT_EQ(ClaimKey(Term(10)), "claims/00000000000000000010");
  EXPECT_EQ(InheritsKey(Term(10)), "inherits/00000000000000000010");
  EXPECT_EQ(VersionObjectKey(Term(10), {Generation(7), 5}),
            "t00000000000000000010/"
            "g00000000000000000007-00000000000000000005.version");
  EXPECT_EQ(KeptKey(Term(10), 2),
            "t00000000000000000010/00000000000000000002.kept");
  EXPECT_EQ(ValuesKey({Term(10), 33}, 1), "t00000000000000000010/33-1.values");
}

TEST(ObjectLayoutTest, NamesAreReadBack) {
  const std::string p = "job-1/p0/";
  const std::vector<ListedObject> objects = {
      {p + ClaimKey(Term(9)), 0},
      {p + ClaimKey(Term(18446744073709551615u)), 0},
      {p + InheritsKey(Term(9)), 0},
      {p + VersionObjectKey(Term(9), {Generation(1), 1}), 0},
      {p + KeptKey(Term(9), 4), 0},
      {p + ValuesKey({Term(9), 12}, 0), 0},
      {p + ValuesKey({Term(9), 12}, 3), 0}};
  const ListedObjects listed = ParseListedObjects(p, objects);
  EXPECT_THAT(listed.claims, ElementsAre(Term(9), Term(18446744073709551615u)));
  EXPECT_THAT(listed.inherits, ElementsAre(Term(9)));
  EXPECT_THAT(
      listed.versions,
      ElementsAre(Pair(Term(9), ElementsAre(VersionFile{Generation(1), 1}))));
  EXPECT_THAT(listed.kept, ElementsAre(Pair(Term(9), ElementsAre(4))));
  EXPECT_THAT(listed.pieces,
              ElementsAre(Pair(PackName{Term(9), 12}, ElementsAre(0, 3))));
  EXPECT_EQ(listed.NewestWritten(), Term(9));
}

TEST(ObjectLayoutTest, OtherNamesAreIgnored) {
  std::vector<ListedObject> objects;
  for (const char* name :
       {"claims/9", "claims/0000000000000000000x", "inherits/", "t9/1-0.values",
        "t00000000000000000009/1.values", "t00000000000000000009/01-0.values",
        "t00000000000000000009/1-00.values", "t00000000000000000009/1.kept",
        "t00000000000000000009/g1-1.version",
        "t00000000000000000009/g00000000000000000001-"
        "18446744073709551615.version",
        "t99999999999999999999/1-0.values", "u/v/w", "identity"}) {
    objects.push_back({std::string("job-1/p0/") + name, 0});
  }
  const ListedObjects listed = ParseListedObjects("job-1/p0/", objects);
  EXPECT_THAT(listed.claims, IsEmpty());
  EXPECT_THAT(listed.inherits, IsEmpty());
  EXPECT_THAT(listed.versions, IsEmpty());
  EXPECT_THAT(listed.kept, IsEmpty());
  EXPECT_THAT(listed.pieces, IsEmpty());
  EXPECT_EQ(listed.NewestWritten(), Term());
}

TEST(ObjectLayoutTest, RecordsAreReadBack) {
  EXPECT_EQ(DecodeClaim(EncodeClaim(ServerId(3))).value(), ServerId(3));
  const Inherits inherits{
      .server = ServerId(2),
      .versions = {{{Term(9), {Generation(1), 4}}, ServerId(0)},
                   {{Term(10), {Generation(2), 0}}, ServerId(1)}}};
  const std::string bytes = EncodeInherits(inherits);
  EXPECT_EQ(DecodeInherits(bytes).value(), inherits);
  const Kept kept{.newest = {Generation(0), -1},
                  .versions = {{Term(9), {Generation(1), 4}}}};
  EXPECT_EQ(DecodeKept(EncodeKept(kept)).value(), kept);
  for (size_t at = 0; at < bytes.size(); ++at) {
    std::string damaged = bytes;
    damaged[at] ^= 1;
    EXPECT_FALSE(DecodeInherits(damaged).ok()) << at;
    EXPECT_FALSE(DecodeInherits(bytes.substr(0, at)).ok()) << at;
  }
}

}  // namespace
}  // namespace ebb::server
