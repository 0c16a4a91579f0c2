// Growing sets for tests.
#ifndef EBB_DATA_GROWING_TESTING_H_
#define EBB_DATA_GROWING_TESTING_H_

#include <cstdint>
#include <string>
#include <vector>

#include "common/objects/object_store.h"
#include "data/growing/chain_search.h"
#include "data/growing/headers.h"
#include "data/pack/window.h"

namespace ebb::data::growing {

// A set of dense examples with one feature and no label.
About TestAbout(char identity = 'i');

// Appends objects to a set as a feeder would. Not thread-safe.
class TestChain {
 public:
  // Creates "about" in the store, which outlives it.
  explicit TestChain(ObjectStore* store, About about = TestAbout());

  // Appends an object that covers the next `values.size()` offsets of a
  // partition, with these examples.
  void Append(const std::string& partition, const std::vector<float>& values);
  // Appends an object without examples: a range of offsets that hold none.
  void AppendHoles(const std::string& partition, int64_t offsets);
  void AppendEnd();
  // Puts a floor at this place, which is that of an object, and deletes what
  // lies below.
  void PutFloor(int64_t place);

  // The next header, which may be changed, and put.
  ObjectHeader Next() const;
  void Put(ObjectHeader header, const pack::Window& window);

  const ChainTail& tail() const { return tail_; }
  const About& about() const { return about_; }

 private:
  ObjectStore* const store_;  // Not owned.
  const About about_;
  ChainTail tail_;
  std::vector<Floor> at_;  // The floor that each place would be.
};

}  // namespace ebb::data::growing

#endif  // EBB_DATA_GROWING_TESTING_H_
