// IDX: http://yann.lecun.com/exdb/mnist (big-endian; two zero bytes, element
// type, number of dimensions, the dimensions as 32 bits each, the elements).
#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/status_macros.h"
#include "data/formats/format.h"
#include "data/formats/options.h"

namespace ebb::data::internal {
namespace {

struct Header {
  int64_t items = 0;
  // Numbers of one item: 1 for labels, the product of the further dimensions
  // else.
  int64_t width = 1;
};

template <typename... Args>
absl::Status Bad(const Input& file, const Args&... args) {
  return absl::InvalidArgumentError(absl::StrCat(file.path(), ": ", args...));
}

absl::StatusOr<uint32_t> ReadBigEndian(Input& file) {
  std::array<char, 4> raw;
  EBB_ASSIGN_OR_RETURN(const size_t n, file.Read(raw));
  if (n < raw.size()) {
    return Bad(file, "ends at byte ", file.offset(),
               ", within its header; an IDX file begins with its magic and "
               "dimensions");
  }
  uint32_t value = 0;
  for (const char byte : raw) value = value << 8 | static_cast<uint8_t>(byte);
  return value;
}

// `labels` says which of the two kinds of file it has to be.
absl::StatusOr<Header> ReadHeader(Input& file, bool labels) {
  EBB_ASSIGN_OR_RETURN(const uint32_t magic, ReadBigEndian(file));
  constexpr uint32_t kUnsignedBytes = 0x08;
  const uint32_t dimensions = magic & 0xff;
  if (magic >> 8 != kUnsignedBytes ||
      (labels ? dimensions != 1 : dimensions < 2)) {
    return Bad(file,
               absl::StrFormat(
                   "has magic 0x%08x; %s", magic,
                   labels ? "a file of labels has 0x00000801 (unsigned bytes)"
                          : "a file of examples has 0x00000803 (unsigned "
                            "bytes, 3 dimensions; 2 or more will do)"));
  }
  Header header;
  EBB_ASSIGN_OR_RETURN(header.items, ReadBigEndian(file));
  for (uint32_t i = 1; i < dimensions; ++i) {
    EBB_ASSIGN_OR_RETURN(const uint32_t size, ReadBigEndian(file));
    // Neither factor exceeds 32 bits here, so the product cannot overflow.
    header.width *= size;
    if (header.width == 0 || header.width > kMaxExampleBytes) {
      return Bad(file, "dimension ", i + 1, " is ", size,
                 ", so an example would have ", header.width,
                 " bytes; between 1 and ", kMaxExampleBytes, " are possible");
    }
  }
  return header;
}

class IdxReader : public Reader {
 public:
  IdxReader(Input images, std::optional<Input> labels, Header header)
      : images_(std::move(images)),
        labels_(std::move(labels)),
        items_(header.items),
        row_(header.width) {}

  absl::StatusOr<bool> Next(Example* example) override {
    if (next_ == items_) {
      EBB_RETURN_IF_ERROR(CheckEnd(images_));
      if (labels_.has_value()) EBB_RETURN_IF_ERROR(CheckEnd(*labels_));
      return false;
    }
    EBB_RETURN_IF_ERROR(ReadItem(images_, row_));
    uint8_t label = 0;
    if (labels_.has_value()) {
      EBB_RETURN_IF_ERROR(ReadItem(*labels_, std::span<uint8_t>(&label, 1)));
    }
    ++next_;
    *example = {.label = static_cast<float>(label), .bytes = row_};
    return true;
  }

  Layout layout() const override { return Layout::kBytes; }
  int64_t features() const override {
    return static_cast<int64_t>(row_.size());
  }
  std::string Where() const override {
    const Input& file = labels_.has_value() ? *labels_ : images_;
    return absl::StrCat(file.path(), ": example ", next_, " of ", items_);
  }
  std::vector<FileFingerprint> Fingerprints() const override {
    std::vector<FileFingerprint> all = images_.Fingerprints();
    if (labels_.has_value()) all.push_back(labels_->Fingerprints().front());
    return all;
  }

 private:
  absl::Status ReadItem(Input& file, std::span<uint8_t> out) {
    EBB_ASSIGN_OR_RETURN(
        const size_t n,
        file.Read({reinterpret_cast<char*>(out.data()), out.size()}));
    if (n == out.size()) return absl::OkStatus();
    return Bad(file, "ends at byte ", file.offset(), ", within example ",
               next_ + 1, " of the ", items_,
               " that its header promises; was it copied whole?");
  }

