#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "launch/convert/crew.h"
#include "launch/convert/output_folder.h"
#include "launch/job_loading.h"
#include "launch/job_request.h"
#include "proto/data_statistics.pb.h"
#include "proto/wire.pb.h"
#include "worker/data/converter.h"

namespace sherd {

// `sherd convert`, on each rank. The pieces of the input are dealt to the ranks and threads; what they say of each
// other's work they leave in files beside the row files they write, so that rank 0, in the end, puts all together in
// the order of the pieces: the bytes that are written depend on the input and the options alone. Thread-compatible.
class Conversion {
 public:
  // What stays: all arguments. `out` is where rank 0 says what it has done.
  Conversion(const JobRequest& request, Crew* crew, std::ostream* out);

  // Invalid: it can not be done so. After any error what was written is gone, but what was there before is not.
  Status Run();

 private:
  // What all pieces together came to.
  struct Outcome {
    std::uint64_t rows = 0, bad_rows = 0;
    std::vector<proto::BadRow> bad;
    std::map<std::pair<std::string, std::string>, std::size_t> kinds;  // (expected, column) -> index in bad
    std::vector<proto::DataFile> files[3];                             // by set, as they will be called
    double label_sums[3] = {};
    proto::DataStatistics statistics;
  };

  Status Load();
  Status RunPhases();
  Status Survey();
  Status Count();
  Status ConvertPiece(std::size_t piece);
  Status Finish();
  Status AddPiece(std::size_t piece, RowSummary* summary, Outcome* outcome, std::vector<std::string>* partial_names);
  Status CheckBadRows(const Outcome& outcome) const;
  Status WriteVocabularies();
  Status WriteJob(const Outcome& outcome);
  void Say(const Outcome& outcome) const;

  const JobRequest& request_;
  Crew& crew_;
  std::ostream& out_;
  OutputFolder folder_;
  LoadedJob loaded_;
  std::unique_ptr<Converter> converter_;
  double begun_ = 0;  // seconds
  bool prepared_ = false;
};

}  // namespace sherd
