// Tar archives of images, as webdataset has them: KEY.jpg and KEY.cls in a row.
#include <xxhash.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "common/status_macros.h"
#include "data/bytes/text.h"
#include "data/formats/format.h"
#include "data/formats/images/image_reader.h"
#include "data/formats/images/tar_members.h"
#include "data/formats/options.h"
#include "data/formats/table_files.h"

namespace ebb::data::internal {
namespace {

// A label is a number.
constexpr int64_t kLongestLabel = 64;

// The end of a message about members that stand elsewhere.
constexpr char kInARow[] = "; `tar --sort=name` packs them so";

// "a/b.seg.png" has the key "a/b" and the ending "seg.png".
struct MemberName {
  std::string key;
  std::string ending;
};

MemberName SplitName(absl::string_view name) {
  while (absl::ConsumePrefix(&name, "./")) {
  }
  const size_t slash = name.rfind('/');
  const size_t begin = slash == absl::string_view::npos ? 0 : slash + 1;
  const size_t dot = name.find('.', begin);
  if (dot == absl::string_view::npos) return {std::string(name), ""};
  return {std::string(name.substr(0, dot)),
          absl::AsciiStrToLower(name.substr(dot + 1))};
}

bool IsImage(absl::string_view ending) {
  return ending == "png" || ending == "jpg" || ending == "jpeg";
}

bool IsPart(absl::string_view ending) {
  return IsImage(ending) || ending == "cls";
}

// "png" of "000.png".
std::string LastEnding(absl::string_view ending) {
  const size_t dot = ending.rfind('.');
  return std::string(dot == absl::string_view::npos ? ending
                                                    : ending.substr(dot + 1));
}

// Returns whether a name leads out of the folder that it would be unpacked in.
bool LeadsOut(absl::string_view name) {
  if (absl::StartsWith(name, "/")) return true;
  for (const absl::string_view part : absl::StrSplit(name, '/')) {
    if (part == "..") return true;
  }
  return false;
}

// A name for messages.
std::string Shown(const std::string& name) {
  return IsUtf8Text(name) ? name : Excerpt(name);
}

class TarReader : public ImageReader {
 public:
  TarReader(const SourceSpec& spec, Input archives)
      : ImageReader(spec),
        needs_label_(spec.has_labels && spec.looks_at_labels),
        members_(std::move(archives)) {}

  std::vector<FileFingerprint> Fingerprints() const override {
    return members_.Fingerprints();
  }

 private:
  absl::StatusOr<bool> Take(RawImage* raw) override {
    if (!begun_) EBB_RETURN_IF_ERROR(Fetch());
    begun_ = true;
    if (further_ > 0) {
      --further_;
      *raw = {};
      raw->name = odd_;
      raw->mistake = MistakeOfDots();
      return true;
    }
    while (more_) {
      EBB_ASSIGN_OR_RETURN(const bool example, TakeGroup(raw));
      if (example) return true;
    }
    return false;
  }

  // Goes on to the next member that could be a part of an example.
  absl::Status Fetch() {
    do {
      EBB_ASSIGN_OR_RETURN(more_, members_.Next(&member_));
      if (!more_) return absl::OkStatus();
      name_ = SplitName(member_.name);
      // Notes, and files such as ._a.jpg of macOS.
    } while (name_.ending.empty() || absl::EndsWith(name_.key, "/") ||
             name_.key.empty());
    if (members_.archive() != archive_) seen_.clear();
    archive_ = members_.archive();
    return absl::OkStatus();
  }

  // Takes the members of one key that stand in a row. False where
  // they hold neither an image nor a label.
  absl::StatusOr<bool> TakeGroup(RawImage* raw) {
    *raw = {};
    image_ = label_ = odd_ = "";
    int64_t odd_images = 0;
    int64_t odd_labels = 0;
    const std::string key = name_.key;
    const int64_t archive = archive_;
    const std::string twice = std::exchange(twice_, "");
    raw->name = Place();
    if (!twice.empty()) {
      Mistake(raw, twice);
    } else if (!seen_.insert(XXH3_64bits(key.data(), key.size())).second) {
      Mistake(raw, raw->name, ": the key ", Excerpt(key),
              " was in the archive before, with other members between; the "
              "members of an example stand in a row, and each has another "
              "key",
              kInARow);
    }
    while (more_ && name_.key == key && archive_ == archive) {
      twice_ = Twice();
      if (!twice_.empty()) break;  // The next example begins.
      EBB_RETURN_IF_ERROR(TakeMember(raw));
      const std::string last = LastEnding(name_.ending);
      const bool odd = last != name_.ending;
      if (odd && odd_.empty() && IsPart(last)) odd_ = Place();
      odd_images += odd && IsImage(last) ? 1 : 0;
      odd_labels += odd && last == "cls" ? 1 : 0;
      EBB_RETURN_IF_ERROR(Fetch());
    }
    if (image_.empty() && label_.empty()) {
      if (odd_.empty()) return !raw->mistake.ok();
      // Each of them was meant to be an example.
      further_ = std::max(odd_images, odd_labels) - 1;
      raw->name = odd_;
      if (raw->mistake.ok()) raw->mistake = MistakeOfDots();
      return true;
    }
    // It is not known which of the two an example without the other has.
    if (!twice_.empty() &&
        (image_.empty() || (needs_label_ && label_.empty()))) {
      Mistake(raw, twice_);
    }
    if (image_.empty()) {
      Mistake(raw, label_, ": this label has no image; ", Shown(key),
              ".jpg or .png stands beside it in a row", kInARow);
    } else {
      raw->name = image_;
      if (needs_label_ && label_.empty()) {
        Mistake(raw, image_, ": this image has no label; ", Shown(key),
                ".cls stands beside it in a row, with a number", kInARow);
      }
    }
    return true;
  }

