// A server's values in a memory file, as a block pool has them.
#ifndef EBB_RPC_TESTING_SHARED_VALUES_H_
#define EBB_RPC_TESTING_SHARED_VALUES_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "common/mutex.h"
#include "common/shm/area.h"
#include "common/shm/file_table.h"
#include "common/shm/memory_file.h"
#include "rpc/transport.h"

namespace ebb::rpc {

// Thread-safe. Values may outlive it.
class SharedValues {
 public:
  explicit SharedValues(int64_t bytes)
      : shelf_(std::make_shared<Shelf>(bytes)) {
    shm::SealAgainstWriters(shelf_->fd.get()).IgnoreError();  // Add() sees it.
    table_.Add(shelf_->fd.get(), shelf_->mapping.bytes(),
               [bytes] { return bytes; });
  }

  shm::FileTable* table() { return &table_; }

  // A copy of the values in the file; the values themselves when it is full.
  Payload Move(const Payload& values) {
    if (values.empty()) return values;
    struct Place {
      ~Place() {
        MutexLock lock(&shelf->mu);
        shelf->area.Free(offset);
      }
      std::shared_ptr<Shelf> shelf;
      int64_t offset = 0;
    };
    std::optional<int64_t> offset;
    {
      MutexLock lock(&shelf_->mu);
      offset = shelf_->area.Take(values.size());
    }
    if (!offset) return values;
    auto place = std::make_shared<Place>();
    place->shelf = shelf_;
    place->offset = *offset;
    const auto bytes = shelf_->mapping.bytes().subspan(*offset, values.size());
    values.CopyTo(bytes);
    Payload moved;
    moved.Append(std::move(place), bytes);
    return moved;
  }

 private:
  struct Shelf {
    explicit Shelf(int64_t bytes)
        : fd(*shm::CreateMemoryFile("values", bytes)),
          mapping(*shm::MapToWrite(fd.get(), bytes)),
          area(bytes) {}
    const Fd fd;
    const shm::Mapping mapping;
    Mutex mu;
    shm::Area area ABSL_GUARDED_BY(mu);
  };

  const std::shared_ptr<Shelf> shelf_;
  shm::FileTable table_;
};

// Puts what pulls bring where workers can read it.
class SharingPs : public PsHandler {
 public:
  SharingPs(PsHandler* handler, SharedValues* values)
      : handler_(handler), values_(values) {}
  void Push(PushRequest request, PushDone done) override {
    handler_->Push(std::move(request), std::move(done));
  }
  void Pull(PullRequest request, PullDone done) override {
    handler_->Pull(std::move(request),
                   [this, done = std::move(done)](PullReply reply) {
                     for (PullSegment& segment : reply.segments) {
                       segment.values = values_->Move(segment.values);
                     }
                     done(std::move(reply));
                   });
  }
  void Clock(ClockUpdate update) override {
    handler_->Clock(std::move(update));
  }
  void Fetch(FetchRequest request, FetchDone done) override {
    handler_->Fetch(std::move(request), std::move(done));
  }

 private:
  PsHandler* const handler_;    // Not owned.
  SharedValues* const values_;  // Not owned.
};

}  // namespace ebb::rpc

#endif  // EBB_RPC_TESTING_SHARED_VALUES_H_
