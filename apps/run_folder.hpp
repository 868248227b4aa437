// What a run checks before it begins, as it may take hours: that its results can be written.
#pragma once

#include <string>

namespace tapesort {

// In a run's folder: its trainer's checkpoint, its lock, its result,
constexpr const char *checkpoint_name = "checkpoint.safetensors", *lock_name = ".lock",
                     *result_name = "result.json", *curve_name = "learning_curve.png",
                     *neighbours_name = "neighbours.png";
// and so all that runs write there.
constexpr const char* run_files[] = {checkpoint_name, lock_name, result_name, curve_name,
                                     neighbours_name};

// While it lives, no other run can have the same folder: two would overwrite each other's
// checkpoints.
class RunFolder {
 public:
  // out: the run's folder, made if need be; save: a file. Empty: none. std::runtime_error when
  // either cannot be written, save is one of run_files in out, another run has the folder or it
  // cannot be locked, or a run has left a checkpoint there and this one is not to resume it.
  RunFolder(const std::string& out, const std::string& save, bool resume);
  ~RunFolder();
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;

 private:
  int lock_ = -1;  // descriptor of an open file; its lock ends with it, also by a crash
};

}  // namespace tapesort
