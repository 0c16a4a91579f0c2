#include "data/internal/testing.h"

#include <zlib.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "data/reader.h"

namespace ebb::data::internal {

std::string Gzip(absl::string_view bytes) {
  z_stream stream = {};
  deflateInit2(&stream, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, bytes.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string Idx(std::initializer_list<uint32_t> dimensions,
                absl::string_view bytes) {
  std::string file = {0, 0, 8, static_cast<char>(dimensions.size())};
  for (const uint32_t size : dimensions) {
    for (int shift = 24; shift >= 0; shift -= 8) {
      file.push_back(static_cast<char>(size >> shift));
    }
  }
  return absl::StrCat(file, bytes);
}

absl::StatusOr<std::vector<ReadExample>> ReadAll(const SourceSpec& spec,
                                                 const OpenBytes& open) {
  EBB_ASSIGN_OR_RETURN(const std::unique_ptr<Reader> reader,
                       OpenReader(spec, open));
  std::vector<ReadExample> all;
  Example example;
  for (;;) {
    EBB_ASSIGN_OR_RETURN(const bool more, reader->Next(&example));
    if (!more) return all;
    all.push_back({.label = example.label,
                   .bytes = {example.bytes.begin(), example.bytes.end()},
                   .values = {example.values.begin(), example.values.end()},
                   .ids = {example.ids.begin(), example.ids.end()},
                   .keys = {example.keys.begin(), example.keys.end()},
                   .fields = {example.fields.begin(), example.fields.end()}});
  }
}

}  // namespace ebb::data::internal
