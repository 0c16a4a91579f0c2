#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include "data/formats/testing.h"
#include "data/fuzz/fuzzing.h"
#include "data/source.h"

// The input is read as a matrix without labels, as one in an archive, as the
// archive of a sparse matrix, then as
// the labels of two examples, then as each part of a sparse matrix of two rows.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using ebb::data::SourceKind;
  using ebb::data::internal::BytesOf;
  using ebb::data::internal::Npy;
  const std::string input(reinterpret_cast<const char*>(data), size);
  ebb::data::ReadEverything({.kind = SourceKind::kNpy,
                             .has_labels = false,
                             .npy = {.features = "input"}},
                            {{"input", input}});
  for (const char* const path : {"input.npz/X", "input.npz"}) {
    ebb::data::ReadEverything({.kind = SourceKind::kNpy,
                               .has_labels = false,
                               .npy = {.features = path}},
                              {{"input.npz", input}});
  }
  ebb::data::ReadEverything({.kind = SourceKind::kNpy,
                             .has_labels = false,
                             .npy = {.features = "input.npz", .archive = true}},
                            {{"input.npz", input}});
  ebb::data::ReadEverything(
      {.kind = SourceKind::kNpy,
       .npy = {.features = "matrix", .labels = "input"}},
      {{"matrix", Npy("|u1", "(2, 1)", "ab")}, {"input", input}});
  for (const char* const part : {"data", "indices", "indptr"}) {
    std::map<std::string, std::string> files = {
        {"data", Npy("<f4", "(2,)", BytesOf<float>({1, 2}))},
        {"indices", Npy("<i4", "(2,)", BytesOf<int32_t>({0, 3}))},
        {"indptr", Npy("<i8", "(3,)", BytesOf<int64_t>({0, 1, 2}))}};
    files[part] = input;
    for (const bool keys : {false, true}) {
      ebb::data::ReadEverything({.kind = SourceKind::kNpy,
                                 .has_labels = false,
                                 .npy = {.data = "data",
                                         .indices = "indices",
                                         .indptr = "indptr",
                                         .columns = keys ? 0 : 4,
                                         .keys = keys}},
                                files);
    }
  }
  return 0;
}
