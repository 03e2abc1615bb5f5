// csv.hpp: some columns of a CSV file, without looking at what is in the others.
#ifndef UCID_CLI_CSV_HPP
#define UCID_CLI_CSV_HPP

#include <arrow/api.h>
#include <arrow/io/api.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

struct csv_column {
    std::string name;
    bool text = false; // else a number
};

// Columns of the header that a file starts with, in its order; empty where it is not whole, or of a kind (lines that end
// with CR alone) that this reader leaves to others.
std::vector<std::string> csv_header(std::string_view start);

// The chosen columns (by their number in the header) of the rows of a file. input is at its first byte. Empty texts
// without quotes are null; numbers are doubles, null where Arrow's reader has null too.
arrow::Result<std::shared_ptr<arrow::RecordBatchReader>> csv_open(std::shared_ptr<arrow::io::InputStream> input,
                                                                  int column_count, const std::vector<int> &chosen,
                                                                  const std::vector<csv_column> &columns, int threads);

#endif
