// Folders of images: FOLDER/CLASS/NAME is an image of the class CLASS.
#include <algorithm>
#include <cstddef>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "common/status_macros.h"
#include "data/bytes/text.h"
#include "data/formats/format.h"
#include "data/formats/images/image_reader.h"
#include "data/formats/options.h"

namespace ebb::data::internal {
namespace {

// The name of the folder that a file is in.
absl::string_view FolderOf(absl::string_view path) {
  path = path.substr(0, std::min(path.size(), path.rfind('/')));
  const size_t slash = path.rfind('/');
  return slash == absl::string_view::npos ? path : path.substr(slash + 1);
}

// The names of all their folders, in order.
std::vector<std::string> ClassesOf(const std::vector<std::string>& paths) {
  std::set<std::string> names;
  for (const std::string& path : paths) names.emplace(FolderOf(path));
  return {names.begin(), names.end()};
}

bool NamesClasses(const SourceSpec& spec) {
  return spec.has_labels && spec.looks_at_labels &&
         spec.label_kind == LabelKind::kClass;
}

class FolderReader : public ImageReader {
 public:
  FolderReader(const SourceSpec& spec, Input files,
               std::vector<std::string> classes)
      : ImageReader(spec),
        files_(std::move(files)),
        classes_(std::move(classes)) {}

  std::vector<FileFingerprint> Fingerprints() const override {
    return files_.Fingerprints();
  }

 private:
  absl::StatusOr<bool> Take(RawImage* raw) override {
    if (begun_) {
      EBB_ASSIGN_OR_RETURN(const bool more, files_.NextFile());
      if (!more) return false;
    }
    begun_ = true;
    raw->bytes.clear();  // Its memory stays.
    *raw = {.name = files_.path(), .bytes = std::move(raw->bytes)};
    EBB_RETURN_IF_ERROR(ReadFile(raw));
    if (raw->mistake.ok()) raw->mistake = SetLabel(raw);
    return true;
  }

  // Reads to the end of the file, whatever its size.
  absl::Status ReadFile(RawImage* raw) {
    constexpr size_t kStep = size_t{64} << 10;
    for (;;) {
      EBB_ASSIGN_OR_RETURN(const absl::string_view step,
                           files_.ReadView(kStep));
      raw->bytes.append(step.data(), step.size());
      if (step.size() < kStep) return absl::OkStatus();
      if (raw->bytes.size() <= kMostImageBytes) continue;
      raw->bytes.clear();
      raw->mistake = absl::InvalidArgumentError(
          absl::StrCat(raw->name, ": has more than ", kMostImageBytes,
                       " bytes; is this an image?"));
    }
  }

  absl::Status SetLabel(RawImage* raw) const {
    if (!spec().has_labels || !spec().looks_at_labels) return absl::OkStatus();
    const absl::string_view name = FolderOf(raw->name);
    if (spec().label_kind == LabelKind::kReal) {
      const auto number = ParseLabel(name, LabelKind::kReal);
      if (!number.ok()) {
        return absl::InvalidArgumentError(absl::StrCat(
            raw->name, ": its folder names a class, ", Excerpt(name),
            ", but the model predicts numbers; take a model of classes, as "
            "model: softmax"));
      }
      raw->label = *number;
      return absl::OkStatus();
    }
    const auto at = std::lower_bound(classes_.begin(), classes_.end(), name);
    if (at == classes_.end() || *at != name) {
      constexpr size_t kShown = 10;
      const size_t shown = std::min(classes_.size(), kShown);
      return absl::InvalidArgumentError(absl::StrCat(
          raw->name, ": its folder ", Excerpt(name),
          " is no class of the training data, which are ",
          absl::StrJoin(classes_.begin(), classes_.begin() + shown, ", "),
          shown < classes_.size() ? ", ..." : ""));
    }
    raw->label = static_cast<float>(at - classes_.begin());
    return absl::OkStatus();
  }

