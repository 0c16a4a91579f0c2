#include "tools/ebb/advise/advice.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>

#include "sim/rng.h"

namespace ebb::tools {
namespace {

// A draw looks at so many times the time that is expected, and at a day more.
constexpr double kPatience = 4;
constexpr double kMoreHours = 24;
// It plans the market for so many times the expected time at first, and for so
// many times longer each time that this does not suffice.
constexpr double kPlanned = 1.25;
constexpr double kLonger = 4;
// Bounds the work for a large market that is lost often.
constexpr double kMostEvents = 2e6;
constexpr int64_t kFewestDraws = 20;
// How an even draw is spread around the mean of the rate.
constexpr double kLeastFactor = 0.1;

// About normal, with mean 0 and deviation 1 (Irwin and Hall: a sum of twelve
// even draws): the same on every machine.
double DrawNormal(sim::Rng* rng) {
  double sum = -6;
  for (int i = 0; i < 12; ++i) {
    sum += static_cast<double>(rng->Next() >> 11) * 0x1p-53;
  }
  return sum;
}

// When the workers that are there have been there for `need` together, and for
// how long they were there, all in hours.
struct End {
  double hours = std::numeric_limits<double>::infinity();
  double machine_hours = 0;
  bool is_known() const { return std::isfinite(hours); }
};

End EndOf(const sim::Churn& churn, double need, double length) {
  int64_t there = churn.at_first;
  double now = 0, done = 0;
  const auto until = [&](double next) {
    const double some = static_cast<double>(there) * (next - now);
    if (done + some >= need) {
      now += (need - done) / static_cast<double>(there);
      done = need;
      return true;
    }
    done += some;
    now = next;
    return false;
  };
  for (const sim::WorkerEvent& event : churn.events) {
    if (until(absl::ToDoubleHours(event.at))) return {now, done};
    there += event.comes ? 1 : -1;
  }
  if (until(length)) return {now, done};
  return {.machine_hours = done};
}

// The market is planned no further than the work needs. The events of a shorter
// plan are the first ones of a longer one, so the end is the same.
End EndOf(const sim::ChurnRates& rates, int64_t workers, double need,
          double length, const sim::Rng& rng) {
  double planned = kPlanned * need / static_cast<double>(workers);
  for (;; planned *= kLonger) {
    const double until = std::min(planned, length);
    End end = EndOf(sim::PlanChurn(rates, static_cast<int>(workers),
                                   absl::Hours(until), rng),
                    need, until);
    if (end.is_known() || until == length) return end;
  }
}

Spread SpreadOf(std::vector<double> draws) {
  std::ranges::sort(draws);
  const auto at = [&](double share) {
    return draws[static_cast<size_t>(share *
                                     static_cast<double>(draws.size() - 1))];
  };
  return {at(0.1), at(0.5), at(0.9)};
}

// 1, 2, 3, 4, 5, 6, 8, 10, 12, 15, …: about a fourth more each time.
std::vector<int64_t> Numbers(int64_t most) {
  std::vector<int64_t> numbers;
  for (int64_t n = 1; n < most; n += std::max<int64_t>(1, n / 4)) {
    numbers.push_back(n);
  }
  numbers.push_back(most);
  return numbers;
}

Offer OfferOf(const MachineKinds& kinds, int kind, int64_t workers,
              double goodput, const MeasuredWork& work,
              const AdviceOptions& options) {
  const WorkerKind& machine = kinds.workers[kind];
  const sim::ChurnRates rates = RatesOf(machine, options.market);
  Offer offer{.kind = kind, .workers = workers};
  offer.servers = ServersFor(work, machine, workers, kinds.server);
  constexpr double kSecondsPerHour = 3600;
  // Hours of machines that are there.
  const double need =
      work.examples / (work.rate * machine.speed * goodput) / kSecondsPerHour;
  const double load = absl::ToDoubleHours(work.load);
  const double length =
      kPatience * need / static_cast<double>(workers) + kMoreHours;
  const double events = 2 * rates.losses_per_worker_hour * kPlanned * need;
  const int64_t draws = std::clamp<int64_t>(
      events > 0 ? static_cast<int64_t>(kMostEvents / events) : options.draws,
      std::min(kFewestDraws, options.draws), options.draws);
  std::vector<double> hours, prices;
  int64_t in_time = 0;
  for (int64_t draw = 0; draw < draws; ++draw) {
    sim::Rng rng(options.seed + static_cast<uint64_t>(draw));
    const double factor =
        std::max(kLeastFactor, 1 + work.rate_error * DrawNormal(&rng));
    End end = EndOf(rates, workers, need / factor, length, rng);
    end.hours += load;
    end.machine_hours += load * static_cast<double>(workers);
    const double paid = std::min(end.hours, length);
    hours.push_back(end.hours);
    prices.push_back(end.machine_hours * machine.price +
                     paid * static_cast<double>(offer.servers) *
                         kinds.server.price);
    in_time += end.hours <= absl::ToDoubleHours(options.deadline) ? 1 : 0;
  }
  offer.hours = SpreadOf(hours);
  offer.price = SpreadOf(prices);
  offer.in_time = static_cast<double>(in_time) / static_cast<double>(draws);
  return offer;
}

}  // namespace

sim::ChurnRates RatesOf(const WorkerKind& kind, const sim::ChurnRates& market) {
  sim::ChurnRates rates = market;
  if (kind.losses_per_hour)
    rates.losses_per_worker_hour = *kind.losses_per_hour;
  return rates;
}

int64_t ServersFor(const MeasuredWork& work, const WorkerKind& kind,
                   int64_t workers, const ServerKind& server) {
  const double busy = work.server_seconds * work.rate * kind.speed *
                      static_cast<double>(workers);
  return std::max<int64_t>(1, static_cast<int64_t>(std::ceil(
                                  busy / (server.processors * kServerShare))));
}

std::vector<Offer> Offers(const MachineKinds& kinds, const MeasuredWork& work,
                          const AdviceOptions& options) {
  std::vector<Offer> offers;
  for (size_t i = 0; i < kinds.workers.size(); ++i) {
    const WorkerKind& kind = kinds.workers[i];
    const double goodput = options.goodput(kind, RatesOf(kind, options.market));
    for (const int64_t n : Numbers(std::min(kind.most, work.most_workers))) {
      offers.push_back(
          OfferOf(kinds, static_cast<int>(i), n, goodput, work, options));
    }
  }
  return offers;
}

const Offer* Cheapest(const std::vector<Offer>& offers, double chance) {
  const Offer* best = nullptr;
  for (const Offer& offer : offers) {
    if (offer.in_time < chance || !std::isfinite(offer.hours.middle)) continue;
    const auto rank = [](const Offer& o) {
      return std::tuple(o.price.middle, o.hours.middle);
    };
    if (best == nullptr || rank(offer) < rank(*best)) best = &offer;
  }
  return best;
}

const Offer* Fastest(const std::vector<Offer>& offers) {
  const auto fastest = std::ranges::min_element(
      offers, {}, [](const Offer& offer) { return offer.hours.middle; });
  return fastest == offers.end() ? nullptr : &*fastest;
}

}  // namespace ebb::tools
