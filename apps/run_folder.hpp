// What a run checks before it begins, as it may take hours: that its results can be written.
#pragma once

#include <string>

namespace tapesort {

// In a run's folder: its trainer's checkpoint.
constexpr const char* checkpoint_name = "checkpoint.safetensors";

// While it lives, no other run can have the same folder: two would overwrite each other's
// checkpoints.
class RunFolder {
 public:
  // out: the run's folder, made if need be; save: a file. Empty: none. std::runtime_error when
  // either cannot be written, another run has the folder, or a run has left a checkpoint there and
  // this one is not to resume it.
  RunFolder(const std::string& out, const std::string& save, bool resume);
  ~RunFolder();
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;

 private:
  int lock_ = -1;  // descriptor of an open file; its lock ends with it, also by a crash
};

}  // namespace tapesort
