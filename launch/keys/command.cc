#include "launch/keys/command.h"

#include "launch/keys/key_file.h"

namespace sherd {

Status RunKeygen(std::span<const std::string> words, std::ostream& out) {
  if (words.size() != 1 || words[0].empty() || words[0][0] == '-') {
    return Status::Invalid("keygen takes the name of a new file: sherd keygen job.keys");
  }
  RETURN_IF_ERROR(MakeKeyFile(words[0]));
  out << words[0] << " has the keys of a job now: train --key_file=" << words[0]
      << " on hosts that all have it, readable by you alone" << std::endl;
  return {};
}

}  // namespace sherd
