#include "apps/report/gnuplot.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <memory>
#include <ostream>
#include <stdexcept>

#include "apps/program/processes.hpp"
#include "engine/check.hpp"
#include "models/replace_file.hpp"

namespace tapesort {
namespace {

using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

// An open file without a name, gone when closed.
File unnamed_file() {
  File file(std::tmpfile(), std::fclose);
  if (!file) throw std::runtime_error(to_message("no temporary file: ", std::strerror(errno)));
  return file;
}

// What gnuplot said first, without its echo of the command and the caret below it.
std::string first_complaint(std::FILE* file) {
  std::rewind(file);
  char line[512];
  while (std::fgets(line, sizeof line, file)) {
    const std::string text(line, std::strcspn(line, "\n"));
    if (text.find("line ") != std::string::npos) return ": " + text.substr(text.find("line "));
  }
  return "";
}

// Runs gnuplot on a script; what it puts out goes to `picture`. The script comes in a file, not a
// pipe: writing to a pipe whose reader is gone would end us.
void run(const std::string& script, const std::string& picture) {
  const File input = unnamed_file(), complaints = unnamed_file();
  const File output(std::fopen(picture.c_str(), "wb"), std::fclose);
  if (!output || std::fwrite(script.data(), 1, script.size(), input.get()) != script.size() ||
      std::fflush(input.get()) != 0) {
    throw std::runtime_error(to_message("gnuplot's commands: ", std::strerror(errno)));
  }
  std::rewind(input.get());
  pid_t process = 0;
  const int error = start(
      {"gnuplot"}, {fileno(input.get()), fileno(output.get()), fileno(complaints.get())}, process);
  if (error == ENOENT) {
    throw std::runtime_error("gnuplot is missing; install it: apt-get install gnuplot-nox");
  }
  if (error != 0) throw std::runtime_error(to_message("gnuplot: ", std::strerror(error)));
  if (status_at_end(process) != 0) {
    throw std::runtime_error("gnuplot failed" + first_complaint(complaints.get()));
  }
}

// gnuplot does not notice a full disk. The last chunk of a PNG file has no content.
void require_whole(const std::string& picture) {
  const std::string last("\0\0\0\0IEND\xae\x42\x60\x82", 12);
  std::ifstream in(picture, std::ios::binary);
  std::string end(last.size(), ' ');
  in.seekg(-std::streamoff(end.size()), std::ios::end);
  in.read(end.data(), std::streamsize(end.size()));
  if (!in || end != last) {
    throw std::runtime_error("gnuplot wrote only a part of it; is the disk full?");
  }
}

}  // namespace

std::string gnuplot_text(const std::string& text) {
  std::string quoted = "'";
  for (const char c : text) {
    if (c == '\'') quoted += '\'';  // twice stands for once
    quoted += c == '\n' ? ' ' : c;
  }
  return quoted + "'";
}

bool run_gnuplot(const std::string& file, std::size_t width, std::size_t height,
                 const std::string& commands, std::ostream& messages) {
  try {
    replace_file(file, [&](const std::string& temporary) {
      run(to_message("set terminal pngcairo noenhanced font 'DejaVu Sans,11' size ", width, ",",
                     height, "\n", commands),
          temporary);
      require_whole(temporary);
    });
    return true;
  } catch (const std::exception& error) {
    messages << "tapesort: no picture " << file << ": " << error.what() << '\n';
    return false;
  }
}

}  // namespace tapesort
