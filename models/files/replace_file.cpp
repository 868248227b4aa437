#include "models/files/replace_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <optional>
#include <utility>

#include "engine/check.hpp"

namespace tapesort {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void cannot_write(const std::string& file, const std::string& why) {
  fault(file, ": cannot be written: ", why);
}

// Throws with the reason of the system call that failed last.
void require_success(bool success, const std::string& file) {
  if (!success) cannot_write(file, std::strerror(errno));
}

// A file descriptor that is closed at the end of the scope.
class Descriptor {
 public:
  Descriptor(const std::string& file, int flags)
      : number_(open(file.c_str(), flags | O_CLOEXEC | O_NOFOLLOW, 0666)) {}
  ~Descriptor() { close(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  operator int() const { return number_; }
  // Whether it closed well: a disk that is full, or over the net, may say so only then.
  bool close() { return number_ < 0 || ::close(std::exchange(number_, -1)) == 0; }

 private:
  int number_;
};

// FILE.part, locked and empty; removed at the end unless it has become FILE.
class Part {
 public:
  explicit Part(const std::string& file) : file_(file), name_(file + ".part") {
    std::error_code error, unknown;
    const fs::file_status status = fs::status(file, unknown);
    if (fs::is_directory(status)) cannot_write(file, "it is a folder");
    if (fs::exists(status) && !fs::is_regular_file(status)) {
      cannot_write(file, "it is a device or the like; need a file, which is replaced");
    }
    const fs::path folder = fs::path(file).parent_path();
    if (!folder.empty()) fs::create_directories(folder, error);
    if (error) fault(folder.string(), ": cannot be made: ", error.message());
    while (!locked()) {
    }
  }
  ~Part() {
    if (!renamed_) unlink(name_.c_str());
  }
  Part(const Part&) = delete;
  Part& operator=(const Part&) = delete;

  const std::string& name() const { return name_; }

  // On disk before the rename, or a crash of the machine could leave an empty file under the name.
  void become_file() {
    Descriptor written(name_, O_RDONLY);
    // EINVAL: the file system has nothing to flush.
    require_success(written >= 0 && (fsync(written) == 0 || errno == EINVAL), file_);
    require_success(written.close(), file_);
    require_success(std::rename(name_.c_str(), file_.c_str()) == 0, file_);
    renamed_ = true;
  }

 private:
  // Waits for the lock. False when the one who had it has renamed or removed the file meanwhile.
  bool locked() {
    lock_.emplace(name_, O_RDWR | O_CREAT);
    if (*lock_ < 0) cannot_write(file_, name_ + ": " + std::strerror(errno));
    while (flock(*lock_, LOCK_EX) != 0 && errno == EINTR) {
    }  // a file system without locks is used without
    struct stat here, there;
    if (fstat(*lock_, &here) != 0 || stat(name_.c_str(), &there) != 0) return false;
    if (here.st_ino != there.st_ino || here.st_dev != there.st_dev) return false;
    require_success(ftruncate(*lock_, 0) == 0, file_);
    return true;
  }

  const std::string& file_;
  const std::string name_;
  std::optional<Descriptor> lock_;
  bool renamed_ = false;
};

}  // namespace

void replace_file(const std::string& file, const std::function<void(const std::string&)>& write) {
  Part part(file);
  write(part.name());
  part.become_file();
}

void replace_file_content(const std::string& file, const std::vector<std::string_view>& pieces) {
  replace_file(file, [&](const std::string& temporary) {
    Descriptor out(temporary, O_WRONLY);
    require_success(out >= 0, file);
    for (std::string_view rest : pieces) {
      while (!rest.empty()) {
        const ssize_t count = ::write(out, rest.data(), rest.size());
        require_success(count >= 0 || errno == EINTR, file);
        if (count > 0) rest.remove_prefix(std::size_t(count));
      }
    }
    require_success(out.close(), file);
  });
}

void check_replaceable(const std::string& file) { Part part(file); }

}  // namespace tapesort
