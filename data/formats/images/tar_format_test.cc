#include <cstdint>
#include <cstdio>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "data/byte_source.h"
#include "data/dataset.h"
#include "data/formats/testing.h"
#include "data/reader.h"
#include "data/source.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::data::internal {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using Files = std::map<std::string, std::string>;
using Members = std::vector<std::pair<std::string, std::string>>;

// The header of a member, as ustar has it, and its content.
std::string Member(const std::string& name, const std::string& bytes,
                   char type = '0') {
  std::string header(512, '\0');
  header.replace(0, name.size(), name);
  char text[16];
  std::snprintf(text, sizeof(text), "%011zo", bytes.size());
  header.replace(124, 12, text, 12);
  header[156] = type;
  header.replace(257, 8, "ustar\00000", 8);
  header.replace(148, 8, 8, ' ');
  unsigned sum = 0;
  for (const char c : header) sum += static_cast<uint8_t>(c);
  std::snprintf(text, sizeof(text), "%06o", sum);
  header.replace(148, 7, text, 7);
  return absl::StrCat(header, bytes,
                      std::string((512 - bytes.size() % 512) % 512, '\0'));
}

std::string Tar(const Members& members) {
  std::string all;
  for (const auto& [name, bytes] : members) all += Member(name, bytes);
  return all + std::string(1024, '\0');
}

SourceSpec Spec() { return {.kind = SourceKind::kTar, .path = "a.tar"}; }

// One more example, so that a bad one is not more than half.
Members WithGood(Members members) {
  members.emplace_back("zz1.png", Golden("plain.png"));
  members.emplace_back("zz1.cls", "5");
  return members;
}

std::string MistakeIn(const std::string& archive) {
  const absl::Status status =
      ReadAll(Spec(), OpenMemory({{"a.tar", archive}})).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  return std::string(status.message());
}

// The mistake in a bad example, which can be left out.
std::string BadExampleIn(const Members& members, int64_t left_out = 1) {
  const std::string archive = Tar(WithGood(members));
  SourceSpec spec = Spec();
  spec.on_bad_example = OnBadExample::kSkip;
  const auto rest = Dataset::Load(spec, OpenMemory({{"a.tar", archive}}));
  EXPECT_TRUE(rest.ok()) << rest.status();
  if (rest.ok()) {
    EXPECT_EQ(rest->index().left_out, left_out);
  }
  return MistakeIn(archive);
}

// An error of the whole archive, whatever becomes of bad examples.
std::string BadArchive(const std::string& archive) {
  SourceSpec spec = Spec();
  spec.on_bad_example = OnBadExample::kSkip;
  std::string mistake = MistakeIn(archive);
  EXPECT_EQ(ReadAll(spec, OpenMemory({{"a.tar", archive}})).status().message(),
            mistake);
  return mistake;
}

TEST(TarFormatTest, ReadsWhatGnuTarWrites) {
  for (const std::string format : {"gnu", "ustar", "pax", "v7"}) {
    const auto all =
        ReadAll(Spec(), OpenMemory({{"a.tar", Golden(format + ".tar.gz")}}));
    ASSERT_TRUE(all.ok()) << format << all.status();
    ASSERT_EQ(all->size(), format == "v7" ? 2 : 3) << format;
    const std::string plain = Golden("plain.png.rgb");
    EXPECT_EQ((*all)[0].label, 3);
    EXPECT_EQ(std::string((*all)[0].bytes.begin(), (*all)[0].bytes.end()),
              plain);
    const std::string baseline = Golden("baseline.jpg.rgb");
    EXPECT_EQ((*all)[1].label, 1);
    EXPECT_EQ(std::string((*all)[1].bytes.begin(), (*all)[1].bytes.end()),
              baseline);
    EXPECT_EQ(all->back().label, format == "v7" ? 1 : 0);
  }
}