  absl::Status CheckEnd(Input& file) {
    char extra;
    EBB_ASSIGN_OR_RETURN(const size_t n, file.Read({&extra, 1}));
    if (n == 0) return absl::OkStatus();
    return Bad(file, "goes on at byte ", file.offset() - 1, ", after the ",
               items_, " examples that its header promises");
  }

  Input images_;
  std::optional<Input> labels_;
  const int64_t items_;
  int64_t next_ = 0;
  std::vector<uint8_t> row_;
};

absl::Status ValidateIdx(const SourceSpec& spec) {
  const bool named = !spec.idx.images.empty() || !spec.idx.labels.empty();
  if (named == !spec.path.empty()) {
    return WrongOption(
        "an IDX source needs either a path, the common front of its two "
        "files' names, or images and labels, the files themselves");
  }
  if (named && spec.idx.images.empty()) {
    return WrongOption("the IDX source names no images file beside the labels ",
                       spec.idx.labels);
  }
  if (named && spec.has_labels && spec.idx.labels.empty()) {
    return WrongOption("the IDX source names no labels file beside the images ",
                       spec.idx.images,
                       "; name it, or say that it has no labels");
  }
  if (!spec.further_paths.empty()) {
    return WrongOption("an IDX source is one pair of files; join them first");
  }
  if (!spec.comment.empty()) {
    return WrongOption("IDX files have no lines, so none that begin with ",
                       Quoted(spec.comment), "; leave out comment");
  }
  return absl::OkStatus();
}

std::string MeaningOfIdx(const SourceSpec& /*spec*/, absl::string_view common) {
  return absl::StrCat("idx", common);
}

// Opens `path`, or `path`.gz where there is no such file.
absl::StatusOr<Input> OpenEither(const std::string& path,
                                 const OpenBytes& open) {
  absl::StatusOr<Input> plain = Input::Open(path, open);
  if (!absl::IsNotFound(plain.status())) return plain;
  absl::StatusOr<Input> zipped = Input::Open(absl::StrCat(path, ".gz"), open);
  if (!absl::IsNotFound(zipped.status())) return zipped;
  return absl::NotFoundError(absl::StrCat(
      path,
      "[.gz]: there is no such file; an IDX path is what comes before "
      "-images-idx3-ubyte"));
}

absl::StatusOr<std::vector<Input>> OpenIdxFiles(const SourceSpec& spec,
                                                const OpenBytes& open) {
  std::vector<absl::StatusOr<Input>> opened;
  if (spec.path.empty()) {
    opened.push_back(Input::Open(spec.idx.images, open));
    if (spec.has_labels) opened.push_back(Input::Open(spec.idx.labels, open));
  } else {
    opened.push_back(OpenEither(spec.path + "-images-idx3-ubyte", open));
    if (spec.has_labels) {
      opened.push_back(OpenEither(spec.path + "-labels-idx1-ubyte", open));
    }
  }
  std::vector<Input> files;
  for (absl::StatusOr<Input>& file : opened) {
    EBB_RETURN_IF_ERROR(file.status());
    files.push_back(*std::move(file));
  }
  return files;
}

absl::StatusOr<std::unique_ptr<Reader>> OpenIdx(const SourceSpec& spec,
                                                const Encoding& /*encoding*/,
                                                std::vector<Input> files) {
  Input images = std::move(files[0]);
  std::optional<Input> labels;
  if (spec.has_labels) labels = std::move(files[1]);
  EBB_ASSIGN_OR_RETURN(const Header header, ReadHeader(images, false));
  if (labels.has_value()) {
    EBB_ASSIGN_OR_RETURN(const Header other, ReadHeader(*labels, true));
    if (other.items != header.items) {
      return Bad(images, "has ", header.items, " examples, but ",
                 labels->path(), " has ", other.items,
                 " labels; the two files belong to different data");
    }
  }
  return std::make_unique<IdxReader>(std::move(images), std::move(labels),
                                     header);
}

}  // namespace

Format IdxFormat() {
  return {.kind = SourceKind::kIdx,
          .word = "idx",
          .layout = Always<Layout::kBytes>,
          .validate = ValidateIdx,
          .meaning = MeaningOfIdx,
          .files = OpenIdxFiles,
          .open = OpenIdx};
}

}  // namespace ebb::data::internal
