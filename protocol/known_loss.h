// Tells sums of losses that are known from those that are not.
#ifndef EBB_PROTOCOL_KNOWN_LOSS_H_
#define EBB_PROTOCOL_KNOWN_LOSS_H_

#include <cmath>

namespace ebb {

// The loss of examples whose gradients came without one. It is a zero with the
// other sign: added to a loss it changes nothing, and a sum of such zeros is
// one, too. So sums that begin with it are known if one of their parts is.
// PushRequest::loss_sum may be it.
inline constexpr double kUnknownLoss = -0.0;

inline bool IsKnownLoss(double loss_sum) {
  return loss_sum != 0 || !std::signbit(loss_sum);
}

}  // namespace ebb

#endif  // EBB_PROTOCOL_KNOWN_LOSS_H_