TEST(TarFormatTest, OneExampleIsTheMembersOfAKeyInARow) {
  const std::string png = Golden("plain.png");
  const OpenBytes open =
      OpenMemory({{"a-0.tar", Tar({{"README", "notes"},
                                   {"x/a.JPG", Golden("baseline.jpg")},
                                   {"x/a.json", "{}"},
                                   {"x/a.cls", " 4\n"},
                                   {"x/._b.png", "macOS"},
                                   {"b.meta.txt", "alone"},
                                   {"c.cls", "2"},
                                   {"c.mask.png", "not the image"},
                                   {"c.png", png}})},
                  // Each archive may number its keys anew.
                  {"a-1.tar", Gzip(Tar({{"c.png", png}, {"c.cls", "3"}}))}});
  SourceSpec spec = Spec();
  spec.path = "a-*.tar";
  const auto all = ReadAll(spec, open);
  ASSERT_TRUE(all.ok()) << all.status();
  std::vector<float> labels;
  for (const ReadExample& one : *all) labels.push_back(one.label);
  EXPECT_THAT(labels, ElementsAre(4, 2, 3));
  const auto data = Dataset::Load(spec, open);
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_EQ(data->features(), 72);
  EXPECT_EQ(data->index().files.size(), 2);
  EXPECT_TRUE(Dataset::LoadIndexed(spec, data->index(), open).ok());
  spec.has_labels = false;
  EXPECT_EQ(ReadAll(spec, open)->size(), 3);
}

TEST(TarFormatTest, LabelsMayBeNumbers) {
  SourceSpec spec = Spec();
  spec.label_kind = LabelKind::kReal;
  spec.image = {.width = 2, .height = 1, .grey = true};
  const auto all = ReadAll(
      spec, OpenMemory({{"a.tar", Tar({{"c.cls", "-2.5"},
                                       {"c.png", Golden("plain.png")}})}}));
  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_EQ((*all)[0].label, -2.5);
  EXPECT_EQ((*all)[0].bytes.size(), 2);
  EXPECT_THAT(spec.Meaning(), HasSubstr(" size=2x1 colours=grey"));
}

TEST(TarFormatTest, NamesTheMemberOfABadExample) {
  const std::string png = Golden("plain.png");
  EXPECT_EQ(BadExampleIn({{"a.cls", "1"}}),
            "a.tar: a.cls: this label has no image; a.jpg or .png stands "
            "beside it in a row; `tar --sort=name` packs them so");
  EXPECT_EQ(BadExampleIn({{"a.png", png}}),
            "a.tar: a.png: this image has no label; a.cls stands beside it in "
            "a row, with a number; `tar --sort=name` packs them so");
  EXPECT_THAT(BadExampleIn({{"a.png", png},
                            {"a.cls", "1"},
                            {"b.png", png},
                            {"b.cls", "1"},
                            {"a.png", png},
                            {"a.cls", "1"}}),
              StartsWith("a.tar: a.png: the key 'a' was in the archive "
                         "before, with other members between"));
  EXPECT_THAT(BadExampleIn({{"a.png", png}, {"a.cls", "1"}, {"a.cls", "1"}}),
              StartsWith("a.tar: a.cls: the example has two labels"));
  EXPECT_THAT(BadExampleIn({{"a.png", png}, {"a.cls", "cat"}}),
              StartsWith("a.tar: a.cls: label: "));
  EXPECT_THAT(BadExampleIn({{"a.png", png}, {"a.cls", std::string(99, '1')}}),
              StartsWith("a.tar: a.cls: has 99 bytes; a label is a number"));
  EXPECT_THAT(BadExampleIn({{"a.png", "x"}, {"a.cls", "1"}}),
              StartsWith("a.tar: a.png: begins with 'x'"));
  for (const std::string name : {"/etc/a.png", "../a.png", "x/../a.png"}) {
    EXPECT_EQ(BadExampleIn({{name, png}}),
              absl::StrCat("a.tar: ", name,
                           ": this name leads out of the folder of the "
                           "archive; pack the files with relative names, "
                           "without .."));
  }
}

// Neighbours of one key, as those of flattened folders, were one example.
TEST(TarFormatTest, CountsEachExampleOfAKeyThatComesTwice) {
  const std::string png = Golden("plain.png");
  Members members = {{"b.png", png}, {"b.cls", "1"}};
  for (const std::string key : {"c", "a", "a", "a"}) {
    members.emplace_back(key + ".cls", "1");
    members.emplace_back(key + ".png", png);
  }
  EXPECT_EQ(BadExampleIn(members, 2),
            "a.tar: a.cls: the example has two labels; the other is a.tar: "
            "a.cls; give each example another key");
  // Neither image is the one of this label.
  EXPECT_THAT(BadExampleIn({{"b.png", png},
                            {"b.cls", "1"},
                            {"a.png", png},
                            {"a.jpg", png},
                            {"a.cls", "1"}},
                           2),
              StartsWith("a.tar: a.jpg: the example has two images"));
}

