#include "apps/report/neighbour_sheet.hpp"

#include <array>
#include <sstream>

#include "apps/report/plot.hpp"
#include "engine/check.hpp"

namespace tapesort {
namespace {

using Colour = std::array<std::uint8_t, 3>;
constexpr Colour green{0x22, 0x9a, 0x4b}, red{0xd6, 0x28, 0x28};
constexpr const char *dark_red = "#B01818", *dark_green = "#14703A", *grey = "#505050",
                     *black = "#000000";

// Pixels. A cell is an image, enlarged, with its frame and a line of text below.
constexpr std::size_t frame = 4, gap = 8, caption = 18, top = 66, margin = 18, query_text = 96;

// A picture, white at first, with text on it.
struct Sheet {
  std::size_t scale, image_width, image_height, width = 0, height = 0;
  std::string bytes;        // RGB
  std::ostringstream text;  // gnuplot's commands

  explicit Sheet(const ImageSet& set)
      : scale(std::max<std::size_t>(1, 56 / set.height())),
        image_width(scale * set.width()),
        image_height(scale * set.height()) {}
  std::size_t cell_width() const { return image_width + 2 * frame + gap; }
  std::size_t cell_height() const { return image_height + 2 * frame + caption + 8; }

  void set(std::size_t x, std::size_t y, const Colour& colour) {
    for (std::size_t c = 0; c < 3; ++c) bytes[(y * width + x) * 3 + c] = char(colour[c]);
  }
  // Between image and frame is a white line.
  void put_image(std::size_t x, std::size_t y, const ImageSet& from, Index which,
                 const Colour& colour) {
    const std::size_t channels = from.channels(), second = channels < 3 ? 0 : 1;
    for (std::size_t j = 0; j < image_height + 2 * frame; ++j) {
      for (std::size_t i = 0; i < image_width + 2 * frame; ++i) {
        const bool line = i >= frame - 1 && i <= image_width + frame && j >= frame - 1 &&
                          j <= image_height + frame;
        set(x + i, y + j, line ? Colour{255, 255, 255} : colour);
      }
    }
    for (std::size_t j = 0; j < image_height; ++j) {
      for (std::size_t i = 0; i < image_width; ++i) {
        const std::uint8_t* pixel =
            from.image(std::size_t(which)) + (j / scale * from.width() + i / scale) * channels;
        set(x + frame + i, y + frame + j, {pixel[0], pixel[second], pixel[2 * second]});
      }
    }
  }
  void put_text(double x, double y, const char* align, int size, const char* colour,
                const std::string& words) {
    text << "set label " << gnuplot_text(words) << " at " << x << ',' << y << ' ' << align
         << " font '," << size << "' textcolor rgb '" << colour << "' front\n";
  }
};

void check(const ImageSet& queries, const ImageSet& candidates,
           const std::vector<std::string>& classes, const std::vector<NeighbourRow>& rows) {
  const char* op = "draw_neighbour_sheet";
  require(!rows.empty(), op, ": no rows; need at least one");
  require(queries.height() == candidates.height() && queries.width() == candidates.width() &&
              queries.channels() == candidates.channels(),
          op, ": images differ in shape: queries are ", queries.pixels.shape(), ", candidates ",
          candidates.pixels.shape());
  const auto in = [&](const char* what, Index i, std::size_t count) {
    require(i >= 0 && std::size_t(i) < count, op, ": ", what, " ", i,
            " is out of range; need 0 <= ", what, " < ", count);
  };
  for (const NeighbourRow& row : rows) {
    in("query", row.query, queries.size());
    in("class", row.predicted, classes.size());
    in("class", queries.labels(row.query), classes.size());
    for (const Index neighbour : row.neighbours) {
      in("neighbour", neighbour, candidates.size());
      in("class", candidates.labels(neighbour), classes.size());
    }
  }
}

}  // namespace

bool draw_neighbour_sheet(const std::string& title, const ImageSet& queries,
                          const ImageSet& candidates, const std::vector<std::string>& classes,
                          const std::vector<NeighbourRow>& rows, const std::string& file,
                          std::ostream& messages) {
  check(queries, candidates, classes, rows);
  std::size_t most = 0;
  for (const NeighbourRow& row : rows) most = std::max(most, row.neighbours.size());

  Sheet sheet(queries);
  const std::size_t columns = rows.size() > 10 && most <= 10 ? 2 : 1;
  const std::size_t rows_each = (rows.size() + columns - 1) / columns;
  const std::size_t block = query_text + (most + 1) * sheet.cell_width();
  sheet.width = 2 * margin + columns * block + (columns - 1) * 3 * margin;
  sheet.height = top + rows_each * sheet.cell_height() + margin;
  sheet.bytes.assign(sheet.width * sheet.height * 3, '\xff');
  sheet.put_text(double(margin), 22, "left", 13, black, title);
  for (std::size_t r = 0; r < rows.size(); ++r) {
    const NeighbourRow& row = rows[r];
    const std::size_t left = margin + r / rows_each * (block + 3 * margin);
    const std::size_t y = top + r % rows_each * sheet.cell_height();
    if (r % rows_each == 0) {
      sheet.put_text(double(left), 52, "left", 10, grey, "test image");
      sheet.put_text(double(left + sheet.cell_width() + query_text), 52, "left", 10, grey,
                     "its nearest neighbours, the nearest first");
    }
    const Index truth = queries.labels(row.query);
    const bool right = row.predicted == truth;
    sheet.put_image(left, y, queries, row.query, right ? green : red);
    const double beside = double(left + sheet.cell_width()) + 2;
    sheet.put_text(beside, double(y) + 16, "left", 10, black, classes[std::size_t(truth)]);
    sheet.put_text(beside, double(y) + 34, "left", 8, right ? dark_green : dark_red,
                   right ? "found" : "taken for");
    if (!right) {
      sheet.put_text(beside, double(y) + 50, "left", 10, dark_red,
                     classes[std::size_t(row.predicted)]);
    }
    for (std::size_t i = 0; i < row.neighbours.size(); ++i) {
      const Index label = candidates.labels(row.neighbours[i]);
      const std::size_t x = left + query_text + (i + 1) * sheet.cell_width();
      sheet.put_image(x, y, candidates, row.neighbours[i], label == truth ? green : red);
      sheet.put_text(double(x) + double(sheet.image_width) / 2 + double(frame),
                     double(y + sheet.image_height + 2 * frame) + 8, "center", 8,
                     label == truth ? grey : dark_red, classes[std::size_t(label)]);
    }
  }

  // One unit of the axes is one pixel, y downwards; the picture's bytes follow the command.
  const std::string commands = to_message(
      sheet.text.str(),
      "set margins 0, 0, 0, 0\nunset border\nunset tics\nunset key\nset xrange [0:", sheet.width,
      "]\nset yrange [", sheet.height,
      ":0]\n"
      "plot '-' binary array=(",
      sheet.width, ",", sheet.height,
      ") origin=(0.5,0.5) format='%uchar' using 1:2:3 with rgbimage\n", sheet.bytes);
  return run_gnuplot(file, sheet.width, sheet.height, commands, messages);
}

}  // namespace tapesort
