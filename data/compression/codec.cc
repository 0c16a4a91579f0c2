#include "data/compression/codec.h"

#include <bzlib.h>
#include <lz4frame.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "data/bytes/text.h"
#include "data/bytes/tf_record.h"

namespace ebb::data::internal {
namespace {

// The most memory for decoding one file. The defaults of all compressors, and
// their highest plain levels, need less.
constexpr uint64_t kMaxMemory = uint64_t{256} << 20;

absl::Status NoMemory() {
  return absl::ResourceExhaustedError("there is no memory to decompress it");
}

absl::Status Damaged(absl::string_view reason) {
  return absl::DataLossError(reason);
}

// Libraries count in 32 bits.
unsigned Limited(size_t size) {
  constexpr size_t kMost = size_t{1} << 30;
  return static_cast<unsigned>(std::min(size, kMost));
}

class GzipCodec : public Codec {
 public:
  // `window_bits` also says which header there is: inflateInit2() of zlib.
  explicit GzipCodec(int window_bits = 16 + MAX_WBITS)
      : window_bits_(window_bits) {}
  ~GzipCodec() override { inflateEnd(&stream_); }

  absl::Status Start() override {
    inflateEnd(&stream_);
    stream_ = {};
    return inflateInit2(&stream_, window_bits_) == Z_OK ? absl::OkStatus()
                                                        : NoMemory();
  }

  absl::StatusOr<Progress> Decode(std::span<const char> in,
                                  std::span<char> out) override {
    stream_.next_in =
        reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));  // Only read.
    stream_.avail_in = Limited(in.size());
    stream_.next_out = reinterpret_cast<Bytef*>(out.data());
    stream_.avail_out = Limited(out.size());
    const size_t room = stream_.avail_out;
    const size_t given = stream_.avail_in;
    const int result = inflate(&stream_, Z_NO_FLUSH);
    if (result != Z_OK && result != Z_BUF_ERROR && result != Z_STREAM_END) {
      return Damaged(stream_.msg != nullptr ? stream_.msg : zError(result));
    }
    return Progress{given - stream_.avail_in, room - stream_.avail_out,
                    result == Z_STREAM_END};
  }

 private:
  const int window_bits_;
  z_stream stream_ = {};
};

// The same as GzipCodec, with the header of zlib.
class ZlibCodec : public GzipCodec {
 public:
  ZlibCodec() : GzipCodec(MAX_WBITS) {}
};

class ZstdCodec : public Codec {
 public:
  ~ZstdCodec() override { ZSTD_freeDStream(stream_); }

  absl::Status Start() override {
    if (stream_ == nullptr) stream_ = ZSTD_createDStream();
    if (stream_ == nullptr || ZSTD_isError(ZSTD_initDStream(stream_)) != 0) {
      return NoMemory();
    }
    return absl::OkStatus();
  }

  absl::StatusOr<Progress> Decode(std::span<const char> in,
                                  std::span<char> out) override {
    ZSTD_inBuffer from = {in.data(), in.size(), 0};
    ZSTD_outBuffer to = {out.data(), out.size(), 0};
    const size_t result = ZSTD_decompressStream(stream_, &to, &from);
    if (ZSTD_isError(result) != 0) {
      const char* const reason = ZSTD_getErrorName(result);
      // The window limit of the library, 128 MiB, says so by its name alone.
      if (absl::StrContains(reason, "too much memory")) {
        return absl::FailedPreconditionError(
            "it takes more than 128 MiB of memory to decompress; compress it "
            "without --long or --ultra");
      }
      return Damaged(reason);
    }
    return Progress{from.pos, to.pos, result == 0};
  }

 private:
  ZSTD_DStream* stream_ = nullptr;
};

class XzCodec : public Codec {
 public:
  ~XzCodec() override { lzma_end(&stream_); }

  absl::Status Start() override {
    return lzma_stream_decoder(&stream_, kMaxMemory, 0) == LZMA_OK
               ? absl::OkStatus()
               : NoMemory();
  }

  absl::StatusOr<Progress> Decode(std::span<const char> in,
                                  std::span<char> out) override {
    stream_.next_in = reinterpret_cast<const uint8_t*>(in.data());
    stream_.avail_in = in.size();
    stream_.next_out = reinterpret_cast<uint8_t*>(out.data());
    stream_.avail_out = out.size();
    const lzma_ret result = lzma_code(&stream_, LZMA_RUN);
    switch (result) {
      case LZMA_OK:
      case LZMA_BUF_ERROR:
      case LZMA_STREAM_END:
        break;
      case LZMA_MEM_ERROR:
        return NoMemory();
      case LZMA_MEMLIMIT_ERROR:
        return absl::FailedPreconditionError(absl::StrCat(
            "it takes ", lzma_memusage(&stream_) >> 20,
            " MiB of memory to decompress, more than ", kMaxMemory >> 20,
            "; compress it with a smaller dictionary, as `xz -6` does"));
      case LZMA_OPTIONS_ERROR:
        return Damaged("it has options that the library does not know");
      default:
        return Damaged("its checks do not match");
    }
    return Progress{in.size() - stream_.avail_in,
                    out.size() - stream_.avail_out, result == LZMA_STREAM_END};
  }

 private:
  lzma_stream stream_ = LZMA_STREAM_INIT;
};

class Bzip2Codec : public Codec {
 public:
  ~Bzip2Codec() override { BZ2_bzDecompressEnd(&stream_); }

