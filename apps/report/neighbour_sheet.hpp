// A picture of what a nearest-neighbour classifier goes by: test images, each with its neighbours.
#pragma once

#include <iostream>
#include <string>
#include <vector>

#include "apps/data/image_set.hpp"

namespace tapesort {

struct NeighbourRow {
  Index query;                    // in the queries
  std::vector<Index> neighbours;  // in the candidates, nearest first
  Index predicted;                // class
};

// One row of images for each NeighbourRow, two rows side by side where there are many. Class names
// are printed; a green frame marks a right prediction and a neighbour of the query's class, a red
// one the wrong ones. Returns as the other pictures do (plot.hpp). std::invalid_argument when an
// index or class is out of range or the sets' images differ in shape.
bool draw_neighbour_sheet(const std::string& title, const ImageSet& queries,
                          const ImageSet& candidates, const std::vector<std::string>& classes,
                          const std::vector<NeighbourRow>& rows, const std::string& file,
                          std::ostream& messages = std::cerr);

}  // namespace tapesort
