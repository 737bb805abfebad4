#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "base/status.h"
#include "proto/checkpoint.pb.h"
#include "proto/job.pb.h"

namespace sherd {

// The keys that training makes of a feature's text: of a token, a number that falls into a bucket, or a list (several).
// Of a cross, the texts of its features, separated by commas. Comes with the name of the table that they are looked up
// in. Invalid: there is no such feature, it has no keys, or the text is not of its type.
Result<std::pair<std::string, std::vector<Key>>> KeysOfText(const proto::Job& job, const proto::Statistics& statistics,
                                                            const std::string& feature, const std::string& text);

}  // namespace sherd
