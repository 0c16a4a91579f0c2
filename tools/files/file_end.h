// The end of a file that may be large, such as a log.
#ifndef EBB_TOOLS_FILES_FILE_END_H_
#define EBB_TOOLS_FILES_FILE_END_H_

#include <cstddef>
#include <string>

namespace ebb::tools {

// Returns what a file has from the byte `from` on, and of that at most the last
// `most` bytes. Empty: it has nothing there, or cannot be read.
std::string ReadEnd(const std::string& path, size_t from, size_t most);

// Returns the last whole lines of a log: as many as say why a daemon ended.
std::string ReadLastLines(const std::string& path);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_FILES_FILE_END_H_
