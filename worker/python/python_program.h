// The Python that computes models of Python.
#ifndef EBB_WORKER_PYTHON_PYTHON_PROGRAM_H_
#define EBB_WORKER_PYTHON_PYTHON_PROGRAM_H_

#include <string>
#include <vector>

namespace ebb::worker {

// Which interpreter, and where its package ebb is.
struct PythonProgram {
  // A path, or a name to be found in PATH. Empty: there is none.
  std::string interpreter;
  // The folder that has the package. Empty: the interpreter's own folders do,
  // as Debian's python3-ebb puts it there.
  std::string packages;

  // The command line that speaks over the inherited socket `fd`. Python looks
  // for code only in its own folders and in `packages`: not in PYTHONPATH, the
  // working folder or the user's own packages.
  std::vector<std::string> CommandLine(int fd) const;
};

// With the package that came with this program, if one did: that of the wheel,
// of the container image or of the build tree.
PythonProgram PythonAt(std::string interpreter);
// The interpreter that the environment variable EBB_PYTHON names, or python3.
PythonProgram ChosenPython();

}  // namespace ebb::worker

#endif  // EBB_WORKER_PYTHON_PYTHON_PROGRAM_H_
