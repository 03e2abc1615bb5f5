// hdfs.hpp: the plugin of webhdfs.h as a file system of Arrow's.
#ifndef UCID_CLI_HDFS_HPP
#define UCID_CLI_HDFS_HPP

#include <arrow/filesystem/filesystem.h>

// The file system that an hdfs:// or webhdfs:// name lies in, and the path there.
arrow::Result<std::shared_ptr<arrow::fs::FileSystem>> open_hdfs(const std::string &uri, std::string *path);

#endif