  // The mistake if the next member is a part that the example has; else empty.
  std::string Twice() const {
    const bool image = IsImage(name_.ending) && !image_.empty();
    const bool label = name_.ending == "cls" && !label_.empty();
    if (!image && !label) return "";
    return absl::StrCat(Place(), ": the example has two ",
                        image ? "images" : "labels", "; the other is ",
                        image ? image_ : label_,
                        "; give each example another key");
  }

  absl::Status MistakeOfDots() const {
    return absl::InvalidArgumentError(absl::StrCat(
        odd_,
        ": the key of an example ends at the first dot; write _ for the other "
        "dots of its name"));
  }

  absl::Status TakeMember(RawImage* raw) {
    const std::string place = Place();
    if (LeadsOut(member_.name)) {
      if (IsImage(name_.ending)) image_ = place;
      if (name_.ending == "cls") label_ = place;
      Mistake(raw, place,
              ": this name leads out of the folder of the archive; pack the "
              "files with relative names, without ..");
      return absl::OkStatus();
    }
    if (IsImage(name_.ending)) return TakeImage(place, raw);
    if (name_.ending == "cls") return TakeLabel(place, raw);
    return absl::OkStatus();
  }

  absl::Status TakeImage(const std::string& place, RawImage* raw) {
    image_ = place;
    if (member_.bytes > kMostImageBytes) {
      Mistake(raw, place, ": has ", member_.bytes,
              " bytes; an image has at most ", kMostImageBytes);
      return absl::OkStatus();
    }
    return members_.Read(&raw->bytes);
  }

  absl::Status TakeLabel(const std::string& place, RawImage* raw) {
    label_ = place;
    if (!needs_label_) return absl::OkStatus();
    std::string text;
    if (member_.bytes <= kLongestLabel) {
      EBB_RETURN_IF_ERROR(members_.Read(&text));
    }
    const auto label =
        ParseLabel(absl::StripAsciiWhitespace(text), spec().label_kind);
    if (member_.bytes > kLongestLabel) {
      Mistake(raw, place, ": has ", member_.bytes,
              " bytes; a label is a number");
    } else if (!label.ok()) {
      Mistake(raw, place, ": label: ", label.status().message());
    } else {
      raw->label = *label;
    }
    return absl::OkStatus();
  }

  // Says where the next member stands.
  std::string Place() const {
    return absl::StrCat(members_.path(), ": ", Shown(member_.name));
  }

  // Keeps the first mistake of an example.
  template <typename... Args>
  static void Mistake(RawImage* raw, const Args&... args) {
    if (!raw->mistake.ok()) return;
    raw->mistake = absl::InvalidArgumentError(absl::StrCat(args...));
  }

  const bool needs_label_;
  TarMembers members_;
  // The member that comes next, if there is one.
  TarMember member_;
  MemberName name_;
  bool more_ = false;
  bool begun_ = false;
  int64_t archive_ = 0;
  // Hashes of the keys of this archive.
  absl::flat_hash_set<uint64_t> seen_;
  // The places of the example's image and label; empty: not found yet.
  std::string image_;
  std::string label_;
  // The same for the first member whose name has more dots than a part's.
  std::string odd_;
  int64_t further_ = 0;  // Further such members that each count.
  // Twice() of the member that comes next, which begins an example.
  std::string twice_;
};

std::string MeaningOfTar(const SourceSpec& spec, absl::string_view common) {
  return absl::StrCat("tar", common, MeaningOf(spec.image));
}

absl::Status ValidateTar(const SourceSpec& spec) {
  if (spec.path.empty()) {
    return WrongOption("the tar archive has no path; name it");
  }
  return ValidateImages(spec);
}

absl::StatusOr<std::vector<Input>> OpenArchives(const SourceSpec& spec,
                                                const OpenBytes& open) {
  EBB_ASSIGN_OR_RETURN(Input archives,
                       OpenTableFiles(spec, open, {.any_format = true}));
  std::vector<Input> all;
  all.push_back(std::move(archives));
  return all;
}

absl::StatusOr<std::unique_ptr<Reader>> OpenTar(const SourceSpec& spec,
                                                const Encoding& /*encoding*/,
                                                std::vector<Input> files) {
  auto reader = std::make_unique<TarReader>(spec, std::move(files[0]));
  EBB_RETURN_IF_ERROR(reader->Begin());
  return reader;
}

}  // namespace

Format TarFormat() {
  return {.kind = SourceKind::kTar,
          .word = "tar",
          .layout = Always<Layout::kBytes>,
          .validate = ValidateTar,
          .meaning = MeaningOfTar,
          .files = OpenArchives,
          .open = OpenTar};
}

}  // namespace ebb::data::internal
