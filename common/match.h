// A visitor of a std::variant out of one lambda per alternative.
//
//   std::visit(Match{[](const Lease& lease) { ... },
//                    [](const auto& anything_else) { ... }},
//              message);
#ifndef EBB_COMMON_MATCH_H_
#define EBB_COMMON_MATCH_H_

namespace ebb {

template <typename... Cases>
struct Match : Cases... {
  using Cases::operator()...;
};
template <typename... Cases>
Match(Cases...) -> Match<Cases...>;

}  // namespace ebb

#endif  // EBB_COMMON_MATCH_H_
