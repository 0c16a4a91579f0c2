#include "data/formats/testing.h"

#include <bzlib.h>
#include <lz4frame.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include <fstream>
#include <iterator>
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

std::string Zlib(absl::string_view bytes, int level) {
  uLongf size = compressBound(bytes.size());
  std::string out(size, '\0');
  compress2(reinterpret_cast<Bytef*>(out.data()), &size,
            reinterpret_cast<const Bytef*>(bytes.data()), bytes.size(), level);
  out.resize(size);
  return out;
}

std::string Zstd(absl::string_view bytes) {
  ZSTD_CCtx* const context = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);  // `zstd` does so.
  std::string out(ZSTD_compressBound(bytes.size()), '\0');
  out.resize(ZSTD_compress2(context, out.data(), out.size(), bytes.data(),
                            bytes.size()));
  ZSTD_freeCCtx(context);
  return out;
}

std::string Xz(absl::string_view bytes) {
  std::string out(lzma_stream_buffer_bound(bytes.size()), '\0');
  size_t size = 0;
  lzma_easy_buffer_encode(6, LZMA_CHECK_CRC64, nullptr,
                          reinterpret_cast<const uint8_t*>(bytes.data()),
                          bytes.size(), reinterpret_cast<uint8_t*>(out.data()),
                          &size, out.size());
  out.resize(size);
  return out;
}

std::string Bzip2(absl::string_view bytes) {
  std::string out(bytes.size() + bytes.size() / 100 + 600, '\0');
  auto size = static_cast<unsigned>(out.size());
  BZ2_bzBuffToBuffCompress(out.data(), &size, const_cast<char*>(bytes.data()),
                           static_cast<unsigned>(bytes.size()), 9, 0, 0);
  out.resize(size);
  return out;
}

std::string Lz4(absl::string_view bytes) {
  LZ4F_preferences_t preferences = {};
  preferences.frameInfo.contentChecksumFlag = LZ4F_contentChecksumEnabled;
  std::string out(LZ4F_compressFrameBound(bytes.size(), &preferences), '\0');
  out.resize(LZ4F_compressFrame(out.data(), out.size(), bytes.data(),
                                bytes.size(), &preferences));
  return out;
}

std::string Golden(absl::string_view name) {
  std::ifstream file(absl::StrCat("tests/golden/readers/", name),
                     std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
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

std::string Npy(absl::string_view descr, absl::string_view shape,
                absl::string_view bytes) {
  std::string header =
      absl::StrCat("{'descr': '", descr,
                   "', 'fortran_order': False, 'shape': ", shape, ", }\n");
  std::string file = "\x93NUMPY";
  file += {'\x01', '\0', static_cast<char>(header.size()), '\0'};
  return absl::StrCat(file, header, bytes);
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