  Input files_;
  const std::vector<std::string> classes_;  // In order.
  bool begun_ = false;
};

absl::Status ValidateFolder(const SourceSpec& spec) {
  if (spec.path.empty()) {
    return WrongOption("the folder of images has no path; name it");
  }
  if (!spec.further_paths.empty()) {
    return WrongOption("images are in one folder, ", spec.path,
                       "; move them together");
  }
  return ValidateImages(spec);
}

std::string MeaningOfFolder(const SourceSpec& spec, absl::string_view common) {
  return absl::StrCat("images", common, MeaningOf(spec.image));
}

// A pattern that matches this path and no other.
std::string Escaped(absl::string_view path) {
  std::string pattern;
  for (const char c : path) {
    switch (c) {
      case '[':
      case '*':
      case '?':
        absl::StrAppend(&pattern, "[", std::string(1, c), "]");
        break;
      case '\\':
        absl::StrAppend(&pattern, "[\\\\]");
        break;
      default:
        pattern.push_back(c);
    }
  }
  return pattern;
}

using Paths = std::vector<std::string>;

// An error: beside the folders that `paths`, in order, are in, there is an
// image.
absl::Status CheckBeside(const std::string& folders, const Paths& paths,
                         const OpenBytes& open) {
  const auto beside = open.FilesOf(absl::StrCat(folders, "/*"));
  if (absl::IsNotFound(beside.status())) return absl::OkStatus();
  EBB_RETURN_IF_ERROR(beside.status());
  for (const std::string& path : *beside) {
    const std::string lower = absl::AsciiStrToLower(path);
    if (!absl::EndsWith(lower, ".png") && !absl::EndsWith(lower, ".jpg") &&
        !absl::EndsWith(lower, ".jpeg")) {
      continue;
    }
    const std::string within = path + "/";
    const auto at = std::lower_bound(paths.begin(), paths.end(), within);
    if (at != paths.end() && absl::StartsWith(*at, within)) continue;
    return absl::InvalidArgumentError(
        absl::StrCat(path,
                     ": stands beside the folders of the classes; move it "
                     "into one of them"));
  }
  return absl::OkStatus();
}

// The images in the folders of this folder; of several, if only a pattern is
// found. Makes `*folders` the pattern that it was found by.
absl::StatusOr<Paths> FindInFolders(absl::string_view folder,
                                    const OpenBytes& open,
                                    std::string* folders) {
  *folders = Escaped(folder);
  auto paths = open.FilesOf(absl::StrCat(*folders, "/*/*"));
  if (absl::IsNotFound(paths.status()) && *folders != folder) {
    // It may be there without folders in it.
    if (open.FilesOf(absl::StrCat(*folders, "/*")).ok()) return paths;
    *folders = std::string(folder);
    paths = open.FilesOf(absl::StrCat(*folders, "/*/*"));
  }
  return paths;
}

// What needs no classes may also be a folder of images, an image, or a pattern.
absl::StatusOr<std::vector<Input>> OpenImageFiles(const SourceSpec& spec,
                                                  const OpenBytes& open) {
  absl::string_view folder = spec.path;
  while (folder.size() > 1 && absl::ConsumeSuffix(&folder, "/")) {
  }
  InputOptions options = {
      .any_format = true, .together = true, .name_parts = 2};
  std::string folders;
  auto paths = FindInFolders(folder, open, &folders);
  if (paths.ok()) {
    EBB_RETURN_IF_ERROR(CheckBeside(folders, *paths, open));
  } else if (!(spec.has_labels && spec.looks_at_labels)) {
    options.name_parts = 1;
    paths = open.FilesOf(folder);
  }
  if (absl::IsNotFound(paths.status())) {
    return absl::NotFoundError(absl::StrCat(
        spec.path,
        ": there is no image in a folder of it; it has a folder for each "
        "class, with the images of that class: ",
        folder, "/CLASS/NAME.png"));
  }
  EBB_RETURN_IF_ERROR(paths.status());
  EBB_ASSIGN_OR_RETURN(Input files,
                       Input::Open(*std::move(paths), open, options));
  std::vector<Input> all;
  all.push_back(std::move(files));
  return all;
}

absl::StatusOr<FoundEncoding> FindClasses(const SourceSpec& spec, Input file) {
  FoundEncoding found;
  if (!NamesClasses(spec)) return found;
  found.encoding.classes = ClassesOf(file.paths());
  for (const std::string& name : found.encoding.classes) {
    if (IsUtf8Text(name)) continue;
    return absl::InvalidArgumentError(
        absl::StrCat(spec.path, ": the name of the folder ", Excerpt(name),
                     " is no UTF-8; it names a class, so rename it"));
  }
  return found;
}

// Without an encoding the classes are those of these files.
absl::StatusOr<std::unique_ptr<Reader>> OpenFolder(const SourceSpec& spec,
                                                   const Encoding& encoding,
                                                   std::vector<Input> files) {
  std::vector<std::string> classes = encoding.classes;
  if (classes.empty()) classes = ClassesOf(files[0].paths());
  auto reader = std::make_unique<FolderReader>(spec, std::move(files[0]),
                                               std::move(classes));
  EBB_RETURN_IF_ERROR(reader->Begin());
  return reader;
}

}  // namespace

Format ImagesFormat() {
  return {.kind = SourceKind::kImages,
          .word = "images",
          .layout = Always<Layout::kBytes>,
          .validate = ValidateFolder,
          .meaning = MeaningOfFolder,
          .files = OpenImageFiles,
          .open = OpenFolder,
          .survey = FindClasses};
}

}  // namespace ebb::data::internal
