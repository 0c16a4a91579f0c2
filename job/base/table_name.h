// The names that tables may have: tables are tensors in files, files in
// folders, and keys of job files.
#ifndef EBB_JOB_BASE_TABLE_NAME_H_
#define EBB_JOB_BASE_TABLE_NAME_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace ebb::job {

inline constexpr size_t kLongestTableName = 128;

// Letters, digits, '.', '_' and '-', the first no '.'. Any other byte, and only
// such a byte, is "~XX", by its code in hexadecimal digits; what that stands
// for is UTF-8. So each name has one spelling (python/ebb/table_names.py).
bool IsTableName(absl::string_view name);

// Returns what a person calls the table, or a tensor of it: "~2F" is "/". Names
// that have another spelling, or stand for no UTF-8, are returned as they are.
std::string UserTableName(absl::string_view name);

// The rule in the words of a message: "a name is …".
std::string TableNameRule();

}  // namespace ebb::job

#endif  // EBB_JOB_BASE_TABLE_NAME_H_
