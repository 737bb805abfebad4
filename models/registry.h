#pragma once

#include <string>

#include "base/status.h"
#include "models/model_builder.h"

namespace sherd {

// Declares a model's tables, tensors and layers on the builder's graph and returns its logits, [rows, 1].
template <typename T>
using BuildFunction = Result<nn::Activation<T>*> (*)(ModelBuilder<T>*);

// The function of model.name; Invalid, with the names there are, when there is none.
template <typename T>
Result<BuildFunction<T>> FindModel(const std::string& name);

}  // namespace sherd
