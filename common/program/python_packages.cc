#include "common/program/python_packages.h"

#include <filesystem>
#include <system_error>

namespace ebb {

std::string PythonPackagesBeside() {
  namespace fs = std::filesystem;
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  if (error) return "";
  const fs::path packages = program.parent_path() / "../lib/ebb/python";
  if (!fs::exists(packages / "ebb/worker.py", error)) return "";
  return packages.lexically_normal().string();
}

}  // namespace ebb
