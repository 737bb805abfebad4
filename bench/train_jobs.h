#pragma once

#include <string>

namespace sherd::bench {

// The jobs of the cases train.…, without their data: bench/memory_rows.h adds it. Optimizers are those of shared
// references: Adagrad for rows, Adam for the dense part.
std::string DeepFmJob();          // dim 16, 400-400-400, batch 4096
std::string DeepFmSmallJob();     // dim 8, 128-64, batch 4096
std::string WideDeepJob();        // dim 16, 400-400-400, FTRL for the wide part with four crosses, batch 4096
std::string FmJob();              // dim 16, batch 4096
std::string NeuMfJob(int batch);  // 8 factors, 64-32-16-8

}  // namespace sherd::bench
