#include "apps/report/neighbour_sheet.hpp"

#include <array>
#include <sstream>

#include "apps/report/gnuplot.hpp"
#include "engine/check.hpp"

namespace tapesort {
namespace {

using Colour = std::array<std::uint8_t, 3>;
constexpr Colour green{0x22, 0x9a, 0x4b}, red{0xd6, 0x28, 0x28};
constexpr const char *dark_red = "#B01818", *dark_green = "#14703A", *grey = "#505050";

// An RGB picture, white at first.
struct Canvas {
  std::size_t width, height;
  std::string bytes;

  Canvas(std::size_t w, std::size_t h) : width(w), height(h), bytes(w * h * 3, '\xff') {}

  void set(std::size_t x, std::size_t y, const Colour& colour) {
    for (std::size_t c = 0; c < 3; ++c) bytes[(y * width + x) * 3 + c] = char(colour[c]);
  }
  void fill(std::size_t x, std::size_t y, std::size_t w, std::size_t h, const Colour& colour) {
    for (std::size_t j = 0; j < h; ++j) {
      for (std::size_t i = 0; i < w; ++i) set(x + i, y + j, colour);
    }
  }
};

// Pixels. A cell is an image, enlarged, with its frame and a line of text below.
struct Layout {
  std::size_t scale, image_width, image_height, frame = 4, gap = 8, caption = 18;
  std::size_t top = 66, margin = 18, query_text = 96;

  std::size_t cell_width() const { return image_width + 2 * frame + gap; }
  std::size_t cell_height() const { return image_height + 2 * frame + caption + 8; }
};

void put_image(Canvas& canvas, const Layout& layout, std::size_t x, std::size_t y,
               const ImageSet& set, Index which, const Colour& frame) {
  canvas.fill(x, y, layout.image_width + 2 * layout.frame, layout.image_height + 2 * layout.frame,
              frame);
  // a white line between frame and image
  canvas.fill(x + 3, y + 3, layout.image_width + 2, layout.image_height + 2, {255, 255, 255});
  const std::uint8_t* pixels = set.image(std::size_t(which));
  const std::size_t channels = set.channels();
  for (std::size_t j = 0; j < layout.image_height; ++j) {
    for (std::size_t i = 0; i < layout.image_width; ++i) {
      const std::uint8_t* pixel =
          pixels + ((j / layout.scale) * set.width() + i / layout.scale) * channels;
      const bool grey_only = channels < 3;
      canvas.set(x + layout.frame + i, y + layout.frame + j,
                 {pixel[0], pixel[grey_only ? 0 : 1], pixel[grey_only ? 0 : 2]});
    }
  }
}

void put_text(std::ostream& out, double x, double y, const char* align, const std::string& font,
              const char* colour, const std::string& text) {
  out << "set label " << gnuplot_text(text) << " at " << x << ',' << y << ' ' << align << " font '"
      << font << "' textcolor rgb '" << colour << "' front\n";
}

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

  Layout layout;
  layout.scale = std::max<std::size_t>(1, 56 / queries.height());
  layout.image_width = layout.scale * queries.width();
  layout.image_height = layout.scale * queries.height();
  const std::size_t columns = rows.size() > 10 && most <= 10 ? 2 : 1;
  const std::size_t rows_each = (rows.size() + columns - 1) / columns;
  const std::size_t block = layout.query_text + (most + 1) * layout.cell_width();
  Canvas canvas(2 * layout.margin + columns * block + (columns - 1) * 3 * layout.margin,
                layout.top + rows_each * layout.cell_height() + layout.margin);

  std::ostringstream text;
  const std::string small = ",8";
  put_text(text, double(layout.margin), 22, "left", ",13", "#000000", title);
  for (std::size_t column = 0; column < columns; ++column) {
    const std::size_t left = layout.margin + column * (block + 3 * layout.margin);
    put_text(text, double(left), 52, "left", ",10", grey, "test image");
    put_text(text, double(left + layout.cell_width() + layout.query_text), 52, "left", ",10", grey,
             "its nearest neighbours, the nearest first");
    for (std::size_t r = 0; r < rows_each && column * rows_each + r < rows.size(); ++r) {
      const NeighbourRow& row = rows[column * rows_each + r];
      const std::size_t y = layout.top + r * layout.cell_height();
      const Index truth = queries.labels(row.query);
      const bool right = row.predicted == truth;
      put_image(canvas, layout, left, y, queries, row.query, right ? green : red);
      const double beside = double(left + layout.cell_width()) + 2;
      put_text(text, beside, double(y) + 16, "left", ",10", "#000000", classes[std::size_t(truth)]);
      put_text(text, beside, double(y) + 34, "left", small, right ? dark_green : dark_red,
               right ? "found" : "taken for");
      if (!right) {
        put_text(text, beside, double(y) + 50, "left", ",10", dark_red,
                 classes[std::size_t(row.predicted)]);
      }
      for (std::size_t i = 0; i < row.neighbours.size(); ++i) {
        const Index label = candidates.labels(row.neighbours[i]);
        const std::size_t x = left + layout.query_text + (i + 1) * layout.cell_width();
        put_image(canvas, layout, x, y, candidates, row.neighbours[i],
                  label == truth ? green : red);
        put_text(text, double(x) + double(layout.image_width) / 2 + double(layout.frame),
                 double(y + layout.image_height + 2 * layout.frame) + 8, "center", small,
                 label == truth ? grey : dark_red, classes[std::size_t(label)]);
      }
    }
  }

  // One unit of the axes is one pixel, y downwards; the picture's bytes follow the command.
  const std::string commands = to_message(
      text.str(),
      "set margins 0, 0, 0, 0\nunset border\nunset tics\nunset key\nset xrange [0:", canvas.width,
      "]\nset yrange [", canvas.height,
      ":0]\n"
      "plot '-' binary array=(",
      canvas.width, ",", canvas.height,
      ") origin=(0.5,0.5) format='%uchar' using 1:2:3 with rgbimage\n", canvas.bytes);
  return run_gnuplot(file, canvas.width, canvas.height, commands, messages);
}

}  // namespace tapesort
