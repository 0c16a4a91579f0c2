// All that ebb knows of one format of data: the checks and the meaning of its
// options, and its reader. A format is a file, NAME_format.cc, which
// defines `Format NameFormat()` in this namespace. The build lists the files
// and calls the function of each.
#ifndef EBB_DATA_FORMATS_FORMAT_H_
#define EBB_DATA_FORMATS_FORMAT_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "data/byte_source.h"
#include "data/encoding.h"
#include "data/formats/input.h"
#include "data/reader.h"
#include "data/source.h"

namespace ebb::data::internal {

// The functions take a spec of this kind; all but `validate` a valid one.
// `layout`, `meaning` and `open` are never null.
struct Format {
  SourceKind kind = SourceKind::kCsv;
  // The word of job files, as "csv". A static text.
  absl::string_view word;
  // The layout of its examples.
  Layout (*layout)(const SourceSpec& spec) = nullptr;
  // Its keys are hashes of words (KeyOf).
  bool hashes_words = false;
  // True if all features are words, which no scale multiplies. Null: none are.
  bool (*only_words)(const SourceSpec& spec) = nullptr;
  // The width that the options state; 0: they leave it to the examples. Null:
  // the reader knows it when it is open.
  int64_t (*stated_width)(const SourceSpec& spec) = nullptr;

  // Checks its options, as SourceSpec::Validate() does. Null: it has none that
  // could be wrong.
  absl::Status (*validate)(const SourceSpec& spec) = nullptr;
  // SourceSpec::Meaning(): a word, `common`, and " key=value" for each of its
  // own options that changes what is read. `common` is for options of all
  // formats.
  std::string (*meaning)(const SourceSpec& spec,
                         absl::string_view common) = nullptr;

  // Opens its files. Null: the paths of the spec are the files of one table,
  // which is one input, and there must be a path.
  absl::StatusOr<std::vector<Input>> (*files)(const SourceSpec& spec,
                                              const OpenBytes& open) = nullptr;
  // Returns a reader of these files that gives all examples, whatever the
  // split.
  absl::StatusOr<std::unique_ptr<Reader>> (*open)(
      const SourceSpec& spec, const Encoding& encoding,
      std::vector<Input> files) = nullptr;
  // In the place of these two, for a set that opens its own files, and
  // has been split already.
  absl::StatusOr<std::unique_ptr<Reader>> (*open_set)(
      const SourceSpec& spec, const OpenBytes& open) = nullptr;
  // FindEncoding(). Null: columns never have text.
  absl::StatusOr<FoundEncoding> (*survey)(const SourceSpec& spec,
                                          Input file) = nullptr;
};

// All formats, in the order of their words.
std::span<const Format> Formats();

const Format& FormatOf(SourceKind kind);

// Format::layout of a format that has only one.
template <Layout layout>
Layout Always(const SourceSpec& /*spec*/) {
  return layout;
}

// Format::open for a reader that is made of the spec and a table.
template <typename AnyReader>
absl::StatusOr<std::unique_ptr<Reader>> Open(const SourceSpec& spec,
                                             const Encoding& /*encoding*/,
                                             std::vector<Input> files) {
  return std::make_unique<AnyReader>(spec, std::move(files[0]));
}

}  // namespace ebb::data::internal

#endif  // EBB_DATA_FORMATS_FORMAT_H_
