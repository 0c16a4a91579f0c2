#include "bench/data/bare_records.h"

#include <cstdio>
#include <cstring>
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "bench/data/bare_images.h"
#include "bench/data/data_files.h"
#include "bench/data/tf_example.pb.h"

namespace ebb::bench {

namespace {

// True if the checksum stands behind so many bytes.
bool IsWhole(absl::string_view framed, size_t bytes) {
  uint32_t checksum;
  std::memcpy(&checksum, framed.data() + bytes, sizeof(checksum));
  return MaskedChecksum(framed.substr(0, bytes)) == checksum;
}

}  // namespace

absl::Status ReadJpegRecords(
    const std::string& path, int64_t pixels,
    absl::FunctionRef<void(int64_t label, std::span<const uint8_t> pixels)>
        take) {
  const std::unique_ptr<FILE, int (*)(FILE*)> file(
      std::fopen(path.c_str(), "rb"), std::fclose);
  if (file == nullptr) {
    return absl::NotFoundError(absl::StrCat(path, " cannot be opened"));
  }
  constexpr size_t kBuffer = size_t{1} << 20;
  std::setvbuf(file.get(), nullptr, _IOFBF, kBuffer);
  const auto damaged = [&] {
    return absl::DataLossError(absl::StrCat(path, " is damaged"));
  };
  constexpr size_t kLength = sizeof(uint64_t);
  constexpr size_t kChecksum = sizeof(uint32_t);
  std::vector<char> front(kLength + kChecksum), record;
  std::vector<uint8_t> image(static_cast<size_t>(pixels));
  tf::Example example;
  for (;;) {
    const size_t n = std::fread(front.data(), 1, front.size(), file.get());
    if (n == 0 && std::feof(file.get()) != 0) return absl::OkStatus();
    if (n < front.size()) return damaged();
    uint64_t length;
    std::memcpy(&length, front.data(), kLength);
    if (!IsWhole({front.data(), front.size()}, kLength)) return damaged();
    record.resize(length + kChecksum);
    if (std::fread(record.data(), 1, record.size(), file.get()) !=
            record.size() ||
        !IsWhole({record.data(), record.size()}, length) ||
        !example.ParseFromArray(record.data(), static_cast<int>(length))) {
      return damaged();
    }
    const auto& features = example.features().feature();
    const auto encoded = features.find("image");
    const auto label = features.find("label");
    if (encoded == features.end() || label == features.end() ||
        encoded->second.bytes_list().value_size() != 1 ||
        label->second.int64_list().value_size() != 1 ||
        !DecodeBareJpeg(encoded->second.bytes_list().value(0), &image)) {
      return damaged();
    }
    take(label->second.int64_list().value(0), image);
  }
}

}  // namespace ebb::bench
