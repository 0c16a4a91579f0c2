// Which rows of sparse tables the next batch touches: asked of the computer,
// which reads the examples, before the batch's values can be pulled.
//
// Thread-compatible.
#ifndef EBB_CLIENT_ROW_FINDER_H_
#define EBB_CLIENT_ROW_FINDER_H_

#include <utility>

#include "client/actions.h"

namespace ebb::client {

// Finds the rows of one job, one batch at a time.
class RowFinder {
 public:
  // The batch's rows; null: they are not known (yet), and are being asked for,
  // unless an earlier question is still to be answered.
  BatchRowsPtr Find(const FindRows& batch, ClientActions* out) {
    if (found_ != nullptr && found_->Are(batch)) return found_;
    if (!asked_) {
      asked_ = true;
      out->push_back(batch);
    }
    return nullptr;
  }

  // Null: they were not found.
  void Found(BatchRowsPtr rows) {
    asked_ = false;
    found_ = std::move(rows);
  }

  // The known rows are of no use any more.
  void Forget() { found_.reset(); }
  bool asking() const { return asked_; }

 private:
  bool asked_ = false;
  BatchRowsPtr found_;  // The rows of the last batch that was asked for.
};

}  // namespace ebb::client

#endif  // EBB_CLIENT_ROW_FINDER_H_
