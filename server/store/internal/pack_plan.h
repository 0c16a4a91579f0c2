// Which files of values a new version lets go, by writing what it still needs
// of them once more. Pure.
//
// A file goes when no version names a block of it. Without more, one block that
// never changes would keep a file of a thousand that did. So a version leaves
//
//   - every file of whose bytes it needs less than a third;
//   - should more than kMostPacks remain, the smallest of them (by what it
//   needs
//     of them), up to the largest that has no more than all smaller ones
//     together.
//
// Room: the files that a version names have at most three times its values.
// Writing: by the first rule, what is written once more is at most half of what
// became garbage in the same file, and what is written becomes garbage once: so
// all writing is at most twice that of new values. By the second, a block that
// moves comes to a file at least twice as large: at most log2(blocks) times,
// and that only where a version has few new blocks.
#ifndef EBB_SERVER_STORE_INTERNAL_PACK_PLAN_H_
#define EBB_SERVER_STORE_INTERNAL_PACK_PLAN_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>

#include "server/store/internal/folder_manifest.h"

namespace ebb::server {

inline constexpr size_t kMostPacks = 64;

struct PackUse {
  uint64_t bytes = 0;   // Size of the file.
  uint64_t needed = 0;  // The part of it that the new version needs.
};

// The files that the new version leaves. Those of which it needs nothing are
// not among them: there is nothing to write.
std::set<PackName> PacksToLeave(const std::map<PackName, PackUse>& packs);

}  // namespace ebb::server

#endif  // EBB_SERVER_STORE_INTERNAL_PACK_PLAN_H_
