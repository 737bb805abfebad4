#pragma once

#include <memory>

#include "models/metrics/privacy_accountant.h"
#include "proto/job.pb.h"
#include "scheduler/observer.h"

namespace sherd {

// With train.dp: says after each epoch what has been given away so far, to another observer, which must outlive it.
// Thread-compatible.
class PrivacyReport : public Observer {
 public:
  PrivacyReport(const proto::Train& train, Observer* to) : train_(train), to_(to) {}

  void OnEpochEnd(const EpochReport& report) override;

 private:
  const proto::Train train_;
  Observer* const to_;
  std::uint64_t rows_ = 0;  // that accountant_ is for
  std::unique_ptr<PrivacyAccountant> accountant_;
};

}  // namespace sherd
