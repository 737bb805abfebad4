#include "launch/usage.h"

#include "launch/checkpoint/command.h"
#include "launch/gen_command.h"
#include "launch/job_flags.h"

namespace sherd {
namespace {

constexpr char kIntroduction[] =
    R"(Sherd trains recommender models on a sharded parameter server.

  sherd train JOB.pbtxt [flags]          train, and test at the end
  sherd join JOB.pbtxt --key_file=FILE   takes part in that job while it runs, as a spare or a worker
  sherd eval [JOB.pbtxt] [flags]         figures of a checkpoint on the eval and test set
  sherd predict [JOB.pbtxt] [flags]      predictions of a checkpoint, one line an input row
  sherd recommend [JOB.pbtxt] [flags]    for each user the items that a checkpoint scores best
  sherd check JOB.pbtxt [flags]          is the job file right, and can its first rows be read?
  sherd doctor JOB.pbtxt [flags]         under mpirun: are all hosts and the network between them fit for the job?
  sherd convert JOB.pbtxt --out=DIR      row files of its data, with statistics, and the job that trains on them
  sherd plan JOB.pbtxt [flags]           what a job needs: keys, memory, servers, time, network
  sherd keygen FILE                      keys for --key_file, which this user alone may read
  sherd gen [flags]                      a click log whose best possible figures are known
  sherd checkpoint COMMAND …             verify, show, diff, reshard, cast, prune or export one

Alone it runs in one process. On several cores or hosts:

  launch/sherd-mpirun -np 5 train JOB.pbtxt

where rank 0 is the scheduler and the rest are servers, workers and spares. A job file is protobuf text; proto/job.proto
explains each field, launch/jobs/ has examples.

Flags of this run:
)";

struct RunFlag {
  const char *name, *value, *help;
};
constexpr RunFlag kRunFlags[] = {
    {"resume", "", "train: go on from the newest checkpoint of --checkpoint_dir"},
    {"checkpoint", "DIR", "eval, predict, recommend: which one; default: the newest of the job's folder"},
    {"against", "DIR", "eval: another checkpoint of the same model, for the differences and whether they are chance"},
    {"input", "FILE,...", "predict: rows to predict; recommend: users, one a line; default: all"},
    {"output", "FILE", "predict, recommend: where to"},
    {"out", "DIR", "convert: a new folder for the row files"},
    {"split", "HOW", "convert: training rows that test instead: hash:0.1, last:0.1 or time:COLUMN:0.1 of them"},
    {"min_count", "N", "convert: tokens with fewer training rows share one key; writes vocabularies of the others"},
    {"keep_tokens", "", "convert: row files with the tokens' texts in place of their hashes"},
    {"text_bytes", "SIZE", "convert: text that goes into a row file at most; default: by the size of the input"},
    {"threads", "N", "convert: default: the cores of the host, shared by the ranks on it"},
    {"overwrite", "", "convert: replace what an earlier conversion left in the folder"},
    {"metrics", "FILE", "write what happens as JSON lines"},
    {"sample_rows", "N", "plan: how many training rows to read at least; default 1000000"},
    {"seconds", "X", "plan: how long to train for its measurements; default 10"},
    {"json", "", "plan: print JSON lines"},
    {"key_file", "FILE",
     "keys of encrypted connections, by sherd keygen; default: made for each job and sent by mpirun"},
    {"role", "ROLE", "join: spare, which waits for a lost one's place, or worker; default: spare"},
    {"chaos", "WHAT", "a drill: kill:server:30s,stall:worker:10s,drop:1%,delay:20ms,dup:1%,corrupt:0.1%"},
    {"chaos_seed", "N", "which rank and which messages suffer; the same number repeats a drill; default 1"},
    {"log_dir", "DIR", "write log files of every rank; without it only warnings are shown"},
    {"version", "", ""},
    {"help", "", ""},
};

std::string FlagLine(const std::string& name, const std::string& value, const std::string& help) {
  std::string line = "  --" + name;
  if (!value.empty()) line += "=" + value;
  line.resize(std::max<std::size_t>(line.size() + 2, 36), ' ');
  line += help;
  while (line.back() == ' ') line.pop_back();
  return line + "\n";
}

}  // namespace

std::string HelpText() {
  std::string text = kIntroduction;
  for (const RunFlag& flag : kRunFlags) text += FlagLine(flag.name, flag.value, flag.help);
  text +=
      "\nFlags that override the job file (paths start from the current folder, input files from --data_dir if "
      "given):\n";
  for (const JobFlag& flag : JobFlags()) {
    text += FlagLine(flag.name, flag.value, std::string(flag.help) + " (" + flag.field + ")");
  }
  return text + "\n" + GenHelp() + "\n" + CheckpointHelp() +
         "\nExit codes: 0 done, 1 failed, 2 bad usage or job file.\n";
}

std::string VersionText() { return "sherd " SHERD_VERSION; }

}  // namespace sherd
