// The system calls on files that object stores make, with their errors.
#ifndef EBB_COMMON_OBJECTS_INTERNAL_FILES_H_
#define EBB_COMMON_OBJECTS_INTERNAL_FILES_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ebb {

// "cannot DOING PATH: why", of the code that fits the error number.
absl::Status FileError(absl::string_view doing, absl::string_view path,
                       int error);

// The bytes from `offset` on, at most `bytes` of them.
absl::StatusOr<std::string> ReadFileAt(int fd, absl::string_view path,
                                       uint64_t offset, uint64_t bytes);

// All of a regular file. ResourceExhausted: it has more than `most` bytes.
absl::StatusOr<std::string> ReadSmallFile(const std::string& path,
                                          uint64_t most);

}  // namespace ebb

#endif  // EBB_COMMON_OBJECTS_INTERNAL_FILES_H_
