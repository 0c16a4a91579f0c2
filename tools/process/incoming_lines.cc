#include "tools/process/incoming_lines.h"

#include <poll.h>
#include <unistd.h>

#include <array>
#include <cstddef>

namespace ebb::tools {

std::vector<std::string> IncomingLines::Take() {
  while (!over_) {
    pollfd ready = {.fd = fd_, .events = POLLIN};
    if (poll(&ready, 1, 0) <= 0) break;
    std::array<char, 4096> buffer;
    const ssize_t count = read(fd_, buffer.data(), buffer.size());
    over_ = count <= 0;
    if (!over_) begun_.append(buffer.data(), static_cast<size_t>(count));
  }
  std::vector<std::string> lines;
  size_t begin = 0;
  for (size_t end = begun_.find('\n'); end != std::string::npos;
       end = begun_.find('\n', begin)) {
    if (end > begin) lines.push_back(begun_.substr(begin, end - begin));
    begin = end + 1;
  }
  begun_.erase(0, begin);
  return lines;
}

}  // namespace ebb::tools
