// Pictures are drawn by the program gnuplot (Debian package gnuplot-nox). It is asked for only when
// a picture is wanted, and a picture that cannot be drawn never stops a run.
#pragma once

#include <iosfwd>
#include <string>

namespace tapesort {

// Writes a PNG of that size in pixels: runs gnuplot on the commands, whose terminal is set before,
// and puts the picture in place once it is whole. On failure: false, after one line on
// `messages` that says why; an older `file` stays.
bool run_gnuplot(const std::string& file, std::size_t width, std::size_t height,
                 const std::string& commands, std::ostream& messages);

// A text as a string of gnuplot's language.
std::string gnuplot_text(const std::string& text);

}  // namespace tapesort