  absl::Status Start() override {
    BZ2_bzDecompressEnd(&stream_);  // Nothing the first time.
    stream_ = {};
    return BZ2_bzDecompressInit(&stream_, 0, 0) == BZ_OK ? absl::OkStatus()
                                                         : NoMemory();
  }

  absl::StatusOr<Progress> Decode(std::span<const char> in,
                                  std::span<char> out) override {
    stream_.next_in = const_cast<char*>(in.data());  // Only read.
    stream_.avail_in = Limited(in.size());
    stream_.next_out = out.data();
    stream_.avail_out = Limited(out.size());
    const size_t given = stream_.avail_in;
    const size_t room = stream_.avail_out;
    const int result = BZ2_bzDecompress(&stream_);
    if (result == BZ_MEM_ERROR) return NoMemory();
    if (result != BZ_OK && result != BZ_STREAM_END) {
      return Damaged("its checks do not match");
    }
    return Progress{given - stream_.avail_in, room - stream_.avail_out,
                    result == BZ_STREAM_END};
  }

 private:
  bz_stream stream_ = {};
};

class Lz4Codec : public Codec {
 public:
  ~Lz4Codec() override { LZ4F_freeDecompressionContext(context_); }

  absl::Status Start() override {
    if (context_ == nullptr && LZ4F_isError(LZ4F_createDecompressionContext(
                                   &context_, LZ4F_VERSION)) != 0) {
      return NoMemory();
    }
    LZ4F_resetDecompressionContext(context_);
    return absl::OkStatus();
  }

  absl::StatusOr<Progress> Decode(std::span<const char> in,
                                  std::span<char> out) override {
    size_t given = in.size();
    size_t room = out.size();
    const size_t result = LZ4F_decompress(context_, out.data(), &room,
                                          in.data(), &given, nullptr);
    if (LZ4F_isError(result) != 0) return Damaged(LZ4F_getErrorName(result));
    return Progress{given, room, result == 0};
  }

 private:
  LZ4F_dctx* context_ = nullptr;
};

template <typename T>
std::unique_ptr<Codec> Make() {
  return std::make_unique<T>();
}

constexpr CodecKind kGzip = {"gzip", "; try `gzip -t`", Make<GzipCodec>};
constexpr CodecKind kZlib = {"zlib", "", Make<ZlibCodec>};
constexpr CodecKind kZstd = {"zstd", "; try `zstd -t`", Make<ZstdCodec>};
constexpr CodecKind kXz = {"xz", "; try `xz -t`", Make<XzCodec>};
constexpr CodecKind kBzip2 = {"bzip2", "; try `bzip2 -t`", Make<Bzip2Codec>};
constexpr CodecKind kLz4 = {"lz4", "; try `lz4 -t`", Make<Lz4Codec>};

// "BZh", a level, and the first mark of a block or of the end: a table may
// begin with the first four.
bool IsBzip2(absl::string_view front) {
  return absl::StartsWith(front, "BZh") && front.size() >= 10 &&
         front[3] >= '1' && front[3] <= '9' &&
         (front.substr(4, 6) == "\x31\x41\x59\x26\x53\x59" ||
          front.substr(4, 6) == "\x17\x72\x45\x38\x50\x90");
}

// A frame that decoders pass over. zstd and lz4 have the same one; only
// programs around zstd put it in front.
bool IsSkippable(absl::string_view front) {
  return front.size() >= 4 && (front[0] & '\xf0') == '\x50' &&
         front.substr(1, 3) == "\x2a\x4d\x18";
}

// True if a file begins as zlib writes it. Its first two bytes may begin a
// text, too: "x^2". Those after them are hardly ever UTF-8 then, although the
// last character may be cut. They may also be the length of a protobuf message
// and its first field. Files have no dictionary, which kDictionary would
// announce.
bool IsZlib(absl::string_view front) {
  constexpr uint8_t kDictionary = 0x20;
  if (front.size() < 8 || front[0] != '\x78' ||
      (static_cast<uint8_t>(front[1]) & kDictionary) != 0 ||
      (front[0] * 256 + static_cast<uint8_t>(front[1])) % 31 != 0) {
    return false;
  }
  for (size_t size = front.size() - 3; size <= front.size(); ++size) {
    if (IsUtf8Text(front.substr(0, size))) return false;
  }
  return true;
}

const CodecKind* FindMagic(absl::string_view front) {
  if (absl::StartsWith(front, "\x1f\x8b")) return &kGzip;
  if (IsZlib(front)) return &kZlib;
  if (absl::StartsWith(front, "\x28\xb5\x2f\xfd")) return &kZstd;
  if (absl::StartsWith(front, absl::string_view("\xfd"
                                                "7zXZ\0",
                                                6))) {
    return &kXz;
  }
  if (absl::StartsWith(front, "\x04\x22\x4d\x18")) return &kLz4;
  if (IsBzip2(front)) return &kBzip2;
  return IsSkippable(front) ? &kZstd : nullptr;
}

}  // namespace

const CodecKind* FindCodec(absl::string_view front) {
  const CodecKind* const kind = FindMagic(front);
  // The length of a record may look like a compressed file.
  return kind == nullptr || IsTfRecord(front) ? nullptr : kind;
}

bool Continues(const CodecKind& kind, absl::string_view front) {
  return FindCodec(front) == &kind || (&kind == &kLz4 && IsSkippable(front));
}

}  // namespace ebb::data::internal
