#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace sherd {

// The decoders of input files that are fed with any bytes: by fuzzing, and by the tests from the kept corpora.
std::vector<std::string> DecoderNames();

// Decodes a file of these bytes: whatever they are, it ends with rows or with a status, and reading by other ways gives
// the same rows. CHECKs that.
void RunDecoder(const std::string& decoder, std::string_view bytes);

}  // namespace sherd
