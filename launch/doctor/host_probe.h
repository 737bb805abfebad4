#pragma once

#include <cstdint>
#include <string>

#include "proto/doctor.pb.h"
#include "proto/job.pb.h"

namespace sherd {

// The file that rank 0 leaves in the checkpoints' folder for a while, so that it shows who sees the same folder.
class SharedFolderMark {
 public:
  // No error where it cannot be made: DiskReport says what is wrong with the folder. A folder that was not there before
  // is gone again afterwards.
  SharedFolderMark(const proto::Job& job, std::uint64_t number);
  ~SharedFolderMark();
  SharedFolderMark(const SharedFolderMark&) = delete;

 private:
  std::string path_;         // empty: there is none
  std::string made_folder_;  // for it; empty: none was
};

// What there is at this rank's place: program, job file, limits, memory, disks and their rates. Takes about a second.
proto::HostReport ProbeHost(const proto::Job& job, const std::string& job_file, std::uint64_t mark);

}  // namespace sherd
