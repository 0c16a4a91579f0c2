// Finds ebb's Python package.
#ifndef EBB_COMMON_PROGRAM_PYTHON_PACKAGES_H_
#define EBB_COMMON_PROGRAM_PYTHON_PACKAGES_H_

#include <string>

namespace ebb {

// Returns the folder that has the package of this program's version:
// ../lib/ebb/python of the folder of the program, as in the build tree and in
// the container image. Empty: there is none.
std::string PythonPackagesBeside();

}  // namespace ebb

#endif  // EBB_COMMON_PROGRAM_PYTHON_PACKAGES_H_
