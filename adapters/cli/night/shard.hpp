// Shards: which runs of a plan belong to this machine. Stateless: run k belongs to shard k mod n, so neighbouring seeds spread over all
// machines, and nobody has to hand out work.
//
// The number comes from --shard i/n (from 1), or from the environment, the first of these that is set:
//   FAULTLINE_SHARD                                "2/4"; anywhere
//   FAULTLINE_SHARD_INDEX, FAULTLINE_SHARD_COUNT   from 0, e.g. ${{ strategy.job-index }} and ${{ strategy.job-total }} of a GitHub matrix
//   CI_NODE_INDEX, CI_NODE_TOTAL                   from 1: `parallel: n` of GitLab CI
//   SLURM_ARRAY_TASK_ID, _MIN, _STEP, _COUNT       any array with equal steps
//   JOB_COMPLETION_INDEX, JOB_COMPLETIONS          from 0: an indexed Job of Kubernetes, whose template names its completions
// Half of a pair, or what is no number, is an error: a shard that guesses would run too little, and nobody would know.
#pragma once

#include <faultline/result.hpp>

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace faultline::cli::night {

struct Shard {
  std::size_t index = 0, count = 1;  // from 0
  std::string origin;                // "--shard", "SLURM_ARRAY_TASK_ID"; empty: nobody asked, all runs

  [[nodiscard]] bool takes(std::size_t run) const { return run % count == index; }
  [[nodiscard]] bool whole() const { return count == 1; }
  [[nodiscard]] std::string text() const;  // "2/4"; empty for the whole
};

// nullopt: not set.
using Environment = std::function<std::optional<std::string>(std::string_view name)>;

Result<Shard> shard_of(std::string_view flag, const Environment& environment);

}  // namespace faultline::cli::night
