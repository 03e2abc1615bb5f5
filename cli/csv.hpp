// csv.hpp: CSV files block by block: some columns, without looking at what is in the others, or rows for Arrow's reader.
#ifndef UCID_CLI_CSV_HPP
#define UCID_CLI_CSV_HPP

#include <arrow/api.h>
#include <arrow/io/api.h>

#include <functional>
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

constexpr int64_t csv_block_bytes = 2 << 20; // that are read at once; a longer row makes its block longer

// The chosen columns (by their number in the header, ascending) of the rows of a file. input is at its first byte. Empty
// texts without quotes are null; numbers are doubles, null where Arrow's reader has null too. Rows are the same for every
// length of a block.
arrow::Result<std::shared_ptr<arrow::RecordBatchReader>> csv_open(std::shared_ptr<arrow::io::InputStream> input,
                                                                  int column_count, const std::vector<int> &chosen,
                                                                  const std::vector<csv_column> &columns, int threads,
                                                                  int64_t block_bytes = csv_block_bytes);

// All rows but the header in the order of the file, in batches that a function makes of some whole rows each, on several
// threads. Rows that it names ("Row #1" is its first) are told as those of the file.
using csv_decoder = std::function<arrow::Result<std::shared_ptr<arrow::RecordBatch>>(std::shared_ptr<arrow::Buffer>)>;
arrow::Result<std::shared_ptr<arrow::RecordBatchReader>> csv_open_blocks(std::shared_ptr<arrow::io::InputStream> input,
                                                                         std::shared_ptr<arrow::Schema> schema,
                                                                         csv_decoder decode, int threads);

#endif