TEST(TarFormatTest, NamesMembersWithMoreDots) {
  const std::string png = Golden("plain.png");
  constexpr char kDots[] =
      "a.tar: img.000.cls: the key of an example ends at the first dot; write "
      "_ for the other dots of its name";
  EXPECT_EQ(BadExampleIn({{"b.png", png},
                          {"b.cls", "1"},
                          {"img.000.cls", "1"},
                          {"img.000.png", png},
                          {"img.001.cls", "1"},
                          {"img.001.PNG", png},
                          {"img.txt", "x"}},
                         2),
            kDots);
  SourceSpec spec = Spec();
  spec.has_labels = false;
  EXPECT_EQ(ReadAll(spec, OpenMemory({{"a.tar", Tar({{"img.000.cls", "1"},
                                                     {"img.000.png", png}})}}))
                .status()
                .message(),
            kDots);
  const auto legal =
      ReadAll(Spec(), OpenMemory({{"a.tar", Tar({{"a.cls", "1"},
                                                 {"a.jpg", png},
                                                 {"a.seg.png", "mask"},
                                                 {"a.seg.cls", "mask"},
                                                 {"b.meta.json", "{}"}})}}));
  ASSERT_TRUE(legal.ok()) << legal.status();
  EXPECT_EQ(legal->size(), 1);
}

TEST(TarFormatTest, RefusesArchivesThatAreCutOrDamaged) {
  const std::string good = Tar(WithGood({}));
  // The image is in bytes 512 to 595.
  EXPECT_EQ(BadArchive(good.substr(0, 560)),
            "a.tar: is cut: it ends at byte 560, in or after the member "
            "'zz1.png', without the zeros that end an archive; was it copied "
            "whole?");
  EXPECT_THAT(BadArchive(good.substr(0, 2048)),
              StartsWith("a.tar: is cut: it ends at byte 2048"));
  std::string damaged = good;
  damaged[1024] ^= 1;
  EXPECT_THAT(BadArchive(damaged),
              StartsWith("a.tar: is damaged at byte 1024: the header after "
                         "the member 'zz1.png' has a wrong checksum"));
  EXPECT_THAT(BadArchive(good + "x" + std::string(511, '\0')),
              StartsWith("a.tar: goes on at byte 3072, after its end"));
  EXPECT_THAT(BadArchive(std::string(512, 'x')),
              StartsWith("a.tar: is no tar archive: it begins with"));
  EXPECT_THAT(BadArchive("x"),
              StartsWith("a.tar: is no tar archive: it has 1 bytes"));
}

TEST(TarFormatTest, RefusesWhatIsNoFile) {
  const std::string end(1024, '\0');
  EXPECT_THAT(BadArchive(Member("a.png", "", '2') + end),
              StartsWith("a.tar: the member 'a.png' is a link"));
  EXPECT_THAT(BadArchive(Member("a.png", "", 'S') + end),
              HasSubstr("is stored without its holes"));
  EXPECT_THAT(BadArchive(Member("a.png", "", '3') + end),
              HasSubstr("is of the type '3'"));
  EXPECT_THAT(BadArchive(Member("p", "22 GNU.sparse.major=1\n", 'x') + end),
              HasSubstr("is stored without its holes"));
  EXPECT_THAT(BadArchive(Member("p", "99 path=a\n", 'x') + end),
              HasSubstr("are not as POSIX has them"));
  EXPECT_THAT(
      BadArchive(Member("p", "10 size=x\n", 'x') + Member("a.png", "") + end),
      HasSubstr("the size of the member 'a.png' is no number"));
}

TEST(TarFormatTest, AnArchiveWithoutExamplesHasNone) {
  const auto empty =
      Dataset::Load(Spec(), OpenMemory({{"a.tar", Tar({{"README", "x"}})}}));
  EXPECT_EQ(empty.status().message(), "a.tar has no examples");
}

}  // namespace
}  // namespace ebb::data::internal
