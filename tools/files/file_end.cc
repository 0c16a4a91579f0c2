#include "tools/files/file_end.h"

#include <algorithm>
#include <fstream>
#include <ios>

namespace ebb::tools {

std::string ReadEnd(const std::string& path, size_t from, size_t most) {
  std::ifstream in(path, std::ios::binary | std::ios::ate);
  if (!in) return "";
  const auto size = static_cast<size_t>(in.tellg());
  if (size <= from) return "";
  std::string content(std::min(size - from, most), '\0');
  in.seekg(static_cast<std::streamoff>(size - content.size()));
  in.read(content.data(), static_cast<std::streamsize>(content.size()));
  content.resize(in.gcount());
  return content;
}

std::string ReadLastLines(const std::string& path) {
  constexpr size_t kMost = size_t{1} << 20;
  std::string lines = ReadEnd(path, 0, kMost);
  // The first one may have begun before.
  if (lines.size() == kMost) lines.erase(0, lines.find('\n') + 1);
  return lines;
}

}  // namespace ebb::tools
